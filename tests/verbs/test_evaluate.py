"""The verb judges the rows of the fit, and nothing else."""

import json

import numpy as np
import pytest

import polarbgb


def test_the_model_is_scored_as_fit_scored_it(finished, results):
    found = polarbgb.evaluate(finished)
    model = found.errors["boosted trees"]
    for one, fitted in zip(model, results.fit.scores, strict=True):
        assert one.weighted_error == pytest.approx(fitted.weighted_error, rel=1e-4)
    assert set(found.errors) == {"boosted trees", "climatology", "same ground, a day apart", "polynomial, 30 min"}
    told = json.loads((finished / "evaluation.json").read_text())
    assert len(told["errors"]["climatology"]) == 6
    assert not found.missing
    pull = finished.read_frame("prediction.parquet")["pull"].to_numpy()
    fair = np.isfinite(pull[:, 0])
    assert found.regimes["all"][0].score.rows <= fair.sum()
    assert all(path.exists() for path in found.files)
