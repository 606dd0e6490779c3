"""Segments (unbroken stretches of rows), good time intervals and orbit numbers."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Orbit
from polarbgb.errors import ConfigError

_CONSECUTIVE = 1.5
"""Distance of the starts of two rows, in cadences, from which on a row is missing between them, whatever the jitter."""


def segment_ids(time: NDArray[np.float64], cadence: float) -> NDArray[np.int32]:
    """Return the segment of each row, numbered 0, 1, 2 and so on.

    Two rows are consecutive if they start less than 1.5 cadences apart. For rows on whole seconds this is the published
    rule, ``trunc(dt) <= 1``, which a missing row meets or not by a millisecond of jitter.

    Args:
        time: (n,) start of each row, unix seconds, increasing.
        cadence: nominal row length, s.

    Returns:
        (n,) segment of each row.

    Example:
        >>> segment_ids(np.array([0.0, 1.0, 2.4, 4.399]), 1.0).tolist()
        [0, 0, 0, 1]
    """
    if len(time) == 0:
        return np.empty(0, np.int32)
    breaks = np.diff(time) >= _CONSECUTIVE * cadence
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


def good_time_intervals(
    time: NDArray[np.float64], segment: NDArray[np.int32], width: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the half-open intervals of time that the rows cover.

    Args:
        time: (n,) start of each row, unix seconds, increasing.
        segment: (n,) from :func:`segment_ids`.
        width: (n,) length of each row, s.

    Returns:
        (segments, 2) start of the first row and end of the last one, sorted and disjoint.
    """
    if len(time) == 0:
        return np.empty((0, 2))
    last = np.append(np.flatnonzero(np.diff(segment)), len(time) - 1)
    first = np.append(0, last[:-1] + 1)
    return np.column_stack([time[first], time[last] + width[last]])


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


def predicted_intervals(prediction: pl.DataFrame) -> NDArray[np.float64]:
    """Return the (segments, 2) half-open intervals of time, unix seconds, that a prediction covers.

    Args:
        prediction: ``unix_time`` and ``width`` (s), and ``segment``.
    """
    return good_time_intervals(*(prediction[name].to_numpy() for name in ("unix_time", "segment", "width")))
