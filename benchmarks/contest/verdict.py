"""How much better one prediction is than another on the same rows, and how sure that is: orbits are resampled."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEP, _STEPS = 0.005, 4000
"""Pulls are counted in steps of this size, up to 20; their median is far below."""
_QUARTILE = 0.67449
"""Median of |z| of a standard Gaussian."""
_DRAWS = 1000


@dataclass(frozen=True)
class Tally:
    """Pulls of one bin, summed by orbit.

    Attributes:
        rows: (orbits,) number of rows.
        pulls: (orbits,) sum of pulls.
        squares: (orbits,) sum of their squares.
        sizes: (orbits, steps) rows by the size of their pull.
    """

    rows: Array
    pulls: Array
    squares: Array
    sizes: Array


@dataclass(frozen=True)
class Verdict:
    """One prediction of one bin beside the one it is compared to.

    Attributes:
        mean_square: of the pulls, (rate - prediction)/rate_err; 1 if nothing but counting noise is left.
        core: (median of |pull| / 0.6745)**2: the same of Gaussian pulls, and spikes of particles do not move it.
        bias: mean pull.
        mean_square_change: how much the mean square is above that of the other prediction.
        mean_square_error: standard error of that.
        core_change: how much the core is above that of the other.
        core_error: standard error of that.
    """

    mean_square: float
    core: float
    bias: float
    mean_square_change: float
    mean_square_error: float
    core_change: float
    core_error: float

    def as_dict(self) -> dict[str, float]:
        """Return the plain values."""
        return asdict(self)


def tally(pull: Array, orbit: NDArray[np.integer]) -> Tally:
    """Sum the pulls of each orbit.

    Args:
        pull: (rows,).
        orbit: (rows,) the orbit of each.
    """
    orbits, place = np.unique(orbit, return_inverse=True)
    size = np.minimum(np.abs(pull) / _STEP, _STEPS - 1).astype(np.int64)
    return Tally(
        rows=np.bincount(place).astype(np.float64),
        pulls=np.bincount(place, pull).astype(np.float64),
        squares=np.bincount(place, pull**2).astype(np.float64),
        sizes=np.bincount(place * _STEPS + size, minlength=len(orbits) * _STEPS).reshape(-1, _STEPS).astype(float),
    )


def compare(one: Tally, other: Tally) -> Verdict:
    """Judge one prediction by another of the same rows.

    Orbits are drawn with replacement, the same for both: rows of an orbit go together, and what is hard in an orbit is
    hard for both.
    """
    orbits = len(one.rows)
    draws = np.random.default_rng(0).multinomial(orbits, np.full(orbits, 1 / orbits), _DRAWS).astype(np.float64)
    weights = np.vstack([np.ones(orbits), draws])  # the first is what was measured
    mean_squares, cores = [], []
    for each in (one, other):
        mean_squares.append(weights @ each.squares / (weights @ each.rows))
        cores.append((_medians(weights @ each.sizes) / _QUARTILE) ** 2)
    mean_square, core = mean_squares[0] - mean_squares[1], cores[0] - cores[1]
    return Verdict(
        mean_square=float(mean_squares[0][0]),
        core=float(cores[0][0]),
        bias=float(one.pulls.sum() / one.rows.sum()),
        mean_square_change=float(mean_square[0]),
        mean_square_error=float(mean_square[1:].std()),
        core_change=float(core[0]),
        core_error=float(core[1:].std()),
    )


def _medians(sizes: Array) -> Array:
    """Return the (draws,) medians of (draws, steps) counts, by straight lines within a step."""
    below = np.cumsum(sizes, axis=1)
    half = below[:, -1:] / 2
    step = np.argmax(below >= half, axis=1)[:, None]
    inside = np.take_along_axis(sizes, step, axis=1)
    missing = np.take_along_axis(below, step, axis=1) - half
    return np.asarray((step + 1 - missing / inside)[:, 0] * _STEP)
