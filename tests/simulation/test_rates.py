"""Nesting, live time and errors against hand-made sets and Poisson statistics."""

import numpy as np
import pytest

from polarbgb.simulation import bursts, rates

SPECTRA = [rates.QUIET, rates.COSMIC, rates.ACTIVATION, rates.PARTICLES, bursts.HARD, bursts.SOFT, bursts.FLARE]


@pytest.mark.parametrize("shares", SPECTRA)
def test_no_category_is_negative(shares):
    assert shares.min() >= -1e-15


@pytest.mark.parametrize("category", range(rates.CATEGORIES))
def test_an_event_of_a_narrow_bin_is_in_every_wider_one(category):
    bins = set(np.flatnonzero(rates.nested(np.eye(rates.CATEGORIES)[category])).tolist())
    for i in range(5):
        assert i not in bins or i + 5 in bins  # a single bar is any bar
        for wider in range(i):
            assert i not in bins or wider in bins  # a higher threshold is above the lower ones
            assert i + 5 not in bins or wider + 5 in bins
    assert 10 in bins  # any bar takes all
    assert 12 in bins or bins == {10}  # what only bin 10 holds comes after a cosmic ray
    assert 11 not in bins or not bins & set(range(5))  # eight bars are not one


def test_spectrum_gives_back_the_ratios_it_was_made_of():
    single, anybar = (0.3, 0.2, 0.1, 0.05, 0.01), (0.9, 0.7, 0.5, 0.3, 0.2)
    bins = rates.nested(rates.spectrum(single, anybar, 0.04, 0.02))
    np.testing.assert_allclose(bins, [*single, *anybar, 1.02, 0.04, 1.0])


def test_counts_of_nested_bins_are_correlated_as_their_shared_events_imply():
    mean = 3000 * rates.QUIET
    counts = rates.nested(np.random.default_rng(0).poisson(mean, (20_000, rates.CATEGORIES)))
    bins = rates.nested(mean)
    # For Poisson sums the covariance is the mean of what is shared: of the smaller one where it lies in the larger.
    for inner, outer in ((1, 0), (0, 5), (6, 5), (5, 12), (12, 10)):
        want = np.sqrt(bins[inner] / bins[outer])
        assert np.corrcoef(counts[:, inner], counts[:, outer])[0, 1] == pytest.approx(want, abs=0.02)
    np.testing.assert_allclose(counts.var(axis=0) / bins, 1, atol=0.05)


def test_live_fraction_takes_the_two_published_values():
    np.testing.assert_allclose(rates.live_fraction(np.array([3500.0, 20000.0])), [0.95, 0.87])
    assert rates.live_fraction(np.array([1e6]))[0] > 0


def test_rate_and_error_hold_counts_and_live_time():
    counts = np.array([[400.0, 100.0], [9.0, 0.0], [0.0, 0.0]])
    live = np.array([0.8, 0.5, 0.0])
    rate, error = rates.rate_and_error(counts, live)
    np.testing.assert_allclose(rate, [[500, 125], [18, 0], [0, 0]])
    np.testing.assert_allclose(error, [[25, 12.5], [6, 0], [0, 0]])


def test_real_rows_have_ratios_like_the_components(real_rows):
    rate = real_rows.select("rate0", "rate1", "rate5", "rate6").to_numpy() / real_rows["rate12"].to_numpy()[:, None]
    span = rates.COMPONENTS @ rates.NESTING[:, [0, 1, 5, 6]]
    middle = np.median(rate, axis=0)
    assert (middle > 0.9 * span.min(axis=0)).all()
    assert (middle < 1.1 * span.max(axis=0)).all()


def test_real_rows_have_the_live_fraction_of_their_rate(real_rows):
    want = real_rows["live_frac"].to_numpy()
    got = rates.live_fraction(real_rows["rate12"].to_numpy())
    assert abs(np.median(got - want)) < 0.006
    assert np.quantile(np.abs(got - want), 0.9) < 0.025


def test_trains_of_a_longer_mission_begin_alike_and_neighbours_resemble_each_other():
    short, long = (rates.trains(n, np.random.default_rng(3)) for n in (50, 3000))
    np.testing.assert_array_equal(long[:50], short)
    steps = np.log(long[:, 0])
    assert 0.7 < np.corrcoef(steps[1:], steps[:-1])[0, 1] < 0.95
