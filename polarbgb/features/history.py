"""History features: lags, differences and means of a column, within a segment."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import polars as pl

SEGMENT = "__segment__"
"""Column that holds the segment of each row while features are computed."""


@dataclass(frozen=True)
class Lag:
    """The value some seconds ago; missing if that lies before the segment of the row.

    Attributes:
        column: the source column.
        seconds: how long ago, s.
    """

    column: str
    seconds: float

    @property
    def name(self) -> str:
        """Column name, such as ``fe_cosmic_lag_60s``."""
        return f"{plain(self.column)}_lag_{self.seconds:g}s"

    def expression(self, cadence: float) -> pl.Expr:
        """Return the feature for rows of ``cadence`` s."""
        return _ago(pl.col(self.column), _rows(self.seconds, cadence))


@dataclass(frozen=True)
class Difference:
    """The change over some seconds, ending ``guard`` seconds ago.

    Attributes:
        column: the source column.
        seconds: length of the interval, s.
        guard: age of the most recent value used, s.
    """

    column: str
    seconds: float
    guard: float = 0.0

    @property
    def name(self) -> str:
        """Column name, such as ``fe_cosmic_change_60s``."""
        return f"{plain(self.column)}_change_{self.seconds:g}s{_guarded(self.guard)}"

    def expression(self, cadence: float) -> pl.Expr:
        """Return the feature for rows of ``cadence`` s."""
        guard = _rows(self.guard, cadence)
        value = pl.col(self.column)
        return _ago(value, guard) - _ago(value, guard + _rows(self.seconds, cadence))


@dataclass(frozen=True)
class Mean:
    """The mean over some seconds, ending ``guard`` seconds ago; missing if the segment does not cover all of them.

    Attributes:
        column: the source column.
        seconds: length of the interval, s.
        guard: age of the most recent value used, s.
    """

    column: str
    seconds: float
    guard: float = 0.0

    @property
    def name(self) -> str:
        """Column name, such as ``fe_cosmic_mean_60s``."""
        return f"{plain(self.column)}_mean_{self.seconds:g}s{_guarded(self.guard)}"

    def expression(self, cadence: float) -> pl.Expr:
        """Return the feature for rows of ``cadence`` s."""
        guard = _rows(self.guard, cadence)
        rows = _rows(self.seconds, cadence)
        # float64: a running sum in float32 drifts by more than the column's noise over millions of rows.
        mean = pl.col(self.column).cast(pl.Float64).rolling_mean(rows, min_samples=rows)
        return _unbroken(mean.shift(guard), guard + rows - 1)


def plain(column: str) -> str:
    """Return the name of a column without brackets, which the boosters refuse: ``rate[3]`` becomes ``rate_3``."""
    return re.sub(r"\[(\d+)\]", r"_\1", column)


def _guarded(guard: float) -> str:
    return f"_guard_{guard:g}s" if guard else ""


def _rows(seconds: float, cadence: float) -> int:
    # Rounded up, because a guard that is one row too short would include a transient.
    return max(1, math.ceil(seconds / cadence - 1e-6)) if seconds else 0


def _ago(value: pl.Expr, rows: int) -> pl.Expr:
    return _unbroken(value.shift(rows), rows)


def _unbroken(value: pl.Expr, rows: int) -> pl.Expr:
    """Keep the value only where the row ``rows`` ago lies in the same segment."""
    # One shift of the segment column is much faster than a shift within each group; segments only increase.
    segment = pl.col(SEGMENT)
    return pl.when(segment == segment.shift(rows)).then(value)
