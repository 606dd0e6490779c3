"""Runs of consecutive rows, and sums over them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.int64]
"""Indices of rows."""


def segment_borders(segment: NDArray[np.int32]) -> tuple[Rows, Rows]:
    """Return the (n,) first and the (n,) last row of the segment of each row.

    Args:
        segment: (n,) segment of the usable rows, from :func:`polarbgb.data.segments.segment_ids`.

    Example:
        >>> first, last = segment_borders(np.array([0, 0, 1]))
        >>> first.tolist(), last.tolist()
        ([0, 0, 2], [1, 1, 2])
    """
    opens = np.diff(segment, prepend=-1) != 0
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(segment)) - 1
    i_segment = np.cumsum(opens) - 1
    return first[i_segment], last[i_segment]


def runs_of(rows: Rows, segment: NDArray[np.int32], changes: NDArray[np.bool_] | None = None) -> tuple[Rows, Rows]:
    """Return the first and last rows of the runs of consecutive rows.

    Args:
        rows: (n,) indices of the chosen rows, increasing.
        segment: segment of every row; no run spans two.
        changes: (n - 1,) mask of the chosen rows, from the second on, with which a new run begins.
    """
    apart = (np.diff(rows) != 1) | (np.diff(segment[rows]) != 0)
    if changes is not None:
        apart |= changes
    return np.concatenate([rows[:1], rows[1:][apart]]), np.concatenate([rows[:-1][apart], rows[-1:]])


def running_sums(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the (rows + 1, ...) sums of all values before each row of (rows, ...) values, and of all.

    Example:
        >>> running_sums(np.array([1, 2, 3])).tolist()
        [0.0, 1.0, 3.0, 6.0]
    """
    running = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, dtype=np.float64, out=running[1:])
    return running
