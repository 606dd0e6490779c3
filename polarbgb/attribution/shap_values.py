"""SHAP values: the contribution of each feature to each prediction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.checkpoints import NO_CHECKPOINTS, Arrays, Checkpoints
from polarbgb.background.fold_model import FoldModel
from polarbgb.features.matrix import Matrix
from polarbgb.memory import empty
from polarbgb.progress import Track, silent

_PIECE = 500_000
"""Rows times bins that are explained at a time: their SHAP values are in memory as float64 until they are stored."""


@dataclass(frozen=True)
class Explanation:
    """SHAP values of a sample of rows.

    Attributes:
        rows: (sample,) rows of the matrix that are explained.
        values: (bins, sample, features) float32 SHAP values on the margin: Hz for objective 'squared', log Hz (0.01 is
            1 %) for the others.
        base: (bins, sample) expected margin of the model that explains the row.
        residue: largest difference between base + sum of values and the predicted margin, relative to 1 + |margin|.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float32]
    base: NDArray[np.float64]
    residue: float

    def importance(self) -> NDArray[np.float64]:
        """Return the (features, bins) mean of |SHAP| over the sample."""
        return np.column_stack([np.abs(of_bin).mean(axis=0, dtype=np.float64) for of_bin in self.values])

    def error(self) -> NDArray[np.float64]:
        """Return the (features, bins) standard error of :meth:`importance` from the size of the sample.

        It is the scatter of |SHAP| over the square root of the sample size, as for rows drawn at random; the error of
        the stratified sample is slightly smaller.
        """
        scatter = np.column_stack([np.abs(of_bin).std(axis=0, dtype=np.float64) for of_bin in self.values])
        return np.asarray(scatter / np.sqrt(len(self.rows)))


def mean_share(values: NDArray[np.float64], importance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (features,) values as a share of the importance of all features, averaged over the bins.

    Args:
        values: (features, bins) the importance itself, or its error.
        importance: (features, bins) importance; the shares of a bin without any importance are 0.
    """
    total = importance.sum(axis=0)
    return np.asarray((values / np.where(total > 0, total, 1.0)).mean(axis=1))


def stratified_sample(strata: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Draw rows such that every stratum is represented by its share.

    Args:
        strata: (rows,) stratum of each row.
        size: number of rows to draw; all rows if there are not more.
        seed: seed of the random numbers.

    Returns:
        (min(size, rows),) indices of rows, increasing. Rows are drawn at random within each stratum; the share of each
        stratum is exact to one row (systematic sampling of the rows sorted by stratum).
    """
    rows = len(strata)
    if size >= rows:
        return np.arange(rows)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(rows), strata))
    picks = np.floor((np.arange(size) + rng.random()) * rows / size).astype(np.int64)
    return np.sort(order[picks])


def explain_rows(
    matrix: Matrix,
    models: Sequence[FoldModel],
    fold: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    on_disk: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    track: Track = silent,
) -> Explanation:
    """Compute the SHAP values of some rows, each with the model that predicted it.

    Args:
        matrix: features of all usable rows.
        models: one per fold.
        fold: (all rows,) fold whose model predicted each row.
        rows: (sample,) rows to explain.
        on_disk: keep the SHAP values in a temporary file.
        checkpoints: checkpoints of the pieces of the sample.
        track: shows the progress.

    Returns:
        The explanation.
    """
    bins = len(models[fold[rows[0]]].per_bin)
    length = max(1, _PIECE // bins)
    pieces = [
        (f"{i_fold}_{start}", of_fold[start : start + length])
        for i_fold in np.unique(fold[rows])
        for of_fold in [np.flatnonzero(fold[rows] == i_fold)]
        for start in range(0, len(of_fold), length)
    ]
    values = empty((bins, len(rows), len(matrix.names)), on_disk=on_disk)
    base = np.empty((bins, len(rows)))
    residue = 0.0
    for piece, here in track(pieces, label="explain", total=len(pieces)):
        model = models[fold[rows[here[0]]]]
        result = checkpoints.arrays(f"piece{piece}", partial(_explain_with, model, matrix.values[rows[here]]))
        values[:, here], base[:, here] = result["values"], result["base"]
        residue = max(residue, float(result["residue"]))
    return Explanation(rows, values, base, residue)


def _explain_with(model: FoldModel, features: NDArray[np.float32]) -> Arrays:
    """Return the SHAP values of rows that one model predicts, their base, and the largest residue."""
    shap, margin = model.shap(features), model.margins(features).T
    residue = np.max(np.abs(shap.sum(axis=2) - margin) / (1 + np.abs(margin)))
    return {"values": shap[:, :, :-1].astype(np.float32), "base": shap[:, :, -1], "residue": np.asarray(residue)}


def estimate_seconds(
    matrix: Matrix,
    models: Sequence[FoldModel],
    fold: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> float:
    """Estimate the run time of :func:`explain_rows`, s, from a few rows of the first fold."""
    model = models[int(fold[rows[0]])]
    probe = matrix.values[rows[: min(64, len(rows))]]
    model.shap(probe[:2])  # the first call takes longer
    started = time.perf_counter()
    model.shap(probe)
    per_row = (time.perf_counter() - started) / len(probe)
    return per_row * len(rows)
