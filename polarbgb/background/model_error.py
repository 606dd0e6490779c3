"""The noise of a prediction: counting noise and model error, by bin and noise cell, from held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import GAUSSIAN_WIDTH, Calibrated, calibrate, core_of, modified_gaussian_fit
from polarbgb.config import Noise, Position
from polarbgb.data.count_rates import CountRates, counting_noise
from polarbgb.data.dataset import Dataset
from polarbgb.features.passages import near_passage, passages

_FEWEST = 500
"""Rows that a cell needs for an error of its own; a smaller one takes that of all rows of the bin."""

_MOST = 20_000
"""Rows of a cell that are used: its width is then accurate to 0.5 %."""

_FEW_COUNTS = 5.0
"""Expected counts of a row below which it does not count for the width of the raw pulls."""

_ROUNDS = 8

_LEAST = 0.1
"""Smallest factor on the counting noise, for cells whose few rows do not scatter at all."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseConditions:
    """What the noise of a row depends on besides its predicted rate.

    Attributes:
        near_passage: (rows,) true shortly before or after a passage of the South Atlantic Anomaly.
        latitude: (rows,) degrees; None if it is not known.
    """

    near_passage: NDArray[np.bool_]
    latitude: Array | None

    def cells(self, prediction: Array, rows: NDArray[np.int64] | None = None) -> NDArray[np.int16]:
        """Return the (rows, bins) noise cells of a prediction; see :func:`noise_cells`.

        Args:
            prediction: (rows, bins) Hz.
            rows: numbers of the rows that are predicted; None for all.
        """
        if rows is None:
            return noise_cells(prediction, self.near_passage, self.latitude)
        latitude = None if self.latitude is None else self.latitude[rows]
        return noise_cells(prediction, self.near_passage[rows], latitude)


def noise_conditions(
    dataset: Dataset, passage: tuple[float, float], passage_window: float, position: Position | None
) -> NoiseConditions:
    """Collect the conditions of the usable rows.

    Args:
        dataset: the usable rows, with the column of the latitude.
        passage: s, shortest and longest gap that counts as a passage of the anomaly.
        passage_window: s before and after a passage that have noise cells of their own.
        position: names the latitude; None if it is not known.
    """
    time = dataset.time
    near = near_passage(time, passages(time, *passage), passage_window)
    latitude = None if position is None else dataset.frame[position.latitude].cast(pl.Float64).to_numpy()
    return NoiseConditions(near, latitude)


@dataclass(frozen=True)
class ModelError:
    """The error of the prediction besides counting noise, as a share of the rate.

    Attributes:
        share: (groups, bins, cells) one sigma of the model error over the predicted rate.
        counting: (groups, bins, cells) factor on the counting noise: 1, or less where the model error is 0 and rates
            that are weighted means scatter less than their counts could.
        group: (rows,) index into both: each row takes the error that rows of the other groups show.
        cell: (rows, bins) index into both.
    """

    share: Array
    counting: Array
    group: NDArray[np.int64]
    cell: NDArray[np.int16]

    def of_rows(self, i_bin: int) -> tuple[Array, Array]:
        """Return the (rows,) share and the (rows,) factor on the counting noise of a bin."""
        index = (self.group, i_bin, self.cell[:, i_bin])
        return self.share[index], self.counting[index]


def noise_cells(
    prediction: Array, near_passage: NDArray[np.bool_], latitude: NDArray[np.floating] | None
) -> NDArray[np.int16]:
    """Divide rows into cells of similar model error by predicted rate (fifths), SAA passage and |latitude| (thirds).

    Args:
        prediction: (rows, bins) Hz.
        near_passage: (rows,) true shortly before or after a passage of the anomaly.
        latitude: (rows,) degrees; None if it is not known.

    Returns:
        (rows, bins) cell numbers from 0 up, at most 30 of them.
    """
    cell = np.empty(prediction.shape, np.int16)
    region = near_passage.astype(np.int64)
    if latitude is not None:
        distance = np.abs(np.nan_to_num(latitude))
        region = region * 3 + np.searchsorted(np.quantile(distance, [1 / 3, 2 / 3]), distance)
    for i_bin in range(prediction.shape[1]):
        fifth = np.searchsorted(np.quantile(prediction[:, i_bin], [0.2, 0.4, 0.6, 0.8]), prediction[:, i_bin])
        cell[:, i_bin] = region * 5 + fifth
    return cell


