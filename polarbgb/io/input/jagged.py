"""Vectors of uproot as arrays, if all have the same length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def regular(array: Any) -> NDArray[Any] | None:  # noqa: ANN401 - awkward has no types
    """Return an awkward array as a numpy array; None if it holds something else than numbers, or lengths vary."""
    import awkward as ak

    try:
        values = ak.to_numpy(ak.to_regular(array, axis=None), allow_missing=False)
    except (ValueError, TypeError):  # strings, records, lengths that vary
        return None
    return values if values.dtype.names is None and values.dtype.kind in "bifu" else None


def measured(array: Any) -> tuple[int, ...] | None:  # noqa: ANN401
    """Return the shape of the rows of an awkward array; None if it varies."""
    values = regular(array)
    return None if values is None else values.shape[1:]


def smallest_and_largest(array: Any) -> tuple[int, int]:  # noqa: ANN401
    """Return the smallest and the largest length of vectors, on the first axis on which they differ."""
    import awkward as ak

    low, high = 0, 0
    for axis in range(1, array.ndim):
        lengths = np.asarray(ak.flatten(ak.num(array, axis=axis), axis=None))
        low, high = (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)
        if low != high:
            break
    return low, high
