"""What stands in the sky, and what the Earth hides of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import EARTH_RADIUS, Orbit, days_since_2000

Array = NDArray[np.float64]


def sun_direction(time: Array) -> Array:
    """Return the (n, 3) unit vector to the Sun: the Astronomical Almanac's formula, good to .01 degrees."""
    days = days_since_2000(time)
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    parts = [np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)]
    return np.stack(parts, axis=1)


def sunlit(place: Orbit, time: Array) -> NDArray[np.bool_]:
    """Return whether the Earth leaves the Sun in view, (n,)."""
    return above_horizon(place, sun_direction(time))


def above_horizon(place: Orbit, direction: Array) -> NDArray[np.bool_]:
    """Return whether the Earth's sphere leaves a direction in view, (n,).

    Args:
        place: of the platform.
        direction: (3,) or (n, 3) unit vector to a far source.
    """
    dip = np.sqrt(1 - (EARTH_RADIUS / (EARTH_RADIUS + place.altitude)) ** 2)
    return np.asarray((place.zenith * direction).sum(axis=1) > -dip)
