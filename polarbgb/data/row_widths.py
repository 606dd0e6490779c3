"""Widths of rows: checked against each other, and short rows combined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError

Array = NDArray[np.float64]

_SHORT, _LONG = 0.75, 1.25
"""Widths, in cadences, beyond which a row is short or long."""

_MOST_LONG = 0.01
"""Share of rows that may be longer than the cadence: a clock may stumble."""

_GAP = 100
"""Distance of rows, in cadences, that is a gap."""

_DEAD = 1.02
"""Live time over the width of a row above which the two contradict each other."""


def spacing(time: Array, cadence: float) -> Array:
    """Return the (rows,) time from the start of each row to that of the next, s, or the cadence before a gap.

    Args:
        time: (rows,) start, unix s, increasing.
        cadence: nominal length of a row, s.
    """
    distance = np.diff(time, append=np.inf)
    return np.where(distance < 1.5 * cadence, distance, cadence)


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
    near = distance[distance <= _GAP * cadence]
    usual = weighted_median(near) if len(near) else float(distance.min())
    if not 0.5 * cadence <= usual <= 1.5 * cadence:
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
    to rows of one cadence, counted from the first short row of a run. A row is short if the next one begins early and
    if its live time is short.

    Args:
        time: (rows,) start, unix s, increasing.
        live: (rows,) largest live time of the bins of a row, s.
        cadence: nominal length of a row, s.
    """
    distance = np.diff(time, append=np.inf)
    limit = _SHORT * cadence
    short = (distance < limit) | (np.append(False, distance[:-1] < limit) & (distance >= 1.5 * cadence))
    short &= live < limit
    begins = np.ones(len(time), bool)
    # A run continues where a short row follows a short row without a gap.
    follows = np.append(False, short[1:] & short[:-1] & (distance[:-1] < limit))
    start = np.maximum.accumulate(np.where(follows, 0, np.arange(len(time))))
    cell = np.floor((time - time[start]) / cadence + 0.01)
    begins[1:] = ~follows[1:] | (cell[1:] != cell[:-1])
    return np.cumsum(begins) - 1
