"""How fast the background changes with each feature, all others held: what a partial derivative is to trees."""

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
"""Standard deviations that a feature is moved, up and down."""

Values = NDArray[np.float64]

_Models = list[tuple[FoldModel, NDArray[np.int64]]]
"""Models, and the rows of the sample that each predicts."""


@dataclass(frozen=True)
class Slopes:
    """Mean slopes of the predicted rate.

    Attributes:
        slope: (features, bins) mean over the rows in which the feature has a value, Hz per unit of the feature; NaN
            where it has none, or only one.
        error: (features, bins) standard error over orbits: rows of an orbit go together. NaN where one orbit is all.
        scatter: (features,) standard deviation of the feature in its own unit: times this, a slope is that of the
            standardised feature.
        rows: (features,) rows in which the feature has a value.
    """

    slope: Values
    error: Values
    scatter: Values
    rows: NDArray[np.int64]

    def table(self, names: tuple[str, ...], bins: tuple[str, ...]) -> pl.DataFrame:
        """Lay the slopes out: a row a feature and bin."""
        count = len(bins)
        return pl.DataFrame(
            {
                "feature": np.repeat(names, count),
                "bin": np.tile(bins, len(names)),
                "slope": self.slope.ravel(),
                "error": self.error.ravel(),
                "scatter": np.repeat(self.scatter, count),
                "rows": np.repeat(self.rows, count),
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
    """Average the slope of the predicted rate over a sample of rows, each by the model that predicted it.

    Trees are steps, whose derivative is 0 or infinite. The slope of a row is the central difference
    ``(f(x + h) - f(x - h)) / 2h`` of the predicted rate f, with h a tenth of the feature's standard deviation in the
    sample, all other features held. A feature of two values (such as a flag) is moved from the one to the other:
    ``(f(high) - f(low)) / (high - low)``. Beyond the values met in training trees stay level.

    Args:
        matrix: features of all usable rows.
        models: one per fold.
        fold: (all rows,) fold whose model predicted each row.
        rows: (sample,) rows to move.
        orbit: (sample,) orbit of each of them.
        checkpoints: of the work, one a feature.
        track: watches the features.

    Returns:
        The mean slopes and their errors.
    """
    sample = matrix.values[rows]
    of_folds = [(models[which], np.flatnonzero(fold[rows] == which)) for which in np.unique(fold[rows])]
    features = range(len(matrix.names))
    found = [
        checkpoints.arrays(f"feature{feature}", partial(_slope, sample, feature, of_folds, orbit))
        for feature in track(features, label="slopes", total=len(features))
    ]
    return Slopes(*(np.array([one[what] for one in found]) for what in ("slope", "error", "scatter", "rows")))


def _slope(sample: NDArray[np.float32], feature: int, models: _Models, orbit: NDArray[np.int32]) -> Arrays:
    """Return the part of :class:`Slopes` that is of one feature."""
    bins = len(models[0][0].per_bin)
    value = sample[:, feature]
    there = np.isfinite(value)
    part = {
        "slope": np.full(bins, np.nan),
        "error": np.full(bins, np.nan),
        "scatter": np.asarray(np.nan),
        "rows": np.asarray(there.sum()),
    }
    if not there.any():
        return part
    part["scatter"] = np.asarray(value[there].std(dtype=np.float64))
    low, high = _moved(value, there)
    # As the trees see them: float32 may round a small step.
    way = high.astype(np.float64) - low
    there &= way > 0
    if not there.any():
        return part
    below, above = (_rates(sample, feature, moved, models) for moved in (low, high))
    steep = (above - below)[there] / way[there, None]
    return part | {"slope": steep.mean(axis=0), "error": clustered_error(steep, orbit[there])}


def _moved(value: NDArray[np.float32], there: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the (sample,) values below and above that a feature is moved to."""
    met = value[there]
    least, most = met.min(), met.max()
    if ((met == least) | (met == most)).all():
        return np.full_like(value, least), np.full_like(value, most)
    step = np.float32(STEP * met.std(dtype=np.float64))
    return value - step, value + step


def _rates(
    sample: NDArray[np.float32],
    feature: int,
    moved: NDArray[np.float32],
    models: _Models,
) -> Values:
    """Return the (sample, bins) rates, Hz, that are predicted with one feature at other values."""
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
    """Estimate how long :func:`mean_slopes` will take, s, from one prediction of the first fold's rows."""
    which, count = np.unique(fold[rows], return_counts=True)
    probe = matrix.values[rows[fold[rows] == which[0]]]
    started = time.perf_counter()
    models[which[0]].rates(probe)
    per_row = (time.perf_counter() - started) / count[0]
    return float(2 * len(matrix.names) * len(rows) * per_row)


def clustered_error(values: Values, cluster: NDArray[np.int32]) -> Values:
    """Return the (columns,) standard error of the means of columns whose rows go together in clusters.

    ``sqrt(C/(C - 1) sum_c (sum_{i in c} (v_i - mean))^2) / n``: Liang & Zeger (1986, Biometrika 73, 13) for a mean.
    With every row its own cluster it is the usual standard error.

    Args:
        values: (rows, columns).
        cluster: (rows,) which cluster each row is in.

    Returns:
        NaN where all rows are in one cluster.
    """
    _, member = np.unique(cluster, return_inverse=True)
    count = int(member.max()) + 1
    if count < 2:
        return np.full(values.shape[1], np.nan)
    away = values - values.mean(axis=0)
    sums = np.column_stack([np.bincount(member, column, count) for column in away.T])
    return np.asarray(np.sqrt(count / (count - 1) * (sums**2).sum(axis=0)) / len(values))
