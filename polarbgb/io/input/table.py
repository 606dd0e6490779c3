"""Read columns of a table, whatever the container."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from polarbgb.errors import InputError
from polarbgb.io.input import fits, parquet, root, text
from polarbgb.io.input.columns import Branch, LengthsVary, OpenTable, resolve, varying
from polarbgb.io.input.damage import damage_reported, regular_file
from polarbgb.progress import Track, silent

if TYPE_CHECKING:
    import polars as pl


class _Container(Protocol):
    """A module that reads files of one kind."""

    def trees(self, path: Path) -> list[str]:
        """Return the names of the tables of a file."""

    def opened(self, path: Path, tree: str | None) -> AbstractContextManager[OpenTable]:
        """Open a table; without a name the only one."""


def read_columns(
    path: Path, tree: str | None, columns: Collection[str], *, exact: Collection[str] = (), track: Track = silent
) -> pl.DataFrame:
    """Read columns of a table.

    Args:
        path: ROOT, FITS, Parquet or CSV file.
        tree: name of the tree, or name or number of the FITS extension; the only one if None. Parquet and CSV files
            hold one table, whose name is not looked at.
        columns: ``"glat"`` for a scalar or an array of one element, ``"rate[3]"`` or ``"rate[3][1]"`` for an element of
            an array, ``"orbit.glat"`` for a leaf, a member or a branch of a friend. A column that is exactly the name
            of a branch is that branch, whatever characters it contains.
        exact: columns kept in float64; the others are float32.
        track: reports the progress.

    Returns:
        Frame of shape (entries, columns), columns in sorted order. Missing values are NaN; dates are unix seconds.

    Raises:
        InputError: if the file, the table or a column is missing, unsuitable, empty or damaged.
    """
    import polars as pl

    with _container(path).opened(path, tree) as table:
        with damage_reported(path):
            elements = resolve(table, columns)
        if table.entries == 0:
            raise InputError(f"{path}: {table.title} is empty; name another file or tree")
        names = sorted({branch for branch, _ in elements.values()})
        with damage_reported(path):  # a damaged number of entries may exceed the memory
            table.prepare(names)
            out = {c: np.empty(table.entries, np.float64 if c in exact else np.float32) for c in elements}
        chunks = list(table.chunks())
        for start, stop in track(chunks, label=f"read {path.name}", total=len(chunks)):
            with damage_reported(path):
                try:
                    arrays = table.read(names, start, stop)
                except LengthsVary as error:
                    low, high = varying(table, error.branch) or (0, 0)
                    raise InputError(
                        f"{path}: the length of {table.noun} '{error.branch}' varies from {low} to {high}, "
                        "but an array has one length; name another"
                    ) from error
                # Stored values beyond float32 (1e300) become infinite, which counts as missing later.
                with np.errstate(over="ignore", invalid="ignore"):
                    for column, (branch, index) in elements.items():
                        values = arrays[branch]
                        for i in index:
                            values = values[:, i]
                        out[column][start:stop] = values
    return pl.DataFrame(out)


def list_trees(path: Path) -> list[str]:
    """Return the names of the tables of a file: TTrees and RNTuples, FITS tables, or the stem of another file.

    Raises:
        InputError: if the file is missing or damaged.
    """
    return _container(path).trees(path)


def list_branches(path: Path, tree: str | None) -> tuple[int, list[Branch]]:
    """Return the number of rows of a table and its branches, with those of its friends.

    Raises:
        InputError: if the file or the table is missing or damaged.
    """
    with _container(path).opened(path, tree) as table, damage_reported(path):
        return table.entries, [table.branch(name) for name in table.names]


def tree_name(path: Path, tree: str | None) -> str:
    """Return the name of the table that is read: ``tree``, or the only table of the file if None.

    Raises:
        InputError: if the file is missing or damaged, or holds several tables.
    """
    if tree is not None:
        return tree
    with _container(path).opened(path, tree) as table:
        return table.name


def branches_of(path: Path, tree: str | None, columns: Collection[str]) -> dict[str, str]:
    """Return the name of the branch that each column is read from.

    Raises:
        InputError: if the file, the table or a column is missing or unsuitable.
    """
    with _container(path).opened(path, tree) as table, damage_reported(path):
        return {column: branch for column, (branch, _) in resolve(table, columns).items()}


def readable(path: Path) -> bool:
    """Return whether the suffix of a file, apart from .gz, is one of those that are read."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".root", *fits.SUFFIXES, *parquet.SUFFIXES, *text.SUFFIXES))


def _container(path: Path) -> _Container:
    """Return the module that reads a file: by its suffix, else ROOT by its first bytes."""
    head, _ = regular_file(path)
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(fits.SUFFIXES):
        return fits
    if path.name.lower().endswith(parquet.SUFFIXES):
        return parquet
    if name.endswith(text.SUFFIXES):
        return text
    if name.endswith(".root") or head.startswith(b"root"):
        return root
    kind = "not a ROOT file" if head else "not a ROOT file but empty"
    others = ", ".join((*fits.SUFFIXES, *parquet.SUFFIXES, *text.SUFFIXES))
    raise InputError(f"{path} is {kind}; name one with --input, or a file whose name ends in {others} (or with .gz)")
