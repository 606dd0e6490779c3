"""What moves the rates though no column of the file names it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import DAY, START, Orbit
from polarbgb.simulation.red_noise import wander
from polarbgb.simulation.sky import sun_direction
from polarbgb.simulation.sources import CYGNUS_X1, SCORPIUS_X1

Array = NDArray[np.float64]

_STEP = 60.0  # s
# Size (of the logarithm) and memory (s) of what wanders: the quiet rate, the cosmic rays, Sco X-1, Cyg X-1, outer belt.
_SIZES = np.array([0.004, 0.012, 0.30, 0.20, 0.8])
_LIVES = np.array([900.0, 2400.0, 10_800.0, 86_400.0, 250_000.0])
_FORBUSH_DAILY, _FORBUSH_DEPTH, _FORBUSH_LIFE = 0.06, (0.02, 0.09), 4.0  # number a day, depth, days
_ROTATION = 27.0  # days of a turn of the Sun
_SETTLING, _SETTLING_LIFE = 0.02, 420.0  # of the gain; s


@dataclass(frozen=True)
class Weather:
    """What wanders in the course of a mission.

    Attributes:
        wander: (steps, 5) of the logarithms, every minute from the start on.
        decreases: (days,) depth of the Forbush decrease that begins on each day.
        strength: factor on everything unnamed.
    """

    wander: Array
    decreases: Array
    strength: float

    def factor(self, number: int, time: Array) -> Array:
        """Return the factor of one of the five at (n,) unix seconds."""
        walk = self.wander[:, number]
        return np.asarray(
            np.exp(self.strength * _SIZES[number] * np.interp((time - START) / _STEP, np.arange(len(walk)), walk))
        )

    def cosmic_rays(self, time: Array) -> Array:
        """Return the factor on the primary cosmic rays at (n,) unix seconds.

        Streams from the Sun weaken them with its rotation, and in sudden drops that recover within days (Forbush
        1937, Phys. Rev. 51, 1108).
        """
        day = (time - START) / DAY
        weaker = 0.012 * np.sin(2 * np.pi * day / _ROTATION)
        for start in np.flatnonzero(self.decreases):
            since = day - start - 0.4
            weaker += np.where(since > 0, self.decreases[start] * np.exp(-np.maximum(since, 0) / _FORBUSH_LIFE), 0)
        return 1 - self.strength * weaker


def weather(days: int, rng: np.random.Generator, strength: float) -> Weather:
    """Draw the weather; a longer mission drawn from the same state starts with the same.

    Args:
        days: how many.
        rng: source of it.
        strength: factor on all of it; 0 leaves nothing.
    """
    walks, decreases = rng.spawn(2)
    white = walks.standard_normal((int(days * DAY / _STEP) + 2, len(_LIVES)))
    columns = [
        wander(column, np.exp(-_STEP / life), settled=True) for column, life in zip(white.T, _LIVES, strict=True)
    ]
    chance, depth = decreases.random((days, 2)).T
    low, high = _FORBUSH_DEPTH
    return Weather(
        wander=np.stack(columns, axis=1),
        decreases=np.where(chance < _FORBUSH_DAILY, low + (high - low) * depth, 0.0),
        strength=strength,
    )


def sources(weather: Weather, place: Orbit, z: Array, time: Array) -> tuple[Array, Array]:
    """Return the any-bar rates of Scorpius X-1 and Cygnus X-1, (n,) Hz each: they rise, set and vary.

    Args:
        weather: of the mission.
        place: of the platform.
        z: (n, 3) detector axis.
        time: (n,) unix seconds.
    """
    scorpius = SCORPIUS_X1.rate * weather.factor(2, time) * SCORPIUS_X1.exposure(place, z)
    cygnus = CYGNUS_X1.rate * weather.factor(3, time) * CYGNUS_X1.exposure(place, z)
    return weather.strength * scorpius, weather.strength * cygnus


def scattering(weather: Weather, place: Orbit, time: Array) -> Array:
    """Return the factor on the quiet rate of what the solar panels, which follow the Sun, scatter in, (n,)."""
    sun = sun_direction(time)
    ahead, side = (sun * place.forward).sum(axis=1), (sun * place.normal).sum(axis=1)
    return np.asarray(1 + weather.strength * 0.012 * (np.abs(ahead) * (1 + side) - 0.5))


def settling(weather: Weather, since_on: Array) -> Array:
    """Return the gain, less 1, that high voltage still lacks at (n,) seconds after it was switched on."""
    return -weather.strength * _SETTLING * np.exp(-since_on / _SETTLING_LIFE)
