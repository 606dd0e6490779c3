"""Response of bars of plastic scintillator to a photon spectrum."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from polarbgb.simulation.rates import CATEGORIES, THRESHOLDS, per_rate_in

Array = NDArray[np.float64]

ENERGIES = np.geomspace(8.0, 3000.0, 160)
"""Photon energies at which spectra are given, keV."""

_REST = 510.999  # keV
_SECOND = 0.6  # probability that a scattered photon scatters once more, in another bar
_TRIGGER = 11.5
"""Smallest deposit that a bar counts, keV; with it bin 5 is about 0.87 of bin 12, as in the file."""
_FRACTIONS = (np.arange(60) + 0.5) / 60  # of the largest deposit


def band(alpha: float, beta: float, peak: float) -> Array:
    """Return the photon spectrum of a gamma-ray burst (Band et al. 1993, ApJ 413, 281) on :data:`ENERGIES`.

    Args:
        alpha: slope at low energies, > -2.
        beta: slope at high energies, < alpha.
        peak: energy of the maximum of E^2 N(E), keV.
    """
    fold = peak / (2 + alpha)
    knee = (alpha - beta) * fold
    low = (ENERGIES / 100) ** alpha * np.exp(-ENERGIES / fold)
    high = (knee / 100) ** (alpha - beta) * np.exp(beta - alpha) * (ENERGIES / 100) ** beta
    return np.where(knee > ENERGIES, low, high)


def power_law(slope: float, fold: float = np.inf) -> Array:
    """Return E^slope exp(-E / fold) on :data:`ENERGIES`; fold in keV."""
    return np.asarray((ENERGIES / 100) ** slope * np.exp(-ENERGIES / fold))


def shares(spectrum: Array) -> Array:
    """Fold a spectrum with the response.

    Args:
        spectrum: photons per keV at :data:`ENERGIES`.

    Returns:
        (categories,) shares for a rate of 1 in bin 0.
    """
    counts = trapezoid(spectrum[:, None] * _response(), ENERGIES, axis=0)
    return per_rate_in(0, np.asarray(counts))


def compton_edge(energy: Array) -> Array:
    """Return the largest energy that a photon can deposit in one scattering: 2 E^2 / (m c^2 + 2 E), keV."""
    return 2 * energy**2 / (_REST + 2 * energy)


def klein_nishina(energy: Array, deposit: Array) -> Array:
    """Return the differential cross-section in the deposited energy, up to a constant.

    d(sigma)/dT ~ [2 + s^2 / (e^2 (1-s)^2) + s / (1-s) (s - 2/e)] / e^2, with e = E / m c^2 and s = T / E
    (Klein and Nishina 1929; in terms of T as in Evans, The Atomic Nucleus, chapter 23).

    Args:
        energy: of the photon, keV.
        deposit: T, below the Compton edge, keV.
    """
    e, s = energy / _REST, deposit / energy
    return np.asarray((2 + (s / (e * (1 - s))) ** 2 + s / (1 - s) * (s - 2 / e)) / e**2)


@cache
def _response() -> Array:
    """Return the (energies, categories) response: a photon is absorbed, or scatters once or in two bars.

    The ratio of absorption to scattering in plastic is 1.1 (20 keV / E)^3.
    """
    response = np.zeros((len(ENERGIES), CATEGORIES))
    for i_energy, energy in enumerate(ENERGIES):
        absorbed = 1.1 * (20 / energy) ** 3
        absorbed = absorbed / (absorbed + 1)
        response[i_energy] += absorbed * _one_bar(np.array([energy]), np.ones(1))
        first = compton_edge(energy) * _FRACTIONS
        chance = _normal(klein_nishina(energy, first))
        left = energy - first[:, None]
        second = compton_edge(left) * _FRACTIONS
        both = chance[:, None] * _normal(klein_nishina(left, second))
        response[i_energy] += (1 - absorbed) * (1 - _SECOND) * _one_bar(first, chance)
        response[i_energy] += (1 - absorbed) * _SECOND * _two_bars(first[:, None], second, both)
    return response


def _one_bar(deposit: Array, chance: Array) -> Array:
    return _count(deposit, _highest(deposit), chance)


def _two_bars(first: Array, second: Array, chance: Array) -> Array:
    """Count two deposits; if the smaller one is below the trigger, the hit is one of a single bar."""
    low, high = np.minimum(first, second).ravel(), np.maximum(first, second).ravel()
    return _count(high, _highest(high) + np.where(low < _TRIGGER, 0, 5), chance.ravel())


def _highest(deposit: Array) -> NDArray[np.int64]:
    return np.asarray(np.searchsorted(THRESHOLDS, deposit, side="right") - 1)


def _count(deposit: Array, kind: NDArray[np.int64], chance: Array) -> Array:
    kind = np.where(deposit < THRESHOLDS[0], 10, kind)
    return np.asarray(np.bincount(kind, np.where(deposit < _TRIGGER, 0.0, chance), CATEGORIES), float)


def _normal(weights: Array) -> Array:
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
