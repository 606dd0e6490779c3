"""Features of the South Atlantic Anomaly: the detector is off in it, and remembers it long after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIVES = (300.0, 1800.0, 10_800.0, 54_000.0)
"""s: what a passage activates decays with many half-lives (iodine 128 has 25 min, sodium 24 has 15 h); a mixture of
these four comes near to any of them."""

_LONG_AGO = 21_600.0
"""s: times are told up to here, and where there is no passage at all."""

PASSAGE_NAMES = ("since_switch_on", "until_switch_off", "last_passage", *(f"activation_{life:g}s" for life in LIVES))
PASSAGE_GROUPS = dict.fromkeys(PASSAGE_NAMES, "SAA")
"""The physics that each feature of the passages stands for."""


def passages(time: Array, shortest: float, longest: float) -> Array:
    """Return the (n, 2) times, unix s, between which the detector was off.

    Args:
        time: (rows,) start of each usable row, unix s, increasing.
        shortest: s; a shorter gap is one of telemetry.
        longest: s; a longer one hides passages whose number is not known.

    Example:
        >>> passages(np.array([0.0, 1.0, 601.0, 602.0]), 120, 2700).tolist()
        [[1.0, 601.0]]
    """
    gap = np.diff(time)
    at = np.flatnonzero((gap >= shortest) & (gap <= longest))
    return np.column_stack([time[at], time[at + 1]])


def near_passage(time: Array, off: Array, reach: float) -> NDArray[np.bool_]:
    """Return the (rows,) mask of the rows less than ``reach`` s before or after a passage.

    Args:
        time: (rows,) unix s, increasing.
        off: (n, 2) from :func:`passages`.
        reach: s.
    """
    start, stop = off.T
    before = np.append(start, np.inf)[np.searchsorted(start, time)] - time
    after = time - np.insert(stop, 0, -np.inf)[np.searchsorted(stop, time, side="right")]
    return np.asarray((before < reach) | (after < reach))


def passage_features(time: Array, off: Array) -> list[Array]:
    """Compute the features of the passages.

    - ``since_switch_on``, ``until_switch_off`` (s): high voltage settles and short-lived activation decays after the
      one; the belt's edge is met before the other.
    - ``last_passage`` (s): how long the latest one lasted; a longer one lies deeper in the anomaly.
    - ``activation_<life>s`` (s): sum over all past passages of the time spent in them, each second decaying with that
      mean life: a build-up and decay at a constant flux.

    Args:
        time: (rows,) unix s, increasing.
        off: (n, 2) from :func:`passages`.

    Returns:
        One (rows,) array for each of :data:`PASSAGE_NAMES`.
    """
    start, stop = np.vstack([off, [[np.inf, np.inf]]]).T
    last = np.searchsorted(off[:, 1], time, side="right") - 1
    following = np.searchsorted(off[:, 0], time)
    any_yet = last >= 0
    since = np.where(any_yet, np.minimum(time - stop[last], _LONG_AGO), _LONG_AGO)
    until = np.minimum(start[following] - time, _LONG_AGO)
    lasted = np.append(off[:, 1] - off[:, 0], 0.0)[last]
    features = [since, until, np.where(any_yet, lasted, 0.0)]
    for life in LIVES:
        left = np.append(_activity(off, life), 0.0)[last]
        age = np.where(any_yet, time - stop[last], 0.0)
        features.append(np.where(any_yet, left * np.exp(-age / life), 0.0))
    return features


def _activity(off: Array, life: float) -> Array:
    """Return the (n,) activation at the end of each passage."""
    activity = np.zeros(len(off))
    before, ended = 0.0, -np.inf
    for number, (start, stop) in enumerate(off):  # some hundreds a month
        before = before * np.exp(-(stop - ended) / life) - life * np.expm1(-(stop - start) / life)
        activity[number], ended = before, stop
    return activity
