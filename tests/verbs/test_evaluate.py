"""The verb judges the rows of the fit, and nothing else."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import polarbgb
from polarbgb.background.peer import write_peer
from polarbgb.cli import main
from polarbgb.errors import UserError
from polarbgb.summary import gist


def test_the_model_is_scored_as_fit_scored_it(finished, results):
    found = polarbgb.evaluate(finished)
    model = found.errors["boosted trees"]
    for one, fitted in zip(model, results.fit.scores, strict=True):
        assert one.weighted_error == pytest.approx(fitted.weighted_error, rel=1e-4)
    assert set(found.errors) == {"boosted trees", "climatology", "same ground, 8 days", "polynomial, 30 min"}
    told = json.loads((finished / "evaluation.json").read_text())
    assert len(told["errors"]["climatology"]) == 6
    assert not found.missing
    pull = finished.read_frame("prediction.parquet")["pull"].to_numpy()
    fair = np.isfinite(pull[:, 0])
    assert found.regimes["all"][0].score.rows <= fair.sum()
    assert all(path.exists() for path in found.files)


def test_the_models_own_prediction_is_its_equal(copied, results, tmp_path):
    frame = copied.read_frame("prediction.parquet")
    half = frame.filter(frame["row"] % 2 == 0)
    own = tmp_path / "own.parquet"
    write_peer(own, half["row"].to_numpy(), half["pred"].to_numpy())
    found = polarbgb.evaluate(copied, peers=[own, results.export.path])
    assert found.peers == ("own", "export")
    for name in found.peers:
        for one, model in zip(found.errors[name], found.errors["boosted trees"], strict=True):
            assert (one.rows, one.weighted_error) == (model.rows, model.weighted_error)
    rows = {one.rows for scores in found.errors.values() for one in scores}
    assert len(rows) == 1
    assert rows.pop() == pytest.approx(found.regimes["all"][0].score.rows / 2, rel=0.02)
    assert "predicted by own and export too" in gist(found)


def test_peers_that_cannot_be_compared_are_refused(copied, results, tmp_path):
    nothing = tmp_path / "nothing.parquet"
    write_peer(nothing, np.arange(9), np.full((9, 6), np.nan))
    with pytest.raises(UserError, match="nothing predicts none of the held-out rows"):
        polarbgb.evaluate(copied, peers=[nothing])
    with pytest.raises(UserError, match="called 'export' already"):
        polarbgb.evaluate(copied, peers=[results.export.path] * 2)


def test_the_table_fits_a_terminal_of_80_columns(copied, results, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    told = CliRunner().invoke(main, ["evaluate", "-r", str(copied.path), "--peer", str(results.export.path)])
    assert told.exit_code == 0, told.output
    for name in ("boosted trees", "export", "same ground, 8 days", "|latitude| middle"):
        lines = [line for line in told.stdout.splitlines() if line.startswith(name)]
        assert len(lines) == (2 if name.startswith("|") else 1)  # a regime has an error and a width
        assert all(len(line.removeprefix(name).split()) in {6, 7} for line in lines)
    assert "rate[12]" in told.stdout
