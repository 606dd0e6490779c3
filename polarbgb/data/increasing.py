"""Times that increase: of rows out of order, the fewest are dropped."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray


def longest_increasing(time: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose as many rows as possible whose times strictly increase.

    A single stray time, early or late, costs its own row alone; of equal times the first row stays.

    Args:
        time: (n,) without NaN.

    Returns:
        (n,) true where a row is chosen: a longest increasing subsequence (Fredman 1975, Discrete Math. 11, 29).

    Example:
        >>> longest_increasing(np.array([1.0, 2.0, 99.0, 3.0, 3.0, 4.0])).tolist()
        [True, True, False, True, False, True]
    """
    chosen = np.ones(len(time), bool)
    # A row above all before it and below all after it is in every longest one; in a sound file that is all of them.
    before = np.concatenate([[-np.inf], np.maximum.accumulate(time)[:-1]])
    after = np.concatenate([np.minimum.accumulate(time[::-1])[::-1][1:], [np.inf]])
    doubtful = np.flatnonzero((time <= before) | (time >= after))
    chosen[doubtful] = False
    chosen[doubtful[_longest(time[doubtful].tolist())]] = True
    return chosen


def _longest(time: list[float]) -> list[int]:
    """Return the places of a longest strictly increasing subsequence."""
    smallest: list[float] = []  # last time of the best subsequence of each length, and its place
    place: list[int] = []
    previous: list[int] = []
    for number, value in enumerate(time):
        length = bisect_left(smallest, value)
        previous.append(place[length - 1] if length else -1)
        if length == len(smallest):
            smallest.append(value)
            place.append(number)
        elif value < smallest[length]:
            smallest[length], place[length] = value, number
    found = []
    number = place[-1] if place else -1
    while number >= 0:
        found.append(number)
        number = previous[number]
    return found[::-1]
