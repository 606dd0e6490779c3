"""How times are stored: their format, their scale and their reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

Format = Literal["unix", "milliseconds", "mjd", "jd", "met", "gps", "iso"]
Scale = Literal["utc", "tt", "tai", "tdb"]

_IN_SCALE = ("mjd", "jd", "met", "iso")
"""Formats whose values can be in any scale; the others are defined in one."""


def _reference(value: object) -> object:
    """Accept a date, which TOML may write without quotes, or a Modified Julian Date."""
    if isinstance(value, date):
        return value.isoformat()
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if number or value is None:
        return value
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError('write a date such as "2001-01-01T00:00:00", or an MJD') from None
    return value


def _meaningful(value: object, info: ValidationInfo) -> object:
    """Accept a setting that goes with the ``time_format`` beside it."""
    require_meaning(str(info.field_name), value, info.data.get("time_format"))
    return value


StoredFormat = Annotated[
    Format,
    Field(
        description="format of the time: unix seconds, unix milliseconds, days (mjd, jd), seconds since "
        "time_reference with leap seconds counted (met, mission elapsed time), GPS seconds, or dates as text (iso)"
    ),
]
StoredScale = Annotated[
    Scale, AfterValidator(_meaningful), Field(description="scale of mjd, jd, iso and of time_reference")
]
StoredReference = Annotated[
    str | float | None,
    BeforeValidator(_reference),
    AfterValidator(_meaningful),
    Field(description="zero of met in time_scale: a date (in UTC if it ends with Z) or an MJD", validate_default=True),
]


def require_meaning(key: str, value: object, form: Format | None) -> None:
    """Check that a key of the time goes with the format.

    Args:
        key: ``time_scale`` or ``time_reference``.
        value: of the key.
        form: the format; None if it is not known.

    Raises:
        ValueError: if the format needs the key, or the key has no meaning for it.
    """
    if form is None:
        return
    if key == "time_scale" and value != "utc" and form not in _IN_SCALE:
        raise ValueError(f"no meaning with time_format = '{form}', only with {', '.join(_IN_SCALE)}; leave it out")
    if key == "time_reference" and form == "met" and value is None:
        raise ValueError("needed with time_format = 'met': the date from which seconds are counted")
    if key == "time_reference" and form != "met" and value is not None:
        raise ValueError(f"no meaning with time_format = '{form}', only with met; leave it out")


@dataclass(frozen=True)
class TimeFormat:
    """How times are stored.

    Attributes:
        format: ``unix`` (s), ``milliseconds`` (unix ms), ``mjd`` or ``jd`` (days), ``met`` (units since the
            reference), ``gps`` (s since 1980-01-06 UTC, leap seconds counted) or ``iso`` (text).
        scale: of ``mjd``, ``jd``, ``iso`` and of the reference.
        reference: zero of ``met``: an ISO date, in UTC if it ends with Z, an MJD, or an MJD as the sum of two numbers.
        unit: length of a unit of ``met``, s.

    Raises:
        ValueError: if the attributes do not go together.
    """

    format: Format = "unix"
    scale: Scale = "utc"
    reference: str | float | tuple[float, float] | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        require_meaning("time_scale", self.scale, self.format)
        require_meaning("time_reference", self.reference, self.format)

    def __str__(self) -> str:
        scale = f" ({self.scale.upper()})" if self.format in _IN_SCALE else ""
        since = f" since {self.reference}" if self.reference is not None else ""
        return f"{self.format}{since}{scale}"
