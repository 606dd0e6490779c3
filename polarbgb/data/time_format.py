"""Conversion of times, in whatever format and scale they are stored, to unix seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from polarbgb.config.times import Scale, TimeFormat
from polarbgb.errors import InputError

_DAY = 86_400.0
_MJD_OF_1970, _JD_OF_1970 = 40_587.0, 2_440_587.5
_GPS_ZERO = 315_964_800.0 + 19.0
"""1980-01-06 UTC, as seconds of TAI since 1970."""
_TT_MINUS_TAI = 32.184
_FIRST = 63_072_000.0
"""Unix seconds of 1972-01-01, when UTC began to differ from TAI by whole seconds."""

_SCALES: dict[str, Scale] = {
    "UTC": "utc", "GMT": "utc", "TAI": "tai", "IAT": "tai", "TT": "tt", "TDT": "tt", "ET": "tt", "TDB": "tdb",
}  # fmt: skip
_UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0, "d": _DAY, "day": _DAY}

_ISO = (
    r"^\s*(?<date>\d{4}-\d{2}-\d{2})(?:[T ](?<hour>[01]\d|2[0-3]):(?<minute>[0-5]\d)"
    r"(?::(?<second>[0-5]\d(?:\.\d*)?|60(?:\.\d*)?))?\s*(?<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?\s*$"
)


def to_unix(values: ArrayLike | pl.Series, settings: TimeFormat, *, where: str = "time") -> NDArray[np.float64]:
    """Convert times to unix seconds.

    Unix seconds count every day as 86,400 s: a leap second has the unix times of the second after it. Values without a
    meaning become NaN: what is not a number or a date, and, apart from ``unix`` and ``milliseconds``, times before
    1972.

    Args:
        values: (n,) numbers; text or dates for ``iso``. Text with numbers is read as numbers for the other formats.
        settings: how the times are stored.
        where: name of the times, for the message.

    Returns:
        (n,) unix seconds (UTC), exact to a microsecond as far as the values are; NaN stays NaN.

    Raises:
        InputError: if there are times, and all of them lie before 1972.

    Example:
        >>> to_unix([57754.0, 57754.5], TimeFormat("mjd")).tolist()
        [1483228800.0, 1483272000.0]
        >>> to_unix(["2017-01-01T00:00:37"], TimeFormat("iso", "tai")).tolist()
        [1483228800.0]
    """
    series = values if isinstance(values, pl.Series) else pl.Series(np.asarray(values))
    if settings.format == "iso" or series.dtype.is_temporal():
        seconds, zoned = _calendar_seconds(series)
        unix = np.where(zoned, seconds, _from_scale(seconds, settings.scale))
    else:
        numbers = numbers_of(series)
        match settings.format:
            case "unix":
                return numbers
            case "milliseconds":
                return numbers / 1000.0
            case "gps":
                unix = _from_tai(numbers + _GPS_ZERO)
            case "mjd":
                unix = _from_scale((numbers - _MJD_OF_1970) * _DAY, settings.scale)
            case "jd":
                unix = _from_scale((numbers - _JD_OF_1970) * _DAY, settings.scale)
            case _:
                unix = _since_reference(numbers, settings)
    early = unix < _FIRST
    if early.any() and not (unix >= _FIRST).any():
        raise InputError(
            f"{where}: read as {settings}, every time lies before 1972, the first at {np.nanmin(unix):.10g} s of unix "
            "time; correct time_format or time_reference"
        )
    return np.where(early, np.nan, unix)


def from_fits_keywords(
    reference_mjd: tuple[float, float], *, zero: float = 0.0, scale: str = "UTC", unit: str = "s"
) -> TimeFormat:
    """Return how the times of an OGIP FITS table are stored.

    Args:
        reference_mjd: MJDREFI and MJDREFF, or MJDREF and 0.
        zero: TIMEZERO, in units of TIMEUNIT.
        scale: TIMESYS; a realisation in parentheses, as in ``TT(TAI)``, is ignored.
        unit: TIMEUNIT.

    Returns:
        Settings of format ``met``, or ``unix`` where the header describes unix seconds: UTC since 1970, which is
        written by programs that count no leap seconds.

    Raises:
        InputError: if the scale or the unit is not known.

    Example:
        >>> from_fits_keywords((51910, 0.5), scale="TT").reference
        (51910.0, 0.5)
    """
    name = re.sub(r"\(.*\)", "", scale).strip().upper() or "UTC"
    if name not in _SCALES:
        raise InputError(f"TIMESYS = '{scale}' is not a scale that can be converted; it must be {', '.join(_SCALES)}")
    if unit.strip() not in _UNITS:
        raise InputError(f"TIMEUNIT = '{unit}' is not known; it must be {', '.join(_UNITS)}")
    seconds, kept = _UNITS[unit.strip()], _SCALES[name]
    whole, fraction = map(float, reference_mjd)
    if kept == "utc" and whole + fraction == _MJD_OF_1970 and seconds == 1 and zero == 0:
        return TimeFormat("unix")
    if kept == "utc":  # elapsed time counts leap seconds, so it can be added to the reference in TAI only
        fraction, kept = fraction + _leap_offset((whole + fraction - _MJD_OF_1970) * _DAY) / _DAY, "tai"
    return TimeFormat("met", kept, (whole, fraction + zero * seconds / _DAY), seconds)


def numbers_of(series: pl.Series) -> NDArray[np.float64]:
    """Return the (n,) values as numbers, also those written as text; NaN where there is none."""
    if series.dtype == pl.String:
        series = series.str.strip_chars()
    return np.asarray(series.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(), np.float64)


def _calendar_seconds(series: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return dates as seconds since 1970 of days of 86,400 s, and whether each states its time zone."""
    if series.dtype.is_temporal():
        zoned = getattr(series.dtype, "time_zone", None) is not None
        microseconds = series.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64).fill_null(np.nan)
        return microseconds.to_numpy() / 1e6, np.full(len(series), zoned)
    if series.dtype != pl.String:
        series = pl.Series([value if isinstance(value, str) else None for value in series], dtype=pl.String)
    parts = series.str.extract_groups(_ISO).struct.unnest()
    days = pl.col("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    hour, minute, second = (pl.col(part).cast(pl.Float64).fill_null(0.0) for part in ("hour", "minute", "second"))
    digits = pl.col("zone").str.replace(":", "")
    east = (digits.str.slice(1, 2).cast(pl.Float64, strict=False) * 3600.0) + (
        digits.str.slice(3, 2).cast(pl.Float64, strict=False) * 60.0
    )
    offset = pl.when(digits.str.starts_with("-")).then(-east).otherwise(east).fill_null(0.0)
    seconds = days * _DAY + hour * 3600.0 + minute * 60.0 - offset + second
    found = parts.select(seconds=seconds.fill_null(np.nan), zoned=pl.col("zone").is_not_null())
    return found["seconds"].to_numpy(), found["zoned"].to_numpy()


def _since_reference(numbers: NDArray[np.float64], settings: TimeFormat) -> NDArray[np.float64]:
    zero, scale = _reference_seconds(settings)
    elapsed = numbers * settings.unit
    if scale == "utc":
        return _from_tai(elapsed + zero + _leap_offset(zero))
    return _from_scale(elapsed + zero, scale)


def _reference_seconds(settings: TimeFormat) -> tuple[float, Scale]:
    """Return the reference as seconds since 1970 of days of 86,400 s in a scale, and that scale."""
    reference = settings.reference
    if isinstance(reference, str):
        moment = datetime.fromisoformat(reference)
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        return seconds, settings.scale if moment.tzinfo is None else "utc"
    whole, fraction = reference if isinstance(reference, tuple) else (reference or 0.0, 0.0)
    return (whole - _MJD_OF_1970) * _DAY + fraction * _DAY, settings.scale


def _from_scale(seconds: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Return unix seconds from seconds since 1970 of days of 86,400 s in a scale."""
    match scale:
        case "utc":
            return seconds
        case "tai":
            return _from_tai(seconds)
        case "tt":
            return _from_tai(seconds - _TT_MINUS_TAI)
        case "tdb":
            return _from_tai(seconds - _TT_MINUS_TAI - _tdb_minus_tt(seconds))


def _from_tai(tai: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unix seconds from seconds of TAI since 1970, rightly from 1972 on."""
    start, offset = _leap_seconds()
    step = np.searchsorted(start + offset, tai, side="right") - 1
    return np.asarray(tai - offset[np.maximum(step, 0)])


def _leap_offset(unix: float) -> float:
    """Return TAI - UTC, s.

    Raises:
        InputError: before 1972, when it was not a whole number.
    """
    start, offset = _leap_seconds()
    step = int(np.searchsorted(start, unix, side="right")) - 1
    if step < 0:
        raise InputError(
            "the reference of the times lies before 1972, when UTC had no leap seconds; give it in another "
            'time_scale ("tt", "tai")'
        )
    return float(offset[step])


def _offline() -> Any:  # noqa: ANN401 - astropy has no types
    """Return a context in which astropy neither downloads tables nor complains of their age."""
    from contextlib import ExitStack

    from astropy.utils import iers

    stack = ExitStack()
    stack.enter_context(iers.conf.set_temp("auto_download", False))
    stack.enter_context(iers.conf.set_temp("auto_max_age", None))
    return stack


@cache
def _leap_seconds() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unix times from 1972 on at which TAI - UTC changed, and its values (s), from astropy's table."""
    from astropy.utils import iers

    with _offline():
        table = iers.LeapSeconds.from_iers_leap_seconds()
    months = (np.asarray(table["year"], np.int64) - 1970) * 12 + np.asarray(table["month"], np.int64) - 1
    start = months.astype("datetime64[M]").astype("datetime64[s]").astype(np.float64)
    since = start >= _FIRST
    return start[since], np.asarray(table["tai_utc"], np.float64)[since]


def _tdb_minus_tt(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return TDB - TT (s, below 2 ms), interpolated between days, which is exact to 0.1 us."""
    from astropy.time import Time

    day = np.unique(np.floor(seconds[np.isfinite(seconds)] / _DAY))
    if not len(day):
        return np.zeros_like(seconds)
    day = np.unique(np.concatenate([day, day + 1]))
    with _offline():
        tdb = Time(_MJD_OF_1970, day, format="mjd", scale="tdb")
        tt = tdb.tt
    return np.asarray(np.interp(seconds, day * _DAY, ((tdb.jd1 - tt.jd1) + (tdb.jd2 - tt.jd2)) * _DAY))
