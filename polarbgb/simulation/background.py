"""The rates of everything but events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import nuisances as unnamed
from polarbgb.simulation import rates
from polarbgb.simulation.belts import MOST, flicker
from polarbgb.simulation.housekeeping import temperature
from polarbgb.simulation.orbit import DAY, START
from polarbgb.simulation.plan import Plan
from polarbgb.simulation.sources import CRAB, CRAB_AREA, CYGNUS_X1, SCORPIUS_X1
from polarbgb.simulation.trajectory import Way

Array = NDArray[np.float64]

# In bin 12, Hz, and the rigidity over which it falls, GV; chosen by the file's quiet equator (2.8 to 3.2 kHz) and its
# rows at high latitude (7 kHz at L = 4.8).
_DIFFUSE = 2640.0
_SECONDARY, _SECONDARY_SCALE = 4600.0, 2.35
_ALBEDO, _ALBEDO_SCALE = 1000.0, 6.0
_TREND, _TREND_PERIOD = 0.06, 85 * DAY  # the file's troughs drift: 650, 580, 750 Hz in bin 0

_GAIN_SLOPE, _GAIN_TEMPERATURE = -0.018, 32.4  # of the gain for a degree C, and where it is 1
_LAG = 600.0  # s by which the crystals follow the thermometer


def background_rates(
    plan: Plan, way: Way, *, particle: Array, crab: Array, time: Array, rng: np.random.Generator
) -> Array:
    """Add up diffuse light, albedo, cosmic-ray secondaries, activation, sources and trapped particles.

    Args:
        plan: of the mission.
        way: through the day, (n,) readings.
        particle: (n, places) any-bar rates of trapped particles, Hz.
        crab: (n,) effective area towards the Crab, as in the file.
        time: (rows,) openings of the bins, unix seconds.
        rng: draws how ragged the particles come.

    Returns:
        (rows, categories) Hz.
    """
    rays = plan.weather.cosmic_rays(way.time) * plan.weather.factor(1, way.time)
    trend = 1 - _TREND * np.sin(2 * np.pi * (way.time - START) / _TREND_PERIOD)
    diffuse = (
        _DIFFUSE * trend * plan.weather.factor(0, way.time) * unnamed.scattering(plan.weather, way.place, way.time)
    )
    albedo = rays * _ALBEDO * np.exp(-way.cutoff / _ALBEDO_SCALE)
    secondary = rays * _SECONDARY * np.exp(-way.cutoff / _SECONDARY_SCALE)
    scorpius, cygnus = unnamed.sources(plan.weather, way.place, way.axes[0], way.time)
    parts = [
        (diffuse + albedo, rates.QUIET),
        (secondary, rates.COSMIC),
        (way.anomaly.activation, rates.ACTIVATION),
        (CRAB.rate / CRAB_AREA * crab, CRAB.shares),
        (scorpius, SCORPIUS_X1.shares),
        (cygnus, CYGNUS_X1.shares),
    ]
    at_rows = np.stack([np.interp(time, way.time, rate) for rate, _ in parts], axis=1)
    trapped = particle[:, 0] + particle[:, 1] + particle[:, 2] * plan.weather.factor(4, way.time)
    bunched = np.interp(time, way.time, np.minimum(trapped, MOST)) * flicker(len(time), rng)
    category = at_rows @ np.stack([shares for _, shares in parts]) + rates.particle_rates(bunched)
    warmth = temperature(way.time - _LAG, plan.holes) - _GAIN_TEMPERATURE
    gain = _GAIN_SLOPE * warmth + unnamed.settling(plan.weather, way.since_on)
    return rates.gained(category, np.interp(time, way.time, gain))
