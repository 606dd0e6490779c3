"""Where Tiangong-2 is, how POLAR looks from it, and what the Sun and the Crab do there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EARTH_RADIUS = 6371.2
"""Reference sphere of the geomagnetic field and of the altitude, km."""

START = 1483525445.6197348
"""Time of the first row of POLAR's rate file, unix seconds (2017-01-04)."""

PERIOD = 5535.4
"""Nodal period, s; the length of POLAR's revolutions."""

EARTH_RATE = 360.98564736629
"""Turn of the Earth against the stars, degrees a day (IAU 1982)."""

NODE_DRIFT = -5.97
"""Drift of the ascending node, degrees a day: -9.964 (6378.1 km / a)^3.5 cos(i) for a = 6751 km."""

_INCLINATION = np.radians(42.79)
_START_ARGUMENT = 76.21  # degrees: with the longitude below, the place of the first row of the real file
_START_LONGITUDE = 64.930544  # degrees
_PERIGEE_DRIFT = 6.9  # degrees a day: 4.982 (6378.1 km / a)^3.5 (5 cos(i)^2 - 1)
_TILT = np.radians(11.0)  # of POLAR's axis from the zenith, towards the orbit's normal
_CRAB = np.array([83.633, 22.0145])  # right ascension, declination, degrees
_CRAB_AREA = 3.53  # on axis, in the units of the file (like cm2)


@dataclass(frozen=True)
class Orbit:
    """The platform at a number of times; vectors point in equatorial coordinates of date.

    Attributes:
        glat: (n,) geocentric latitude, degrees.
        glon: (n,) longitude, degrees in [-180, 180).
        altitude: (n,) above a sphere of 6371.2 km, km.
        up: (n,) true where the latitude grows.
        zenith: (n, 3) unit vector from the centre of the Earth to the platform.
        normal: (n, 3) unit vector of the orbital angular momentum.
    """

    glat: Array
    glon: Array
    altitude: Array
    up: NDArray[np.bool_]
    zenith: Array
    normal: Array


def orbit(time: Array) -> Orbit:
    """Place the platform on a circular orbit whose node drifts.

    sin(latitude) = sin(i) sin(u) with the argument of latitude u, growing by 360 degrees a nodal period. The altitude
    follows a small eccentricity whose perigee drifts, the oblate field's second harmonic, and a slow decay.

    Args:
        time: (n,) unix seconds.

    Returns:
        Position, and the vectors that attitude and occultations need.
    """
    days = (time - START) / 86400
    argument = np.radians(_START_ARGUMENT + 360 * (time - START) / PERIOD)
    along, across = np.cos(argument), np.cos(_INCLINATION) * np.sin(argument)
    start = np.radians(_START_ARGUMENT)
    first = np.degrees(np.arctan2(np.cos(_INCLINATION) * np.sin(start), np.cos(start)))
    node = _START_LONGITUDE - first + sidereal_angle(np.array([START]))[0] + NODE_DRIFT * days
    right_ascension = np.degrees(np.arctan2(across, along)) + node
    declination = np.degrees(np.arcsin(np.sin(_INCLINATION) * np.sin(argument)))
    node = np.radians(node)
    normal = np.stack(
        [
            np.sin(_INCLINATION) * np.sin(node),
            -np.sin(_INCLINATION) * np.cos(node),
            np.full_like(node, np.cos(_INCLINATION)),
        ],
        axis=1,
    )
    perigee = np.radians(_PERIGEE_DRIFT * days)
    altitude = 380.5 + 6.5 * np.sin(argument - perigee) + 1.5 * np.cos(2 * argument) - 0.03 * np.minimum(days, 100)
    return Orbit(
        glat=declination,
        glon=(right_ascension - sidereal_angle(time) + 180) % 360 - 180,
        altitude=altitude,
        up=np.cos(argument) > 0,
        zenith=unit_vector(right_ascension, declination),
        normal=normal,
    )


def sidereal_angle(time: Array) -> Array:
    """Return Greenwich mean sidereal time, degrees (not wrapped), for unix seconds; UT1 is taken as UTC."""
    return np.asarray(280.46061837 + EARTH_RATE * _days_since_2000(time))


def sun_direction(time: Array) -> Array:
    """Return the (n, 3) unit vector to the Sun: the Astronomical Almanac's formula, good to .01 degrees."""
    days = _days_since_2000(time)
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


def detector_axes(place: Orbit, time: Array) -> tuple[Array, Array]:
    """Return POLAR's z and x axes as (n, 3) unit vectors.

    The z axis leans 11 degrees from the zenith towards the orbit's normal, by which its declination reaches the 53.8
    degrees of the real file; the x axis lies along the normal, leaning as much towards the Earth. For some days in
    twenty the platform flies turned by 180 degrees.
    """
    day = (time - START) / 86400
    side = np.where(np.abs(day % 20 - 14.5) < 1.25, -1.0, 1.0)[:, None]
    z = np.cos(_TILT) * place.zenith + side * np.sin(_TILT) * place.normal
    x = side * np.cos(_TILT) * place.normal - np.sin(_TILT) * place.zenith
    return z, x


def crab_area(place: Orbit, z: Array) -> Array:
    """Return the effective area towards the Crab, (n,); 0 where the Earth hides it.

    Args:
        place: of the platform.
        z: (n, 3) detector axis.
    """
    crab = unit_vector(_CRAB[0], _CRAB[1])
    return np.where(above_horizon(place, crab), _CRAB_AREA * (0.55 + 0.45 * z @ crab), 0.0)


def unit_vector(right_ascension: Array | float, declination: Array | float) -> Array:
    """Return (..., 3) unit vectors of directions in degrees."""
    ra, dec = np.radians(right_ascension), np.radians(declination)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def angles(vector: Array) -> tuple[Array, Array]:
    """Return right ascension in [0, 360) and declination, degrees, of (n, 3) unit vectors."""
    right_ascension = np.degrees(np.arctan2(vector[:, 1], vector[:, 0])) % 360
    return right_ascension, np.degrees(np.arcsin(np.clip(vector[:, 2], -1, 1)))


def _days_since_2000(time: Array) -> Array:
    return (time - 946728000.0) / 86400  # noon of 2000-01-01
