"""Events that are known already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.errors import UserError, nearest


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
    try:
        table = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError as error:
        raise UserError(f"no file {path} of known events (known_events.file)") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{path}: cannot be read as a CSV table of known events") from error
    for column in (time, name):
        if column not in table.columns:
            raise UserError(f"{path}: no column '{column}'{nearest(column, table.columns)}")
    times = table[time].str.strip_chars().cast(pl.Float64, strict=False).fill_null(np.nan)
    wrong = ~times.is_finite()
    if wrong.any():
        line = int(wrong.arg_max() or 0) + 2
        raise UserError(f"{path}, line {line}: '{time}' is not a number of unix seconds")
    return pl.DataFrame({"name": table[name].fill_null(""), "time": times}).sort("time", maintain_order=True)
