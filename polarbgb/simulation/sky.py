"""Directions in the sky, and their occultation by the Earth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import EARTH_RADIUS, Orbit, days_since_2000

Array = NDArray[np.float64]


def sun_direction(time: Array) -> Array:
    """Return (n, 3) unit vectors to the Sun, by the formula of the Astronomical Almanac, accurate to 0.01 degrees."""
    days = days_since_2000(time)
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    parts = [np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)]
    return np.stack(parts, axis=1)


def sunlit(place: Orbit, time: Array) -> NDArray[np.bool_]:
    """Return the (n,) mask of times at which the Sun is not hidden by the Earth."""
    return above_horizon(place, sun_direction(time))


def above_horizon(place: Orbit, direction: Array) -> NDArray[np.bool_]:
    """Return the (n,) mask of times at which a direction is not hidden by the Earth.

    Args:
        place: of the platform.
        direction: (3,) or (n, 3) unit vector to a distant source.
    """
    dip = np.sqrt(1 - (EARTH_RADIUS / (EARTH_RADIUS + place.altitude)) ** 2)
    return np.asarray((place.zenith * direction).sum(axis=1) > -dip)
