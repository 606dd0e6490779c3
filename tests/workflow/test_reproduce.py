"""A manifest is enough to do it once more, and to see whether it comes out the same."""

import json
import shutil

import pytest

import polarbgb
from polarbgb.errors import UserError
from polarbgb.runs.folder import SCHEMA, RunFolder


def test_a_run_comes_out_the_same_to_the_byte(finished, tmp_path):
    told = []
    repeated = polarbgb.reproduce(finished / "manifest.json", RunFolder(tmp_path / "b"), on_result=told.append)
    assert repeated.stages == ("tune", "fit", "detect", "explain")
    assert repeated.different == ()
    assert {"best.toml", "prediction.parquet", "events.parquet", "models/fold2_bin5.ubj", "shap.parquet"} <= set(
        repeated.same
    )
    for name in ("prediction.parquet", "events.parquet", "models/fold0_bin0.ubj"):
        assert (tmp_path / "b" / name).read_bytes() == (finished / name).read_bytes()
    assert repeated.versions == {}
    assert [type(one).__name__ for one in told] == [
        "TuneResult",
        "FitResult",
        "DetectResult",
        "ExplainResult",
        "ExportResult",
        "ReportResult",
    ]


def test_what_differs_is_told(copied, tmp_path, monkeypatch):
    monkeypatch.setattr("polarbgb.workflow.reproduce.report", lambda *_, **__: None)
    for stage in ("tune", "explain"):
        copied.forget(stage)
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["stages"]["fit"]["config"]["model"]["n_estimators"] = 7
    manifest["stages"]["fit"]["versions"]["polars"] = "0.1"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    repeated = polarbgb.reproduce(copied.path, RunFolder(tmp_path / "b"))
    assert {"config.toml", "prediction.parquet", "models/fold0_bin0.ubj"} <= set(repeated.different)
    assert {"models/features.json", "known_events.csv"} <= set(repeated.same)
    assert repeated.versions["polars"][0] == "0.1"


def test_a_manifest_alone_is_enough_where_the_file_is_named(finished, mission, tmp_path):
    (tmp_path / "sent").mkdir()
    shutil.copyfile(finished / "manifest.json", tmp_path / "sent" / "manifest.json")
    with pytest.raises(
        UserError, match=r"^no file nf1rate\.root; .* names it as the input, say with --input where it is$"
    ):
        polarbgb.reproduce(tmp_path / "sent")
    other = tmp_path / "nf1rate.root"
    other.write_bytes(mission.read_bytes() + b"\0")
    with pytest.raises(UserError, match="is not the input of .*: its SHA-256 differs"):
        polarbgb.reproduce(tmp_path / "sent", path=other)
    assert not (tmp_path / "sent_reproduced").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no manifest at"),
        ("{", "not a readable manifest"),
        (f'{{"schema": {SCHEMA}, "stages": {{}}}}', "names no finished fit"),
        ('{"schema": 99, "stages": {}}', "was written by another version of polarbgb"),
        ('{"schema": 2, "stages": {"fit": {"input": {}}}}', "was written by an earlier version of polarbgb"),
    ],
)
def test_what_tells_of_no_run_is_refused(tmp_path, content, told):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=told):
        polarbgb.reproduce(tmp_path / "manifest.json", RunFolder(tmp_path / "b"))
    assert not (tmp_path / "b").exists()


def test_a_run_is_not_repeated_into_itself(copied):
    with pytest.raises(UserError, match="is the run to repeat; name another --run folder"):
        polarbgb.reproduce(copied / "manifest.json", copied)
