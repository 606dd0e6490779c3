"""The width of pulls, against the truncated normal distribution and the published fit step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from polarbgb.background.calibration import calibrate, modified_gaussian_fit

FINITE = st.floats(-1e6, 1e6)


def fixed_point():
    """Sigma that a unit Gaussian cut at +- 3 of it has: s**2 = 1 - 2 c phi(c) / (2 Phi(c) - 1), c = 3 s."""

    def surplus(sigma):
        cut = 3 * sigma
        return 1 - 2 * cut * norm.pdf(cut) / (2 * norm.cdf(cut) - 1) - sigma**2

    return brentq(surplus, 0.9, 1.0)


def step_by_step(values):
    """Clip at 3 sigma around the mean of all values until the standard deviation stays; for ever it may alternate."""
    mean = sum(values) / len(values)
    sigma = float(np.std(values))
    for _ in range(1000):
        core = [value for value in values if abs(value - mean) <= 3 * sigma]
        if not core or float(np.std(core)) == sigma:
            break
        sigma = float(np.std(core))
    return mean, sigma


def quantiles(rows):
    return norm.ppf((np.arange(rows) + 0.5) / rows)


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (-3.0, 0.02), (1e3, 50.0)])
def test_a_gaussian_gets_the_width_of_its_core(mean, sigma):
    fit = modified_gaussian_fit(mean + sigma * quantiles(200_001))
    assert fit.mean == pytest.approx(mean, abs=1e-9)
    assert fit.sigma == pytest.approx(sigma * fixed_point(), rel=1e-4)
    inside = 2 * norm.cdf(3 * fixed_point()) - 1
    assert fit.inside == pytest.approx(200_001 * inside, rel=1e-4)


def test_the_width_of_a_gaussian_core_is_within_two_percent_of_its_sigma():
    assert 0.98 < fixed_point() < 1.0


def test_tails_do_not_widen_the_core():
    core = quantiles(100_001)
    bursts = np.concatenate([np.full(500, 40.0), np.full(500, -40.0)])
    fit = modified_gaussian_fit(np.concatenate([core, bursts]))
    assert np.std(np.concatenate([core, bursts])) > 4
    assert fit.sigma == pytest.approx(fixed_point(), rel=1e-3)


def test_the_clip_stays_around_the_mean_of_all_values():
    values = np.array([0.0] * 60 + [1.0] * 60 + [1000.0])
    fit = modified_gaussian_fit(values)
    assert fit.mean == pytest.approx(1060 / 121)
    # The outlier is clipped at first, then nothing is near the mean it has pulled away: the last width stays.
    assert fit.sigma == pytest.approx(0.5)
    assert fit.inside == 120


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(-40, 40), min_size=2, max_size=60), st.integers(0, 400))
def test_the_fit_is_the_published_one_step_by_step(values, outlier):
    values = [*values, outlier]
    fit = modified_gaussian_fit(np.array(values, np.float64))
    mean, sigma = step_by_step(values)
    assert fit.mean == pytest.approx(mean, abs=1e-9)
    assert fit.sigma == pytest.approx(sigma, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=40), st.integers(-6, 6), st.integers(-500, 500))
def test_the_fit_scales_and_shifts_with_the_values(values, power, shift):
    values, scale = np.array(values, np.float64), 2.0**power
    fit, moved = modified_gaussian_fit(values), modified_gaussian_fit(scale * values)
    assert moved.sigma == pytest.approx(scale * fit.sigma)
    assert moved.mean == pytest.approx(scale * fit.mean)
    assert modified_gaussian_fit(values + shift).mean == pytest.approx(fit.mean + shift)


@settings(deadline=None)
@given(FINITE, st.integers(1, 50))
def test_equal_values_have_no_width(value, rows):
    fit = modified_gaussian_fit(np.full(rows, value))
    assert fit.sigma == 0.0
    assert fit.inside == rows


def test_no_value_is_refused():
    with pytest.raises(ValueError, match="no value to fit"):
        modified_gaussian_fit(np.empty(0))


def test_each_bin_gets_its_own_width_and_pulls_of_width_one():
    raw = np.column_stack([1.345 * quantiles(20_001), 0.2 + 1.2 * quantiles(20_001)])
    error = np.linspace(10, 60, 20_001)[:, None] * [1.0, 2.0]
    prediction = np.linspace(500, 3000, 20_001)[:, None] * [1.0, 0.5]
    found = calibrate(prediction + raw * error, prediction, error)
    assert found.width == pytest.approx(np.array([1.345, 1.2]) * fixed_point(), rel=1e-2)
    assert found.mean == pytest.approx([0.0, 0.2], abs=1e-6)
    assert found.sigma == pytest.approx(error * found.width)
    for number in range(2):
        assert modified_gaussian_fit(found.pull[:, number]).sigma == pytest.approx(1.0)
        beyond = found.pull[:, number] > 2
        assert np.array_equal(beyond, raw[:, number] > 2 * found.width[number])


def test_the_mean_is_not_taken_off_the_pulls():
    """As published: a background that is too low shows as a shift."""
    error = np.ones((1000, 1))
    found = calibrate(0.5 + quantiles(1000)[:, None], np.zeros((1000, 1)), error)
    assert np.median(found.pull) * found.width[0] == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("rows", [1, 3, 19])
def test_rows_without_scatter_keep_their_errors(rows):
    error = np.full((rows, 1), 7.0)
    found = calibrate(np.full((rows, 1), 100.7), np.full((rows, 1), 100.0), error)
    assert found.width.tolist() == [1.0]
    assert found.sigma == pytest.approx(error)
    assert found.pull == pytest.approx(np.full((rows, 1), 0.1))


def test_a_core_without_scatter_keeps_its_errors_beside_an_outlier():
    rate = np.full((100, 1), 100.7)
    rate[50] += 7000.0
    # Of equal values the mean is off by a rounding, which must not become a width.
    found = calibrate(rate, np.full((100, 1), 100.0), np.full((100, 1), 7.0))
    assert found.width[0] == 1.0
    assert found.pull[0] == pytest.approx(0.1)


def test_pulls_of_a_bin_are_those_of_its_measured_rows():
    rng = np.random.default_rng(0)
    rate, prediction, error = rng.normal(100, 10, (4000, 2)), np.full((4000, 2), 100.0), np.full((4000, 2), 5.0)
    masked = rng.random((4000, 2)) < 0.4
    found = calibrate(np.where(masked, np.nan, rate), prediction, np.where(masked, np.inf, error))
    for i_bin in range(2):
        rows = ~masked[:, i_bin]
        alone = calibrate(*(values[rows, i_bin : i_bin + 1] for values in (rate, prediction, error)))
        np.testing.assert_array_equal(found.pull[rows, i_bin], alone.pull[:, 0])
        np.testing.assert_array_equal(found.sigma[rows, i_bin], alone.sigma[:, 0])
        assert np.isnan(found.pull[~rows, i_bin]).all()
