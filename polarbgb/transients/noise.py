"""How far counts scatter about the background over windows of a length: per series, and all bins together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.calibrate import GAUSSIAN_MEDIAN
from polarbgb.transients.counts import Counts

_FEWEST = 60
"""Windows from which noise is measured; with fewer, that of a shorter window is taken over."""

_FEW = 100.0
"""Mean expected counts of a window below which its noise is the mean square of the deficits, not their median."""

_SHRINKAGE = 0.1
"""Weight of the diagonal in the covariance: with many bins and few windows it cannot be inverted otherwise."""

_ROUNDS = 4
_OUTLYING = 0.01
_LONE = 2.0
"""Windows farther than twice the squared distance that 1 % exceed are left out of the covariance."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Noise of windows of one length.

    Attributes:
        dispersion: (series,) variance of the counts of each series over that of pure counting, at least 1.
        covariance: (bins, bins) of the deviations ``(observed - expected) / sqrt(expected)``. It holds what bins share:
            the counts that several of them contain, and the error of the background, most of which goes together.
    """

    dispersion: Array
    covariance: Array

    def distance(self, deviation: Array) -> Array:
        """Return the (windows,) Mahalanobis distance of (windows, bins) deviations from none.

        What goes the way of the background's own errors counts little, what has another spectrum counts in full; bins
        that hold the same counts are not counted twice.
        """
        form = np.einsum("wi,ij,wj->w", deviation, np.linalg.inv(self.covariance), deviation)
        return np.asarray(np.sqrt(np.maximum(form, 0.0)))


def measure_noise(counts: Counts, expected: Array, length: int, shorter: Noise | None = None) -> Noise:
    """Measure the noise of windows of ``length`` rows side by side, from quiet rows.

    The dispersion is that of the deficits alone, mirrored: where the Sun flares for half of the time, what lies above
    the background is no measure of its noise.

    Args:
        counts: of all rows.
        expected: (rows, bins) counts of the background, which may follow a local baseline.
        length: rows.
        shorter: noise of a shorter window, taken over where there are too few windows of this length.
    """
    first = np.arange(0, len(counts.time) - length + 1, length)
    disturbed = np.concatenate([[0], np.cumsum(~counts.quiet)])
    calm = (counts.segment[first] == counts.segment[first + length - 1]) & (
        disturbed[first + length] == disturbed[first]
    )
    first = first[calm]
    if len(first) < _FEWEST:
        if shorter is not None:
            return shorter
        return Noise(np.ones(len(counts.series)), np.eye(counts.n_bins))
    observed, background = (window_sums(values, first, first + length) for values in (counts.observed, expected))
    dispersion = np.ones(len(counts.series))
    for i_series, bins in enumerate(counts.series):
        of_series = background[:, bins].sum(axis=1)
        deviation = (observed[:, bins].sum(axis=1) - of_series) / np.sqrt(of_series)
        below = deviation[deviation < 0]
        if len(below) < _FEWEST // 2:
            continue
        if of_series.mean() < _FEW:  # the median of few counts jumps from one whole number to the next
            variance = float(np.mean(below**2))
        else:
            variance = (float(np.median(-below)) / GAUSSIAN_MEDIAN) ** 2
        dispersion[i_series] = max(1.0, variance)
    return Noise(dispersion, _covariance((observed - background) / np.sqrt(background)))


def window_sums(values: Array, first: NDArray[np.int64], after: NDArray[np.int64]) -> Array:
    """Return the (windows, columns) sums of (rows, columns) values from the ``first`` row to that before ``after``."""
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray(running[after] - running[first])


def root_deviations(observed: Array, expected: Array) -> Array:
    """Return deviations as the signed root of twice the log likelihood ratio, sigma, of counts of any shape.

    Few counts reach far up more often than far down; so measured, an excess of 4 sigma is about as rare as one of 300
    counts.
    """
    observed = np.maximum(observed, 0.0)
    ratio = observed * np.log(np.where(observed > 0, observed, 1.0) / expected) - (observed - expected)
    return np.asarray(np.sign(observed - expected) * np.sqrt(2 * np.maximum(ratio, 0.0)))


def _covariance(deviation: Array) -> Array:
    """Return the covariance about 0 of (windows, bins) deviations, without those that lie far from all others."""
    kept = deviation
    for _ in range(_ROUNDS):
        covariance = kept.T @ kept / len(kept)
        diagonal = np.diag(np.maximum(np.diag(covariance), 1e-3))
        covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * diagonal
        distance = np.einsum("wi,ij,wj->w", kept, np.linalg.inv(covariance), kept)
        kept = kept[distance <= _LONE * np.quantile(distance, 1 - _OUTLYING)]
    return np.asarray(covariance)
