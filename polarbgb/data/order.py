"""The order of the rows: sorting, rows that repeat or overlap others, and stray times."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_OVERLAP = 0.75
"""A row overlaps the previous one if it begins within this share of its live time: jitter is less, half a row more."""

_HABIT = 0.2
"""Share of overlapping rows above which live times, and not rows, are wrong."""

_BESIDE = 1.5
"""Distance, in cadences, within which a row has a neighbour."""

_SOON = 10
"""Time, in cadences, within which the next entry of the file begins if some rows between them are missing."""


@dataclass(frozen=True)
class Order:
    """The entries of a file in the order of time.

    Attributes:
        entry: (rows,) number of the entry of each row, in the order of time.
        repeated: (entries,) mask of those that repeat or overlap another row, which are left out.
        stray: (entries,) mask of those whose time is far from those of all others, and out of order.
        moved: number of rows that are out of order in the file and were sorted.
    """

    entry: NDArray[np.int64]
    repeated: NDArray[np.bool_]
    stray: NDArray[np.bool_]
    moved: int


def time_order(time: Array, live: Array, cadence: float) -> Order:
    """Sort entries by time.

    As many entries as possible that already are in order are taken first. Of the others, those that overlap one of the
    first repeat it, as where two files overlap; those that are beside no other row, and neither continue the entry
    before nor are continued by the next one, have a damaged time; what is left was stored in another order, as by
    joining files, and is sorted in. Of rows that overlap, the earlier one is kept.

    Args:
        time: (entries,) start, unix s; NaN where an entry is not used.
        live: (entries,) live time, s; 0 where it is not known. Only equal times overlap then.
        cadence: nominal length of a row, s.
    """
    repeated, stray = np.zeros(len(time), bool), np.zeros(len(time), bool)
    used = np.flatnonzero(np.isfinite(time))
    in_order = longest_increasing(time[used])
    if not in_order.all():
        first, others = used[in_order], used[~in_order]
        length = _lengths(time[first], live[first], cadence)
        overlapping = _overlapping(time[first], length)
        repeated[first[overlapping]] = True
        first, length = first[~overlapping], length[~overlapping]
        before = np.searchsorted(time[first], time[others], side="right") - 1
        after = np.minimum(before + 1, len(first) - 1)
        since = np.where(before >= 0, time[others] - time[first][before], np.inf)
        until = np.abs(time[first][after] - time[others])
        reach = _OVERLAP * np.minimum(live[others], cadence) * (length > 0).any()
        overlaps = (since == 0) | (since < length[before]) | ((before + 1 < len(first)) & (until < reach))
        repeated[others[overlaps]] = True
        left = others[~overlaps]
        rest = np.sort(np.concatenate([time[first], time[left]]))
        at = np.searchsorted(rest, time[left])
        gap = np.diff(rest, prepend=-np.inf, append=np.inf)
        alone = (gap[at] > _BESIDE * cadence) & (gap[at + 1] > _BESIDE * cadence)
        step = np.diff(time[used])
        soon = (step > 0) & (step < _SOON * cadence)
        continued = np.append(soon, False) | np.append(False, soon)
        stray[left[alone & ~continued[~in_order][~overlaps]]] = True
    entry = used[~(repeated | stray)[used]]
    entry = entry[np.argsort(time[entry], kind="stable")]
    overlapping = _overlapping(time[entry], _lengths(time[entry], live[entry], cadence))
    repeated[entry[overlapping]] = True
    entry = entry[~overlapping]
    return Order(entry, repeated, stray, moved_entries(entry))


def moved_entries(entry: NDArray[np.int64]) -> int:
    """Return how many entries must be moved to put them in the order of time.

    Args:
        entry: (n,) numbers of the entries in the order of time.

    Example:
        >>> moved_entries(np.array([0, 1, 5, 2, 3, 4]))
        1
    """
    return len(entry) - int(longest_increasing(entry.astype(np.float64)).sum())


def _lengths(time: Array, live: Array, cadence: float) -> Array:
    """Return the (rows,) time, s, within which no other row can begin; 0 where live times contradict the rows."""
    length = _OVERLAP * np.minimum(live, cadence)
    if len(time) > 1 and (np.diff(time) < length[:-1]).mean() > _HABIT:
        return np.zeros_like(length)
    return length


def _overlapping(time: Array, length: Array) -> NDArray[np.bool_]:
    """Return the (rows,) mask of the rows, sorted by time, that begin before the last kept one has ended."""
    result = np.zeros(len(time), bool)
    distance = np.diff(time)
    last = 0
    for row in (np.flatnonzero((distance <= 0) | (distance < length[:-1])) + 1).tolist():
        last = last if result[row - 1] else row - 1
        result[row] = time[row] <= time[last] or time[row] < time[last] + length[last]
    return result


def longest_increasing(time: Array) -> NDArray[np.bool_]:
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
