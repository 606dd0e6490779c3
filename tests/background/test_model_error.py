"""Calibrated noise, on residuals whose scatter is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from polarbgb.background.calibration import GAUSSIAN_WIDTH, modified_gaussian_fit
from polarbgb.background.model_error import calibrate_by_regime, fit_model_error, noise_cells

ROWS = 60_000


def test_the_clip_takes_the_stated_share_of_a_gaussian():
    quantiles = norm.ppf((np.arange(400_001) + 0.5) / 400_001)
    assert modified_gaussian_fit(quantiles).sigma == pytest.approx(GAUSSIAN_WIDTH, abs=5e-5)


def scattered(share, seed=0):
    """Rates of 500 to 4000 Hz with counting noise and a model error of ``share`` of the rate."""
    rng = np.random.default_rng(seed)
    prediction = np.exp(rng.uniform(np.log(500), np.log(4000), (ROWS, 1)))
    counting = np.sqrt(prediction)
    return prediction, counting, rng.normal(0, np.hypot(counting, share * prediction))


def calibrated(residual, prediction, counting, cell, group, fair=None, **options):
    fair = np.ones(len(residual), bool) if fair is None else fair
    error = fit_model_error(prediction + residual, prediction, counting, cell=cell, group=group, fair=fair, **options)
    return calibrate_by_regime(prediction + residual, prediction, counting, error), error


def test_the_share_of_every_regime_is_found_and_pulls_have_width_one_in_each():
    prediction, counting, _ = scattered(0)
    near = np.arange(ROWS) % 4 == 0
    share = np.where(near, 0.05, 0.02)[:, None]
    residual = np.random.default_rng(1).normal(0, np.hypot(counting, share * prediction))
    cell = noise_cells(prediction, near, None)
    group = np.arange(ROWS) // 10 % 5
    found, error = calibrated(residual, prediction, counting, cell, group)
    np.testing.assert_allclose(error.of_rows(0)[0][near], 0.05, rtol=0.08)
    np.testing.assert_allclose(error.of_rows(0)[0][~near], 0.02, rtol=0.12)
    for inside in (near, ~near, prediction[:, 0] > 2000, prediction[:, 0] < 1000):
        assert modified_gaussian_fit(found.pull[inside, 0]).sigma == pytest.approx(1, abs=0.03)


def test_only_weighted_means_may_scatter_less_than_counting_noise():
    prediction, counting, residual = scattered(0.0)
    case = 0.6 * residual, prediction, counting, np.zeros((ROWS, 1), int), np.zeros(ROWS, int)
    found, error = calibrated(*case)
    assert not error.of_rows(0)[0].any()
    np.testing.assert_allclose(found.sigma, counting)
    found, error = calibrated(*case, weighted_means=True)
    share, factor = error.of_rows(0)
    assert not share.any()
    np.testing.assert_allclose(factor, 0.6, rtol=0.02)
    assert modified_gaussian_fit(found.pull[:, 0]).sigma == pytest.approx(0.985, abs=0.01)


def test_rows_take_the_error_that_the_other_folds_show():
    prediction, counting, residual = scattered(0.02)
    group = np.arange(ROWS) % 2
    residual[group == 1] = np.random.default_rng(3).normal(0, np.hypot(counting, 0.1 * prediction))[group == 1]
    _, error = calibrated(residual, prediction, counting, np.zeros((ROWS, 1), int), group)
    np.testing.assert_allclose(error.of_rows(0)[0][group == 0], 0.1, rtol=0.06)
    np.testing.assert_allclose(error.of_rows(0)[0][group == 1], 0.02, rtol=0.12)


def test_events_and_rows_that_do_not_count_leave_the_error_alone():
    prediction, counting, residual = scattered(0.02)
    residual[:60] += 5000.0  # far beyond: clipped
    known = np.zeros(ROWS, bool)
    known[1000:21000] = True
    residual[known] *= 3
    _, error = calibrated(residual, prediction, counting, np.zeros((ROWS, 1), int), np.zeros(ROWS, int), ~known)
    np.testing.assert_allclose(error.of_rows(0)[0], 0.02, rtol=0.06)


def test_a_cell_of_few_rows_takes_the_error_of_its_bin():
    prediction, counting, residual = scattered(0.02)
    cell = np.zeros((ROWS, 1), int)
    cell[:100] = 1
    residual[:100] *= 10
    _, error = calibrated(residual, prediction, counting, cell, np.zeros(ROWS, int))
    assert error.of_rows(0)[0][0] == pytest.approx(error.of_rows(0)[0][-1], rel=0.02)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_few_rows_are_calibrated_all_the_same(rows, bins, fair):
    prediction = np.full((rows, bins), 100.0)
    cell = noise_cells(prediction, np.zeros(rows, bool), np.full(rows, np.nan))
    found, _ = calibrated(
        np.ones((rows, bins)), prediction, np.full((rows, bins), 10.0), cell, np.arange(rows), np.full(rows, fair)
    )
    assert np.isfinite(found.sigma).all()
    assert (found.sigma >= 1 - 1e-9).all()


def test_masked_bins_are_calibrated_as_if_those_rows_were_not_there():
    prediction, counting, residual = (np.hstack([one[:20_000], one[20_000:40_000]]) for one in scattered(0.03))
    masked = np.random.default_rng(0).random(prediction.shape) < 0.3
    rate = np.where(masked, np.nan, prediction + residual)
    cell, group = noise_cells(prediction, np.zeros(20_000, bool), None), np.arange(20_000) // 10 % 3
    every = np.ones(20_000, bool)
    noise = np.where(masked, np.inf, counting)
    error = fit_model_error(rate, prediction, noise, cell=cell, group=group, fair=every)
    found = calibrate_by_regime(rate, prediction, noise, error)
    for i_bin in range(2):
        rows = np.flatnonzero(~masked[:, i_bin])
        alone = tuple(one[rows, i_bin : i_bin + 1] for one in (rate, prediction, counting))
        own = fit_model_error(*alone, cell=cell[rows, i_bin : i_bin + 1], group=group[rows], fair=every[rows])
        wanted = calibrate_by_regime(*alone, own)
        np.testing.assert_allclose(found.sigma[rows, i_bin], wanted.sigma[:, 0])
        np.testing.assert_allclose(found.pull[rows, i_bin], wanted.pull[:, 0])
        assert found.width[i_bin] == pytest.approx(wanted.width[0])
        assert found.mean[i_bin] == pytest.approx(wanted.mean[0])


def test_a_bin_that_is_masked_throughout_is_calibrated_to_nothing():
    prediction, counting = np.full((800, 1), 9.0), np.full((800, 1), np.inf)
    cell, every = np.zeros((800, 1), int), np.ones(800, bool)
    rate = np.full((800, 1), np.nan)
    error = fit_model_error(rate, prediction, counting, cell=cell, group=np.arange(800) % 3, fair=every)
    found = calibrate_by_regime(rate, prediction, counting, error)
    assert not np.isfinite(found.pull).any()
    assert np.isnan(found.width).all()
