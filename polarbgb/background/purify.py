"""Rows that hold a transient or a fault leave the training set, unless such rows are common where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BRIDGED = 10.0
"""s"""


@dataclass(frozen=True)
class Round:
    """One search for rows that should not be learnt from.

    Attributes:
        rows: found, their margins included.
        new: of these, not found by the round before.
        gone: found by the round before, but no longer.
        common: rows beyond the limit that stay in training, because such rows are common in their regime.
    """

    rows: int
    new: int
    gone: int
    common: int

    @property
    def stable(self) -> bool:
        """Whether the list is that of the round before, to one row in a hundred."""
        return self.new + self.gone <= 0.01 * self.rows


def rows_beyond(pull: NDArray[np.floating], sigma: float, more_than: int) -> NDArray[np.bool_]:
    """Return the (rows,) mask of the rows whose (rows, bins) pulls all lie above or all below, in enough bins.

    Args:
        pull: calibrated pulls.
        sigma: a bin counts where its pull lies beyond this many sigma,
        more_than: and a row where more than so many bins count, all of one sign.
    """
    return np.asarray(((pull > sigma).sum(axis=1) > more_than) | ((pull < -sigma).sum(axis=1) > more_than))


def rare_rows(
    beyond: NDArray[np.bool_], cell: NDArray[np.integer], orbit: NDArray[np.integer], often: float
) -> NDArray[np.bool_]:
    """Return the rows beyond the limit that are rare in their regime.

    Spikes of trapped particles are background: without them in training the next spike is not expected, and found as
    well (left out of 20 simulated days, they triple the error). What tells them from a burst is that they come again
    orbit after orbit.

    Args:
        beyond: (rows,) from :func:`rows_beyond`.
        cell: (rows, bins) regimes, from :func:`polarbgb.background.modelerror.noise_cells`.
        orbit: (rows,) number of the orbit.
        often: of a cell with rows beyond the limit in several orbits, and in a larger part of those that met it, they
            all stay; a row is rare only if it is by every bin's cells.
    """
    rare = beyond.copy()
    _, number = np.unique(orbit, return_inverse=True)
    orbits = int(number.max(initial=0)) + 1
    for of_bin in cell.T:
        key, cells = of_bin.astype(np.int64) * orbits + number, int(of_bin.max(initial=0)) + 1
        met, struck = (
            np.bincount(key[rows], minlength=cells * orbits).reshape(cells, orbits) > 0
            for rows in (slice(None), beyond)
        )
        times = struck.sum(axis=1)
        rare &= ((times <= 1) | (times <= often * met.sum(axis=1)))[of_bin]
    return rare


def with_margin(rows: NDArray[np.bool_], time: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """Return the rows and all that lie within ``margin`` s of one.

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
    """Return those of the rows that lie in a run of more than ``longest`` s.

    Rows up to 10 s apart, or next to each other, are of one run.

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
