"""The plan of a mission: everything that is drawn before its first day."""

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
from polarbgb.simulation.nuisances import Nuisances, draw_nuisances
from polarbgb.simulation.orbit import DAY, PERIOD, START
from polarbgb.simulation.population import events_of_day, known_bursts, known_flare, occasions
from polarbgb.simulation.recipe import Quirks, Recipe

Array = NDArray[np.float64]


class Seeds(NamedTuple):
    """Seeds of a day, one per source of randomness, so that these are independent."""

    clock: np.random.SeedSequence
    housekeeping: np.random.SeedSequence
    counts: np.random.SeedSequence
    events: np.random.SeedSequence


@dataclass(frozen=True)
class Plan:
    """Everything that the days of a mission have in common.

    Attributes:
        quirks: flaws of the file.
        first: day to begin with.
        stop: end of the mission, unix seconds.
        days: seeds of the days up to the end.
        field: of the Earth.
        trains: state of the belts, orbit by orbit.
        nuisances: effects on the rates that no column of the file describes.
        solar: (days, 2) daily indices.
        holes: (k, 2) start and stop of the times without data, unix seconds.
        events: all events of the mission.
    """

    quirks: Quirks
    first: int
    stop: float
    days: tuple[Seeds, ...]
    field: Field
    trains: Trains
    nuisances: Nuisances
    solar: Array
    holes: Array
    events: tuple[Event, ...]

    @cached_property
    def spans(self) -> Array:
        """(events, 2) start and stop, unix seconds."""
        return np.array([(event.start, event.stop) for event in self.events]).reshape(-1, 2)

    @cached_property
    def hidden_crab(self) -> Array:
        """(k, 2) passages of the Crab that ``crabarf`` does not show, unix seconds."""
        spans = sorted((event.start, event.stop) for event in self.events if event.kind == "crab_step")
        return np.array(spans).reshape(-1, 2)

    @property
    def start(self) -> float:
        """Start of the mission, unix seconds."""
        return START + self.first * DAY

    @property
    def spoiled(self) -> bool:
        """Whether the file has flaws."""
        return self.quirks != "none"

    @property
    def hold(self) -> int:
        """Number of rows that share a reading of the housekeeping."""
        return 2 if self.spoiled else 1


def plan(
    recipe: Recipe, *, quirks: Quirks, first: int, days: float, seed: int, known: Sequence[tuple[str, float]]
) -> Plan:
    """Draw the plan of a mission; a longer mission with the same seed begins like a shorter one.

    Args:
        recipe: rates of the events and other settings.
        quirks: flaws of the file.
        first: day to begin with.
        days: length.
        seed: of all randomness.
        known: name and trigger time (unix seconds) of bursts.
    """
    last = first + math.ceil(days)
    bursts_and_flare, belts, nuisances, solar, gaps, daily = np.random.SeedSequence(seed).spawn(6)
    seeds_of_days = [day.spawn(1 + len(Seeds._fields)) for day in daily.spawn(last)]
    field = igrf(START)
    bursts, flare = np.random.default_rng(bursts_and_flare).spawn(2)
    events = [*known_bursts(known, start=START, leak=recipe.leak, rng=bursts), known_flare(flare)]
    for day in range(max(first - 1, 0), last):  # no event outlasts a day
        when = occasions(field, START + day * DAY, START + (day + 1) * DAY)
        events += events_of_day(recipe, day, when, np.random.default_rng(seeds_of_days[day][0]))
    return Plan(
        quirks=quirks,
        first=first,
        stop=START + (first + days) * DAY,
        days=tuple(Seeds(*seeds[1:]) for seeds in seeds_of_days),
        field=field,
        trains=trains(int(last * DAY / PERIOD) + 2, np.random.default_rng(belts)),
        nuisances=draw_nuisances(last + 1, np.random.default_rng(nuisances), recipe.unnamed),
        solar=solar_indices(last + 2, np.random.default_rng(solar)),
        holes=telemetry.holes(START, last + 1, [time for _, time in known], np.random.default_rng(gaps)),
        events=tuple(events),
    )
