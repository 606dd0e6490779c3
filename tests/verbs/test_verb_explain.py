"""Shares of the features add up to the prediction, and belong to the file that was fitted."""

import shutil

import numpy as np
import polars as pl
import pytest

import polarbgb
from polarbgb.errors import UserError
from polarbgb.features.matrix import implied_names


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
    assert set(table["feature"]) == {*small.features.columns, "fe_cosmic_mean_20s", *implied_names(small)}
    shap = finished.read_frame("shap.parquet")
    shares = []
    for name in small.rates.names:
        means = shap.filter(bin=name).select(pl.col("^shap_.*$").abs().mean())
        expected = np.array([means[f"shap_{feature}"].item() for feature in table["feature"]])
        np.testing.assert_allclose(table[name].to_numpy(), expected, rtol=1e-5)
        shares.append(expected / expected.sum())
    np.testing.assert_allclose(table["share"].to_numpy(), np.mean(shares, axis=0), rtol=1e-5)
    assert table["share"].is_sorted(descending=True)


def test_the_time_is_announced_before_the_work(copied, monkeypatch):
    said = []

    def stop(*_args, **_options):
        said.append("begun")
        raise KeyboardInterrupt

    monkeypatch.setattr("polarbgb.verbs.explain.explain_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        polarbgb.explain(copied, rows=60, announce=lambda *told: said.append(told))
    (rows, seconds), begun = said
    assert begun == "begun"
    assert 30 <= rows <= 90
    assert 0 < seconds < 60
    assert copied.stage("explain") is not None  # the one before stands


def test_every_model_and_tenth_has_its_share(results, finished):
    explained = finished.read_frame("shap.parquet").filter(bin="rate[0]")
    assert explained["row"].is_unique().all()
    assert len(explained) == results.explain.rows == results.announced[0][0]
    per_fold = explained.group_by("fold").len()["len"]
    assert len(per_fold) == 3
    assert per_fold.min() > 10


def test_another_file_is_refused(copied, mission, tmp_path):
    changed = tmp_path / "changed.root"
    shutil.copyfile(mission, changed)
    assert polarbgb.explain(copied, path=changed, rows=40).rows > 0  # moved, not changed
    with changed.open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(UserError, match=r"changed\.root has changed since it was fitted; fit again"):
        polarbgb.explain(copied, path=changed)
    with pytest.raises(UserError, match=r"no file .*gone\.root"):
        polarbgb.explain(copied, path=tmp_path / "gone.root")


def test_all_rows_are_explained_without_an_error_of_the_sample(copied):
    every = polarbgb.explain(copied, rows="all")
    assert every.rows == len(copied.read_frame("prediction.parquet").filter(pl.col("segment") >= 0))
    assert every.importance["share_error"].max() == 0
    some = polarbgb.explain(copied, rows=200)
    far = (some.importance.sort("feature")["share"] - every.importance.sort("feature")["share"]).abs()
    assert (far <= 4 * some.importance.sort("feature")["share_error"] + 0.002).all()
    assert some.importance["share_error"].max() > 0
