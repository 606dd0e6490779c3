"""The longest increasing subsequence of times, so that as few rows as possible are dropped."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray


def longest_increasing(time: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose as many rows as possible whose times strictly increase.

    A single outlier, early or late, costs only its own row; of equal times the first row is kept.

    Args:
        time: (n,) without NaN.

    Returns:
        (n,) mask of the chosen rows, a longest increasing subsequence (Fredman 1975, Discrete Math. 11, 29).

    Example:
        >>> longest_increasing(np.array([1.0, 2.0, 99.0, 3.0, 3.0, 4.0])).tolist()
        [True, True, False, True, False, True]
    """
    chosen = np.ones(len(time), bool)
    # A row above all before it and below all after it is in every longest one; in a good file these are all rows.
    before = np.concatenate([[-np.inf], np.maximum.accumulate(time)[:-1]])
    after = np.concatenate([np.minimum.accumulate(time[::-1])[::-1][1:], [np.inf]])
    doubtful = np.flatnonzero((time <= before) | (time >= after))
    chosen[doubtful] = False
    chosen[doubtful[_longest(time[doubtful].tolist())]] = True
    return chosen


def _longest(time: list[float]) -> list[int]:
    """Return the indices of a longest strictly increasing subsequence."""
    smallest: list[float] = []  # last time of the best subsequence of each length, and its index
    last_index: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(time):
        length = bisect_left(smallest, value)
        previous.append(last_index[length - 1] if length else -1)
        if length == len(smallest):
            smallest.append(value)
            last_index.append(index)
        elif value < smallest[length]:
            smallest[length], last_index[length] = value, index
    chosen = []
    index = last_index[-1] if last_index else -1
    while index >= 0:
        chosen.append(index)
        index = previous[index]
    return chosen[::-1]
