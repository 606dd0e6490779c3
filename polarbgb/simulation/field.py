"""The geomagnetic field along an orbit, and the quantities of cosmic rays that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import EARTH_RADIUS

Array = NDArray[np.float64]

_STEP = 2.0  # degrees
_LATITUDES = np.arange(-54.0, 54.1, _STEP)  # wider than the orbit, so that no spline ends where it is used
_LONGITUDES = np.arange(-200.0, 200.1, _STEP)
_ALTITUDES = np.array([365.0, 395.0])  # km; between them the field is linear to 2 nT


@dataclass(frozen=True)
class Field:
    """IGRF of one date on a grid over low latitudes.

    Attributes:
        splines: (2 altitudes, 3 components, latitudes, longitudes) coefficients of cubic splines.
    """

    splines: Array

    def at(self, glat: Array, glon: Array, altitude: Array) -> Array:
        """Interpolate the field: cubic over the sphere, linear in altitude, within 10 nT of IGRF.

        Args:
            glat: (n,) geocentric latitude within 45 degrees of the equator.
            glon: (n,) longitude, degrees in [-180, 180].
            altitude: (n,) above 6371.2 km, km.

        Returns:
            (3, n) B_r (up), B_theta (south), B_phi (east), nT.
        """
        from scipy.ndimage import map_coordinates

        where = np.stack([(glat - _LATITUDES[0]) / _STEP, (glon - _LONGITUDES[0]) / _STEP])
        low, high = (
            np.stack([map_coordinates(spline, where, prefilter=False) for spline in level]) for level in self.splines
        )
        fraction = (altitude - _ALTITUDES[0]) / (_ALTITUDES[1] - _ALTITUDES[0])
        return np.asarray(low + (high - low) * fraction)


def igrf(time: float) -> Field:
    """Compute the field grid of one date.

    Args:
        time: unix seconds; IGRF changes by less than 0.5 % per year.

    Returns:
        Geocentric spherical components of the International Geomagnetic Reference Field, computed by ppigrf.
    """
    import ppigrf
    from scipy.ndimage import spline_filter

    date = datetime.fromtimestamp(time, UTC).replace(tzinfo=None)
    radius, latitude, longitude = np.meshgrid(EARTH_RADIUS + _ALTITUDES, _LATITUDES, _LONGITUDES, indexing="ij")
    components = ppigrf.igrf_gc(radius, 90 - latitude, longitude, date)
    levels = np.stack([component[0] for component in components], axis=1)
    return Field(np.stack([[spline_filter(grid) for grid in level] for level in levels]))


def cutoff_rigidity(field: Array, altitude: Array) -> Array:
    """Return the vertical geomagnetic cutoff, GV.

    This is the formula of Stoermer, 14.9 GV cos(m)^4 / r^2 at radius r (Earth radii), with the magnetic latitude m of a
    dipole field with the same dip: tan(m) = |B_r| / (2 B_horizontal).

    Args:
        field: (3, n) from :meth:`Field.at`, nT.
        altitude: (n,) km.
    """
    return np.asarray(14.9 * _cosine_squared(field) ** 2 / (1 + altitude / EARTH_RADIUS) ** 2)


def shell(field: Array, altitude: Array) -> Array:
    """Return the dipole shell parameter L = r / cos(m)^2, Earth radii; arguments as :func:`cutoff_rigidity`."""
    return np.asarray((1 + altitude / EARTH_RADIUS) / _cosine_squared(field))


def _cosine_squared(field: Array) -> Array:
    horizontal_squared = field[1] ** 2 + field[2] ** 2
    return np.asarray(1 / (1 + field[0] ** 2 / (4 * horizontal_squared)))
