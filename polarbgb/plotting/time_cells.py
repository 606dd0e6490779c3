"""Steps of a light curve: single rows or, of many rows, cells of equal time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Runs of consecutive rows, each drawn as one step.

    Attributes:
        first: (cells,) index of the first row of each cell.
        rows: (cells,) rows in each cell.
        start: (cells,) start of the first row, unix seconds.
        stop: (cells,) end of the last row, unix seconds.
        gap_after: (cells,) true where a gap, or the end, follows.
    """

    first: NDArray[np.int64]
    rows: NDArray[np.int64]
    start: Values
    stop: Values
    gap_after: NDArray[np.bool_]

    def mean(self, values: NDArray[Any]) -> Values:
        """Average (rows,) values over each cell."""
        return np.asarray(np.add.reduceat(values.astype(np.float64), self.first) / self.rows)

    def lowest(self, values: NDArray[Any]) -> Values:
        """Return the (cells,) smallest of (rows,) values."""
        return np.asarray(np.fmin.reduceat(values, self.first), np.float64)

    def highest(self, values: NDArray[Any]) -> Values:
        """Return the (cells,) largest of (rows,) values."""
        return np.asarray(np.fmax.reduceat(values, self.first), np.float64)

    def edges(self) -> Values:
        """Return the (3 cells,) times, unix seconds, that belong to :meth:`steps`."""
        return np.column_stack([self.start, self.stop, self.stop]).ravel()

    def steps(self, values: Values) -> Values:
        """Return (cells,) values as the (3 cells,) corners of a step curve, with NaN at gaps."""
        return np.column_stack([values, values, np.where(self.gap_after, np.nan, values)]).ravel()


def cells(
    time: Values,
    segment: NDArray[np.int32],
    cadence: float,
    width: float | None = None,
    *,
    elapsed: Values | None = None,
) -> Cells:
    """Divide rows into steps.

    Without a width every row is a step, and every change of segment a gap. With a width, time is divided into cells of
    that width, and only gaps wider than a cell are shown.

    Args:
        time: (rows,) start of each row, unix seconds, increasing; at least one.
        segment: (rows,) index of the unbroken stretch that each row lies in.
        cadence: length of a row, s.
        width: length of a cell, s.
        elapsed: (rows,) time that is divided into cells, s; the time since the first row where None.

    Returns:
        The cells.
    """
    n_rows = len(time)
    if width is None:
        i_cell = np.arange(n_rows)
    else:
        i_cell = ((time - time[0] if elapsed is None else elapsed) // width).astype(np.int64)
    gap = (np.diff(segment) != 0) & (np.diff(time) > (width or cadence))
    first = np.flatnonzero(np.concatenate([[True], gap | (np.diff(i_cell) != 0)]))
    last = np.append(first[1:], n_rows) - 1
    return Cells(
        first=first,
        rows=last - first + 1,
        start=time[first],
        stop=time[last] + cadence,
        gap_after=np.append(gap, True)[last],
    )
