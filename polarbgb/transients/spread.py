"""How far counts stray from what is expected, over windows of a length, in each place, all bins together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.transients.counts import Counts

_FEWEST = 60
"""Windows that a place needs for a spread of its own; with fewer it takes that of all places."""

_ROUNDS = 4
_FARTHEST = 0.01
_STRAY = 3
"""Windows, a share of all and at least so many: one long transient lies in two."""

_LONE = 2.0
"""Windows that are farther than twice the squared distance beyond which these lie are left out."""

_GATHERED = 2**22
"""Elements of matrices gathered at once: 32 MiB."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Covariance of the bins' deviations, (found - expected) / sqrt(expected) over a window.

    It holds what the bins share: the counts that several of them hold, and the error of the background, most of which
    goes together in all bins. Counting alone would give 1 on the diagonal.

    Attributes:
        covariance: (places, bins, bins).
    """

    covariance: Array

    def dispersion(self, expected: Array, place: NDArray[np.int64], bins: tuple[int, ...]) -> Array:
        """Return the (rows,) variance of the sum of some bins over its expected counts, at least 1/100.

        Args:
            expected: (rows, bins) counts.
            place: (rows,) of each row.
            bins: which are summed.
        """
        root = np.sqrt(expected[:, bins])
        among = self.covariance[np.ix_(range(len(self.covariance)), bins, bins)]
        variance = _forms(root, among, place)
        return np.asarray(np.maximum(variance / expected[:, bins].sum(axis=1), 0.01))

    def strength(self, deviation: Array, place: NDArray[np.int64]) -> Array:
        """Return the (windows,) distance of deviations from none, in units of the spread (Mahalanobis).

        What goes the way of the background's own errors counts little, what has another spectrum counts in full; bins
        that hold the same counts are not counted twice.

        Args:
            deviation: (windows, bins).
            place: (windows,).
        """
        return np.asarray(np.sqrt(_forms(deviation, np.linalg.inv(self.covariance), place)))


def fit_spread(counts: Counts, expected: Array, length: int) -> Spread:
    """Measure the spread over windows of ``length`` rows, from quiet rows.

    Args:
        counts: of all rows.
        expected: (rows, bins) counts of the background, which may follow a local baseline.
        length: rows.

    Returns:
        The spread by place. Where there are too few windows for any, the spread of pure counting.
    """
    first, last = grid(counts, length)
    loud = np.concatenate([[0], np.cumsum(~counts.quiet)])
    calm = loud[last + 1] == loud[first]
    first, last = first[calm], last[calm]
    deviation = deviations(counts.found, expected, first, last)
    place = counts.place[(first + last) // 2]
    kinds = int(counts.place.max(initial=0)) + 1
    everywhere = _covariance(deviation) if len(deviation) >= _FEWEST else np.eye(counts.bins)
    covariance = np.tile(everywhere, (kinds, 1, 1))
    for one in range(kinds):
        members = deviation[place == one]
        if len(members) >= _FEWEST:
            covariance[one] = _covariance(members)
    return Spread(covariance)


def grid(counts: Counts, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last row of windows of ``length`` rows, side by side, without those across a gap."""
    first = np.arange(0, len(counts.time) - length + 1, length)
    last = first + length - 1
    whole = counts.segment[first] == counts.segment[last]
    return first[whole], last[whole]


def deviations(found: Array, expected: Array, first: NDArray[np.int64], last: NDArray[np.int64]) -> Array:
    """Return the (windows, bins) deviations of windows from the ``first`` to the ``last`` row."""
    excess, background = _sums(found, expected, first, last)
    return np.asarray(excess / np.sqrt(background))


def root_deviations(found: Array, expected: Array, first: NDArray[np.int64], last: NDArray[np.int64]) -> Array:
    """Return deviations as the signed root of twice the log likelihood ratio of each (window, bin).

    Few counts reach far up more often than far down. So measured, excesses and deficits of the same size are as rare as
    each other, as they must be where deficits are the control; 300 counts are seven times as likely to lie 4.5
    sigma high as 4.5 sigma low.
    """
    excess, background = _sums(found, expected, first, last)
    counts = np.maximum(background + excess, 0.0)
    ratio = counts * np.log(np.where(counts > 0, counts, 1.0) / background) - (counts - background)
    return np.asarray(np.sign(excess) * np.sqrt(2 * np.maximum(ratio, 0.0)))


def _sums(found: Array, expected: Array, first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the (windows, bins) counts beyond what is expected, and what is expected."""
    excess, background = (
        np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        for values in (found - expected, expected)
    )
    return excess[last + 1] - excess[first], background[last + 1] - background[first]


def _forms(vectors: Array, matrices: NDArray[np.floating], place: NDArray[np.int64]) -> Array:
    """Return the (n,) quadratic forms of (n, bins) vectors, each with the matrix of its place.

    A piece at a time: gathered for all rows at once, the matrices of 200 bins would take 300 kB a row.
    """
    forms, step = np.empty(len(vectors)), max(1, _GATHERED // max(1, matrices[0].size))
    for start in range(0, len(vectors), step):
        part = slice(start, start + step)
        forms[part] = np.einsum("wi,wij,wj->w", vectors[part], matrices[place[part]], vectors[part])
    return forms


def _covariance(deviation: Array) -> Array:
    """Return the covariance about 0 of (windows, bins) deviations, without those that lie far from all others."""
    kept = deviation
    for _ in range(_ROUNDS):
        found = kept.T @ kept / len(kept)
        # Bins that hold the very same counts would make it singular.
        found[np.diag_indices_from(found)] *= 1 + 1e-6
        distance = np.einsum("wi,ij,wj->w", kept, np.linalg.inv(found), kept)
        beyond = max(_FARTHEST, _STRAY / len(kept))
        kept = kept[distance <= _LONE * np.quantile(distance, 1 - beyond)]
    return np.asarray(found)
