"""`polarbgb simulate`: a POLAR-like mission with the truth beside it."""

from __future__ import annotations

from pathlib import Path

from polarbgb.config import load
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.simulation.mission import Simulated, truth_path
from polarbgb.simulation.mission import simulate as simulate_mission
from polarbgb.timeline.known import known_events


def simulate(
    path: Path, *, days: float = 10.0, seed: int = 0, overwrite: bool = False, track: Track = silent
) -> Simulated:
    """Write a POLAR-like ``nf1rate`` file, the known bursts of its days included, and its truth table.

    Args:
        path: ROOT file to write; the truth goes to ``<stem>.truth.parquet`` beside it.
        days: length of the mission.
        seed: of all randomness.
        overwrite: replace files that are there.
        track: watches the chunks.

    Raises:
        UserError: if a file is in the way, cannot be written, or the length is unreasonable.
    """
    for there in (path, truth_path(path)):
        if there.exists() and not overwrite:
            raise UserError(f"{there} exists; add --overwrite to replace it")
    triggers = known_events(load("configs/polar.toml")).rows()
    return simulate_mission(path, days=days, seed=seed, known=triggers, track=track)
