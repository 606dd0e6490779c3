"""Shares of the features add up to the prediction, and belong to the file that was fitted."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import uproot

import polarbgb
from polarbgb.attribution.groups import feature_groups
from polarbgb.errors import UserError
from polarbgb.features.matrix import feature_names, implied_names
from polarbgb.runs.folder import RunFolder


@pytest.fixture
def undrawn(copied, monkeypatch):
    """A copy of the run whose explanation draws nothing: plots take most of the time of a small one."""
    monkeypatch.setattr("polarbgb.workflow.explain.save_figures", lambda *_, **__: None)
    return copied


def test_values_add_up_to_the_prediction(results, finished, small):
    explained = results.explain
    assert explained.residue < 1e-4
    shap = finished.read_frame("shap.parquet")
    pred = finished.read_frame("prediction.parquet").select("row", "pred")
    for number, name in enumerate(small.rates.names):
        one = shap.filter(bin=name).join(pred, on="row", maintain_order="left")
        margin = one["base"] + one.select(pl.sum_horizontal(pl.col("^shap_.*$"))).to_series()
        predicted = one["pred"].arr.get(number).to_numpy()
        np.testing.assert_allclose(np.exp(margin.to_numpy()), predicted, rtol=1e-4)
        assert np.ptp(predicted) > 10  # Hz: more than a constant agrees
    assert len(shap) == 6 * explained.rows


def test_importances_are_means_of_the_values(results, finished, small):
    table = results.explain.importance
    assert table.columns == ["feature", *small.rates.names, "share", "share_error"]
    assert set(table["feature"]) == {
        *small.features.columns,
        "fe_cosmic_mean_20s",
        *implied_names(small.features, small.position),
    }
    shap = finished.read_frame("shap.parquet")
    shares = []
    for name in small.rates.names:
        means = shap.filter(bin=name).select(pl.col("^shap_.*$").abs().mean())
        expected = np.array([means[f"shap_{feature}"].item() for feature in table["feature"]])
        np.testing.assert_allclose(table[name].to_numpy(), expected, rtol=1e-5)
        shares.append(expected / expected.sum())
    np.testing.assert_allclose(table["share"].to_numpy(), np.mean(shares, axis=0), rtol=1e-5)
    assert table["share"].is_sorted(descending=True)


def test_the_time_is_announced_before_the_work(undrawn, monkeypatch):
    said = []

    def stop(*_args, **_options):
        said.append("begun")
        raise KeyboardInterrupt

    monkeypatch.setattr("polarbgb.workflow.explain.explain_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        polarbgb.explain(undrawn, rows=60, announce=lambda *told: said.append(told))
    (rows, seconds), begun = said
    assert begun == "begun"
    assert 30 <= rows <= 90
    assert 0 < seconds < 60
    assert undrawn.stage("explain") is not None  # the one before stands


def test_every_model_and_tenth_has_its_share(results, finished):
    explained = finished.read_frame("shap.parquet").filter(bin="rate[0]")
    assert explained["row"].is_unique().all()
    assert len(explained) == results.explain.rows == results.announced[0][0]
    per_fold = explained.group_by("fold").len()["len"]
    assert len(per_fold) == 3
    assert per_fold.min() > 10


def test_another_file_is_refused(undrawn, mission, tmp_path):
    changed = tmp_path / "changed.root"
    shutil.copyfile(mission, changed)
    assert polarbgb.explain(undrawn, path=changed, rows=40).rows > 0  # moved, not changed
    with changed.open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(UserError, match=r"changed\.root has changed since it was fitted; fit again"):
        polarbgb.explain(undrawn, path=changed)
    with pytest.raises(UserError, match=r"no file .*gone\.root"):
        polarbgb.explain(undrawn, path=tmp_path / "gone.root")


def test_all_rows_are_explained_without_an_error_of_the_sample(undrawn):
    every = polarbgb.explain(undrawn, rows="all")
    assert every.rows == len(undrawn.read_frame("prediction.parquet"))
    assert every.importance["share_error"].max() == 0
    some = polarbgb.explain(undrawn, rows=200)
    far = (some.importance.sort("feature")["share"] - every.importance.sort("feature")["share"]).abs()
    assert (far <= 4 * some.importance.sort("feature")["share_error"] + 0.002).all()
    assert some.importance["share_error"].max() > 0


def test_every_bin_has_its_plots(results, finished, small):
    drawn = {path.name for path in results.explain.files if path.suffix == ".png"}
    of_bins = {f"{kind}_bin{number}.png" for kind in ("shap", "dependence") for number in range(len(small.rates.names))}
    assert drawn == {"shap_bars.png", "shap_groups.png", "attribution_phase.png", "attribution_time.png", *of_bins}
    assert all((finished / "plots" / name).stat().st_size > 5000 for name in drawn)


def long(frame, names):
    """Turn a table of SHAP values into an (explained, bins, features) array."""
    columns = [f"shap_{name}" for name in names]
    parts = frame.partition_by("bin", maintain_order=True)
    return np.stack([part.select(columns).to_numpy() for part in parts], axis=1)


def test_importances_of_groups_are_those_of_summed_values(results, finished, small):
    groups = finished.read_frame("groups.parquet")
    assert groups.columns == ["group", *small.rates.names, "share", "share_error"]
    assert groups.equals(results.explain.groups)
    shap = finished.read_frame("shap.parquet").filter(bin="rate[5]")
    members = feature_groups(small.features, small.position, small.explain.groups)
    assert set(groups["group"]) == set(members)
    for group, names in members.items():
        summed = shap.select(pl.sum_horizontal(f"shap_{name}" for name in names)).to_series()
        assert groups.filter(group=group)["rate[5]"].item() == pytest.approx(summed.abs().mean(), rel=1e-4)
    assert groups["share"].sum() == pytest.approx(1)


def test_every_bin_has_a_slope_of_every_feature(results, finished, small):
    slopes = finished.read_frame("slopes.parquet")
    assert slopes.columns == ["feature", "bin", "slope", "error", "scatter", "rows"]
    assert len(slopes) == len(feature_names(small.features, small.position)) * 6
    cosmic = slopes.filter(feature="fe_cosmic")
    assert (cosmic["slope"] > 0).all()  # cosmic rays make background
    assert (cosmic["error"] > 0).all()
    assert slopes["rows"].max() == results.explain.rows


def test_dependence_and_attribution_cover_all_bins(results, finished, small):
    table = finished.read_frame("dependence.parquet")
    assert set(table["feature"]) == set(feature_names(small.features, small.position))
    assert set(table["bin"]) == set(small.rates.names)
    whole = table.filter(feature="glat", bin="rate[0]")
    assert whole["rows"].sum() == results.explain.rows
    along = finished.read_frame("attribution.parquet")
    assert along.columns == ["by", "position", "bin", "group", "value"]
    assert set(along["group"]) == set(feature_groups(small.features, small.position, small.explain.groups))
    phase, time = (along.filter(by=by)["position"] for by in ("phase", "time"))
    assert -90 < phase.min() < phase.max() < 270
    times = finished.read_frame("prediction.parquet")["unix_time"]
    assert times.min() < time.min() < time.max() < times.max()


def test_without_its_feature_the_orbit_is_told_by_time(settings, mission, tmp_path):
    config = polarbgb.load(
        "configs/polar.toml", [*settings, 'features.without=["orbital_phase"]', "folds.count=2", "model.n_estimators=5"]
    )
    run = RunFolder(tmp_path / "run")
    polarbgb.fit(config, run, path=mission)
    polarbgb.explain(run, rows=60)
    phase = run.read_frame("attribution.parquet").filter(by="phase")["position"]
    assert 0 < phase.min() < phase.max() < 360
    assert phase.max() > 270


def test_the_background_of_each_event_is_explained_at_its_peak(results, finished, small):
    events = finished.read_frame("events.parquet")
    assert results.explain.events == len(events) > 0
    shap = finished.read_frame("event_shap.parquet")
    assert shap.columns == [
        "id",
        "bin",
        "base",
        *(f"shap_{name}" for name in feature_names(small.features, small.position)),
    ]
    prediction = finished.read_frame("prediction.parquet").select(t_peak="unix_time", pred="pred")
    for number, name in enumerate(small.rates.names):
        one = shap.filter(bin=name).join(events.select("id", "t_peak"), on="id").join(prediction, on="t_peak")
        assert len(one) == len(events)
        margin = one["base"] + one.select(pl.sum_horizontal(pl.col("^shap_.*$"))).to_series()
        np.testing.assert_allclose(np.exp(margin), one["pred"].arr.get(number), rtol=1e-4)


def test_another_list_of_events_makes_their_explanation_void(undrawn):
    assert (undrawn / "event_shap.parquet").exists()
    polarbgb.detect(undrawn, far=1.0)
    assert not (undrawn / "event_shap.parquet").exists()
    assert undrawn.stage("explain") is not None


def test_without_events_none_is_explained(undrawn):
    undrawn.forget("detect")
    assert polarbgb.explain(undrawn, rows=40).events == 0
    assert not (undrawn / "event_shap.parquet").exists()


def test_folds_are_compared(results, finished, small):
    told = json.loads((finished / "stability.json").read_text())
    assert told["run"] is None
    assert told["folds"]["correlation"] == pytest.approx(results.explain.folds.correlation)
    shares = finished.read_frame("fold_shares.parquet")
    assert shares.columns == ["feature", "fold", *small.rates.names]
    assert len(shares) == 3 * len(feature_names(small.features, small.position))
    totals = shares.group_by("fold").agg(pl.col(small.rates.names).sum()).drop("fold").to_numpy()
    np.testing.assert_allclose(totals, 1)
    spans = shares.group_by("feature").agg(pl.col("rate[0]").max() - pl.col("rate[0]").min())
    assert results.explain.folds.change[0] == pytest.approx(spans["rate[0]"].max())


def test_another_run_is_compared(undrawn, finished):
    again = polarbgb.explain(undrawn, stability=finished)
    assert again.stability.correlation == pytest.approx([1] * 6)  # the same models
    assert again.stability.change == pytest.approx([0] * 6)
    told = json.loads((undrawn / "stability.json").read_text())
    assert told["run"]["change"] == pytest.approx([0] * 6)
    less = polarbgb.explain(undrawn, rows=100, stability=finished)
    assert 0.5 < less.stability.correlation[0] < 1
    assert less.stability.change[0] > 0


def test_a_run_that_was_not_explained_cannot_be_compared(undrawn, finished, tmp_path):
    with pytest.raises(UserError, match=r"holds no finished fit"):
        polarbgb.explain(undrawn, stability=RunFolder(tmp_path / "nothing"))
    other = RunFolder(shutil.copytree(finished.path, tmp_path / "other"))
    other.forget("explain")
    with pytest.raises(UserError, match=r"other holds no finished explain; run 'polarbgb explain -r .*other' first"):
        polarbgb.explain(undrawn, stability=other)


def test_a_run_of_other_rates_cannot_be_compared_and_costs_nothing(undrawn, finished, tmp_path):
    other = RunFolder(shutil.copytree(finished.path, tmp_path / "other"))
    other.write_frame("importance.parquet", other.read_frame("importance.parquet").drop("rate[12]"))
    before = undrawn.read_frame("importance.parquet")
    with pytest.raises(UserError, match="explains other features or rates"):
        polarbgb.explain(undrawn, stability=other)
    assert undrawn.stage("explain") is not None
    assert undrawn.read_frame("importance.parquet").equals(before)


@pytest.mark.parametrize("suffix", [".root", ".parquet"])
def test_values_are_exported(undrawn, small, tmp_path, suffix):
    path = tmp_path / f"shap{suffix}"
    explained = polarbgb.explain(undrawn, rows=50, export=path)
    assert path in explained.files
    own = undrawn.read_frame("shap.parquet")
    if suffix == ".parquet":
        assert pl.read_parquet(path).equals(own)
        return
    tree = uproot.open(path)["shap_nf1rate"]
    names = feature_names(small.features, small.position)
    assert set(tree.keys()) == {"unix_time", "row", "fold", "base", *(f"shap_{name}" for name in names)}
    arrays = tree.arrays(library="np")
    first = own.filter(bin="rate[0]")
    np.testing.assert_array_equal(arrays["row"], first["row"])
    np.testing.assert_array_equal(arrays["unix_time"], first["unix_time"])
    np.testing.assert_array_equal(arrays["fold"], first["fold"])
    np.testing.assert_array_equal(np.stack([arrays[f"shap_{name}"] for name in names], axis=2), long(own, names))
    np.testing.assert_array_equal(arrays["base"][:, 0], first["base"])


def test_a_file_in_the_way_is_refused_before_the_work(undrawn, mission, tmp_path):
    there = tmp_path / "shap.root"
    there.write_text("mine")
    with pytest.raises(UserError, match=r"shap\.root exists; add --overwrite"):
        polarbgb.explain(undrawn, rows=40, export=there)
    assert there.read_text() == "mine"
    with pytest.raises(UserError, match=r"must end in \.root or \.parquet"):
        polarbgb.explain(undrawn, rows=40, export=tmp_path / "shap.csv")
    with pytest.raises(UserError, match="is the input file"):
        polarbgb.explain(undrawn, rows=40, export=mission, overwrite=True)
    polarbgb.explain(undrawn, rows=40, export=there, overwrite=True)
    assert "shap_nf1rate" in uproot.open(there)


def test_a_search_without_events_leaves_no_event_to_explain(undrawn):
    undrawn.write_frame("events.parquet", undrawn.read_frame("events.parquet").head(0))
    assert polarbgb.explain(undrawn, rows=30).events == 0
