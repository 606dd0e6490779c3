"""How far counts stray, against counts that were made to stray so far."""

import numpy as np
import pytest

from polarbgb.transients.search import find_windows
from polarbgb.transients.spread import Spread
from polarbgb.transients.unrest import fit_unrest

ORBIT, ORBITS, RATE, LENGTH = 5400, 24, 400.0, 10


def restless_counts(make_counts, seed=0, burst=None):
    """Counts of whole orbits that stray four times as far in the sixth of each that is noted as 1."""
    rng = np.random.default_rng(seed)
    row = np.arange(ORBIT * ORBITS)
    noted = (row % ORBIT < ORBIT // 6).astype(np.float32)
    # An error of the background that lasts for a window: 10 rows of 400 counts stray by 63 of their own.
    error = np.repeat(rng.normal(size=len(row) // LENGTH), LENGTH) * np.sqrt(15 * RATE / LENGTH) * noted
    found = rng.poisson(RATE, (len(row), 2)) + error[:, None]
    if burst is not None:
        found[burst] *= 3
    return make_counts(
        found, RATE, time=1.5e9 + row, orbit=(row // ORBIT).astype(np.int32), noted=np.column_stack([noted])
    )


def unrest_of(counts, make_config):
    spread = Spread(np.eye(2)[None])
    config = make_config(bins=2)
    return fit_unrest(counts, counts.expected, np.ones_like(counts.expected), spread, length=LENGTH, config=config)


@pytest.fixture(scope="module")
def learnt(make_counts, make_config):
    counts = restless_counts(make_counts)
    return counts, unrest_of(counts, make_config)


def test_it_is_as_large_as_the_counts_stray(learnt):
    counts, unrest = learnt
    there = counts.noted[:, 0] > 0
    # The error is that of both bins alike: a variance of 15 + 1 each.
    assert unrest[there].mean() == pytest.approx(4.0, rel=0.15)
    assert unrest[~there].mean() == pytest.approx(1.0, rel=0.05)
    assert unrest[there].min() > 2 * unrest[~there].max()


def test_a_burst_does_not_make_its_own_time_restless(learnt, make_counts, make_config):
    _, unrest = learnt
    burst = slice(7 * ORBIT + 3000, 7 * ORBIT + 3000 + LENGTH)
    after = unrest_of(restless_counts(make_counts, burst=burst), make_config)
    np.testing.assert_array_equal(after[burst], unrest[burst])


@pytest.mark.parametrize("place", [slice(0, 200), slice(ORBIT - 200, ORBIT)])
def test_counts_that_stray_beside_gaps_are_learnt_by_the_distance_to_the_gap(make_counts, make_config, place):
    rng = np.random.default_rng(2)
    row = np.arange(ORBIT * ORBITS)
    beside = np.zeros(ORBIT, bool)
    beside[place] = True
    beside = np.tile(beside, ORBITS)
    error = np.repeat(rng.normal(size=len(row) // LENGTH), LENGTH) * np.sqrt(15 * RATE / LENGTH) * beside
    time = 1.5e9 + row + row // ORBIT * 100.0
    counts = make_counts(rng.poisson(RATE, (len(row), 2)) + error[:, None], RATE, time=time, orbit=row // ORBIT)
    unrest = unrest_of(counts, make_config)
    assert unrest[beside].mean() > 3
    assert unrest[~beside].mean() == pytest.approx(1.0, rel=0.1)


def test_it_is_the_same_every_time(learnt, make_config):
    counts, unrest = learnt
    np.testing.assert_array_equal(unrest_of(counts, make_config), unrest)


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_of_few_rows_nothing_is_learnt(make_counts, make_config, rows):
    found = np.random.default_rng(1).poisson(RATE, (rows, 2))
    assert unrest_of(make_counts(found, RATE), make_config).tolist() == [1.0] * rows


def test_one_orbit_tells_nothing_of_itself(make_counts, make_config):
    rows = 20_000
    counts = make_counts(np.full((rows, 2), RATE), RATE, orbit=np.zeros(rows, np.int32))
    assert set(unrest_of(counts, make_config)) == {1.0}


def test_classes_of_calmness_go_by_it_and_share_the_time(make_counts, make_config):
    counts = restless_counts(make_counts)
    search = find_windows(counts, make_config(bins=2, trigger={"scales": [10.0], "follow": 0.0}))
    live = search.days[10.0]
    np.testing.assert_allclose(live / live.sum(), [0.6, 0.25, 0.1, 0.05], atol=0.02)
    assert live.sum() == pytest.approx(len(counts.time) / 86_400)
    middle = ((search.windows["first"] + search.windows["last"]) // 2).to_numpy()
    there = counts.noted[middle, 0] > 0
    calmness = search.windows["calmness"].to_numpy()
    assert there.sum() > 20
    assert (calmness[there] > 0).all()
    assert calmness[there].max() == 3
    # Measured by what is usual, windows stray no farther where it is restless.
    strength = search.windows["strength"].to_numpy()
    assert np.median(strength[there]) < 6
