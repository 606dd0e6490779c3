"""The losses that the trees see, against the likelihood of the counts themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import poisson

from polarbgb.background.measured import Measured
from polarbgb.background.targets import make_targets


def observe(rows=400, seed=0, level=50.0):
    """Poisson counts of a rate that rises with ``x``, live times that differ from row to row."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rows)
    exposure = rng.uniform(0.3, 1.7, rows)
    counts = rng.poisson(level * np.exp(0.8 * x) * exposure)
    rate = counts / exposure
    error = np.sqrt(np.maximum(counts, 1)) / exposure
    return x, counts, Measured(rate[:, None], error[:, None], exposure[:, None])


def all_rows(measured, objective):
    rows = np.ones(len(measured.rate), bool)
    return make_targets(measured, 0, rows, rows, objective)[0]


def poisson_loss(targets, log_rate):
    return np.sum(targets.weight.astype(float) * (np.exp(log_rate) - targets.label.astype(float) * log_rate))


@pytest.mark.parametrize("level", [0.5, 50.0, 5000.0])
def test_poisson_targets_give_the_likelihood_of_the_counts(level):
    x, counts, measured = observe(level=level)
    targets = all_rows(measured, "poisson")
    live = measured.exposure[:, 0]
    models = [np.log(level) + a + b * x for a, b in ((0.0, 0.8), (0.1, 0.3), (-0.2, -0.5))]
    likelihood = [-poisson.logpmf(counts, np.exp(model) * live).sum() for model in models]
    loss = [poisson_loss(targets, model) for model in models]
    ratio = (loss[1] - loss[0]) / (likelihood[1] - likelihood[0])
    assert (loss[2] - loss[0]) / (likelihood[2] - likelihood[0]) == pytest.approx(ratio, rel=1e-4)


def test_poisson_targets_have_the_maximum_of_the_likelihood_with_an_exposure_offset():
    x, counts, measured = observe()
    targets = all_rows(measured, "poisson")
    live = measured.exposure[:, 0]

    def from_targets(p):
        return poisson_loss(targets, p[0] + p[1] * x)

    def from_counts(p):
        log_mean = p[0] + p[1] * x + np.log(live)
        return np.sum(np.exp(log_mean) - counts * log_mean)

    found, true = (
        minimize(loss, [3.0, 0.0], tol=1e-12, method="Nelder-Mead").x for loss in (from_targets, from_counts)
    )
    np.testing.assert_allclose(found, true, atol=1e-4)


def test_squared_targets_have_their_minimum_at_the_weighted_mean():
    _, _, measured = observe()
    rate, error = measured.rate[:, 0], measured.error[:, 0]
    targets = all_rows(measured, "squared")
    mean = np.sum(rate / error**2) / np.sum(1 / error**2)
    found = np.sum(targets.weight * targets.label.astype(float)) / np.sum(targets.weight.astype(float))
    assert found == pytest.approx(mean, rel=1e-6)
    assert targets.mean == pytest.approx(mean, rel=1e-12)


def test_poisson_starts_at_all_counts_over_all_live_time():
    _, counts, measured = observe()
    assert all_rows(measured, "poisson").mean == pytest.approx(counts.sum() / measured.exposure.sum(), rel=1e-12)


@given(rows=st.integers(1, 50), scale=st.floats(1e-3, 1e6), seed=st.integers(0, 999))
@settings(deadline=None)
def test_a_row_counts_as_one_row_whatever_the_instrument(rows, scale, seed):
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.5, 2, (rows, 1)) * scale
    measured = Measured(rate, np.sqrt(rate), rng.uniform(0.1, 3, (rows, 1)))
    squared, counts = all_rows(measured, "squared"), all_rows(measured, "poisson")
    assert np.mean(squared.weight) == pytest.approx(1, rel=1e-5)
    assert np.mean(counts.weight * counts.label) == pytest.approx(1, rel=1e-5)


def test_rows_that_do_not_grow_trees_have_no_say_in_start_and_scale():
    _, _, measured = observe()
    grow = np.arange(400) < 200
    stop = np.arange(400) >= 300
    for objective in ("poisson", "squared"):
        before = make_targets(measured, 0, grow, stop, objective)
        rate, error = measured.rate.copy(), measured.error.copy()
        rate[200:], error[200:] = rate[200:] * 7, error[200:] * 7
        after = make_targets(Measured(rate, error, measured.exposure), 0, grow, stop, objective)
        assert after[0].mean == after[1].mean == before[0].mean
        np.testing.assert_array_equal(after[0].weight, before[0].weight)
        np.testing.assert_allclose(after[1].label, 7 * before[1].label, rtol=1e-6)
        assert (len(before[0].label), len(before[1].label)) == (200, 100)


def test_each_bin_has_its_own_targets():
    rng = np.random.default_rng(0)
    rate = rng.uniform(1, 9, (30, 3))
    measured = Measured(rate, np.sqrt(rate), rng.uniform(1, 2, (30, 3)))
    rows = np.ones(30, bool)
    for number in range(3):
        grow, _ = make_targets(measured, number, rows, rows, "poisson")
        np.testing.assert_array_equal(grow.label, rate[:, number].astype(np.float32))


def test_a_bin_without_counts_has_finite_targets_above_zero():
    zero = np.zeros((5, 1))
    targets = all_rows(Measured(zero, zero + 1, zero + 1), "poisson")
    assert 0 < targets.mean < 1e-3
    assert np.isfinite(targets.weight).all()
    assert (targets.label > 0).all()


def test_gamma_targets_have_their_minimum_at_the_mean_ratio():
    """The sum of rate/r + log(r) over rows with r = a * shape is least at a = mean(rate/shape)."""
    x, _, measured = observe()
    targets = all_rows(measured, "gamma")
    shape = np.exp(0.8 * x)

    def loss(p):
        rate = np.exp(p[0]) * shape
        return np.sum(targets.weight * (targets.label / rate + np.log(rate)))

    found = minimize(loss, [3.0], tol=1e-12, method="Nelder-Mead").x
    assert np.exp(found[0]) == pytest.approx(np.mean(measured.rate[:, 0] / shape), rel=1e-5)
