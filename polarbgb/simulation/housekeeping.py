"""Housekeeping: temperature, front-end cosmic-ray counter and solar indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import DAY, START, orbit
from polarbgb.simulation.sky import sun_direction

Array = NDArray[np.float64]

_COOLING, _WARMING = 15 * 3600.0, 1.2 * 3600.0  # s
_COLD = 15.5  # degrees C below the usual temperature after a long time without power


def temperature(time: Array, holes: Array) -> Array:
    """Return the temperature of the detector, degrees C.

    It varies over weeks and, 15 minutes behind the elevation of the Sun, over each orbit; without power it falls.

    Args:
        time: (n,) unix seconds.
        holes: (k, 2) start and stop of the times without power, unix seconds, in order.
    """
    height = (orbit(time - 900).zenith * sun_direction(time)).sum(axis=1)
    day = (time - START) / DAY
    weeks = 3.5 * np.sin(2 * np.pi * day / 31 + 2.2) + 1.0 * np.sin(2 * np.pi * day / 9.3)
    latest = np.searchsorted(holes[:, 1], time, side="right") - 1  # -1, before all holes, points at the appended 0
    cold = np.append(_cold(holes), 0.0)[latest]
    stop = np.append(holes[:, 1], 0.0)[latest]
    return np.asarray(32.7 + weeks + 1.2 * height - cold * np.exp(-np.maximum(time - stop, 0) / _WARMING))


def _cold(holes: Array) -> Array:
    """Return the (k,) degrees by which the detector is colder at the end of each hole."""
    levels, cold, before = [], 0.0, -np.inf
    for start, stop in holes:
        cold *= np.exp(-(start - before) / _WARMING)
        cold = _COLD - (_COLD - cold) * np.exp(-(stop - start) / _COOLING)
        levels.append(cold)
        before = stop
    return np.array(levels)


def cosmic_rate(cutoff: Array, cosmic_rays: Array) -> Array:
    """Return the (n,) rate of cosmic rays in the front-end (``fe_cosmic``), Hz.

    Args:
        cutoff: (n,) cutoff rigidity, GV.
        cosmic_rays: (n,) factor on the primary cosmic rays.
    """
    return np.asarray(cosmic_rays * (2450 + 27_500 * np.exp(-cutoff / 2.1) + 2900 * np.exp(-cutoff / 9)))


def cosmic_counts(rays: Array, particles: Array, rng: np.random.Generator) -> Array:
    """Draw (n,) integer counts of one second.

    In the real file, neighbouring rows differ by 1.5 % where only cosmic rays are counted, and by more in spikes.

    Args:
        rays: (n,) rate of cosmic rays, Hz.
        particles: (n,) rate of trapped particles, Hz.
        rng: source of the counts.
    """
    steady, ragged = rng.standard_normal((2, len(rays)))
    return np.asarray(rng.poisson(rays * np.exp(0.015 * steady) + particles * np.exp(0.2 * ragged)), float)


def solar_indices(days: int, rng: np.random.Generator) -> Array:
    """Draw the daily columns ``sun`` and ``sun_spot``.

    Args:
        days: number of calendar days.
        rng: source of the indices; a longer mission drawn from the same state starts with the same days.

    Returns:
        (days, 2): integers from 1 to 97, and a 27-day modulation about 77 in steps of 0.1.
    """
    normal = rng.standard_normal((days, 2))
    sun = np.clip(np.round(np.exp(2.7 + 0.75 * normal[:, 0])), 1, 97)
    rotation = 5.2 * np.sin(2 * np.pi * np.arange(days) / 27)
    return np.stack([sun, np.round(77 + rotation + 1.5 * normal[:, 1], 1)], axis=1)
