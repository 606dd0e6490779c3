"""The population of events: kinds, rates and properties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import profiles, response
from polarbgb.simulation.attitude import detector_axes
from polarbgb.simulation.events import Event
from polarbgb.simulation.field import Field
from polarbgb.simulation.orbit import orbit
from polarbgb.simulation.profiles import Profile
from polarbgb.simulation.rates import NESTING, PARTICLES, PILED_UP, per_rate_in
from polarbgb.simulation.recipe import Recipe
from polarbgb.simulation.saa import EDGE
from polarbgb.simulation.sky import above_horizon, sunlit
from polarbgb.simulation.sources import CRAB

Array = NDArray[np.float64]

PUBLISHED = {
    # name: (peak rate of 1 s over the background in bin 0, Hz; T90, s), from the published light curves of POLAR
    "GRB_170206A": (1160.0, 1.2),
    "GRB_170114A": (650.0, 8.0),
    "GRB_170207A": (620.0, 45.0),
    "GRB_170202B": (450.0, 25.0),
    "GRB_170210A": (650.0, 40.0),
}

FLARE = ("flare_20170109", 1483931780.8, 36.0, 920.0)
"""Name, start of T90 (unix seconds), T90 (s) and peak rate of 1 s in bin 0 (Hz) of a flare in the data of POLAR.
Its rate rises from 1430 to 2350 Hz."""

_STEP = 4.0  # s
_NOTHING = np.zeros(NESTING.shape[0])


@dataclass(frozen=True)
class Occasions:
    """Conditions along the orbit of one day, every 4 s, that the events depend on.

    Attributes:
        time: (n,) unix seconds.
        off: (n,) true in the anomaly.
        sun: (n,) true in sunlight.
        crab: (n,) true where the Crab is above the horizon.
    """

    time: Array
    off: NDArray[np.bool_]
    sun: NDArray[np.bool_]
    crab: NDArray[np.bool_]

    @cached_property
    def entries(self) -> Array:
        """Last times before POLAR is switched off, unix seconds."""
        return self.time[:-1][np.diff(self.off.astype(int)) > 0]

    @cached_property
    def exits(self) -> Array:
        """First times at which POLAR is on again, unix seconds."""
        return self.time[1:][np.diff(self.off.astype(int)) < 0]

    @cached_property
    def crab_passages(self) -> Array:
        """(n, 2) rising and setting of the Crab, for passages that lie within the day, unix seconds."""
        turn = np.diff(self.crab.astype(int))
        rises, sets = self.time[1:][turn > 0], self.time[1:][turn < 0]
        sets = sets[np.searchsorted(sets, rises[0]) :] if len(rises) else sets
        count = min(len(rises), len(sets))
        return np.stack([rises[:count], sets[:count]], axis=1)


def occasions(field: Field, start: float, stop: float) -> Occasions:
    """Return the conditions from start to stop, unix seconds."""
    time = np.arange(start, stop, _STEP)
    place = orbit(time)
    strength = np.linalg.norm(field.at(place.glat, place.glon, place.altitude), axis=0)
    return Occasions(time, strength < EDGE, sunlit(place, time), above_horizon(place, CRAB.direction))


def known_bursts(
    known: Sequence[tuple[str, float]], *, start: float, leak: float, rng: np.random.Generator
) -> list[Event]:
    """Return known bursts with their published brightness, or a low one where none is published.

    Args:
        known: name and trigger time (unix seconds) of each.
        start: of the mission; earlier triggers are left out.
        leak: share of their counts that the front-end takes for cosmic rays.
        rng: source of the properties that are not published.
    """
    events = []
    for (name, trigger), burst_rng in zip(known, rng.spawn(len(known)), strict=True):
        peak, t90 = PUBLISHED.get(name, (60 * 5 ** burst_rng.random(), 5 * 10 ** burst_rng.random()))
        if trigger >= start:
            profile = profiles.pulses(1 if t90 < 10 else 3, burst_rng)
            spectrum = _burst_spectrum(2.3, burst_rng)
            event = _placed("known", profile, begin=trigger, t90=t90, peak=peak, spectrum=spectrum)
            events.append(replace(event, cosmic=leak, name=name))
    return events


def known_flare(rng: np.random.Generator) -> Event:
    """Return the solar flare in the data of POLAR, with a simulated light curve."""
    name, begin, t90, peak = FLARE
    spectrum = response.shares(response.power_law(-4.5))
    return replace(_placed("flare", profiles.flare(rng), begin=begin, t90=t90, peak=peak, spectrum=spectrum), name=name)


def _placed(kind: str, profile: Profile, *, begin: float, t90: float, peak: float, spectrum: Array) -> Event:
    """Return the event with a start of T90, unix seconds, and a peak rate of 1 s in bin 0, Hz."""
    length = t90 / profile.t90
    start = begin - profile.reaches(0.05) * length
    return Event(kind, start, start + length, profile, "adds", peak / profile.brightest(1 / length), spectrum)


def events_of_day(recipe: Recipe, day: int, when: Occasions, rng: np.random.Generator) -> list[Event]:
    """Draw the events that begin on a day; of overlapping events of the same kind only the first is kept.

    Args:
        recipe: expected number of each kind.
        day: number of the day, for the names.
        when: conditions of the day.
        rng: of the day; each kind draws from its own child, so that the kinds are independent.
    """
    events: list[Event] = []
    for (setting, draw), kind_rng in zip(_DRAWS.items(), rng.spawn(len(_DRAWS)), strict=True):
        kept: list[Event] = []
        for _ in range(kind_rng.poisson(getattr(recipe, setting))):
            event = draw(when, kind_rng)
            if event is not None and not any(event.start < other.stop and other.start < event.stop for other in kept):
                leak = recipe.leak if event.kind.endswith("burst") else event.cosmic
                kept.append(replace(event, name=f"{event.kind}_{day:04d}_{len(kept)}", cosmic=leak))
        events += kept
    return events


def _long_burst(when: Occasions, rng: np.random.Generator) -> Event:
    """Draw a long burst; the number of bursts falls with the peak rate as P^-1.3."""
    peak, t90 = min(60 * (1 - rng.random()) ** (-1 / 1.3), 1500.0), 10 ** rng.uniform(0.5, 2.0)
    start, profile = _anywhere(when, rng), profiles.pulses(1 + rng.geometric(0.4), rng)
    return Event("burst", start, start + t90 / profile.t90, profile, "adds", peak, _burst_spectrum(2.3, rng))


def _short_burst(when: Occasions, rng: np.random.Generator) -> Event:
    peak, t90 = min(240 * (1 - rng.random()) ** (-1 / 1.3), 6000.0), 10 ** rng.uniform(-0.9, 0.3)
    start, profile = _anywhere(when, rng), profiles.pulses(1, rng)
    return Event("short_burst", start, start + t90 / profile.t90, profile, "adds", peak, _burst_spectrum(2.7, rng))


def _flare(when: Occasions, rng: np.random.Generator) -> Event | None:
    if not when.sun.any():
        return None
    start = float(rng.choice(when.time[when.sun])) + rng.uniform(0, _STEP)
    peak, t90 = min(60 * (1 - rng.random()) ** (-1 / 0.9), 3000.0), 10 ** rng.uniform(1.5, 3.0)
    profile, spectrum = profiles.flare(rng), response.shares(response.power_law(-rng.uniform(3.5, 6.0)))
    length = t90 / profile.t90
    time = start + profiles.times(length)
    visible = profiles.seen(profile, sunlit(orbit(time), time))
    if visible is None:
        return None
    return Event("flare", start, start + length, visible, "adds", peak, spectrum)


def _particles(when: Occasions, rng: np.random.Generator) -> Event:
    start, mixture = _anywhere(when, rng), rng.random()
    spectrum = per_rate_in(0, mixture * PARTICLES + (1 - mixture) * PILED_UP)
    peak, length = 80 * np.exp(0.9 * rng.standard_normal()), 10 ** rng.uniform(1.5, 2.8)
    return Event(
        "particles", start, start + length, profiles.ragged(rng), "adds", peak, spectrum, cosmic=rng.uniform(0.2, 1.0)
    )


def _saa_edge(when: Occasions, rng: np.random.Generator) -> Event | None:
    """Draw particles, or a lack of counts, within a few minutes of the anomaly."""
    length, distance, deficit = 10 ** rng.uniform(0.8, 2.2), rng.uniform(0, 120), rng.random() < 0.3
    sides = [exit_ + distance for exit_ in when.exits] + [entry - distance - length for entry in when.entries]
    if not sides:
        return None
    start = float(rng.choice(sides))
    if deficit:
        return Event(
            "saa_edge", start, start + length, profiles.ragged(rng), "scales", -rng.uniform(0.05, 0.4), _NOTHING
        )
    peak = 150 * np.exp(0.8 * rng.standard_normal())
    return Event(
        "saa_edge", start, start + length, profiles.ragged(rng), "adds", peak, per_rate_in(0, PARTICLES), cosmic=0.3
    )


def _sag(when: Occasions, rng: np.random.Generator) -> Event | None:
    if not len(when.entries):
        return None
    stop, depth = float(rng.choice(when.entries)) + _STEP, rng.uniform(0.08, 0.6)
    return Event("sag", stop - 10 ** rng.uniform(1.2, 2.2), stop, profiles.ramp(), "scales", -depth, _NOTHING)


def _gain_step(when: Occasions, rng: np.random.Generator) -> Event:
    start, change = _anywhere(when, rng), rng.choice([-1, 1]) * rng.uniform(0.02, 0.06)
    length = 3600 * 10 ** rng.uniform(-0.3, 0.9)
    return Event("gain_step", start, start + length, profiles.plateau(), "gain", float(change), _NOTHING)


def _telemetry_spike(when: Occasions, rng: np.random.Generator) -> Event:
    start = _anywhere(when, rng)
    return Event(
        "telemetry_spike",
        start,
        start + rng.uniform(0.8, 2.0),
        profiles.plateau(),
        "scales",
        rng.uniform(0.2, 2.5),
        _NOTHING,
    )


def _crab_step(when: Occasions, rng: np.random.Generator) -> Event | None:
    if not len(when.crab_passages):
        return None
    start, stop = map(float, rng.choice(when.crab_passages))
    time = np.linspace(start + _STEP, stop - _STEP, 60)
    place = orbit(time)
    exposure = CRAB.exposure(place, detector_axes(place, time)[0])
    peak = float(CRAB.rate * exposure.max() * (CRAB.shares @ NESTING[:, 0]))
    return Event("crab_step", start, stop, profiles.sampled(exposure), "adds", peak, per_rate_in(0, CRAB.shares))


_DRAWS: dict[str, Callable[[Occasions, np.random.Generator], Event | None]] = {
    "long_bursts": _long_burst,
    "short_bursts": _short_burst,
    "flares": _flare,
    "particles": _particles,
    "saa_edges": _saa_edge,
    "sags": _sag,
    "gain_steps": _gain_step,
    "telemetry_spikes": _telemetry_spike,
    "crab_steps": _crab_step,
}
"""Function that draws an event, by the setting of the recipe for its number per day."""


def _anywhere(when: Occasions, rng: np.random.Generator) -> float:
    return float(rng.uniform(when.time[0], when.time[-1]))


def _burst_spectrum(peak: float, rng: np.random.Generator) -> Array:
    """Draw the spectrum of a burst around log10(peak energy / keV), with the scatter of BATSE (Preece et al. 2000)."""
    alpha, beta = np.clip(rng.normal(-1.0, 0.3), -1.8, 0.0), np.clip(rng.normal(-2.4, 0.25), -3.5, -2.05)
    return response.shares(response.band(float(alpha), float(beta), float(10 ** rng.normal(peak, 0.25))))
