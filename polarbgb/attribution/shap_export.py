"""SHAP values as files for other programs: a TTree for ROOT, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import Explanation
from polarbgb.config import Config
from polarbgb.io.atomic import atomic
from polarbgb.io.root_output import CHUNK, root_file

SUFFIXES = (".root", ".parquet")


def shap_frame(explanation: Explanation, rows: pl.DataFrame, names: Sequence[str], config: Config) -> pl.DataFrame:
    """Lay SHAP values out: a row an explained row and bin, a column a feature.

    Args:
        explanation: of a sample.
        rows: (sample,) what tells each explained row, such as ``row``, ``unix_time`` and ``fold``.
        names: of the features.
        config: names the bins.

    Returns:
        The columns of ``rows``, ``bin``, ``base`` and ``shap_<feature>``: on the margin, log Hz, or Hz for objective
        'squared'.
    """
    return pl.concat(
        rows.with_columns(
            pl.lit(name).alias("bin"),
            pl.Series("base", explanation.base[number]),
            *(pl.Series(f"shap_{feature}", explanation.values[number, :, f]) for f, feature in enumerate(names)),
        )
        for number, name in enumerate(config.rates.names)
    )


def write_shap(path: Path, explanation: Explanation, rows: pl.DataFrame, names: Sequence[str], config: Config) -> Path:
    """Write SHAP values, all on the margin, to a file that the suffix says the format of.

    ``.root``: the TTree ``shap_<input tree>`` with an entry an explained row: ``unix_time`` (s), ``row`` (entry of the
    input), ``fold``, ``base[bins]`` and for each feature ``shap_<feature>[bins]``. ``.parquet``: as
    :func:`shap_frame`.

    Raises:
        UserError: if the file cannot be written.
    """
    if path.suffix == ".parquet":
        with atomic(path) as temporary:
            shap_frame(explanation, rows, names, config).write_parquet(temporary, compression="zstd")
        return path
    log = "Hz" if config.model.objective == "squared" else "log Hz"
    with root_file(path) as file:
        file.stream(f"shap_{config.input.tree}", _parts(explanation, rows, names), title=f"SHAP values, {log}")
    return path


def _parts(explanation: Explanation, rows: pl.DataFrame, names: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        values = explanation.values[:, part]
        yield {
            "unix_time": rows["unix_time"][part].to_numpy(),
            "row": rows["row"][part].to_numpy(),
            "fold": rows["fold"][part].to_numpy().astype(np.int32),
            "base": explanation.base[:, part].T,
            **{f"shap_{name}": values[:, :, number].T for number, name in enumerate(names)},
        }
