"""SHAP of a sample: who is in it, which model speaks, and what it adds up to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.attribution.shap_values import Explanation, estimate_seconds, explain_rows, stratified_sample
from polarbgb.background.backends import quantise
from polarbgb.background.fold_model import train_fold
from polarbgb.background.folds import Split
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix

NAMES = ("a", "b", "c")


@given(
    strata=st.lists(st.integers(0, 6), min_size=1, max_size=300),
    share=st.floats(0.01, 1.5),
    seed=st.integers(0, 999),
)
@settings(deadline=None, max_examples=200)
def test_every_stratum_has_its_share_to_one_row(strata, share, seed):
    strata = np.array(strata)
    size = max(1, int(share * len(strata)))
    rows = stratified_sample(strata, size, seed)
    assert len(rows) == min(size, len(strata))
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < len(strata)
    for stratum in np.unique(strata):
        expected = np.sum(strata == stratum) * len(rows) / len(strata)
        assert abs(np.sum(strata[rows] == stratum) - expected) < 1 + 1e-9


def test_every_row_is_as_likely_as_any_other():
    strata = np.repeat([0, 1, 2], [5, 15, 30])
    drawn = np.zeros(50)
    for seed in range(2000):
        drawn[stratified_sample(strata, 10, seed)] += 1
    # 2000 draws of 1 in 5: 400 +- 18
    assert np.abs(drawn - 400).max() < 4.5 * 18


def test_within_a_stratum_neighbours_may_be_drawn_together():
    steps = [np.diff(stratified_sample(np.zeros(1000, int), 200, seed)) for seed in range(5)]
    assert all(step.min() == 1 and step.max() > 10 for step in steps)


def test_the_seed_decides():
    strata = np.arange(500) % 3
    np.testing.assert_array_equal(stratified_sample(strata, 50, 1), stratified_sample(strata, 50, 1))
    assert not np.array_equal(stratified_sample(strata, 50, 1), stratified_sample(strata, 50, 2))


def train(backend, slopes, seed):
    """Train on rates that follow one feature: the model of fold k looks at feature k."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(600, 3)).astype(np.float32)
    rate = 200 + values @ np.column_stack(slopes)
    model = Model(
        backend=backend, threads=1, n_estimators=15, n_estimators_per_bin=15, min_child_weight=1, reg_lambda=0
    )
    rows = np.ones(600, bool)
    training = quantise(values, rows, rows, model)
    return train_fold(training, CountRates(rate, rate**0, rate**0), Split(rows, rows, rows), model)


@pytest.fixture(scope="module", params=["xgboost", "lightgbm"])
def case(request):
    rng = np.random.default_rng(1)
    models = [train(request.param, [slope * np.eye(3)[fold] for slope in (30.0, 50.0)], fold) for fold in range(3)]
    matrix = Matrix(rng.normal(size=(90, 3)).astype(np.float32), NAMES)
    return matrix, models, rng.integers(0, 3, 90)


def test_each_row_is_explained_by_the_model_that_predicted_it(case):
    matrix, models, fold = case
    rows = np.arange(4, 90, 3)
    found = explain_rows(matrix, models, fold, rows)
    assert found.values.shape == (2, len(rows), 3)
    np.testing.assert_array_equal(found.rows, rows)
    for i, row in enumerate(rows):
        for number in range(2):
            own, features = models[fold[row]], matrix.values[row : row + 1]
            shap, margin = own.shap(features)[number, 0], own.margins(features)[0, number]
            np.testing.assert_allclose(found.values[number, i], shap[:3], atol=1e-6)
            assert found.base[number, i] + found.values[number, i].sum() == pytest.approx(margin, rel=1e-5)
            # its model saw one feature matter
            assert np.argmax(np.abs(found.values[number, i])) == fold[row] or abs(matrix.values[row, fold[row]]) < 0.3
    assert 0 <= found.residue < 1e-5


def test_the_residue_shows_values_that_do_not_add_up(case):
    matrix, models, fold = case

    class Wrong:
        def __init__(self, model):
            self.margins, self.per_bin = model.margins, model.per_bin
            self.shap = lambda values: model.shap(values) + 0.01

    found = explain_rows(matrix, [Wrong(model) for model in models], fold, np.arange(90))
    margin = np.concatenate([models[k].margins(matrix.values[fold == k]).ravel() for k in range(3)])
    assert found.residue == pytest.approx(0.04 / (1 + np.abs(margin).min()), rel=1e-3)


def test_importance_is_the_mean_size_of_the_values(case):
    matrix, models, fold = case
    found = explain_rows(matrix, models, fold, np.arange(90))
    expected = [[np.mean([abs(v) for v in found.values[b, :, f]]) for b in range(2)] for f in range(3)]
    np.testing.assert_allclose(found.importance(), expected, rtol=1e-6)
    assert (found.importance()[:, 1] > found.importance()[:, 0]).all()  # the second bin has the steeper slopes


def test_splits_without_a_row_in_the_sample_are_not_asked(case):
    matrix, models, fold = case
    rows = np.flatnonzero(fold == 1)
    found = explain_rows(matrix, [models[0], models[1], None], fold, rows)
    np.testing.assert_array_equal(found.values, explain_rows(matrix, models, fold, rows).values)


@pytest.mark.parametrize("rows", [1, 2, 80])
def test_the_estimate_grows_with_the_rows(case, rows):
    matrix, models, fold = case
    one = estimate_seconds(matrix, models, fold, np.arange(rows))
    assert 0 < one < 60


def test_the_error_of_an_importance_is_how_far_samples_differ():
    rng = np.random.default_rng(0)
    everything = rng.gamma(2.0, 3.0, size=(2, 200_000, 3)) * rng.choice([-1, 1], (2, 200_000, 3))

    def drawn():
        rows = rng.choice(200_000, 400, replace=False)
        return Explanation(rows, everything[:, rows].astype(np.float32), np.zeros((2, 400)), 0.0)

    samples = [drawn() for _ in range(300)]
    scatter = np.std([sample.importance() for sample in samples], axis=0)
    np.testing.assert_allclose(np.mean([sample.error() for sample in samples], axis=0), scatter, rtol=0.15)
