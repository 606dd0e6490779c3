"""How the SHAP value of a feature goes with its own value, and where in orbit and mission the groups matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import Explanation

CELLS = 24
"""Bins of a feature's values (equally filled), of an orbit's phase and of a mission (equally long)."""
BAND = (0.16, 0.84)
"""Quantiles that bound the band about a median."""


def dependence(
    explanation: Explanation, data: NDArray[np.float32], names: Sequence[str], bins: Sequence[str], cells: int = CELLS
) -> pl.DataFrame:
    """Bin the SHAP values of every feature by the feature's value.

    Args:
        explanation: of a sample.
        data: (sample, features) values of the features, NaN where missing: such rows are left out.
        names: of the features.
        bins: names of the rates.
        cells: bins of a feature at most: equally filled, fewer where values repeat.

    Returns:
        A row a feature, bin and cell: ``feature``, ``bin``, ``value`` (median of the feature in the cell), ``low``,
        ``median``, ``high`` (quantiles :data:`BAND` and median of SHAP on the margin: log Hz, or Hz for objective
        'squared') and ``rows``.
    """
    return pl.concat(
        _of_feature(explanation.values[:, :, number], data[:, number], name, bins, cells)
        for number, name in enumerate(names)
    )


def _of_feature(
    shap: NDArray[np.float32], value: NDArray[np.float32], name: str, bins: Sequence[str], cells: int
) -> pl.DataFrame:
    there = np.isfinite(value)
    met = value[there]
    edges = np.unique(np.quantile(met, np.arange(1, cells) / cells, method="nearest")) if len(met) else met
    cell = pl.Series("cell", np.searchsorted(edges, met, side="right"))
    parts = []
    for number, of_bin in enumerate(bins):
        frame = pl.DataFrame({"cell": cell, "value": met, "shap": shap[number, there]})
        parts.append(
            frame.group_by("cell")
            .agg(
                value=pl.col("value").median(),
                low=pl.col("shap").quantile(BAND[0], "linear"),
                median=pl.col("shap").median(),
                high=pl.col("shap").quantile(BAND[1], "linear"),
                rows=pl.len().cast(pl.Int64),
            )
            .sort("cell")
            .select(pl.lit(name).alias("feature"), pl.lit(of_bin).alias("bin"), pl.exclude("cell"))
        )
    return pl.concat(parts)


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
        explanation: by groups.
        position: (sample,) coordinate of each row; a row without one (NaN) is left out.
        span: where it begins and ends.
        groups: names of the groups.
        bins: names of the rates.
        cells: bins of equal length; one without rows is absent.

    Returns:
        A row a position, bin and group: ``position`` (middle of the cell), ``bin``, ``group``, ``value`` (mean SHAP on
        the margin).
    """
    start, stop = span
    there = np.flatnonzero(np.isfinite(position))
    length = (stop - start) / cells or 1.0  # a single moment is a span without length
    cell = np.clip(((position[there] - start) / length).astype(np.int64), 0, cells - 1)
    met, member, count = np.unique(cell, return_inverse=True, return_counts=True)
    middle = start + (met + 0.5) * length
    parts = []
    for number, of_bin in enumerate(bins):
        shap = explanation.values[number][there]
        for column, group in enumerate(groups):
            mean = np.bincount(member, shap[:, column], len(met)) / count
            parts.append(
                pl.DataFrame({"position": middle, "value": mean}).with_columns(bin=pl.lit(of_bin), group=pl.lit(group))
            )
    return pl.concat(parts).select("position", "bin", "group", "value")
