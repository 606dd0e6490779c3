"""The rows of a day."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation import rates, telemetry
from polarbgb.simulation.attitude import angles
from polarbgb.simulation.background import background_rates
from polarbgb.simulation.belts import front_end, particles
from polarbgb.simulation.housekeeping import cosmic_counts, cosmic_rate, temperature
from polarbgb.simulation.orbit import DAY, START
from polarbgb.simulation.plan import Plan, Seeds
from polarbgb.simulation.red_noise import wander
from polarbgb.simulation.sources import CRAB, CRAB_AREA
from polarbgb.simulation.trajectory import Way
from polarbgb.simulation.truth import Tally

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Changes = dict[int, tuple[slice, Array]]

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


def day_rows(plan: Plan, time: Array, way: Way, *, tally: Tally, seeds: Seeds) -> Columns:
    """Draw the rows of a day.

    Args:
        plan: of the mission.
        time: (n,) openings of the bins of 1 s, unix seconds, data taken or not.
        way: at every ``plan.hold``-th of them.
        tally: is told what became of the events.
        seeds: of that day.

    Returns:
        The branches of the file, a row a bin with data.
    """
    house, counts, events = (np.random.default_rng(seed) for seed in (seeds.housekeeping, seeds.counts, seeds.events))
    row = np.arange(len(time))
    row = row[way.taken[row // plan.hold]]
    time, pair = time[row], row // plan.hold

    columns = _housekeeping(plan, way, house)
    particle = particles(plan.trains, revolution=way.revolution, strength=way.strength, shell=way.shell)
    background = background_rates(plan, way, particle=particle, crab=columns["crabarf"], time=time, rng=counts)
    changes = _changes(plan, time, background)
    rays = cosmic_rate(way.cutoff, plan.weather.cosmic_rays(way.time))
    counter = cosmic_counts(rays, front_end(plan.trains, way.revolution, particle), house)
    counter += events.poisson(_leaked(plan, changes, pair, len(way.time)))
    columns["fe_cosmic"] = counter.astype(np.float32)
    _spoil(plan, columns, way, house)

    rate, error = _observe(plan, time, background, changes, tally=tally, rng=counts, events=events)
    columns = {name: values[pair] for name, values in columns.items()}
    columns |= {"unix_time": time, "rate": rate, "rate_err": error}
    columns["corrected"] = _corrected(rate[:, 0], house)[:, None]
    columns["correrr"] = np.zeros((len(time), 1))
    columns["config"] = np.full(len(time), 42, np.int32)
    # The day is drawn whole and cut last, by which a shorter mission is the beginning of a longer one.
    inside = time < plan.stop
    return {name: columns[name][inside] for name in BRANCHES}


def _housekeeping(plan: Plan, way: Way, rng: np.random.Generator) -> Columns:
    z, x = way.axes
    (raz, decz), (rax, decx) = angles(z), angles(x)
    calendar = (way.time // DAY - START // DAY).astype(np.int64)
    reading = temperature(way.time, plan.holes) + rng.normal(0, 0.1, len(way.time))
    crab = CRAB_AREA * CRAB.exposure(way.place, z)
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
        "crabarf": np.where(telemetry.within(way.time, plan.hidden_crab), 0.0, crab),
        "sun": plan.solar[calendar, 0],
        "sun_spot": plan.solar[calendar, 1],
        "B_r": way.field[0],
        "B_theta": way.field[1],
        "B_phi": way.field[2],
    }


def _spoil(plan: Plan, columns: Columns, way: Way, rng: np.random.Generator) -> None:
    """Put the flaws of the housekeeping into its readings, in place."""
    if plan.spoiled:
        counter = columns["fe_cosmic"][way.taken]
        telemetry.ramp(counter, way.time[way.taken], way.before.taken)
        columns["fe_cosmic"][way.taken] = counter
        telemetry.stick(columns["raz"], rng)
    if plan.quirks == "old-file":
        telemetry.spoil_crab(columns["crabarf"], rng)


def _changes(plan: Plan, time: Array, background: Array) -> Changes:
    """Find the rows that each event covers, and its mean change of the (rows, categories) rates there, Hz."""
    changes: Changes = {}
    first, last = np.searchsorted(time, plan.spans - [1.0, 0.0]).T
    for number in np.flatnonzero(first < last).tolist():
        event, rows = plan.events[number], slice(first[number], last[number])
        changes[number] = rows, event.change(time[rows], background[rows])
    return changes


def _leaked(plan: Plan, changes: Changes, pair: NDArray[np.int64], readings: int) -> Array:
    """Return what the front-end takes of events for cosmic rays, (readings,) Hz."""
    leaked = np.zeros(readings)
    for number, (rows, change) in changes.items():
        seen = plan.events[number].cosmic * (change @ rates.NESTING[:, rates.ANY])
        np.add.at(leaked, pair[rows], np.maximum(seen, 0) / plan.hold)
    return leaked


def _observe(
    plan: Plan,
    time: Array,
    background: Array,
    changes: Changes,
    *,
    tally: Tally,
    rng: np.random.Generator,
    events: np.random.Generator,
) -> tuple[Array, Array]:
    """Draw the (rows, 13) rates and errors, and tell the tally what the events came to.

    The background is drawn as if there were no events; these then add, take or hide counts where they are, so that
    nothing else in the file depends on them.
    """
    together = np.zeros_like(background)
    for rows, change in changes.values():
        together[rows] += change
    alone, total = background @ rates.NESTING[:, rates.ANY], (background + together) @ rates.NESTING[:, rates.ANY]
    scatter = 0.004 * (1 + (alone / 20_000) ** 2) * rng.standard_normal(len(time))
    undisturbed, live = (np.maximum(rates.live_fraction(rate) + scatter, 0.01) for rate in (alone, total))
    if plan.spoiled:
        spoilt = telemetry.slips(undisturbed, background @ rates.NESTING[:, 0], rng)
        live = np.where(spoilt < undisturbed, np.minimum(spoilt, live), live)
        undisturbed = spoilt
    drawn = rng.poisson(background * undisturbed[:, None])
    touched = np.flatnonzero(live != undisturbed)
    drawn[touched] = _relived(
        drawn[touched], background[touched], before=undisturbed[touched], after=live[touched], rng=events
    )
    counts = rates.nested(drawn.astype(float))
    injected = {}
    for number, (rows, change) in changes.items():
        added = events.poisson(np.maximum(change, 0) * live[rows, None])
        lost = np.divide(-change, background[rows], out=np.zeros_like(change), where=background[rows] > 0)
        taken = events.binomial(drawn[rows], np.clip(lost, 0, 1))
        injected[number] = rates.nested((added - taken).astype(float))
    for number, (rows, _) in changes.items():
        counts[rows] = np.maximum(counts[rows] + injected[number], 0)
    for number, (rows, change) in changes.items():
        written = time[rows] < plan.stop
        others = background[rows] + together[rows] - change
        tally.add(
            number,
            time[rows][written],
            change=rates.nested(change)[written],
            injected=injected[number][written],
            counts=counts[rows][written],
            expected=rates.nested(others * live[rows, None])[written],
        )
    return rates.rate_and_error(counts, live)


def _relived(
    drawn: NDArray[np.int64], background: Array, *, before: Array, after: Array, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Redraw (n, categories) counts for another live time, (n,) s, than the one they were drawn for."""
    kept = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    fewer = rng.binomial(drawn, np.clip(kept, 0, 1)[:, None])
    return np.asarray(fewer + rng.poisson(background * np.maximum(after - before, 0)[:, None]))


def _corrected(single: Array, rng: np.random.Generator) -> Array:
    """Return ``corrected`` of (n,) rates of bin 0, Hz: in POLAR's rows 179 Hz + 1.052 of them, give or take 56 Hz.

    What it follows is unknown; rows of the same minute stray alike, within some 7 Hz.
    """
    stray = wander(rng.standard_normal(len(single)), np.exp(-1 / 600), settled=False)
    return np.asarray((179 + 1.052 * single + 55 * stray + 7 * rng.standard_normal(len(single))) * (single > 0))
