"""The last step of fit and predict: calibrate a prediction, and write and draw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.local_baseline import baseline_factor
from polarbgb.background.model_error import calibrate_prediction, noise_conditions
from polarbgb.background.prediction import AUXILIARY, prediction_frame
from polarbgb.background.transfer import Pulls
from polarbgb.config import Config
from polarbgb.data.dataset import Entries
from polarbgb.plotting.registry import drawings
from polarbgb.plotting.run_tables import RunTables
from polarbgb.progress import Track, watched
from polarbgb.runs.folder import Draft
from polarbgb.workflow.figures import save_figures
from polarbgb.workflow.preparation import Prepared


@dataclass(frozen=True)
class CalibratedBackground:
    """A calibrated prediction.

    Attributes:
        frame: from :func:`polarbgb.background.prediction.prediction_frame`.
        prediction: (usable, bins) background rate, Hz, with the local baseline if one is configured.
        pulls: of the usable rows.
    """

    frame: pl.DataFrame
    prediction: NDArray[np.float64]
    pulls: Pulls

    @property
    def widths(self) -> tuple[float | None, ...]:
        """(bins,) widths of the raw pulls; None where too few counts are expected."""
        return tuple(width if np.isfinite(width) else None for width in self.pulls.width.tolist())


def calibrate_background(
    prepared: Prepared, prediction: NDArray[np.float64], fold: NDArray[np.int8], config: Config
) -> CalibratedBackground:
    """Multiply a prediction by its local baseline, if one is configured, and calibrate it.

    Args:
        prepared: the file that was predicted.
        prediction: (usable, bins) background rate, Hz.
        fold: (usable,) number of the split that predicted each row, -1 where none held it out.
        config: the instrument.
    """
    dataset, count_rates = prepared.dataset, prepared.count_rates
    conditions = noise_conditions(dataset, config.features.passage, config.noise.passage_window, config.position)
    calibrated = partial(
        calibrate_prediction,
        count_rates,
        noise=config.noise,
        conditions=conditions,
        # In scheme 'blocks' a part is not a fold: its rows do not measure the error of the others.
        group=np.zeros_like(fold) if config.folds.scheme == "blocks" else fold,
        fair=~dataset.known,
        weighted_means=config.rates.weighted_means,
    )
    factor = None
    if config.baseline is not None:
        factor = baseline_factor(
            dataset,
            count_rates,
            prediction,
            pull=calibrated(prediction).pull,
            cell=conditions.cells(prediction),
            cadence=config.input.cadence,
            baseline=config.baseline,
            cleaning=config.cleaning,
            intervals=config.intervals,
        )
        prediction = prediction * factor
    result = calibrated(prediction)
    frame = prediction_frame(
        dataset,
        prediction,
        result,
        baseline=factor,
        fold=fold,
        auxiliary=prepared.matrix.among(AUXILIARY),
        context=config.intervals.context,
    )
    known = np.isfinite(count_rates.rate)
    observed, predicted = (np.where(known, rate, 0.0).sum(axis=0) for rate in (count_rates.rate, prediction))
    with np.errstate(invalid="ignore"):  # of a bin without any rate
        excess = observed / predicted - 1
    return CalibratedBackground(frame, prediction, Pulls(result.width, result.mean, excess))


def write_prediction(draft: Draft, entries: Entries, frame: pl.DataFrame, config: Config, track: Track) -> None:
    """Write ``entries.parquet``, and ``prediction.parquet`` and its plots."""
    tables = RunTables.of_stage("fit", config, {"prediction.parquet": frame})
    with watched(track, "write and draw"):
        draft.write_frame("entries.parquet", entries.frame())
        draft.write_frame("prediction.parquet", frame)
        save_figures(draft, drawings(tables, ["fit"], by_command=True))
