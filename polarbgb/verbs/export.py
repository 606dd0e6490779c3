"""`polarbgb export`: the results as a ROOT file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polarbgb import __version__
from polarbgb.config import Classes, Config, Intervals, Trigger
from polarbgb.errors import UserError
from polarbgb.present.export import write_root
from polarbgb.progress import Track, silent, watched
from polarbgb.runfolder import RunFolder
from polarbgb.verbs.detect import detect


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        path: the file.
        trees: entries by tree.
        events: number of events.
    """

    path: Path
    trees: dict[str, int]
    events: int


def export(run: RunFolder, path: Path | None = None, *, overwrite: bool = False, track: Track = silent) -> Exported:
    """Write prediction, intervals and events of a run to a ROOT file; runs ``detect`` first if it was not run.

    Args:
        run: a fitted or predicted run.
        path: a ``.root`` file; ``export.root`` of the run folder where None.
        overwrite: replace a named file that is there; the run folder's own is always replaced.
        track: watches the search, if there has to be one, and the writing.

    Returns:
        The file and its trees.

    Raises:
        UserError: if the run has no prediction, or the file cannot be written or is in the way.
    """
    source = run.require("fit", "predict")["input"]
    if path is None:
        path = run / "export.root"
    else:
        _refuse(path, Path(source["file"]), overwrite)
    if run.stage("detect") is None:
        detect(run, track=track)
    config = _searched(run)
    events = run.read_frame("events.parquet")
    stages = {name: run.stage(name) for name in ("tune", "fit", "predict", "detect") if run.stage(name)}
    with watched(track, f"write {path.name}"):
        trees = write_root(
            path,
            run.read_frame("prediction.parquet"),
            run.read_frame("clusters.parquet"),
            events,
            config=config,
            provenance={
                "polarbgb": __version__,
                "bins": list(config.rates.names),
                "labels": list(config.rates.titles),
                "config": config.model_dump(mode="json"),
                "stages": stages,
            },
        )
    return Exported(path, trees, len(events))


def _searched(run: RunFolder) -> Config:
    """Return the configuration with the sections that ``detect`` may have changed, as they were searched."""
    config, stage = run.config(), run.require("detect")
    intervals = Intervals.model_validate(stage["intervals"])
    trigger = Trigger.model_validate(stage.get("trigger", config.trigger))
    classes = Classes.model_validate(stage.get("classes", config.classes))
    return config.model_copy(update={"intervals": intervals, "trigger": trigger, "classes": classes})


def _refuse(path: Path, source: Path, overwrite: bool) -> None:
    if path.suffix != ".root":
        raise UserError(f"{path}: the name must end in .root")
    if path.resolve() == source.resolve():
        raise UserError(f"{path} is the input file; name another")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; add --overwrite to replace it")
