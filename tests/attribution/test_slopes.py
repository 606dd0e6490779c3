"""Mean slopes of a background, against functions whose derivatives are known."""

import time

import numpy as np
import pytest

from polarbgb.attribution.slopes import clustered_error, estimate_slopes, mean_slopes
from polarbgb.background.backends import quantise
from polarbgb.background.fold_model import train_fold
from polarbgb.background.folds import Split
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix

NAMES = ("a", "b", "flag", "constant")
WEIGHT = np.array([2.0, -0.5, 30.0, 7.0])


class Linear:
    """Rates that are linear in the features, one bin per weight; what is missing counts as 0."""

    def __init__(self, *per_bin):
        self.per_bin = per_bin

    def rates(self, values):
        filled = np.nan_to_num(values.astype(np.float64))
        return np.column_stack([500 + filled @ weight for weight in self.per_bin])


@pytest.fixture
def matrix():
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [rng.normal(10, 3, 400), rng.uniform(-50, 50, 400), rng.integers(0, 2, 400), np.full(400, 4.0)]
    )
    return Matrix(values.astype(np.float32), NAMES)


def slopes_of(matrix, models, *, fold=None, rows=None):
    fold = np.zeros(len(matrix.values), np.int64) if fold is None else fold
    rows = np.arange(len(matrix.values)) if rows is None else rows
    orbit = (rows // 20).astype(np.int32)
    return mean_slopes(matrix, models, fold, rows, orbit=orbit)


def test_a_linear_rate_has_its_coefficients_as_slopes(matrix):
    found = slopes_of(matrix, [Linear(WEIGHT, -3 * WEIGHT / 7)])
    np.testing.assert_allclose(found.slope[:3, 0], WEIGHT[:3], rtol=1e-6)
    np.testing.assert_allclose(found.slope[:3, 1], -3 * WEIGHT[:3] / 7, rtol=1e-6)
    assert np.nanmax(np.abs(found.error)) < 1e-6  # every row has the same slope
    np.testing.assert_allclose(found.scatter, matrix.values.std(axis=0, dtype=np.float64), rtol=1e-6)


def test_what_never_changes_has_no_slope(matrix):
    found = slopes_of(matrix, [Linear(WEIGHT)])
    assert np.isnan(found.slope[3]).all()
    assert np.isnan(found.error[3]).all()
    assert found.scatter[3] == 0
    gone = Matrix(np.full((5, 4), np.nan, np.float32), NAMES)
    nothing = slopes_of(gone, [Linear(WEIGHT)])
    assert np.isnan(nothing.slope).all()
    assert (nothing.rows == 0).all()


def test_missing_values_stay_missing(matrix):
    asked = []

    class Watching(Linear):
        def rates(self, values):
            asked.append(np.isnan(values[:, 0]).sum())
            return super().rates(values)

    matrix.values[:100, 0] = np.nan
    found = slopes_of(matrix, [Watching(WEIGHT)])
    assert found.rows.tolist() == [300, 400, 400, 400]
    assert set(asked) == {100}
    np.testing.assert_allclose(found.slope[:3, 0], WEIGHT[:3], rtol=1e-6)


def test_each_row_is_moved_under_the_model_that_predicted_it(matrix):
    fold = np.arange(400) % 4 // 3  # three rows of four by the first model
    found = slopes_of(matrix, [Linear(WEIGHT), Linear(5 * WEIGHT)], fold=fold)
    np.testing.assert_allclose(found.slope[:3, 0], 2 * WEIGHT[:3], rtol=1e-6)
    only = slopes_of(matrix, [Linear(WEIGHT), None], fold=fold, rows=np.flatnonzero(fold == 0))
    np.testing.assert_allclose(only.slope[:3, 0], WEIGHT[:3], rtol=1e-6)


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_trees_grown_on_a_linear_rate_have_its_slopes(backend):
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 10, size=(6000, 2)).astype(np.float32)
    rate = (300 + values @ np.array([12.0, -5.0]))[:, None]
    model = Model(
        backend=backend,
        objective="squared",
        threads=1,
        n_estimators=150,
        max_depth=4,
        min_child_weight=5,
        learning_rate=0.2,
    )
    rows = np.ones(6000, bool)
    training = quantise(values, rows, rows, model)
    fitted = train_fold(training, CountRates(rate, rate**0, rate**0), Split(rows, rows, rows), model)
    inner = Matrix(rng.uniform(1, 9, size=(800, 2)).astype(np.float32), NAMES[:2])
    found = slopes_of(inner, [fitted])
    np.testing.assert_allclose(found.slope[:, 0], [12.0, -5.0], rtol=0.05)
    assert (np.abs(found.slope[:, 0] - [12.0, -5.0]) < 4 * found.error[:, 0]).all()


def test_the_table_has_a_row_a_feature_and_bin(matrix):
    found = slopes_of(matrix, [Linear(WEIGHT, 2 * WEIGHT)])
    table = found.table(NAMES, ("soft", "hard"))
    assert table.columns == ["feature", "bin", "slope", "error", "scatter", "rows"]
    assert table.filter(feature="b", bin="hard")["slope"].item() == pytest.approx(-1.0)
    assert table.filter(feature="constant")["slope"].is_nan().all()


def test_with_every_row_its_own_orbit_the_error_is_the_usual_one():
    values = np.random.default_rng(2).normal(size=(50, 3))
    found = clustered_error(values, np.arange(50))
    np.testing.assert_allclose(found, values.std(axis=0, ddof=1) / np.sqrt(50))


def test_the_error_counts_orbits_where_their_rows_go_together():
    rng = np.random.default_rng(3)
    orbit = np.repeat(np.arange(40), 25).astype(np.int32)

    def drawn():
        return (rng.normal(size=40)[orbit] + rng.normal(size=1000))[:, None]

    samples = [drawn() for _ in range(400)]
    scatter = np.std([one.mean() for one in samples])  # sqrt(1/40 + 1/1000)
    assert np.mean([clustered_error(one, orbit).item() for one in samples]) == pytest.approx(scatter, rel=0.1)


def test_one_orbit_has_no_error():
    assert np.isnan(clustered_error(np.ones((5, 2)), np.zeros(5, np.int32))).all()


def test_the_estimate_grows_with_the_rows(matrix):
    fold = np.zeros(400, np.int64)
    few, many = (estimate_slopes(matrix, [Slow(WEIGHT)], fold, np.arange(rows)) for rows in (4, 40))
    # 2 moves of 4 features, and 1 ms a row
    assert 0.03 < few < 0.3
    assert 0.3 < many < 3


class Slow(Linear):
    def rates(self, values):
        time.sleep(1e-3 * len(values))
        return super().rates(values)
