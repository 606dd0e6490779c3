"""Hit patterns: the sets of bins in which one photon or particle is counted.

Bins that share counts vary together, and a transient adds its counts to them in the same patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.transients.counts import Counts

Array = NDArray[np.float64]

_MIN_PAIRS = 1000
"""Pairs of rows below which patterns cannot be measured."""

_MAX_BINS = 10
"""Number of bins above which there are too many patterns to fit; such bins are taken to share no counts."""

_WEIGHT_OF_BINS = 30.0
"""Weight of the counts of a bin relative to the counts that two bins share."""

_OUTLYING = 5.0  # sigma
_ROUNDS = 200


@dataclass(frozen=True)
class HitPatterns:
    """Counts of the background by the set of bins in which they are counted.

    Attributes:
        member: (patterns, bins) whether a count of the pattern is counted in the bin.
        mean: (patterns,) mean counts of the background per row in which they are measured.
    """

    member: NDArray[np.bool_]
    mean: Array

    @property
    def background(self) -> Array:
        """(bins,) mean counts of a row."""
        return np.asarray(self.mean @ self.member)

    def spectrum(self, shares: Array) -> Array:
        """Return the (patterns,) counts of a source that adds to each bin a share of its mean background.

        Among all mixtures of patterns with these sums it is the one closest to the background (iterative proportional
        fitting). Where the shares contradict the patterns, the sums are met as far as possible.

        Args:
            shares: (bins,) at least 0.
        """
        wanted, mean = shares * self.background, self.mean.copy()
        for _ in range(_ROUNDS):
            for target, inside in zip(wanted, self.member.T, strict=True):
                total = mean[inside].sum()
                mean[inside] *= target / total if total > 0 else 0.0
        return mean


def find_hit_patterns(counts: Counts) -> HitPatterns:
    """Measure from the counts which bins share counts.

    The covariance of two bins is the mean number of counts that they share. It is measured from the differences of
    neighbouring quiet rows, which cancel errors of the background. The patterns are the non-negative least-squares
    solution over all sets of bins.
    """
    measured = counts.measured
    mean = np.where(measured, counts.expected, 0.0).sum(axis=0) / np.maximum(measured.sum(axis=0), 1)
    quiet = counts.quiet & counts.complete
    quiet = quiet[1:] & quiet[:-1] & (np.diff(counts.segment) == 0)
    live = np.flatnonzero(measured.any(axis=0))
    n_bins = len(live)
    pull = ((counts.observed - counts.expected) / np.sqrt(counts.expected))[:, live]
    change = np.diff(pull, axis=0)[quiet] / np.sqrt(2)
    change = change[(np.abs(change) < _OUTLYING).all(axis=1)]
    if n_bins <= 1 or n_bins > _MAX_BINS or len(change) < _MIN_PAIRS:
        return HitPatterns(np.eye(counts.n_bins, dtype=bool), mean)
    from scipy.optimize import nnls

    mean = mean[live]
    shared = np.corrcoef(change.T) * np.sqrt(np.outer(mean, mean))
    shared = np.clip(shared, 0.0, np.minimum.outer(mean, mean))
    sets = (np.arange(1, 2**n_bins)[:, None] >> np.arange(n_bins)) & 1
    first, second = np.triu_indices(n_bins)
    weight = np.where(first == second, _WEIGHT_OF_BINS, 1.0) / np.sqrt(mean[first] * mean[second])
    mean_of_set, _ = nnls((sets[:, first] * sets[:, second]).T * weight[:, None], shared[first, second] * weight)
    kept = mean_of_set > 0
    member = np.zeros((int(kept.sum()), counts.n_bins), bool)
    member[:, live] = sets[kept]
    return HitPatterns(member, mean_of_set[kept])
