"""The losses that the trees see, against the likelihood of the counts themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import poisson

from polarbgb.background.targets import levels, make_targets
from polarbgb.data.count_rates import CountRates


def observe(rows=400, seed=0, level=50.0):
    """Poisson counts of a rate that rises with ``x``, live times that differ from row to row."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rows)
    exposure = rng.uniform(0.3, 1.7, rows)
    counts = rng.poisson(level * np.exp(0.8 * x) * exposure)
    rate = counts / exposure
    error = np.sqrt(np.maximum(counts, 1)) / exposure
    return x, counts, CountRates(rate[:, None], error[:, None], exposure[:, None])


def all_rows(count_rates, objective, bins=(0,)):
    rows = np.ones(len(count_rates.rate), bool)
    return make_targets(count_rates, bins, levels(count_rates, rows, objective), rows, objective)


def level_of(count_rates, objective):
    return levels(count_rates, np.ones(len(count_rates.rate), bool), objective)[0]


def poisson_loss(targets, log_rate):
    return np.sum(targets.weight.astype(float) * (np.exp(log_rate) - targets.label.astype(float) * log_rate))


@pytest.mark.parametrize("level", [0.5, 50.0, 5000.0])
def test_poisson_targets_give_the_likelihood_of_the_counts(level):
    x, counts, count_rates = observe(level=level)
    targets = all_rows(count_rates, "poisson")
    live = count_rates.exposure[:, 0]
    models = [np.log(level) + a + b * x for a, b in ((0.0, 0.8), (0.1, 0.3), (-0.2, -0.5))]
    likelihood = [-poisson.logpmf(counts, np.exp(model) * live).sum() for model in models]
    loss = [poisson_loss(targets, model - np.log(level_of(count_rates, "poisson"))) for model in models]
    ratio = (loss[1] - loss[0]) / (likelihood[1] - likelihood[0])
    assert (loss[2] - loss[0]) / (likelihood[2] - likelihood[0]) == pytest.approx(ratio, rel=1e-4)


def test_poisson_targets_have_the_maximum_of_the_likelihood_with_an_exposure_offset():
    x, counts, count_rates = observe()
    targets = all_rows(count_rates, "poisson")
    live = count_rates.exposure[:, 0]

    def from_targets(p):
        return poisson_loss(targets, p[0] - np.log(level_of(count_rates, "poisson")) + p[1] * x)

    def from_counts(p):
        log_mean = p[0] + p[1] * x + np.log(live)
        return np.sum(np.exp(log_mean) - counts * log_mean)

    found, true = (
        minimize(loss, [3.0, 0.0], tol=1e-12, method="Nelder-Mead").x for loss in (from_targets, from_counts)
    )
    np.testing.assert_allclose(found, true, atol=1e-4)


def test_squared_targets_have_their_minimum_at_the_weighted_mean():
    _, _, count_rates = observe()
    rate, error = count_rates.rate[:, 0], count_rates.error[:, 0]
    targets = all_rows(count_rates, "squared")
    mean = np.sum(rate / error**2) / np.sum(1 / error**2)
    found = np.sum(targets.weight * targets.label.astype(float)) / np.sum(targets.weight.astype(float))
    assert found == pytest.approx(1, rel=1e-6)
    assert level_of(count_rates, "squared") == pytest.approx(mean, rel=1e-12)


def test_poisson_starts_at_all_counts_over_all_live_time():
    _, counts, count_rates = observe()
    assert level_of(count_rates, "poisson") == pytest.approx(counts.sum() / count_rates.exposure.sum(), rel=1e-12)


@given(rows=st.integers(1, 50), scale=st.floats(1e-3, 1e6), seed=st.integers(0, 999))
@settings(deadline=None)
def test_a_row_counts_as_one_row_whatever_the_instrument(rows, scale, seed):
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.5, 2, (rows, 1)) * scale
    count_rates = CountRates(rate, np.sqrt(rate), rng.uniform(0.1, 3, (rows, 1)))
    squared, counts = all_rows(count_rates, "squared"), all_rows(count_rates, "poisson")
    assert np.mean(squared.weight) == pytest.approx(1, rel=1e-5)
    assert np.mean(counts.weight * counts.label) == pytest.approx(1, rel=1e-5)


