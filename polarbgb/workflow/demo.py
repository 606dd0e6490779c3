"""`polarbgb demo`: the whole analysis on five simulated days."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polarbgb.config import load
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.export import ExportResult
from polarbgb.workflow.results.result import Result
from polarbgb.workflow.run import run
from polarbgb.workflow.simulate import simulate
from polarbgb.workflow.tune import STUDY

SETTINGS = (
    "name=POLAR, simulated",
    "model.n_estimators=200",
    "model.learning_rate=0.1",
    "tune.trials=4",
    "tune.rows=30_000",
    "tune.folds=2",
    "folds.count=4",
    "explain.rows=600",
)
"""Settings that replace those of configs/polar.toml, so that it takes minutes on two cores."""


def demo(
    folder: str | Path = "outputs/demo",
    *,
    days: float = 5.0,  # enough orbits to learn a ranking of events
    seed: int = 0,
    on_result: Callable[[Result], None] = lambda result: None,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ExportResult:
    """Simulate a short POLAR mission and run everything on it.

    Args:
        folder: the run folder; an earlier demonstration in it is replaced.
        days: length of the mission.
        seed: of the simulation.
        on_result: called with the result of each command as it ends.
        announce: as in :func:`polarbgb.workflow.explain.explain`.
        track: shows the progress.

    Returns:
        The exported file.

    Raises:
        UserError: if the folder cannot be written.
    """
    place = RunFolder(folder)
    path = place / "mission.root"
    with place.hold():
        if not path.exists() and place.stage("fit") is not None:
            raise UserError(f"{folder} holds another run; name another folder for the demonstration")
        (place / STUDY).unlink(missing_ok=True)  # an earlier study may be of another mission
        on_result(simulate(path, days=days, seed=seed, overwrite=True, track=track))
        return run(
            load("configs/polar.toml", SETTINGS),
            place,
            path=path,
            on_result=on_result,
            announce=announce,
            track=track,
        )
