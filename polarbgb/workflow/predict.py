"""`polarbgb predict`: the background of another file by the models of a fitted run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from polarbgb.background.fold_model import predict_mean
from polarbgb.config import Device
from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.runs.stages import FITTED_RANKING, LOCAL, RANKING
from polarbgb.workflow.calibration import calibrate_background, write_prediction
from polarbgb.workflow.detect import read_detector
from polarbgb.workflow.fit import devices, load_contract, load_models, on_device
from polarbgb.workflow.preparation import made_from, prepare


@dataclass(frozen=True)
class PredictResult:
    """What a prediction came to.

    Attributes:
        run: the new run folder; ``detect`` and ``export`` go on from it.
        rows: usable rows.
        outside: rows with a feature outside the range that the models were trained on; ``quality`` marks them.
        drift: a row a feature that leaves that range: ``table`` of :class:`polarbgb.features.contract.Drift`.
        widths: (bins,) width of the raw pulls on this file.
        files: what was written.
    """

    run: RunFolder
    rows: int
    outside: int
    drift: pl.DataFrame
    widths: tuple[float, ...]
    files: tuple[Path, ...]


def predict(
    models: RunFolder, run: RunFolder, *, path: Path, device: Device = "cpu", track: Track = silent
) -> PredictResult:
    """Predict a file that the models have not seen: the mean of all folds' rates.

    Rows of the file that was fitted belong in ``fit``: there every row is predicted by a model that never saw its
    orbit.

    Args:
        models: a fitted run.
        run: another run folder, for the result.
        path: ROOT file.
        device: where trees predict, whatever they grew on.
        track: watches the reading.

    Returns:
        Where the result is, and how many rows lie outside the training.

    Raises:
        UserError: if the file does not give the features that the models expect, or the folders are the same.
    """
    if models.path.resolve() == run.path.resolve():
        raise UserError(f"the prediction needs a run folder of its own, not {models.path}")
    fitted = models.require("fit")
    config = on_device(models.config(), device)
    if run.stage("fit") is not None:
        raise UserError(f"{run.path} holds a fit; name a new run folder for the prediction")
    started = time.monotonic()
    with models.hold(reading=True), run.hold():
        prepared = prepare(config, path, track=track)
        if prepared.sha256 == fitted["input"]["sha256"]:
            raise UserError(
                f"{path} is the file that was fitted: {models.path} holds its prediction, by better-suited models"
            )
        config = prepared.as_read(config)
        contract = load_contract(models)
        contract.require(prepared.matrix, str(path))
        fold_models = load_models(models, config)
        drift = contract.drift(prepared.matrix, prepared.timeline.usable_time)
        prepared = replace(prepared, timeline=prepared.timeline.marked(drift.rows, Quality.BEYOND_TRAINING))
        with watched(track, "predict"):
            prediction = predict_mean(fold_models, prepared.matrix.values, config.model)
        nobody = np.full(len(prediction), -1, np.int8)
        with watched(track, "calibrate"):
            calibrated_background = calibrate_background(prepared, prediction, nobody, config)
        draft = run.draft("predict", *made_from(config, prepared.sha256), fitted["finished"])
        draft.write_config(config)
        draft.write_json(LOCAL, {"input": str(prepared.path), "models": str(models.path.resolve())})
        draft.write_frame("drift.parquet", drift.table)
        if (models / RANKING).exists():  # so that events of the new file are ranked as those of the fitted one
            draft.write_json(FITTED_RANKING, read_detector(models, RANKING).as_dict())
        write_prediction(draft, calibrated_background.frame, config, track)
        outside = int(drift.rows.sum())
        files = draft.publish(
            started,
            **prepared.provenance(config),
            models={
                "run": models.path.resolve().name,
                "fitted": fitted["finished"],
                "input": fitted["input"]["sha256"],
            },
            device={"asked": device, "got": devices(fold_models)},
            outside=outside,
            widths=calibrated_background.widths,
        )
    return PredictResult(run, len(prediction), outside, drift.table, calibrated_background.widths, files)
