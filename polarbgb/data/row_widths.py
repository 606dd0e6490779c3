"""Widths of rows: checked against each other, and short rows combined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError

Array = NDArray[np.float64]

_SHORT, _LONG = 0.75, 1.25
"""Widths, in cadences, beyond which a row is short or long."""

_STRETCH = 0.45
"""Distance of rows, in cadences, below which several rows on end are short."""

_MOST_LONG = 0.01
"""Share of rows that may be longer than the cadence: a clock may stumble."""

_DEAD = 1.02
"""Live time over the width of a row above which the two contradict each other."""


_LONGER = 1.5
"""Ratio of live times from which on a row is longer than the short row before it."""


def longest_live_time(time: Array, cadence: float) -> Array:
    """Return the (entries,) time, s, that a row can have been live: to the next row in stretches of short rows.

    A stretch has several rows on end that begin within less than half a cadence of each other. Rows of two files that
    overlap alternate between short and long distances; their live time is not limited (infinite), so that the overlap
    is seen. Nor is that of the last row before a gap, whose length is not known.

    Args:
        time: (entries,) start, unix s, in any order; NaN where an entry is not used.
        cadence: nominal length of a row, s.

    Example:
        >>> longest_live_time(np.array([0.0, 4.0, 4.5, 5.0, 5.5, 9.5]), 4.0).tolist()
        [inf, 0.5, 0.5, 0.5, inf, inf]
    """
    limit = np.full(len(time), np.inf)
    entry = np.argsort(time, kind="stable")[: int(np.isfinite(time).sum())]
    distance = np.diff(time[entry])
    short = (distance > 0) & (distance < _STRETCH * cadence)
    stretch = short & (np.append(False, short[:-1]) | np.append(short[1:], False))
    limit[entry[:-1][stretch]] = distance[stretch]
    return limit


def require_widths(time: Array, live: Array, cadence: float, *, stated: bool, where: str) -> None:
    """Check cadence, distance of rows and live time against each other.

    Args:
        time: (rows,) start, unix s, increasing.
        live: (rows,) largest live time of the bins of a row, s.
        cadence: nominal length of a row, s.
        stated: whether the live time is given, or follows from rates and errors.
        where: name of the file, for messages.

    Raises:
        InputError: if most of the time is covered by rows of another length, some rows are longer, or the stated live
            time is longer than the rows.
    """
    if len(time) < 2:
        return
    distance = np.diff(time)
    usual = _usual(distance, cadence)
    if not 0.5 * cadence <= usual < 1.5 * cadence:
        raise InputError(
            f"{where}: rows are {usual:g} s apart, but input.cadence is {cadence:g} s; correct input.cadence"
        )
    fits = live[:-1] <= _DEAD * distance
    long = (live[:-1] > _LONG * cadence) & fits
    if long.mean() > _MOST_LONG:
        longest = float(np.quantile(live[:-1][long], 0.9))
        raise InputError(
            f"{where}: {int(long.sum()):,} rows have live times of up to {longest:g} s, but input.cadence is "
            f"{cadence:g} s; write the length of the longest rows as input.cadence, shorter ones are then combined"
        )
    if stated and (~fits).mean() > 0.5:
        raise InputError(
            f"{where}: the live time is {np.median(live):g} s (rates.exposure), but rows are {usual:g} s apart; "
            "correct rates.exposure, which is in seconds"
        )


def _usual(distance: Array, cadence: float) -> float:
    """Return the length of the rows that cover most of the time, s; if most rows have no next one, their distance."""
    near = distance[distance < 1.5 * cadence]
    return float(np.median(distance)) if 2 * len(near) < len(distance) else weighted_median(near)


def weighted_median(distance: Array) -> float:
    """Return the distance of rows at which half of the time is reached.

    Args:
        distance: (n,) from each row to the next, s; at least one.
    """
    ordered = np.sort(distance)
    passed = np.cumsum(ordered)
    return float(ordered[np.searchsorted(passed, passed[-1] / 2)])


def combined_rows(time: Array, live: Array, cadence: float) -> NDArray[np.int64]:
    """Return the (rows,) number of the combined row that each row becomes part of: 0, 1, 2 and so on.

    Rows shorter than three quarters of a cadence, such as those that instruments record after a trigger, are combined
    to rows of one cadence, counted from the first short row of a run. A row is short if its live time is short and the
    next one begins early, or the one before was as short.

    Args:
        time: (rows,) start, unix s, increasing.
        live: (rows,) largest live time of the bins of a row, s.
        cadence: nominal length of a row, s.
    """
    distance = np.diff(time, append=np.inf)
    limit = _SHORT * cadence
    # The last one of a run may stand before a missing row: it is alive for as long as the one before.
    last = np.append(False, (distance[:-1] < limit) & (live[1:] < _LONGER * live[:-1]))
    short = ((distance < limit) | last) & (live < limit)
    begins = np.ones(len(time), bool)
    # A run continues where a short row follows a short row without a gap.
    follows = np.append(False, short[1:] & short[:-1] & (distance[:-1] < limit))
    start = np.maximum.accumulate(np.where(follows, 0, np.arange(len(time))))
    cell = np.floor((time - time[start]) / cadence + 0.01)
    begins[1:] = ~follows[1:] | (cell[1:] != cell[:-1])
    return np.cumsum(begins) - 1


def widths(time: Array, first: NDArray[np.int64], cadence: float) -> Array:
    """Return the (rows,) lengths of combined rows, s: the time to the next row where there is no gap.

    Before a gap the last entry of a row is taken to be as long as the one before it in the row, or as the cadence.

    Args:
        time: (entries,) start, unix s, increasing.
        first: (rows,) first entry of each row.
        cadence: nominal length of a row, s.
    """
    last = np.append(first[1:], len(time))[: len(first)] - 1
    end = time[last] + np.where(last > first, time[last] - time[last - 1], cadence)
    distance = np.diff(time[first], append=np.inf)
    return np.where(distance < 1.5 * cadence, distance, end - time[first])
