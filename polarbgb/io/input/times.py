"""What the header of a FITS table says about its times, and its good time intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError
from polarbgb.io.input.damage import damage_reported
from polarbgb.io.input.fits import SUFFIXES, is_gti, open_file, table_number

_JD_OF_MJD = (2400000, 0.5)

_UNITS: Mapping[str, Literal["s", "d"]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}

_SECONDS = {"s": 1.0, "d": 86400.0}


@dataclass(frozen=True)
class TimeKeywords:
    """What a header says about the times of its table: ``time = reference + (TIME + zero) * unit`` in a scale.

    Attributes:
        reference_mjd: modified Julian date of the reference, in the scale: whole days and the rest of a day, which
            together keep nanoseconds; None if the header has none.
        zero: added to the times of the table, in the unit.
        scale: ``"utc"``, ``"tt"``, ``"tai"`` or whatever else the header states, in lower case; ``"utc"`` without a
            statement, as the standard says.
        unit: ``"s"`` or ``"d"``.
    """

    reference_mjd: tuple[float, float] | None
    zero: float
    scale: str
    unit: Literal["s", "d"]


def time_keywords(path: Path, tree: str | None) -> TimeKeywords | None:
    """Return what the header of a table, or else the primary header, says about its times.

    The keywords are MJDREF, or MJDREFI and MJDREFF (or JDREF and its parts), TIMEZERO, or TIMEZERI and TIMEZERF,
    TIMESYS and TIMEUNIT.

    Args:
        path: the file.
        tree: name or number of the table; as in :func:`polarbgb.io.input.read_columns`.

    Returns:
        The keywords; None if the file is not FITS.

    Raises:
        InputError: if the file or the table is missing or damaged, or a keyword is not understood.
    """
    if not _is_fits(path):
        return None
    with open_file(path) as hdus:
        return _of(path, hdus[table_number(path, hdus, tree)].header, hdus[0].header)


def good_times(path: Path, tree: str | None = None) -> NDArray[np.float64] | None:
    """Return the good time intervals of a FITS file.

    Of several extensions with such intervals the first is taken.

    Args:
        path: the file.
        tree: name or number of the table whose times the intervals belong to.

    Returns:
        (n, 2) starts and stops in the time of the table, of which TIMEZERO, the reference and the unit may differ from
        those of the extension; None if the file is not FITS or holds none.

    Raises:
        InputError: if the file or the table is missing or damaged, or the intervals cannot be related to the table.
    """
    if not _is_fits(path):
        return None
    with open_file(path) as hdus:
        found = [hdu for hdu in hdus[1:] if is_gti(hdu) and hasattr(hdu, "columns")]
        if not found:
            return None
        with damage_reported(path):
            names = {name.upper(): name for name in found[0].columns.names}
            if not {"START", "STOP"} <= set(names):
                raise InputError(f"{path}: extension '{found[0].name}' has no columns START and STOP; recreate it")
            intervals = np.stack(
                [np.asarray(found[0].data[names[key]], np.float64) for key in ("START", "STOP")], axis=1
            )
        theirs = _of(path, found[0].header, hdus[0].header)
        ours = _of(path, hdus[table_number(path, hdus, tree)].header, hdus[0].header)
    if theirs == ours:
        return intervals
    if theirs.scale != ours.scale:
        raise InputError(
            f"{path}: the good time intervals are in {theirs.scale.upper()}, the table in {ours.scale.upper()} "
            "(TIMESYS); recreate the file with one of them"
        )
    seconds = (intervals + theirs.zero) * _SECONDS[theirs.unit] + _between(theirs, ours)
    return seconds / _SECONDS[ours.unit] - ours.zero


def _between(a: TimeKeywords, b: TimeKeywords) -> float:
    """Return the time between two references, s; 0 if one is not stated."""
    if a.reference_mjd is None or b.reference_mjd is None:
        return 0.0
    days = [x - y for x, y in zip(a.reference_mjd, b.reference_mjd, strict=True)]
    return days[0] * 86400 + days[1] * 86400


def _is_fits(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _of(path: Path, header: Any, primary: Any) -> TimeKeywords:  # noqa: ANN401 - astropy has no types
    def stated(key: str) -> Any:  # noqa: ANN401
        return header.get(key, primary.get(key))

    def number(*keys: str) -> tuple[float, float] | None:
        """Return the whole and the rest of the first keyword that is stated, which may be in two parts."""
        for key in keys:
            parts = (
                (stated(f"{key}I"), stated(f"{key}F"))
                if key != "TIMEZERO"
                else (stated("TIMEZERI"), stated("TIMEZERF"))
            )
            values = [part for part in parts if part is not None] or [stated(key)]
            if values == [None]:
                continue
            try:
                whole = [divmod(float(value), 1) for value in values]
            except (TypeError, ValueError) as error:
                raise InputError(f"{path}: {key} is {values!r}, not a number; correct the header") from error
            return sum(days for days, _ in whole), sum(rest for _, rest in whole)
        return None

    reference = number("MJDREF")
    if reference is None and (julian := number("JDREF")) is not None:
        reference = (julian[0] - _JD_OF_MJD[0], julian[1] - _JD_OF_MJD[1])
    unit = str(stated("TIMEUNIT") or "s").strip()
    if unit.lower() not in _UNITS:
        raise InputError(f"{path}: TIMEUNIT is '{unit}'; only s and d are understood, correct the header")
    scale = str(stated("TIMESYS") or "utc").strip().lower()
    return TimeKeywords(reference, sum(number("TIMEZERO") or (0.0, 0.0)), scale, _UNITS[unit.lower()])
