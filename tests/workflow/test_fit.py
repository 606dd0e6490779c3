"""A fit is repeatable, stands alone, and counts only once it is whole."""

import numpy as np
import polars as pl
import pytest
import uproot
from polars.testing import assert_frame_equal

import polarbgb
from polarbgb.background.backends import quantise
from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.io.provenance import file_digest
from polarbgb.memory import empty
from polarbgb.runs.folder import RunFolder

PARTS = ("training", "validation", "test", "unused")  # 98, 1 and 1 % of 256 rows are 250, 2 and 2


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_two_fits_are_equal_to_the_last_bit(backend, settings, mission, tmp_path):
    fast = ["model.n_estimators=6", "folds.count=2", f"model.backend={backend}", "model.subsample=0.7"]
    runs = [RunFolder(tmp_path / name) for name in "ab"]
    for run in runs:
        polarbgb.fit(polarbgb.load("configs/polar.toml", [*settings, *fast]), run, path=mission)
    first, second = ((run / "prediction.parquet").read_bytes() for run in runs)
    assert first == second
    pred = runs[0].read_frame("prediction.parquet")["pred"].to_numpy()
    assert len(np.unique(pred[:, 0])) > 20  # more than a constant agreed


QUICK = ["model.n_estimators=6", "folds.count=2", "cleaning.rounds=1"]


@pytest.fixture(scope="module")
def quick(settings, mission, tmp_path_factory):
    """The prediction of a quick fit, in memory and in this process."""
    run = RunFolder(tmp_path_factory.mktemp("quick"))
    polarbgb.fit(polarbgb.load("configs/polar.toml", [*settings, *QUICK]), run, path=mission)
    return run.read_frame("prediction.parquet")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_fit_by_two_processes_is_that_of_one(quick, settings, mission, tmp_path):
    run = RunFolder(tmp_path / "run")
    config = polarbgb.load("configs/polar.toml", [*settings, *QUICK])
    polarbgb.fit(config, run, path=mission, scheduler="local:2")
    assert_frame_equal(quick, run.read_frame("prediction.parquet"), check_exact=True)
    assert run.require("fit")["scheduler"] == "local:2"


def test_a_scheduler_that_is_none_is_told_before_anything_is_read_or_written(settings, mission, tmp_path):
    config = polarbgb.load("configs/polar.toml", settings)
    with pytest.raises(UserError, match="local:N"):
        polarbgb.fit(config, RunFolder(tmp_path / "run"), path=mission, scheduler="local:none")
    assert not (tmp_path / "run").exists()


def test_a_fit_that_memory_cannot_hold_works_on_disk_and_comes_to_the_same(
    quick, settings, mission, tmp_path, monkeypatch
):
    kept = set()

    def watched(name, make):
        def made(*arguments, on_disk):
            kept.add((name, on_disk))
            return make(*arguments, on_disk=on_disk)

        return made

    monkeypatch.setattr("polarbgb.features.matrix.empty", watched("matrix", empty))
    monkeypatch.setattr("polarbgb.background.cross_fit.quantise", watched("fold", quantise))
    run = RunFolder(tmp_path / "run")
    polarbgb.fit(polarbgb.load("configs/polar.toml", [*settings, *QUICK, "memory=0.001"]), run, path=mission)
    assert kept == {("matrix", True), ("fold", True)}
    assert_frame_equal(quick, run.read_frame("prediction.parquet"), check_exact=True)


def test_every_entry_of_the_file_has_its_row_or_is_not_used(results, finished, mission):
    frame, entries = (finished.read_frame(name) for name in ("prediction.parquet", "entries.parquet"))
    with uproot.open(mission) as file:
        tree = file["nf1rate"]
        time, rate, error = (tree[name].array(library="np") for name in ("unix_time", "rate", "rate_err"))
    np.testing.assert_array_equal(entries["unix_time"].to_numpy(), time)
    assert (entries["row"] < 0).sum() == len(time) - results.fit.rows > 0
    used = frame["entry"].to_numpy()
    np.testing.assert_array_equal(np.flatnonzero(entries["row"] >= 0), used)
    np.testing.assert_array_equal(frame["unix_time"].to_numpy(), time[used])
    rate, error = rate[used], error[used]
    pred = frame["pred"].to_numpy()
    assert np.isfinite(pred).all()
    np.testing.assert_array_equal(frame["rate"].to_numpy()[:, 4], rate[:, 10].astype(np.float32))
    # The pull is (rate - pred)/sigma; sigma is counting noise sqrt(pred/live) with a share of pred added in quadrature.
    bins = [0, 1, 5, 6, 10, 12]
    sigma = frame["sigma"].to_numpy().astype(float)
    live = rate[:, bins] / error[:, bins] ** 2
    share = np.sqrt(np.maximum(sigma**2 - pred / live, 0)) / pred
    assert (sigma >= np.sqrt(pred / live) * (1 - 1e-5)).all()
    assert 0.005 < np.median(share) < 0.2
    pull = (rate[:, bins] - pred) / sigma
    np.testing.assert_allclose(frame["pull"].to_numpy(), pull, rtol=1e-3, atol=1e-3)


