"""Another file is predicted by the mean of the fitted models, or refused."""

import json
import re

import numpy as np
import polars as pl
import pytest
import uproot
import xgboost
from fixtures.terminal import shown

import polarbgb
from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.features.matrix import build_matrix, implied_names
from polarbgb.io.root_output import root_file
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.reading import read_dataset


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return polarbgb.simulate(tmp_path_factory.mktemp("other") / "other.root", days=0.05, seed=9).path


def test_it_is_the_mean_of_the_models(finished, other, tmp_path):
    run = RunFolder(tmp_path / "b")
    predicted = polarbgb.predict(finished, run, path=other)
    frame = run.read_frame("prediction.parquet")
    with uproot.open(other) as file:
        columns = file["nf1rate"].arrays(library="np")
    entries = run.read_frame("entries.parquet")
    np.testing.assert_array_equal(entries["unix_time"].to_numpy(), columns["unix_time"])
    assert len(frame) == predicted.rows == (entries["row"] >= 0).sum() > 1000
    columns = {name: values[frame["entry"].to_numpy()] for name, values in columns.items()}
    np.testing.assert_array_equal(frame["unix_time"].to_numpy(), columns["unix_time"])
    # fe_cosmic's mean is tested elsewhere; here rows in which all twenty values before are there are enough.
    names = [one["name"] for one in json.loads((finished / "models/features.json").read_text())["features"]]
    history = "fe_cosmic_mean_20s"
    config = finished.config()
    implied = implied_names(config.features, config.position)
    assert set(names) - set(columns) == {history, *implied}
    # The features that come by themselves are tested elsewhere too: here they are taken as they are made.
    dataset, _ = read_dataset(config, [other])
    matrix = build_matrix(dataset, config.features, config.position, config.input.cadence)
    columns |= matrix.among(implied)
    cosmic = columns["fe_cosmic"].astype(np.float64)
    mean = np.convolve(cosmic, np.ones(20) / 20)[: len(cosmic)]
    time, segment = columns["unix_time"], frame["segment"].to_numpy()
    back = np.arange(len(time)) - 25
    same = (back >= 0) & (segment == segment[back]) & (time - time[back] < 25.6)
    values = np.column_stack([(mean if n == history else columns[n]).astype(np.float32) for n in names])[same]
    splits = []
    for fold in range(3):
        held = ["shared", *(f"bin{b}" for b in range(6))]
        models = [xgboost.Booster(model_file=finished / f"models/fold{fold}_{name}.ubj") for name in held]
        level = json.loads((finished / f"models/fold{fold}.json").read_text())["level"]
        matrix = xgboost.DMatrix(values)
        shared, *per_bin = [model.predict(matrix) for model in models]  # relative rates: the trees' exponential
        splits.append(np.column_stack([shared * own for own in per_bin]) * level)
    near = np.isclose(frame["pred"].to_numpy()[same], np.mean(splits, axis=0), rtol=1e-5)
    assert near.mean() > 0.99  # a mean of twenty values may fall on the other side of a cut by its last digit
    assert (frame["fold"].to_numpy() == -1).all()
    assert run.stage("fit") is None
    assert (run.stage("predict")["models"]["run"], run.models()) == ("run", finished.path)


def test_a_prediction_can_be_searched_and_exported_but_not_explained(finished, other, tmp_path):
    run = RunFolder(tmp_path / "b")
    polarbgb.predict(finished, run, path=other)
    exported = polarbgb.export(run)
    assert exported.rows["pred_nf1rate"] == len(run.read_frame("entries.parquet"))
    with pytest.raises(UserError, match="was predicted by the models of .*: explain there"):
        polarbgb.explain(run)


def test_rows_outside_the_training_are_counted(finished, other, tmp_path):
    with uproot.open(other) as file:
        columns = file["nf1rate"].arrays(library="np")
    inside = polarbgb.predict(finished, RunFolder(tmp_path / "b"), path=other).outside
    columns["temperature"][:] = 99.0
    with root_file(tmp_path / "hot.root") as file:
        file.tree("nf1rate", columns)
    hot = polarbgb.predict(finished, RunFolder(tmp_path / "c"), path=tmp_path / "hot.root")
    assert inside < hot.outside == hot.rows
    frame = hot.run.read_frame("prediction.parquet")
    marked = (frame["quality"].to_numpy() & Quality.BEYOND_TRAINING) != 0
    assert marked.all()
    drift = hot.run.read_frame("drift.parquet").row(0, named=True)
    assert (drift["feature"], drift["rows"]) == ("temperature", hot.rows)
    assert drift["trained_low"] < drift["trained_high"] < drift["low"] <= drift["high"]
    text = shown(hot)
    assert "temperature" in text
    assert f"{hot.rows:,} rows (100.0%) lie beyond what the models were trained on" in text
    assert hot.summary().startswith(f"{hot.rows:,} rows predicted, 100.0% of them beyond the training")


def test_a_file_without_a_feature_is_refused(finished, other, tmp_path):
    with uproot.open(other) as file:
        columns = file["nf1rate"].arrays(library="np")
    del columns["B_r"]
    with root_file(tmp_path / "less.root") as file:
        file.tree("nf1rate", columns)
    run = RunFolder(tmp_path / "b")
    with pytest.raises(UserError, match=r"less\.root: tree 'nf1rate' has no branch 'B_r'"):
        polarbgb.predict(finished, run, path=tmp_path / "less.root")
    columns["B_r"] = np.full(len(columns["unix_time"]), np.nan)
    with root_file(tmp_path / "less.root") as file:
        file.tree("nf1rate", columns)
    with pytest.raises(UserError, match="feature 'B_r' has no value in the whole file"):
        polarbgb.predict(finished, run, path=tmp_path / "less.root")
    assert run.stage("predict") is None


