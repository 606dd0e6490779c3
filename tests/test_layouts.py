"""A run folder of an earlier layout is refused in every command; every file says which layout it has."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

import polarbgb
from polarbgb.cli.main import main
from polarbgb.runs.folder import SCHEMA

COMMANDS = {
    "tune": ["tune", "-i", "{mission}", "-r", "{run}"],
    "fit": ["fit", "-i", "{mission}", "-r", "{run}"],
    "predict with it": ["predict", "-r", "{run}", "-i", "{mission}", "--into", "{new}"],
    "predict into it": ["predict", "-r", "{finished}", "-i", "{mission}", "--into", "{run}"],
    "detect": ["detect", "-r", "{run}"],
    "explain": ["explain", "-r", "{run}"],
    "evaluate": ["evaluate", "-r", "{run}"],
    "plot": ["plot", "-r", "{run}"],
    "export": ["export", "-r", "{run}"],
    "report": ["report", "-r", "{run}"],
    "run": ["run", "-i", "{mission}", "-r", "{run}", "-q"],
    "run --reproduce": ["run", "--reproduce", "{run}/manifest.json", "-r", "{new}"],
    "demo": ["demo", "-r", "{run}", "--days", "0.1", "-q"],
}


@pytest.fixture
def earlier(copied):
    """Make the folder say that it is of an earlier layout."""

    def make(layout):
        manifest = json.loads((copied / "manifest.json").read_text())
        (copied / "manifest.json").write_text(json.dumps(manifest | {"schema": layout}))
        return copied

    return make


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_an_earlier_layout_is_refused_in_one_line(earlier, finished, mission, tmp_path, words):
    run = earlier(2)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    places = {"run": run.path, "finished": finished.path, "mission": mission, "new": tmp_path / "new"}
    result = CliRunner().invoke(main, [word.format(**places) for word in words])
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1] == (
        f"error: {run.path} was written by an earlier version of polarbgb (0.1.0, layout 2; this version reads layout "
        f"{SCHEMA}): fit again in another run folder, or install that version"
    )
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("layout", [1, 2])
def test_an_earlier_layout_is_not_opened(earlier, layout):
    run = earlier(layout)
    with pytest.raises(polarbgb.UserError, match=f"by an earlier version of polarbgb .*layout {layout}"):
        polarbgb.open(run.path)


def test_another_run_of_an_earlier_layout_is_refused(earlier, finished):
    other = earlier(2)
    with pytest.raises(polarbgb.UserError, match="by an earlier version of polarbgb"):
        polarbgb.evaluate(finished, stability=other)


def test_every_file_says_which_layout_it_has(finished):
    for file in finished.path.glob("*.parquet"):
        assert pl.read_parquet_metadata(file)["schema"] == str(SCHEMA), file
    for name in (
        "manifest.json", "local.json", "metrics.json", "stability.json", "ranking.json", "models/features.json",
    ):  # fmt: skip
        assert json.loads((finished / name).read_text())["schema"] == SCHEMA, name
    assert f"schema {SCHEMA}" in (finished / "config.toml").read_text().splitlines()[0]
    assert f"schema = {SCHEMA}" in (finished / "best.toml").read_text()
