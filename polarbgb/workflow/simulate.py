"""`polarbgb simulate`: a POLAR-like mission with the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polarbgb.config import load
from polarbgb.data.known_events import known_events
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.simulation.mission import SimulateResult, truth_path
from polarbgb.simulation.mission import simulate as simulate_mission
from polarbgb.simulation.recipe import Quirks, recipe


def simulate(
    path: Path,
    *,
    days: float = 10.0,
    seed: int = 0,
    first_day: int = 0,
    quirks: Quirks = "real",
    settings: Sequence[str] = (),
    overwrite: bool = False,
    track: Track = silent,
) -> SimulateResult:
    """Write a POLAR-like ``nf1rate`` file, the known bursts of its days included, and its truth table.

    Args:
        path: ROOT file to write; the truth goes to ``<stem>.truth.parquet`` beside it.
        days: length of the mission.
        seed: of all randomness.
        first_day: of the mission to write; day 0 begins with the first row of POLAR's own file.
        quirks: flaws of the file: "none", "real" or "old-file".
        settings: of :class:`polarbgb.simulation.recipe.Recipe`, as ``flares=3``.
        overwrite: replace files that are there.
        track: watches the days.

    Raises:
        UserError: if a file is in the way, cannot be written, the length is unreasonable, or a setting is wrong.
    """
    chosen = recipe(settings)
    for there in (path, truth_path(path)):
        if there.exists() and not overwrite:
            raise UserError(f"{there} exists; add --overwrite to replace it")
    triggers = known_events(load("configs/polar.toml")).select("name", "time").rows()
    return simulate_mission(
        path, days=days, seed=seed, first=first_day, quirks=quirks, recipe=chosen, known=triggers, track=track
    )
