"""What is settled of a mission before its first day is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import telemetry
from polarbgb.simulation.belts import Trains, trains
from polarbgb.simulation.events import Event
from polarbgb.simulation.field import Field, igrf
from polarbgb.simulation.housekeeping import solar_indices
from polarbgb.simulation.nuisances import Weather, weather
from polarbgb.simulation.orbit import DAY, PERIOD, START
from polarbgb.simulation.population import events_of_day, known_bursts, known_flare, occasions
from polarbgb.simulation.recipe import Quirks, Recipe

Array = NDArray[np.float64]


class Seeds(NamedTuple):
    """Seeds of a day, one a source of randomness, so that none disturbs another."""

    clock: np.random.SeedSequence
    housekeeping: np.random.SeedSequence
    counts: np.random.SeedSequence
    events: np.random.SeedSequence


@dataclass(frozen=True)
class Plan:
    """What the days of a mission share.

    Attributes:
        quirks: flaws of the file.
        first: day to begin with.
        stop: end of the mission, unix seconds.
        days: seeds of the days up to the end.
        field: of the Earth.
        trains: state of the belts, orbit by orbit.
        weather: what moves the rates and is not named.
        solar: (days, 2) daily indices.
        holes: (k, 2) start and stop of the times without data, unix seconds.
        events: all of them.
    """

    quirks: Quirks
    first: int
    stop: float
    days: tuple[Seeds, ...]
    field: Field
    trains: Trains
    weather: Weather
    solar: Array
    holes: Array
    events: tuple[Event, ...]

    @cached_property
    def spans(self) -> Array:
        """(events, 2) start and stop, unix seconds."""
        return np.array([(event.start, event.stop) for event in self.events]).reshape(-1, 2)

    @cached_property
    def hidden_crab(self) -> Array:
        """(k, 2) passages of the Crab that the file does not tell, unix seconds."""
        spans = sorted((event.start, event.stop) for event in self.events if event.kind == "crab_step")
        return np.array(spans).reshape(-1, 2)

    @property
    def start(self) -> float:
        """Begin of the mission, unix seconds."""
        return START + self.first * DAY

    @property
    def spoiled(self) -> bool:
        """Whether the file has flaws."""
        return self.quirks != "none"

    @property
    def hold(self) -> int:
        """Rows that share a reading of the housekeeping."""
        return 2 if self.spoiled else 1


def plan(
    recipe: Recipe, *, quirks: Quirks, first: int, days: float, seed: int, known: Sequence[tuple[str, float]]
) -> Plan:
    """Settle a mission; a longer one drawn from the same seed begins with the same.

    Args:
        recipe: what happens how often.
        quirks: flaws of the file.
        first: day to begin with.
        days: length.
        seed: of all randomness.
        known: name and trigger time (unix seconds) of bursts.
    """
    last = first + math.ceil(days)
    named, belts, sky, solar, gaps, daily = np.random.SeedSequence(seed).spawn(6)
    days_of = [each.spawn(1 + len(Seeds._fields)) for each in daily.spawn(last)]
    field = igrf(START)
    bursts, flare = np.random.default_rng(named).spawn(2)
    events = [*known_bursts(known, start=START, leak=recipe.leak, rng=bursts), known_flare(flare)]
    for day in range(max(first - 1, 0), last):  # no event outlasts a day
        when = occasions(field, START + day * DAY, START + (day + 1) * DAY)
        events += events_of_day(recipe, day, when, np.random.default_rng(days_of[day][0]))
    return Plan(
        quirks=quirks,
        first=first,
        stop=START + (first + days) * DAY,
        days=tuple(Seeds(*seeds[1:]) for seeds in days_of),
        field=field,
        trains=trains(int(last * DAY / PERIOD) + 2, np.random.default_rng(belts)),
        weather=weather(last + 1, np.random.default_rng(sky), recipe.unnamed),
        solar=solar_indices(last + 2, np.random.default_rng(solar)),
        holes=telemetry.holes(START, last + 1, [time for _, time in known], np.random.default_rng(gaps)),
        events=tuple(events),
    )
