"""The stream of data: its clock, interruptions and faults."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import DAY

Array = NDArray[np.float64]

LONG_HOLES = ((1484043845.0, 1484216111.0), (1488814335.0, 1489384851.0))
"""The two long holes in the file of POLAR, 1.99 d from 2017-01-10 and 6.60 d from 2017-03-06, unix seconds."""

RESTART = 30.0
"""An interruption longer than this is a restart, after which no earlier pass of the anomaly is known, s."""

_INTERRUPTIONS = ((3.0, 1.0, 1.4), (2.5, 8.0, 12.0), (1.2, 60.0, 70.0))  # number per day, shortest, longest (s)
_HOLES, _HOLE_HOURS = 0.76, (1.5, 17.0)  # number per day, shortest and longest
_DEAD, _SHORT = 2.80e-4, 1.77e-4  # share of the rows: 1,109 and 700 of 3,956,646
_RAMP = (0.16, 0.3)  # factors on the first readings of the front-end counter after an interruption


def clock(first: float, stop: float, rng: np.random.Generator, *, steady: bool) -> tuple[Array, float]:
    """Return starts of time bins: each at the first hit at least 1 s after the last, with occasional interruptions.

    Args:
        first: start of the first bin, unix seconds.
        stop: end of the stretch; bins that start before it are included, unix seconds.
        rng: source of the delays.
        steady: bins of exactly 1 s instead.

    Returns:
        (n,) unix seconds, and the start of the first bin after them.
    """
    most = int(stop - first) + 2
    steps = np.ones(most)
    if not steady:
        steps += rng.exponential(1e-4, most)
        for mean, shortest, longest in _INTERRUPTIONS:
            number = rng.poisson(mean * (stop - first) / DAY)
            steps[rng.integers(0, most, number)] += rng.uniform(shortest, longest, number)
    time = first + np.concatenate([[0.0], np.cumsum(steps)])
    count = int(np.searchsorted(time, stop))
    return time[:count], float(time[count])


def holes(start: float, days: int, known: Sequence[float], rng: np.random.Generator) -> Array:
    """Draw the times without data, apart from the anomaly.

    Args:
        start: of the mission, which begins with several hours of data, unix seconds.
        days: length of the mission.
        known: times of bursts that POLAR has seen, which no drawn hole hides, unix seconds.
        rng: source of the holes; a longer mission drawn from the same state starts with the same holes.

    Returns:
        (k, 2) start and stop, unix seconds, sorted and disjoint.
    """
    chance, place, length = rng.random((days, 3)).T
    low, high = _HOLE_HOURS
    begin = start + DAY * (np.arange(days) + np.where(np.arange(days) == 0, 0.4 + 0.6 * place, place))
    drawn = np.stack([begin, begin + 3600 * low * (high / low) ** length], axis=1)[chance < _HOLES]
    for time in known:
        drawn = drawn[(time < drawn[:, 0] - 600) | (time > drawn[:, 1] + 600)]
    fixed = np.array([gap for gap in LONG_HOLES if gap[0] > start]).reshape(-1, 2)
    for first, last in fixed.tolist():  # whose lengths are known
        drawn = drawn[(drawn[:, 1] < first) | (drawn[:, 0] > last)]
    return _merged(np.concatenate([drawn, fixed]))


def within(time: Array, spans: Array) -> NDArray[np.bool_]:
    """Return the (n,) mask of times in one of (k, 2) half-open spans, which are sorted and disjoint."""
    if not len(spans):
        return np.zeros(len(time), bool)
    latest = np.searchsorted(spans[:, 0], time, side="right") - 1
    return np.asarray((latest >= 0) & (time < spans[np.maximum(latest, 0), 1]))


def live_time_faults(live: Array, quiet: Array, rng: np.random.Generator) -> Array:
    """Return live times with a few faulty rows.

    Args:
        live: (n,) s.
        quiet: (n,) expected rate of bin 0, Hz.
        rng: source of the rows.

    Returns:
        (n,) s: 0 in 0.028 % of the rows, whose rates and errors become 0; in 0.018 % so short that bin 0 holds a few
        hundred counts, which the published filter rate[0]/rate_err[0] > 20 rejects.
    """
    chance = rng.random(len(live))
    short = np.minimum(rng.uniform(60, 320, len(live)) / np.maximum(quiet, 1), live)
    return np.where(chance < _DEAD, 0.0, np.where(chance < _DEAD + _SHORT, short, live))


def ramp(counter: Array, time: Array, before: float) -> None:
    """Lower a counter in the two readings after an interruption, in place.

    Args:
        counter: (n,) readings.
        time: (n,) of the readings, unix seconds.
        before: time of the previous reading; -inf if there is none.
    """
    fresh = np.flatnonzero(np.diff(time, prepend=before) > 6)
    for late, factor in enumerate(_RAMP):
        rows = fresh[fresh + late < len(time)] + late
        counter[rows] = np.round(counter[rows] * factor)


def spoil_crab(area: Array, rng: np.random.Generator) -> None:
    """Overwrite, on every second day, several hundred values of ``crabarf`` by NaN or -1.2e33, in place."""
    if rng.random() < 0.5 and len(area) > 1000:
        begin = int(rng.integers(0, len(area) - 700))
        area[begin : begin + int(rng.integers(150, 700))] = np.nan
        area[rng.integers(0, len(area), 3)] = -1.2e33


def stick(angle: Array, rng: np.random.Generator) -> None:
    """Hold an angle at one value for up to an hour, on one day in ten, in place."""
    if rng.random() < 0.1 and len(angle) > 4000:
        begin = int(rng.integers(0, len(angle) - 3700))
        angle[begin : begin + int(rng.integers(1000, 3600))] = angle[begin]


def _merged(spans: Array) -> Array:
    """Join (k, 2) spans that overlap."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    if not len(spans):
        return spans
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] > reach[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([spans[first, 0], reach[last]], axis=1)
