"""Where a row was taken, as far as the background's surprises go by it, and how restless it is there."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_SHELLS = (0.2, 0.4, 0.6, 0.8, 0.92)
"""Quantiles of the rows between which places are divided by L: the belts lie in the outermost."""

_BESIDE = (900.0, 150.0)
"""s beside a passage of the anomaly: its flank, and its edge,"""

_WEAK = (0.12, 0.04)
"""and quantiles of the field strength that make a flank and an edge where the detector stays on."""

_CALM = (0.6, 0.85, 0.95)
"""Shares of the rows: the calmest, and so on to the most restless twentieth."""

_SAME = 2
"""Orbits before and after that are looked at."""

_STEADY = 3.0
"""Surprises that it takes to call orbits stormy."""

_PRIOR = 0.02
"""Days: the weight of the place's mean over the mission beside its last and next visits."""


def places(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Divide rows by magnetic shell and by time to and from the passages of the anomaly.

    Args:
        rows: usable rows of a prediction. Where ``l_shell`` is not among its columns, rows are divided by their
            predicted rate, the geometric mean of all bins, which rises with L.

    Returns:
        (rows,) numbers from 0 to 29.
    """
    shells = "l_shell" in rows.columns
    least = np.finfo(np.float32).tiny
    depth = rows["l_shell"].to_numpy() if shells else np.log(np.maximum(rows["pred"].to_numpy(), least)).mean(axis=1)
    known, finite = ~np.isnan(depth), np.isfinite(depth)  # far out, L is infinite
    borders = np.quantile(depth[finite], _SHELLS) if finite.any() else np.zeros(len(_SHELLS))
    shell = np.where(known, np.searchsorted(borders, depth), 0)
    beside = np.zeros(len(rows), np.int64)
    field = rows["field_strength"].to_numpy() if "field_strength" in rows.columns else np.zeros(0)
    known_field = field[np.isfinite(field)]
    for distance, share, before, after in zip(_BESIDE, _WEAK, (1, 3), (2, 4), strict=True):
        if len(known_field):
            beside[field < np.quantile(known_field, share)] = before
        for name, number in (("until_switch_off", before), ("since_switch_on", after)):
            if name in rows.columns:
                beside[rows[name].to_numpy() < distance] = number
    return np.asarray(beside * (len(_SHELLS) + 1) + shell)


def restlessness(
    surprises: NDArray[np.int64], place: NDArray[np.int64], orbit: NDArray[np.integer], cadence: float
) -> NDArray[np.float64]:
    """Count what surprised in the same place on the two orbits before and the two after.

    Particles and the anomaly's edge come again where they were; a storm lasts for some orbits; a burst does neither.
    The row's own visit to its place is left out, so that no transient makes its own place restless.

    Args:
        surprises: rows at which an excess or a deficit begins.
        place: (rows,) from :func:`places`.
        orbit: (rows,) number of the orbit.
        cadence: s.

    Returns:
        (rows,) surprises a day of live time, drawn towards the mean of the place on all other orbits.
    """
    number = orbit.astype(np.int64) - int(orbit.min(initial=0))
    orbits, kinds = int(number.max(initial=0)) + 1, int(place.max(initial=0)) + 1
    key = number * kinds + place
    days, times = (
        np.bincount(key[which], minlength=orbits * kinds).reshape(orbits, kinds) * unit
        for which, unit in ((slice(None), cadence / 86_400), (surprises, 1.0))
    )
    elsewhere = (times.sum(axis=0) - times + 0.5) / (days.sum(axis=0) - days + 0.05)
    days_around, times_around = _around(days), _around(times)
    met = times_around.sum(axis=1, keepdims=True) - times
    usual = (days_around * elsewhere).sum(axis=1, keepdims=True) - days * elsewhere
    storm = (met + _STEADY) / (usual + _STEADY)
    near_days, near_times = days_around - days, times_around - times
    return np.asarray(((near_times + _PRIOR * elsewhere * storm) / (near_days + _PRIOR))[number, place])


def calmness(restless: NDArray[np.float64]) -> NDArray[np.int64]:
    """Divide rows into four classes, from the calmest (0) to the most restless (3).

    Args:
        restless: (rows,) from :func:`restlessness`.
    """
    if not len(restless):
        return np.zeros(0, np.int64)
    return np.searchsorted(np.quantile(restless, _CALM), restless)


def _around(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum (orbits, places) values over each orbit and those beside it."""
    orbits = len(values)
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    at = np.arange(orbits)
    return np.asarray(running[np.minimum(at + _SAME + 1, orbits)] - running[np.maximum(at - _SAME, 0)])
