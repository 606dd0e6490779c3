"""Events: the transients and faults that are injected into the rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.profiles import Profile
from polarbgb.simulation.rates import gained

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Event:
    """A transient or a fault.

    Attributes:
        kind: "known", "burst", "short_burst", "flare", "particles", "saa_edge", "sag", "gain_step",
            "telemetry_spike" or "crab_step".
        start: onset, unix seconds.
        stop: end, unix seconds.
        profile: light curve.
        effect: "adds" rates, "scales" those of the background, or changes the "gain".
        peak: height where the profile is 1: rate added in bin 0, Hz, or relative change of the rates or the gain.
        spectrum: (categories,) rates for a rate of 1 in bin 0, of an event that adds.
        cosmic: front-end counts per any-bar count.
        name: of the event.
    """

    kind: str
    start: float
    stop: float
    profile: Profile
    effect: Literal["adds", "scales", "gain"]
    peak: float
    spectrum: Array
    cosmic: float = 0.0
    name: str = ""

    @property
    def t90_start(self) -> float:
        """Time by which 5 % of the event has arrived, unix seconds."""
        return self.start + self.profile.reaches(0.05) * (self.stop - self.start)

    @property
    def t90(self) -> float:
        """Time from 5 % to 95 % of the event, s."""
        return self.profile.t90 * (self.stop - self.start)

    def level(self, begin: Array, end: Array) -> Array:
        """Return the (n,) mean height between two times: Hz in bin 0, or relative."""
        length = self.stop - self.start
        low, high = (self.profile.until((edge - self.start) / length) for edge in (begin, end))
        return np.asarray(self.peak * length * (high - low) / (end - begin))

    def share(self, begin: Array) -> float:
        """Return the share of the event in (n,) time bins of 1 s that begin at the given unix seconds."""
        level = self.level(begin, begin + 1).sum()
        return float(level / (self.peak * self.profile.cumulative[-1] * (self.stop - self.start)))

    def change(self, begin: Array, background: Array) -> Array:
        """Return the change of the rates in time bins of 1 s.

        Args:
            begin: (n,) starts of the time bins, unix seconds.
            background: (n, categories) rates without the event, Hz.

        Returns:
            (n, categories) mean change, Hz.
        """
        level = self.level(begin, begin + 1)
        match self.effect:
            case "adds":
                return level[:, None] * self.spectrum
            case "scales":
                return level[:, None] * background
            case "gain":
                return gained(background, level) - background
