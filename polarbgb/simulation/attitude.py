"""The attitude of POLAR: the directions of the axes of the detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import DAY, START, Orbit

Array = NDArray[np.float64]

_TILT = np.radians(11.0)  # of POLAR's axis from the zenith, towards the orbit's normal
_CYCLE, _TURNED, _SLEW = 5.0, 0.85, 0.012  # days: between turns, flown turned, and the turn itself


def detector_axes(place: Orbit, time: Array) -> tuple[Array, Array]:
    """Return POLAR's z and x axes as (n, 3) unit vectors.

    In normal flight the z axis leans 11 degrees from the zenith towards the normal of the orbit, so that its
    declination reaches the 53.8 degrees of the real file, and the x axis lies along the normal, leaning as much
    towards the Earth. For one day in six the platform is turned by 180 degrees about the zenith; during the turns, x
    sweeps the sky.
    """
    yaw = _yaw((time - START) / DAY)[:, None]
    side = np.cos(yaw) * place.normal + np.sin(yaw) * place.forward
    z = np.cos(_TILT) * place.zenith + np.sin(_TILT) * side
    x = np.cos(_TILT) * side - np.sin(_TILT) * place.zenith
    return z, x


def angles(vector: Array) -> tuple[Array, Array]:
    """Return right ascension from 0 to 360 and declination, degrees, of (n, 3) unit vectors."""
    right_ascension = np.degrees(np.arctan2(vector[:, 1], vector[:, 0])) % 360
    return right_ascension, np.degrees(np.arcsin(np.clip(vector[:, 2], -1, 1)))


def _yaw(day: Array) -> Array:
    """Return the angle of the turn about the zenith, radians, at days since the start."""
    phase = day % _CYCLE
    knots = 3.4 + np.array([0.0, _SLEW, _TURNED, _TURNED + _SLEW])
    return np.interp(phase, knots, [0.0, np.pi, np.pi, 2 * np.pi])
