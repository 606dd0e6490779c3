"""Nuisances: effects that change the rates but are in no column of the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import DAY, START, Orbit
from polarbgb.simulation.red_noise import red_noise
from polarbgb.simulation.sky import sun_direction
from polarbgb.simulation.sources import CYGNUS_X1, SCORPIUS_X1

Array = NDArray[np.float64]

_STEP = 60.0  # s
# Standard deviation (of the logarithm) and correlation time (s) of the red noise of: the quiet rate, the cosmic rays,
# Sco X-1, Cyg X-1, and the outer belt.
_SIZES = np.array([0.004, 0.012, 0.30, 0.20, 0.8])
_LIVES = np.array([900.0, 2400.0, 10_800.0, 86_400.0, 250_000.0])
_FORBUSH_DAILY, _FORBUSH_DEPTH, _FORBUSH_LIFE = 0.06, (0.02, 0.09), 4.0  # number per day, depth, days
_ROTATION = 27.0  # rotation period of the Sun, days
_SETTLING, _SETTLING_LIFE = 0.02, 420.0  # change of the gain; decay time, s


@dataclass(frozen=True)
class Nuisances:
    """Effects on the rates during a mission that no column describes.

    Attributes:
        red_noise: (steps, 5) of the logarithms, one row per minute from the start.
        decreases: (days,) depth of the Forbush decrease that begins on each day.
        strength: factor on all of them.
    """

    red_noise: Array
    decreases: Array
    strength: float

    def factor(self, i_source: int, time: Array) -> Array:
        """Return the factor on one of the five sources of red noise at (n,) unix seconds."""
        noise = self.red_noise[:, i_source]
        logarithm = np.interp((time - START) / _STEP, np.arange(len(noise)), noise)
        return np.asarray(np.exp(self.strength * _SIZES[i_source] * logarithm))

    def cosmic_rays(self, time: Array) -> Array:
        """Return the factor on the primary cosmic rays at (n,) unix seconds.

        The solar wind weakens them with the rotation of the Sun, and in sudden decreases that recover within days
        (Forbush 1937, Phys. Rev. 51, 1108).
        """
        day = (time - START) / DAY
        weaker = 0.012 * np.sin(2 * np.pi * day / _ROTATION)
        for start in np.flatnonzero(self.decreases):
            since = day - start - 0.4
            weaker += np.where(since > 0, self.decreases[start] * np.exp(-np.maximum(since, 0) / _FORBUSH_LIFE), 0)
        return 1 - self.strength * weaker


def draw_nuisances(days: int, rng: np.random.Generator, strength: float) -> Nuisances:
    """Draw the nuisances; a longer mission drawn from the same state begins like a shorter one.

    Args:
        days: length of the mission.
        rng: source of the noise.
        strength: factor on all nuisances; 0 turns them off.
    """
    noise, decreases = rng.spawn(2)
    white = noise.standard_normal((int(days * DAY / _STEP) + 2, len(_LIVES)))
    columns = [
        red_noise(column, np.exp(-_STEP / life), stationary=True) for column, life in zip(white.T, _LIVES, strict=True)
    ]
    chance, depth = decreases.random((days, 2)).T
    low, high = _FORBUSH_DEPTH
    return Nuisances(
        red_noise=np.stack(columns, axis=1),
        decreases=np.where(chance < _FORBUSH_DAILY, low + (high - low) * depth, 0.0),
        strength=strength,
    )


def sources(nuisances: Nuisances, place: Orbit, z: Array, time: Array) -> tuple[Array, Array]:
    """Return the any-bar rates of Scorpius X-1 and Cygnus X-1, (n,) Hz each; the sources rise, set and vary.

    Args:
        nuisances: of the mission.
        place: of the platform.
        z: (n, 3) detector axis.
        time: (n,) unix seconds.
    """
    scorpius = SCORPIUS_X1.rate * nuisances.factor(2, time) * SCORPIUS_X1.exposure(place, z)
    cygnus = CYGNUS_X1.rate * nuisances.factor(3, time) * CYGNUS_X1.exposure(place, z)
    return nuisances.strength * scorpius, nuisances.strength * cygnus


def scattering(nuisances: Nuisances, place: Orbit, time: Array) -> Array:
    """Return the (n,) factor on the quiet rate of photons scattered by the solar panels, which follow the Sun."""
    sun = sun_direction(time)
    ahead, side = (sun * place.forward).sum(axis=1), (sun * place.normal).sum(axis=1)
    return np.asarray(1 + nuisances.strength * 0.012 * (np.abs(ahead) * (1 + side) - 0.5))


def settling(nuisances: Nuisances, since_on: Array) -> Array:
    """Return the change of the gain (g - 1) while the high voltage settles, (n,) seconds after it was switched on."""
    return -nuisances.strength * _SETTLING * np.exp(-since_on / _SETTLING_LIFE)
