"""Where rows were taken, and how restless it is there, against what is said of them, row by row."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.transients.places import calmness, places, restlessness

ROWS = 5000
NO_ROWS = np.zeros(0)


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
    assert len(np.unique(place[~known])) == 1
    assert len(np.unique(places(rows.with_columns(l_shell=pl.lit(math.nan))))) == 1


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


def slowly_restless(surprises, place, orbit, cadence):
    """Restate it one row at a time: counts by orbit and place, and nothing of the row's own orbit and place."""
    days, times = {}, {}
    for o, p in zip(orbit.tolist(), place.tolist(), strict=True):
        days[o, p] = days.get((o, p), 0.0) + cadence / 86_400
    for row in surprises.tolist():
        visit = orbit[row], place[row]
        times[visit] = times.get(visit, 0) + 1

    def usual(o, p):
        others = [visit for visit in days if visit[1] == p and visit[0] != o]
        return (sum(times.get(v, 0) for v in others) + 0.5) / (sum(days[v] for v in others) + 0.05)

    restless = []
    for o, p in zip(orbit.tolist(), place.tolist(), strict=True):
        near = [visit for visit in days if abs(visit[0] - o) <= 2 and visit != (o, p)]
        met = sum(times.get(v, 0) for v in near)
        storm = (met + 3) / (sum(days[v] * usual(o, v[1]) for v in near) + 3)
        here = [visit for visit in near if visit[1] == p]
        found = sum(times.get(v, 0) for v in here) + 0.02 * usual(o, p) * storm
        restless.append(found / (sum(days[v] for v in here) + 0.02))
    return np.array(restless)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 9999), first=st.sampled_from([-3, 0, 170]))
def test_restlessness_is_that_of_the_visits_before_and_after(seed, first):
    rng = np.random.default_rng(seed)
    rows, cadence = int(rng.integers(1, 60)), float(rng.choice([1.0, 90.0]))
    place = rng.integers(0, 4, rows)
    orbit = (first + np.sort(rng.integers(0, 9, rows))).astype(np.int32)
    surprises = rng.integers(0, rows, int(rng.integers(0, 12)))
    np.testing.assert_allclose(
        restlessness(surprises, place, orbit, cadence), slowly_restless(surprises, place, orbit, cadence), rtol=1e-9
    )


@pytest.fixture
def orbits():
    """Thirty orbits of 90 min through the same six places."""
    row = np.arange(30 * 5400)
    return row % 5400 // 900, (row // 5400).astype(np.int32)


def test_a_burst_does_not_make_its_own_place_restless(orbits):
    place, orbit = orbits
    before = restlessness(np.zeros(0, np.int64), place, orbit, 1.0)
    burst = 12 * 5400 + 2000 + 10 * np.arange(8)
    after = restlessness(burst, place, orbit, 1.0)
    here = (orbit == 12) & (place == place[burst[0]])
    np.testing.assert_allclose(after[here], before[here], rtol=1e-12)
    for away in (-2, -1, 1, 2):  # but the visits beside it are warned
        assert after[(orbit == 12 + away) & (place == place[burst[0]])].min() > 5 * before.max()


def test_what_comes_again_makes_its_place_restless_and_no_other(orbits):
    place, orbit = orbits
    spikes = np.arange(30) * 5400 + 5 * 900 + 100
    restless = restlessness(spikes, place, orbit, 1.0)
    rate = 86_400 / 900  # one a visit of 900 s
    assert restless[place == 5].min() > 0.5 * rate
    assert restless[place == 5].max() < 1.5 * rate
    assert restless[place != 5].max() < 0.1 * rate


def test_a_storm_makes_its_orbits_restless_in_all_places(orbits):
    place, orbit = orbits
    rng = np.random.default_rng(6)
    storm = np.flatnonzero((orbit >= 10) & (orbit < 14))
    restless = restlessness(rng.choice(storm, 60), place, orbit, 1.0)
    calm = restlessness(np.zeros(0, np.int64), place, orbit, 1.0)
    within, without = restless[(orbit >= 11) & (orbit < 13)], restless[(orbit < 7) | (orbit > 17)]
    assert within.min() > 5 * without.max()
    assert without.max() < 20 * calm.max()  # the mean of all orbits has risen


def test_no_rows_are_not_restless():
    empty = np.zeros(0, np.int64)
    assert restlessness(empty, empty, empty.astype(np.int32), 1.0).shape == (0,)
    assert calmness(NO_ROWS).shape == (0,)
    assert calmness(np.array([3.0])).tolist() == [0]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80))
def test_the_more_restless_a_row_the_higher_its_class(values):
    restless = np.array(values, float)
    classes = calmness(restless)
    order = np.argsort(restless, kind="stable")
    assert (np.diff(classes[order]) >= 0).all()
    assert classes[order[0]] == 0
    for same in np.unique(restless):
        assert len(np.unique(classes[restless == same])) == 1


def test_classes_hold_three_fifths_a_quarter_a_tenth_and_a_twentieth():
    classes = calmness(np.random.default_rng(7).permutation(10_000.0 + np.arange(2000)))
    np.testing.assert_allclose(np.bincount(classes) / 2000, [0.6, 0.25, 0.1, 0.05], atol=0.001)
