"""Events: what they add to the rates, or take."""

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
    """A transient or a fault as it is injected.

    Attributes:
        kind: "known", "burst", "short_burst", "flare", "particles", "saa_edge", "sag", "gain_step",
            "telemetry_spike" or "crab_step".
        start: onset, unix seconds.
        stop: its end, unix seconds.
        profile: its course.
        effect: "adds" rates of its own, "scales" those of the background, or moves its "gain".
        peak: its height where the profile is 1: rate added in bin 0, Hz, or relative change of rates or gain.
        spectrum: (categories,) rates for a rate of 1 in bin 0, where it adds.
        cosmic: counts of the front-end for one of any bar.
        name: its name.
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
        """Time by which 5 % of it came, unix seconds."""
        return self.start + self.profile.reaches(0.05) * (self.stop - self.start)

    @property
    def t90(self) -> float:
        """Time from 5 % to 95 % of it, s."""
        return self.profile.t90 * (self.stop - self.start)

    def level(self, begin: Array, end: Array) -> Array:
        """Return its mean height between two times, (n,): in Hz of bin 0, or relative."""
        length = self.stop - self.start
        low, high = (self.profile.until((edge - self.start) / length) for edge in (begin, end))
        return np.asarray(self.peak * length * (high - low) / (end - begin))

    def share(self, begin: Array) -> float:
        """Return which part of it falls into bins of 1 s, by their openings, (n,), unix seconds."""
        level = self.level(begin, begin + 1).sum()
        return float(level / (self.peak * self.profile.cumulative[-1] * (self.stop - self.start)))

    def change(self, begin: Array, background: Array) -> Array:
        """Return what it makes of bins of 1 s.

        Args:
            begin: (n,) their openings, unix seconds.
            background: (n, categories) rates without it, Hz.

        Returns:
            (n, categories) mean change of the rates, Hz.
        """
        level = self.level(begin, begin + 1)
        match self.effect:
            case "adds":
                return level[:, None] * self.spectrum
            case "scales":
                return level[:, None] * background
            case "gain":
                return gained(background, level) - background
