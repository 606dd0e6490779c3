"""A slow offset that no feature explains, followed from the rows before and after the window searched."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def local_baseline(
    time: Array,
    found: Array,
    expected: Array,
    *,
    counts: NDArray[np.bool_],
    hole: float,
    reach: float,
    trust: float,
) -> Array:
    """Compute by what the prediction is to be multiplied to meet the counts around each row.

    The factor is (N + m) / (P + m) with N counts found and P expected at more than ``hole`` and at most
    ``hole + reach`` s from the row, on both sides, and m = 1/trust**2: the mean of a factor that beforehand is 1 within
    ``trust`` (a gamma prior), so that a few rows beside a gap, or faint bins, move nothing. Nothing within the hole is
    seen: a transient shorter than it keeps all of its counts.

    Args:
        time: (rows,) unix s, increasing.
        found: (rows, bins) counts.
        expected: (rows, bins) predicted counts.
        counts: (rows,) rows that may be looked at.
        hole: s on either side.
        reach: s beyond it.
        trust: expected size of the offsets, a share of the rate.

    Returns:
        (rows, bins) factors.
    """
    at = time[counts]
    edges = (
        np.searchsorted(at, time - hole - reach),
        np.searchsorted(at, time - hole),
        np.searchsorted(at, time + hole, side="right"),
        np.searchsorted(at, time + hole + reach, side="right"),
    )

    prior = 1.0 / trust**2
    factor = np.empty_like(expected)

    def follow(i_bin: int) -> None:
        seen, due = (_around(values[counts, i_bin], edges) + prior for values in (found, expected))
        factor[:, i_bin] = seen / due

    # Few bins at a time: the running sums of all would stand in memory together.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(follow, range(expected.shape[1])))
    return factor


def _around(values: Array, edges: tuple[NDArray[np.int64], ...]) -> Array:
    """Return the (rows,) sums between the first and second, and the third and fourth edge of each row."""
    running = np.concatenate([[0.0], np.cumsum(values)])
    first, second, third, fourth = (running[edge] for edge in edges)
    return np.asarray((second - first) + (fourth - third))
