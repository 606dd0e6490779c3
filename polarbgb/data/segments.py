"""Segments (unbroken stretches of rows), good time intervals and orbit numbers."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Orbit
from polarbgb.errors import ConfigError, InputError

_SLACK = 1e-5
"""Tolerance, in cadences, of the distance at which two rows are no longer consecutive."""


def segment_ids(time: NDArray[np.float64], cadence: float) -> NDArray[np.int32]:
    """Return the segment of each row, numbered 0, 1, 2 and so on.

    Two rows are consecutive where ``trunc(dt / cadence) <= 1``, the published rule for rows of 1 s scaled to the
    cadence.

    Args:
        time: (n,) start of each row, unix seconds, increasing.
        cadence: nominal row length, s.

    Returns:
        (n,) segment of each row.

    Example:
        >>> segment_ids(np.array([0.0, 1.0, 2.9, 5.0]), 1.0).tolist()
        [0, 0, 0, 1]
    """
    if len(time) == 0:
        return np.empty(0, np.int32)
    # Doubles hold unix seconds to 2e-7 s: the distance of rows of 0.1 s that are 2 cadences apart may round to less.
    breaks = np.trunc(np.diff(time) / cadence + _SLACK) > 1
    return np.concatenate([[0], np.cumsum(breaks)]).astype(np.int32)


def spans_of(segment: NDArray[np.int32], rows: int) -> list[slice]:
    """Divide rows into spans of whole segments, each with ``rows`` rows or slightly more.

    Features that use the past of a row within its segment can be computed span by span.

    Example:
        >>> spans_of(np.array([0, 0, 0, 1, 2, 2], np.int32), 2)
        [slice(0, 3, None), slice(3, 6, None)]
    """
    ends = np.append(np.flatnonzero(np.diff(segment)) + 1, len(segment))
    spans, start = [], 0
    while start < len(segment):
        stop = int(ends[np.searchsorted(ends, min(start + rows, len(segment)))])
        spans.append(slice(start, stop))
        start = stop
    return spans


def require_cadence(time: NDArray[np.float64], cadence: float, where: str) -> None:
    """Check that the distance of rows agrees with the configured cadence.

    Args:
        time: (n,) start of each row, unix seconds, increasing.
        cadence: nominal row length, s.
        where: name of the file, for the message.

    Raises:
        InputError: if the median distance is more than 1.5 cadences or less than half of one: every row would be a
            segment of its own, or gaps would be missed.
    """
    if len(time) < 2:
        return
    usual = float(np.median(np.diff(time)))
    if not 0.5 * cadence <= usual <= 1.5 * cadence:
        raise InputError(
            f"{where}: rows are {usual:g} s apart, but input.cadence is {cadence:g} s; correct input.cadence"
        )


def good_time_intervals(time: NDArray[np.float64], segment: NDArray[np.int32], cadence: float) -> NDArray[np.float64]:
    """Return the half-open intervals of time that the rows cover.

    Args:
        time: (n,) start of each row, unix seconds, increasing.
        segment: (n,) from :func:`segment_ids`.
        cadence: nominal row length, s.

    Returns:
        (segments, 2) start of the first row and end of the last one, sorted and disjoint.
    """
    if len(time) == 0:
        return np.empty((0, 2))
    last = np.append(np.flatnonzero(np.diff(segment)), len(time) - 1)
    first = np.append(0, last[:-1] + 1)
    return np.column_stack([time[first], time[last] + cadence])


def orbit_numbers(time: NDArray[np.float64], orbit: Orbit) -> NDArray[np.int32]:
    """Return the orbit number of each row.

    Args:
        time: (n,) start of each row, unix seconds.
        orbit: period and epoch; without an epoch, orbit ``orbit.first`` begins with the first row.

    Returns:
        (n,) orbit numbers.

    Raises:
        ConfigError: if the numbers are beyond 2**31.
    """
    number = orbit.first + np.floor(orbit_phase(time, orbit))
    if (np.abs(number) >= 2**31).any():
        raise ConfigError(f"orbits are numbered up to {np.abs(number).max():.3g}; correct orbit.period or orbit.epoch")
    return number.astype(np.int32)


def orbit_phase(time: NDArray[np.float64], orbit: Orbit) -> NDArray[np.float64]:
    """Return the (n,) time since the epoch in orbits; the fraction is the phase within the current orbit."""
    epoch = orbit.epoch if orbit.epoch is not None else (time[0] if len(time) else 0.0)
    return (time - epoch) / orbit.period


def predicted_intervals(prediction: pl.DataFrame, cadence: float) -> NDArray[np.float64]:
    """Return the (segments, 2) half-open intervals of time, unix seconds, that a prediction covers.

    Args:
        prediction: ``unix_time`` (s) and ``segment`` (-1 where the row was dropped).
        cadence: nominal row length, s.
    """
    usable = prediction.select("unix_time", "segment").filter(pl.col("segment") >= 0)
    return good_time_intervals(usable["unix_time"].to_numpy(), usable["segment"].to_numpy(), cadence)
