"""X-ray sources that rise and set: where they stand, and what POLAR counts of them."""

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
    """A source.

    Attributes:
        direction: (3,) unit vector, of the equator and equinox of 2017 as the orbit is.
        rate: on the detector's axis, in bin 12, Hz.
        photons: (energies,) its spectrum.
    """

    direction: Array
    rate: float
    photons: Array

    @cached_property
    def shares(self) -> Array:
        """(categories,) for a rate of 1 in bin 12."""
        return per_rate_in(ANY, response.shares(self.photons))

    def exposure(self, place: Orbit, z: Array) -> Array:
        """Return its exposure relative to one on the detector's axis, (n,); 0 where the Earth hides it.

        .57 + .70 c - .27 c^2 for the cosine c of the angle off the axis: POLAR is nearly a cube, whose sides see what
        its face does not; the numbers give the quartiles of ``crabarf``.

        Args:
            place: of the platform.
            z: (n, 3) detector axis.
        """
        cosine = z @ self.direction
        return np.where(above_horizon(place, self.direction), 0.57 + 0.70 * cosine - 0.27 * cosine**2, 0.0)


CRAB_AREA = 3.53
"""Greatest value of ``crabarf``, in the units of the file (like cm2)."""

CRAB = Source(unit_vector(83.890, 22.025), 32.0, response.power_law(-2.1))
"""A power law of photon index 2.1 (Toor and Seward 1974, AJ 79, 995)."""

SCORPIUS_X1 = Source(
    unit_vector(245.223, -15.680), 34.0, response.power_law(-1.0, 6.0) + 2e-4 * response.power_law(-2.0)
)
"""Bremsstrahlung of 6 keV with a hard tail (D'Amico et al. 2001, ApJ 547, L147)."""

CYGNUS_X1 = Source(unit_vector(299.751, 35.249), 16.0, response.power_law(-1.5, 150.0))
"""Photon index 1.5, folded at 150 keV, as in its hard state (Gierlinski et al. 1997, MNRAS 288, 958)."""
