"""Rows that hold a transient: they are left out of training, so that the background is the quiet state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.calibration import GAUSSIAN_MEDIAN

_BRIDGED = 10.0
"""Longest distance between two rows of one run, s."""

_FEWEST = 500
"""Windows below the background that a noise cell needs for its own noise; smaller cells take that of all rows."""


@dataclass(frozen=True)
class Round:
    """One round of training-set cleaning.

    Attributes:
        masked: number of rows left out of training, including margins.
        added: number of those that were not masked in the previous round.
        recurrent: number of rows above the limit that stay in training, because such rows recur in their noise cell
            orbit after orbit.
    """

    masked: int
    added: int
    recurrent: int

    @property
    def stable(self) -> bool:
        """Whether the mask has grown by no more than one row in a hundred."""
        return self.added <= 0.01 * self.masked


def rows_above(
    observed: NDArray[np.float64],
    expected: NDArray[np.float64],
    *,
    segment: NDArray[np.int32],
    cell: NDArray[np.integer],
    length: int,
    sigma: float,
) -> NDArray[np.bool_]:
    """Return the rows at the centre of a window whose counts exceed the expected ones by ``sigma`` times the noise.

    In each noise cell, windows are compared with the quiet level, which is the background or, where transients have
    raised the background, the median window. The noise is one-sided: the median distance of the windows below that
    level, at least counting noise. Windows above the level do not measure noise where the Sun flares for half of the
    time. As rounds of cleaning lower the background to the quiet state, the level approaches the background. Deficits
    are never masked, because on such a day the quiet rows are the deficits.

    Args:
        observed: (rows,) counts.
        expected: (rows,) counts of the background, > 0.
        segment: (rows,) number of the segment; windows end at its borders.
        cell: (rows,) noise cell, from :func:`polarbgb.background.model_error.noise_cells`.
        length: number of rows of a window.
        sigma: limit, in units of the noise.
    """
    index = np.arange(len(observed))
    start = np.maximum(np.searchsorted(segment, segment), index - length // 2)
    stop = np.minimum(np.searchsorted(segment, segment, side="right"), index + (length + 1) // 2)
    counts, background = (
        running[stop] - running[start]
        for running in (np.concatenate([[0.0], np.cumsum(values)]) for values in (observed, expected))
    )
    deviation = (counts - background) / np.sqrt(background)
    limits = np.full(int(cell.max(initial=0)) + 1, _limit(deviation, sigma))
    for i_cell in range(len(limits)):
        members = deviation[cell == i_cell]
        if np.count_nonzero(members < 0) >= _FEWEST:
            limits[i_cell] = _limit(members, sigma)
    return np.asarray(deviation > limits[cell])


def _limit(deviation: NDArray[np.float64], sigma: float) -> float:
    """Return the deviation beyond which windows are masked."""
    if not len(deviation):
        return sigma
    level = min(0.0, float(np.median(deviation)))
    below = level - deviation[deviation < level]
    return level + sigma * max(1.0, float(np.median(below)) / GAUSSIAN_MEDIAN if len(below) else 1.0)


def rows_beyond(pull: NDArray[np.floating], sigma: float, more_than: int) -> NDArray[np.bool_]:
    """Return the rows whose pulls lie beyond a limit with the same sign in enough bins.

    Args:
        pull: (rows, bins) calibrated pulls.
        sigma: limit of the absolute pull.
        more_than: a row is returned if the pulls of more bins than this exceed the limit, all with one sign.

    Returns:
        (rows,) mask.
    """
    return np.asarray(((pull > sigma).sum(axis=1) > more_than) | ((pull < -sigma).sum(axis=1) > more_than))


def non_recurrent(
    beyond: NDArray[np.bool_], cell: NDArray[np.integer], orbit: NDArray[np.integer], max_recurrence: float
) -> NDArray[np.bool_]:
    """Return the rows beyond the limit that do not recur in their noise cell.

    Spikes of trapped particles are background: if they are left out of training, the next spike is not predicted and
    becomes an event (left out of 20 simulated days, they triple the error). Unlike bursts, they recur orbit after
    orbit.

    Args:
        beyond: (rows,) from :func:`rows_above` or :func:`rows_beyond`.
        cell: (rows, bins) noise cells, from :func:`polarbgb.background.model_error.noise_cells`.
        orbit: (rows,) number of the orbit.
        max_recurrence: rows recur where their cell has rows beyond the limit in more than one orbit, and in a larger
            share than this of the orbits that meet the cell. A row is returned only if it recurs by no bin's cells.
    """
    result = beyond.copy()
    _, i_orbit = np.unique(orbit, return_inverse=True)
    orbits = int(i_orbit.max(initial=0)) + 1
    for bin_cell in cell.T:
        key, cells = bin_cell.astype(np.int64) * orbits + i_orbit, int(bin_cell.max(initial=0)) + 1
        met, exceeded = (
            np.bincount(key[rows], minlength=cells * orbits).reshape(cells, orbits) > 0
            for rows in (slice(None), beyond)
        )
        times = exceeded.sum(axis=1)
        result &= ((times <= 1) | (times <= max_recurrence * met.sum(axis=1)))[bin_cell]
    return result


def with_margin(rows: NDArray[np.bool_], time: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """Return the rows and all others within ``margin`` s of one of them.

    Args:
        rows: (rows,) mask.
        time: (rows,) unix s, increasing.
        margin: s.

    Example:
        >>> with_margin(np.array([False, False, True, False]), np.array([0.0, 1.0, 2.0, 9.0]), 1.0).tolist()
        [False, True, True, False]
    """
    at = time[rows]
    opens = np.bincount(np.searchsorted(time, at - margin), minlength=len(time) + 1)
    closes = np.bincount(np.searchsorted(time, at + margin, side="right"), minlength=len(time) + 1)
    return np.asarray(np.cumsum(opens - closes)[:-1] > 0)


def long_runs(
    rows: NDArray[np.bool_], time: NDArray[np.float64], longest: float, cadence: float = 1.0
) -> NDArray[np.bool_]:
    """Return the rows that lie in a run longer than ``longest`` s.

    Rows that are at most 10 s apart, or consecutive, belong to one run.

    Args:
        rows: (rows,) mask.
        time: (rows,) unix s, increasing.
        longest: s.
        cadence: length of a row, s.

    Example:
        >>> time = np.array([0.0, 6.0, 12.0, 50.0, 55.0])
        >>> long_runs(np.array([True, False, True, False, True]), time, 10.0).tolist()
        [False, False, False, False, False]
        >>> long_runs(np.array([True, True, True, False, True]), time, 10.0).tolist()
        [True, True, True, False, False]
    """
    at = np.flatnonzero(rows)
    run = np.cumsum(np.diff(time[at], prepend=-np.inf) > max(_BRIDGED, 1.5 * cadence))
    first, last = np.searchsorted(run, run), np.searchsorted(run, run, side="right") - 1
    long = np.zeros_like(rows)
    long[at] = time[at][last] + cadence - time[at][first] > longest
    return long
