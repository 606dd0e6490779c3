"""Light curves of transients, from onset (0) to end (1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID = np.linspace(0.0, 1.0, 4001)


@dataclass(frozen=True, eq=False)
class Profile:
    """A light curve of unit length and height.

    Attributes:
        cumulative: (4001,) integral from 0 to evenly spaced points.
    """

    cumulative: Array

    def until(self, x: Array) -> Array:
        """Return the integral from 0 to (n,) points; constant outside 0 to 1."""
        return np.interp(x, _GRID, self.cumulative)

    def reaches(self, fraction: float) -> float:
        """Return the point at which the integral reaches a fraction of the total."""
        return float(np.interp(fraction * self.cumulative[-1], self.cumulative, _GRID))

    def brightest(self, length: float) -> float:
        """Return the highest mean over an interval of a length, relative to the length of the profile."""
        begin = np.concatenate([-length + _GRID[length > _GRID], _GRID])
        return float((self.until(begin + length) - self.until(begin)).max() / length)

    @property
    def t90(self) -> float:
        """Length from 5 % to 95 % of the integral."""
        return self.reaches(0.95) - self.reaches(0.05)


def pulses(count: int, rng: np.random.Generator) -> Profile:
    """Draw a burst of pulses exp(-a/x - x/b) (Norris et al. 2005, ApJ 627, 324), of unequal heights and widths."""
    shape = np.zeros_like(_GRID)
    for _ in range(count):
        onset = 0.0 if count == 1 else 0.55 * rng.random()
        decay = (0.12 if count == 1 else 0.05) * np.exp(0.4 * rng.standard_normal())
        rise = decay * 10 ** rng.uniform(-1.3, 0.2)
        x = np.maximum(_GRID - onset, 1e-9)
        shape += rng.uniform(0.3, 1.0) * np.exp(2 * np.sqrt(rise / decay) - rise / x - x / decay)
    return _profile(shape)


def times(length: float) -> Array:
    """Return the (4001,) times of the points of a profile, s after the onset, for a length in s."""
    return length * _GRID


def flare(rng: np.random.Generator) -> Profile:
    """Draw a solar flare: Gaussian rise, decay by two exponentials (Gryciuk et al. 2017, Solar Phys. 292, 77)."""
    peak = rng.uniform(0.06, 0.2)
    after = np.maximum(_GRID - peak, 0)
    down = 0.7 * np.exp(-after / rng.uniform(0.06, 0.12)) + 0.3 * np.exp(-after / 0.3)
    return _profile(np.where(peak > _GRID, np.exp(-(((_GRID - peak) / (0.4 * peak)) ** 2)), down))


def ragged(rng: np.random.Generator) -> Profile:
    """Draw bunches of particles: a smooth bump multiplied by a random walk."""
    points = np.linspace(0, 1, 25)
    walk = np.cumsum(rng.normal(0, 0.45, 25))
    return _profile(np.sin(np.pi * _GRID) ** 0.7 * np.exp(np.interp(_GRID, points, walk)))


def seen(profile: Profile, visible: NDArray[np.bool_]) -> Profile | None:
    """Return the part of a profile where its (4001,) points are visible; None if there is none."""
    shape = np.gradient(profile.cumulative, _GRID) * visible
    return _profile(shape) if shape.max() > 0 else None


@cache
def ramp() -> Profile:
    """Return a profile that grows as the square of time up to its end."""
    return _profile(_GRID**2)


@cache
def plateau() -> Profile:
    """Return a constant profile."""
    return _profile(np.ones_like(_GRID))


def sampled(values: Array) -> Profile:
    """Return the profile through (n,) evenly spaced values, not all 0."""
    return _profile(np.interp(_GRID, np.linspace(0, 1, len(values)), values))


def _profile(shape: Array) -> Profile:
    shape = shape / shape.max()
    steps = (shape[1:] + shape[:-1]) / 2 * np.diff(_GRID)
    return Profile(np.concatenate([[0.0], np.cumsum(steps)]))
