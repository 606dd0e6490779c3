"""Red noise: an autoregressive process of first order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def red_noise(white: Array, keep: float, *, stationary: bool) -> Array:
    """Filter white noise to red noise: y[n] = keep y[n-1] + sqrt(1 - keep^2) white[n], which keeps the variance.

    Args:
        white: (n,) or (n, columns), n >= 0; the first row is overwritten if ``stationary``.
        keep: correlation of successive steps, 0 to 1.
        stationary: begin with the full variance, not at 0.
    """
    from scipy.signal import lfilter

    fresh = np.sqrt(1 - keep**2)
    if stationary:
        white[:1] /= fresh
    return np.asarray(lfilter([fresh], [1, -keep], white, axis=0))
