"""Features of the position: orbital phase, local time, elevation of the Sun and geomagnetic coordinates."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Position

_MOMENT = 29_900.0
"""nT times cubed Earth radii: the Earth's dipole of 2017 (IGRF-13). Its slow change does not matter to trees."""

Array = NDArray[np.float64]


PLACE_NAMES = ("orbital_phase", "local_time", "sun_elevation")
FIELD_NAMES = ("field_strength", "magnetic_latitude", "l_shell")

POSITION_GROUPS = dict(zip(PLACE_NAMES, ("orbit", "Sun", "Sun"), strict=True)) | dict.fromkeys(FIELD_NAMES, "field")
"""Group of each feature of the position."""


def position_names(position: Position | None) -> tuple[str, ...]:
    """Return the names of the features of the position, in order; none without a position."""
    if position is None:
        return ()
    return (*PLACE_NAMES, *FIELD_NAMES) if position.field else PLACE_NAMES


def position_features(frame: pl.DataFrame, time: Array, segment: NDArray[np.int32], position: Position) -> list[Array]:
    """Compute the features of the position.

    - ``orbital_phase`` (degrees, -90 to 270 from the southernmost point): the argument of latitude. Rates repeat from
      revolution to revolution, and differ between northward and southward passes.
    - ``local_time`` (h): mean solar time, on which airglow, thermal state and the sunlit belts depend.
    - ``sun_elevation`` (degrees above the plane normal to the zenith; the horizon lies about 20 below): day and night.
    - ``field_strength`` (nT): low in the anomaly.
    - ``magnetic_latitude`` (degrees): of a dipole with the inclination measured here, tan I = 2 tan(latitude).
    - ``l_shell`` (Earth radii): r/cos(latitude)**2 with r the distance at which such a dipole has this field strength.
      Trapped particles stay on shells of constant L, and the cutoff rigidity of cosmic rays is 14.5 GV/L**2 (Smart &
      Shea 2005, Adv. Space Res. 36, 2012), so that trees do not need it as a further feature.

    Args:
        frame: the usable rows, with the columns that ``position`` names.
        time: (rows,) unix seconds, increasing.
        segment: (rows,) segment of each row.
        position: names the columns.

    Returns:
        One (rows,) array for each of :func:`position_names`; NaN where a column has no value.
    """
    columns = {name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in position.columns}
    latitude, longitude = columns[position.latitude], columns[position.longitude]
    features = [
        _orbital_phase(latitude, segment),
        (time / 3600 + longitude / 15) % 24,
        _sun_elevation(latitude, longitude, time),
    ]
    if position.field:
        features += magnetic(*(columns[name] for name in position.field))
    return features


def magnetic(radial: Array, southward: Array, eastward: Array | float = 0.0) -> tuple[Array, Array, Array]:
    """Return the (rows,) field strength (nT), latitude (degrees) and shell L (Earth radii) of a local dipole.

    Args:
        radial: (rows,) component of the field away from the Earth's centre, nT.
        southward: (rows,) component along growing colatitude, nT.
        eastward: (rows,) component eastward, nT; 0 if it is not known, which matters little away from the poles.

    Example:
        >>> strength, latitude, shell = magnetic(np.array([0.0]), np.array([-29900.0]))
        >>> latitude.item(), shell.item()
        (0.0, 1.0)
    """
    horizontal = np.hypot(southward, eastward)
    strength = np.hypot(horizontal, radial)
    latitude = np.arctan2(-radial, 2 * horizontal)
    with np.errstate(divide="ignore"):
        distance = np.cbrt(_MOMENT * np.sqrt(1 + 3 * np.sin(latitude) ** 2) / strength)
        shell = distance / np.cos(latitude) ** 2
    return strength, np.degrees(latitude) + 0.0, shell


def _orbital_phase(latitude: Array, segment: NDArray[np.int32]) -> Array:
    """Return the argument of latitude: its sine is latitude over the largest latitude."""
    # Latitude may be constant for some rows: the direction is that of the last change in the segment.
    change = np.diff(latitude, prepend=latitude[:1])
    change[np.diff(segment, prepend=segment[:1]) != 0] = 0.0
    steps = pl.DataFrame(
        {"segment": segment, "sign": np.where((change == 0) | np.isnan(change), np.nan, np.sign(change))}
    )
    sign = pl.col("sign").fill_nan(None)
    north = steps.select((sign.forward_fill().over("segment")).fill_null(sign.backward_fill().over("segment")) > 0)
    top = np.nanmax(np.abs(latitude)) if np.isfinite(latitude).any() else np.nan
    rising = np.degrees(np.arcsin(latitude / top)) if top > 0 else np.zeros_like(latitude)
    return np.where(north.to_series().fill_null(value=True).to_numpy(), rising, 180.0 - rising)


def _sun_elevation(latitude: Array, longitude: Array, time: Array) -> Array:
    """Return the Sun's elevation, degrees, from its direction in the Earth's frame every ten minutes (astropy)."""
    from astropy.coordinates import ITRS, get_sun
    from astropy.time import Time
    from astropy.utils import iers
    from astropy.utils.exceptions import AstropyWarning

    if not len(time):
        return np.empty(0)
    # Only the part of the grid beside rows, because one outlier in time would extend it over decades.
    step = np.floor((time - time[0]) / 600.0)
    grid = time[0] + 600.0 * np.unique(np.concatenate([step, step + 1]))
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        warnings.catch_warnings(),
    ):
        # Outside the table of the Earth's rotation astropy warns of errors far below a degree.
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.filterwarnings("ignore", message="ERFA function")  # years whose leap seconds are not known yet
        moments = Time(grid, format="unix")
        sun = get_sun(moments).transform_to(ITRS(obstime=moments)).cartesian.xyz.value
    sun = sun / np.linalg.norm(sun, axis=0)
    north, east = np.radians(latitude), np.radians(longitude)
    zenith = (np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north))
    sine = sum(up * np.interp(time, grid, towards) for up, towards in zip(zenith, sun, strict=True))
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1, 1))))
