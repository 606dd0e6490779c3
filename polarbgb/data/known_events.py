"""The list of known events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import KnownEvents
from polarbgb.data.calendar import is_unix
from polarbgb.errors import InputError, nearest


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
    )


def read_known(
    path: Path, time: str, name: str, *, duration: str | float = 0.0, unknown_duration: float = 0.0
) -> pl.DataFrame:
    """Read a list of known events.

    Args:
        path: CSV file with a header.
        time: column of the trigger time, unix seconds.
        name: column of the event's name.
        duration: column of the duration of an event from its trigger on (s), or one number (s) for all.
        unknown_duration: duration where the cell of that column is empty, s.

    Returns:
        Columns ``name``, ``time`` (unix seconds) and ``duration`` (s, >= 0), sorted by time.

    Raises:
        InputError: if the file or a column is missing, a time is not a number, or a duration is not a number >= 0.
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
    times = _numbers(table[time])
    _require(is_unix(times), table, time, "a number of unix seconds such as 1486378317.7", path)
    if isinstance(duration, str):
        empty = (table[duration].fill_null("").str.strip_chars() == "").to_numpy()
        durations = np.where(empty, unknown_duration, _numbers(table[duration]))
        _require((durations >= 0) & np.isfinite(durations), table, duration, "a number of seconds >= 0", path)
    else:
        durations = np.full(len(table), duration, np.float64)
    events = pl.DataFrame({"name": table[name].fill_null(""), "time": times, "duration": durations})
    return events.sort("time", maintain_order=True)


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    """Return text as numbers, NaN where it is not a number."""
    return column.str.strip_chars().cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()


def _require(valid: NDArray[np.bool_], table: pl.DataFrame, column: str, what: str, path: Path) -> None:
    """Refuse a list with an invalid value, naming the first and its line of the file."""
    invalid = np.flatnonzero(~valid)
    if not len(invalid):
        return
    above = table.head(int(invalid[0]))
    line = 2 + len(above) + above.select(pl.sum_horizontal(pl.all().str.count_matches("\n"))).sum().item()
    text = table[column][int(invalid[0])] or ""
    raise InputError(f"{path}, line {line}: '{column}' is '{text[:40]}', not {what}")
