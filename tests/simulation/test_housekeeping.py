"""Slow readings against the table of the real file."""

import numpy as np
import pytest

from polarbgb.simulation.housekeeping import cosmic_counts, solar_indices, temperature
from polarbgb.simulation.orbit import START


def test_temperature_has_the_mean_and_spread_of_the_real_file():
    values = temperature(START + np.arange(0, 69 * 86400, 97.0))
    assert values.mean() == pytest.approx(32.4, abs=0.3)
    assert 1.5 < values.std() < 3.5
    assert 15 < values.min() < values.max() < 39


def test_cosmic_counts_are_poisson_and_fall_with_the_cutoff():
    rng = np.random.default_rng(0)
    low, high = (cosmic_counts(np.full(20_000, cutoff), np.zeros(20_000), rng) for cutoff in (1.4, 13.0))
    assert (low == np.round(low)).all()
    assert high.var() / high.mean() == pytest.approx(1, abs=0.05)
    assert 2600 < high.mean() < 3300
    assert 15_000 < low.mean() < 26_000


def test_solar_indices_are_daily_values_in_the_steps_of_the_real_file():
    short, long = (solar_indices(days, np.random.default_rng(1)) for days in (10, 2000))
    np.testing.assert_array_equal(long[:10], short)
    sun, spots = long.T
    assert (sun == np.round(sun)).all()
    assert sun.min() >= 1
    assert sun.max() <= 97
    assert np.median(sun) == pytest.approx(15, abs=1.5)
    np.testing.assert_allclose(spots * 10, np.round(spots * 10))
    assert spots.mean() == pytest.approx(76.9, abs=0.5)


def test_cosmic_counts_follow_trapped_particles():
    rng = np.random.default_rng(3)
    quiet, storm = (cosmic_counts(np.full(20_000, 5.0), np.full(20_000, rate), rng) for rate in (0.0, 5000.0))
    assert storm.mean() - quiet.mean() == pytest.approx(3000.0, abs=10.0)
