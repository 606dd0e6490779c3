"""Nesting, gain, live time and errors against hand-made sets, power laws and Poisson statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation import rates

SPECTRA = {
    name: value
    for name, value in vars(rates).items()
    if isinstance(value, np.ndarray) and value.shape == (rates.CATEGORIES,)
}
THRESHOLDS = np.array([15.0, 20, 30, 50, 70])  # keV, of the real file
_categories = st.lists(st.floats(0, 5000), min_size=13, max_size=13).map(lambda values: np.array([values]))


def _bins(category):
    """Count, by their meaning, the bins in which an event of a category belongs."""
    single, several = category < 5, 5 <= category < 10
    highest = category % 5 if single or several else 4 if category == 11 else -1
    bins = {10} | ({12} if category != 12 else set()) | ({11} if category == 11 else set())
    for number in range(5):
        if highest >= number:
            bins |= {5 + number} | ({number} if single else set())
    return bins


@pytest.mark.parametrize("category", range(rates.CATEGORIES))
def test_an_event_counts_in_the_bins_of_its_kind_alone(category):
    found = rates.nested(np.eye(rates.CATEGORIES)[category])
    assert set(np.flatnonzero(found).tolist()) == _bins(category)
    assert set(found) <= {0, 1}


@pytest.mark.parametrize("name", SPECTRA)
def test_shares_are_not_negative_and_come_to_one_in_bin_12(name):
    assert SPECTRA[name].min() >= -1e-12
    assert rates.nested(SPECTRA[name])[12] == pytest.approx(1)


def test_spectrum_gives_back_the_ratios_it_was_made_of():
    single, anybar = (0.3, 0.2, 0.1, 0.05, 0.01), (0.9, 0.7, 0.5, 0.3, 0.2)
    bins = rates.nested(rates.spectrum(single, anybar, 0.04, 0.02))
    np.testing.assert_allclose(bins, [*single, *anybar, 1.02, 0.04, 1.0])


def test_counts_of_nested_bins_have_the_covariance_of_their_shared_events():
    mean = 3000 * rates.QUIET
    counts = rates.nested(np.random.default_rng(0).poisson(mean, (20_000, rates.CATEGORIES)))
    # For sums of Poisson counts the covariance is the mean of what is shared.
    shared = [
        [sum(mean[c] for c in range(rates.CATEGORIES) if {i, j} <= _bins(c)) for i in range(13)] for j in range(13)
    ]
    spread = np.sqrt(np.diag(shared))
    np.testing.assert_allclose(
        np.cov(counts.T) / np.outer(spread, spread), shared / np.outer(spread, spread), atol=0.04
    )


@settings(deadline=None, max_examples=30)
@given(_categories)
def test_no_gain_no_change(category):
    np.testing.assert_array_equal(rates.gained(category, np.zeros(1)), category)


@settings(deadline=None, max_examples=30)
@given(st.floats(-0.02, 0.02), st.floats(1, 1e5))
def test_gain_moves_thresholds_along_the_power_laws_between_them(change, total):
    # Where gain is g, a bin above E holds what the true spectrum holds above E / g.
    moved = rates.gained(total * rates.QUIET[None], np.array([change]))[0]
    for first in (0, 5):
        above = total * rates.QUIET[first : first + 5][::-1].cumsum()[::-1]
        got = moved[first : first + 5][::-1].cumsum()[::-1]
        index = np.diff(np.log(above)) / np.diff(np.log(THRESHOLDS))  # of R ~ E^index from each threshold up
        want = above * (1 / (1 + change)) ** np.append(index, index[-1])
        np.testing.assert_allclose(got, want, rtol=5 * change**2 + 1e-9)  # to first order


@settings(deadline=None, max_examples=30)
@given(st.floats(50, 5000), st.floats(-0.05, 0.05))
def test_gain_acts_on_single_bars_alike_whatever_the_rest(rate, change):
    one = np.zeros((1, 13))
    one[0, :5] = rate * rates.QUIET[:5]
    one[0, 10] = 10 * rate
    both = one.copy()
    both[0, 5:10] = 100.0
    np.testing.assert_allclose(
        rates.gained(one, np.array([change]))[0, :5], rates.gained(both, np.array([change]))[0, :5]
    )


@settings(deadline=None, max_examples=30)
@given(_categories, st.floats(-0.5, 0.5))
def test_gain_leaves_nothing_negative_and_showers_alone(category, change):
    moved = rates.gained(category, np.array([change]))
    assert moved.min() >= 0
    np.testing.assert_array_equal(moved[:, 11:], category[:, 11:])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(1, 2), min_size=13, max_size=13), st.floats(0.001, 0.02))
def test_gain_changes_the_total_by_the_threshold_of_the_total_alone(category, change):
    # Else events only move from one bin to another: the total's relative change is the same for every spectrum.
    def growth(rate, by):
        moved = rates.gained(rate, np.array([by]))
        return moved[:, :11].sum() / rate[:, :11].sum() - 1

    one = np.array([category])
    up = growth(one, change)
    assert 0 < up < change
    assert up == pytest.approx(growth(np.ones((1, 13)), change))
    assert growth(one, -change) == pytest.approx(-up)
    assert growth(one, change / 2) == pytest.approx(up / 2)


def test_each_row_has_its_own_gain():
    rows = np.tile(3000 * rates.QUIET, (3, 1))
    change = np.array([-0.02, 0.0, 0.03])
    moved = rates.gained(rows, change)
    for number in range(3):
        np.testing.assert_array_equal(moved[number], rates.gained(rows[:1], change[number : number + 1])[0])
    bins = rates.nested(moved)
    assert (np.diff(bins[:, :10], axis=0) > 0).all()  # more gain, more over every threshold


def test_trapped_particles_keep_their_rate_and_are_harder_the_more_they_are():
    rate = np.array([0.0, 10, 300, 3000, 30_000])
    bins = rates.nested(rates.particle_rates(rate))
    np.testing.assert_allclose(bins[:, 12], rate)
    hardness = bins[1:, [1, 4, 6, 9]] / rate[1:, None]
    assert (np.diff(hardness, axis=0) > 0).all()
    # Where all deposits are piled up, more particles make them no harder.
    many = rates.particle_rates(np.array([20_000.0, 40_000.0]))
    np.testing.assert_allclose(2 * many[0], many[1])
    assert many.min() >= 0


def test_live_fraction_takes_the_two_published_values_and_falls():
    np.testing.assert_allclose(rates.live_fraction(np.array([3500.0, 20000.0])), [0.95, 0.87])
    over = rates.live_fraction(np.linspace(0, 1e6, 1000))
    assert (np.diff(over) <= 0).all()
    assert 0 < over[-1] < over[0] < 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 50_000), min_size=13, max_size=13), st.floats(0.01, 1))
def test_counts_and_live_time_come_back_from_rate_and_error(counts, live):
    rate, error = rates.rate_and_error(np.array([counts], float), np.array([live]))
    np.testing.assert_allclose(rate[0] * live, counts)
    np.testing.assert_allclose((error[0] * live) ** 2, counts)


def test_rate_and_error_are_zero_where_nothing_was_live():
    rate, error = rates.rate_and_error(np.full((2, 13), 100.0), np.array([0.5, 0.0]))
    assert (rate[0] == 200).all()
    assert (error[0] == 20).all()
    assert (rate[1] == 0).all()
    assert (error[1] == 0).all()


def test_real_rows_have_ratios_like_the_components(real_rows):
    rate = real_rows.select("rate0", "rate1", "rate5", "rate6").to_numpy() / real_rows["rate12"].to_numpy()[:, None]
    span = np.stack(list(SPECTRA.values())) @ rates.NESTING[:, [0, 1, 5, 6]]
    middle = np.median(rate, axis=0)
    assert (middle > 0.98 * span.min(axis=0)).all()
    assert (middle < 1.02 * span.max(axis=0)).all()


def test_real_rows_have_the_live_fraction_of_their_rate(real_rows):
    want = real_rows["live_frac"].to_numpy()
    got = rates.live_fraction(real_rows["rate12"].to_numpy())
    assert abs(np.median(got - want)) < 0.006
    assert np.quantile(np.abs(got - want), 0.9) < 0.025
