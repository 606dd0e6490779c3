"""Settings of the folds and of the search that follow from the length of the rows and of the mission."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.folds import make_folds
from polarbgb.config import Folds, Model, Orbit
from polarbgb.data.segments import orbit_numbers
from polarbgb.errors import UserError

_SCALES = (2.0, 6.0, 20.0, 60.0, 200.0, 600.0, 3600.0)
"""Longest windows of each search, s."""

_PER_FOLD = 2
"""Fewest orbits that a fold should hold."""


def fold_count(time: NDArray[np.float64], period: float) -> int | None:
    """Return the largest number of folds that a mission can be divided into, with two orbits for each if possible.

    Args:
        time: (rows,) unix s, increasing.
        period: of an orbit, s.

    Returns:
        At most the default of the configuration; None if there are too few orbits for any.
    """
    orbit, most = Orbit(period=period), Folds().count
    orbits = len(np.unique(orbit_numbers(time, orbit)))
    for count in range(max(2, min(most, orbits // _PER_FOLD)), 1, -1):
        try:
            make_folds(time, np.zeros(len(time), bool), Folds(count=count), orbit, Model())
        except UserError:
            continue
        return count
    return None


def flagged_bins(bins: int) -> int:
    """Return in more than how many bins an event must be flagged: half of them, at most 3.

    Example:
        >>> [flagged_bins(bins) for bins in (1, 2, 3, 6, 128)]
        [0, 1, 1, 3, 3]
    """
    return min(3, bins // 2)


def scales(cadence: float) -> list[float]:
    """Return the scales of the search, s, from the length of a row on.

    Example:
        >>> scales(8.0), scales(0.25)[:4]
        ([8.0, 20.0, 60.0, 200.0, 600.0, 3600.0], [0.25, 0.75, 2.0, 6.0])
    """
    found = [cadence]
    while 3 * found[-1] < _SCALES[0]:
        found.append(float(f"{3 * found[-1]:.6g}"))
    return found + [scale for scale in _SCALES if scale > 1.5 * found[-1]]


def rules(cadence: float, *, passages_seen: bool) -> dict[str, str]:
    """Return classes to start from, which hold for any instrument.

    Args:
        cadence: length of a row, s.
        passages_seen: whether gaps can be passages of the South Atlantic Anomaly.
    """
    edge = {"SAA edge": "until_switch_off < 300 or since_switch_on < 300"} if passages_seen else {}
    return {
        **edge,
        "short": f"duration <= {max(2.0, 2 * cadence):.3g}",
        "long": "duration <= 300",
        "slow": "duration > 300",
    }
