"""Slow readings that come with the rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import START, orbit, sun_direction

Array = NDArray[np.float64]


def temperature(time: Array) -> Array:
    """Return the detector's temperature, degrees C, at (n,) unix seconds.

    It swings over weeks, and over each orbit a quarter of an hour behind the Sun's height.
    """
    height = (orbit(time - 900).zenith * sun_direction(time)).sum(axis=1)
    weeks = np.sin(2 * np.pi * (time - START) / (23 * 86400) + 0.5)
    return np.asarray(32.4 + 2.9 * weeks + 1.4 * height)


def cosmic_counts(cutoff: Array, particles: Array, rng: np.random.Generator) -> Array:
    """Draw the front-end's counts of charged particles in a second (``fe_cosmic``).

    Args:
        cutoff: (n,) rigidity, GV, which cosmic rays must exceed.
        particles: (n,) any-bar rate of trapped particles, Hz: the front-end sees them too, but no burst.
        rng: source of the counts.

    Returns:
        (n,) counts.
    """
    return rng.poisson(2600 + 26000 * np.exp(-cutoff / 2.8) + 0.6 * particles).astype(float)


def solar_indices(days: int, rng: np.random.Generator) -> Array:
    """Draw the daily columns ``sun`` and ``sun_spot``.

    Args:
        days: how many days of the calendar.
        rng: a longer mission drawn from the same state starts with the same days.

    Returns:
        (days, 2): integers from 1 to 97, and a rotation of 27 days about 77 in steps of .1.
    """
    normal = rng.standard_normal((days, 2))
    sun = np.clip(np.round(np.exp(2.7 + 0.75 * normal[:, 0])), 1, 97)
    rotation = 5.2 * np.sin(2 * np.pi * np.arange(days) / 27)
    return np.stack([sun, np.round(77 + rotation + 1.5 * normal[:, 1], 1)], axis=1)
