"""Tables of Parquet files, whose columns may be lists and structures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError
from polarbgb.io.input.columns import Branch, LengthsVary, OpenTable
from polarbgb.io.input.damage import damage_reported, regular_file

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".parquet", ".pq")

_SAMPLE = 100
"""First rows in which the length of a list is measured."""


def trees(path: Path) -> list[str]:
    """Return the name of the one table of a file, which is that of the file."""
    regular_file(path)
    return [path.stem]


@contextmanager
def opened(path: Path, tree: str | None) -> Iterator[OpenTable]:
    """Open the table of a file, whatever its name."""
    import polars as pl

    head, _ = regular_file(path)
    if not head.startswith(b"PAR1"):
        raise InputError(f"{path} is {'not a Parquet file' if head else 'empty'}; name another")
    with damage_reported(path):
        frame = pl.scan_parquet(path, glob=False)
        columns = dict(_flat(frame.collect_schema()))
        entries = int(frame.select(pl.len()).collect().item())
    own = path.stem
    yield _Frame(path, tree or own, f"table '{own}'", "column", entries, columns, frame=frame, columns=columns)


@dataclass
class _Frame(OpenTable):
    """A table of polars.

    Attributes:
        frame: the table, not read yet.
        columns: by name, the expression and the type.
    """

    frame: pl.LazyFrame = field(default=None)  # type: ignore[assignment]
    columns: Mapping[str, tuple[pl.Expr, pl.DataType]] = field(default_factory=dict)

    def branch(self, name: str) -> Branch:
        """Return the type of a column, and its shape, of a list as in the first rows."""
        kind = self.columns[name][1]
        shape: tuple[int, ...] | None = None
        if _is_number(kind):
            try:
                shape = numbers(self._series(name, 0, _SAMPLE)).shape[1:]
            except _Ragged:
                shape = None
        return Branch(name, str(kind), shape)

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of columns in a range of rows; missing values are NaN."""
        rows = self.frame.slice(start, stop - start).select(self.columns[name][0].alias(name) for name in names)
        arrays = {}
        for series in rows.collect():
            try:
                arrays[series.name] = numbers(series)
            except _Ragged as error:
                raise LengthsVary(series.name) from error
            if start and arrays[series.name].shape[1:] != self.branch(series.name).shape:
                raise LengthsVary(series.name)
        return arrays

    def lengths(self, name: str, start: int, stop: int) -> tuple[int, int] | None:
        """Return the smallest and the largest length of a list in a range of rows."""
        if not _is_number(self.columns[name][1]) or not self.columns[name][1].is_nested():
            return None
        try:
            values = numbers(self._series(name, start, stop))
        except _Ragged as ragged:
            return ragged.low, ragged.high
        return values.shape[1], values.shape[1]

    def _series(self, name: str, start: int, stop: int) -> pl.Series:
        return self.frame.slice(start, stop - start).select(self.columns[name][0].alias(name)).collect()[name]


class _Ragged(Exception):  # noqa: N818 - not an error
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high


def numbers(series: pl.Series) -> NDArray[np.float64]:
    """Return the numbers of a column, also of nested lists: (rows, *shape), NaN where one is missing."""
    import polars as pl

    if isinstance(series.dtype, pl.Array):
        series = series.arr.to_list()
    if not isinstance(series.dtype, pl.List):
        return _seconds(series).cast(pl.Float64).fill_null(np.nan).to_numpy()
    present = series.drop_nulls()
    lengths = present.list.len()
    low, high = (int(lengths.min()), int(lengths.max())) if len(present) else (0, 0)  # type: ignore[arg-type]
    if low != high:
        raise _Ragged(low, high)
    inner = numbers(present.explode() if low else present.list.explode().clear())
    values = np.full((len(series), low, *inner.shape[1:]), np.nan)
    values[series.is_not_null().to_numpy()] = inner.reshape(len(present), low, *inner.shape[1:])
    return values


def _seconds(series: pl.Series) -> pl.Series:
    """Return dates as unix seconds and durations as seconds."""
    import polars as pl

    if isinstance(series.dtype, pl.Datetime | pl.Date):
        return series.cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    if isinstance(series.dtype, pl.Duration):
        return series.dt.total_nanoseconds() / 1e9
    return series


def _is_number(kind: pl.DataType) -> bool:
    import polars as pl

    while isinstance(kind, pl.List | pl.Array):
        kind = kind.inner  # type: ignore[assignment]
    return kind.is_numeric() or (kind.is_temporal() and not isinstance(kind, pl.Time)) or isinstance(kind, pl.Boolean)


def _flat(
    schema: Mapping[str, pl.DataType], above: pl.Expr | None = None, prefix: str = ""
) -> Iterator[tuple[str, tuple[pl.Expr, pl.DataType]]]:
    """Yield the columns of a schema, those of structures as ``orbit.glat``."""
    import polars as pl

    for key, kind in schema.items():
        expression = pl.nth(list(schema).index(key)) if above is None else above.struct.field(key)
        if isinstance(kind, pl.Struct):
            yield from _flat({each.name: each.dtype for each in kind.fields}, expression, f"{prefix}{key}.")  # type: ignore[misc]
        else:
            yield f"{prefix}{key}", (expression, kind)
