"""A whole mission, written day by day in the format of the rate file of POLAR."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polarbgb import __version__
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic
from polarbgb.io.root_output import root_file
from polarbgb.progress import Track, silent
from polarbgb.simulation import telemetry
from polarbgb.simulation.day import Columns, day_rows
from polarbgb.simulation.orbit import DAY, START
from polarbgb.simulation.plan import Plan, plan
from polarbgb.simulation.recipe import Quirks, Recipe
from polarbgb.simulation.trajectory import follow, past
from polarbgb.simulation.truth import Tally

TREE = "nf1rate"
SHORTEST, LONGEST = 1e-4, 3650.0  # days


@dataclass(frozen=True)
class SimulatedMission:
    """A simulated mission.

    Attributes:
        path: the rate file.
        truth: the table of injected events.
        rows: bins of 1 s written.
        start: begin of the first day, unix seconds.
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


def simulate(
    path: Path,
    *,
    days: float,
    seed: int,
    first: int = 0,
    quirks: Quirks = "real",
    recipe: Recipe | None = None,
    known: Sequence[tuple[str, float]] = (),
    track: Track = silent,
) -> SimulatedMission:
    """Write a mission and its truth; existing files are replaced.

    The same seed gives the same rows for any length: a longer mission continues a shorter one, and its days can be
    written to several files.

    Args:
        path: ROOT file to write, with its provenance as JSON in the string ``meta``; the truth goes to
            ``<stem>.truth.parquet`` beside it (columns: :meth:`polarbgb.simulation.truth.Tally.table`).
        days: length, 0.0001 to 3650.
        seed: of all randomness, >= 0.
        first: day to begin with; day 0 begins with the first row of the file of POLAR.
        quirks: flaws of the file.
        recipe: rates of the events and other settings; the defaults if None.
        known: name and trigger time (unix seconds) of bursts to inject where there are data.
        track: shows the progress by days.

    Returns:
        The files and their contents.

    Raises:
        UserError: if the length, the first day or the seed is out of range, or the files cannot be written.
    """
    if not SHORTEST <= days <= LONGEST:
        raise UserError(f"cannot simulate {days:g} days; give --days from {SHORTEST:g} to {LONGEST:g}")
    if not 0 <= first <= LONGEST:
        raise UserError(f"a mission has no day {first}; give --first-day from 0 to {LONGEST:g}")
    if seed < 0:
        raise UserError(f"seed {seed} is negative; give --seed 0 or more")
    truth = truth_path(path)
    # Both files are opened first, so that one that cannot be written is reported before the work is done.
    with atomic(truth) as table, root_file(path) as file:
        recipe = recipe or Recipe()
        mission = plan(recipe, quirks=quirks, first=first, days=days, seed=seed, known=known)
        tally = Tally(mission.events)
        rows = file.stream(TREE, _days(mission, tally, track), title="simulated POLAR rates")
        # No date of writing: equal seeds give equal bytes.
        provenance = json.dumps(
            {
                "polarbgb": __version__,
                "seed": seed,
                "first_day": first,
                "days": days,
                "quirks": quirks,
                "recipe": recipe.model_dump(),
                "known": [name for name, _ in known],
            }
        )
        file.text("meta", provenance)
        events = tally.table()
        events.write_parquet(table, metadata={"meta": provenance})
    return SimulatedMission(path, truth, rows, mission.start, mission.stop, rows / (days * DAY), len(events))


def truth_path(path: Path) -> Path:
    """Return the path of the truth of a simulated file, ``<stem>.truth.parquet`` beside it.

    Raises:
        UserError: if the path is a folder.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file in it, such as {path / 'mission.root'}")
    return path.with_name(f"{path.stem}.truth.parquet")


def _days(plan: Plan, tally: Tally, track: Track) -> Iterator[Columns]:
    """Yield the rows of each day; days before the first are followed for what they leave behind, but not drawn."""
    before, opening = past(plan.field), START
    for day in track(range(len(plan.days)), label="simulate", total=len(plan.days)):
        seeds = plan.days[day]
        clock = np.random.default_rng(seeds.clock)
        time, opening = telemetry.clock(opening, START + (day + 1) * DAY, clock, steady=not plan.spoiled)
        trajectory = follow(plan.field, time[:: plan.hold], holes=plan.holes, before=before)
        before = trajectory.after
        if day >= plan.first:
            yield day_rows(plan, time, trajectory, tally=tally, seeds=seeds)