def test_no_orbit_is_predicted_by_two_models(finished):
    frame = finished.read_frame("prediction.parquet")
    assert frame.group_by("orbit").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert frame["fold"].unique().sort().to_list() == [0, 1, 2]


def test_the_score_is_that_of_the_rows(results, finished, mission):
    frame = finished.read_frame("prediction.parquet")
    with uproot.open(mission) as file:
        error = file["nf1rate"]["rate_err"].array(library="np")[:, [0, 1, 5, 6, 10, 12]]
    weight = 1 / error[frame["entry"].to_numpy()] ** 2
    gap = (frame["rate"].to_numpy() - frame["pred"].to_numpy()).astype(np.float64)
    expected = (weight * gap**2).sum(axis=0) / weight.sum(axis=0)
    told = finished.metrics()
    assert [one["part"] for one in told] == ["held-out orbits"] * 6
    np.testing.assert_allclose([one["weighted_error"] for one in told], expected, rtol=1e-4)
    assert [one.weighted_error for one in results.fit.scores] == [one["weighted_error"] for one in told]
    assert all(one["noise"] < one["deviance"] < one["constant"] for one in told)


def test_the_published_split_is_scored_by_its_parts(settings, mission, tmp_path):
    config = polarbgb.load("configs/polar.toml", [*settings, "folds.scheme=blocks"])
    fitted = polarbgb.fit(config, RunFolder(tmp_path / "a"), path=mission)
    assert fitted.folds == 1
    assert [(one.part, one.bin) for one in fitted.scores] == [(p, b) for p in PARTS for b in config.rates.names]
    rows = {one.part: one.rows for one in fitted.scores}
    assert sum(rows.values()) == fitted.rows
    blocks, rest = divmod(fitted.rows, 256)
    assert [rows[part] for part in PARTS] == [250 * blocks + rest, 2 * blocks, 2 * blocks, 2 * blocks]
    polarbgb.detect(fitted.run)
    explained = polarbgb.explain(fitted.run, rows=50)
    assert explained.rows == pytest.approx(50, abs=15)


def test_the_folder_stands_alone(results, finished, copied, small, mission):
    assert (copied / "known_events.csv").read_bytes() == small.known_events.file.read_bytes()
    alone = copied.config()
    assert alone.known_events.file == (copied.path / "known_events.csv").resolve()
    model = small.model.model_copy(update=results.tune.tuning.parameters)
    input_read = small.input.model_copy(update={"path": (mission,)})
    expected = small.model_copy(update={"model": model, "known_events": alone.known_events, "input": input_read})
    assert alone.model_dump() == expected.model_dump()
    facts = copied.stage("fit")
    assert facts["input"]["sha256"] == file_digest(mission)
    assert facts["input"]["entries"] - facts["input"]["usable"] == sum(facts["input"]["dropped"].values())
    assert np.shape(facts["trees"]) == (3, 7)
    assert sorted(p.name for p in (copied / "models").iterdir()) == sorted(
        [
            "features.json",
            *(f"fold{f}.json" for f in range(3)),
            *(f"fold{f}_shared.ubj" for f in range(3)),
            *(f"fold{f}_bin{b}.ubj" for f in range(3) for b in range(6)),
        ]
    )
    again = polarbgb.detect(copied, far=30.0, overrides=["intervals.sigma=4"])
    assert again.events.equals(finished.read_frame("events.parquet"))


def test_a_second_fit_takes_back_what_came_from_the_first(settings, mission, copied):
    config = polarbgb.load("configs/polar.toml", [*settings, "folds.count=2", "model.n_estimators=3"])
    polarbgb.fit(config, copied, path=mission)
    assert copied.stage("tune") is not None
    assert copied.stage("detect") is None
    assert copied.stage("explain") is None
    assert len(list((copied / "models").glob("fold*"))) == 16  # the third fold's models went


