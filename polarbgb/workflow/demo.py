"""`polarbgb demo`: the main job on two simulated days."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polarbgb.config import load
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.export import ExportResult
from polarbgb.workflow.run import run
from polarbgb.workflow.simulate import simulate
from polarbgb.workflow.tune import STUDY

SETTINGS = (
    "name=POLAR, simulated",
    "model.n_estimators=100",
    "model.learning_rate=0.2",
    "tune.trials=6",
    "tune.rows=30_000",
    "tune.folds=2",
    "folds.count=4",
    "explain.rows=600",
)
"""What the demonstration changes in configs/polar.toml, to end within minutes on two cores."""


def demo(
    folder: Path = Path("outputs/demo"),
    *,
    days: float = 2.0,
    seed: int = 0,
    tell: Callable[[object], None] = lambda result: None,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ExportResult:
    """Simulate a short POLAR mission and run everything on it.

    Args:
        folder: where everything is left; an earlier demonstration in it is replaced.
        days: length of the mission.
        seed: of the simulation.
        tell: given the result of each verb as it comes.
        announce: as in :func:`polarbgb.workflow.explain.explain`.
        track: watches all of it.

    Returns:
        The exported file.

    Raises:
        UserError: if the folder cannot be written.
    """
    path, place = folder / "mission.root", RunFolder(folder)
    with place.hold():
        if not path.exists() and place.stage("fit") is not None:
            raise UserError(f"{folder} holds another run; name a folder of its own for the demonstration")
        (place / STUDY).unlink(missing_ok=True)  # an earlier demonstration's, of another mission perhaps
        tell(simulate(path, days=days, seed=seed, overwrite=True, track=track))
        return run(
            load("configs/polar.toml", SETTINGS),
            place,
            path=path,
            tell=tell,
            announce=announce,
            track=track,
        )
