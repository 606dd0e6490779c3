"""The verb judges the rows of the fit, and nothing else."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from fixtures.terminal import shown

import polarbgb
from polarbgb.background.reference import write_reference
from polarbgb.cli.main import main
from polarbgb.cli.terminal import plain
from polarbgb.errors import UserError
from polarbgb.plotting.saving import save
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.figures import figures


def test_the_model_is_scored_as_fit_scored_it(copied, results):
    found = polarbgb.evaluate(copied)
    model = found.errors["boosted trees"]
    for one, fitted in zip(model, results.fit.scores, strict=True):
        assert one.weighted_error == pytest.approx(fitted.weighted_error, rel=1e-4)
    assert set(found.errors) == {"boosted trees", "climatology", "same ground, 8 days", "polynomial, 30 min"}
    told = json.loads((copied / "evaluation.json").read_text())
    assert len(told["errors"]["climatology"]) == 6
    assert not found.missing
    pull = copied.read_frame("prediction.parquet")["pull"].to_numpy()
    fair = np.isfinite(pull[:, 0])
    assert found.regimes["all"][0].score.rows <= fair.sum()
    assert all(path.exists() for path in found.files)


def test_the_models_own_prediction_is_its_equal(copied, results, tmp_path):
    frame = copied.read_frame("prediction.parquet")
    half = frame.filter(frame["row"] % 2 == 0)
    own = tmp_path / "own.parquet"
    write_reference(own, half["entry"].to_numpy(), half["pred"].to_numpy())
    found = polarbgb.evaluate(copied, references=[own, results.export.path])
    assert found.references == ("own", "export")
    for name in found.references:
        for one, model in zip(found.errors[name], found.errors["boosted trees"], strict=True):
            assert (one.rows, one.weighted_error) == (model.rows, model.weighted_error)
    rows = {one.rows for scores in found.errors.values() for one in scores}
    assert len(rows) == 1
    assert rows.pop() == pytest.approx(found.regimes["all"][0].score.rows / 2, rel=0.02)
    assert "predicted by own and export too" in found.summary()


def test_peers_that_cannot_be_compared_are_refused(copied, results, tmp_path):
    nothing = tmp_path / "nothing.parquet"
    write_reference(nothing, np.arange(9), np.full((9, 6), np.nan))
    with pytest.raises(UserError, match="nothing predicts none of the held-out rows"):
        polarbgb.evaluate(copied, references=[nothing])
    with pytest.raises(UserError, match="called 'export' already"):
        polarbgb.evaluate(copied, references=[results.export.path] * 2)


@pytest.fixture(scope="module")
def with_bursts(finished, tmp_path_factory):
    """A copy of the run, evaluated with a few bursts."""
    run = RunFolder(shutil.copytree(finished.path, tmp_path_factory.mktemp("bursts") / "run"))
    found = polarbgb.evaluate(run, inject=True, overrides=["inject.bursts=12", "inject.per_day=30", "trigger.far=2"])
    return run, found


def test_bursts_that_were_injected_are_kept_counted_and_drawn(with_bursts):
    run, found = with_bursts
    rows = run.read_frame("injections.parquet")
    assert rows.equals(found.efficiency.injections)
    assert len(rows) == 12
    assert set(rows["spectrum"]) <= {"background", "burst", "flare"}
    assert rows["latitude"].is_between(0, 90).all()
    told = json.loads((run / "evaluation.json").read_text())["efficiency"]
    assert told["bursts"] == 12
    assert told["far"] == 2.0
    assert {path.name for path in found.files} >= {"injections.parquet", "efficiency.png", "evaluation.json"}
    assert all(path.exists() for path in found.files)
    assert run.stage("evaluate")["inject"]["bursts"] == 12
    # Drawn again from what is kept, the figures are the same.
    again = {name: figure for name, figure in figures(run) if name in {"evaluation", "efficiency"}}
    for name, figure in again.items():
        drawn = (run / f"plots/{name}.png").read_bytes()
        assert save(figure, run / f"plots/{name}.png").read_bytes() == drawn
    assert len(again) == 2
    # The published method as `detect` has it: its events on the rows as they are.
    published = polarbgb.detect(run, method="published")
    assert told["events_per_day"]["published"] * told["days"] == pytest.approx(len(published.events))


def test_a_person_reads_what_is_found_of_them(with_bursts):
    _, found = with_bursts
    text = shown(found, width=80)
    for name in ("6 to 8", "8 to 12", "12 and more", "events per day  none added"):
        assert name in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "bursts found at 2 false events per day" in found.summary()
    assert "bursts found" not in replace(found, efficiency=None).summary()
    assert json.dumps(plain(found))


def another(run, folder, change):
    """Copy a run and change its prediction."""
    other = RunFolder(shutil.copytree(run.path, folder / "other"))
    other.write_frame("prediction.parquet", change(other.read_frame("prediction.parquet")))
    return other


def test_a_run_agrees_with_itself(copied):
    found = polarbgb.evaluate(copied, stability=copied, overrides=["trigger.far=10"])
    assert found.efficiency is None
    events = polarbgb.detect(copied, far=10.0).events
    for agreed, number in (
        (found.stability.listed, len(events)),
        (found.stability.published, len(polarbgb.detect(copied, method="published").events)),
    ):
        assert agreed.events == (number, number)
        assert (agreed.together, agreed.again) == (1.0, (1.0, 1.0))
    assert found.stability.sure == (1.0, 1.0)
    told = json.loads((copied / "evaluation.json").read_text())["stability"]
    assert told["listed"]["events"] == [len(events)] * 2
    assert copied.stage("evaluate")["trigger"]["far"] == 10.0
    text = shown(found, width=80)
    assert "at 10 false events per day" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "share 100% of the seconds" in found.summary()
    assert json.dumps(plain(found))


def test_an_event_that_the_other_training_takes_for_background_is_not_found_again(copied, tmp_path):
    events = polarbgb.detect(copied, method="published").events
    start, stop = events.sort("significance")["t_start", "t_stop"].row(-1)
    inside = pl.col("unix_time").is_between(start, stop, closed="left")
    other = another(
        copied,
        tmp_path,
        lambda frame: frame.with_columns(
            pl.when(inside).then(pl.col("pull") * 0).otherwise(pl.col("pull")).alias("pull")
        ),
    )
    published = polarbgb.evaluate(copied, stability=other).stability.published
    assert published.again == (pytest.approx(1 - 1 / len(events)), 1.0)
    seconds = (events["t_stop"] - events["t_start"]).sum()
    assert published.together == pytest.approx(1 - (stop - start) / seconds, abs=0.01)


def test_a_run_on_other_rows_cannot_be_compared(copied, tmp_path):
    other = another(copied, tmp_path, lambda frame: frame.with_columns(entry=pl.col("entry") + (pl.col("row") > 900)))
    with pytest.raises(UserError, match="predicts other rows of the file"):
        polarbgb.evaluate(copied, stability=other)
    with pytest.raises(UserError, match="holds no finished fit"):
        polarbgb.evaluate(copied, stability=RunFolder(tmp_path / "none"))


def test_only_bursts_and_the_search_can_be_set(copied):
    for text in ("model.n_estimators=3", "intervals.sigma=4", "injections=3"):
        with pytest.raises(UserError, match=r"only \[inject\] and \[trigger\] can change after the fit"):
            polarbgb.evaluate(copied, overrides=[text])
    with pytest.raises(UserError, match="is not below"):
        polarbgb.evaluate(copied, inject=True, overrides=["inject.oracle=[9, 3]"])
    with pytest.raises(UserError, match="2 shares for 6 bins"):
        polarbgb.evaluate(copied, inject=True, overrides=["inject.spectra={soft=[1, 0]}"])
    with pytest.raises(UserError, match="adds nothing to any bin"):
        polarbgb.evaluate(copied, inject=True, overrides=["inject.spectra={soft=[0, 0, 0, 0, 0, 0]}"])


def test_the_table_fits_a_terminal_of_80_columns(copied, results, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    told = CliRunner().invoke(main, ["evaluate", "-r", str(copied.path), "--reference", str(results.export.path)])
    assert told.exit_code == 0, told.output
    for name in ("boosted trees", "export", "same ground, 8 days", "|latitude| middle"):
        lines = [line for line in told.stdout.splitlines() if line.startswith(name)]
        assert len(lines) == (2 if name.startswith("|") else 1)  # a regime has an error and a width
        assert all(len(line.removeprefix(name).split()) in {6, 7} for line in lines)
    assert "rate[12]" in told.stdout
