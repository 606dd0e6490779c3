"""Reference predictions: another method's prediction of the same rows, read from a file for comparison."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.errors import UserError
from polarbgb.io.input import list_branches, read_columns

BRANCH = "pred_rate"
"""Branch of the published prediction and of the ROOT export."""


def read_reference(path: Path, tree: str, *, entries: int, bins: int) -> NDArray[np.float64]:
    """Read a reference prediction, one row per entry of the input.

    Args:
        path: either Parquet with the columns ``row`` (entry of the input, from 0) and ``pred`` (a list of ``bins``
            numbers, Hz), or ROOT with a tree ``pred_<tree>`` and its branch ``pred_rate[bins]``, one entry per entry of
            the input.
        tree: name of the input's tree.
        entries: number of entries of the input.
        bins: number of rates that are predicted.

    Returns:
        (entries, bins) Hz; all bins of a row are NaN where the file has no number for one of them.

    Raises:
        UserError: if the file is missing, of neither kind, or of other rows or bins.
    """
    if not path.is_file():
        raise UserError(f"no file {path}")
    with path.open("rb") as stream:
        parquet = stream.read(4) == b"PAR1"
    predicted = _from_parquet(path, entries, bins) if parquet else _from_root(path, f"pred_{tree}", entries, bins)
    predicted[~np.isfinite(predicted).all(axis=1)] = np.nan
    return predicted


def write_reference(path: Path, row: NDArray[np.integer], prediction: NDArray[np.float64]) -> None:
    """Write a prediction as Parquet for :func:`read_reference`.

    Args:
        path: the file; replaced if it exists.
        row: (rows,) entry of the input of each row.
        prediction: (rows, bins) Hz.
    """
    pl.DataFrame({"row": row, "pred": prediction}).write_parquet(path)


def _from_parquet(path: Path, entries: int, bins: int) -> NDArray[np.float64]:
    try:
        frame = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: damaged or cut short, cannot be read") from error
    if "entry" in frame.columns:  # prediction.parquet of another run, whose rows are numbered in time order
        frame = frame.drop("row", strict=False).rename({"entry": "row"})
    for name in ("row", "pred"):
        if name not in frame.columns:
            raise UserError(f"{path}: no column '{name}'; a reference has 'row' (entry of the input) and 'pred' (Hz)")
    try:
        frame = frame.select(pl.col("row").cast(pl.Int64), pl.col("pred").cast(pl.Array(pl.Float64, bins)))
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path}: 'pred' does not hold {bins} numbers a row, or 'row' no entries") from error
    frame = frame.drop_nulls()
    row = frame["row"].to_numpy()
    if len(row) and (row.min() < 0 or row.max() >= entries):
        raise UserError(f"{path}: rows {row.min()} to {row.max()} are not among the input's entries 0 to {entries - 1}")
    if len(np.unique(row)) < len(row):
        raise UserError(f"{path}: a row is predicted twice")
    predicted = np.full((entries, bins), np.nan)
    predicted[row] = frame["pred"].arr.explode().fill_null(np.nan).to_numpy().reshape(-1, bins)
    return predicted


def _from_root(path: Path, tree: str, entries: int, bins: int) -> NDArray[np.float64]:
    tree_entries, branches = list_branches(path, tree)
    shape = next((branch.shape for branch in branches if branch.name == BRANCH), None)
    if shape is None:  # read_columns says what is wrong
        shape = (bins,)
    if math.prod(shape) != bins:
        raise UserError(f"{path}: {BRANCH} has {math.prod(shape)} bins, the fit {bins}")
    if tree_entries != entries:
        raise UserError(f"{path}: tree '{tree}' has {tree_entries} entries, the input {entries}")
    columns = [f"{BRANCH}[{i_bin}]" for i_bin in range(bins)] if shape else [BRANCH]
    return read_columns(path, tree, columns, exact=columns).select(columns).to_numpy(writable=True)
