"""Red noise: a walk that forgets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def wander(white: Array, keep: float, *, settled: bool) -> Array:
    """Turn white noise into red: y[n] = keep y[n-1] + sqrt(1 - keep^2) white[n], whose variance tends to that of white.

    Args:
        white: (n,) or (n, columns), n >= 0; its first row is overwritten where ``settled``.
        keep: what is left of a step at the next, 0 to 1.
        settled: begin as variable as ever; else at rest.
    """
    from scipy.signal import lfilter

    fresh = np.sqrt(1 - keep**2)
    if settled:
        white[:1] /= fresh
    return np.asarray(lfilter([fresh], [1, -keep], white, axis=0))
