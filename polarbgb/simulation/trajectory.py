"""The trajectory of the platform: position, field and anomaly along a stretch of the orbit."""

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
    """State that one stretch of the orbit hands to the next; times in unix seconds.

    Attributes:
        anomaly: state of the anomaly.
        reading: time of the last reading; NaN if there is none.
        taken: time of the last reading with data.
        missing: time of the last reading without data.
    """

    anomaly: Memory = field(default_factory=Memory)
    reading: float = np.nan
    taken: float = -np.inf
    missing: float = -np.inf


@dataclass(frozen=True)
class Trajectory:
    """A stretch of the orbit, at (n,) times.

    Attributes:
        time: (n,) unix seconds.
        place: position of the platform.
        field: (3, n) B_r, B_theta, B_phi, nT.
        strength: (n,) of the field, nT.
        blind: (n,) true in holes of the data.
        anomaly: passes of the anomaly.
        before: state at the start.
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
        """(n,) true where data are taken."""
        return ~self.anomaly.off & ~self.blind

    @cached_property
    def since_on(self) -> Array:
        """(n,) seconds since the last time without data; inf if there was none."""
        return self.time - np.maximum.accumulate(np.where(self.taken, self.before.missing, self.time))

    @cached_property
    def axes(self) -> tuple[Array, Array]:
        """(n, 3) unit vectors of the z and x axes of the detector."""
        return detector_axes(self.place, self.time)

    @property
    def after(self) -> Past:
        """State at the end."""
        taken, missing = self.time[self.taken], self.time[~self.taken]
        return Past(
            anomaly=self.anomaly.memory,
            reading=float(self.time[-1]),
            taken=float(taken[-1]) if len(taken) else self.before.taken,
            missing=float(missing[-1]) if len(missing) else self.before.missing,
        )


def follow(earth: Field, time: Array, *, holes: Array, before: Past) -> Trajectory:
    """Return the trajectory along a stretch of the orbit.

    Args:
        earth: geomagnetic field.
        time: (n,) unix seconds in nearly equal steps, n > 1.
        holes: (k, 2) start and stop of holes in the data, unix seconds, sorted and disjoint.
        before: state at the start.
    """
    place = orbit(time)
    vector = earth.at(place.glat, place.glon, place.altitude)
    strength = np.linalg.norm(vector, axis=0)
    blind = telemetry.within(time, holes)
    restarts = time[np.diff(time, prepend=before.reading) > telemetry.RESTART]
    anomaly = passes(time, strength, holes=holes, restarts=restarts, memory=before.anomaly)
    return Trajectory(time, place, vector, strength, blind, anomaly, before)


def past(earth: Field) -> Past:
    """Return the state at the start of the mission: activated by three days of passes, none of which is in the file."""
    time = np.arange(START - 3 * DAY, START, 4.0)
    trajectory = follow(earth, time, holes=np.empty((0, 2)), before=Past())
    return Past(anomaly=replace(trajectory.anomaly.memory, exit=-np.inf), missing=float(time[-1]))
