"""Trapped particles: spikes where the orbit touches the radiation belts, in trains over neighbouring orbits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.red_noise import red_noise
from polarbgb.simulation.saa import EDGE

Array = NDArray[np.float64]

PLACES = 3
"""Number of regions with spikes: the edge of the anomaly, L near 2.4, and L near 4.4."""

MOST = 38_000.0
"""Highest any-bar rate of trapped particles, Hz; with the rest of the background it reaches 41 kHz, as in the file."""

_MEMORY = 0.88  # correlation of an orbit with the previous one
_MIDDLE = np.log([900.0, 650.0, 900.0])  # Hz
_SPREAD = np.array([1.2, 1.55, 1.1])
_FLICKER, _FLICKER_LIFE = 0.08, 15.0  # standard deviation of the logarithm; correlation time, s


@dataclass(frozen=True)
class Trains:
    """State of the radiation belts, orbit by orbit.

    Attributes:
        strength: (orbits, places) highest any-bar rate, Hz.
        shell: (orbits,) L of the middle spike.
        outer: (orbits,) L of the outer spike.
        width: (orbits,) width of the middle spike in L.
        reach: (orbits,) scale of the field over which particles at the edge of the anomaly fall off, nT.
        hardness: (orbits, places) front-end counts per any-bar count at 2 kHz.
    """

    strength: Array
    shell: Array
    outer: Array
    width: Array
    reach: Array
    hardness: Array


def trains(orbits: int, rng: np.random.Generator) -> Trains:
    """Draw the state of the belts: the logarithm of red noise, so that spikes come in trains.

    The daily pattern is not drawn; it follows from the orbit, which meets the belts a few times per day.

    Args:
        orbits: number of orbits.
        rng: source of the noise; a longer mission drawn from the same state starts with the same orbits.
    """
    walk = red_noise(rng.standard_normal((orbits, 2 * PLACES + 4)), _MEMORY, stationary=True)
    return Trains(
        strength=np.minimum(np.exp(_MIDDLE + _SPREAD * walk[:, :PLACES]), MOST),
        shell=2.4 + 0.18 * walk[:, 3],
        outer=4.4 + 0.2 * walk[:, 6],
        width=0.20 * np.exp(0.35 * walk[:, 4]),
        reach=500 * np.exp(0.4 * walk[:, 5]),
        hardness=np.array([0.5, 0.5, 0.1]) * np.exp(0.6 * walk[:, 7:]),
    )


def particles(trains: Trains, *, revolution: Array, strength: Array, shell: Array) -> Array:
    """Return the any-bar rate of trapped particles along the orbit.

    Args:
        trains: of the mission.
        revolution: (n,) orbits since the start.
        strength: (n,) of the field, nT.
        shell: (n,) L, Earth radii.

    Returns:
        (n, places) Hz.
    """
    edge = np.exp(-np.maximum(strength - EDGE, 0) / _now(trains.reach, revolution))
    slot = np.exp(-(((shell - _now(trains.shell, revolution)) / _now(trains.width, revolution)) ** 2))
    outer = np.exp(-(((shell - _now(trains.outer, revolution)) / 0.26) ** 2))
    return np.asarray(_now(trains.strength, revolution) * np.stack([edge, slot, outer], axis=1))


def front_end(trains: Trains, revolution: Array, particle: Array) -> Array:
    """Return the (n,) front-end count rate of trapped particles, Hz.

    It goes as the square root of the any-bar rate: in the brightest rows of POLAR (20 kHz in bin 12) it adds little to
    the cosmic rays, in spikes of a few kHz as much as they do.

    Args:
        trains: of the mission.
        revolution: (n,) orbits since the start.
        particle: (n, places) any-bar rates, Hz.
    """
    return np.asarray((_now(trains.hardness, revolution) * np.sqrt(2000 * particle)).sum(axis=1))


def flicker(rows: int, rng: np.random.Generator) -> Array:
    """Draw the fast variation of a spike: a factor for each of the (rows,) rows of 1 s."""
    noise = red_noise(rng.standard_normal(rows), np.exp(-1 / _FLICKER_LIFE), stationary=False)
    return np.asarray(np.exp(_FLICKER * noise))


def _now(values: Array, revolution: Array) -> Array:
    """Interpolate (orbits,) or (orbits, places) values to (n,) orbits since the start."""
    orbit = np.arange(len(values))
    if values.ndim == 1:
        return np.asarray(np.interp(revolution, orbit, values))
    return np.stack([np.interp(revolution, orbit, column) for column in values.T], axis=1)
