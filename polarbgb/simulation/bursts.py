"""Transients: bursts with a fast rise and an exponential decay, and solar flares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.orbit import orbit, sunlit
from polarbgb.simulation.rates import NESTING, spectrum

Array = NDArray[np.float64]

HARD = spectrum((0.30, 0.23, 0.15, 0.08, 0.05), (0.95, 0.87, 0.70, 0.48, 0.33), 0.01, 0.0)
SOFT = spectrum((0.45, 0.28, 0.12, 0.04, 0.015), (0.90, 0.72, 0.40, 0.16, 0.06), 0.002, 0.0)
FLARE = spectrum((0.60, 0.30, 0.09, 0.015, 0.004), (0.85, 0.50, 0.16, 0.03, 0.008), 0.0, 0.0)

PUBLISHED = {
    # name: (peak in bin 0 in Hz, T90 in s), read off POLAR's published light curves
    "GRB_170206A": (1500.0, 1.2),
    "GRB_170114A": (900.0, 8.0),
    "GRB_170207A": (800.0, 40.0),
    "GRB_170202B": (620.0, 25.0),
    "GRB_170210A": (850.0, 40.0),
}

_GRID = np.linspace(0.0, 1.0, 4001)


def _pulse() -> tuple[Array, Array]:
    """Return (profile, cumulative) of the pulse exp(-a/x - x/b), peak 1, on the grid of its whole length.

    Norris et al. 2005, ApJ 627, 324, with a rise a sixth of the decay.
    """
    rise, decay = 0.02, 0.12
    x = np.maximum(_GRID, 1e-9)
    profile = np.exp(2 * np.sqrt(rise / decay) - rise / x - x / decay)
    steps = (profile[1:] + profile[:-1]) / 2 * np.diff(_GRID)
    return profile, np.concatenate([[0.0], np.cumsum(steps)])


_PROFILE, _CUMULATIVE = _pulse()
_T05, _T95 = np.interp(np.array([0.05, 0.95]) * _CUMULATIVE[-1], _CUMULATIVE, _GRID)


@dataclass(frozen=True)
class Event:
    """A transient as it is injected.

    Attributes:
        kind: "known", "burst" or "flare".
        name: its name.
        start: onset, unix seconds.
        t90: time from 5 % to 95 % of its counts, s.
        peak: highest rate in bin 0, Hz.
        spectrum: (categories,) rates for a rate of 1 in bin 0.
    """

    kind: str
    name: str
    start: float
    t90: float
    peak: float
    spectrum: Array

    @property
    def stop(self) -> float:
        """End of the emission, unix seconds."""
        return self.start + self.t90 / float(_T95 - _T05)

    @property
    def t90_start(self) -> float:
        """Time by which 5 % of the counts came, unix seconds."""
        return self.start + float(_T05) * (self.stop - self.start)

    def fluence(self, begin: Array, end: Array) -> Array:
        """Return the mean counts of bin 0 between two times, (n,), at full live time."""
        length = self.stop - self.start
        edges = np.stack([begin, end]) - self.start
        low, high = np.interp(edges / length, _GRID, _CUMULATIVE)
        return np.asarray(self.peak * length * (high - low))


def known_bursts(known: Sequence[tuple[str, float]], start: float, rng: np.random.Generator) -> list[Event]:
    """Give known bursts a brightness: as published, or faint as most of them were.

    Args:
        known: name and trigger time (unix seconds) of each.
        start: of the mission; earlier triggers are left out.
        rng: draws what was not published.
    """
    events = []
    for name, trigger in known:
        # One draw each, used or not, so that a burst does not depend on the others.
        duration, brightness, hardness = rng.random(3)
        peak, t90 = PUBLISHED.get(name, (70 * 5**brightness, 5 * 10**duration))
        if trigger >= start:
            events.append(Event("known", name, trigger - 0.1 * t90, t90, peak, _burst_spectrum(hardness)))
    return events


def random_events(start: float, stop: float, day: int, rng: np.random.Generator) -> list[Event]:
    """Draw the unknown bursts and flares of a day.

    Bursts are short or long as the two families of gamma-ray bursts are; their number falls with peak rate as
    P**-1.3. Flares start in sunlight.

    Args:
        start: of the day, unix seconds.
        stop: its end.
        day: its number, for the names.
        rng: of that day.
    """
    events = []
    for number in range(rng.poisson(2.6)):
        short = rng.random() < 0.25
        t90 = 10 ** rng.uniform(*((-0.7, 0.3) if short else (0.5, 2.0)))
        peak = min(60 * (1 - rng.random()) ** (-1 / 1.3), 1500.0) * (4 if short else 1)
        name = f"burst_{day:04d}_{number}"
        events.append(Event("burst", name, rng.uniform(start, stop), t90, peak, _burst_spectrum(rng.random())))
    for number in range(rng.poisson(1.5)):
        times = rng.uniform(start, stop, 20)  # some of 20 are sunlit on any orbit of this inclination
        onset = float(times[np.argmax(sunlit(orbit(times), times))])
        t90, peak = 10 ** rng.uniform(1.5, 3.0), min(60 * (1 - rng.random()) ** (-1 / 0.9), 3000.0)
        events.append(Event("flare", f"flare_{day:04d}_{number}", onset, t90, peak, _per_bin_0(FLARE)))
    return events


def _burst_spectrum(hardness: float) -> Array:
    return hardness * _per_bin_0(HARD) + (1 - hardness) * _per_bin_0(SOFT)


def _per_bin_0(shares: Array) -> Array:
    return np.asarray(shares / (shares @ NESTING[:, 0]))
