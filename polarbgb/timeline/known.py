"""Events that are known already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.errors import UserError, nearest
from polarbgb.timeline.calendar import is_unix


def known_events(config: Config) -> pl.DataFrame:
    """Return the known events of a configuration, none where it names no list; see :func:`read_known`."""
    section = config.known_events
    if section is None:
        return pl.DataFrame(schema={"name": pl.String, "time": pl.Float64})
    return read_known(section.file, section.time, section.name)


def read_known(path: Path, time: str, name: str) -> pl.DataFrame:
    """Read a list of known events.

    Args:
        path: CSV file with a header.
        time: column of the trigger time, unix seconds.
        name: column of the event's name.

    Returns:
        Columns ``name`` and ``time`` (unix seconds), sorted by time.

    Raises:
        UserError: if the file or a column is missing, or a time is not a number.
    """
    if not path.exists():
        raise UserError(f"no file {path} of known events (known_events.file)")
    unreadable = f"{path}: cannot be read as a CSV table of known events (known_events.file)"
    if not path.is_file():
        raise UserError(unreadable)
    try:
        table = pl.read_csv(path, infer_schema=False, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(unreadable) from error
    for key, column in (("time", time), ("name", name)):
        if column not in table.columns:
            raise UserError(f"{path}: no column '{column}'{nearest(column, table.columns)} (known_events.{key})")
    times = table[time].str.strip_chars().cast(pl.Float64, strict=False).fill_null(np.nan)
    wrong = np.flatnonzero(~is_unix(times.to_numpy()))
    if len(wrong):
        above = table.head(int(wrong[0]))
        line = 2 + len(above) + above.select(pl.sum_horizontal(pl.all().str.count_matches("\n"))).sum().item()
        held = table[time][int(wrong[0])] or ""
        raise UserError(
            f"{path}, line {line}: '{time}' is '{held[:40]}', not a number of unix seconds such as 1486378317.7"
        )
    return pl.DataFrame({"name": table[name].fill_null(""), "time": times}).sort("time", maintain_order=True)