def fit_model_error(
    rate: Array,
    prediction: Array,
    counting: Array,
    *,
    cell: NDArray[np.int16],
    group: NDArray[np.integer],
    fair: NDArray[np.bool_],
    weighted_means: bool = False,
) -> ModelError:
    """Fit the model error for which the pulls have width 1.

    In each bin and cell this is the share m for which (rate - B)/sqrt(counting**2 + (m B)**2) has width 1 by the
    modified Gaussian fit; the rows of a group do not contribute to the error that they are assigned.

    Args:
        rate: (rows, bins) Hz, NaN where masked.
        prediction: (rows, bins) B, Hz.
        counting: (rows, bins) counting noise of B, Hz.
        cell: (rows, bins) from :func:`noise_cells`.
        group: (rows,) fold that held each row out; if there is only one, rows contribute to their own error.
        fair: (rows,) rows that may be used: no known events.
        weighted_means: whether rates are weighted means, which may scatter less than counting noise.

    Returns:
        The shares, 0 where counting noise explains the width of the pulls; where it exceeds it, counting noise is
        scaled down if rates are weighted means.
    """
    labels, of_row = np.unique(group, return_inverse=True)
    bins, cells = rate.shape[1], int(cell.max(initial=0)) + 1
    share, factor = np.zeros((len(labels), bins, cells)), np.ones((len(labels), bins, cells))
    for i_group, i_bin in np.ndindex(len(labels), bins):
        rows = np.flatnonzero(fair & np.isfinite(rate[:, i_bin]) & ((of_row != i_group) | (len(labels) == 1)))
        predicted = prediction[rows, i_bin]
        columns = (rate[rows, i_bin] - predicted, predicted, counting[rows, i_bin])
        share[i_group, i_bin], factor[i_group, i_bin] = _fit_cell(*columns)
        cell_of_row = cell[rows, i_bin]
        order = np.argsort(cell_of_row, kind="stable")
        borders = np.searchsorted(cell_of_row[order], np.arange(cells + 1))
        for i_cell in range(cells):
            members = order[borders[i_cell] : borders[i_cell + 1]]
            if len(members) >= _FEWEST:
                index = i_group, i_bin, i_cell
                share[index], factor[index] = _fit_cell(*(column[members] for column in columns))
    if not weighted_means:
        factor[:] = 1.0
    return ModelError(share, factor, of_row.astype(np.int64), cell)


def calibrate_by_regime(rate: Array, prediction: Array, counting: Array, error: ModelError) -> Calibrated:
    """Return sigma = sqrt((factor * counting)**2 + (share * prediction)**2) and the pulls in units of it.

    Args:
        rate: (rows, bins) Hz.
        prediction: (rows, bins) Hz.
        counting: (rows, bins) counting noise of the prediction, Hz.
        error: from :func:`fit_model_error`.

    Returns:
        Sigma and pulls; width and mean are those of the pulls in units of counting noise alone, where at least 5 counts
        are expected; NaN with fewer than 500 such rows.
    """
    sigma, pull = np.empty_like(prediction), np.empty_like(prediction)
    fits = []
    for i_bin in range(prediction.shape[1]):
        share, factor = error.of_rows(i_bin)
        expected, noise = prediction[:, i_bin], counting[:, i_bin]
        residual = rate[:, i_bin] - expected
        sigma[:, i_bin] = np.hypot(factor * noise, share * expected)
        pull[:, i_bin] = residual / sigma[:, i_bin]
        # The core of few counts, which are whole numbers, has no width that could be compared with a Gaussian.
        enough = (expected / noise) ** 2 >= _FEW_COUNTS
        fits.append(core_of(np.where(enough, residual / noise, np.nan)))
    width = np.array([fit.sigma if fit.inside >= _FEWEST else np.nan for fit in fits])
    mean = np.array([fit.mean for fit in fits])
    return Calibrated(sigma=sigma, pull=pull, width=width, mean=mean)


def calibrate_prediction(
    count_rates: CountRates,
    prediction: Array,
    noise: Noise,
    *,
    conditions: NoiseConditions,
    group: NDArray[np.integer],
    fair: NDArray[np.bool_],
    weighted_means: bool = False,
) -> Calibrated:
    """Calibrate a prediction as section ``noise`` of the configuration says.

    Args:
        count_rates: rates, errors and exposures of the usable rows.
        prediction: (rows, bins) background rate, Hz.
        noise: the method; the remaining arguments serve its calibration by regime.
        conditions: of the usable rows.
        group: as in :func:`fit_model_error`.
        fair: as in :func:`fit_model_error`.
        weighted_means: as in :func:`fit_model_error`.
    """
    counting = counting_noise(count_rates, prediction)
    if noise.calibration == "bin":
        return calibrate(count_rates.rate, prediction, count_rates.error if noise.error == "observed" else counting)
    error = fit_model_error(
        count_rates.rate,
        prediction,
        counting,
        cell=conditions.cells(prediction),
        group=group,
        fair=fair,
        weighted_means=weighted_means,
    )
    return calibrate_by_regime(count_rates.rate, prediction, counting, error)


def _fit_cell(residual: Array, prediction: Array, counting: Array) -> tuple[float, float]:
    """Return the share m and the factor on the counting noise of one cell."""
    if not len(residual):
        return 0.0, 1.0
    step = -(-len(residual) // _MOST)
    residual, prediction, counting = residual[::step], prediction[::step], counting[::step]
    width = modified_gaussian_fit(residual / counting).sigma / GAUSSIAN_WIDTH
    if width <= 1:
        return 0.0, max(width, _LEAST)
    square = 0.0
    for _ in range(_ROUNDS):  # Newton's steps: the width falls nearly as 1/sigma
        variance = counting**2 + square * prediction**2
        width = modified_gaussian_fit(residual / np.sqrt(variance)).sigma / GAUSSIAN_WIDTH
        scale = float(np.mean(variance) / np.mean(prediction**2))
        square = max(0.0, square + (width**2 - 1) * scale)
    return float(np.sqrt(square)), 1.0
