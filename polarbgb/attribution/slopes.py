"""Mean slopes of the predicted background with respect to each feature, which replace partial derivatives of trees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.checkpoints import NO_CHECKPOINTS, Arrays, Checkpoints
from polarbgb.background.fold_model import FoldModel
from polarbgb.features.matrix import Matrix
from polarbgb.progress import Track, silent

STEP = 0.1
"""Step of a feature up and down, in units of its standard deviation."""

Values = NDArray[np.float64]

_Models = list[tuple[FoldModel, NDArray[np.int64]]]
"""Models, and the rows of the sample that each model predicts."""


@dataclass(frozen=True)
class Slopes:
    """Mean slopes of the predicted rate.

    Attributes:
        slope: (features, bins) mean over the rows in which the feature has a value, Hz per unit of the feature; NaN
            if it has no value or only one.
        error: (features, bins) standard error over orbits, as rows of an orbit are correlated; NaN if there is only one
            orbit.
        scatter: (features,) standard deviation of the feature in its own unit; a slope times this is the slope of the
            standardised feature.
        rows: (features,) rows in which the feature has a value.
    """

    slope: Values
    error: Values
    scatter: Values
    rows: NDArray[np.int64]

    def table(self, names: tuple[str, ...], bins: tuple[str, ...]) -> pl.DataFrame:
        """Return the slopes with one row per feature and bin."""
        n_bins = len(bins)
        return pl.DataFrame(
            {
                "feature": np.repeat(names, n_bins),
                "bin": np.tile(bins, len(names)),
                "slope": self.slope.ravel(),
                "error": self.error.ravel(),
                "scatter": np.repeat(self.scatter, n_bins),
                "rows": np.repeat(self.rows, n_bins),
            }
        )


def mean_slopes(
    matrix: Matrix,
    models: Sequence[FoldModel],
    fold: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    orbit: NDArray[np.int32],
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    track: Track = silent,
) -> Slopes:
    """Average the slope of the predicted rate over a sample of rows, each with the model that predicted it.

    Trees are step functions, whose derivative is 0 or infinite. Instead, the slope of a row is the central difference
    ``(f(x + h) - f(x - h)) / 2h`` of the predicted rate f, with h a tenth of the feature's standard deviation in the
    sample and all other features held. A feature of two values, such as a flag, is moved from one to the other:
    ``(f(high) - f(low)) / (high - low)``. Trees are constant beyond the values of the training set.

    Args:
        matrix: features of all usable rows.
        models: one per fold.
        fold: (all rows,) fold whose model predicted each row.
        rows: (sample,) rows to move.
        orbit: (sample,) orbit of each of them.
        checkpoints: checkpoints, one per feature.
        track: shows the progress.

    Returns:
        The mean slopes and their errors.
    """
    sample = matrix.values[rows]
    of_folds = [(models[i_fold], np.flatnonzero(fold[rows] == i_fold)) for i_fold in np.unique(fold[rows])]
    features = range(len(matrix.names))
    results = [
        checkpoints.arrays(f"feature{feature}", partial(_slope, sample, feature, of_folds, orbit))
        for feature in track(features, label="slopes", total=len(features))
    ]
    return Slopes(*(np.array([result[name] for result in results]) for name in ("slope", "error", "scatter", "rows")))


def _slope(sample: NDArray[np.float32], feature: int, models: _Models, orbit: NDArray[np.int32]) -> Arrays:
    """Return the entries of :class:`Slopes` for one feature."""
    bins = len(models[0][0].per_bin)
    value = sample[:, feature]
    valid = np.isfinite(value)
    result = {
        "slope": np.full(bins, np.nan),
        "error": np.full(bins, np.nan),
        "scatter": np.asarray(np.nan),
        "rows": np.asarray(valid.sum()),
    }
    if not valid.any():
        return result
    result["scatter"] = np.asarray(value[valid].std(dtype=np.float64))
    low, high = _moved(value, valid)
    # The step that the trees see: float32 may round a small one.
    step = high.astype(np.float64) - low
    valid &= step > 0
    if not valid.any():
        return result
    below, above = (_rates(sample, feature, moved, models) for moved in (low, high))
    slope = (above - below)[valid] / step[valid, None]
    return result | {"slope": slope.mean(axis=0), "error": clustered_error(slope, orbit[valid])}


def _moved(value: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the (sample,) lower and upper values that a feature is moved to."""
    valid_values = value[valid]
    least, most = valid_values.min(), valid_values.max()
    if ((valid_values == least) | (valid_values == most)).all():
        return np.full_like(value, least), np.full_like(value, most)
    step = np.float32(STEP * valid_values.std(dtype=np.float64))
    return value - step, value + step


def _rates(
    sample: NDArray[np.float32],
    feature: int,
    moved: NDArray[np.float32],
    models: _Models,
) -> Values:
    """Return the (sample, bins) rates, Hz, predicted with other values of one feature."""
    rates = np.empty((len(sample), len(models[0][0].per_bin)))
    for model, here in models:
        rows = sample[here]
        rows[:, feature] = moved[here]
        rates[here] = model.rates(rows)
    return rates


def estimate_slopes(
    matrix: Matrix,
    models: Sequence[FoldModel],
    fold: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> float:
    """Estimate the run time of :func:`mean_slopes`, s, from one prediction of the rows of the first fold."""
    folds, count = np.unique(fold[rows], return_counts=True)
    probe = matrix.values[rows[fold[rows] == folds[0]]]
    started = time.perf_counter()
    models[folds[0]].rates(probe)
    per_row = (time.perf_counter() - started) / count[0]
    return float(2 * len(matrix.names) * len(rows) * per_row)


def clustered_error(values: Values, cluster: NDArray[np.int32]) -> Values:
    """Return the (columns,) standard error of the means of columns whose rows are correlated within clusters.

    ``sqrt(C/(C - 1) sum_c (sum_{i in c} (v_i - mean))^2) / n``: Liang & Zeger (1986, Biometrika 73, 13) for a mean.
    If every row is a cluster, this is the usual standard error.

    Args:
        values: (rows, columns) values.
        cluster: (rows,) cluster of each row.

    Returns:
        Standard errors; NaN if all rows are in one cluster.
    """
    _, member = np.unique(cluster, return_inverse=True)
    count = int(member.max()) + 1
    if count < 2:
        return np.full(values.shape[1], np.nan)
    deviation = values - values.mean(axis=0)
    sums = np.column_stack([np.bincount(member, column, count) for column in deviation.T])
    return np.asarray(np.sqrt(count / (count - 1) * (sums**2).sum(axis=0)) / len(values))
