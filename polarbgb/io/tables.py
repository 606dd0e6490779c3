"""Write a table as CSV, ECSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from polarbgb.io.atomic import atomic
from polarbgb.io.columns import column

_GROUP = 250_000
"""Rows of a row group of a Parquet file."""


def write_csv(path: Path, frame: pl.LazyFrame) -> None:
    """Write a table as CSV while it is read.

    An array with one number per bin becomes several columns: ``counts`` becomes ``counts_0``, ``counts_1`` and so on.
    Missing values are empty; NaN is written as ``NaN``.

    Raises:
        UserError: if the file cannot be written.
    """
    flat: list[pl.Expr] = []
    for name, dtype in frame.collect_schema().items():
        if isinstance(dtype, pl.Array):
            flat += [pl.col(name).arr.get(i_bin).alias(f"{name}_{i_bin}") for i_bin in range(dtype.size)]
        else:
            flat.append(pl.col(name))
    with atomic(path) as temporary:
        frame.select(flat).sink_csv(temporary)


def write_parquet(path: Path, frame: pl.LazyFrame, provenance: Mapping[str, str]) -> None:
    """Write a table as Parquet while it is read.

    Args:
        path: the file; replaced if it exists.
        frame: the table.
        provenance: metadata of the file.

    Raises:
        UserError: if the file cannot be written.
    """
    with atomic(path) as temporary:
        frame.sink_parquet(temporary, compression="zstd", row_group_size=_GROUP, metadata=dict(provenance))


def write_ecsv(path: Path, frame: pl.DataFrame, table: str, provenance: Mapping[str, str]) -> None:
    """Write a table as ECSV, with units and descriptions of the columns.

    Missing values and empty strings are both empty.

    Args:
        path: the file; replaced if it exists.
        frame: the table.
        table: its name in :data:`polarbgb.io.columns.COLUMNS`.
        provenance: contents of ``meta``.

    Raises:
        UserError: if the file cannot be written.
    """
    from astropy.table import MaskedColumn, Table

    out = Table(meta=dict(provenance))
    for name in frame.columns:
        described, values = column(table, name), frame[name]
        missing = values.is_null().to_numpy() if values.null_count() else False
        if values.dtype == pl.String:
            filled = values.fill_null("").to_numpy().astype(str)
        else:
            filled = values.fill_null(0).to_numpy() if values.null_count() else values.to_numpy()
        if not len(frame):
            filled = filled.reshape(0)  # astropy cannot read back an array without rows
        out[name] = MaskedColumn(filled, mask=missing, unit=described.unit or None, description=described.meaning)
    with atomic(path) as temporary:
        out.write(temporary, format="ascii.ecsv", delimiter=",", overwrite=True)
