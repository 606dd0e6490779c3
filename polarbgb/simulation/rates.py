"""The thirteen nested count rates: categories of hits, their spectra, gain and counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BINS = 13
CATEGORIES = 13
"""Number of exclusive categories of hits: in a single bar by the highest threshold passed (5), in two to eight bars by
the same (5), below 15 keV, in more than eight bars, and after a cosmic ray."""

ANY = 12
"""Index of the bin "any bar, no post-cosmics", to which all rates are scaled."""


THRESHOLDS = np.array([15.0, 20.0, 30.0, 50.0, 70.0])
"""Thresholds of bins 0 to 4 and 5 to 9, keV."""


def _nesting() -> Array:
    """Return the (categories, bins) matrix that is 1 where a hit of the category counts in the bin."""
    nest = np.zeros((CATEGORIES, _BINS))
    for highest in range(5):
        nest[highest, : highest + 1] = 1  # single bar above 15, 20, 30, 50, 70 keV
        nest[[highest, 5 + highest], 5 : highest + 6] = 1  # any bar above the same
    nest[11, 5:10] = 1  # hits in more than eight bars pass every threshold
    nest[11, 11] = 1
    nest[:, 10] = 1
    nest[:12, 12] = 1
    return nest


NESTING = _nesting()


def spectrum(single: tuple[float, ...], anybar: tuple[float, ...], crowded: float, after: float) -> Array:
    """Convert ratios of nested bins into shares of exclusive categories.

    Args:
        single: bins 0 to 4 over bin 12.
        anybar: bins 5 to 9 over bin 12.
        crowded: bin 11 over bin 12.
        after: hits after a cosmic ray, (bin 10 - bin 12) over bin 12.

    Returns:
        (categories,) shares for a rate of 1 in bin 12.
    """
    in_one = np.array([*single, 0.0])
    several = np.array([*anybar, 0.0]) - in_one
    several[-1] = crowded
    return np.concatenate([-np.diff(in_one), -np.diff(several), [1 - anybar[0], crowded, after]])


QUIET = spectrum((0.228, 0.150, 0.088, 0.042, 0.023), (0.870, 0.735, 0.52, 0.32, 0.21), 0.03, 0.012)
COSMIC = spectrum((0.235, 0.142, 0.080, 0.040, 0.025), (0.790, 0.640, 0.44, 0.29, 0.20), 0.06, 0.02)
ACTIVATION = spectrum((0.26, 0.18, 0.10, 0.045, 0.02), (0.89, 0.74, 0.48, 0.25, 0.13), 0.01, 0.0)
PARTICLES = spectrum((0.275, 0.170, 0.09, 0.035, 0.015), (0.800, 0.635, 0.38, 0.20, 0.10), 0.01, 0.0)
PILED_UP = spectrum((0.238, 0.182, 0.12, 0.06, 0.032), (0.980, 0.890, 0.64, 0.39, 0.26), 0.02, 0.005)
"""Shares of diffuse emission and albedo, cosmic-ray secondaries, activation, and trapped particles without and with
pile-up; their sums match the rows of POLAR at low, middle and high rates."""

_PILE_UP = 11_000.0  # rate in bin 12 at which all deposits are piled up, Hz


def particle_rates(particle: Array) -> Array:
    """Return (n, categories) rates of trapped particles for (n,) any-bar rates, Hz; higher rates are harder."""
    piled = np.minimum(particle / _PILE_UP, 1.0)[:, None]
    return particle[:, None] * ((1 - piled) * PARTICLES + piled * PILED_UP)


def gained(category: Array, change: Array) -> Array:
    """Move hits over the thresholds for a small change of the gain.

    A bin above E holds R(E / g) = R(E) (1 + slope * change) to first order, with the local slope of the spectrum
    d ln R / d ln (1/E); the total has a slope of its own.

    Args:
        category: (n, categories) rates.
        change: (n,) change of the gain, g - 1.
    """
    moved = category.copy()
    for first, slopes in ((0, _SINGLE_SLOPES), (5, _SEVERAL_SLOPES)):
        group = category[:, first : first + 5]
        above = np.cumsum(group[:, ::-1], axis=1)[:, ::-1]
        flow = above * (slopes * change[:, None])
        moved[:, first : first + 5] += flow - np.pad(flow[:, 1:], ((0, 0), (0, 1)))
        moved[:, 10] -= flow[:, 0]
    moved[:, 10] += _TRIGGER_SLOPE * change * category[:, :11].sum(axis=1)
    return np.maximum(moved, 0.0)


_TRIGGER_SLOPE = 0.45


def _slopes(above: Array) -> Array:
    """Return the spectral slopes between thresholds, the last one twice."""
    slopes = -np.diff(np.log(above)) / np.diff(np.log(THRESHOLDS))
    return np.append(slopes, slopes[-1])


_SINGLE_SLOPES = _slopes(QUIET @ NESTING[:, :5])
_SEVERAL_SLOPES = _slopes(np.cumsum(QUIET[9:4:-1])[::-1])


def live_fraction(rate: Array) -> Array:
    """Return the live fraction at a rate of bin 12, Hz: 0.95 at 3.5 kHz and 0.87 at 20 kHz, as in the real rows."""
    return np.interp(rate, [3500, 9000, 12500, 20000, 60000], [0.95, 0.933, 0.919, 0.87, 0.55])


def nested(category: Array) -> Array:
    """Sum (n, categories) to (n, bins); bins are correlated because they share hits."""
    return category @ NESTING


def per_rate_in(i_bin: int, shares: Array) -> Array:
    """Scale (categories,) shares to a rate of 1 in a bin."""
    return np.asarray(shares / (shares @ NESTING[:, i_bin]))


def rate_and_error(counts: Array, live: Array) -> tuple[Array, Array]:
    """Return rate = N / live and error = sqrt(N) / live, (n, bins), Hz; 0 where nothing was live.

    Args:
        counts: (n, bins).
        live: (n,) s.
    """
    inverse = np.divide(1.0, live, out=np.zeros_like(live), where=live > 0)[:, None]
    return counts * inverse, np.sqrt(counts) * inverse
