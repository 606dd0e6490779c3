"""Fit the probability of detecting a burst, and return the fluence at which a share of the bursts is detected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_RIDGE = 1e-3
"""Ridge penalty on standardised coefficients: the fit stays finite where all bursts above a fluence are detected."""

_NEVER = 100.0
"""Logarithm of a fluence beyond that of any burst."""

_STEPS = 100
_CONVERGED = 1e-9


@dataclass(frozen=True)
class Sensitivity:
    """Probability of detection: logit p = a + b ln(fluence) + c ln(duration) + d ln(duration)^2.

    Attributes:
        coefficients: a, b, c, d.
    """

    coefficients: Array

    def fluence(self, duration: Array, share: float) -> Array:
        """Return the (n,) fluence at which a share of the bursts of each of (n,) durations (s) is detected.

        NaN if the probability does not rise with the fluence, or so slowly that no burst is bright enough.
        """
        constant, slope, linear, square = self.coefficients
        if slope <= 0:
            return np.full(duration.shape, np.nan)
        length = np.log(duration)
        logit = np.log(share / (1 - share))
        logarithm = (logit - constant - linear * length - square * length**2) / slope
        return np.exp(np.where(np.abs(logarithm) < _NEVER, logarithm, np.nan))


def fit_sensitivity(fluence: Array, duration: Array, detected: NDArray[np.bool_]) -> Sensitivity:
    """Fit the probability of detection by maximum likelihood.

    Args:
        fluence: (bursts,) in any unit, > 0.
        duration: (bursts,) s.
        detected: (bursts,) mask.
    """
    length = np.log(duration)
    terms = np.stack([np.log(fluence), length, length**2], axis=1)
    centre, scale = terms.mean(axis=0), np.maximum(terms.std(axis=0), 1e-12)
    design = np.column_stack([np.ones(len(terms)), (terms - centre) / scale])
    penalty = np.diag([0.0, *[_RIDGE] * terms.shape[1]]) + 1e-9 * np.eye(terms.shape[1] + 1)
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (detected - probability) - penalty @ weights
        step = np.linalg.solve((design.T * (probability * (1 - probability))) @ design + penalty, slope)
        # A full Newton step may overshoot where probabilities are near 0 or 1.
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < _CONVERGED:
            break
    rest = weights[1:] / scale
    return Sensitivity(np.array([weights[0] - rest @ centre, *rest]))


def proportion(detected: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the detected share and the ends of its 68 % interval (Wilson 1927); NaN without bursts.

    Example:
        >>> [round(x, 3) for x in proportion(np.array([True, False]))]
        [0.5, 0.211, 0.789]
    """
    number = len(detected)
    if not number:
        return np.nan, np.nan, np.nan
    share = float(detected.mean())
    middle, half = (share + 0.5 / number) / (1 + 1 / number), np.sqrt(share * (1 - share) / number + 0.25 / number**2)
    return share, float(middle - half / (1 + 1 / number)), float(middle + half / (1 + 1 / number))
