"""Held-out rows are predicted by models that never saw them: shown by what cannot leak."""

from dataclasses import replace

import numpy as np
import pytest

from polarbgb.background.cross_fit import cross_fit
from polarbgb.background.fold_model import predict_mean
from polarbgb.background.folds import make_folds
from polarbgb.config import Model, validate
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix

ORBITS, PER_ORBIT = 20, 100
PERIOD = 1000.0


def make_model(**values):
    settings = {
        "threads": 1,
        "n_estimators": 60,
        "learning_rate": 0.3,
        "max_depth": 5,
        "min_child_weight": 5,
        "early_stopping_rounds": 60,
    }
    return Model(**settings | values)


def make_folds_of(time):
    raw = {
        "name": "TOY",
        "input": {"tree": "t"},
        "rates": {"values": ["rate"], "errors": ["rate_err"]},
        "features": {"columns": ["orbit"]},
        "orbit": {"period": PERIOD},
        "folds": {"embargo": 0.0, "count": 4},
        "intervals": {"more_than": 0},
    }
    config = validate(raw, where="test")
    return make_folds(time, np.zeros(len(time), bool), config.folds, config.orbit, config.model)


def observe(bins=2, offset=0.3):
    """Rates that differ from orbit to orbit by chance; the only features are the orbit's number and a dull one."""
    rng = np.random.default_rng(5)
    orbit = np.repeat(np.arange(ORBITS), PER_ORBIT)
    time = 1e9 + np.arange(ORBITS * PER_ORBIT) * PERIOD / PER_ORBIT
    truth = 5000 * np.exp(offset * rng.choice([-1.0, 1.0], ORBITS))[orbit][:, None] * np.linspace(1, 2, bins)
    rate = rng.poisson(truth).astype(float)
    values = np.column_stack([orbit, rng.random(len(orbit))]).astype(np.float32)
    data = CountRates(rate, np.sqrt(rate), np.ones_like(rate))
    return Matrix(values, ("orbit", "dull")), data, make_folds_of(time), truth


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_what_only_its_own_orbit_tells_is_unknown_to_a_held_out_prediction(backend):
    matrix, data, folds, truth = observe()
    # Stopped by their own rows the trees learn all they can; by other orbits they would stop at once.
    folds = replace(folds, splits=tuple(replace(split, validation=split.train) for split in folds.splits))
    model = make_model(backend=backend)
    crossed = cross_fit(matrix, data, folds, model)
    assert np.isfinite(crossed.prediction).all()

    seen = np.zeros(len(truth), bool)
    for split, fitted in zip(folds.splits, crossed.models, strict=True):
        own = fitted.rates(matrix.values[split.train])
        np.testing.assert_allclose(own, truth[split.train], rtol=0.05)  # where it was trained it knows
        seen |= split.train
    assert seen.all()
    missed = np.abs(np.log(crossed.prediction / truth)).mean()
    assert missed > 0.2  # guessing the sign of +-0.3 costs .3 in the mean


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("objective", ["poisson", "squared"])
def test_no_prediction_moves_with_the_rates_of_its_own_fold(backend, objective):
    matrix, data, folds, _ = observe()
    model = make_model(backend=backend, objective=objective, n_estimators=10)
    before = cross_fit(matrix, data, folds, model).prediction
    own = folds.splits[2].predicted
    rate = np.where(own[:, None], 3 * data.rate, data.rate)
    after = cross_fit(matrix, CountRates(rate, np.sqrt(rate), data.exposure), folds, model).prediction
    np.testing.assert_array_equal(after[own], before[own])
    assert (after[~own] != before[~own]).mean() > 0.9


@pytest.mark.parametrize("objective", ["poisson", "squared"])
def test_each_row_is_predicted_by_the_model_of_its_fold(objective):
    matrix, data, folds, truth = observe(bins=3, offset=0.0)
    crossed = cross_fit(matrix, data, folds, make_model(objective=objective, n_estimators=10))
    assert [len(fitted.per_bin) for fitted in crossed.models] == [3] * len(folds.splits)
    for row in range(0, len(truth), 97):
        own = crossed.models[folds.fold[row]].rates(matrix.values[row : row + 1])[0]
        np.testing.assert_array_equal(crossed.prediction[row], own)
    np.testing.assert_allclose(crossed.prediction, truth, rtol=0.05)


@pytest.mark.parametrize("objective", ["poisson", "squared"])
def test_rows_of_another_file_are_given_the_mean_rate_of_all_splits(objective):
    matrix, data, folds, _ = observe()
    model = make_model(objective=objective, n_estimators=10)
    models = cross_fit(matrix, data, folds, model).models
    new = matrix.values[:50] + np.float32(0.5)
    found = predict_mean(models, new, model)
    assert found.shape == (50, 2)
    np.testing.assert_allclose(found, np.mean([fitted.rates(new) for fitted in models], axis=0), rtol=1e-12)


def test_every_fit_is_announced():
    matrix, data, folds, _ = observe()
    told = []

    def track(steps, *, label, total):
        for step in steps:
            told.append((label, total, step))
            yield step

    cross_fit(matrix, data, folds, make_model(n_estimators=2), track=track)
    assert told == [("fit", 4, fold) for fold in range(4)]
