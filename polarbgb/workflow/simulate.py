"""`polarbgb simulate`: a POLAR-like mission with the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polarbgb.config import load
from polarbgb.data.known_events import known_events
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.reporting.table import Table, counted
from polarbgb.simulation.mission import SimulatedMission, truth_path
from polarbgb.simulation.mission import simulate as simulate_mission
from polarbgb.simulation.recipe import Quirks, recipe


@dataclass(frozen=True)
class SimulateResult(SimulatedMission):
    """Result of a simulation: the mission, described as text."""

    command: ClassVar[str] = "simulate"

    @property
    def files(self) -> tuple[Path, ...]:
        """The rate file and the table of the truth."""
        return (self.path, self.truth)

    def summary(self) -> str:
        """Return the numbers of rows, days and events."""
        days = (self.stop - self.start) / 86400
        return f"{counted(self.rows, 'row')} over {days:.1f} days, {counted(self.events, 'event')} injected"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return no table: the summary says it all."""
        del verbose
        return []


def simulate(
    path: str | Path,
    *,
    days: float = 10.0,
    seed: int = 0,
    first_day: int = 0,
    quirks: Quirks = "real",
    settings: Sequence[str] = (),
    overwrite: bool = False,
    track: Track = silent,
) -> SimulateResult:
    """Write a POLAR-like ``nf1rate`` file, including the known bursts of its days, and its truth table.

    Args:
        path: ROOT file to write; the truth goes to ``<stem>.truth.parquet`` beside it.
        days: length of the mission.
        seed: of all randomness.
        first_day: of the mission to write; day 0 begins with the first row of POLAR's own file.
        quirks: flaws of the file: "none", "real" or "old-file".
        settings: of :class:`polarbgb.simulation.recipe.Recipe`, such as ``flares=3``.
        overwrite: replace existing files.
        track: shows the progress by days.

    Raises:
        UserError: if a file exists or cannot be written, the length is out of range, or a setting is wrong.
    """
    path, chosen = Path(path), recipe(settings)
    for file in (path, truth_path(path)):
        if file.exists() and not overwrite:
            raise UserError(f"{file} exists; add --overwrite (in Python overwrite=True) to replace it")
    triggers = known_events(load("configs/polar.toml").known_events).select("name", "time").rows()
    mission = simulate_mission(
        path, days=days, seed=seed, first=first_day, quirks=quirks, recipe=chosen, known=triggers, track=track
    )
    return SimulateResult(**vars(mission))
