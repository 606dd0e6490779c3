"""What fit and predict end with: a prediction calibrated, laid out, written and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibrate import Calibrated, calibrate
from polarbgb.background.measured import counting_noise
from polarbgb.background.modelerror import calibrate_by_regime, fit_model_error, noise_cells
from polarbgb.background.prediction import prediction_frame
from polarbgb.config import Config
from polarbgb.features.passages import near_passage, passages
from polarbgb.present.light_curve import light_curve
from polarbgb.present.pulls import pull_histograms
from polarbgb.present.save import save
from polarbgb.runfolder import RunFolder
from polarbgb.verbs.prepare import Prepared


def lay_out(
    prepared: Prepared, prediction: NDArray[np.float64], fold: NDArray[np.int8], config: Config
) -> tuple[pl.DataFrame, list[float]]:
    """Calibrate a prediction and lay it out.

    Args:
        prepared: the file that was predicted.
        prediction: (usable, bins) background rate, Hz.
        fold: (usable,) number of the split that predicted each row, -1 where none held it out.
        config: the instrument.

    Returns:
        The frame of :func:`polarbgb.background.prediction.prediction_frame`, and the (bins,) widths of the raw pulls.
    """
    found = calibrated(prepared, prediction, fold, config)
    frame = prediction_frame(prepared.timeline, prepared.measured, prediction, found, fold=fold, config=config)
    return frame, found.width.tolist()


def calibrated(
    prepared: Prepared, prediction: NDArray[np.float64], fold: NDArray[np.int8], config: Config
) -> Calibrated:
    """Calibrate a prediction; arguments as in :func:`lay_out`."""
    measured, timeline = prepared.measured, prepared.timeline
    counting = counting_noise(measured, prediction)
    if config.noise.calibration == "bin":
        return calibrate(measured.rate, prediction, measured.error if config.noise.error == "observed" else counting)
    cell = regime_cells(prepared, prediction, config)
    # In scheme 'blocks' a part is no fold: its rows are no measure of the others.
    group = fold if config.folds.scheme == "orbits" else np.zeros_like(fold)
    error = fit_model_error(
        measured.rate - prediction, prediction, counting, cell=cell, group=group, fair=~timeline.known
    )
    return calibrate_by_regime(measured.rate, prediction, counting, error)


def regime_cells(prepared: Prepared, prediction: NDArray[np.float64], config: Config) -> NDArray[np.int64]:
    """Return the (usable, bins) numbers of the regimes of a prediction: :func:`noise_cells` of the file."""
    timeline = prepared.timeline
    time = timeline.usable_time
    near = near_passage(time, passages(time, *config.features.passage), config.noise.reach)
    latitude = None if config.position is None else timeline.frame[config.position.latitude].cast(pl.Float64).to_numpy()
    return noise_cells(prediction, near, latitude)


def write_prediction(run: RunFolder, frame: pl.DataFrame, config: Config) -> list[Path]:
    """Write ``prediction.parquet`` and its plots, and return their paths."""
    return [
        run.write_frame("prediction.parquet", frame),
        save(light_curve(frame, config), run / "plots/light_curve.png"),
        save(pull_histograms(frame, config), run / "plots/pulls.png"),
    ]
