"""Noise that is known: counting noise and the model's own error, by bin and regime, from rows held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.calibration import GAUSSIAN_WIDTH, Calibrated, modified_gaussian_fit

_FEWEST = 500
"""Rows that a cell needs for an error of its own; a smaller one takes that of all rows of the bin."""
_MOST = 20_000
"""Rows of a cell that are looked at: its width is then good to 0.5 %."""
_ROUNDS = 8
_LEAST = 0.1
"""Smallest factor on the counting noise: rows that do not scatter at all are too few to tell."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ModelError:
    """The error of the prediction beside counting noise, as a share of the rate.

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

    def of_rows(self, number: int) -> tuple[Array, Array]:
        """Return the (rows,) share and the (rows,) factor on the counting noise of a bin."""
        place = (self.group, number, self.cell[:, number])
        return self.share[place], self.counting[place]


def noise_cells(
    prediction: Array, near_passage: NDArray[np.bool_], latitude: NDArray[np.floating] | None
) -> NDArray[np.int16]:
    """Divide rows into cells of like model error: fifths of the predicted rate, edge of the anomaly, |latitude|.

    Args:
        prediction: (rows, bins) Hz.
        near_passage: (rows,) true beside a passage of the anomaly.
        latitude: (rows,) degrees; None where it is not known.

    Returns:
        (rows, bins) cell numbers from 0 up, at most 30 of them.
    """
    cell = np.empty(prediction.shape, np.int16)
    place = near_passage.astype(np.int64)
    if latitude is not None:
        distance = np.abs(np.nan_to_num(latitude))
        place = place * 3 + np.searchsorted(np.quantile(distance, [1 / 3, 2 / 3]), distance)
    for number in range(prediction.shape[1]):
        fifth = np.searchsorted(np.quantile(prediction[:, number], [0.2, 0.4, 0.6, 0.8]), prediction[:, number])
        cell[:, number] = place * 5 + fifth
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
    """Find the model error with which pulls have width 1.

    In each bin and cell the share m is sought with which (rate - B)/sqrt(counting**2 + (m B)**2) has width 1 by the
    modified Gaussian fit; rows of a group are left out of the error that they are given.

    Args:
        rate: (rows, bins) Hz.
        prediction: (rows, bins) B, Hz.
        counting: (rows, bins) counting noise of B, Hz.
        cell: (rows, bins) from :func:`noise_cells`.
        group: (rows,) fold that held each row out; where there is only one, rows share in their own error.
        fair: (rows,) rows that may be looked at: no known events.
        weighted_means: whether rates are weighted means, which may scatter less than counting noise.

    Returns:
        The shares, 0 where counting noise alone is as wide as the pulls; where it is wider, it is scaled down if rates
        are weighted means.
    """
    labels, of_row = np.unique(group, return_inverse=True)
    bins, cells = rate.shape[1], int(cell.max(initial=0)) + 1
    share, factor = np.zeros((len(labels), bins, cells)), np.ones((len(labels), bins, cells))
    for which, number in np.ndindex(len(labels), bins):
        rows = np.flatnonzero(fair & ((of_row != which) | (len(labels) == 1)))
        predicted = prediction[rows, number]
        columns = (rate[rows, number] - predicted, predicted, counting[rows, number])
        share[which, number], factor[which, number] = _fitted(*columns)
        inside = cell[rows, number]
        order = np.argsort(inside, kind="stable")
        borders = np.searchsorted(inside[order], np.arange(cells + 1))
        for one in range(cells):
            members = order[borders[one] : borders[one + 1]]
            if len(members) >= _FEWEST:
                found = _fitted(*(column[members] for column in columns))
                share[which, number, one], factor[which, number, one] = found
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
        Sigma and pulls; width and mean are those of the pulls in units of counting noise alone.
    """
    sigma, pull = np.empty_like(prediction), np.empty_like(prediction)
    fits = []
    for number in range(prediction.shape[1]):
        share, factor = error.of_rows(number)
        expected, noise = prediction[:, number], counting[:, number]
        residual = rate[:, number] - expected
        sigma[:, number] = np.hypot(factor * noise, share * expected)
        pull[:, number] = residual / sigma[:, number]
        fits.append(modified_gaussian_fit(residual / noise))
    width, mean = np.array([fit.sigma or 1.0 for fit in fits]), np.array([fit.mean for fit in fits])
    return Calibrated(sigma=sigma, pull=pull, width=width, mean=mean)


def _fitted(residual: Array, prediction: Array, counting: Array) -> tuple[float, float]:
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
