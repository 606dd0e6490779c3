"""Which bins hold the same counts: what counts in one bin may count in others too, and a burst does as the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.transients.counts import Counts

Array = NDArray[np.float64]

_FEWEST = 1000
"""Pairs of rows that it takes to tell."""

_MOST_BINS = 10
"""Sets of more bins are too many to fit; such bins are taken to hold no count in common."""

_EXACT = 30.0
"""Weight of how many counts a bin holds, beside how many two bins share."""

_OUTLYING = 5.0  # sigma
_ROUNDS = 200


@dataclass(frozen=True)
class HitPatterns:
    """Kinds of count, by the set of bins in which one is counted.

    Attributes:
        member: (kinds, bins) whether a count of the kind counts in the bin.
        mean: (kinds,) of the background, counts a row.
    """

    member: NDArray[np.bool_]
    mean: Array

    @property
    def background(self) -> Array:
        """(bins,) mean counts of a row."""
        return np.asarray(self.mean @ self.member)

    def spectrum(self, shares: Array) -> Array:
        """Return the (kinds,) counts of a source that adds to each bin a share of its mean background.

        Of all mixtures with these sums the one that is nearest to the background's (iterative proportional fitting;
        where bins that hold others' counts are asked to hold fewer, the sums are met as far as they can be).

        Args:
            shares: (bins,) 0 or more.
        """
        wanted, mean = shares * self.background, self.mean.copy()
        for _ in range(_ROUNDS):
            for target, inside in zip(wanted, self.member.T, strict=True):
                held = mean[inside].sum()
                mean[inside] *= target / held if held > 0 else 0.0
        return mean


def find_hit_patterns(counts: Counts) -> HitPatterns:
    """Tell from the counts themselves which are counted in several bins.

    Independent counts make bins vary together by what they share: the covariance of two bins is the number of counts
    common to both. It is taken from the differences of neighbouring rows, which hold next to nothing of the
    background's own errors; the kinds are the non-negative ones that explain it best, of all sets of bins.
    """
    bins = counts.n_bins
    mean = counts.expected.sum(axis=0) / max(len(counts.expected), 1)
    alone = HitPatterns(np.eye(bins, dtype=bool), mean)
    calm = counts.quiet[1:] & counts.quiet[:-1] & (np.diff(counts.segment) == 0)
    pull = (counts.observed - counts.expected) / np.sqrt(counts.expected)
    change = np.diff(pull, axis=0)[calm] / np.sqrt(2)
    change = change[(np.abs(change) < _OUTLYING).all(axis=1)]
    if bins == 1 or bins > _MOST_BINS or len(change) < _FEWEST:
        return alone
    from scipy.optimize import nnls

    correlation = np.corrcoef(change.T)
    most = np.minimum.outer(mean, mean)
    common = np.clip(correlation * np.sqrt(np.outer(mean, mean)), 0.0, most)
    sets = (np.arange(1, 2**bins)[:, None] >> np.arange(bins)) & 1
    first, second = np.triu_indices(bins)
    weight = np.where(first == second, _EXACT, 1.0) / np.sqrt(mean[first] * mean[second])
    rate, _ = nnls((sets[:, first] * sets[:, second]).T * weight[:, None], common[first, second] * weight)
    kept = rate > 0
    return HitPatterns(sets[kept].astype(bool), rate[kept])
