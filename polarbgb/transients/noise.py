"""Measure the scatter of counts about the background in windows of a length, per series and of all bins together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.calibration import GAUSSIAN_MEDIAN
from polarbgb.config import Trigger
from polarbgb.transients.counts import Counts
from polarbgb.transients.local_baseline import BASELINES, followed, scaled
from polarbgb.transients.rows import Rows, running_sums

_MIN_WINDOWS = 60
"""Windows below which the dispersion of the next shorter length is used."""

_FEW = 100.0
"""Mean expected counts of a window below which the mean square of the deficits is used instead of their median."""

_NOTHING = 1e-3
"""Expected counts up to which a window, of a series that is masked in it, says nothing about the noise."""

_STRATA = 5
"""Number of strata of equal size into which rows are divided by the relative error of the model."""

_MIN_OF_STRATUM, _MAX_WINDOWS = 200, 100_000
"""Windows of a stratum below which its covariance is not measured, and largest number of windows of all strata."""

_SHRINKAGE = 0.02
"""Weight of the diagonal in a covariance, so that it can be inverted with many bins and few windows."""

_LEAST = 1e-3
"""Least variance of a bin, in units of counting noise, for counts too few to scatter at all."""

_ROUNDS = 20

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Noise in windows of the lengths of ``trigger.scales``.

    Attributes:
        dispersion: (series,) variance of counts over that of counting noise, at least 1, by scale (s).
        lengths: (scales,) lengths of the windows in rows, increasing.
        covariance: (scales, strata, bins, bins) covariance of :func:`root_deviations` from the background scaled to a
            local baseline, by name of the baseline.
        stratum: (rows,) stratum of each row that was measured, from :func:`strata`.
    """

    dispersion: Mapping[float, Array]
    lengths: NDArray[np.int64]
    covariance: Mapping[str, Array]
    stratum: NDArray[np.int64]

    def distances(
        self, counts: Counts, sums: tuple[Array, Array], first: Rows, after: Rows, settings: Trigger
    ) -> dict[str, Array]:
        """Return the (windows,) Mahalanobis distance of windows from the background, sigma, by local baseline.

        Deviations that resemble errors of the background count little; those with another spectrum count in full. The
        covariance is that of the length nearest to the window and of the stratum of its first row.

        Args:
            counts: of the rows that were measured, as observed or changed.
            sums: (rows + 1, bins) running sums of their observed and of their expected counts.
            first: (windows,) first row.
            after: (windows,) row after the last.
            settings: gives ``prior_width``.
        """
        i_scale = np.abs(np.log(after - first)[:, None] - np.log(self.lengths)).argmin(axis=1)
        stratum = self.stratum[first]
        distances = {name: np.zeros(len(first)) for name in self.covariance}
        deviations = _deviations(counts, sums, first, after, settings)
        for scale_and_stratum in np.unique(np.column_stack([i_scale, stratum]), axis=0):
            windows = (i_scale == scale_and_stratum[0]) & (stratum == scale_and_stratum[1])
            for name, deviation in deviations.items():
                covariance = self.covariance[name][tuple(scale_and_stratum)]
                distances[name][windows] = np.sqrt(_squared_distance(deviation[windows], covariance))
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
    complete = replace(counts, quiet=counts.quiet & counts.complete)
    sums = running_sums(counts.observed), running_sums(counts.expected)
    shorter = np.ones(len(counts.series))
    of_shorter = {name: np.tile(np.eye(counts.n_bins), (_STRATA, 1, 1)) for name in BASELINES}
    for scale, length in zip(scales, lengths, strict=True):
        shorter = _dispersion(counts, followed(counts, scale, settings), length, shorter)
        dispersion[scale] = shorter
        first, after = _quiet_windows(complete, length, max(1, length // 2, len(counts.time) // _MAX_WINDOWS))
        of_shorter = _covariances(_deviations(counts, sums, first, after, settings), stratum[first], of_shorter)
        for name, of_scale in of_shorter.items():
            covariance[name].append(of_scale)
    stacked = {name: np.stack(of_scales) for name, of_scales in covariance.items()}
    return Noise(dispersion, lengths, stacked, stratum)


def strata(counts: Counts) -> NDArray[np.int64]:
    """Return the (rows,) fifth of the rows that each belongs to by the relative error of the model, in all bins."""
    beyond_counting = np.sqrt(np.maximum(counts.noise.astype(np.float64) ** 2 - counts.expected, 0.0))
    share = beyond_counting.sum(axis=1) / counts.expected.sum(axis=1)
    return (
        np.searchsorted(np.quantile(share, np.arange(1, _STRATA) / _STRATA), share) if len(share) else np.zeros(0, int)
    )


def root_deviations(observed: Array, expected: Array) -> Array:
    """Return deviations as the signed root of twice the log likelihood ratio, sigma, of counts of any shape.

    Unlike in units of the root of the expected counts, 4 sigma are about as rare with few counts as with many.
    """
    observed = np.maximum(observed, 0.0)
    ratio = observed * np.log(np.where(observed > 0, observed, 1.0) / expected) - (observed - expected)
    return np.asarray(np.sign(observed - expected) * np.sqrt(2 * np.maximum(ratio, 0.0)))


def robust_covariance(deviation: Array) -> Array:
    """Return the covariance about 0 of (windows, bins) deviations, most of which are noise.

    Its shape is Tyler's M-estimator (Tyler 1987), in which every deviation has the same weight whatever its size. Its
    scale is such that the median distance is that of Gaussian deviations.
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
    """Return first row and row after the last of quiet windows without a gap; one starts every ``step`` rows."""
    first = np.arange(0, len(counts.time) - length + 1, step)
    disturbed = running_sums(~counts.quiet)
    first = first[disturbed[first + length] == disturbed[first]]
    first = first[counts.segment[first] == counts.segment[first + length - 1]]
    return first, first + length


def _dispersion(counts: Counts, expected: Array, length: int, shorter: Array) -> Array:
    """Return the (series,) dispersion of adjacent windows of ``length`` rows.

    It is measured from deficits alone: excesses are no measure of the noise where the Sun flares half of the time.
    Where there are too few windows, the dispersion of shorter ones is returned.
    """
    first, after = _quiet_windows(counts, length, length)
    if len(first) < _MIN_WINDOWS:
        return shorter
    sums = [running_sums(values) for values in (counts.observed, expected)]
    observed, background = (running[after] - running[first] for running in sums)
    dispersion = np.ones(len(counts.series))
    for i_series, bins in enumerate(counts.series):
        of_series = background[:, bins].sum(axis=1)
        seen = of_series > _NOTHING
        deviation = (observed[:, bins].sum(axis=1) - of_series)[seen] / np.sqrt(of_series[seen])
        below = deviation[deviation < 0]
        if len(below) < _MIN_WINDOWS // 2:
            continue
        if of_series[seen].mean() < _FEW:  # the median of few counts is coarse
            variance = float(np.mean(below**2))
        else:
            variance = (float(np.median(-below)) / GAUSSIAN_MEDIAN) ** 2
        dispersion[i_series] = max(1.0, variance)
    return dispersion


def _covariances(
    deviations: Mapping[str, Array], stratum: NDArray[np.int64], shorter: Mapping[str, Array]
) -> dict[str, Array]:
    """Return the (strata, bins, bins) covariance of (windows, bins) deviations, by local baseline.

    Where a stratum has too few windows, the covariance of the next shorter length is used.
    """
    covariances = {name: of_shorter.copy() for name, of_shorter in shorter.items()}
    for name, deviation in deviations.items():
        for i_stratum in range(_STRATA):
            of_stratum = deviation[stratum == i_stratum]
            if len(of_stratum) >= max(_MIN_OF_STRATUM, 4 * deviation.shape[1]):
                covariances[name][i_stratum] = robust_covariance(of_stratum)
    return covariances


def _deviations(
    counts: Counts, sums: tuple[Array, Array], first: Rows, after: Rows, settings: Trigger
) -> dict[str, Array]:
    """Return the (windows, bins) deviations of windows from the background scaled to each local baseline, sigma."""
    observed, expected = sums
    deviations = {}
    for name, baseline in BASELINES.items():
        (start, stop), (begin, end) = baseline.edges(first, after, counts)
        counted, wanted = (running[stop] - running[start] + running[end] - running[begin] for running in sums)
        background = scaled(expected[after] - expected[first], counted, wanted, settings)
        deviations[name] = root_deviations(observed[after] - observed[first], background)
    return deviations
