"""What fit and predict end with: a prediction followed by its baseline, calibrated, laid out, written and drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import Calibrated, calibrate
from polarbgb.background.cleaning import long_runs, non_recurrent, rows_beyond, with_margin
from polarbgb.background.local_baseline import local_baseline
from polarbgb.background.model_error import calibrate_by_regime, fit_model_error, noise_cells
from polarbgb.background.prediction import AUXILIARY, prediction_frame
from polarbgb.config import Baseline, Config
from polarbgb.data.count_rates import counting_noise
from polarbgb.features.passages import near_passage, passages
from polarbgb.plotting.light_curve import light_curve
from polarbgb.plotting.pulls import pull_histograms
from polarbgb.plotting.saving import save
from polarbgb.progress import Track, watched
from polarbgb.runs.folder import Draft
from polarbgb.workflow.preparation import Prepared


@dataclass(frozen=True)
class CalibratedBackground:
    """A prediction as it is written.

    Attributes:
        frame: of :func:`polarbgb.background.prediction.prediction_frame`.
        prediction: (usable, bins) background rate, Hz, with the local baseline where there is one.
        widths: (bins,) widths of the raw pulls.
    """

    frame: pl.DataFrame
    prediction: NDArray[np.float64]
    widths: tuple[float, ...]


def calibrate_background(
    prepared: Prepared, prediction: NDArray[np.float64], fold: NDArray[np.int8], config: Config
) -> CalibratedBackground:
    """Follow the local baseline, if one is configured, calibrate, and lay out.

    Args:
        prepared: the file that was predicted.
        prediction: (usable, bins) background rate, Hz.
        fold: (usable,) number of the split that predicted each row, -1 where none held it out.
        config: the instrument.
    """
    factor = None
    if config.baseline is not None:
        factor = _baseline(prepared, prediction, fold, config, config.baseline)
        prediction = prediction * factor
    found = calibrated(prepared, prediction, fold, config)
    frame = prediction_frame(
        prepared.timeline,
        prepared.count_rates,
        prediction,
        found,
        baseline=factor,
        fold=fold,
        auxiliary=prepared.matrix.among(AUXILIARY),
        config=config,
    )
    return CalibratedBackground(frame, prediction, tuple(found.width.tolist()))


def _baseline(
    prepared: Prepared,
    prediction: NDArray[np.float64],
    fold: NDArray[np.int8],
    config: Config,
    section: Baseline,
) -> NDArray[np.float64]:
    """Return the (usable, bins) factor: 1 in runs beyond the limit that outlast the gap, which are seen without it.

    Shorter spikes of trapped particles, which are no events but come again orbit after orbit, it follows.
    """
    timeline, count_rates, limit = prepared.timeline, prepared.count_rates, config.intervals
    time, margin = timeline.usable_time, config.cleaning.margin
    beyond = rows_beyond(calibrated(prepared, prediction, fold, config).pull, limit.sigma, limit.more_than)
    cell = regime_cells(prepared, prediction, config)
    rare = non_recurrent(beyond, cell, timeline.orbit, config.cleaning.max_recurrence)
    outlasting = with_margin(long_runs(beyond, time, section.gap, config.input.cadence), time, margin)
    factor = local_baseline(
        time,
        count_rates.rate * count_rates.exposure,
        prediction * count_rates.exposure,
        counts=~(timeline.known | outlasting | with_margin(rare, time, margin)),
        gap=section.gap,
        window=section.window,
        prior_width=section.prior_width,
    )
    return np.where(outlasting[:, None], 1.0, factor)


def calibrated(
    prepared: Prepared, prediction: NDArray[np.float64], fold: NDArray[np.int8], config: Config
) -> Calibrated:
    """Calibrate a prediction; arguments as in :func:`calibrate_background`."""
    count_rates, timeline = prepared.count_rates, prepared.timeline
    counting = counting_noise(count_rates, prediction)
    if config.noise.calibration == "bin":
        return calibrate(
            count_rates.rate, prediction, count_rates.error if config.noise.error == "observed" else counting
        )
    cell = regime_cells(prepared, prediction, config)
    # In scheme 'blocks' a part is no fold: its rows are no measure of the others.
    group = np.zeros_like(fold) if config.folds.scheme == "blocks" else fold
    error = fit_model_error(
        count_rates.rate,
        prediction,
        counting,
        cell=cell,
        group=group,
        fair=~timeline.known,
        weighted_means=config.rates.weighted_means,
    )
    return calibrate_by_regime(count_rates.rate, prediction, counting, error)


def regime_cells(
    prepared: Prepared, prediction: NDArray[np.float64], config: Config, rows: NDArray[np.int64] | None = None
) -> NDArray[np.int16]:
    """Return the (rows, bins) numbers of the regimes of a prediction: :func:`noise_cells` of the file.

    Args:
        prepared: the file.
        prediction: (rows, bins) Hz.
        config: the instrument.
        rows: usable rows that are predicted; None for all.
    """
    timeline = prepared.timeline
    chosen = slice(None) if rows is None else rows
    time = timeline.usable_time[chosen]
    near = near_passage(time, passages(timeline.usable_time, *config.features.passage), config.noise.passage_window)
    latitude = (
        None
        if config.position is None
        else timeline.frame[config.position.latitude].cast(pl.Float64).to_numpy()[chosen]
    )
    return noise_cells(prediction, near, latitude)


def write_prediction(draft: Draft, frame: pl.DataFrame, config: Config, track: Track) -> None:
    """Write ``prediction.parquet`` and its plots."""
    with watched(track, "write and draw"):
        draft.write_frame("prediction.parquet", frame)
        save(light_curve(frame, config), draft / "plots/light_curve.png")
        save(pull_histograms(frame, config), draft / "plots/pulls.png")
