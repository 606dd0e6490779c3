"""The list of known events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import KnownEvents, TimeFormat
from polarbgb.data.calendar import is_unix, utc
from polarbgb.data.epochs import EPOCHS
from polarbgb.data.time_format import numbers_of, to_unix
from polarbgb.data.time_problem import likely_format
from polarbgb.errors import InputError, nearest

_GPS_EPOCH = 315_964_800.0
"""Unix seconds of 1980-01-06, from which GPS seconds count."""


def known_events(section: KnownEvents | None) -> pl.DataFrame:
    """Return the known events of section ``known_events``, none without it; see :func:`read_known`."""
    if section is None:
        return pl.DataFrame(schema={"name": pl.String, "time": pl.Float64, "duration": pl.Float64})
    return read_known(
        section.file,
        section.time,
        section.name,
        duration=section.duration,
        unknown_duration=section.unknown_duration,
        clock=section.clock,
    )


def read_known(
    path: Path,
    time: str,
    name: str,
    *,
    duration: str | float = 0.0,
    unknown_duration: float = 0.0,
    clock: TimeFormat | None = None,
) -> pl.DataFrame:
    """Read a list of known events.

    Args:
        path: CSV file with a header.
        time: column of the trigger time.
        name: column of the event's name.
        duration: column of the duration of an event from its trigger on (s), or one number (s) for all.
        unknown_duration: duration where the cell of that column is empty, s.
        clock: how the times are stored; as unix seconds if None.

    Returns:
        Columns ``name``, ``time`` (unix seconds) and ``duration`` (s, >= 0), sorted by time.

    Raises:
        InputError: if the file or a column is missing, a time is not one in the format, or a duration is not a number
            >= 0.
    """
    if not path.exists():
        raise InputError(f"no file {path} of known events (known_events.file)")
    unreadable = f"{path}: cannot be read as a CSV table of known events (known_events.file)"
    if not path.is_file():
        raise InputError(unreadable)
    try:
        table = pl.read_csv(path, infer_schema=False, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(unreadable) from error
    for key, column in (("time", time), ("name", name), ("duration", duration)):
        if isinstance(column, str) and column not in table.columns:
            raise InputError(f"{path}: no column '{column}'{nearest(column, table.columns)} (known_events.{key})")
    clock = clock or TimeFormat()
    times = to_unix(table[time], clock, where=f"{path}: '{time}'")
    if len(times) and not is_unix(times).any():
        likely = likely_format(table[time], clock, name=time, section="known_events")
        if likely is not None:
            raise InputError(f"{path}: '{time}' holds {likely}")
    wanted = "a number of unix seconds such as 1486378317.7" if clock.format == "unix" else f"a time in {clock}"
    _require(is_unix(times), table, time, wanted, path)
    if isinstance(duration, str):
        empty = (table[duration].fill_null("").str.strip_chars() == "").to_numpy()
        durations = np.where(empty, unknown_duration, numbers_of(table[duration]))
        _require((durations >= 0) & np.isfinite(durations), table, duration, "a number of seconds >= 0", path)
    else:
        durations = np.full(len(table), duration, np.float64)
    events = pl.DataFrame({"name": table[name].fill_null(""), "time": times, "duration": durations})
    return events.sort("time", maintain_order=True)


def known_events_outside(known: pl.DataFrame, start: float, stop: float) -> str | None:
    """Return a warning if there are known events, but none of them lies in the data.

    Args:
        known: ``time`` (unix seconds) and ``duration`` (s) from :func:`read_known`.
        start: of the data, unix seconds.
        stop: of the data, unix seconds.

    Returns:
        One line with the times of both, and, if events would lie in the data had one of them been counted from the
        epoch of a mission or of GPS, the setting to try; None if an event lies in the data or the list is empty.
    """
    times = known["time"].to_numpy()
    ends = times + known["duration"].to_numpy()

    def within(shift: float) -> bool:
        return bool(((ends + shift >= start) & (times + shift <= stop)).any())

    if not len(known) or within(0.0):
        return None
    hint = "correct known_events.file or known_events.time_format if they should"
    likely = likely_format(times, TimeFormat(), name="time", section="known_events")
    if likely is not None:  # days read as seconds are a date in 1970
        hint = f"they look like {likely}"
    if within(_GPS_EPOCH):
        hint = 'they would if they were in GPS seconds: then set known_events.time_format = "gps"'
    for epoch, mission in EPOCHS.items():
        for sign, who, section in ((1, "they", "known_events"), (-1, "the data", "input")):
            if within(sign * epoch):
                hint = (
                    f'they would if {who} counted from {mission}: then set {section}.time_format = "met" and '
                    f'{section}.time_reference = "{mission[:10]}"'
                )
    return (
        f"no known event ({len(known):,} listed, {utc(times.min())} to {utc(times.max())} UTC) lies in the data "
        f"({utc(start)} to {utc(stop)} UTC); {hint}"
    )


def _require(valid: NDArray[np.bool_], table: pl.DataFrame, column: str, what: str, path: Path) -> None:
    """Refuse a list with an invalid value, naming the first and its line of the file."""
    invalid = np.flatnonzero(~valid)
    if not len(invalid):
        return
    above = table.head(int(invalid[0]))
    line = 2 + len(above) + above.select(pl.sum_horizontal(pl.all().str.count_matches("\n"))).sum().item()
    text = table[column][int(invalid[0])] or ""
    raise InputError(f"{path}, line {line}: '{column}' is '{text[:40]}', not {what}")
