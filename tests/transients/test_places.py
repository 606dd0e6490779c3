"""Where rows were taken, against what is said of them, row by row."""

import math

import numpy as np
import polars as pl
import pytest

from polarbgb.transients.places import places

ROWS = 5000


def at_random(seed=0, **columns):
    """Rows anywhere, far from the anomaly."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(10.0, 1000.0, (ROWS, 2))
    return pl.DataFrame({"pred": pl.Series(rate, dtype=pl.Array(pl.Float32, 2)), **columns})


def shell_of(l_shell):
    """Six shells, written out: four fifths in four, then to 92 %, then the rest."""
    order = np.argsort(np.argsort(l_shell)) / len(l_shell)
    return np.array([sum(share >= border for border in (0.2, 0.4, 0.6, 0.8, 0.92)) for share in order])


def test_shells_divide_the_rows_where_there_is_nothing_else():
    l_shell = np.random.default_rng(1).permutation(np.linspace(1.0, 6.0, ROWS))
    place = places(at_random(l_shell=l_shell))
    np.testing.assert_array_equal(place[np.argsort(l_shell)], np.sort(place))  # no shell lies within another
    _, rows = np.unique(place, return_counts=True)
    np.testing.assert_allclose(rows / ROWS, [0.2, 0.2, 0.2, 0.2, 0.12, 0.08], atol=1 / ROWS)


def test_the_rate_stands_in_for_the_shell():
    rows = at_random()
    rate = rows["pred"].to_numpy()
    np.testing.assert_array_equal(places(rows), places(rows.with_columns(l_shell=np.sqrt(rate[:, 0] * rate[:, 1]))))
    assert len(np.unique(places(rows))) == 6


def test_rows_beside_a_passage_are_places_of_their_own():
    since = np.tile(np.arange(1250.0), 4)
    until = since[::-1]
    rows = at_random(l_shell=np.ones(ROWS), until_switch_off=until, since_switch_on=since)
    place = places(rows)
    # Passages 1250 s apart: every row is in a flank or an edge, on its way to one or from one.
    kind = np.select([since < 150, until < 150, since < 900], ["after", "before", "flank after"], "flank before")
    assert len(np.unique(place)) == 4
    for name in np.unique(kind):
        assert len(np.unique(place[kind == name])) == 1
    (away,) = np.unique(places(at_random(l_shell=np.ones(ROWS))))
    assert away not in place


@pytest.mark.parametrize("name", ["until_switch_off", "since_switch_on"])
def test_one_side_of_a_passage_may_be_unknown(name):
    distance = np.linspace(0.0, 3000.0, ROWS)
    place = places(at_random(l_shell=np.ones(ROWS), **{name: distance}))
    for inside in (distance < 150, (distance >= 150) & (distance < 900), distance >= 900):
        assert len(np.unique(place[inside])) == 1
    assert len(np.unique(place)) == 3


def test_the_weakest_field_is_a_flank_and_an_edge_without_any_passage():
    field = np.random.default_rng(2).permutation(np.linspace(18_000.0, 50_000.0, ROWS))
    place = places(at_random(l_shell=np.ones(ROWS), field_strength=field))
    share = np.argsort(np.argsort(field)) / ROWS
    for inside, rows in ((share < 0.04, 0.04), ((share >= 0.04) & (share < 0.12), 0.08), (share >= 0.12, 0.88)):
        numbers, counts = np.unique(place[inside], return_counts=True)
        assert counts.max() / ROWS == pytest.approx(rows, abs=2 / ROWS), numbers
    passing = at_random(l_shell=np.ones(ROWS), until_switch_off=np.where(share < 0.04, 10.0, 9e3))
    np.testing.assert_array_equal(np.unique(places(passing)), np.unique(place[(share < 0.03) | (share > 0.13)]))


def test_all_together_make_no_more_than_thirty_places():
    rng = np.random.default_rng(3)
    columns = {
        "l_shell": rng.uniform(1, 6, ROWS),
        "field_strength": rng.uniform(2e4, 5e4, ROWS),
        "until_switch_off": rng.uniform(0, 3000, ROWS),
        "since_switch_on": rng.uniform(0, 3000, ROWS),
    }
    place = places(at_random(**columns))
    assert place.min() == 0
    assert place.max() == 29
    np.testing.assert_array_equal(place % 6, shell_of(columns["l_shell"]))


def test_rows_without_a_shell_change_no_other_row():
    l_shell = np.random.default_rng(4).uniform(1, 6, ROWS)
    known = np.arange(ROWS) % 7 > 0
    rows = at_random(l_shell=np.where(known, l_shell, np.nan))
    place = places(rows)
    np.testing.assert_array_equal(place[known], places(rows.filter(pl.Series(known))))
    assert (place[~known] == place[known].min()).all()
    assert (places(rows.with_columns(l_shell=pl.lit(math.nan))) == 0).all()


def test_passages_and_fields_that_are_not_known_are_no_passage():
    l_shell = np.random.default_rng(5).uniform(1, 6, ROWS)
    rows = at_random(l_shell=l_shell)
    unknown = {name: pl.lit(math.nan) for name in ("until_switch_off", "since_switch_on", "field_strength")}
    np.testing.assert_array_equal(places(rows.with_columns(**unknown)), places(rows))


@pytest.mark.parametrize("names", [(), ("l_shell", "field_strength", "until_switch_off", "since_switch_on")])
@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_are_no_reason_to_fail(rows, names):
    place = places(at_random(**{name: np.full(ROWS, 2e4) for name in names}).head(rows))
    assert place.shape == (rows,)
    assert ((place >= 0) & (place < 30)).all()
