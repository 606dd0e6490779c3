"""The belts: their weather against its statistics, the spikes against hand-made tracks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.belts import PLACES, Trains, flicker, front_end, particles, trains
from polarbgb.simulation.saa import EDGE

ORBITS = 5000


@pytest.fixture(scope="module")
def long():
    return trains(ORBITS, np.random.default_rng(3))


def _steady(orbits=4):
    """Make belts that do not change, with one spike of 1000, 2000 and 3000 Hz."""
    return Trains(
        strength=np.tile([1000.0, 2000.0, 3000.0], (orbits, 1)),
        shell=np.full(orbits, 2.4),
        outer=np.full(orbits, 4.4),
        width=np.full(orbits, 0.2),
        reach=np.full(orbits, 500.0),
        hardness=np.tile([0.1, 0.2, 0.4], (orbits, 1)),
    )


def _correlation(values, lag):
    return np.corrcoef(values[lag:], values[:-lag])[0, 1]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_longer_mission_begins_with_the_shorter_one(seed, orbits):
    short, longer = (trains(n, np.random.default_rng(seed)) for n in (orbits, 2 * orbits))
    for name, values in vars(short).items():
        np.testing.assert_array_equal(getattr(longer, name)[:orbits], values)


@pytest.mark.parametrize("place", range(PLACES))
def test_spikes_come_in_trains_over_neighbouring_orbits(long, place):
    strength = np.log(long.strength[:, place])
    assert 0.7 < _correlation(strength, 1) < 0.95
    # A train forgets exponentially, and a day (15.6 orbits) later is another one.
    assert _correlation(strength, 4) == pytest.approx(_correlation(strength, 1) ** 4, abs=0.1)
    assert _correlation(strength, 16) < 0.35


def test_places_shells_and_widths_wander_on_their_own(long):
    walks = np.stack([np.log(long.strength[:, 0]), long.shell, long.outer, np.log(long.width), np.log(long.reach)])
    assert np.abs(np.corrcoef(walks) - np.eye(5)).max() < 0.15


def test_first_orbits_are_as_variable_as_later_ones():
    many = [trains(100, np.random.default_rng(seed)) for seed in range(300)]
    strength = np.log([made.strength[:, 0] for made in many])
    # 300 draws: their deviations are known to 4 %.
    assert strength[:, 0].std() == pytest.approx(strength[:, -1].std(), rel=0.2)
    assert strength[:, 0].mean() == pytest.approx(strength[:, -1].mean(), abs=0.4)


def test_belts_stay_within_what_the_real_file_shows(long):
    assert long.strength.min() > 0
    assert long.strength.max() <= 41_000  # its highest rate in any bar, Hz
    assert 1.5 < long.shell.min() < long.shell.max() < 3.2  # between the belts' inner rim and the slot
    assert 3.3 < long.outer.min() < long.outer.max() < 5.5
    for positive in (long.width, long.reach, long.hardness):
        assert positive.min() > 0


def test_edge_is_full_in_the_anomaly_and_falls_off_by_e_over_the_reach():
    strength = EDGE + np.array([-1000.0, 0.0, 500.0, 1000.0])
    got = particles(_steady(), revolution=np.ones(4), strength=strength, shell=np.full(4, 1.0))
    np.testing.assert_allclose(got[:, 0], 1000 * np.exp([0, 0, -1, -2]))
    np.testing.assert_allclose(got[:, 1:], 0, atol=1e-12)


def test_spikes_stand_at_their_shells_and_nowhere_else():
    shell = np.linspace(1, 7, 6001)
    far = np.full(len(shell), EDGE + 40_000)
    _, middle, outer = particles(_steady(), revolution=np.zeros(len(shell)), strength=far, shell=shell).T
    for spike, place, height in ((middle, 2.4, 2000), (outer, 4.4, 3000)):
        assert spike.max() == pytest.approx(height)
        assert shell[np.argmax(spike)] == pytest.approx(place)
        assert spike[np.abs(shell - place) > 1.2].max() < 1e-6 * height
    assert middle[shell == shell[np.argmin(np.abs(shell - 2.6))]][0] == pytest.approx(2000 / np.e)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 30), st.floats(0, 1))
def test_between_two_orbits_the_belts_lie_between_theirs(long, orbit, part):
    where = {"strength": np.full(3, EDGE - 1.0), "shell": np.zeros(3)}
    first, now, second = particles(long, revolution=np.array([orbit, orbit + part, orbit + 1.0]), **where)[:, 0]
    assert (first, second) == pytest.approx(long.strength[[orbit, orbit + 1], 0])
    assert now == pytest.approx((1 - part) * first + part * second)


def test_front_end_counts_each_place_by_its_own_hardness():
    # Hardness is told at 2 kHz of any bar.
    one_by_one = front_end(_steady(), np.zeros(3), 2000 * np.eye(3))
    np.testing.assert_allclose(one_by_one, [200, 400, 800])
    assert front_end(_steady(), np.zeros(1), np.full((1, 3), 2000.0))[0] == pytest.approx(one_by_one.sum())


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 40_000), st.floats(1.01, 10))
def test_front_end_counts_more_of_more_particles_but_not_in_excess(rate, more):
    none, few, many = front_end(_steady(), np.zeros(3), np.array([0, rate, more * rate])[:, None] * np.ones(3))
    assert none == 0
    assert few <= many <= more * few * (1 + 1e-12)


def test_flicker_is_ragged_over_seconds_and_one_on_average():
    drawn = np.log(flicker(200_000, np.random.default_rng(5)))
    assert abs(drawn.mean()) < 0.01
    assert 0.05 < drawn.std() < 0.15
    lag = np.argmax(np.array([_correlation(drawn, n) for n in range(1, 40)]) < np.exp(-1)) + 1
    assert 8 <= lag <= 25
