"""The spread of the counts against sums of simulated counts, and against algebra where it has an answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from polarbgb.transients.spread import Spread, deviations, fit_spread, root_deviations

ROWS, LENGTH = 40_000, 10
COUNTING = 5 * np.sqrt(2 / (ROWS / LENGTH))
"""Five standard errors of a variance over all windows."""


def by_window(values, length=LENGTH):
    return values.reshape(-1, length, values.shape[1]).sum(axis=1)


def test_counting_alone_spreads_by_one_and_shares_nothing(make_counts):
    expected = np.array([400.0, 50.0, 3.0])
    counts = make_counts(np.random.default_rng(1).poisson(expected, (ROWS, 3)), expected)
    (covariance,) = fit_spread(counts, counts.expected, LENGTH).covariance
    np.testing.assert_allclose(covariance, np.eye(3), atol=COUNTING)


def test_the_spread_is_that_of_the_windows_summed_one_by_one(make_counts):
    rng = np.random.default_rng(2)
    expected = rng.uniform(50, 400, (ROWS, 3))
    own = rng.poisson(expected).astype(float)
    # Every row's background is wrong by some percent, alike in all bins.
    found = rng.poisson(expected * np.repeat(rng.normal(1.0, 0.05, ROWS // LENGTH), LENGTH)[:, None]) * 1.0
    for counted in (own, found):
        deviation = (by_window(counted) - by_window(expected)) / np.sqrt(by_window(expected))
        plain = deviation.T @ deviation / len(deviation)
        (covariance,) = fit_spread(make_counts(counted, expected), expected, LENGTH).covariance
        # Windows in the farthest thousandth may be left out.
        np.testing.assert_allclose(covariance, plain, rtol=0.02, atol=0.01)


def test_bins_that_hold_the_same_counts_share_the_root_of_the_share(make_counts):
    rng = np.random.default_rng(3)
    low, high = rng.poisson(30.0, ROWS), rng.poisson(90.0, ROWS)
    counts = make_counts(np.column_stack([low, high, low + high]), [30.0, 90.0, 120.0])
    (covariance,) = fit_spread(counts, counts.expected, LENGTH).covariance
    half, most = np.sqrt(30 / 120), np.sqrt(90 / 120)
    np.testing.assert_allclose(covariance, [[1, 0, half], [0, 1, most], [half, most, 1]], atol=COUNTING)


def test_an_error_of_the_background_adds_its_outer_product(make_counts):
    rng = np.random.default_rng(4)
    rate = np.array([100.0, 300.0, 20.0])
    error, spectrum = 0.06, np.array([1.0, -0.5, 2.0])
    wrong = 1 + error * spectrum * np.repeat(rng.normal(size=ROWS // LENGTH), LENGTH)[:, None]
    counts = make_counts(rng.poisson(rate * wrong), rate)
    (covariance,) = fit_spread(counts, counts.expected, LENGTH).covariance
    pattern = error * spectrum * np.sqrt(rate * LENGTH)
    np.testing.assert_allclose(covariance, np.eye(3) + np.outer(pattern, pattern), rtol=COUNTING, atol=COUNTING)


def test_windows_far_from_all_others_are_left_out(make_counts):
    rng = np.random.default_rng(5)
    found = rng.poisson(100.0, (ROWS, 2)) * 1.0
    found[100 * LENGTH : 112 * LENGTH] *= 6.0
    counts = make_counts(found, 100.0)
    everything = deviations(counts.found, counts.expected, *grid(ROWS))
    assert np.cov(everything.T).max() > 10  # twelve of 4000 would have spoilt it
    (covariance,) = fit_spread(counts, counts.expected, LENGTH).covariance
    np.testing.assert_allclose(covariance, np.eye(2), atol=1.2 * COUNTING)


@pytest.mark.parametrize("windows", [60, 100, 190, 1000])
@pytest.mark.parametrize("begin", [200, 300])
def test_one_long_burst_is_far_from_all_others_however_it_lies(make_counts, windows, begin):
    found = np.random.default_rng(windows).poisson(300.0, (windows * 200, 2)) * 1.0
    found[begin : begin + 200] *= 1.2  # 49 sigma, in one window or in two
    counts = make_counts(found, 300.0)
    (covariance,) = fit_spread(counts, counts.expected, 200).covariance
    np.testing.assert_allclose(covariance, np.eye(2), atol=5 * np.sqrt(2 / windows))


def grid(rows, length=LENGTH):
    first = np.arange(0, rows, length)
    return first, first + length - 1


@pytest.mark.parametrize("place", [0, 7, LENGTH - 1])
def test_rows_that_are_not_quiet_are_not_looked_at(make_counts, place):
    rng = np.random.default_rng(6)
    wild = np.arange(ROWS) % (2 * LENGTH) == place  # in every other window
    found = rng.poisson(np.where(wild, 180.0, 100.0)[:, None], (ROWS, 2))
    counts = make_counts(found, 100.0, quiet=~wild)
    (covariance,) = fit_spread(counts, counts.expected, LENGTH).covariance
    np.testing.assert_allclose(covariance, np.eye(2), atol=1.5 * COUNTING)
    (with_them,) = fit_spread(make_counts(found, 100.0), counts.expected, LENGTH).covariance
    assert with_them.min() > 2


def test_no_window_holds_both_sides_of_a_gap(make_counts):
    rng = np.random.default_rng(7)
    # The background is wrong by the same on both sides of each window's middle, but with the other sign; every other
    # one of the middles is a gap.
    window = np.arange(ROWS) // LENGTH
    sign = np.where(np.arange(ROWS) % LENGTH < LENGTH // 2, 1, -1)
    gaps = np.cumsum((np.arange(ROWS) % (2 * LENGTH) == LENGTH // 2) * 100.0)
    broken = window % 2 == 0
    found = rng.poisson(100.0 * (1 + 0.5 * np.where(broken, 1.0, sign * 0.1)))[:, None]
    counts = make_counts(found, 100.0, time=1.5e9 + np.arange(ROWS) + gaps)
    (covariance,) = fit_spread(counts, counts.expected, LENGTH).covariance
    assert covariance.item() == pytest.approx(1.0, abs=1.5 * COUNTING)  # windows without a gap cancel


def test_each_place_has_its_own_spread_and_the_rarely_seen_that_of_all(make_counts):
    rng = np.random.default_rng(8)
    place = np.zeros(ROWS, np.int64)
    place[ROWS // 2 :] = 1
    place[ROWS - 59 * LENGTH :] = 3  # 59 windows
    error = np.where(place == 1, 0.1, 0.0) * np.repeat(rng.normal(size=ROWS // LENGTH), LENGTH)
    counts = make_counts(rng.poisson(100.0 * (1 + error))[:, None], 100.0, place=place)
    calm, shaken, unmet, rare = fit_spread(counts, counts.expected, LENGTH).covariance[:, 0, 0]
    assert calm == pytest.approx(1.0, abs=1.5 * COUNTING)
    assert shaken == pytest.approx(1 + 0.1**2 * 100 * LENGTH, rel=2 * COUNTING)
    assert unmet == rare == pytest.approx((calm + shaken) / 2, rel=0.1)


@pytest.mark.parametrize("rows", [0, 1, LENGTH - 1, 59 * LENGTH])
def test_too_few_windows_leave_the_spread_of_counting(make_counts, rows):
    counts = make_counts(np.full((rows, 2), 900.0), 100.0)
    spread = fit_spread(counts, counts.expected, LENGTH)
    np.testing.assert_array_equal(spread.covariance, [np.eye(2)])
    assert spread.dispersion(counts.expected, counts.place, (0, 1)).tolist() == [1.0] * rows


@pytest.mark.parametrize("bins", [(0,), (0, 2), (2, 1, 0)])
def test_dispersion_is_the_variance_of_sums_over_their_mean(make_counts, bins):
    rng = np.random.default_rng(9)
    rate = np.array([40.0, 160.0, 100.0])
    share = rng.poisson(25.0, ROWS)  # counts that the first two bins both hold
    error = 1 + 0.03 * np.repeat(rng.normal(size=ROWS // LENGTH), LENGTH)

    def drawn():
        return np.column_stack([rng.poisson(15.0 * error), rng.poisson(135.0 * error), rng.poisson(100.0 * error)]) + (
            share[:, None] * [1, 1, 0]
        )

    found = drawn()
    counts = make_counts(found, rate)
    dispersion = fit_spread(counts, counts.expected, LENGTH).dispersion(counts.expected, counts.place, bins)
    sums = by_window(found[:, bins] * 1.0).sum(axis=1)
    assert dispersion.shape == (ROWS,)
    assert np.ptp(dispersion) == pytest.approx(0, abs=1e-12)
    mean = rate[list(bins)].sum() * LENGTH
    assert dispersion[0] == pytest.approx(np.mean((sums - mean) ** 2) / mean, rel=0.03)
    # and by what was put in: counting, counts held twice, errors that add up
    twice = 50.0 if {0, 1} <= set(bins) else 0.0
    wrong = 0.03 * sum(np.array([15.0, 135.0, 100.0])[list(bins)])
    truth = (rate[list(bins)].sum() + twice + wrong**2 * LENGTH) / rate[list(bins)].sum()
    assert dispersion[0] == pytest.approx(truth, rel=COUNTING)


def test_dispersion_goes_with_the_place_and_with_the_counts_of_the_row():
    spread = Spread(np.array([[[1.0, 0.5], [0.5, 4.0]], [[9.0, 0.0], [0.0, 1.0]]]))
    expected = np.array([[100.0, 25.0], [100.0, 25.0], [1.0, 9999.0]])
    found = spread.dispersion(expected, np.array([0, 1, 1]), (0, 1))
    assert found.tolist() == pytest.approx([(100 + 50 + 100) / 125, (900 + 25) / 125, (9 + 9999) / 10_000])
    opposite = Spread(np.array([[[1.0, -1.0], [-1.0, 1.0]]]))
    assert opposite.dispersion(np.full((1, 2), 7.0), np.zeros(1, np.int64), (0, 1)).tolist() == [0.01]


def random_spread(rng, bins):
    pattern = rng.normal(size=bins)
    return np.diag(rng.uniform(0.5, 3.0, bins)) + np.outer(pattern, pattern)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 9999), bins=st.integers(1, 6))
def test_strength_does_not_go_by_the_choice_of_bins(seed, bins):
    rng = np.random.default_rng(seed)
    covariances = np.stack([random_spread(rng, bins) for _ in range(3)])
    place, deviation = rng.integers(0, 3, 20), rng.normal(scale=5, size=(20, bins))
    other = random_spread(rng, bins)  # a mixture of bins that can be undone
    strength = Spread(covariances).strength(deviation, place)
    np.testing.assert_allclose(
        strength, Spread(other @ covariances @ other.T).strength(deviation @ other.T, place), rtol=1e-6
    )
    slowly = [np.sqrt(d @ np.linalg.solve(covariances[p], d)) for d, p in zip(deviation, place, strict=True)]
    np.testing.assert_allclose(strength, slowly, rtol=1e-9)


def test_in_bins_that_share_nothing_strengths_add_as_squares():
    place = np.zeros(1, np.int64)
    assert Spread(np.eye(2)[None]).strength(np.array([[3.0, -4.0]]), place).item() == pytest.approx(5.0)
    assert Spread(4 * np.eye(2)[None]).strength(np.array([[3.0, -4.0]]), place).item() == pytest.approx(2.5)


def test_a_bin_that_is_there_twice_adds_nothing(make_counts):
    rng = np.random.default_rng(10)
    found = rng.poisson([100.0, 40.0], (ROWS, 2)) * 1.0
    strengths = []
    for bins in ([0, 1], [0, 1, 1], [0, 1, 0, 1, 1]):
        counts = make_counts(found[:, bins], np.array([100.0, 40.0])[bins])
        spread = fit_spread(counts, counts.expected, LENGTH)
        deviation = np.array([[6.0, 0.0], [0.0, 6.0], [-4.0, 3.0], [9.0, 9.0]])[:, bins]
        strengths.append(spread.strength(deviation, np.zeros(4, np.int64)))
    np.testing.assert_allclose(strengths[1:], [strengths[0]] * 2, rtol=0.01)


def test_what_looks_like_an_error_of_the_background_counts_little():
    pattern = 5 * np.array([1.0, 1.0, 1.0])
    spread = Spread((np.eye(3) + np.outer(pattern, pattern))[None])
    alike, unlike = spread.strength(np.array([[6.0, 6.0, 6.0], [6.0, -6.0, 0.0]]), np.zeros(2, np.int64))
    assert alike == pytest.approx(6 * np.sqrt(3 / (1 + 75)))
    assert unlike == pytest.approx(6 * np.sqrt(2))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 9999), rows=st.integers(1, 40))
def test_deviations_are_excess_over_the_root_of_the_background(seed, rows):
    rng = np.random.default_rng(seed)
    expected = rng.uniform(1.0, 50.0, (rows, 3))
    found = rng.poisson(expected) * 1.0
    ends = np.sort(rng.integers(0, rows, (2, 30)), axis=0)
    slowly = [
        [
            (found[a : b + 1, number].sum() - expected[a : b + 1, number].sum())
            / np.sqrt(expected[a : b + 1, number].sum())
            for number in range(3)
        ]
        for a, b in ends.T
    ]
    np.testing.assert_allclose(deviations(found, expected, *ends), slowly, atol=1e-9)


@pytest.mark.parametrize("mean", [60.0, 300.0, 3000.0])
@pytest.mark.parametrize("sigma", [4.0, 5.0, 6.0])
def test_as_many_sigma_up_are_as_rare_as_down(mean, sigma):
    counts = np.arange(int(3 * mean))[:, None] * 1.0
    row = np.arange(len(counts))
    (deviation,) = root_deviations(counts, np.full_like(counts, mean), row, row).T
    up, down = np.flatnonzero(deviation >= sigma)[0], np.flatnonzero(deviation <= -sigma)[-1]
    # Counts are whole: the first beyond so many sigma may lie half a sigma farther.
    assert 1 / 3 < poisson.sf(up - 1, mean) / poisson.cdf(down, mean) < 1.5
    gaussian = 0.5 * math.erfc(sigma / math.sqrt(2))
    assert 1 / 4 < poisson.sf(up - 1, mean) / gaussian < 1.5
    assert 1 / 4 < poisson.cdf(down, mean) / gaussian < 2


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 9999), rows=st.integers(1, 40))
def test_root_deviations_are_those_of_the_likelihood_and_linear_where_small(seed, rows):
    rng = np.random.default_rng(seed)
    expected = rng.uniform(0.1, 50.0, (rows, 2))
    found = rng.poisson(expected * rng.choice([0.0, 1.0, 3.0])) * 1.0
    ends = np.sort(rng.integers(0, rows, (2, 30)), axis=0)
    rooted = root_deviations(found, expected, *ends)
    for (a, b), of_window in zip(ends.T, rooted, strict=True):
        for number, value in enumerate(of_window):
            x, mean = found[a : b + 1, number].sum(), expected[a : b + 1, number].sum()
            ratio = poisson.logpmf(x, x) - poisson.logpmf(x, mean)
            assert value == pytest.approx(np.sign(x - mean) * np.sqrt(max(2 * ratio, 0)), abs=1e-5)
    many = np.full((10, 1), 1e6), np.full((10, 1), 1e6 + 300.0), np.zeros(1, np.int64), np.full(1, 9)
    assert root_deviations(*many).item() == pytest.approx(deviations(*many).item(), rel=1e-3)
