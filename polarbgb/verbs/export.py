"""`polarbgb export`: the results as a ROOT file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polarbgb import __version__
from polarbgb.config import Classes, Config, Intervals, Trigger
from polarbgb.present.export import write_root
from polarbgb.runfolder import RunFolder
from polarbgb.verbs.detect import detect
from polarbgb.verbs.outfile import require_free


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


def export(run: RunFolder, path: Path | None = None, *, overwrite: bool = False) -> Exported:
    """Write prediction, intervals and events of a run to a ROOT file; runs ``detect`` first if it was not run.

    Args:
        run: a fitted or predicted run.
        path: a ``.root`` file; ``export.root`` of the run folder where None.
        overwrite: replace a named file that is there; the run folder's own is always replaced.

    Returns:
        The file and its trees.

    Raises:
        UserError: if the run has no prediction, or the file cannot be written or is in the way.
    """
    source = run.require("fit", "predict")["input"]
    if path is None:
        path = run / "export.root"
    else:
        require_free(path, Path(source["file"]), overwrite=overwrite, suffixes=(".root",))
    if run.stage("detect") is None:
        detect(run)
    config = _searched(run)
    events = run.read_frame("events.parquet")
    stages = {name: run.stage(name) for name in ("tune", "fit", "predict", "detect") if run.stage(name)}
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
