"""`polarbgb run`: all commands, from a ROOT file of rates to an exported file and a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polarbgb.background.backends import require_device
from polarbgb.config import Config
from polarbgb.config.types import Paths
from polarbgb.progress import Track, silent
from polarbgb.reporting.table import Table
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.detect import detect
from polarbgb.workflow.explain import explain
from polarbgb.workflow.export import ExportResult, export
from polarbgb.workflow.fit import fit, is_fitted
from polarbgb.workflow.inspect import inspect
from polarbgb.workflow.report import report
from polarbgb.workflow.results.result import Result
from polarbgb.workflow.tune import tune


@dataclass(frozen=True)
class KeptResult:
    """Stages that are already done, from the same file with the same settings, and are not repeated.

    Attributes:
        run: the run folder.
        stages: their names.
    """

    command: ClassVar[str] = "tune, fit"

    run: RunFolder
    stages: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """Nothing is written."""
        return ()

    def summary(self) -> str:
        """Return the names of the stages."""
        return f"kept: {', '.join(self.stages)}"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return why the stages are kept."""
        del verbose
        names = " and ".join(self.stages)
        return [Table(note=f"{names} were done before, from the same file with the same settings")]


def run(
    config: Config,
    run: RunFolder | str | Path,
    *,
    path: Paths | None = None,
    scheduler: str | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ExportResult:
    """Inspect, tune, fit, detect, explain, export and report, one after the other.

    A run that was killed continues where it was: a finished fit of the same file with the same settings is kept, and
    so is the search for its hyperparameters.

    Args:
        config: the configuration of the instrument.
        run: the run folder.
        path: files, patterns or folders, together one mission; ``input.path`` of the configuration if None.
        scheduler: as in :func:`polarbgb.workflow.fit.fit`.
        on_result: called with the result of each command as it ends.
        announce: as in :func:`polarbgb.workflow.explain.explain`.
        track: shows the progress.

    Returns:
        The exported file.

    Raises:
        UserError: as the commands do.
    """
    run = RunFolder.at(run)
    require_device(config.model)
    with run.hold():
        on_result(inspect(config, path=path, track=track))
        if run.stage("tune") and is_fitted(config, run, path=path, scheduler=scheduler):
            on_result(KeptResult(run, ("tune", "fit")))
        else:
            on_result(tune(config, run, path=path, track=track))
            on_result(fit(config, run, path=path, scheduler=scheduler, track=track))
        on_result(detect(run, track=track))
        on_result(explain(run, announce=announce, track=track))
        exported = export(run, track=track)
        on_result(exported)
        on_result(report(run, track=track))
    return exported
