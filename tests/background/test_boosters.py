"""Both libraries behind one protocol, against closed forms, the libraries themselves, and shap."""

import gc
import shutil
import time
from functools import partial

import numpy as np
import pytest

from polarbgb.background.backends import SUFFIX, load_booster, quantise, require_device
from polarbgb.background.targets import Targets, levels, make_targets
from polarbgb.background.xgboost_backend import shape_parameters
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError

BACKENDS = ["xgboost", "lightgbm"]
OBJECTIVES = ["poisson", "squared"]

both = pytest.mark.parametrize("backend", BACKENDS)
all_kinds = pytest.mark.parametrize(("backend", "objective"), [(b, o) for b in BACKENDS for o in OBJECTIVES])


def make_model(backend, objective="poisson", **values):
    return Model(**{"backend": backend, "objective": objective, "threads": 1} | values)


def truth_of(values):
    return 400 * np.exp(0.5 * np.sin(2 * values[:, 0]) + 0.3 * values[:, 1])


def observe(rows=6000, seed=0):
    """Counts of a known rate over live times that differ; the third feature says nothing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 3)).astype(np.float32)
    exposure = rng.uniform(0.7, 1.0, rows)
    counts = rng.poisson(truth_of(values) * exposure)
    rate = counts / exposure
    error = np.sqrt(np.maximum(counts, 1)) / exposure
    return values, CountRates(rate[:, None], error[:, None], exposure[:, None])


def both_targets(data, grow, stop, objective):
    """Targets of the only bin, for the rows that grow trees and for those that decide when to stop."""
    level = levels(data, grow, objective)
    return [make_targets(data, [0], level, rows, objective) for rows in (grow, stop)]


def rate_of(booster, values, data, grow, objective):
    """Rate that a booster of the only bin predicts, Hz."""
    level = levels(data, grow, objective)[0]
    margin = booster.margin(values)
    return level * (1 + margin if objective == "squared" else np.exp(margin))


def train(model, *, rows=6000, seed=0):
    values, data = observe(rows, seed)
    grow = np.arange(rows) < 0.8 * rows
    targets = both_targets(data, grow, ~grow, model.objective)
    return quantise(values, grow, ~grow, model).train(*targets, model)


def all_of(values):
    """All rows grow trees, and all decide when to stop."""
    return np.ones(len(values), bool), np.ones(len(values), bool)


def parted(values, at):
    """The first rows grow trees, the others decide when to stop."""
    grow = np.arange(len(values)) < at
    return grow, ~grow


def exact(label, weight=None, base=0.0):
    """Targets without the scaling of make_targets, whose trees go on from a constant margin."""
    label = np.asarray(label, np.float32)
    weight = np.ones_like(label) if weight is None else np.asarray(weight, np.float32)
    return Targets(label, weight, np.full_like(label, base))


NEW = np.random.default_rng(99).normal(size=(500, 3)).astype(np.float32)


@all_kinds
def test_a_known_rate_is_learned_to_a_fraction_of_the_counting_noise(backend, objective):
    model = make_model(backend, objective, n_estimators=150, max_depth=4, min_child_weight=20)
    booster = train(model, rows=20_000)
    values = np.random.default_rng(1).normal(size=(5000, 3)).astype(np.float32)
    truth = truth_of(values)
    predicted = rate_of(booster, values, observe(20_000)[1], np.arange(20_000) < 16_000, objective)
    excess = np.mean((predicted - truth) ** 2 / truth)
    alone = np.mean((truth.mean() - truth) ** 2 / truth)
    assert alone > 50
    assert excess < 1


@all_kinds
def test_without_anything_to_split_by_the_rate_is_the_weighted_mean(backend, objective):
    rng = np.random.default_rng(0)
    counts, live = rng.poisson(30, 500), rng.uniform(0.5, 1.5, 500)
    rate, error = counts / live, np.sqrt(counts) / live
    rows = np.ones(500, bool)
    data = CountRates(rate[:, None], error[:, None], live[:, None])
    targets = both_targets(data, rows, rows, objective)
    same = np.ones((500, 1), np.float32)
    booster = quantise(same, rows, rows, make_model(backend, objective)).train(
        *targets, make_model(backend, objective, n_estimators=30)
    )
    # the maximum of the Poisson likelihood is all counts over all live time
    expected = counts.sum() / live.sum() if objective == "poisson" else np.sum(rate / error**2) / np.sum(1 / error**2)
    np.testing.assert_allclose(rate_of(booster, same[:3], data, rows, objective), expected, rtol=1e-6)


@all_kinds
def test_each_side_of_a_split_comes_to_its_own_weighted_mean(backend, objective):
    rng = np.random.default_rng(0)
    side = np.repeat([0, 1], [300, 700])
    label = rng.poisson(np.where(side, 90, 60)).astype(float)
    weight = rng.uniform(0.5, 1.5, 1000)
    values = side[:, None].astype(np.float32)
    start = np.log(70) if objective == "poisson" else 70
    targets = exact(label, weight, start)
    model = make_model(
        backend,
        objective,
        n_estimators=60,
        learning_rate=0.5,
        max_depth=1,
        min_child_weight=0,
        reg_lambda=0,
        early_stopping_rounds=60,
    )
    booster = quantise(values, *all_of(values), model).train(targets, targets, model)
    expected = [np.average(label[side == s], weights=weight[side == s]) for s in (0, 1)]
    margin = start + booster.margin(np.array([[0], [1]], np.float32))
    np.testing.assert_allclose(np.exp(margin) if objective == "poisson" else margin, expected, rtol=1e-4)


@all_kinds
def test_one_tree_takes_one_damped_newton_step(backend, objective):
    """The unit of learning_rate and l2 is that of the textbook: eta * G / (H + lambda) in a leaf."""
    side = np.repeat([0, 1], [400, 600])
    label = np.where(side, 1.4, 0.8) * (1 + 0.1 * np.tile([-1, 1], 500))
    values = side[:, None].astype(np.float32)
    start = 1.1
    targets = exact(label, base=np.log(start) if objective == "poisson" else start)
    model = make_model(
        backend, objective, n_estimators=1, learning_rate=0.25, max_depth=1, min_child_weight=0, reg_lambda=50
    )
    booster = quantise(values, *all_of(values), model).train(targets, targets, model)
    for s in (0, 1):
        own = label[side == s]
        hessian = len(own) * start if objective == "poisson" else len(own)
        step = 0.25 * np.sum(own - start) / (hessian + 50)
        assert booster.margin(np.array([[s]], np.float32))[0] == pytest.approx(step, rel=1e-5)


@all_kinds
@pytest.mark.parametrize(("min_child_weight", "splits"), [(30, True), (50, False)])
def test_a_leaf_holds_the_asked_number_of_rows(backend, objective, min_child_weight, splits):
    side = np.repeat([0, 1], [960, 40])
    values = side[:, None].astype(np.float32)
    rate = np.where(side, 1.3, 1.0)[:, None] * 100
    rows = np.ones(1000, bool)
    targets = both_targets(CountRates(rate, np.full_like(rate, 10.0), np.ones_like(rate)), rows, rows, objective)
    model = make_model(backend, objective, n_estimators=1, max_depth=1, reg_lambda=0, min_child_weight=min_child_weight)
    margin = quantise(values, *all_of(values), model).train(*targets, model).margin(values)
    assert (margin[0] != margin[-1]) is np.bool_(splits)


@all_kinds
@pytest.mark.parametrize("order", ["weights first", "ones first"])
def test_swapped_labels_weights_and_bases_give_what_a_fresh_set_gives(backend, objective, order):
    values, data = observe(2000)
    rng = np.random.default_rng(3)
    rate = data.rate[:, 0] / 400
    first = exact(rate[:1600], rng.uniform(0.1, 5, 1600), 0.1), exact(rate[1600:], rng.uniform(0.1, 5, 400), 0.1)
    second = exact(rng.permuted(rate[:1600])), exact(rate[1600:])
    if order == "ones first":
        first, second = second, first
    model = make_model(backend, objective, n_estimators=15, early_stopping_rounds=15)

    def fresh():
        return quantise(values, *parted(values, 1600), model)

    shared = fresh()
    found = [shared.train(*targets, model).margin(NEW) for targets in (first, second, first)]
    expected = [fresh().train(*targets, model).margin(NEW) for targets in (first, second, first)]
    np.testing.assert_array_equal(found, expected)
    assert (found[0] != found[1]).any()


@all_kinds
def test_weights_count(backend, objective):
    values, data = observe(2000)
    model = make_model(backend, objective, n_estimators=15, early_stopping_rounds=15)
    heavy = np.where(values[:1600, 0] > 0, 10.0, 0.1)
    shared = quantise(values, *parted(values, 1600), model)
    rate = data.rate[:, 0] / 400
    stop = exact(rate[1600:])
    with_weights = shared.train(exact(rate[:1600], heavy), stop, model).margin(NEW)
    without = shared.train(exact(rate[:1600]), stop, model).margin(NEW)
    assert np.abs(with_weights - without).max() > 1e-3 * np.abs(without).max()


@all_kinds
def test_a_saved_model_predicts_the_same_bits(backend, objective, tmp_path):
    model = make_model(backend, objective, n_estimators=20)
    booster = train(model)
    path = tmp_path / f"model{SUFFIX[backend]}"
    booster.save(path)
    again = load_booster(path, model)
    assert again.trees == booster.trees
    np.testing.assert_array_equal(again.margin(NEW), booster.margin(NEW))
    np.testing.assert_array_equal(again.shap(NEW[:20]), booster.shap(NEW[:20]))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_saved_xgboost_model_is_xgboosts_own(objective, tmp_path):
    import xgboost

    model = make_model("xgboost", objective, n_estimators=20)
    booster = train(model)
    booster.save(tmp_path / "model.ubj")
    own = xgboost.Booster(model_file=tmp_path / "model.ubj")
    rate = own.predict(xgboost.DMatrix(NEW))
    margin = booster.margin(NEW)
    relative = margin if objective == "squared" else np.exp(margin)
    np.testing.assert_allclose(relative, rate, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_saved_lightgbm_model_is_lightgbms_own(objective, tmp_path):
    import lightgbm

    model = make_model("lightgbm", objective, n_estimators=20)
    booster = train(model)
    booster.save(tmp_path / "model.txt")
    own = lightgbm.Booster(model_file=tmp_path / "model.txt")
    assert own.feature_name() == ["f0", "f1", "f2"]
    margin = booster.margin(NEW)
    np.testing.assert_allclose(margin if objective == "squared" else np.exp(margin), own.predict(NEW), rtol=1e-12)


def cut(part, raw):
    return raw[: int(part * len(raw))]


@both
@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: b"no model\n" * 20,
        partial(cut, 0.05),
        partial(cut, 0.5),
        partial(cut, 0.9),
        lambda raw: raw[:2000] + bytes(500) + raw[2500:],
    ],
    ids=["empty", "text", "cut early", "cut in half", "cut late", "a block of zeros"],
)
def test_a_damaged_model_is_refused_in_one_line(backend, damage, tmp_path):
    model = make_model(backend, n_estimators=20)
    path = tmp_path / f"model{SUFFIX[backend]}"
    train(model, rows=2000).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=f"not a readable {backend} model; run 'polarbgb fit' again") as error:
        load_booster(path, model)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@both
def test_a_model_of_the_other_library_is_refused(backend, tmp_path):
    (other,) = set(BACKENDS) - {backend}
    path = tmp_path / f"model{SUFFIX[backend]}"
    stranger = tmp_path / f"model{SUFFIX[other]}"
    train(make_model(other, n_estimators=3), rows=1000).save(stranger)
    stranger.rename(path)
    with pytest.raises(UserError, match="not a readable"):
        load_booster(path, make_model(backend))


@both
def test_a_missing_model_is_named(backend, tmp_path):
    with pytest.raises(UserError, match=r"no model .*lost\.ubj.*run 'polarbgb fit' again"):
        load_booster(tmp_path / "lost.ubj", make_model(backend))


@all_kinds
def test_noise_stops_the_trees(backend, objective):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3000, 3)).astype(np.float32)
    label = rng.poisson(50, 3000)
    model = make_model(backend, objective, n_estimators=300, early_stopping_rounds=10)
    booster = quantise(values, *parted(values, 2000), model).train(
        *(exact(part / 50, base=0.0 if objective == "poisson" else 1.0) for part in (label[:2000], label[2000:])), model
    )
    assert booster.trees < 30


@all_kinds
def test_the_stopping_rows_decide_the_number_of_trees(backend, objective):
    values, data = observe(4000)
    rate = data.rate[:, 0] / data.rate[:3000, 0].mean()
    model = make_model(backend, objective, n_estimators=40, early_stopping_rounds=5)
    training = quantise(values, *parted(values, 3000), model)
    base = 0.0 if objective == "poisson" else 1.0
    grow = exact(rate[:3000], base=base)
    agreeing = training.train(grow, exact(rate[3000:], base=base), model)
    opposed = training.train(grow, exact(2 - np.minimum(rate[3000:], 1.9), base=base), model)
    assert opposed.trees == 1
    assert agreeing.trees > 15


@all_kinds
def test_training_stops_at_the_least_loss_of_the_stopping_rows(backend, objective):
    values, data = observe(2000)
    grow = np.arange(2000) < 1600
    settings = {"learning_rate": 0.3, "max_depth": 4, "min_child_weight": 5}
    _, stop = both_targets(data, grow, ~grow, objective)

    def grown(trees, patience):
        model = make_model(backend, objective, n_estimators=trees, early_stopping_rounds=patience, **settings)
        training = quantise(values, grow, ~grow, model)
        return training.train(*both_targets(data, grow, ~grow, objective), model)

    def loss(booster):
        margin, label = stop.base + booster.margin(values[~grow]), stop.label
        losses = np.exp(margin) - label * margin if objective == "poisson" else (label - margin) ** 2
        return np.average(losses, weights=stop.weight)

    stopped = grown(300, 6)
    by_trees = [loss(grown(trees, 300)) for trees in range(1, stopped.trees + 7)]
    assert 5 < stopped.trees < 300
    assert np.argmin(by_trees) + 1 == stopped.trees
    assert loss(stopped) == by_trees[stopped.trees - 1]


@all_kinds
def test_seed_and_data_decide_whatever_the_threads(backend, objective):
    draws = {"n_estimators": 20, "subsample": 0.6, "colsample_bytree": 0.7}
    margins = [
        train(make_model(backend, objective, seed=seed, threads=threads, **draws), rows=3000).margin(NEW)
        for seed, threads in ((1, 1), (1, 1), (1, 2), (2, 1))
    ]
    np.testing.assert_array_equal(margins[1], margins[0])
    np.testing.assert_array_equal(margins[2], margins[0])
    assert (margins[3] != margins[0]).any()


@all_kinds
def test_missing_values_are_taken(backend, objective):
    values, data = observe(4000)
    values[::3, 0] = np.nan
    values[::7] = np.nan
    grow = np.arange(4000) < 3000
    model = make_model(backend, objective, n_estimators=30)
    targets = both_targets(data, grow, ~grow, objective)
    booster = quantise(values, grow, ~grow, model).train(*targets, model)
    rate = rate_of(booster, np.full((1, 3), np.nan, np.float32), data, grow, objective)
    unknown = np.isnan(values).all(axis=1) & grow
    weight = data.exposure if objective == "poisson" else 1 / data.error**2
    assert rate[0] == pytest.approx(np.average(data.rate[unknown], weights=weight[unknown]), rel=0.05)


@all_kinds
def test_a_bin_without_counts_is_predicted_to_have_none(backend, objective):
    values, _ = observe(1000)
    zero = np.zeros((1000, 1))
    grow = np.arange(1000) < 800
    model = make_model(backend, objective, n_estimators=5)
    data = CountRates(zero, zero + 1, zero + 1)
    booster = quantise(values, grow, ~grow, model).train(*both_targets(data, grow, ~grow, objective), model)
    np.testing.assert_allclose(rate_of(booster, values, data, grow, objective), 0, atol=1e-5)


@pytest.mark.parametrize("on_disk", [False, True])
def test_pieces_make_the_trees_that_xgboost_grows_from_one_array(on_disk, monkeypatch):
    import xgboost

    monkeypatch.setattr("polarbgb.background.boosters.PIECE", 700)
    values, data = observe(6000)
    grow = np.arange(6000) % 5 > 0
    model = make_model("xgboost", "gamma", n_estimators=30, max_depth=5, early_stopping_rounds=30)
    grown, stopping = both_targets(data, grow, ~grow, "gamma")
    found = quantise(values, grow, ~grow, model, on_disk=on_disk).train(grown, stopping, model)
    whole = xgboost.QuantileDMatrix(values[grow], grown.label, max_bin=model.max_bin)
    shape = shape_parameters(model) | {"objective": "reg:gamma", "base_score": 1.0, "max_delta_step": 0}
    expected = xgboost.train(shape, whole, model.n_estimators)
    np.testing.assert_array_equal(
        found.margin(NEW), expected[: found.trees].inplace_predict(NEW, predict_type="margin").astype(float)
    )


def test_pieces_make_the_trees_that_lightgbm_grows_from_one_array(monkeypatch):
    import lightgbm

    monkeypatch.setattr("polarbgb.background.boosters.PIECE", 700)
    values, data = observe(6000)
    grow = np.arange(6000) % 5 > 0
    model = make_model("lightgbm", "squared", n_estimators=30, max_depth=5, early_stopping_rounds=30, learning_rate=0.1)
    grown, stopping = both_targets(data, grow, ~grow, "squared")
    found = quantise(values, grow, ~grow, model).train(grown, stopping, model)
    shape = {
        "max_bin": 255, "min_data_in_bin": 1, "feature_pre_filter": False, "verbosity": -1, "num_threads": 1,
        "learning_rate": 0.1, "max_depth": 5, "num_leaves": 32, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 50,
        "lambda_l2": 1.0, "seed": 0, "deterministic": True, "force_col_wise": True, "objective": "regression",
    }  # fmt: skip
    whole = lightgbm.Dataset(values[grow], grown.label, weight=grown.weight, init_score=grown.base, params=shape)
    expected = lightgbm.train(shape, whole, found.trees)
    np.testing.assert_array_equal(found.margin(NEW), expected.predict(NEW, raw_score=True))


def test_the_files_of_rows_on_disk_go_with_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    values, _ = observe(3000)
    training = quantise(values, *parted(values, 2000), make_model("xgboost"), on_disk=True)
    assert list(tmp_path.iterdir())
    del training
    gc.collect()
    assert not list(tmp_path.iterdir())


@all_kinds
def test_shap_values_add_up_to_the_margin(backend, objective):
    booster = train(make_model(backend, objective, n_estimators=40))
    shap = booster.shap(NEW)
    assert shap.shape == (len(NEW), 4)
    margin = booster.margin(NEW)
    np.testing.assert_allclose(shap.sum(axis=1), margin, rtol=1e-5, atol=1e-6)
    assert np.abs(shap[:, :3]).mean(axis=0).argsort().tolist() == [2, 1, 0]  # the order of their effect


@all_kinds
def test_shap_values_of_one_split_are_the_distance_from_the_mean_leaf(backend, objective):
    values = np.zeros((1000, 2), np.float32)
    values[300:, 1] = 1
    targets = exact(np.where(values[:, 1], 1.4, 0.8))
    model = make_model(backend, objective, n_estimators=1, max_depth=1, min_child_weight=0)
    booster = quantise(values, *all_of(values), model).train(targets, targets, model)
    low, high = booster.margin(values[[0, -1]])
    mean = 0.3 * low + 0.7 * high
    np.testing.assert_allclose(
        booster.shap(values[[0, -1]]), [[0, low - mean, mean], [0, high - mean, mean]], atol=1e-6
    )


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # shap edits colour maps when imported
@all_kinds
def test_shap_values_are_those_of_the_shap_package(backend, objective, tmp_path):
    import lightgbm
    import shap
    import xgboost

    booster = train(make_model(backend, objective, n_estimators=10, max_depth=3), rows=2000)
    path = tmp_path / f"model{SUFFIX[backend]}"
    booster.save(path)
    library = {"xgboost": xgboost.Booster, "lightgbm": lightgbm.Booster}[backend]
    explained = shap.TreeExplainer(library(model_file=path), feature_perturbation="tree_path_dependent")
    np.testing.assert_allclose(booster.shap(NEW)[:, :3], explained.shap_values(NEW), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(booster.shap(NEW)[:, 3], explained.expected_value, rtol=1e-5)


@both
def test_the_cpu_is_always_there(backend):
    require_device(make_model(backend))


@both
@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine may have a GPU")
def test_a_missing_gpu_is_told_at_once(backend):
    started = time.monotonic()
    with pytest.raises(UserError, match=r"--(device cpu|backend xgboost)") as error:
        require_device(make_model(backend, device="cuda"))
    assert "\n" not in str(error.value)
    assert time.monotonic() - started < 20
