"""Slow readings against the table of the real file, its rows, and hand-made holes."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.field import cutoff_rigidity
from polarbgb.simulation.housekeeping import cosmic_counts, cosmic_rate, solar_indices, temperature
from polarbgb.simulation.orbit import START, orbit
from polarbgb.simulation.sky import sun_direction

DAY = 86400.0
NONE = np.empty((0, 2))


def test_temperature_has_the_mean_and_spread_of_the_real_file():
    values = temperature(START + np.arange(0, 72 * DAY, 97.0), NONE)
    assert values.mean() == pytest.approx(32.37, abs=0.75)  # a quarter of the deviation
    assert values.std() == pytest.approx(2.98, rel=0.25)
    assert 15.6 < values.min() < values.max() < 39.0


def test_temperature_follows_the_height_of_the_sun_a_quarter_of_an_hour_late():
    time = START + np.arange(0, 2 * DAY, 20.0)
    # Over some hours the swings over weeks do not count.
    swing = temperature(time, NONE)
    swing = swing - np.convolve(swing, np.ones(277) / 277, mode="same")
    lags = np.arange(0, 5520, 60)
    heights = [(orbit(time - lag).zenith * sun_direction(time)).sum(axis=1) for lag in lags]
    alike = [np.corrcoef(swing[300:-300], height[300:-300])[0, 1] for height in heights]
    assert lags[np.argmax(alike)] == pytest.approx(900, abs=120)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 40), st.floats(1.1, 3))
def test_without_power_it_falls_the_further_the_longer_and_comes_back(hours, longer):
    begin = START + DAY

    def colder(length):
        time = begin + np.concatenate([[-3600.0], 3600 * length + np.array([0, 1800, 3600, 8 * 3600])])
        return temperature(time, NONE) - temperature(time, np.array([[begin, begin + 3600 * length]]))

    short, long = colder(hours), colder(hours * longer)
    assert short[0] == 0  # not before
    assert short[1] > short[2] > short[3] > short[4] >= 0
    assert short[4] < 0.02 * short[1]
    assert long[1] > short[1]
    # 32.4 - 15.6 is the most that the file shows.
    assert long[1] < 20


def test_after_a_hole_of_days_it_is_as_cold_as_the_real_file_ever_was():
    begin = START + 61 * DAY
    restart = begin + 6.6 * DAY
    got = temperature(restart + np.arange(0, 5520, 10.0), np.array([[begin, restart]]))
    assert got.min() == pytest.approx(15.6, abs=3)


def test_each_hole_counts_from_its_own_end():
    holes = START + 3600 * np.array([[5.0, 9.0], [50.0, 60.0]])
    time = START + 3600 * np.array([2.0, 9.5, 40.0, 60.5, 90.0])
    one_by_one = [temperature(time, gap[None]) - temperature(time, NONE) for gap in holes]
    got = temperature(time, holes) - temperature(time, NONE)
    np.testing.assert_allclose(got, np.sum(one_by_one, axis=0), atol=0.01)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 16), st.floats(0.01, 2), st.floats(0.8, 1.1))
def test_cosmic_rays_are_fewer_where_the_cutoff_is_higher_and_follow_the_primaries(cutoff, more, factor):
    low, high, changed = cosmic_rate(np.array([cutoff, cutoff + more, cutoff]), np.array([1, 1, factor]))
    assert low > high > 0
    assert changed == pytest.approx(factor * low)


def test_cosmic_rays_have_the_quartiles_of_the_real_file(field):
    place = orbit(START + np.arange(0, 10 * DAY, 60.0))
    strength = field.at(place.glat, place.glon, place.altitude)
    taken = np.linalg.norm(strength, axis=0) > 23_300  # outside the anomaly
    rate = cosmic_rate(cutoff_rigidity(strength, place.altitude)[taken], np.ones(taken.sum()))
    np.testing.assert_allclose(np.quantile(rate, [0.25, 0.5, 0.75]), [3307, 4555, 7488], rtol=0.1)
    assert rate.max() == pytest.approx(25_630, rel=0.1)


def test_real_rows_have_the_cosmic_rays_of_their_place(field, real_rows):
    # After an interruption the counter starts low: such rows are left out.
    rows = real_rows.filter((pl.col("fe_cosmic") > 2500) & pl.col("glat").is_not_null())
    glat, glon = (rows[name].to_numpy() for name in ("glat", "glon"))
    altitude = np.full(len(glat), 380.0)
    cutoff = cutoff_rigidity(field.at(glat, glon, altitude), altitude)
    ratio = cosmic_rate(cutoff, np.ones(len(glat))) / rows["fe_cosmic"].to_numpy()
    # Trapped particles add to some of them, the Sun takes from all.
    assert np.median(ratio) == pytest.approx(1, abs=0.15)
    assert np.median(ratio[cutoff < 1]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("rate", [500.0, 5000.0, 25_000.0])
def test_cosmic_counts_are_whole_and_wider_than_poisson(rate):
    counts = cosmic_counts(np.full(50_000, rate), np.zeros(50_000), np.random.default_rng(0))
    assert (counts == np.round(counts)).all()
    assert counts.mean() == pytest.approx(rate, rel=0.003)
    assert counts.var() == pytest.approx(rate + (0.015 * rate) ** 2, rel=0.05)


def test_no_rate_gives_no_counts():
    assert (cosmic_counts(np.zeros(100), np.zeros(100), np.random.default_rng(0)) == 0).all()


def test_counts_of_particles_are_ragged():
    rays, particles = np.full(50_000, 4000.0), np.full(50_000, 6000.0)
    counts = cosmic_counts(rays, particles, np.random.default_rng(0))
    # Mean and spread of exp(.2 x) for a normal x.
    assert counts.mean() == pytest.approx(4000 + 6000 * np.exp(0.02), rel=0.005)
    assert counts.std() == pytest.approx(6000 * np.exp(0.02) * np.sqrt(np.exp(0.04) - 1), rel=0.05)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 30))
def test_solar_indices_of_a_longer_mission_begin_with_the_shorter_ones(seed, days, more):
    short, long = (solar_indices(n, np.random.default_rng(seed)) for n in (days, days + more))
    np.testing.assert_array_equal(long[:days], short)


def test_solar_indices_are_daily_values_in_the_steps_of_the_real_file():
    sun, spots = solar_indices(2000, np.random.default_rng(1)).T
    assert (sun == np.round(sun)).all()
    assert sun.min() >= 1
    assert sun.max() <= 97
    assert np.median(sun) == pytest.approx(15, abs=1.5)
    assert sun.mean() == pytest.approx(19.4, abs=15.2 / 4)
    assert sun.std() == pytest.approx(15.2, rel=0.25)
    np.testing.assert_allclose(spots * 10, np.round(spots * 10))
    assert spots.mean() == pytest.approx(76.9, abs=0.5)
    assert spots.std() == pytest.approx(4.3, rel=0.25)
    power = np.abs(np.fft.rfft(spots - spots.mean())) ** 2
    assert 2000 / np.argmax(power) == pytest.approx(27, abs=0.5)  # days of a rotation of the Sun
