"""The model of a fold: a sum of two boosters per bin, trained, predicted, explained, saved and read as one."""

import json

import numpy as np
import pytest

from polarbgb.background.backends import HeldOut, quantise
from polarbgb.background.fold_model import (
    FoldModel,
    load_fold_model,
    predict_mean,
    probe_rows,
    save_fold_model,
    train_fold,
)
from polarbgb.background.folds import Split
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError

ROWS = 6000
LEVEL = np.array([50.0, 400.0, 3000.0])
kinds = pytest.mark.parametrize(
    ("backend", "objective"), [(b, o) for b in ("xgboost", "lightgbm") for o in ("gamma", "poisson", "squared")]
)


def truth_of(values):
    """Rates that share most of their shape; the third bin differs by what the second feature does."""
    shared = 0.5 * np.sin(2 * values[:, :1]) + 0.3 * np.maximum(values[:, 2:], 0)
    return LEVEL * np.exp(shared + [0.0, 0.0, 0.2] * values[:, 1:2])


def observe(seed=0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, size=(ROWS, 3)).astype(np.float32)
    exposure = rng.uniform(0.5, 1.5, (ROWS, 3))
    counts = np.maximum(rng.poisson(truth_of(values) * exposure), 1)
    return values, CountRates(counts / exposure, np.sqrt(counts) / exposure, exposure)


def train(backend, objective, *, bins=None, **settings):
    values, count_rates = observe()
    grow = np.arange(ROWS) % 5 > 0
    model = Model(
        **{
            "backend": backend,
            "objective": objective,
            "threads": 1,
            "n_estimators": 60,
            "max_depth": 4,
            "min_child_weight": 20,
        }
        | settings
    )
    split = Split(grow, ~grow, ~grow)
    return train_fold(quantise(values, grow, ~grow, model), count_rates, split, model, bins=bins), model


NEW = np.random.default_rng(99).uniform(-1, 1, size=(500, 3)).astype(np.float32)


@kinds
def test_bins_are_learned_together_and_each_by_what_distinguishes_it(backend, objective):
    truth = truth_of(NEW)

    def error(fitted):
        return np.sqrt(np.mean((fitted.rates(NEW) / truth - 1) ** 2, axis=0)).max()

    fitted, shared_alone = train(backend, objective)[0], train(backend, objective, n_estimators_per_bin=1)[0]
    assert error(fitted) < (0.06 if objective == "squared" else 0.03)  # observed errors favour low counts
    assert error(shared_alone) > 2 * error(fitted)
    assert fitted.rates(NEW).shape == (500, 3)


@kinds
def test_rates_follow_from_the_levels_and_the_sum_of_both_boosters(backend, objective):
    fitted, _ = train(backend, objective)
    for i_bin, booster in enumerate(fitted.per_bin):
        relative = fitted.shared.margin(NEW) + booster.margin(NEW)
        rate = fitted.level[i_bin] * (1 + relative if objective == "squared" else np.exp(relative))
        np.testing.assert_allclose(fitted.rates(NEW)[:, i_bin], rate, rtol=1e-12)
        margin = rate if objective == "squared" else np.log(rate)
        np.testing.assert_allclose(fitted.margins(NEW)[:, i_bin], margin, rtol=1e-12)


@kinds
def test_shap_values_add_up_to_the_margin_of_each_bin(backend, objective):
    fitted, _ = train(backend, objective)
    shap = fitted.shap(NEW)
    assert shap.shape == (3, 500, 4)
    np.testing.assert_allclose(shap.sum(axis=2).T, fitted.margins(NEW), rtol=1e-5)


def test_shap_values_are_those_of_the_library_shap():
    shap = pytest.importorskip("shap")
    fitted, _ = train("xgboost", "gamma", n_estimators=10, n_estimators_per_bin=5)
    explained = [shap.TreeExplainer(booster._booster).shap_values(NEW[:50]) for booster in fitted.boosters]
    for i_bin in range(3):
        np.testing.assert_allclose(
            fitted.shap(NEW[:50])[i_bin, :, :3], explained[0] + explained[1 + i_bin], rtol=1e-3, atol=1e-6
        )


def test_one_bin_is_a_model_like_any_other():
    values, count_rates = observe()
    grow = np.arange(ROWS) % 5 > 0
    model = Model(threads=1, n_estimators=60, max_depth=4)
    only = CountRates(*(part[:, :1] for part in (count_rates.rate, count_rates.error, count_rates.exposure)))
    fitted = train_fold(quantise(values, grow, ~grow, model), only, Split(grow, ~grow, ~grow), model)
    assert fitted.rates(NEW).shape == (500, 1)
    assert np.mean(np.abs(fitted.rates(NEW) / truth_of(NEW)[:, :1] - 1)) < 0.05


def test_chosen_bins_are_predicted_as_with_all():
    every, _ = train("xgboost", "gamma")
    chosen, _ = train("xgboost", "gamma", bins=[2, 0])
    np.testing.assert_array_equal(chosen.rates(NEW), every.rates(NEW)[:, [2, 0]])


