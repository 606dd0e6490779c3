"""Pulls and the width of their Gaussian core: the published calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.data.count_rates import CountRates

_CLIP = 3.0
_MOST_ROUNDS = 1000
_FEWEST_COUNTS, _FEWEST_PAIRS = 25.0, 500

GAUSSIAN_WIDTH = 0.98483
"""Result of the modified Gaussian fit for a Gaussian of width 1, whose tails beyond 3 sigma are clipped."""

GAUSSIAN_MEDIAN = 0.6745
"""Median distance of a Gaussian of width 1 from its mean."""


@dataclass(frozen=True)
class GaussianFit:
    """A Gaussian fitted to the core of a distribution.

    Attributes:
        mean: of all values.
        sigma: standard deviation of the values inside the clip.
        inside: number of those values.
    """

    mean: float
    sigma: float
    inside: int


@dataclass(frozen=True)
class Calibrated:
    """Pulls in units of the actual scatter of the residuals.

    Attributes:
        sigma: (rows, bins) calibrated standard deviation of rate - prediction, Hz.
        pull: (rows, bins) (rate - prediction) / sigma.
        width: (bins,) width of the raw pulls (rate - prediction) / error.
        mean: (bins,) mean of the raw pulls.
    """

    sigma: NDArray[np.float64]
    pull: NDArray[np.float64]
    width: NDArray[np.float64]
    mean: NDArray[np.float64]


def modified_gaussian_fit(values: NDArray[np.floating]) -> GaussianFit:
    """Fit a Gaussian to the core of a distribution.

    The values within 3 sigma of the mean of all values are kept, their standard deviation is the next sigma, and so on
    until it no longer changes (the "modified Gaussian fit" of POLAR-background-prediction, report of October 2023).

    Args:
        values: (n,) finite numbers.

    Returns:
        The fit; a sigma of 0 where all values are equal.

    Raises:
        ValueError: if there is no value.

    Example:
        >>> modified_gaussian_fit(np.array([-1.0, 1.0, -1.0, 1.0])).sigma
        1.0
    """
    if len(values) == 0:
        raise ValueError("no value to fit")
    distance = np.abs(values - values.mean())
    inside = np.ones(len(values), bool)
    sigma = _scatter(values)
    for _ in range(_MOST_ROUNDS):
        kept = distance <= _CLIP * sigma
        # A skewed distribution may have no value near its mean: the last sigma is kept.
        if not kept.any() or np.array_equal(kept, inside):
            break
        inside, sigma = kept, _scatter(values[kept])
    return GaussianFit(float(values.mean()), sigma, int(inside.sum()))


def core_of(pulls: NDArray[np.floating]) -> GaussianFit:
    """Fit the core of the (rows,) pulls of a bin, NaN where it is masked; width 0 without any."""
    measured = pulls[np.isfinite(pulls)]
    return modified_gaussian_fit(measured) if len(measured) else GaussianFit(0.0, 0.0, 0)


def _scatter(values: NDArray[np.floating]) -> float:
    """Return the standard deviation, exactly 0 if all values are equal, whatever the rounding of their mean."""
    return float(values.std()) if np.ptp(values) > 0 else 0.0


def calibrate(rate: NDArray[np.float64], prediction: NDArray[np.float64], error: NDArray[np.float64]) -> Calibrated:
    """Scale the errors so that the core of every bin's pulls has width 1.

    ``pull > k`` is then the same as the published ``(rate - prediction) / rate_err > k * sigma``.

    Args:
        rate: (rows, bins) Hz, NaN where masked.
        prediction: (rows, bins) Hz.
        error: (rows, bins) Hz, above 0.

    Returns:
        Sigma, pulls and widths.
    """
    raw = (rate - prediction) / error
    fits = [core_of(raw[:, i_bin]) for i_bin in range(raw.shape[1])]
    # Without any scatter (a single row) there is no width to scale by.
    width = np.array([fit.sigma or 1.0 for fit in fits])
    return Calibrated(sigma=error * width, pull=raw / width, width=width, mean=np.array([fit.mean for fit in fits]))


def scatter_over_error(
    count_rates: CountRates,
    prediction: NDArray[np.float64],
    segment: NDArray[np.integer],
    rows: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the (bins,) scatter of rates from one row to the next, in units of their stated errors.

    This is the width of (r_i - r_(i+1)) / sqrt(e_i^2 + e_(i+1)^2) by the modified Gaussian fit, which leaves out
    spikes; it is 1 if the errors are right. No model is needed, because the background hardly changes from row to row.

    Args:
        count_rates: rates and errors.
        prediction: (rows, bins) background rate, Hz.
        segment: (rows,) number of the unbroken stretch, not decreasing.
        rows: (rows,) rows that are used.

    Returns:
        NaN in a bin with fewer than 500 pairs of rows in which at least 25 counts are expected: errors of fewer counts,
        estimated from the counts themselves, say little about the scatter.
    """
    pairs = np.flatnonzero(rows[:-1] & rows[1:] & (segment[:-1] == segment[1:]))
    scatter = np.full(count_rates.rate.shape[1], np.nan)
    for i_bin in range(len(scatter)):
        rate, error = count_rates.rate[:, i_bin], count_rates.error[:, i_bin]
        # Not the observed counts: a choice by these would cut off their downward fluctuations.
        expected = prediction[:, i_bin] * count_rates.exposure[:, i_bin]
        enough = pairs[np.minimum(expected[pairs], expected[pairs + 1]) >= _FEWEST_COUNTS]
        if len(enough) >= _FEWEST_PAIRS:
            steps = (rate[enough + 1] - rate[enough]) / np.hypot(error[enough], error[enough + 1])
            scatter[i_bin] = modified_gaussian_fit(steps).sigma / GAUSSIAN_WIDTH
    return scatter
