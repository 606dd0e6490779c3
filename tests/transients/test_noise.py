"""Noise of counts whose scatter is known."""

import numpy as np
import pytest
from scipy import stats

from polarbgb.transients.noise import Noise, measure_noise, robust_covariance, root_deviations, strata
from polarbgb.transients.rows import running_sums

ROWS, RATE = 60_000, 400.0
SERIES = ((0,), (1,), (0, 1))


@pytest.fixture
def noise_of(make_config, make_counts):
    """Return a function that measures the noise of counts in windows of given lengths, without a local baseline."""

    def measure(observed, lengths=(10.0,), rate=RATE, **columns):
        counts = make_counts(observed, rate, **({"series": SERIES} | columns))
        return measure_noise(
            counts, make_config(bins=2, trigger={"scales": list(lengths), "longest_followed": 0.0}).trigger
        )

    return measure


def distances_of(noise, counts, first, after, settings):
    return noise.distances(
        counts, (running_sums(counts.observed), running_sums(counts.expected)), first, after, settings
    )


def strayed(rng, share, length=10):
    """Return Poisson counts of two bins; the background has a relative error ``share``, new after ``length`` rows."""
    error = np.repeat(rng.normal(0.0, share, ROWS // length), length)
    return rng.poisson(RATE * (1 + error)[:, None], (ROWS, 2))


def test_counting_alone_has_a_dispersion_of_one(noise_of):
    noise = noise_of(np.random.default_rng(0).poisson(RATE, (ROWS, 2)))
    assert noise.dispersion[10.0].shape == (3,)
    # The median of 3000 deficits is accurate to 2 %, its square to 4 %.
    assert noise.dispersion[10.0] == pytest.approx(1.0, abs=0.13)


@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_few_counts_have_a_dispersion_of_one_too(noise_of, rate):
    observed = np.random.default_rng(0).poisson(rate, (ROWS, 2))
    assert noise_of(observed, [1.0], rate).dispersion[1.0][:2] == pytest.approx(1.0, abs=0.13)


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_an_error_of_the_background_adds_its_variance(noise_of, share):
    # A window of n rows counts n B with a variance of n B + (share n B)**2; two bins together, twice n B.
    noise = noise_of(strayed(np.random.default_rng(1), share))
    wanted = 1 + share**2 * 10 * RATE * np.array([1, 1, 2])
    np.testing.assert_allclose(noise.dispersion[10.0], wanted, rtol=0.1)


def test_it_grows_with_the_window_as_long_as_the_error_lasts(noise_of):
    noise = noise_of(strayed(np.random.default_rng(2), 0.05, length=100), [100.0, 10.0, 20_000.0])
    assert set(noise.dispersion) == {10.0, 100.0, 20_000.0}
    assert noise.lengths.tolist() == [10, 100, 20_000]
    for length in (10, 100):
        assert noise.dispersion[length][0] == pytest.approx(1 + 0.05**2 * length * RATE, rel=0.25)
    # Too few windows are that long: the noise of the next shorter length is used.
    np.testing.assert_array_equal(noise.dispersion[20_000.0], noise.dispersion[100.0])
    for of_scales in noise.covariance.values():
        np.testing.assert_array_equal(of_scales[2], of_scales[1])


@pytest.mark.parametrize("often", [0.1, 0.45])
def test_excesses_do_not_raise_it_however_often_they_come(noise_of, often):
    # As for a detector that sees the Sun flare half of the time.
    rng = np.random.default_rng(3)
    observed = rng.poisson(RATE, (ROWS, 2)).astype(float)
    flaring = np.repeat(rng.random(ROWS // 100) < often, 100)
    observed[flaring] *= 1.5
    assert noise_of(observed).dispersion[10.0] == pytest.approx(1.0, abs=0.16)


def test_deficits_do(noise_of):
    observed = np.random.default_rng(4).poisson(RATE, (ROWS, 2)).astype(float)
    observed[np.arange(ROWS) % 40 < 20] *= 0.9
    assert (noise_of(observed).dispersion[10.0] > 5).all()


def test_it_is_measured_in_quiet_rows_alone(noise_of):
    rng = np.random.default_rng(5)
    observed = rng.poisson(RATE, (ROWS, 2)).astype(float)
    loud = np.arange(ROWS) % 2000 < 700
    observed[loud] = rng.poisson(RATE, (loud.sum(), 2)) + rng.normal(0, 300, (loud.sum(), 2))
    assert noise_of(observed, quiet=~loud).dispersion[10.0] == pytest.approx(1.0, abs=0.16)


def test_no_window_holds_a_gap(noise_of):
    # The rate is 30 % lower in every other segment of 75 s: a window of 20 s across a gap would hold a mixture.
    rng = np.random.default_rng(6)
    stretch = np.arange(ROWS) // 75
    time = 1.5e9 + np.arange(ROWS) + 50.0 * stretch
    observed = rng.poisson(RATE * np.where(stretch % 2, 0.7, 1.0)[:, None], (ROWS, 2))
    whole = noise_of(observed, [20.0], time=time).dispersion[20.0][0]
    # Half of the windows have no deficit; the median deficit of the others is 30 %.
    assert whole == pytest.approx((0.3 * np.sqrt(20 * RATE) / stats.norm.ppf(0.75)) ** 2, rel=0.1)


def test_with_too_few_windows_noise_is_that_of_counting(noise_of):
    for rows in (0, 1, 1000):
        noise = noise_of(np.random.default_rng(7).poisson(RATE, (rows, 2)), [100.0])
        assert noise.dispersion[100.0].tolist() == [1.0, 1.0, 1.0]
        for of_scales in noise.covariance.values():
            np.testing.assert_array_equal(of_scales, np.tile(np.eye(2), (1, 5, 1, 1)))


def correlated(rng, number):
    """Return deviations with variances of 9 and 4 and a correlation of 0.5."""
    return rng.multivariate_normal([0, 0], [[9.0, 3.0], [3.0, 4.0]], number)


def test_the_covariance_is_that_of_gaussian_deviations():
    covariance = robust_covariance(correlated(np.random.default_rng(8), 20_000))
    # Off-diagonal elements are slightly smaller, because the covariance is shrunk towards its diagonal.
    np.testing.assert_allclose(covariance, [[9.0, 3.0], [3.0, 4.0]], rtol=0.06)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_transients_among_the_deviations_hardly_move_it(share):
    rng = np.random.default_rng(9)
    deviations = correlated(rng, 20_000)
    bright = rng.random(20_000) < share
    deviations[bright, 1] += rng.exponential(300.0, bright.sum())
    covariance = robust_covariance(deviations)
    alone = np.sqrt(np.diag(covariance)) / [3.0, 2.0]
    assert (alone < (1.1 if share < 0.1 else 1.9)).all()
    assert np.sqrt(np.diag(deviations.T @ deviations / 20_000))[1] > 50


def test_it_can_be_inverted_however_alike_bins_are():
    deviations = np.random.default_rng(10).normal(size=(500, 1)) * np.ones(8)
    assert np.isfinite(np.linalg.inv(robust_covariance(deviations))).all()
    assert np.isfinite(robust_covariance(np.zeros((500, 3)))).all()


def test_strata_are_fifths_of_the_share_that_the_model_errs_by(make_counts):
    share = np.random.default_rng(11).permutation(np.linspace(0.001, 0.2, 1000))
    expected = np.full((1000, 2), 400.0)
    noise = np.sqrt(expected + (share[:, None] * expected) ** 2).astype(np.float32)
    of_rows = strata(make_counts(expected, expected, noise=noise))
    assert np.bincount(of_rows).tolist() == [200] * 5
    assert (np.diff(of_rows[np.argsort(share)]) >= 0).all()
    assert np.unique(strata(make_counts(expected, expected))).size == 1  # without model error, all rows are equal


def test_the_distance_is_that_of_mahalanobis(make_config, make_counts):
    # Ten quiet rows on both sides of each window: the local baseline is the background.
    rng = np.random.default_rng(12)
    settings = make_config(bins=2, trigger={"scales": [1.0, 5.0]}).trigger
    observed = np.full((4000, 2), RATE)
    first = np.arange(500, 4000, 500)
    after = first + rng.integers(1, 6, len(first))
    for begin, end in zip(first, after, strict=True):
        observed[begin:end] += rng.normal(0, 40, 2)
    covariance = rng.normal(size=(2, 5, 2, 4))
    covariance = covariance @ covariance.transpose(0, 1, 3, 2)
    noise = Noise({}, np.array([1, 5]), {"near": covariance, "far": 4 * covariance}, np.zeros(4000, int))
    distances = distances_of(noise, make_counts(observed, RATE), first, after, settings)
    for i_window, (begin, end) in enumerate(zip(first, after, strict=True)):
        deviation = root_deviations(observed[begin:end].sum(axis=0), np.full(2, RATE * (end - begin)))
        inverse = np.linalg.inv(covariance[int(end - begin > 2), 0])  # all rows have the least error of the model
        wanted = np.sqrt(deviation @ inverse @ deviation)
        assert distances["near"][i_window] == pytest.approx(wanted, rel=1e-6)
        assert distances["far"][i_window] == pytest.approx(wanted / 2, rel=1e-6)


def test_distances_of_noise_alone_are_those_of_gaussian_numbers(noise_of, make_config, make_counts):
    rng = np.random.default_rng(13)
    noise = noise_of(strayed(rng, 0.03))
    fresh = make_counts(strayed(rng, 0.03), RATE, series=SERIES)
    first = np.arange(500, ROWS - 500, 5)  # windows overlap by half, as in the measurement of the noise
    distances = distances_of(noise, fresh, first, first + 10, make_config(bins=2).trigger)
    for distance in distances.values():
        for share in (0.3, 0.7, 0.95):
            assert np.quantile(distance**2, share) == pytest.approx(stats.chi2(2).ppf(share), rel=0.12)


def test_an_excess_in_bins_that_err_alike_is_nearer_than_one_in_a_single_bin(noise_of, make_config, make_counts):
    rng = np.random.default_rng(14)
    noise = noise_of(strayed(rng, 0.05))
    observed = np.full((2000, 2), RATE)
    observed[500:510] += 60.0
    observed[1500:1510, 0] += 60.0
    first = np.array([500, 1500])
    settings = make_config(bins=2).trigger
    alike, alone = distances_of(noise, make_counts(observed, RATE), first, first + 10, settings)["far"]
    assert alike < 4 < alone


def test_root_deviations_are_signed_roots_of_the_likelihood_ratio():
    observed, expected = np.array([0.0, 3.0, 9.0, 100.0]), np.array([4.0, 3.0, 4.0, 81.0])
    likelihood = stats.poisson(observed).logpmf(observed) - stats.poisson(expected).logpmf(observed)
    likelihood[0] = 4.0  # no counts are certain where none are expected
    wanted = np.sign(observed - expected) * np.sqrt(2 * likelihood)
    np.testing.assert_allclose(root_deviations(observed, expected), wanted, atol=1e-9)


def test_running_sums_are_those_of_slices():
    values = np.random.default_rng(15).normal(size=(50, 3))
    wanted = [values[:row].sum(axis=0) for row in range(51)]
    np.testing.assert_allclose(running_sums(values), wanted, atol=1e-12)
    assert running_sums(values[:0]).tolist() == [[0.0, 0.0, 0.0]]


def test_a_bin_that_is_masked_for_long_has_the_noise_of_when_it_is_not(noise_of):
    """Off for two thirds of the time: nothing is then observed, nothing expected, and nothing learned."""
    observed = strayed(np.random.default_rng(11), 0.05).astype(float)
    expected = np.full(observed.shape, RATE)
    off = np.arange(ROWS) // 3000 % 3 > 0
    observed[off, 0], expected[off, 0] = 0.0, 1e-6
    noise, whole = noise_of(observed, rate=expected), noise_of(strayed(np.random.default_rng(11), 0.05))
    np.testing.assert_allclose(noise.dispersion[10.0][:2], whole.dispersion[10.0][:2], rtol=0.1)
    for name in noise.covariance:
        found, wanted = (one.covariance[name][0].mean(axis=0) for one in (noise, whole))
        np.testing.assert_allclose(np.diag(found), np.diag(wanted), rtol=0.2)


def test_a_bin_that_is_never_on_changes_no_noise_of_the_others(noise_of):
    observed = strayed(np.random.default_rng(11), 0.05).astype(float)
    expected = np.tile([RATE, 1e-6], (ROWS, 1))
    noise, whole = noise_of(observed * [1, 0], rate=expected), noise_of(observed)
    assert noise.dispersion[10.0][0] == pytest.approx(whole.dispersion[10.0][0], rel=1e-6)
    assert noise.dispersion[10.0][1] == 1.0
    assert all(np.isfinite(covariance).all() for covariance in noise.covariance.values())