@pytest.mark.parametrize(
    "breaks",
    [
        "polarbgb.runs.folder.Folder.write_frame",
        "polarbgb.workflow.calibration.save_figures",
        "polarbgb.background.xgboost_backend.XGBoostBooster.save",
    ],
)
@pytest.mark.parametrize("how", [KeyboardInterrupt, MemoryError])
def test_a_fit_broken_off_is_not_claimed(breaks, how, small, mission, copied, monkeypatch):
    def break_off(*_args, **_options):
        raise how

    before = (copied / "manifest.json").read_text()
    monkeypatch.setattr(breaks, break_off)
    quick = small.model_copy(update={"model": small.model.model_copy(update={"n_estimators": 2})})
    with pytest.raises(how):
        polarbgb.fit(quick, copied, path=mission)
    monkeypatch.undo()
    assert (copied / "manifest.json").read_text() == before
    left = {path.name for path in copied.path.rglob(".*")}
    assert not [name for name in left if ".tmp-" in name]  # no temporary file stays
    assert left <= {".lock", ".parts", *(path.name for path in copied.path.glob(".draft-fit-*"))}  # to go on from
    assert polarbgb.export(copied).events == copied.stage("detect")["events"]  # the last fit is as it was


def test_a_fit_that_fails_before_its_files_keeps_the_old_one(small, mission, copied, monkeypatch):
    def break_off(*_args, **_options):
        raise KeyboardInterrupt

    before = (copied / "manifest.json").read_text()
    monkeypatch.setattr("polarbgb.workflow.fit.cross_fit", break_off)
    with pytest.raises(KeyboardInterrupt):
        polarbgb.fit(small, copied, path=mission)
    assert (copied / "manifest.json").read_text() == before
    assert copied.stage("explain") is not None


def test_a_baseline_lifts_the_prediction_by_what_lies_around(settings, finished, mission, tmp_path):
    on = polarbgb.load("configs/polar.toml", [*settings, "baseline.gap=40", "baseline.window=80"])
    fitted = polarbgb.fit(on, RunFolder(tmp_path / "a"), path=mission, parameters=finished / "best.toml")
    frame, plain = (run.read_frame("prediction.parquet") for run in (fitted.run, finished))
    factor = frame["baseline"].to_numpy()
    assert "baseline" not in plain.columns
    np.testing.assert_allclose(frame["pred"].to_numpy(), plain["pred"].to_numpy() * factor, rtol=2e-6)
    assert 0.01 < factor.std() < 0.2
    before = [one["weighted_error"] for one in finished.metrics()]
    after = [one["weighted_error"] for one in fitted.run.metrics()]
    assert all(a < 0.9 * b for a, b in zip(after, before, strict=True))  # of 20 trees much is left to follow


def test_a_burst_put_into_the_file_is_kept_out_of_training_and_marked(settings, mission, tmp_path):
    """Doubled counts for 40 s, far from the anomaly."""
    with uproot.open(mission) as file:
        tree = file["nf1rate"]
        columns = {name: tree[name].array(library="np") for name in tree.keys()}
    quiet = np.flatnonzero((columns["time_since_saa"] > 2000) & (np.abs(columns["glat"]) < 20))
    first = next(
        row for row in quiet if row + 200 in quiet and columns["unix_time"][row + 200] - columns["unix_time"][row] < 210
    )
    struck = slice(first + 80, first + 120)
    columns["rate"][struck] *= 2
    columns["rate_err"][struck] *= np.sqrt(2)
    path = tmp_path / "struck.root"
    with uproot.recreate(path) as file:
        file.mktree("nf1rate", {n: (v.dtype, v.shape[1:]) for n, v in columns.items()}).extend(columns)
    config = polarbgb.load("configs/polar.toml", settings)
    fitted = polarbgb.fit(config, RunFolder(tmp_path / "a"), path=path)
    frame = fitted.run.read_frame("prediction.parquet")
    kept_out = (frame["quality"].to_numpy() & Quality.KEPT_OUT) > 0
    time = frame["unix_time"].to_numpy()
    begin, end = columns["unix_time"][struck][[0, -1]]
    margin = (time >= begin - 60) & (time <= end + 60)
    assert kept_out[margin].all()
    assert fitted.rounds[-1].masked == kept_out.sum()
    assert kept_out.mean() < 0.1
