"""A stage counts once it is finished, and a folder that is no run is told in one line."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polarbgb import __version__
from polarbgb.config import load, shipped, validate
from polarbgb.errors import UserError
from polarbgb.io.provenance import digest, file_digest
from polarbgb.runs.folder import SCHEMA, RunFolder

STAGES = ("tune", "fit", "detect", "explain")


def manifest(run):
    return json.loads((run.path / "manifest.json").read_text())


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "outputs" / "a")


def held(run):
    with run.hold():
        pass


def visible(run):
    return sorted(path.name for path in run.path.iterdir() if path.name != ".lock")


def finished(run, *stages):
    for stage in stages:
        run.draft(stage).publish(0.0)
    return run


def test_a_new_folder_holds_nothing_and_is_not_made_by_looking(run):
    assert all(run.stage(name) is None for name in STAGES)
    assert not run.path.exists()


def test_a_stage_counts_only_once_it_is_finished(run):
    started = time.monotonic()
    with run.hold():
        draft = run.draft("fit")
        draft.write_text("metrics.json", "{}")
    assert run.stage("fit") is None
    assert not (run / "metrics.json").exists()
    draft.publish(started, rows=12, file=Path("x.root"), bins=["a", "b"])
    found = RunFolder(run.path).stage("fit")
    assert found is not None
    assert (found["rows"], found["file"], found["bins"]) == (12, "x.root", ["a", "b"])
    assert 0 <= found["seconds"] < 60
    assert found["versions"]["numpy"] == np.__version__
    assert found["finished"].endswith("+00:00")
    assert manifest(run)["polarbgb"] == __version__
    assert manifest(run)["schema"] == SCHEMA


def test_what_a_stage_needs_is_named(run):
    with pytest.raises(UserError) as refused:
        run.require("fit", "predict")
    assert str(refused.value) == f"{run.path} holds no finished fit; run 'polarbgb fit -r {run.path}' first"
    run.draft("predict").publish(0.0, rows=1)
    assert run.require("fit", "predict")["rows"] == 1
    run.draft("fit").publish(0.0, rows=2)
    assert run.require("fit", "predict")["rows"] == 2
    assert run.stage("predict") is None  # the one is in the other's place


@pytest.mark.parametrize(
    ("forgotten", "left"),
    [
        ("tune", {"fit", "detect", "explain"}),
        ("fit", {"tune"}),
        ("predict", {"tune"}),
        ("detect", {"tune", "fit", "explain"}),
        ("explain", {"tune", "fit", "detect"}),
    ],
)
def test_what_was_made_from_a_stage_falls_with_it(run, forgotten, left):
    finished(run, *STAGES)
    run.forget(forgotten)
    assert {name for name in STAGES if run.stage(name) is not None} == left


def test_forgetting_what_was_never_done_is_no_error(run):
    run.forget("fit")
    assert run.stage("fit") is None


def test_a_failure_while_the_manifest_is_written_keeps_the_old_one(run, monkeypatch):
    finished(run, "fit")
    before = manifest(run)

    def refuse(self, target):
        raise KeyboardInterrupt

    draft = run.draft("detect")
    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(KeyboardInterrupt):
        draft.publish(0.0)
    monkeypatch.undo()
    assert manifest(run) == before
    with run.hold():
        assert visible(run) == ["manifest.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe\x00", b"[]", b"3", b'"text"', b"null", f'{{"schema": {SCHEMA}}}'.encode(),
        f'{{"schema": {SCHEMA}, "stages": []}}'.encode(), f'{{"schema": {SCHEMA}, "stages": null}}'.encode(),
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_told_and_kept(run, content):
    run.path.mkdir(parents=True)
    (run.path / "manifest.json").write_bytes(content)
    for attempt in (lambda: run.stage("fit"), lambda: held(run), lambda: run.draft("fit").publish(0.0)):
        with pytest.raises(UserError) as refused:
            attempt()
        told = f"{run.path / 'manifest.json'}: not a readable manifest; name another --run folder"
        assert str(refused.value) == told
    assert (run.path / "manifest.json").read_bytes() == content


def test_the_folder_of_another_layout_is_refused(run):
    run.path.mkdir(parents=True)
    text = json.dumps({"schema": SCHEMA + 1, "polarbgb": "9.9", "stages": {"fit": {}}})
    (run.path / "manifest.json").write_text(text)
    layouts = rf"layout {SCHEMA + 1}; this version reads layout {SCHEMA}\)"
    with pytest.raises(UserError, match=rf"was written by another version of polarbgb \(9\.9, {layouts}"):
        run.stage("fit")


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "taken").write_text("x")
    for path in (tmp_path / "taken", tmp_path / "taken" / "a"):
        for attempt in (lambda path=path: held(RunFolder(path)), lambda path=path: RunFolder(path).stage("fit")):
            with pytest.raises(UserError, match=r"is a file, not a run folder|not a readable manifest"):
                attempt()
    assert (tmp_path / "taken").read_text() == "x"


def test_a_folder_in_place_of_the_manifest_is_told(run):
    (run.path / "manifest.json").mkdir(parents=True)
    with pytest.raises(UserError, match="not a readable manifest"):
        held(run)


def test_a_place_that_cannot_be_written_is_told_before_the_work(run, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(UserError, match=rf"^cannot write {run.path}: Permission denied$"):
        held(run)


@pytest.mark.parametrize("path", sorted(shipped("configs").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_configuration_comes_back_equal(run, path):
    config = load(path)
    fitted(run, config)
    assert_same(run, run.config(), config)


def fitted(run, config):
    """Leave a fit that holds nothing but its configuration."""
    draft = run.draft("fit")
    draft.write_config(config)
    draft.write_json("local.json", {"input": [str(path) for path in config.input.path]})
    draft.publish(0.0, input={"files": [{"file": path.name} for path in config.input.path]})


def assert_same(run, back, config):
    """Equal but for the known events, which the folder holds itself."""
    if config.known_events is not None:
        copied = run.path.resolve() / "known_events.csv"
        assert back.known_events.file == copied
        assert copied.read_bytes() == config.known_events.file.read_bytes()
        back = back.model_copy(update={"known_events": config.known_events})
    assert back.model_dump() == config.model_dump()


def test_any_configuration_comes_back_equal(run, tmp_path):
    (tmp_path / "list.csv").write_text("name,unix_time\nGRB,1\n")
    raw = {
        "name": 'Ünlike "quoted" \\ name',
        "input": {"path": ["/data/a b.root", "/data/c.root"], "tree": "t", "time": "t0", "cadence": 0.1},
        "rates": {"values": ["r[0:2]"], "errors": ["e[0:2]"], "exposure": "live*2", "labels": ["a'b", 'c"d']},
        "derived": {"b": "glat + 1e-17", "a": "b*2"},
        "filters": {"two words": "(glat > 3\n or glat < 2)", "x.y": "a != 1"},
        "features": {
            "columns": ["a", "glat"],
            "history": [
                {"columns": ["glat"], "lags": [60, 0.30000000000000004]},
                {"columns": ["r[0]"], "means": [1], "guard": 1e3},
            ],
        },
        "orbit": {"period": 5535.4, "epoch": 1474004181.5460, "first": 3},
        "known_events": {"file": str(tmp_path / "list.csv"), "before": 0},
        "intervals": {"more_than": 0, "context": ["glat"]},
        "tune": {"timeout": 60},
    }
    config = validate(raw, where="x")
    fitted(run, config)
    assert_same(run, run.config(), config)
    assert list(run.config().derivations) == ["b", "a"]
    # Written again from itself, as a second fit in the same folder does.
    run.write_config(run.config())
    assert_same(run, run.config(), config)
    (tmp_path / "list.csv").unlink()
    assert run.config().known_events.file.exists()


def test_an_exposure_given_as_a_number_comes_back_as_one(run):
    raw = load(shipped("configs/polar.toml")).model_dump(exclude={"known_events"})
    raw["rates"]["exposure"] = 4.0
    config = validate(raw, where="x")
    fitted(run, config)
    assert run.config().rates.exposure == 4.0
    assert isinstance(run.config().rates.exposure, float)


def test_a_folder_that_is_no_run_has_no_configuration(run):
    run.write_config(load(shipped("configs/polar.toml")))
    with pytest.raises(UserError, match="holds no finished fit"):
        run.config()


def test_frames_come_back(run):
    frame = pl.DataFrame(
        {
            "row": pl.Series([1, 2, 3], dtype=pl.Int64),
            "pull": pl.Series([[1, 2], [3, None], [5, 6]], dtype=pl.Array(pl.Float32, 2)),
            "quality": pl.Series([0, 1, 2**31], dtype=pl.UInt32),
        }
    )
    assert run.write_frame("prediction.parquet", frame) == run.path / "prediction.parquet"
    assert run.read_frame("prediction.parquet").equals(frame)
    assert run.read_frame("prediction.parquet").schema == frame.schema


def test_a_damaged_frame_is_told(run):
    path = run.write_frame("x.parquet", pl.DataFrame({"a": np.arange(1000.0)}))
    data = path.read_bytes()
    for cut in range(0, len(data), len(data) // 25):
        path.write_bytes(data[:cut])
        with pytest.raises(UserError) as refused:
            run.read_frame("x.parquet")
        assert str(refused.value) == f"{path}: missing or damaged; run the command that writes it again"
    path.unlink()
    with pytest.raises(UserError, match="missing or damaged"):
        run.read_frame("x.parquet")


def test_the_default_folder_carries_the_instruments_name():
    config = load(shipped("configs/polar.toml"))
    assert RunFolder.default(config).path == Path("outputs/polar")
    two_words = config.model_copy(update={"name": "My Instrument"})
    assert RunFolder.default(two_words).path == Path("outputs/my_instrument")


def test_digests_tell_whether_things_were_made_from_the_same(tmp_path):
    assert digest({"a": 1, "b": [2, None]}, "x") == digest({"b": [2, None], "a": 1}, "x")
    others = [({"a": 2, "b": [2, None]}, "x"), ({"a": 1, "b": [2, None]},), ("x", {"a": 1, "b": [2, None]}), ()]
    assert digest({"a": 1, "b": [2, None]}, "x") not in {digest(*other) for other in others}
    (tmp_path / "f").write_bytes(b"abc" * 100_000)
    assert file_digest(tmp_path / "f") == hashlib.sha256(b"abc" * 100_000).hexdigest()
