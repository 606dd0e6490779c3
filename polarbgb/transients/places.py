"""Where a row was taken, as far as the spread of counts goes by it."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_SHELLS = (0.2, 0.4, 0.6, 0.8, 0.92)
"""Quantiles of the rows between which places are divided by L: the belts lie in the outermost."""

_BESIDE = (900.0, 150.0)
"""s beside a passage of the anomaly: its flank, and its edge,"""

_WEAK = (0.12, 0.04)
"""and quantiles of the field strength that make a flank and an edge where the detector stays on."""


def places(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Divide rows by magnetic shell and by time to and from the passages of the anomaly.

    Args:
        rows: usable rows of a prediction. Where ``l_shell`` is not among its columns, rows are divided by their
            predicted rate, the geometric mean of all bins, which rises with L.

    Returns:
        (rows,) numbers from 0 to 29.
    """
    shells = "l_shell" in rows.columns
    least = np.finfo(np.float32).tiny
    depth = rows["l_shell"].to_numpy() if shells else np.log(np.maximum(rows["pred"].to_numpy(), least)).mean(axis=1)
    known, finite = ~np.isnan(depth), np.isfinite(depth)  # far out, L is infinite
    borders = np.quantile(depth[finite], _SHELLS) if finite.any() else np.zeros(len(_SHELLS))
    shell = np.where(known, np.searchsorted(borders, depth), 0)
    beside = np.zeros(len(rows), np.int64)
    field = rows["field_strength"].to_numpy() if "field_strength" in rows.columns else np.zeros(0)
    known_field = field[np.isfinite(field)]
    for distance, share, before, after in zip(_BESIDE, _WEAK, (1, 3), (2, 4), strict=True):
        if len(known_field):
            beside[field < np.quantile(known_field, share)] = before
        for name, number in (("until_switch_off", before), ("since_switch_on", after)):
            if name in rows.columns:
                beside[rows[name].to_numpy() < distance] = number
    return np.asarray(beside * (len(_SHELLS) + 1) + shell)