def test_the_folder_of_the_models_is_refused(finished, other, tmp_path):
    before = (finished / "manifest.json").read_text()
    (tmp_path / "link").symlink_to(finished.path)
    for path in (finished.path, tmp_path / "link", finished.path / "plots" / ".."):
        with pytest.raises(UserError, match="needs a run folder of its own"):
            polarbgb.predict(finished, RunFolder(path), path=other)
    assert (finished / "manifest.json").read_text() == before


def test_damaged_models_are_told(copied, other, tmp_path):
    (copied / "models/fold1_bin2.ubj").unlink()
    with pytest.raises(UserError, match=r"fold1_bin2\.ubj: the run folder is incomplete"):
        polarbgb.predict(copied, RunFolder(tmp_path / "b"), path=other)
    assert isinstance(copied.read_frame("prediction.parquet"), pl.DataFrame)


def test_the_fitted_file_itself_is_refused(finished, mission, tmp_path):
    with pytest.raises(UserError, match="is the fitted input"):
        polarbgb.predict(finished, RunFolder(tmp_path / "b"), path=mission)
    assert not (tmp_path / "b").exists()


def test_a_fit_is_not_replaced(finished, copied, other):
    with pytest.raises(UserError, match="holds a fit; name a new run folder"):
        polarbgb.predict(finished, copied, path=other)
    assert copied.stage("fit") is not None


def test_trees_that_grew_on_a_gpu_predict_without_one(finished, copied, other, tmp_path):
    text = (copied / "config.toml").read_text()
    assert 'device = "cpu"' in text
    (copied / "config.toml").write_text(text.replace('device = "cpu"', 'device = "cuda"'))
    runs = [RunFolder(tmp_path / name) for name in "ab"]
    for models, run in zip((finished, copied), runs, strict=True):
        polarbgb.predict(models, run, path=other)
    first, second = (run.read_frame("prediction.parquet") for run in runs)
    assert first.equals(second)
    assert polarbgb.explain(copied, rows=30).rows == 30


def test_events_are_ranked_as_those_of_the_fitted_run(finished, other, tmp_path):
    run = RunFolder(tmp_path / "b")
    predicted = polarbgb.predict(finished, run, path=other)
    assert run / "fitted_ranking.json" in predicted.files
    fitted = finished.read_json("ranking.json")
    assert run.read_json("fitted_ranking.json") == fitted
    found = polarbgb.detect(run)
    stored = run.read_json("ranking.json")
    assert stored["ranking"] == fitted["ranking"]
    # Its control counts with that of this file.
    assert stored["control"]["days"] == pytest.approx(fitted["control"]["days"] + found.days)
    assert found.least_far == pytest.approx(1 / stored["control"]["days"])
    assert found.ranking == finished.stage("detect")["ranking"]


def test_without_a_search_of_the_fitted_run_the_file_has_a_ranking_of_its_own(copied, other, tmp_path):
    copied.forget("detect")
    run = RunFolder(tmp_path / "b")
    polarbgb.predict(copied, run, path=other)
    assert not (run / "fitted_ranking.json").exists()
    found = polarbgb.detect(run)
    assert run.read_json("ranking.json")["control"]["days"] == pytest.approx(found.days)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 3}', '{"schema": 3, "ranking": 1, "control": 2}'])
def test_a_damaged_ranking_is_told_and_nothing_is_written(copied, other, tmp_path, content):
    (copied / "ranking.json").write_text(content)
    with pytest.raises(UserError, match=r"ranking\.json"):
        polarbgb.predict(copied, RunFolder(tmp_path / "b"), path=other)
    assert not (tmp_path / "b/manifest.json").exists()


def test_a_file_that_the_models_do_not_describe_is_said_so_loudly(finished, other, tmp_path):
    """Rates of the last bin are 1.3 times the others' file, with their counting errors."""
    with uproot.open(other) as file:
        columns = file["nf1rate"].arrays(library="np")
    for name, factor in (("rate", 1.3), ("rate_err", np.sqrt(1.3))):
        columns[name][:, 12] *= factor
    with root_file(tmp_path / "brighter.root") as file:
        file.tree("nf1rate", columns)
    like = polarbgb.predict(finished, tmp_path / "a", path=other)
    unlike = polarbgb.predict(finished, tmp_path / "b", path=tmp_path / "brighter.root")
    name = finished.config().rates.names[5]
    (found,) = (one for one in unlike.unlike if one.bin == name)
    assert found.fitted == finished.stage("fit")["widths"][5]
    assert found.scatter > 2 * max(like.widths[5], found.fitted)
    assert re.search(r"the rate is \d+% above the prediction", found.cause)
    assert [one for one in unlike.unlike if one.bin != name] == [one for one in like.unlike if one.bin != name]
    assert f"WARNING: {len(unlike.unlike)} bin" in unlike.summary()
    assert f"pulls of {name} scatter by" in unlike.summary()
    assert found.cause in shown(unlike)
    assert unlike.run.stage("predict")["unlike"][-1]["bin"] == name
