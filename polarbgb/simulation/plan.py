"""What is settled of a mission before its first day is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import telemetry
from polarbgb.simulation.belts import Trains, trains
from polarbgb.simulation.events import Event
from polarbgb.simulation.field import Field, igrf
from polarbgb.simulation.housekeeping import solar_indices
from polarbgb.simulation.orbit import PERIOD, START
from polarbgb.simulation.population import events_of_day, known_bursts, occasions
from polarbgb.simulation.recipe import Recipe
from polarbgb.simulation.telemetry import DAY
from polarbgb.simulation.unnamed import Weather, weather

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What the days of a mission share.

    Attributes:
        recipe: what happens how often.
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

    recipe: Recipe
    first: int
    stop: float
    days: tuple[np.random.SeedSequence, ...]
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
        return self.recipe.quirks != "none"

    @property
    def hold(self) -> int:
        """Rows that share a reading of the housekeeping."""
        return 2 if self.spoiled else 1


def plan(recipe: Recipe, *, first: int, days: float, seed: int, known: Sequence[tuple[str, float]]) -> Plan:
    """Settle a mission; a longer one drawn from the same seed begins with the same.

    Args:
        recipe: what happens how often.
        first: day to begin with.
        days: length.
        seed: of all randomness.
        known: name and trigger time (unix seconds) of bursts.
    """
    last = first + math.ceil(days)
    ours, belts, sky, solar, gaps, each = np.random.SeedSequence(seed).spawn(6)
    daily = each.spawn(2 * last)
    field = igrf(START)
    triggers = [time for _, time in known]
    events = known_bursts(known, start=START, leak=recipe.leak, rng=np.random.default_rng(ours))
    for day in range(last):
        when = occasions(field, START + day * DAY, START + (day + 1) * DAY)
        events += events_of_day(recipe, day, when, daily[2 * day])
    return Plan(
        recipe=recipe,
        first=first,
        stop=START + (first + days) * DAY,
        days=tuple(daily[1::2]),
        field=field,
        trains=trains(int(last * DAY / PERIOD) + 2, np.random.default_rng(belts)),
        weather=weather(last + 1, np.random.default_rng(sky), recipe.unnamed),
        solar=solar_indices(last + 2, np.random.default_rng(solar)),
        holes=telemetry.holes(START, last + 1, triggers, np.random.default_rng(gaps)),
        events=tuple(events),
    )
