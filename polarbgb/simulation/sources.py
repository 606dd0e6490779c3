"""X-ray sources that rise and set: their directions, spectra and rates in POLAR."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import response
from polarbgb.simulation.orbit import Orbit, unit_vector
from polarbgb.simulation.rates import ANY, per_rate_in
from polarbgb.simulation.sky import above_horizon

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Source:
    """An X-ray source.

    Attributes:
        direction: (3,) unit vector for the equator and equinox of 2017, like the orbit.
        rate: in bin 12 with the source on the axis of the detector, Hz.
        photons: (energies,) photon spectrum.
    """

    direction: Array
    rate: float
    photons: Array

    @cached_property
    def shares(self) -> Array:
        """(categories,) shares for a rate of 1 in bin 12."""
        return per_rate_in(ANY, response.shares(self.photons))

    def exposure(self, place: Orbit, z: Array) -> Array:
        """Return the (n,) exposure relative to that on the axis of the detector; 0 where the Earth hides the source.

        It is 0.57 + 0.70 c - 0.27 c^2 for the cosine c of the angle from the axis, because POLAR is nearly a cube whose
        sides see what its face does not; the numbers reproduce the quartiles of ``crabarf``.

        Args:
            place: of the platform.
            z: (n, 3) detector axis.
        """
        cosine = z @ self.direction
        return np.where(above_horizon(place, self.direction), 0.57 + 0.70 * cosine - 0.27 * cosine**2, 0.0)


CRAB_AREA = 3.53
"""Largest value of ``crabarf``, in the units of the file (similar to cm2)."""

CRAB = Source(unit_vector(83.890, 22.025), 32.0, response.power_law(-2.1))
"""A power law of photon index 2.1 (Toor and Seward 1974, AJ 79, 995)."""

SCORPIUS_X1 = Source(
    unit_vector(245.223, -15.680), 34.0, response.power_law(-1.0, 6.0) + 2e-4 * response.power_law(-2.0)
)
"""Bremsstrahlung at 6 keV with a hard tail (D'Amico et al. 2001, ApJ 547, L147)."""

CYGNUS_X1 = Source(unit_vector(299.751, 35.249), 16.0, response.power_law(-1.5, 150.0))
"""Photon index 1.5 with a cutoff at 150 keV, as in the hard state (Gierlinski et al. 1997, MNRAS 288, 958)."""
