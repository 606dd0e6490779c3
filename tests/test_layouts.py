"""A run folder of an earlier layout is read; what only a later one can hold is refused with the reason."""

import json
import re

import polars as pl
import pytest

import polarbgb
from polarbgb.runfolder import SCHEMA


@pytest.fixture
def first_layout(copied, mission):
    """The folder as version 0.1.0 first wrote it: places in manifest and configuration, files without a version."""
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["schema"] = 1
    for stage in manifest["stages"].values():
        for key in ("config", "seeds", "files", "made_from", "command", "asked"):
            stage.pop(key, None)
        if "input" in stage:
            stage["input"]["file"] = str(mission)
        if isinstance(stage.get("device"), dict):
            stage["device"] = "cpu"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    (copied / "local.json").unlink()
    config = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(re.sub(r'path = "nf1rate.root"', f'path = "{mission}"', config))
    (copied / "metrics.json").write_text(json.dumps(copied.metrics()))
    for name in ("models/features.json", "stability.json"):
        told = json.loads((copied / name).read_text())
        del told["schema"]
        (copied / name).write_text(json.dumps(told))
    for file in copied.path.glob("*.parquet"):
        pl.read_parquet(file).write_parquet(file)
    return copied


def test_a_folder_of_the_first_layout_works_in_every_verb(first_layout, finished, mission):
    run = polarbgb.open(first_layout.path)
    assert str(mission) in repr(run)
    assert run.metrics.equals(polarbgb.open(finished.path).metrics)
    before = run.events
    assert run.plot_light_curve()
    assert polarbgb.detect(first_layout, far=30.0, overrides=["intervals.sigma=4"]).events.equals(before)
    explained = polarbgb.explain(first_layout).importance
    assert explained.equals(polarbgb.open(finished.path).importance)
    polarbgb.evaluate(first_layout)
    polarbgb.export(first_layout)
    assert first_layout.manifest()["schema"] == SCHEMA


def test_it_cannot_be_repeated_and_says_so(first_layout):
    with pytest.raises(polarbgb.UserError, match="lacks the settings; fit with its config.toml"):
        polarbgb.again(first_layout / "manifest.json")


def test_every_file_says_which_layout_it_has(finished):
    for file in finished.path.glob("*.parquet"):
        assert pl.read_parquet_metadata(file)["schema"] == str(SCHEMA), file
    for name in ("manifest.json", "local.json", "metrics.json", "stability.json", "models/features.json"):
        assert json.loads((finished / name).read_text())["schema"] == SCHEMA, name
    assert f"schema {SCHEMA}" in (finished / "config.toml").read_text().splitlines()[0]
    assert f"schema = {SCHEMA}" in (finished / "best.toml").read_text()
