"""A stretch of the orbit, and what is met on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import telemetry
from polarbgb.simulation.attitude import detector_axes
from polarbgb.simulation.field import Field, cutoff_rigidity, shell
from polarbgb.simulation.orbit import DAY, PERIOD, START, Orbit, orbit
from polarbgb.simulation.saa import Memory, Passes, passes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Past:
    """What a stretch of the orbit leaves to the next; times in unix seconds.

    Attributes:
        anomaly: memory of its passes.
        reading: time of the last reading; NaN if there was none.
        taken: time of the last reading with data.
        missing: time of the last reading without.
    """

    anomaly: Memory = field(default_factory=Memory)
    reading: float = np.nan
    taken: float = -np.inf
    missing: float = -np.inf


@dataclass(frozen=True)
class Way:
    """A stretch of the orbit.

    Attributes:
        time: (n,) unix seconds.
        place: of the platform.
        field: (3, n) B_r, B_theta, B_phi, nT.
        strength: (n,) of the field, nT.
        blind: (n,) true in holes of the data.
        anomaly: its passes.
        before: what the stretch before left.
    """

    time: Array
    place: Orbit
    field: Array
    strength: Array
    blind: NDArray[np.bool_]
    anomaly: Passes
    before: Past

    @cached_property
    def cutoff(self) -> Array:
        """(n,) cutoff rigidity, GV."""
        return cutoff_rigidity(self.field, self.place.altitude)

    @cached_property
    def shell(self) -> Array:
        """(n,) L, Earth radii."""
        return shell(self.field, self.place.altitude)

    @cached_property
    def revolution(self) -> Array:
        """(n,) orbits since the start."""
        return (self.time - START) / PERIOD

    @cached_property
    def taken(self) -> NDArray[np.bool_]:
        """Where data are taken."""
        return ~self.anomaly.off & ~self.blind

    @cached_property
    def since_on(self) -> Array:
        """(n,) seconds since data are taken again; inf where they were never missing."""
        return self.time - np.maximum.accumulate(np.where(self.taken, self.before.missing, self.time))

    @cached_property
    def axes(self) -> tuple[Array, Array]:
        """The detector's z and x axes, (n, 3) unit vectors."""
        return detector_axes(self.place, self.time)

    @property
    def after(self) -> Past:
        """What this stretch leaves to the next."""
        taken, missing = self.time[self.taken], self.time[~self.taken]
        return Past(
            anomaly=self.anomaly.memory,
            reading=float(self.time[-1]),
            taken=float(taken[-1]) if len(taken) else self.before.taken,
            missing=float(missing[-1]) if len(missing) else self.before.missing,
        )


def follow(earth: Field, time: Array, *, holes: Array, before: Past) -> Way:
    """Follow the orbit.

    Args:
        earth: its field.
        time: (n,) unix seconds in nearly equal steps, n > 1.
        holes: (k, 2) start and stop of holes of the data, unix seconds, in order and apart.
        before: what the stretch before left.
    """
    place = orbit(time)
    vector = earth.at(place.glat, place.glon, place.altitude)
    strength = np.linalg.norm(vector, axis=0)
    blind = telemetry.within(time, holes)
    restarts = time[np.diff(time, prepend=before.reading) > telemetry.RESTART]
    anomaly = passes(time, strength, holes=holes, restarts=restarts, memory=before.anomaly)
    return Way(time, place, vector, strength, blind, anomaly, before)


def past(earth: Field) -> Past:
    """Let the days before activate the detector, which is switched on at the start: the file knows of no pass yet."""
    time = np.arange(START - 3 * DAY, START, 4.0)
    way = follow(earth, time, holes=np.empty((0, 2)), before=Past())
    return Past(anomaly=replace(way.anomaly.memory, exit=-np.inf), missing=float(time[-1]))
