"""The background rates: everything but the injected events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import rates
from polarbgb.simulation.belts import MOST, flicker
from polarbgb.simulation.housekeeping import temperature
from polarbgb.simulation.nuisances import scattering, settling, sources
from polarbgb.simulation.orbit import DAY, START
from polarbgb.simulation.plan import Plan
from polarbgb.simulation.sources import CRAB, CRAB_AREA, CYGNUS_X1, SCORPIUS_X1
from polarbgb.simulation.trajectory import Trajectory

Array = NDArray[np.float64]

# Rates in bin 12, Hz, and the rigidities over which they fall, GV; chosen to match the quiet rows at the equator
# (2.8 to 3.2 kHz) and those at high latitude (7 kHz at L = 4.8) of the real file.
_DIFFUSE = 2640.0
_SECONDARY, _SECONDARY_SCALE = 4600.0, 2.35
_ALBEDO, _ALBEDO_SCALE = 1000.0, 6.0
_TREND, _TREND_PERIOD = 0.06, 85 * DAY  # the lowest rates of the file drift: 650, 580, 750 Hz in bin 0

_GAIN_SLOPE, _GAIN_TEMPERATURE = -0.018, 32.4  # change of the gain per degree C, and the temperature at which it is 1
_LAG = 600.0  # s by which the scintillator follows the thermometer


def background_rates(
    plan: Plan, trajectory: Trajectory, *, particle: Array, crab: Array, time: Array, rng: np.random.Generator
) -> Array:
    """Add up diffuse light, albedo, cosmic-ray secondaries, activation, sources and trapped particles.

    Args:
        plan: of the mission.
        trajectory: of the day, (n,) readings.
        particle: (n, places) any-bar rates of trapped particles, Hz.
        crab: (n,) effective area towards the Crab, as in the file.
        time: (rows,) openings of the bins, unix seconds.
        rng: source of the fast variation of the trapped particles.

    Returns:
        (rows, categories) Hz.
    """
    rays = plan.nuisances.cosmic_rays(trajectory.time) * plan.nuisances.factor(1, trajectory.time)
    trend = 1 - _TREND * np.sin(2 * np.pi * (trajectory.time - START) / _TREND_PERIOD)
    diffuse = (
        _DIFFUSE
        * trend
        * plan.nuisances.factor(0, trajectory.time)
        * scattering(plan.nuisances, trajectory.place, trajectory.time)
    )
    albedo = rays * _ALBEDO * np.exp(-trajectory.cutoff / _ALBEDO_SCALE)
    secondary = rays * _SECONDARY * np.exp(-trajectory.cutoff / _SECONDARY_SCALE)
    scorpius, cygnus = sources(plan.nuisances, trajectory.place, trajectory.axes[0], trajectory.time)
    components = [
        (diffuse + albedo, rates.QUIET),
        (secondary, rates.COSMIC),
        (trajectory.anomaly.activation, rates.ACTIVATION),
        (CRAB.rate / CRAB_AREA * crab, CRAB.shares),
        (scorpius, SCORPIUS_X1.shares),
        (cygnus, CYGNUS_X1.shares),
    ]
    at_rows = np.stack([np.interp(time, trajectory.time, rate) for rate, _ in components], axis=1)
    trapped = particle[:, 0] + particle[:, 1] + particle[:, 2] * plan.nuisances.factor(4, trajectory.time)
    bunched = np.interp(time, trajectory.time, np.minimum(trapped, MOST)) * flicker(len(time), rng)
    category = at_rows @ np.stack([shares for _, shares in components]) + rates.particle_rates(bunched)
    warmth = temperature(trajectory.time - _LAG, plan.holes) - _GAIN_TEMPERATURE
    gain = _GAIN_SLOPE * warmth + settling(plan.nuisances, trajectory.since_on)
    return rates.gained(category, np.interp(time, trajectory.time, gain))
