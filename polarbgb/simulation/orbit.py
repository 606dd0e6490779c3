"""The orbit of Tiangong-2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EARTH_RADIUS = 6371.2
"""Reference sphere of the geomagnetic field and of the altitude, km."""

START = 1483525445.6197348
"""Time of the first row of POLAR's rate file, unix seconds (2017-01-04)."""

PERIOD = 5535.4
"""Period by which the revolutions in the file of POLAR are numbered, s; the orbit was slightly shorter."""

LEGS = ((0.0, 5516.6, -0.0625), (61.2, 5524.0, -0.0625), (130.0, 5519.7, 0.0))
"""Day of the mission, nodal period (s) and its change (s per day): the orbit decays, and was raised in the gap of 6.6
days.

Fitted so that the 24 known bursts of the file, and 6,440 times in its published intervals before the gap, lie outside
the anomaly: 0.2 % of these are inside, against 19 % with ``PERIOD``. The last leg keeps longer missions in orbit.
"""

DAY = 86400.0
"""s."""

EARTH_RATE = 360.98564736629
"""Rotation of the Earth against the stars, degrees per day (IAU 1982)."""

NODE_DRIFT = -5.986
"""Drift of the ascending node, degrees per day: -9.964 (6378.1 km / a)^3.5 cos(i) for a = 6753.5 km."""

_INCLINATION = np.radians(42.79)
_START_ARGUMENT = 76.21  # degrees; with the longitude below, the position of the first row of the real file
_START_LONGITUDE = 64.930544  # degrees
_PERIGEE_DRIFT = 6.9  # degrees per day: 4.982 (6378.1 km / a)^3.5 (5 cos(i)^2 - 1)


@dataclass(frozen=True)
class Orbit:
    """Position of the platform at (n,) times; vectors are in equatorial coordinates of date.

    Attributes:
        glat: (n,) geocentric latitude, degrees.
        glon: (n,) longitude, degrees in [-180, 180).
        altitude: (n,) km above a sphere of radius 6371.2 km.
        up: (n,) true where the latitude increases.
        zenith: (n, 3) unit vector from the centre of the Earth to the platform.
        normal: (n, 3) unit vector of the orbital angular momentum.
    """

    glat: Array
    glon: Array
    altitude: Array
    up: NDArray[np.bool_]
    zenith: Array
    normal: Array

    @cached_property
    def forward(self) -> Array:
        """(n, 3) unit vector along the direction of flight."""
        return np.cross(self.normal, self.zenith)


def orbit(time: Array) -> Orbit:
    """Return the position on a circular orbit whose node drifts.

    sin(latitude) = sin(i) sin(u) with the argument of latitude u, which grows by 360 degrees per nodal period. The
    altitude depends on the period, a small eccentricity whose perigee drifts, and the flattening of the Earth: the
    height above the ellipsoid goes as -4.9 km cos(2u), of which the oblateness of the orbit cancels 0.7 km.

    Args:
        time: (n,) unix seconds.

    Returns:
        The position, and the vectors that attitude and occultations need.
    """
    days = (time - START) / DAY
    turns, period = _turns(days)
    argument = np.radians(_START_ARGUMENT + 360 * turns)
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
    altitude = _mean_altitude(period) + 4.4 * np.sin(argument - perigee) - 4.2 * np.cos(2 * argument)
    return Orbit(
        glat=declination,
        glon=(right_ascension - sidereal_angle(time) + 180) % 360 - 180,
        altitude=altitude,
        up=np.cos(argument) > 0,
        zenith=unit_vector(right_ascension, declination),
        normal=normal,
    )


def _turns(day: Array) -> tuple[Array, Array]:
    """Return the number of nodal periods since the start, and the period (s), at (n,) days of the mission."""
    start, period, slope = np.array(LEGS).T

    def within(leg: NDArray[np.int64], after: Array) -> Array:
        seconds = DAY * after
        return np.asarray(seconds / period[leg] * (1 - slope[leg] * after / (2 * period[leg])))

    whole = within(np.arange(len(start) - 1), np.diff(start))
    before = np.concatenate([[0.0], np.cumsum(whole)])
    leg = np.maximum(np.searchsorted(start, day, side="right") - 1, 0)
    after = day - start[leg]
    return before[leg] + within(leg, after), period[leg] + slope[leg] * after


def _mean_altitude(period: Array) -> Array:
    """Return the mean altitude, km, by Kepler's third law, scaled to the column of the file (mean 379.8 km)."""
    return 380.6 + 2 / 3 * 6755 * (period / 5516.6 - 1)


def sidereal_angle(time: Array) -> Array:
    """Return Greenwich mean sidereal time, degrees (not wrapped), for unix seconds; UT1 is taken as UTC."""
    return np.asarray(280.46061837 + EARTH_RATE * days_since_2000(time))


def unit_vector(right_ascension: Array | float, declination: Array | float) -> Array:
    """Return (..., 3) unit vectors of directions in degrees."""
    ra, dec = np.radians(right_ascension), np.radians(declination)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def days_since_2000(time: Array) -> Array:
    """Return days since noon of 2000-01-01 for unix seconds."""
    return (time - 946728000.0) / DAY
