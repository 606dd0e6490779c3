"""Features of the passages of the South Atlantic Anomaly (SAA), in which the detector is off and is activated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIVES = (300.0, 1800.0, 10_800.0, 54_000.0)
"""Mean lives of the activation, s. It decays with many half-lives (iodine 128: 25 min, sodium 24: 15 h), which a
mixture of these four approximates."""

_LONG_AGO = 21_600.0
"""Largest time since or until a passage, also used if there is none, s."""

PASSAGE_NAMES = ("since_switch_on", "until_switch_off", "last_passage", *(f"activation_{life:g}s" for life in LIVES))
PASSAGE_GROUPS = dict.fromkeys(PASSAGE_NAMES, "SAA")
"""Group of each feature of the passages."""


def passages(time: Array, shortest: float, longest: float) -> Array:
    """Return the (n, 2) times, unix s, between which the detector was off.

    Args:
        time: (rows,) start of each usable row, unix s, increasing.
        shortest: s; a shorter gap is a loss of telemetry.
        longest: s; a longer gap hides an unknown number of passages.

    Example:
        >>> passages(np.array([0.0, 1.0, 601.0, 602.0]), 120, 2700).tolist()
        [[1.0, 601.0]]
    """
    gap = np.diff(time)
    at = np.flatnonzero((gap >= shortest) & (gap <= longest))
    return np.column_stack([time[at], time[at + 1]])


def near_passage(time: Array, off: Array, window: float) -> NDArray[np.bool_]:
    """Return the (rows,) mask of the rows less than ``window`` s before or after a passage.

    Args:
        time: (rows,) unix s, increasing.
        off: (n, 2) from :func:`passages`.
        window: s.
    """
    start, stop = off.T
    before = np.append(start, np.inf)[np.searchsorted(start, time)] - time
    after = time - np.insert(stop, 0, -np.inf)[np.searchsorted(stop, time, side="right")]
    return np.asarray((before < window) | (after < window))


def passage_features(time: Array, off: Array) -> list[Array]:
    """Compute the features of the passages.

    - ``since_switch_on``, ``until_switch_off`` (s): high voltage settles and short-lived activation decays after
      switching on; the edge of the radiation belt is met before switching off.
    - ``last_passage`` (s): duration of the last passage; a longer one lies deeper in the anomaly.
    - ``activation_<life>s`` (s): sum over all past passages of the time spent in them, each second decaying with that
      mean life, as for a build-up and decay at constant flux.

    Args:
        time: (rows,) unix s, increasing.
        off: (n, 2) from :func:`passages`.

    Returns:
        One (rows,) array for each of :data:`PASSAGE_NAMES`.
    """
    start, stop = np.vstack([off, [[np.inf, np.inf]]]).T
    last = np.searchsorted(off[:, 1], time, side="right") - 1
    following = np.searchsorted(off[:, 0], time)
    has_last = last >= 0
    since = np.where(has_last, np.minimum(time - stop[last], _LONG_AGO), _LONG_AGO)
    until = np.minimum(start[following] - time, _LONG_AGO)
    duration = np.append(off[:, 1] - off[:, 0], 0.0)[last]
    features = [since, until, np.where(has_last, duration, 0.0)]
    for life in LIVES:
        activity = np.append(_activity(off, life), 0.0)[last]
        age = np.where(has_last, time - stop[last], 0.0)
        features.append(np.where(has_last, activity * np.exp(-age / life), 0.0))
    return features


def _activity(off: Array, life: float) -> Array:
    """Return the (n,) activation at the end of each passage."""
    activity = np.zeros(len(off))
    before, ended = 0.0, -np.inf
    for i_passage, (start, stop) in enumerate(off):  # some hundreds per month
        before = before * np.exp(-(stop - ended) / life) - life * np.expm1(-(stop - start) / life)
        activity[i_passage], ended = before, stop
    return activity
