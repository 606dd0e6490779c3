"""Epochs from which missions count seconds, and dates that suggest that one of them was overlooked."""

from __future__ import annotations

from polarbgb.data.calendar import utc

EPOCHS = {
    788_918_400: "1994-01-01 (RXTE)",
    978_307_200: "2001-01-01 (Fermi, Swift)",
    1_262_304_000: "2010-01-01 (NuSTAR)",
    1_325_376_000: "2012-01-01 (HXMT)",
}
"""Unix seconds of the epochs of mission elapsed times, and the epochs with their missions as text."""

_EARLY, _LATE = 631_152_000.0, 2_840_140_800.0
"""Unix seconds of 1990 and 2060."""


def doubtful_dates(start: float, stop: float) -> str | None:
    """Return a remark on data of before 1990 or after 2060, whose times may not be unix seconds; None for others.

    Args:
        start: of the data, read as unix seconds.
        stop: of the data, read as unix seconds.

    Example:
        >>> doubtful_dates(1.6e9, 1.7e9) is None
        True
    """
    setting = 'set input.time_format = "met" and input.time_reference'
    if stop < _EARLY:
        return (
            f"the data begin on {utc(start)[:10]}; if their times count from another epoch than 1970, such as "
            f"{', '.join(EPOCHS.values())}, {setting}"
        )
    if start > _LATE:
        return f"the data begin on {utc(start)[:10]}; if their times count from 1904-01-01 (LabVIEW), {setting}"
    return None
