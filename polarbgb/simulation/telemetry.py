"""What the stream of data is like: its clock, its interruptions and its slips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DAY = 86400.0
_HICCUPS = ((1.5, 1.0, 1.4), (1.5, 8.0, 12.0), (0.7, 60.0, 70.0))  # number a day, shortest, longest (s)
_HOLE_HOURS = (3.0, 9.4)
_DEAD, _SHORT = 3e-4, 2e-4  # of the rows


def clock(first: float, stop: float, rng: np.random.Generator) -> tuple[Array, float]:
    """Open bins: each at the first event at least 1 s after the last, now and then after a hiccup.

    Args:
        first: opening of the first bin, unix seconds.
        stop: bins that open before this belong here.
        rng: draws the delays.

    Returns:
        (n,) times, and the opening of the first bin beyond.
    """
    most = int(stop - first) + 2
    steps = 1 + rng.exponential(1e-4, most)
    for mean, shortest, longest in _HICCUPS:
        number = rng.poisson(mean * (stop - first) / DAY)
        steps[rng.integers(0, most, number)] += rng.uniform(shortest, longest, number)
    time = first + np.concatenate([[0.0], np.cumsum(steps)])
    count = int(np.searchsorted(time, stop))
    return time[:count], float(time[count])


def hole(start: float, *, first_day: bool, rng: np.random.Generator) -> tuple[float, float]:
    """Draw the hours of a day without data, by which 64 % of the time is live.

    Args:
        start: of the day, unix seconds.
        first_day: a mission begins with some hours of data.
        rng: of that day.

    Returns:
        Start and stop, unix seconds, within the day.
    """
    length = rng.uniform(*_HOLE_HOURS) * 3600
    earliest = 0.4 * DAY if first_day else 0.0
    begin = start + rng.uniform(earliest, DAY - length)
    return begin, begin + length


def slips(live: Array, quiet: Array, rng: np.random.Generator) -> Array:
    """Spoil the live time of a few rows.

    Args:
        live: (n,) s.
        quiet: (n,) expected rate of bin 0, Hz.
        rng: picks the rows.

    Returns:
        (n,) s: 0 in .03 % of the rows, whose rates and errors become 0; in .02 % so short that bin 0 holds some
        hundred counts, which the published filter rate[0]/rate_err[0] > 20 rejects.
    """
    chance = rng.random(len(live))
    short = np.minimum(rng.uniform(60, 320, len(live)) / np.maximum(quiet, 1), live)
    return np.where(chance < _DEAD, 0.0, np.where(chance < _DEAD + _SHORT, short, live))


def spoil_crab(area: Array, rng: np.random.Generator) -> None:
    """Overwrite, on one day in two, a few hundred values of ``crabarf`` by NaN or by -1.2e33, in place."""
    if rng.random() < 0.5 and len(area) > 1000:
        begin = int(rng.integers(0, len(area) - 400))
        area[begin : begin + int(rng.integers(50, 400))] = np.nan
        area[rng.integers(0, len(area), 3)] = -1.2e33


def stick(angle: Array, rng: np.random.Generator) -> None:
    """Hold an angle at one value for an hour or so, on one day in ten, in place."""
    if rng.random() < 0.1 and len(angle) > 4000:
        begin = int(rng.integers(0, len(angle) - 3700))
        angle[begin : begin + int(rng.integers(1000, 3600))] = angle[begin]
