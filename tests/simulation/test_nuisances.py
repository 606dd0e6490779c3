"""What no column names: its statistics, its geometry, and that nothing of it is left at strength 0."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.attitude import detector_axes
from polarbgb.simulation.nuisances import Nuisances, draw_nuisances, scattering, settling, sources
from polarbgb.simulation.orbit import START, Orbit, orbit
from polarbgb.simulation.sky import above_horizon, sun_direction
from polarbgb.simulation.sources import CYGNUS_X1, SCORPIUS_X1

DAY = 86400.0
TIMES = START + np.arange(0, DAY, 30.0)
WALKS = range(5)


@pytest.fixture(scope="module")
def drawn():
    return draw_nuisances(400, np.random.default_rng(1), 1.0)


def _calm(days=60, drop=(), strength=1.0):
    """Make nuisances without red noise; drop: (day, depth) of a decrease."""
    decreases = np.zeros(days)
    for day, depth in drop:
        decreases[day] = depth
    return Nuisances(np.zeros((int(days * 1440) + 2, 5)), decreases, strength)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_a_longer_mission_begins_with_the_shorter_one(seed, days):
    short, long = (draw_nuisances(n, np.random.default_rng(seed), 1.0) for n in (days, days + 3))
    times = START + np.arange(0, days * DAY, 600.0)
    np.testing.assert_array_equal(long.cosmic_rays(times), short.cosmic_rays(times))
    for number in WALKS:
        np.testing.assert_array_equal(long.factor(number, times), short.factor(number, times))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_strength_zero_leaves_exactly_nothing(seed):
    none = draw_nuisances(2, np.random.default_rng(seed), 0.0)
    place = orbit(TIMES)
    for number in WALKS:
        assert (none.factor(number, TIMES) == 1).all()
    assert (none.cosmic_rays(TIMES) == 1).all()
    assert (scattering(none, place, TIMES) == 1).all()
    assert (settling(none, np.arange(100.0)) == 0).all()
    for rate in sources(none, place, detector_axes(place, TIMES)[0], TIMES):
        assert (rate == 0).all()


@pytest.mark.parametrize("number", WALKS)
def test_logarithms_grow_with_the_strength(drawn, number):
    twice = replace(drawn, strength=2.0)
    one, two = (np.log(made.factor(number, TIMES)) for made in (drawn, twice))
    np.testing.assert_allclose(two, 2 * one, atol=1e-12)
    assert one.std() > 0


@pytest.mark.parametrize("number", WALKS)
def test_walks_forget_exponentially_and_later_ones_more_slowly(drawn, number):
    def resembles(walk, lag):
        return np.corrcoef(walk[lag:], walk[:-lag])[0, 1]

    walk = drawn.red_noise[:, number]
    lag = int(np.argmax(np.array([resembles(walk, n) for n in range(1, 40)]) < 0.9)) + 1 if number < 2 else 60
    assert resembles(walk, 2 * lag) == pytest.approx(resembles(walk, lag) ** 2, abs=0.05)
    if number:
        assert resembles(walk, 10) > resembles(drawn.red_noise[:, number - 1], 10)


def test_walks_have_unit_variance_and_do_not_follow_each_other(drawn):
    # The slowest remembers for days: 400 days hold some 70 of its memories.
    np.testing.assert_allclose(drawn.red_noise.std(axis=0), 1, atol=0.2)
    assert np.abs(np.corrcoef(drawn.red_noise.T) - np.eye(5)).max() < 0.25


def test_factor_is_read_every_minute_from_the_start_on(drawn):
    minutes = np.array([0, 1, 500])
    at = np.log(drawn.factor(2, START + 60.0 * minutes))
    np.testing.assert_allclose(at / at[1], drawn.red_noise[minutes, 2] / drawn.red_noise[1, 2])
    between = np.log(drawn.factor(2, START + 60.0 * np.array([500.0, 500.5, 501.0])))
    assert between[1] == pytest.approx((between[0] + between[2]) / 2)


def test_forbush_decrease_is_sudden_and_recovers():
    times = START + np.arange(0, 55 * DAY, 600.0)
    lost = _calm().cosmic_rays(times) - _calm(drop=[(10, 0.05)]).cosmic_rays(times)
    start = np.argmax(lost > 0)
    assert (lost[:start] == 0).all()
    assert START + 10 * DAY <= times[start] < START + 11 * DAY
    assert lost[start] == pytest.approx(0.05, rel=0.01)
    assert (np.diff(lost[start:]) < 0).all()
    # Half of it is gone within days, and as much of the rest in as long again.
    half = np.argmax(lost[start:] < lost[start] / 2)
    assert 1 < half / 144 < 6
    assert lost[start + 2 * half] == pytest.approx(lost[start] / 4, rel=0.02)
    assert lost[-1] < 1e-4 * 0.05


def test_forbush_decreases_add_up():
    times = START + np.arange(0, 40 * DAY, 3600.0)
    calm = _calm().cosmic_rays(times)
    one, other, both = (
        calm - _calm(drop=drop).cosmic_rays(times) for drop in ([(3, 0.02)], [(5, 0.08)], [(3, 0.02), (5, 0.08)])
    )
    np.testing.assert_allclose(both, one + other, atol=1e-12)


def test_cosmic_rays_turn_with_the_sun():
    # A rotation of the Sun, seen from the Earth, takes 27 days.
    times = START + np.linspace(0, 27 * DAY, 28)
    turn = _calm().cosmic_rays(times)
    assert turn.mean() == pytest.approx(1, abs=0.001)
    np.testing.assert_allclose(_calm().cosmic_rays(times + 27 * DAY), turn, atol=1e-9)
    assert 0.005 < np.ptp(turn) < 0.1


def test_decreases_are_some_a_year_and_of_percents():
    decreases = draw_nuisances(5 * 365, np.random.default_rng(2), 1.0).decreases
    assert 5 < (decreases > 0).sum() / 5 < 50
    assert 0.005 < decreases[decreases > 0].min() < decreases.max() < 0.15


def test_sources_are_hidden_where_the_earth_hides_them_and_follow_their_exposure():
    place = orbit(TIMES)
    z, _ = detector_axes(place, TIMES)
    for rate, source in zip(
        sources(_calm(), place, detector_axes(place, TIMES)[0], TIMES), (SCORPIUS_X1, CYGNUS_X1), strict=True
    ):
        np.testing.assert_array_equal(rate > 0, above_horizon(place, source.direction))
        np.testing.assert_allclose(rate, source.rate * source.exposure(place, z))


def test_sources_vary(drawn):
    place = orbit(TIMES)
    for varying, steady in zip(
        sources(drawn, place, detector_axes(place, TIMES)[0], TIMES),
        sources(_calm(), place, detector_axes(place, TIMES)[0], TIMES),
        strict=True,
    ):
        seen = steady > 0
        assert (varying[seen] / steady[seen]).std() > 0.01


def test_panels_scatter_most_where_the_sun_stands_ahead_or_behind():
    sun = sun_direction(np.array([START]))[0]
    across = np.cross(sun, [0.0, 0, 1])
    across /= np.linalg.norm(across)
    third = np.cross(sun, across)

    def factor(zenith, normal):
        none = np.zeros(1)
        place = Orbit(none, none, none, none > 0, zenith[None], normal[None])
        return scattering(_calm(), place, np.array([START]))[0]

    ahead, behind = factor(across, third), factor(-across, third)
    assert ahead == pytest.approx(behind)
    assert ahead > 1 > factor(sun, across)
    assert abs(ahead - 1) < 0.02


def test_scattering_averages_to_one_and_stays_small():
    times = START + np.arange(0, 60 * DAY, 300.0)
    factor = scattering(_calm(), orbit(times), times)
    assert factor.mean() == pytest.approx(1, abs=0.005)
    assert np.abs(factor - 1).max() < 0.03


def test_gain_settles_after_the_high_voltage_is_switched_on():
    since = np.array([0.0, 300.0, 600.0, 3600.0, np.inf])
    gain = settling(_calm(), since)
    assert gain[0] < gain[1] < gain[2] < gain[3] <= gain[4] == 0
    assert gain[2] / gain[1] == pytest.approx(gain[1] / gain[0])  # exponential
    assert -0.1 < gain[0] < 0
    # It lasts for minutes, not for seconds or hours.
    assert 0.2 * gain[0] > gain[1]
    assert gain[3] > 0.001 * gain[0]
