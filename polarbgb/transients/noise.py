"""How far counts scatter about the background over windows of a length: per series, and all bins together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.calibration import GAUSSIAN_MEDIAN
from polarbgb.config import Trigger
from polarbgb.transients.counts import Counts
from polarbgb.transients.local_baseline import BASELINES, Rows, followed, scaled

_FEWEST = 60
"""Windows from which a dispersion is measured; with fewer, that of a shorter window is taken over."""

_FEW = 100.0
"""Mean expected counts of a window below which its noise is the mean square of the deficits, not their median."""

_STRATA = 5
"""Rows are divided into so many strata of equal size by the share of the rate that the model errs by."""

_FEWEST_OF_STRATUM, _MOST = 200, 100_000
"""Windows from which the covariance of a stratum is measured, and how many are looked at in all."""

_SHRINKAGE = 0.02
"""Weight of the diagonal in a covariance: with many bins and few windows it cannot be inverted otherwise."""

_LEAST = 1e-3
"""Least variance of a bin, in units of counting noise: counts that do not scatter at all are too few to tell."""

_ROUNDS = 20

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Noise of windows of the lengths of ``trigger.scales``.

    Attributes:
        dispersion: by scale (s), the (series,) variance of counts over that of pure counting, at least 1.
        lengths: (scales,) rows, increasing.
        covariance: by name of the local baseline, (scales, strata, bins, bins): covariance of
            :func:`root_deviations` from the background scaled to that baseline.
    """

    dispersion: Mapping[float, Array]
    lengths: NDArray[np.int64]
    covariance: Mapping[str, Array]

    def distances(self, counts: Counts, first: Rows, after: Rows, settings: Trigger) -> dict[str, Array]:
        """Return the (windows,) Mahalanobis distance of windows from the background, sigma, by local baseline.

        What goes the way of the background's own errors counts little, what has another spectrum counts in full. The
        covariance is that of the length nearest to the window's and of the stratum of its first row.

        Args:
            counts: that hold the windows.
            first: (windows,) first row.
            after: (windows,) row after the last.
            settings: ``trigger.prior_width``.
        """
        i_scale = np.abs(np.log(after - first)[:, None] - np.log(self.lengths)).argmin(axis=1)
        stratum = strata(counts)[first]
        distances = {}
        for name, deviation in _deviations(counts, first, after, settings).items():
            inverse = np.linalg.inv(self.covariance[name])[i_scale, stratum]
            form = np.einsum("wi,wij,wj->w", deviation, inverse, deviation)
            distances[name] = np.sqrt(np.maximum(form, 0.0))
        return distances


def measure_noise(counts: Counts, settings: Trigger) -> Noise:
    """Measure the noise at each of ``trigger.scales`` from quiet rows.

    Args:
        counts: of all rows.
        settings: of the search.
    """
    dispersion: dict[float, Array] = {}
    covariance: dict[str, list[Array]] = {name: [] for name in BASELINES}
    scales = sorted(settings.scales)
    lengths = np.array([max(1, round(scale / counts.cadence)) for scale in scales])
    stratum = strata(counts)
    shorter = np.ones(len(counts.series))
    of_shorter = {name: np.tile(np.eye(counts.n_bins), (_STRATA, 1, 1)) for name in BASELINES}
    for scale, length in zip(scales, lengths, strict=True):
        shorter = _dispersion(counts, followed(counts, scale, settings), length, shorter)
        dispersion[scale] = shorter
        of_shorter = _covariances(counts, length, stratum, settings, of_shorter)
        for name, of_scale in of_shorter.items():
            covariance[name].append(of_scale)
    return Noise(dispersion, lengths, {name: np.stack(of_scales) for name, of_scales in covariance.items()})


def strata(counts: Counts) -> NDArray[np.int64]:
    """Divide rows into fifths by the model's error as a share of the rate, from the calibrated sigma of all bins."""
    beyond_counting = np.sqrt(np.maximum(counts.noise.astype(np.float64) ** 2 - counts.expected, 0.0))
    share = beyond_counting.sum(axis=1) / counts.expected.sum(axis=1)
    return (
        np.searchsorted(np.quantile(share, np.arange(1, _STRATA) / _STRATA), share) if len(share) else np.zeros(0, int)
    )


def running_sums(values: Array) -> Array:
    """Return the (rows + 1, columns) running sums of (rows, columns) values."""
    running = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=running[1:])
    return running


