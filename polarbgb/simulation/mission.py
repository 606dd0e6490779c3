"""A whole mission, written day by day in the format of POLAR's rate file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.atomic import atomic
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.rootio.write import root_file
from polarbgb.simulation import rates, telemetry
from polarbgb.simulation.bursts import Event, known_bursts, random_events
from polarbgb.simulation.field import Field, cutoff_rigidity, igrf, shell
from polarbgb.simulation.housekeeping import cosmic_counts, solar_indices, temperature
from polarbgb.simulation.orbit import PERIOD, START, Orbit, angles, crab_area, detector_axes, orbit, sunlit
from polarbgb.simulation.saa import Memory, Passes, passes
from polarbgb.simulation.truth import Tally

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Signals = dict[int, tuple[slice, Array]]

TREE = "nf1rate"
SHORTEST, LONGEST = 1e-4, 3650.0  # days
_DAY = telemetry.DAY


@dataclass(frozen=True)
class Simulated:
    """A simulated mission.

    Attributes:
        path: the rate file.
        truth: the table of injected events.
        rows: bins of 1 s written.
        start: opening of the first bin, unix seconds.
        stop: end of the mission, unix seconds.
        live: fraction of that time with a bin.
        events: injected events of which the file holds at least a bin.
    """

    path: Path
    truth: Path
    rows: int
    start: float
    stop: float
    live: float
    events: int


@dataclass(frozen=True)
class _Plan:
    """What is settled before the first day is drawn."""

    stop: float
    days: tuple[np.random.SeedSequence, ...]
    field: Field
    trains: Array
    solar: Array
    events: tuple[Event, ...]

    @cached_property
    def spans(self) -> Array:
        """(events, 2) start and stop, unix seconds."""
        return np.array([(event.start, event.stop) for event in self.events]).reshape(-1, 2)


@dataclass(frozen=True)
class _Way:
    """A stretch of the orbit, and the field (nT) met on it."""

    time: Array
    place: Orbit
    field: Array
    strength: Array
    anomaly: Passes

    @property
    def cutoff(self) -> Array:
        return cutoff_rigidity(self.field, self.place.altitude)


def simulate(
    path: Path, *, days: float, seed: int, known: Sequence[tuple[str, float]] = (), track: Track = silent
) -> Simulated:
    """Write a mission and its truth; files that are there are replaced.

    The same seed gives the same rows whatever the length: a longer mission continues a shorter one.

    Args:
        path: ROOT file to write; the truth goes to ``<stem>.truth.parquet`` beside it (columns:
            :meth:`polarbgb.simulation.truth.Tally.table`).
        days: length from the first row of POLAR's own file on, .0001 to 3650.
        seed: of all randomness, >= 0.
        known: name and trigger time (unix seconds) of bursts to inject where data cover them.
        track: watches the days.

    Returns:
        What was written.

    Raises:
        UserError: if the length or the seed is out of range, or the files cannot be written.
    """
    if not SHORTEST <= days <= LONGEST:
        raise UserError(f"cannot simulate {days:g} days; give --days from {SHORTEST:g} to {LONGEST:g}")
    if seed < 0:
        raise UserError(f"seed {seed} is negative; give --seed 0 or more")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file in it, as {path / 'mission.root'}")
    truth = truth_path(path)
    # Both places are opened first, so that one that cannot be written is known before the work is done.
    with atomic(truth) as table, root_file(path) as file:
        plan = _plan(days, seed, known)
        tally = Tally(plan.events)
        rows = file.stream(TREE, _mission(plan, tally, track), title="simulated POLAR rates")
        events = tally.table()
        events.write_parquet(table)
    return Simulated(path, truth, rows, START, plan.stop, rows / (days * _DAY), len(events))


def truth_path(path: Path) -> Path:
    """Return where the truth of a simulated file lies: ``<stem>.truth.parquet`` beside it."""
    return path.with_name(f"{path.stem}.truth.parquet")


def _plan(days: float, seed: int, known: Sequence[tuple[str, float]]) -> _Plan:
    whole = math.ceil(days)
    trains, solar, bursts, *each = np.random.SeedSequence(seed).spawn(3 + 2 * whole)
    events = known_bursts(known, START, np.random.default_rng(bursts))
    for day in range(whole):
        rng = np.random.default_rng(each[2 * day])
        events += random_events(START + day * _DAY, START + (day + 1) * _DAY, day, rng)
    return _Plan(
        stop=START + days * _DAY,
        days=tuple(each[1 : 2 * whole : 2]),
        field=igrf(START),
        trains=rates.trains(int(whole * _DAY / PERIOD) + 2, np.random.default_rng(trains)),
        solar=solar_indices(whole + 2, np.random.default_rng(solar)),
        events=tuple(events),
    )


def _mission(plan: _Plan, tally: Tally, track: Track) -> Iterator[Columns]:
    """Yield the rows of day after day."""
    memory, first = _past(plan.field), START
    for day in track(range(len(plan.days)), label="simulate", total=len(plan.days)):
        rng = np.random.default_rng(plan.days[day])
        hole = telemetry.hole(START + day * _DAY, first_day=day == 0, rng=rng)
        time, first = telemetry.clock(first, START + (day + 1) * _DAY, rng)
        columns, memory = _day(plan, time, hole=hole, memory=memory, tally=tally, rng=rng)
        yield columns


def _past(field: Field) -> Memory:
    """Let the day before activate the detector; the file itself knows of no pass yet."""
    way = _follow(field, np.arange(START - _DAY, START, 2.0), Memory())
    return replace(way.anomaly.memory, exit=np.nan)


def _day(
    plan: _Plan, time: Array, *, hole: tuple[float, float], memory: Memory, tally: Tally, rng: np.random.Generator
) -> tuple[Columns, Memory]:
    way = _follow(plan.field, time[::2], memory)  # housekeeping is read every 2 s and held on pairs of rows
    house = _housekeeping(plan, way, rng)
    means = _means(plan, way, house["crabarf"])
    house["fe_cosmic"] = cosmic_counts(way.cutoff, means[:, rates.TRAPPED], rng).astype(np.float32)
    telemetry.spoil_crab(house["crabarf"], rng)
    telemetry.stick(house["raz"], rng)

    row = np.arange(len(time))
    row = row[~way.anomaly.inside[row // 2] & ~((time >= hole[0]) & (time < hole[1]))]
    time, pair = time[row], row // 2
    component = np.stack([np.interp(time, way.time, mean) for mean in means.T], axis=1)
    signals = _signals(plan, time, sunlit(way.place, way.time)[pair])
    rate, error = _observe(plan, time, rates.category_rates(component), signals, tally=tally, rng=rng)
    columns = {"unix_time": time, "rate": rate, "rate_err": error}
    columns |= {name: values[pair] for name, values in house.items()}
    columns["corrected"] = (200 + 1.05 * rate[:, :1]) * (rate[:, :1] > 0)
    columns["correrr"] = np.zeros((len(time), 1))
    columns["config"] = np.full(len(time), 42, np.int32)
    inside = time < plan.stop
    return {name: columns[name][inside] for name in BRANCHES}, way.anomaly.memory


def _follow(field: Field, time: Array, memory: Memory) -> _Way:
    place = orbit(time)
    vector = field.at(place.glat, place.glon, place.altitude)
    strength = np.linalg.norm(vector, axis=0)
    return _Way(time, place, vector, strength, passes(time, strength, memory))


def _housekeeping(plan: _Plan, way: _Way, rng: np.random.Generator) -> Columns:
    z, x = detector_axes(way.place, way.time)
    (raz, decz), (rax, decx) = angles(z), angles(x)
    calendar = (way.time // _DAY - START // _DAY).astype(np.int64)
    reading = temperature(way.time) + rng.normal(0, 0.1, len(way.time))
    return {
        "glat": way.place.glat,
        "glon": way.place.glon,
        "altitude": way.place.altitude,
        "temperature": np.round(reading, 1).astype(np.float32),
        "raz": raz,
        "decz": decz,
        "rax": rax,
        "decx": decx,
        "is_orbit_up": way.place.up,
        "time_since_saa": way.anomaly.since,
        "crabarf": crab_area(way.place, z),
        "sun": plan.solar[calendar, 0],
        "sun_spot": plan.solar[calendar, 1],
        "B_r": way.field[0],
        "B_theta": way.field[1],
        "B_phi": way.field[2],
    }


def _means(plan: _Plan, way: _Way, crab: Array) -> Array:
    """Return the (n, components) expected rates, Hz."""
    revolution = (way.time - START) / PERIOD
    number = np.arange(len(plan.trains))
    component = rates.components(
        cutoff=way.cutoff,
        strength=way.strength,
        shell=shell(way.field, way.place.altitude),
        activation=way.anomaly.activation,
        crab=crab,
        trains=np.stack([np.interp(revolution, number, train) for train in plan.trains.T], axis=1),
        day=(way.time - START) / _DAY,
    )
    # The crystals follow the reading by ten minutes.
    return np.asarray(component * rates.gain(temperature(way.time - 600))[:, None])


def _signals(plan: _Plan, time: Array, lit: NDArray[np.bool_]) -> Signals:
    """Find the rows that each event covers, and its (rows, categories) mean rates there, Hz."""
    signals: Signals = {}
    first, last = np.searchsorted(time, plan.spans - [1.0, 0.0]).T
    for number in np.flatnonzero(first < last).tolist():
        event, rows = plan.events[number], slice(first[number], last[number])
        seen = lit[rows] | (event.kind != "flare")
        mean = event.fluence(time[rows], time[rows] + 1) * seen
        signals[number] = rows, mean[:, None] * event.spectrum
    return signals


def _observe(
    plan: _Plan, time: Array, background: Array, signals: Signals, *, tally: Tally, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw the (rows, 13) rates and errors, and tell the tally what the events came to."""
    total = background @ rates.NESTING[:, rates.ANY]
    for rows, mean in signals.values():
        total[rows] += mean @ rates.NESTING[:, rates.ANY]
    live = rates.live_fraction(total) + rng.normal(0, 0.005, len(time))
    live = telemetry.slips(live, background @ rates.NESTING[:, 0], rng)
    counts = rates.nested(rng.poisson(background * live[:, None]).astype(float))
    injected = {
        number: rates.nested(rng.poisson(mean * live[rows, None]).astype(float))
        for number, (rows, mean) in signals.items()
    }
    for number, (rows, _) in signals.items():
        counts[rows] += injected[number]
    for number, (rows, _) in signals.items():
        written = time[rows] < plan.stop
        expected = rates.nested(background[rows] * live[rows, None])
        tally.add(number, time[rows][written], injected[number][written], counts[rows][written], expected[written])
    return rates.rate_and_error(counts, live)


BRANCHES = (
    "unix_time",
    "rate",
    "rate_err",
    "glat",
    "glon",
    "altitude",
    "temperature",
    "fe_cosmic",
    "corrected",
    "correrr",
    "config",
    "raz",
    "decz",
    "rax",
    "decx",
    "is_orbit_up",
    "time_since_saa",
    "crabarf",
    "sun",
    "sun_spot",
    "B_r",
    "B_theta",
    "B_phi",
)
"""The branches of the file, in its order."""
