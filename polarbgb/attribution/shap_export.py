"""SHAP values as tables, and as ROOT or Parquet files for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import Explanation
from polarbgb.io.atomic import atomic
from polarbgb.io.names import WORD, replaced
from polarbgb.io.root_output import CHUNK, root_file

SUFFIXES = (".root", ".parquet")


def shap_frame(explanation: Explanation, rows: pl.DataFrame, names: Sequence[str], bins: Sequence[str]) -> pl.DataFrame:
    """Return SHAP values as a table with one row per explained row and bin, and one column per feature.

    Args:
        explanation: explanation of a sample.
        rows: (sample,) columns that identify the explained rows, such as ``row``, ``unix_time`` and ``fold``.
        names: names of the features.
        bins: names of the rates.

    Returns:
        The columns of ``rows``, ``bin``, ``base`` and ``shap_<feature>``: on the margin, log Hz, or Hz for objective
        'squared'.
    """
    return pl.concat(
        rows.with_columns(
            pl.lit(name).alias("bin"),
            pl.Series("base", explanation.base[i_bin]),
            *(pl.Series(f"shap_{feature}", explanation.values[i_bin, :, i]) for i, feature in enumerate(names)),
        )
        for i_bin, name in enumerate(bins)
    )


def write_shap(
    path: Path,
    explanation: Explanation,
    rows: pl.DataFrame,
    names: Sequence[str],
    *,
    bins: Sequence[str],
    tree: str,
    unit: str,
) -> Path:
    """Write SHAP values on the margin to a ``.root`` or ``.parquet`` file.

    A ``.root`` file has a TTree with one entry per explained row: ``unix_time`` (s), ``row`` (entry of the input),
    ``fold``, ``base[bins]`` and for each feature ``shap_<feature>[bins]``. A ``.parquet`` file has the table of
    :func:`shap_frame`.

    Args:
        path: file to write.
        explanation: explanation of a sample.
        rows: (sample,) ``row``, ``unix_time`` and ``fold`` of the explained rows.
        names: names of the features.
        bins: names of the rates.
        tree: name of the TTree; features whose names ROOT cannot hold have the branches that :func:`branch_names`
            returns.
        unit: unit of the margin.

    Returns:
        The path.

    Raises:
        UserError: if the file cannot be written.
    """
    if path.suffix == ".parquet":
        with atomic(path) as temporary:
            shap_frame(explanation, rows, names, bins).write_parquet(temporary, compression="zstd")
        return path
    with root_file(path) as file:
        file.stream(tree, _chunks(explanation, rows, branch_names(names)), title=f"SHAP values, {unit}")
    return path


def branch_names(names: Sequence[str]) -> list[str]:
    """Return the branches that hold the SHAP values of features: ``shap_<feature>``, in words that ROOT can draw."""
    renamed = replaced(names, WORD)
    return [f"shap_{renamed.get(name, name)}" for name in names]


def _chunks(explanation: Explanation, rows: pl.DataFrame, branches: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        values = explanation.values[:, chunk]
        yield {
            "unix_time": rows["unix_time"][chunk].to_numpy(),
            "row": rows["row"][chunk].to_numpy(),
            "fold": rows["fold"][chunk].to_numpy().astype(np.int32),
            "base": explanation.base[:, chunk].T,
            **{branch: values[:, :, i].T for i, branch in enumerate(branches)},
        }