def root_deviations(observed: Array, expected: Array) -> Array:
    """Return deviations as the signed root of twice the log likelihood ratio, sigma, of counts of any shape.

    Few counts reach far up more often than far down; so measured, an excess of 4 sigma is about as rare as one of 300
    counts.
    """
    observed = np.maximum(observed, 0.0)
    ratio = observed * np.log(np.where(observed > 0, observed, 1.0) / expected) - (observed - expected)
    return np.asarray(np.sign(observed - expected) * np.sqrt(2 * np.maximum(ratio, 0.0)))


def robust_covariance(deviation: Array) -> Array:
    """Return the covariance about 0 of (windows, bins) deviations, most of which are noise.

    Its shape is Tyler's M-estimator (Tyler 1987), in which every deviation has the same weight however far it
    reaches; its size makes the median distance that of Gaussian deviations.
    """
    from scipy.stats import chi2

    n_bins = deviation.shape[1]
    shape = np.eye(n_bins)
    for _ in range(_ROUNDS):
        weight = 1.0 / np.maximum(_squared_distance(deviation, shape), 1e-9)
        shape = (deviation * weight[:, None]).T @ deviation
        shape = (1 - _SHRINKAGE) * shape + _SHRINKAGE * np.diag(np.diag(shape))
        shape = n_bins * shape / max(np.trace(shape), 1e-9) + _LEAST * np.eye(n_bins)
    size = np.median(_squared_distance(deviation, shape)) / chi2.median(n_bins)
    return np.asarray(np.maximum(size, _LEAST) * shape)


def _squared_distance(deviation: Array, covariance: Array) -> Array:
    return np.asarray(np.einsum("wi,ij,wj->w", deviation, np.linalg.inv(covariance), deviation))


def _quiet_windows(counts: Counts, length: int, step: int) -> tuple[Rows, Rows]:
    """Return first row and row after the last of the windows, every ``step`` rows, that hold no gap and are quiet."""
    first = np.arange(0, len(counts.time) - length + 1, step)
    disturbed = np.concatenate([[0], np.cumsum(~counts.quiet)])
    calm = (counts.segment[first] == counts.segment[first + length - 1]) & (
        disturbed[first + length] == disturbed[first]
    )
    return first[calm], first[calm] + length


def _dispersion(counts: Counts, expected: Array, length: int, shorter: Array) -> Array:
    """Return the (series,) dispersion of windows of ``length`` rows side by side.

    It is that of the deficits alone, mirrored: where the Sun flares for half of the time, what lies above the
    background is no measure of its noise.

    Args:
        counts: of all rows.
        expected: (rows, bins) counts of the background, which may follow a local baseline.
        length: rows.
        shorter: that of a shorter window, taken over where there are too few windows of this length.
    """
    first, after = _quiet_windows(counts, length, length)
    if len(first) < _FEWEST:
        return shorter
    sums = [running_sums(values) for values in (counts.observed, expected)]
    observed, background = (running[after] - running[first] for running in sums)
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
    return dispersion


def _covariances(
    counts: Counts, length: int, stratum: NDArray[np.int64], settings: Trigger, shorter: Mapping[str, Array]
) -> dict[str, Array]:
    """Return the (strata, bins, bins) covariance of quiet windows of a length, by local baseline.

    A stratum with too few windows takes over that of a shorter length.
    """
    step = max(1, length // 2, len(counts.time) // _MOST)
    first, after = _quiet_windows(counts, length, step)
    covariances = {name: of_shorter.copy() for name, of_shorter in shorter.items()}
    for name, deviation in _deviations(counts, first, after, settings).items():
        for i_stratum in range(_STRATA):
            of_stratum = deviation[stratum[first] == i_stratum]
            if len(of_stratum) >= max(_FEWEST_OF_STRATUM, 4 * counts.n_bins):
                covariances[name][i_stratum] = robust_covariance(of_stratum)
    return covariances


def _deviations(counts: Counts, first: Rows, after: Rows, settings: Trigger) -> dict[str, Array]:
    """Return the (windows, bins) deviations of windows from the background scaled to each local baseline, sigma."""
    observed, expected = running_sums(counts.observed), running_sums(counts.expected)
    deviations = {}
    for name, baseline in BASELINES.items():
        (start, stop), (begin, end) = baseline.edges(first, after, counts)
        beside, due = (sums[stop] - sums[start] + sums[end] - sums[begin] for sums in (observed, expected))
        background = scaled(expected[after] - expected[first], beside, due, settings)
        deviations[name] = root_deviations(observed[after] - observed[first], background)
    return deviations
