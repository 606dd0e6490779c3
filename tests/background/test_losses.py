"""Losses are those of the trees as they grew: scored again by other means, and alike in both libraries."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from polarbgb.background.backends import quantise
from polarbgb.background.fold_model import FoldModel, training_frame
from polarbgb.background.losses import SHARED, TRAINING, VALIDATION, evaluated_trees
from polarbgb.background.losses import deviance as found_deviance
from polarbgb.background.targets import Targets
from polarbgb.config import Model

ROWS, TREES = 3000, 30


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, 3)).astype(np.float32)
    rate = rng.poisson(50 * np.exp(0.3 * values[:, 0])) + 1.0
    grow = np.arange(ROWS) < 2000
    return values, rate, rng.uniform(0.5, 1.5, ROWS), grow


def trained(backend, objective, sample, trees=TREES, patience=1000):
    values, rate, weight, grow = sample
    model = Model(
        backend=backend,
        objective=objective,
        n_estimators=trees,
        early_stopping_rounds=patience,
        threads=1,
        max_depth=3,
    )
    start = np.average(rate[grow], weights=weight[grow])
    base = np.full(ROWS, start if objective == "squared" else np.log(start), "f4")
    targets = [Targets(rate[rows].astype("f4"), weight[rows].astype("f4"), base[rows]) for rows in (grow, ~grow)]
    booster = quantise(values, grow, ~grow, model).train(*targets, model)
    return booster, model, float(base[0])


def deviance(objective, rate, predicted, weight):
    """Twice what scipy's likelihoods (or plain squares) lack to those of the labels themselves."""
    if objective == "squared":
        each = (rate - predicted) ** 2
    elif objective == "gamma":  # of shape 1: exponential
        each = 2 * (stats.expon.logpdf(rate, scale=rate) - stats.expon.logpdf(rate, scale=predicted))
    else:
        each = 2 * (stats.poisson.logpmf(rate, rate) - stats.poisson.logpmf(rate, predicted))
    return np.average(each, weights=weight)


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("objective", ["gamma", "poisson", "squared"])
def test_the_last_loss_is_the_deviance_of_the_prediction(backend, objective, sample):
    values, rate, weight, grow = sample
    # A second fit is stopped where the first one was best: all its trees are kept.
    trees = trained(backend, objective, sample)[0].trees
    booster, model, base = trained(backend, objective, sample, trees=trees)
    assert booster.trees == trees
    margin = base + booster.margin(values)
    predicted = margin if model.objective == "squared" else np.exp(margin)
    for part, rows in ((TRAINING, grow), (VALIDATION, ~grow)):
        expected = deviance(objective, rate[rows], predicted[rows], weight[rows])
        assert booster.losses[part][trees] == pytest.approx(expected, rel=2e-3)
        targets = Targets(rate[rows].astype("f4"), weight[rows].astype("f4"), np.zeros(rows.sum(), "f4"))
        assert found_deviance(margin[rows], targets, objective) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_trees_kept_are_those_with_the_least_loss(backend, sample):
    booster, *_ = trained(backend, "gamma", sample, trees=200, patience=10)
    stopping, growing = booster.losses[VALIDATION], booster.losses[TRAINING]
    assert min(stopping, key=stopping.get) == booster.trees < 190
    assert list(stopping) == list(range(1, booster.trees + 11))
    assert set(growing) == evaluated_trees(200) & set(stopping)
    assert np.all(np.diff(list(growing.values())) < 0)


@pytest.mark.parametrize("trees", [1, 2, 7, 20, 800])
def test_growing_rows_are_looked_at_twenty_times_at_most_and_at_the_end(trees):
    assert {1, trees} <= evaluated_trees(trees) <= set(range(1, trees + 1))
    assert len(evaluated_trees(trees)) <= 20


def test_the_frame_has_one_row_per_fold_booster_part_and_tree(sample):
    booster, *_ = trained("xgboost", "gamma", sample, trees=3)
    model = FoldModel(booster, (booster, booster), np.ones(2), "gamma")
    frame = training_frame([model] * 2, ["x", "y"])
    assert len(frame) == 2 * 3 * 2 * 3
    assert frame["bin"].unique(maintain_order=True).to_list() == [SHARED, "x", "y"]
    (value,) = frame.filter(fold=1, bin="y", part=TRAINING, trees=2)["loss"]
    assert value == booster.losses[TRAINING][2]
    assert training_frame([], []).schema == frame.schema
    assert isinstance(frame, pl.DataFrame)
