"""The thirteen nested count rates: their expectation from the place and the past, and their counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.saa import EDGE

Array = NDArray[np.float64]

BINS = 13
CATEGORIES = 13
"""Exclusive kinds of event: single bar by highest threshold passed (5), two to eight bars by the same (5),
below 15 keV, more than eight bars, after a cosmic ray."""

ANY = 12
"""Number of the bin "any bar, no post-cosmics", by which all rates are scaled."""


def _nesting() -> Array:
    """Return (categories, bins): 1 where an event of the category counts in the bin."""
    nest = np.zeros((CATEGORIES, BINS))
    for highest in range(5):
        nest[highest, : highest + 1] = 1  # single bar above 15, 20, 30, 50, 70 keV
        nest[[highest, 5 + highest], 5 : highest + 6] = 1  # any bar above the same
    nest[11, 5:10] = 1  # events of more than eight bars pass every threshold
    nest[11, 11] = 1
    nest[:, 10] = 1
    nest[:12, 12] = 1
    return nest


NESTING = _nesting()


def spectrum(single: tuple[float, ...], anybar: tuple[float, ...], crowded: float, after: float) -> Array:
    """Turn ratios of nested bins into shares of exclusive categories.

    Args:
        single: ratios of bins 0 to 4 to bin 12.
        anybar: ratios of bins 5 to 9 to bin 12.
        crowded: ratio of bin 11 to bin 12.
        after: ratio of what bin 10 has beyond bin 12 to bin 12.

    Returns:
        (categories,) rates for a rate of 1 in bin 12.
    """
    one = np.array([*single, 0.0])
    several = np.array([*anybar, 0.0]) - one
    several[-1] = crowded
    return np.concatenate([-np.diff(one), -np.diff(several), [1 - anybar[0], crowded, after]])


QUIET = spectrum((0.215, 0.145, 0.085, 0.040, 0.022), (0.885, 0.745, 0.52, 0.32, 0.21), 0.03, 0.012)
COSMIC = spectrum((0.27, 0.165, 0.09, 0.045, 0.028), (0.83, 0.69, 0.47, 0.30, 0.21), 0.06, 0.02)
ACTIVATION = spectrum((0.26, 0.18, 0.10, 0.045, 0.02), (0.89, 0.74, 0.48, 0.25, 0.13), 0.01, 0.0)
PARTICLES = spectrum((0.235, 0.172, 0.11, 0.06, 0.035), (0.95, 0.83, 0.62, 0.42, 0.30), 0.05, 0.01)
COMPONENTS = np.stack([QUIET, COSMIC, ACTIVATION, PARTICLES])
"""(components, categories): ratios to bin 12 near those of POLAR's file at low, middle and high rates."""
TRAPPED = 3
"""Number of the component of trapped particles."""


def components(
    *, cutoff: Array, strength: Array, shell: Array, activation: Array, crab: Array, trains: Array, day: Array
) -> Array:
    """Return the expected any-bar rate of each component.

    Args:
        cutoff: (n,) rigidity, GV.
        strength: (n,) of the field, nT.
        shell: (n,) L, Earth radii.
        activation: (n,) Hz.
        crab: (n,) effective area towards the Crab, as in the file.
        trains: (n, 2) strength of the particle spikes at the anomaly's edge and at high L, Hz.
        day: (n,) since the start of the mission.

    Returns:
        (n, components) Hz in bin 12: diffuse and albedo with the slow trend of the trough, cosmic-ray secondaries
        with two humps an orbit, activation, trapped particles.
    """
    trend = 1 - 0.11 * np.sin(2 * np.pi * day / 80)
    quiet = 2750 * trend + 9 * crab
    cosmic = 3300 * np.exp(-cutoff / 3.5)
    edge = trains[:, 0] * np.exp(-np.maximum(strength - EDGE, 0) / 500)
    high = trains[:, 1] * np.exp(-(((shell - 2.5) / 0.28) ** 2))
    return np.stack([quiet, cosmic, activation, edge + high], axis=1)


def gain(temperature: Array) -> Array:
    """Return the factor on all rates by which the crystals' temperature (degrees C) moves the thresholds."""
    return 1 - 0.006 * (temperature - 32.4)


def category_rates(component: Array) -> Array:
    """Return (n, categories) expected rates, Hz, of (n, components)."""
    return component @ COMPONENTS


def live_fraction(rate: Array) -> Array:
    """Return the live fraction at a rate of bin 12, Hz: .95 at 3.5 kHz, .87 at 20 kHz, bent as in the real rows."""
    return np.interp(rate, [3500, 9000, 12500, 20000, 60000], [0.95, 0.933, 0.919, 0.87, 0.55])


def nested(category: Array) -> Array:
    """Add (n, categories) up to (n, bins): shared events give the bins their correlation."""
    return category @ NESTING


def rate_and_error(counts: Array, live: Array) -> tuple[Array, Array]:
    """Return rate = N / live and error = sqrt(N) / live, (n, bins), Hz; 0 where nothing was live.

    Args:
        counts: (n, bins).
        live: (n,) s.
    """
    inverse = np.divide(1.0, live, out=np.zeros_like(live), where=live > 0)[:, None]
    return counts * inverse, np.sqrt(counts) * inverse


def trains(orbits: int, rng: np.random.Generator) -> Array:
    """Draw the strength of particle spikes orbit by orbit: lognormal, remembering the orbits before.

    Args:
        orbits: how many.
        rng: a longer mission drawn from the same state starts with the same orbits.

    Returns:
        (orbits, 2) Hz of bin 12: at the anomaly's edge, and at high L.
    """
    from scipy.signal import lfilter

    memory = 0.85
    walk = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.standard_normal((orbits, 2)), axis=0)
    return np.asarray(np.minimum(np.exp(np.log([1200.0, 900.0]) + walk), 30_000))
