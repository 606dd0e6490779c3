"""`polarbgb run`: the whole way, from a ROOT file of rates to a ROOT file of intervals and a page to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from polarbgb.background.boosters import require_device
from polarbgb.config import Config
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.detect import detect
from polarbgb.workflow.explain import explain
from polarbgb.workflow.export import ExportResult, export
from polarbgb.workflow.fit import fit, is_fitted
from polarbgb.workflow.inspect import inspect
from polarbgb.workflow.report import report
from polarbgb.workflow.tune import tune


@dataclass(frozen=True)
class Kept:
    """Stages that were done before, from the same file with the same settings, and are not done again.

    Attributes:
        run: the run folder.
        stages: their names.
    """

    run: RunFolder
    stages: tuple[str, ...]


def run(
    config: Config,
    run: RunFolder,
    *,
    path: Path | None = None,
    scheduler: str | None = None,
    tell: Callable[[object], None] = lambda result: None,
    announce: Callable[[int, float], None] = lambda rows, seconds: None,
    track: Track = silent,
) -> ExportResult:
    """Inspect, tune, fit, detect, explain, export and report, one after the other.

    What was killed goes on where it was: a fit that the folder holds already, of the same file with the same settings,
    is kept with its search.

    Args:
        config: the instrument.
        run: where everything is left.
        path: ROOT file; the configuration's own where None.
        scheduler: as in :func:`polarbgb.workflow.fit.fit`.
        tell: given the result of each verb as it comes.
        announce: as in :func:`polarbgb.workflow.explain.explain`.
        track: watches all of it.

    Returns:
        The exported file.

    Raises:
        UserError: as the verbs do.
    """
    require_device(config.model)
    with run.hold():
        tell(inspect(config, path=path, track=track))
        if run.stage("tune") and is_fitted(config, run, path=path, scheduler=scheduler):
            tell(Kept(run, ("tune", "fit")))
        else:
            tell(tune(config, run, path=path, track=track))
            tell(fit(config, run, path=path, scheduler=scheduler, track=track))
        tell(detect(run, track=track))
        tell(explain(run, announce=announce, track=track))
        exported = export(run, track=track)
        tell(exported)
        tell(report(run, track=track))
    return exported
