"""The rows of one day of the file."""

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
from polarbgb.simulation.red_noise import red_noise
from polarbgb.simulation.sources import CRAB, CRAB_AREA
from polarbgb.simulation.trajectory import Trajectory
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
"""The branches of the file, in order."""


def day_rows(plan: Plan, time: Array, trajectory: Trajectory, *, tally: Tally, seeds: Seeds) -> Columns:
    """Draw the rows of one day.

    Args:
        plan: of the mission.
        time: (n,) starts of all time bins of 1 s, with or without data, unix seconds.
        trajectory: at every ``plan.hold``-th time bin.
        tally: receives the counts of the events.
        seeds: of the day.

    Returns:
        The branches of the file, one row per time bin with data.
    """
    housekeeping, counts, events = (
        np.random.default_rng(seed) for seed in (seeds.housekeeping, seeds.counts, seeds.events)
    )
    row = np.arange(len(time))
    row = row[trajectory.taken[row // plan.hold]]
    time, pair = time[row], row // plan.hold

    columns = _housekeeping(plan, trajectory, housekeeping)
    particle = particles(
        plan.trains, revolution=trajectory.revolution, strength=trajectory.strength, shell=trajectory.shell
    )
    background = background_rates(plan, trajectory, particle=particle, crab=columns["crabarf"], time=time, rng=counts)
    changes = _changes(plan, time, background)
    rays = cosmic_rate(trajectory.cutoff, plan.nuisances.cosmic_rays(trajectory.time))
    counter = cosmic_counts(rays, front_end(plan.trains, trajectory.revolution, particle), housekeeping)
    counter += events.poisson(_leaked(plan, changes, pair, len(trajectory.time)))
    columns["fe_cosmic"] = counter.astype(np.float32)
    _spoil(plan, columns, trajectory, housekeeping)

    rate, error = _observe(plan, time, background, changes, tally=tally, rng=counts, events=events)
    columns = {name: values[pair] for name, values in columns.items()}
    columns |= {"unix_time": time, "rate": rate, "rate_err": error}
    columns["corrected"] = _corrected(rate[:, 0], housekeeping)[:, None]
    columns["correrr"] = np.zeros((len(time), 1))
    columns["config"] = np.full(len(time), 42, np.int32)
    # The whole day is drawn and cut only here, so that a shorter mission is the beginning of a longer one.
    inside = time < plan.stop
    return {name: columns[name][inside] for name in BRANCHES}


def _housekeeping(plan: Plan, trajectory: Trajectory, rng: np.random.Generator) -> Columns:
    z, x = trajectory.axes
    (raz, decz), (rax, decx) = angles(z), angles(x)
    calendar = (trajectory.time // DAY - START // DAY).astype(np.int64)
    reading = temperature(trajectory.time, plan.holes) + rng.normal(0, 0.1, len(trajectory.time))
    crab = CRAB_AREA * CRAB.exposure(trajectory.place, z)
    return {
        "glat": trajectory.place.glat,
        "glon": trajectory.place.glon,
        "altitude": trajectory.place.altitude,
        "temperature": np.round(reading, 1).astype(np.float32),
        "raz": raz,
        "decz": decz,
        "rax": rax,
        "decx": decx,
        "is_orbit_up": trajectory.place.up,
        "time_since_saa": trajectory.anomaly.since,
        "crabarf": np.where(telemetry.within(trajectory.time, plan.hidden_crab), 0.0, crab),
        "sun": plan.solar[calendar, 0],
        "sun_spot": plan.solar[calendar, 1],
        "B_r": trajectory.field[0],
        "B_theta": trajectory.field[1],
        "B_phi": trajectory.field[2],
    }


def _spoil(plan: Plan, columns: Columns, trajectory: Trajectory, rng: np.random.Generator) -> None:
    """Add the flaws of the real housekeeping to its readings, in place."""
    if plan.spoiled:
        counter = columns["fe_cosmic"][trajectory.taken]
        telemetry.ramp(counter, trajectory.time[trajectory.taken], trajectory.before.taken)
        columns["fe_cosmic"][trajectory.taken] = counter
        telemetry.stick(columns["raz"], rng)
    if plan.quirks == "old-file":
        telemetry.spoil_crab(columns["crabarf"], rng)


def _changes(plan: Plan, time: Array, background: Array) -> Changes:
    """Return, by event, the rows it covers and the mean change of their (rows, categories) rates, Hz."""
    changes: Changes = {}
    first, last = np.searchsorted(time, plan.spans - [1.0, 0.0]).T
    for i_event in np.flatnonzero(first < last).tolist():
        event, rows = plan.events[i_event], slice(first[i_event], last[i_event])
        changes[i_event] = rows, event.change(time[rows], background[rows])
    return changes


def _leaked(plan: Plan, changes: Changes, pair: NDArray[np.int64], readings: int) -> Array:
    """Return the (readings,) rate of event counts that the front-end takes for cosmic rays, Hz."""
    leaked = np.zeros(readings)
    for i_event, (rows, change) in changes.items():
        rate = plan.events[i_event].cosmic * (change @ rates.NESTING[:, rates.ANY])
        np.add.at(leaked, pair[rows], np.maximum(rate, 0) / plan.hold)
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
    """Draw the (rows, 13) rates and errors, and add the counts of the events to the tally.

    The background is drawn as if there were no events. The events then add or remove counts in their own rows, so that
    no other row depends on them.
    """
    together = np.zeros_like(background)
    for rows, change in changes.values():
        together[rows] += change
    alone, total = background @ rates.NESTING[:, rates.ANY], (background + together) @ rates.NESTING[:, rates.ANY]
    scatter = 0.004 * (1 + (alone / 20_000) ** 2) * rng.standard_normal(len(time))
    undisturbed, live = (np.maximum(rates.live_fraction(rate) + scatter, 0.01) for rate in (alone, total))
    if plan.spoiled:
        spoilt = telemetry.live_time_faults(undisturbed, background @ rates.NESTING[:, 0], rng)
        live = np.where(spoilt < undisturbed, np.minimum(spoilt, live), live)
        undisturbed = spoilt
    drawn = rng.poisson(background * undisturbed[:, None])
    touched = np.flatnonzero(live != undisturbed)
    drawn[touched] = _redrawn(
        drawn[touched], background[touched], before=undisturbed[touched], after=live[touched], rng=events
    )
    counts = rates.nested(drawn.astype(float))
    injected = {}
    for i_event, (rows, change) in changes.items():
        added = events.poisson(np.maximum(change, 0) * live[rows, None])
        lost = np.divide(-change, background[rows], out=np.zeros_like(change), where=background[rows] > 0)
        taken = events.binomial(drawn[rows], np.clip(lost, 0, 1))
        injected[i_event] = rates.nested((added - taken).astype(float))
    for i_event, (rows, _) in changes.items():
        counts[rows] = np.maximum(counts[rows] + injected[i_event], 0)
    for i_event, (rows, change) in changes.items():
        written = time[rows] < plan.stop
        others = background[rows] + together[rows] - change
        tally.add(
            i_event,
            time[rows][written],
            change=rates.nested(change)[written],
            injected=injected[i_event][written],
            counts=counts[rows][written],
            expected=rates.nested(others * live[rows, None])[written],
        )
    return rates.rate_and_error(counts, live)


def _redrawn(
    drawn: NDArray[np.int64], background: Array, *, before: Array, after: Array, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Redraw (n, categories) counts for live times of (n,) ``after`` instead of ``before``, s."""
    kept = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    fewer = rng.binomial(drawn, np.clip(kept, 0, 1)[:, None])
    return np.asarray(fewer + rng.poisson(background * np.maximum(after - before, 0)[:, None]))


def _corrected(single: Array, rng: np.random.Generator) -> Array:
    """Return the column ``corrected`` for (n,) rates of bin 0, Hz: in the real file 179 + 1.052 rate +- 56 Hz.

    What it depends on is unknown; rows of the same minute deviate together, to within about 7 Hz.
    """
    deviation = red_noise(rng.standard_normal(len(single)), np.exp(-1 / 600), stationary=False)
    return np.asarray((179 + 1.052 * single + 55 * deviation + 7 * rng.standard_normal(len(single))) * (single > 0))
