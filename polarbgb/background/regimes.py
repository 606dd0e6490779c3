"""Regimes of a prediction: predicted rate, passages of the South Atlantic Anomaly, and latitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALL = "all"
"""Name of the regime of all rows."""

_THIRDS = ("low", "middle", "high")


def regimes(
    predicted: NDArray[np.floating],
    near_saa: NDArray[np.bool_],
    latitude: NDArray[np.floating] | None,
    counted: NDArray[np.bool_],
) -> dict[str, NDArray[np.bool_]]:
    """Divide the counted rows into regimes, in several ways.

    Args:
        predicted: (rows,) predicted rate of one bin, Hz.
        near_saa: (rows,) from :func:`polarbgb.features.passages.near_passage`.
        latitude: (rows,) degrees, NaN where unknown; None if the configuration gives no position.
        counted: (rows,) rows that are used.

    Returns:
        (rows,) masks by name of the regime; the first contains all counted rows. A regime may be empty.
    """
    masks = {ALL: counted}
    masks |= thirds("rate", predicted, counted)
    masks |= {"SAA edge": counted & near_saa, "SAA away": counted & ~near_saa}
    if latitude is not None:
        masks |= thirds("|latitude|", np.abs(latitude), counted)
    return masks


def thirds(name: str, values: NDArray[np.floating], counted: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Divide rows by the terciles of a value.

    Args:
        name: of the value.
        values: (rows,) numbers; a row whose value is not finite belongs to no third.
        counted: (rows,) rows that are used, also for the terciles.

    Returns:
        (rows,) masks named ``"<name> low"``, ``"middle"`` and ``"high"``; equal values are in the same third.

    Example:
        >>> [m.tolist() for m in thirds("x", np.array([3.0, 1.0, 2.0]), np.ones(3, bool)).values()]
        [[False, True, False], [False, False, True], [True, False, False]]
    """
    used = counted & np.isfinite(values)
    edges = np.quantile(values[used], [1 / 3, 2 / 3]) if used.any() else np.zeros(2)
    third = np.searchsorted(edges, values, side="left")
    return {f"{name} {label}": used & (third == i_third) for i_third, label in enumerate(_THIRDS)}
