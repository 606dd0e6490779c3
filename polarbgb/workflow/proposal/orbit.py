"""Which columns are the position and the magnetic field, and how long an orbit is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.workflow.proposal.names import words

Array = NDArray[np.float64]

_LATITUDE = {"lat", "latitude", "glat", "geolat", "sclat", "latgeo"}
_LONGITUDE = {"lon", "long", "longitude", "glon", "lng", "geolon", "sclon", "longeo"}
_ALTITUDE = {"alt", "altitude", "height"}
_OTHER_PLACES = {"mag", "magnetic", "gal", "galactic", "sun", "solar", "moon", "ecl", "target", "source", "zenith"}
"""Words beside which a latitude is not that of the satellite over the Earth."""

_FIELD = ({"r", "radial", "up"}, {"theta", "south"}, {"phi", "east"})

_SHORTEST = 1800.0
"""Shorter than any orbit around the Earth, s."""

_SEEN = 60.0
"""Largest distance of rows between which a crossing of the equator is taken for seen, s."""


@dataclass(frozen=True)
class Place:
    """The position of the satellite.

    Attributes:
        settings: the section position; empty if latitude or longitude is missing.
        field: columns of the magnetic field, whatever its unit.
        checks: what could not be decided.
    """

    settings: dict[str, str | list[str]]
    field: tuple[str, ...]
    checks: tuple[str, ...]


def choose_position(columns: Mapping[str, Array]) -> Place:
    """Return the columns of the position by their names and the range of their values.

    Args:
        columns: (rows,) scalars by name.
    """
    checks: list[str] = []

    def called(meaning: set[str], fits: Callable[[float, float], bool], unit: str) -> str | None:
        for name, values in columns.items():
            said = {*words(name), "".join(words(name))}
            if not said & meaning or said & _OTHER_PLACES:
                continue
            finite = values[np.isfinite(values)]
            if len(finite) and fits(float(finite.min()), float(finite.max())):
                return name
            extent = f"{finite.min():.4g} to {finite.max():.4g}" if len(finite) else "no number"
            checks.append(f"'{name}' is {extent}, which is not {unit}; derive a column that is, and name it here.")
        return None

    def is_latitude(low: float, high: float) -> bool:
        return -90 <= low <= high <= 90 and not (1 < high - low <= np.pi)

    def is_longitude(low: float, high: float) -> bool:
        return (-180.01 <= low <= high <= 180.01 or 0 <= low <= high <= 360.01) and high - low > 6.3

    latitude = called(_LATITUDE, is_latitude, "degrees north")
    longitude = called(_LONGITUDE, is_longitude, "degrees east, -180 to 180 or 0 to 360")
    altitude = called(_ALTITUDE, lambda low, high: 100 <= low <= high < 100_000, "km above the ground")
    field = _field(columns)
    if latitude is None or longitude is None:
        missing = " and ".join(
            kind for kind, name in (("latitude", latitude), ("longitude", longitude)) if name is None
        )
        return Place({}, field, (f"no column was found for {missing}.", *checks))
    settings: dict[str, str | list[str]] = {"latitude": latitude, "longitude": longitude}
    if altitude is not None:
        settings["altitude"] = altitude
    if len(field) > 1:
        strongest = float(np.nanmax(np.abs([columns[name] for name in field])))
        if 5_000 < strongest < 100_000:
            settings["field"] = list(field)
        else:
            checks.append(f"{', '.join(field)} are up to {strongest:.3g}, which is not nT; derive columns in nT.")
    return Place(settings, field, tuple(checks))


def _field(columns: Mapping[str, Array]) -> tuple[str, ...]:
    """Return the components of the field, radial, southward and eastward, up to the first that is missing."""
    found: list[str] = []
    for meaning in _FIELD:
        name = next((name for name in columns if _component(name) in meaning), None)
        if name is None or not np.isfinite(columns[name]).any():
            break
        found.append(name)
    return tuple(found)


def _component(name: str) -> str | None:
    """Return the component that a column of the magnetic field holds: ``B_r``, ``Btheta`` and ``mag.b_phi``."""
    match = re.fullmatch(r"(?:.*[^A-Za-z])?[Bb](?:mag|field)?_?(r|radial|up|theta|south|phi|east)", name)
    return match[1] if match else None


def period_of(time: Array, latitude: Array) -> float | None:
    """Return the orbital period in s from the times at which the latitude becomes positive; None if there are too few.

    Crossings within gaps are left out; those on either side of them are whole periods apart.

    Args:
        time: (rows,) unix s, increasing.
        latitude: (rows,) or another column that changes sign once per orbit.
    """
    up = np.flatnonzero((latitude[:-1] < 0) & (latitude[1:] >= 0) & (np.diff(time) <= _SEEN))
    share = latitude[up] / (latitude[up] - latitude[up + 1])
    crossing = time[up] + share * (time[up + 1] - time[up])
    apart = np.diff(crossing)
    apart = apart[apart > _SHORTEST]
    if len(apart) < 2:
        return None
    shortest = float(np.quantile(apart, 0.1, method="higher"))
    orbits = np.round(apart / shortest)
    near = (orbits <= 20) & (np.abs(apart / shortest - orbits) < 0.1 * orbits)
    return float(round(np.median(apart[near] / orbits[near])))
