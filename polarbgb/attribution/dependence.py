"""SHAP values against the values of the features, and means along the orbit and the mission."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import Explanation

CELLS = 24
"""Cells of the values of a feature (equally filled), of the orbital phase and of the mission (equally long)."""
BAND = (0.16, 0.84)
"""Quantiles at the edges of the band around a median."""


def dependence(
    explanation: Explanation, data: NDArray[np.float32], names: Sequence[str], bins: Sequence[str], cells: int = CELLS
) -> pl.DataFrame:
    """Summarise the SHAP values of every feature in cells of the value of the feature.

    Args:
        explanation: explanation of a sample.
        data: (sample, features) values of the features; rows with NaN are left out.
        names: names of the features.
        bins: names of the rates.
        cells: largest number of equally filled cells of a feature; there are fewer if values repeat.

    Returns:
        One row per feature, bin and cell: ``feature``, ``bin``, ``value`` (median of the feature in the cell), ``low``,
        ``median``, ``high`` (quantiles :data:`BAND` and median of SHAP on the margin: log Hz, or Hz for objective
        'squared') and ``rows``.
    """
    return pl.concat(
        _of_feature(explanation.values[:, :, i], data[:, i], name, bins, cells) for i, name in enumerate(names)
    )


def _of_feature(
    shap: NDArray[np.float32], value: NDArray[np.float32], name: str, bins: Sequence[str], cells: int
) -> pl.DataFrame:
    finite = np.isfinite(value)
    value = value[finite]
    edges = np.unique(np.quantile(value, np.arange(1, cells) / cells, method="nearest")) if len(value) else value
    cell = pl.Series("cell", np.searchsorted(edges, value, side="right"))
    tables = []
    for i_bin, bin_name in enumerate(bins):
        frame = pl.DataFrame({"cell": cell, "value": value, "shap": shap[i_bin, finite]})
        tables.append(
            frame.group_by("cell")
            .agg(
                value=pl.col("value").median(),
                low=pl.col("shap").quantile(BAND[0], "linear"),
                median=pl.col("shap").median(),
                high=pl.col("shap").quantile(BAND[1], "linear"),
                rows=pl.len().cast(pl.Int64),
            )
            .sort("cell")
            .select(pl.lit(name).alias("feature"), pl.lit(bin_name).alias("bin"), pl.exclude("cell"))
        )
    return pl.concat(tables)


def attribution(
    explanation: Explanation,
    position: NDArray[np.float64],
    span: tuple[float, float],
    *,
    groups: Sequence[str],
    bins: Sequence[str],
    cells: int = CELLS,
) -> pl.DataFrame:
    """Average SHAP values along a coordinate.

    Args:
        explanation: explanation by groups.
        position: (sample,) coordinate of each row; rows with NaN are left out.
        span: start and end of the coordinate.
        groups: names of the groups.
        bins: names of the rates.
        cells: number of cells of equal length; those without rows are left out.

    Returns:
        One row per position, bin and group: ``position`` (middle of the cell), ``bin``, ``group``, ``value`` (mean
        SHAP value on the margin).
    """
    start, stop = span
    finite = np.flatnonzero(np.isfinite(position))
    length = (stop - start) / cells or 1.0  # the span of a single row has no length
    cell = np.clip(((position[finite] - start) / length).astype(np.int64), 0, cells - 1)
    filled, member, count = np.unique(cell, return_inverse=True, return_counts=True)
    middle = start + (filled + 0.5) * length
    tables = []
    for i_bin, bin_name in enumerate(bins):
        shap = explanation.values[i_bin][finite]
        for column, group in enumerate(groups):
            mean = np.bincount(member, shap[:, column], len(filled)) / count
            means = pl.DataFrame({"position": middle, "value": mean})
            tables.append(means.with_columns(bin=pl.lit(bin_name), group=pl.lit(group)))
    return pl.concat(tables).select("position", "bin", "group", "value")