def observe_bins(rows=300, seed=0):
    """Three bins with the same relative rate and live times of their own."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rows)
    exposure = rng.uniform(0.3, 1.7, (rows, 3))
    counts = rng.poisson(np.exp(0.8 * x)[:, None] * [40.0, 9.0, 300.0] * exposure)
    rate = np.maximum(counts, 0.5) / exposure
    return x, CountRates(rate, np.sqrt(np.maximum(counts, 1)) / exposure, exposure)


LOSSES = {
    "poisson": lambda target, f: target.weight * (f - target.label * np.log(f)),
    "gamma": lambda target, f: target.weight * (target.label / f + np.log(f)),
    "squared": lambda target, f: target.weight * (f - target.label) ** 2,
}


@pytest.mark.parametrize("objective", LOSSES)
def test_targets_of_several_bins_have_the_joint_loss_of_the_bins(objective):
    x, count_rates = observe_bins()
    rows = np.ones(len(x), bool)
    level = levels(count_rates, rows, objective)
    each = {
        "poisson": lambda f: count_rates.exposure * (level * f - count_rates.rate * np.log(level * f)),
        "gamma": lambda f: count_rates.rate / (level * f) + np.log(level * f),
        "squared": lambda f: ((count_rates.rate - level * f) / count_rates.error) ** 2,
    }[objective]
    shapes = [np.exp(a + b * x) for a, b in ((0.0, 0.8), (0.1, 0.3), (-0.2, -0.5))]
    joint = [each(f[:, None]).sum() for f in shapes]
    target = make_targets(count_rates, range(3), level, rows, objective)
    found = [LOSSES[objective](target, f).sum() for f in shapes]
    ratio = (joint[1] - joint[0]) / (found[1] - found[0])
    assert ratio > 0
    assert (joint[2] - joint[0]) / (found[2] - found[0]) == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize("objective", LOSSES)
def test_each_bin_has_its_own_label_and_level(objective):
    _, count_rates = observe_bins()
    rows = np.ones(len(count_rates.rate), bool)
    level = levels(count_rates, rows, objective)
    for i_bin in range(3):
        target = make_targets(count_rates, [i_bin], level, rows, objective)
        np.testing.assert_allclose(target.label * level[i_bin], count_rates.rate[:, i_bin], rtol=1e-6)
        alone = CountRates(*(part[:, [i_bin]] for part in (count_rates.rate, count_rates.error, count_rates.exposure)))
        assert levels(alone, rows, objective)[0] == pytest.approx(level[i_bin], rel=1e-12)


def test_only_the_rows_asked_for_have_a_say_in_level_and_scale():
    _, count_rates = observe_bins()
    grow = np.arange(300) < 200
    for objective in LOSSES:
        level = levels(count_rates, grow, objective)
        before = make_targets(count_rates, [1], level, grow, objective)
        rate, error = count_rates.rate.copy(), count_rates.error.copy()
        rate[200:], error[200:] = rate[200:] * 7, error[200:] * 7
        other = CountRates(rate, error, count_rates.exposure)
        np.testing.assert_array_equal(levels(other, grow, objective), level)
        after = make_targets(other, [1], level, grow, objective)
        np.testing.assert_array_equal(after.weight, before.weight)
        stop = make_targets(other, [1], level, np.arange(300) >= 200, objective)
        assert (len(before.label), len(stop.label)) == (200, 100)


def test_trees_go_on_from_the_margin_given():
    _, count_rates = observe_bins()
    rows = np.arange(300) < 100
    level = levels(count_rates, rows, "gamma")
    margin = np.linspace(-1, 1, 100)
    for objective, start in (("gamma", 0), ("poisson", 0), ("squared", 1)):  # the margin of a relative rate of 1
        found = make_targets(count_rates, [0], level, rows, objective, margin=margin).base
        np.testing.assert_allclose(found, start + margin, atol=1e-7)
        assert (make_targets(count_rates, [0], level, rows, objective).base == start).all()


def test_a_bin_without_counts_has_finite_targets_above_zero():
    zero = np.zeros((5, 1))
    targets = all_rows(CountRates(zero, zero + 1, zero + 1), "poisson")
    assert 0 < level_of(CountRates(zero, zero + 1, zero + 1), "poisson") < 1e-3
    assert np.isfinite(targets.weight).all()
    assert (targets.label > 0).all()


def test_gamma_targets_have_their_minimum_at_the_mean_ratio():
    """The sum of rate/r + log(r) over rows with r = a * shape is least at a = mean(rate/shape)."""
    x, _, count_rates = observe()
    targets = all_rows(count_rates, "gamma")
    shape = np.exp(0.8 * x)

    def loss(p):
        rate = np.exp(p[0]) * shape / level_of(count_rates, "gamma")
        return np.sum(targets.weight * (targets.label / rate + np.log(rate)))

    found = minimize(loss, [3.0], tol=1e-12, method="Nelder-Mead").x
    assert np.exp(found[0]) == pytest.approx(np.mean(count_rates.rate[:, 0] / shape), rel=1e-5)


@pytest.fixture
def masked():
    """Counts of three bins of different levels, a third of them masked, and no bin left in some rows."""
    rng = np.random.default_rng(3)
    live = rng.uniform(0.5, 1, (600, 3)) * (rng.random((600, 3)) > 1 / 3)
    counts = rng.poisson([40, 8, 0.7] * live).astype(float)
    assert ((live > 0).sum(axis=1) == 0).any()
    return CountRates.of_sums(counts, np.maximum(counts, 1), live)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "squared"])
def test_levels_are_those_of_the_rows_in_which_a_bin_is_measured(masked, objective):
    used = np.arange(600) % 4 > 0
    found = levels(masked, used, objective)
    for i_bin in range(3):
        rows = np.flatnonzero(used & masked.measured[:, i_bin])
        alone = levels(masked.of(rows, [i_bin]), np.ones(len(rows), bool), objective)
        assert found[i_bin] == pytest.approx(alone[0], rel=1e-12)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "squared"])
def test_a_row_in_which_the_bin_is_masked_has_no_weight_and_the_others_theirs(masked, objective):
    targets = all_rows(masked, objective, bins=(1,))
    rows = np.flatnonzero(masked.measured[:, 1])
    alone = all_rows(masked.of(rows, [1]), objective)
    assert not targets.weight[~masked.measured[:, 1]].any()
    assert np.isfinite(targets.label).all()
    for name in ("label", "weight", "base"):
        np.testing.assert_allclose(getattr(targets, name)[rows], getattr(alone, name), rtol=1e-6)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "squared"])
def test_what_bins_have_in_common_comes_from_the_measured_ones(masked, objective):
    targets = all_rows(masked, objective, bins=(0, 1, 2))
    level = levels(masked, np.ones(600, bool), objective)
    weight = {
        "poisson": lambda row, i: masked.exposure[row, i] * level[i],
        "gamma": lambda row, i: 1.0,
        "squared": lambda row, i: (level[i] / masked.error[row, i]) ** 2,
    }[objective]
    total = np.zeros(600)
    for row in range(600):
        bins = [i for i in range(3) if masked.measured[row, i]]
        total[row] = sum(weight(row, i) for i in bins)
        if bins:
            label = sum(weight(row, i) * masked.rate[row, i] / level[i] for i in bins) / total[row]
            label = label if objective == "squared" else max(label, 1e-6)
            assert targets.label[row] == pytest.approx(label, rel=1e-5)
    np.testing.assert_allclose(targets.weight, total * (targets.weight.sum() / total.sum()), rtol=1e-5)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "squared"])
def test_a_bin_that_is_masked_throughout_has_harmless_targets(masked, objective):
    dead = masked.without(np.broadcast_to([False, True, False], (600, 3)))
    targets = all_rows(dead, objective, bins=(1,))
    for values in (targets.label, targets.weight, targets.base):
        assert np.isfinite(values).all()
    assert (targets.weight > 0).any()
