"""One table in one file: CSV, ECSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from polarbgb.io.atomic import atomic
from polarbgb.io.columns import column

_GROUP = 250_000
"""Rows of a Parquet file that are read at a time."""


def write_csv(path: Path, frame: pl.LazyFrame) -> None:
    """Write a table as CSV, reading it as it is written.

    An array of a number a bin becomes columns, ``counts`` ``counts_0``, ``counts_1`` and so on. A missing value is
    empty; what is not a number is ``NaN``.

    Raises:
        UserError: if the file cannot be written.
    """
    flat: list[pl.Expr] = []
    for name, dtype in frame.collect_schema().items():
        if isinstance(dtype, pl.Array):
            flat += [pl.col(name).arr.get(place).alias(f"{name}_{place}") for place in range(dtype.size)]
        else:
            flat.append(pl.col(name))
    with atomic(path) as temporary:
        frame.select(flat).sink_csv(temporary)


def write_parquet(path: Path, frame: pl.LazyFrame, provenance: Mapping[str, str]) -> None:
    """Write a table as Parquet, reading it as it is written.

    Args:
        path: the file; replaced if it is there.
        frame: the table.
        provenance: for the metadata of the file.

    Raises:
        UserError: if the file cannot be written.
    """
    with atomic(path) as temporary:
        frame.sink_parquet(temporary, compression="zstd", row_group_size=_GROUP, metadata=dict(provenance))


def write_ecsv(path: Path, frame: pl.DataFrame, table: str, provenance: Mapping[str, str]) -> None:
    """Write a table as ECSV, with units and what the columns mean.

    A missing value is empty, and so is an empty text.

    Args:
        path: the file; replaced if it is there.
        frame: the table.
        table: its name in :data:`polarbgb.io.columns.COLUMNS`.
        provenance: for ``meta``.

    Raises:
        UserError: if the file cannot be written.
    """
    from astropy.table import MaskedColumn, Table

    out = Table(meta=dict(provenance))
    for name in frame.columns:
        told, values = column(table, name), frame[name]
        missing = values.is_null().to_numpy() if values.null_count() else False
        if values.dtype == pl.String:
            filled = values.fill_null("").to_numpy().astype(str)
        else:
            filled = values.fill_null(0).to_numpy() if values.null_count() else values.to_numpy()
        if not len(frame):
            filled = filled.reshape(0)  # astropy does not read an array back that has no row
        out[name] = MaskedColumn(filled, mask=missing, unit=told.unit or None, description=told.meaning)
    with atomic(path) as temporary:
        out.write(temporary, format="ascii.ecsv", delimiter=",", overwrite=True)
