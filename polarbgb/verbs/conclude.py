"""What fit and predict end with: a prediction calibrated, laid out, written and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibrate import calibrate
from polarbgb.background.measured import noise
from polarbgb.background.prediction import prediction_frame
from polarbgb.config import Config
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
    measured = prepared.measured
    calibrated = calibrate(measured.rate, prediction, noise(measured, prediction, config))
    frame = prediction_frame(prepared.timeline, measured, prediction, calibrated, fold=fold, config=config)
    return frame, calibrated.width.tolist()


def write_prediction(run: RunFolder, frame: pl.DataFrame, config: Config) -> list[Path]:
    """Write ``prediction.parquet`` and its plots, and return their paths."""
    return [
        run.write_frame("prediction.parquet", frame),
        save(light_curve(frame, config), run / "plots/light_curve.png"),
        save(pull_histograms(frame, config), run / "plots/pulls.png"),
    ]
