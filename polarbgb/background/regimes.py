"""Where a prediction is looked at apart: how bright it is, beside the South Atlantic Anomaly or not, how far north."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALL = "all"

_THIRDS = ("low", "middle", "high")


def regimes(
    predicted: NDArray[np.floating],
    near_saa: NDArray[np.bool_],
    latitude: NDArray[np.floating] | None,
    counted: NDArray[np.bool_],
) -> dict[str, NDArray[np.bool_]]:
    """Divide the rows that count, in several ways.

    Args:
        predicted: (rows,) predicted rate of one bin, Hz.
        near_saa: (rows,) from :func:`polarbgb.features.passages.near_passage`.
        latitude: (rows,) degrees, NaN where unknown; None where the instrument's place is not known at all.
        counted: (rows,) the rows that count.

    Returns:
        (rows,) masks by the regime's name; the first is all rows that count. A regime may be empty.
    """
    divided = {ALL: counted}
    divided |= thirds("rate", predicted, counted)
    divided |= {"SAA edge": counted & near_saa, "SAA away": counted & ~near_saa}
    if latitude is not None:
        divided |= thirds("|latitude|", np.abs(latitude), counted)
    return divided


def thirds(name: str, values: NDArray[np.floating], counted: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Divide rows by the terciles of a value.

    Args:
        name: what the value is called.
        values: (rows,) numbers; a row where it is not finite belongs to no third.
        counted: (rows,) the rows that count, and over which the terciles are taken.

    Returns:
        (rows,) masks named ``"<name> low"``, ``"middle"`` and ``"high"``; equal values share a third.

    Example:
        >>> [m.tolist() for m in thirds("x", np.array([3.0, 1.0, 2.0]), np.ones(3, bool)).values()]
        [[False, True, False], [False, False, True], [True, False, False]]
    """
    used = counted & np.isfinite(values)
    edges = np.quantile(values[used], [1 / 3, 2 / 3]) if used.any() else np.zeros(2)
    third = np.searchsorted(edges, values, side="left")
    return {f"{name} {label}": used & (third == number) for number, label in enumerate(_THIRDS)}