@kinds
def test_a_saved_model_predicts_the_same_bits(backend, objective, tmp_path):
    fitted, model = train(backend, objective, n_estimators=10)
    save_fold_model(fitted, tmp_path, 3, model, probe=NEW[:5])
    again = load_fold_model(tmp_path, 3, model)
    np.testing.assert_array_equal(again.rates(NEW), fitted.rates(NEW))
    np.testing.assert_array_equal(again.shap(NEW[:20]), fitted.shap(NEW[:20]))
    assert [booster.losses for booster in again.boosters] == [booster.losses for booster in fitted.boosters]


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"level": [1.0]}', '{"level": "x", "losses": []}'])
def test_damaged_levels_are_refused_in_one_line(damage, tmp_path):
    fitted, model = train("xgboost", "gamma", n_estimators=3)
    save_fold_model(fitted, tmp_path, 0, model, probe=NEW[:5])
    (tmp_path / "fold0.json").write_text(damage)
    with pytest.raises(UserError, match=r"fold0\.json: not a readable model; run 'polarbgb fit' again"):
        load_fold_model(tmp_path, 0, model)


def test_missing_files_are_named(tmp_path):
    fitted, model = train("xgboost", "gamma", n_estimators=3)
    save_fold_model(fitted, tmp_path, 0, model, probe=NEW[:5])
    (tmp_path / "fold0_bin1.ubj").unlink()
    with pytest.raises(UserError, match=r"no model .*fold0_bin1\.ubj"):
        load_fold_model(tmp_path, 0, model)
    (tmp_path / "fold0.json").unlink()
    with pytest.raises(UserError, match=r"no model .*fold0\.json"):
        load_fold_model(tmp_path, 0, model)


def test_levels_are_written_last(tmp_path, monkeypatch):
    fitted, model = train("xgboost", "gamma", n_estimators=3)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(fitted.per_bin[0]), "save", full)
    with pytest.raises(UserError, match="No space left"):
        save_fold_model(fitted, tmp_path, 0, model, probe=NEW[:5])
    assert not (tmp_path / "fold0.json").exists()


def test_rows_of_another_file_have_the_mean_rate_of_the_folds():
    first, model = train("xgboost", "gamma")
    second, _ = train("xgboost", "gamma", seed=1, subsample=0.5)
    expected = (first.rates(NEW) + second.rates(NEW)) / 2
    np.testing.assert_allclose(predict_mean([first, second], NEW, model), expected, rtol=1e-12)


def test_pieces_are_predicted_in_their_order(monkeypatch):
    monkeypatch.setattr("polarbgb.background.boosters.PIECE", 70)
    fitted, model = train("xgboost", "gamma", n_estimators=5)
    rows = np.arange(500) % 3 > 0
    np.testing.assert_array_equal(fitted.predict(HeldOut(NEW, rows, model)), fitted.rates(NEW[rows]))


def test_the_format_on_disk_can_be_read_without_this_package(tmp_path):
    import xgboost

    fitted, model = train("xgboost", "gamma")
    save_fold_model(fitted, tmp_path, 0, model, probe=NEW[:5])
    level = json.loads((tmp_path / "fold0.json").read_text())["level"]
    rows = xgboost.DMatrix(NEW)
    shared, own = (
        xgboost.Booster(model_file=tmp_path / f"fold0_{name}.ubj").predict(rows) for name in ("shared", "bin1")
    )
    np.testing.assert_allclose(level[1] * shared * own, fitted.rates(NEW)[:, 1], rtol=1e-5)
    assert isinstance(fitted, FoldModel)


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_a_model_that_another_version_reads_differently_is_refused(backend, tmp_path):
    fitted, model = train(backend, "gamma", n_estimators=10)
    probe = NEW[:5].copy()
    probe[0, 1] = np.nan
    save_fold_model(fitted, tmp_path, 0, model, probe=probe)
    load_fold_model(tmp_path, 0, model)
    stored = json.loads((tmp_path / "fold0.json").read_text())
    assert stored["probe"][0][1] is None
    stored["version"] = f"{backend} 9.9.9"
    stored["margins"][2][3] += 0.25
    (tmp_path / "fold0.json").write_text(json.dumps(stored))
    with pytest.raises(
        UserError, match=rf"fold0\.json was fitted with {backend} 9\.9\.9; {backend} [\d.]+, which is"
    ) as e:
        load_fold_model(tmp_path, 0, model)
    assert f"{stored['margins'][2][3]:.4g}" in str(e.value)


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_boosters_of_two_fits_are_not_mixed(backend, tmp_path):
    first, model = train(backend, "gamma", n_estimators=10)
    second, _ = train(backend, "gamma", n_estimators=11, max_depth=3)
    save_fold_model(first, tmp_path, 0, model, probe=NEW[:5])
    second.per_bin[1].save(next(tmp_path.glob("fold0_bin1.*")))
    with pytest.raises(UserError, match=r"files of two fits are mixed; run 'polarbgb fit' again"):
        load_fold_model(tmp_path, 0, model)


def test_margins_do_not_depend_on_the_base_score_that_a_version_reads(tmp_path):
    # XGBoost before 3.1 takes the base score of later versions for 0.5.
    fitted, model = train("xgboost", "gamma", n_estimators=10)
    save_fold_model(fitted, tmp_path, 0, model, probe=NEW[:5])
    again = load_fold_model(tmp_path, 0, model)
    for booster in again.boosters:
        booster._booster.set_param({"base_score": 0.5})
    np.testing.assert_array_equal(again.rates(NEW), fitted.rates(NEW))
    np.testing.assert_array_equal(again.shap(NEW[:20]), fitted.shap(NEW[:20]))


def test_probe_rows_are_training_rows_spread_over_the_file():
    values = np.arange(100.0, dtype=np.float32).reshape(50, 2)
    train = np.arange(50) >= 10
    rows = probe_rows(values, Split(train, ~train, ~train))
    np.testing.assert_array_equal(rows[:, 0] / 2, [10, 19, 29, 39, 49])
