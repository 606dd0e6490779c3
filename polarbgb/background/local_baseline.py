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
    gap: float,
    window: float,
    prior_width: float,
) -> Array:
    """Compute by what the prediction is to be multiplied to meet the counts around each row.

    The factor is (N + m) / (P + m) with N counts observed and P expected at more than ``gap`` and at most
    ``gap + window`` s from the row, on both sides, and m = 1/prior_width**2. It is the mean of a factor with a gamma
    prior around 1 of width ``prior_width``, so that a few rows beside missing data, or faint bins, move nothing.
    Nothing within the gap is seen: a transient shorter than it keeps all of its counts.

    Args:
        time: (rows,) unix s, increasing.
        found: (rows, bins) counts.
        expected: (rows, bins) predicted counts.
        counts: (rows,) rows that may be looked at.
        gap: s on either side.
        window: s beyond it.
        prior_width: expected size of the offsets, a share of the rate.

    Returns:
        (rows, bins) factors.
    """
    at = time[counts]
    edges = (
        np.searchsorted(at, time - gap - window),
        np.searchsorted(at, time - gap),
        np.searchsorted(at, time + gap, side="right"),
        np.searchsorted(at, time + gap + window, side="right"),
    )

    prior = 1.0 / prior_width**2
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
