"""A slow offset that no feature explains, followed from the rows before and after the window searched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.measured import Measured

Array = NDArray[np.float64]


def local_baseline(
    time: Array,
    measured: Measured,
    prediction: Array,
    *,
    counts: NDArray[np.bool_],
    hole: float,
    reach: float,
    trust: float,
) -> Array:
    """Compute by what the prediction is to be multiplied to meet the counts around each row.

    The factor is (N + m) / (P + m) with N counts measured and P predicted at more than ``hole`` and at most
    ``hole + reach`` s from the row, on both sides, and m = 1/trust**2: the mean of a factor that beforehand is 1 within
    ``trust`` (a gamma prior), so that a few rows beside a gap, or faint bins, move nothing. Nothing within the hole is
    seen: a transient shorter than it keeps all of its counts.

    Args:
        time: (rows,) unix s, increasing.
        measured: rates of the same rows.
        prediction: (rows, bins) Hz.
        counts: (rows,) rows that may be looked at.
        hole: s on either side.
        reach: s beyond it.
        trust: expected size of the offsets, a share of the rate.

    Returns:
        (rows, bins) factors.
    """
    found = (measured.rate * measured.exposure)[counts]
    expected = (prediction * measured.exposure)[counts]
    at = time[counts]
    edges = (
        np.searchsorted(at, time - hole - reach),
        np.searchsorted(at, time - hole),
        np.searchsorted(at, time + hole, side="right"),
        np.searchsorted(at, time + hole + reach, side="right"),
    )

    def around(values: Array) -> Array:
        running = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        first, second, third, fourth = (running[edge] for edge in edges)
        return np.asarray((second - first) + (fourth - third))

    prior = 1.0 / trust**2
    return np.asarray((around(found) + prior) / (around(expected) + prior))
