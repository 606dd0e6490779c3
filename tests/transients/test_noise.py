"""How far counts scatter, against counts that were made to scatter so far."""

import numpy as np
import pytest
from scipy import stats

from polarbgb.transients.noise import Noise, measure_noise, root_deviations, window_sums

ROWS, RATE = 60_000, 400.0
SERIES = ((0,), (1,), (0, 1))


def noise_of(make_counts, observed, length=10, shorter=None, rate=RATE, **columns):
    counts = make_counts(observed, rate, **({"series": SERIES} | columns))
    return measure_noise(counts, counts.expected, length, shorter)


def strayed(rng, share, length=10):
    """Poisson counts of two bins about a background that is wrong by ``share`` in both over every ``length`` rows."""
    error = np.repeat(rng.normal(0.0, share, ROWS // length), length)
    return rng.poisson(RATE * (1 + error)[:, None], (ROWS, 2))


def test_counting_alone_has_a_dispersion_of_one(make_counts):
    noise = noise_of(make_counts, np.random.default_rng(0).poisson(RATE, (ROWS, 2)))
    assert noise.dispersion.shape == (3,)
    assert noise.dispersion == pytest.approx(
        1.0, abs=0.13
    )  # the median of 3000 deficits is good to 2 %, its square to 4
    np.testing.assert_allclose(noise.covariance, np.eye(2), atol=0.07)


@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_few_counts_have_a_dispersion_of_one_too(make_counts, rate):
    observed = np.random.default_rng(0).poisson(rate, (ROWS, 2))
    assert noise_of(make_counts, observed, length=1, rate=rate).dispersion[:2] == pytest.approx(1.0, abs=0.13)


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_an_error_of_the_background_adds_its_variance(make_counts, share):
    # A window of n rows counts n B with a variance of n B + (share n B)**2; two bins together, twice n B.
    noise = noise_of(make_counts, strayed(np.random.default_rng(1), share))
    wanted = 1 + share**2 * 10 * RATE * np.array([1, 1, 2])
    np.testing.assert_allclose(noise.dispersion, wanted, rtol=0.1)
    # Both bins err alike. A tenth of what they share is given up, so that the covariance can be inverted.
    common = share**2 * 10 * RATE
    np.testing.assert_allclose(np.diag(noise.covariance), 1 + common, rtol=0.1)
    assert noise.covariance[0, 1] == pytest.approx(0.9 * common, rel=0.1)


def test_it_grows_with_the_window_as_long_as_the_error_lasts(make_counts):
    observed = strayed(np.random.default_rng(2), 0.05, length=100)
    short, longer = (noise_of(make_counts, observed, length=length).dispersion[0] for length in (10, 100))
    assert short == pytest.approx(1 + 0.05**2 * 10 * RATE, rel=0.25)
    assert longer == pytest.approx(1 + 0.05**2 * 100 * RATE, rel=0.25)


@pytest.mark.parametrize("often", [0.1, 0.45])
def test_excesses_do_not_raise_it_however_often_they_come(make_counts, often):
    # As where the Sun flares for half of the time.
    rng = np.random.default_rng(3)
    observed = rng.poisson(RATE, (ROWS, 2)).astype(float)
    flaring = np.repeat(rng.random(ROWS // 100) < often, 100)
    observed[flaring] *= 1.5
    assert noise_of(make_counts, observed).dispersion == pytest.approx(1.0, abs=0.16)


def test_deficits_do(make_counts):
    observed = np.random.default_rng(4).poisson(RATE, (ROWS, 2)).astype(float)
    observed[np.arange(ROWS) % 40 < 20] *= 0.9
    assert (noise_of(make_counts, observed).dispersion > 5).all()


def test_it_is_measured_in_quiet_rows_alone(make_counts):
    rng = np.random.default_rng(5)
    observed = rng.poisson(RATE, (ROWS, 2)).astype(float)
    loud = np.arange(ROWS) % 2000 < 700
    observed[loud] = rng.poisson(RATE, (loud.sum(), 2)) + rng.normal(0, 300, (loud.sum(), 2))
    noise = noise_of(make_counts, observed, quiet=~loud)
    assert noise.dispersion == pytest.approx(1.0, abs=0.16)
    np.testing.assert_allclose(noise.covariance, np.eye(2), atol=0.1)


def test_no_window_holds_a_gap(make_counts):
    # What is expected steps at each gap, and a window across it would stray.
    rng = np.random.default_rng(6)
    segment = np.arange(ROWS) // 75
    time = 1.5e9 + np.arange(ROWS) + 50.0 * segment
    counts = make_counts(rng.poisson(RATE, (ROWS, 1)), RATE, time)
    seen = []

    def sums(values, first, after):
        seen.append((first, after))
        return window_sums(values, first, after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("polarbgb.transients.noise.window_sums", sums)
        measure_noise(counts, counts.expected, 20)
    first, after = seen[0]
    assert len(first) > 1000
    np.testing.assert_array_equal(counts.segment[first], counts.segment[after - 1])


def test_with_too_few_windows_the_noise_of_shorter_ones_is_taken(make_counts):
    observed = np.random.default_rng(7).poisson(RATE, (1000, 2))
    shorter = Noise(np.array([2.0, 3.0, 4.0]), 2 * np.eye(2))
    assert noise_of(make_counts, observed, length=100, shorter=shorter) is shorter
    assert noise_of(make_counts, observed, length=5000, shorter=shorter) is shorter
    assert noise_of(make_counts, observed, length=10, shorter=shorter) is not shorter
    alone = noise_of(make_counts, observed, length=100)
    assert alone.dispersion.tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_array_equal(alone.covariance, np.eye(2))
    for rows in (0, 1):
        assert noise_of(make_counts, observed[:rows], shorter=shorter) is shorter


def test_a_few_windows_that_lie_far_away_do_not_widen_the_covariance(make_counts):
    observed = np.random.default_rng(8).poisson(RATE, (ROWS, 2)).astype(float)
    observed[::3000] += 4000.0  # one window in 300
    np.testing.assert_allclose(noise_of(make_counts, observed).covariance, np.eye(2), atol=0.1)


def test_the_distance_is_that_of_mahalanobis():
    covariance = np.array([[4.0, 1.5], [1.5, 2.0]])
    deviation = np.random.default_rng(9).normal(size=(20, 2))
    distance = Noise(np.ones(2), covariance).distance(deviation)
    inverse = np.linalg.inv(covariance)
    wanted = [np.sqrt(one @ inverse @ one) for one in deviation]
    np.testing.assert_allclose(distance, wanted)


def test_an_excess_in_bins_that_err_alike_is_nearer_than_one_in_a_single_bin():
    shared = Noise(np.ones(2), np.array([[10.0, 9.0], [9.0, 10.0]]))
    alike, alone = shared.distance(np.array([[5.0, 5.0], [5.0, 0.0]]))
    assert alike < 2 < alone


def test_distances_of_noise_alone_are_those_of_squared_gaussian_numbers(make_counts):
    rng = np.random.default_rng(10)
    noise = noise_of(make_counts, strayed(rng, 0.03))
    fresh = strayed(rng, 0.03).reshape(-1, 10, 2).sum(axis=1)
    distance = noise.distance((fresh - 10 * RATE) / np.sqrt(10 * RATE))
    # What bins share is taken to be a tenth less than it is: what differs between them counts for less.
    common = 0.03**2 * 10 * RATE
    both, apart = rng.normal(size=(2, 100_000)) ** 2
    wanted = both * (1 + 2 * common) / (1 + 1.9 * common) + apart / (1 + 0.1 * common)
    for limit in (2.0, 4.6, 7.0):
        assert np.mean(distance**2 > limit) == pytest.approx(np.mean(wanted > limit), abs=0.02)


def test_root_deviations_are_signed_roots_of_the_likelihood_ratio():
    observed, expected = np.array([0.0, 3.0, 9.0, 100.0]), np.array([4.0, 3.0, 4.0, 81.0])
    likelihood = stats.poisson(observed).logpmf(observed) - stats.poisson(expected).logpmf(observed)
    likelihood[0] = 4.0  # no counts are certain where none are expected
    wanted = np.sign(observed - expected) * np.sqrt(2 * likelihood)
    np.testing.assert_allclose(root_deviations(observed, expected), wanted, atol=1e-9)


def test_window_sums_are_those_of_slices():
    rng = np.random.default_rng(11)
    values, first = rng.normal(size=(50, 3)), rng.integers(0, 40, 30)
    after = first + rng.integers(0, 11, 30)
    wanted = [values[begin:end].sum(axis=0) for begin, end in zip(first, after, strict=True)]
    np.testing.assert_allclose(window_sums(values, first, after), wanted, atol=1e-12)
