"""`polarbgb detect`: find events in a prediction at a false-alarm rate, or by the published method."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from polarbgb.config import Config
from polarbgb.errors import UserError
from polarbgb.plotting.registry import drawings
from polarbgb.plotting.run_tables import RunTables
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.runs.stages import FITTED_RANKING, RANKING
from polarbgb.transients.classify import classify
from polarbgb.transients.detector import Detector
from polarbgb.transients.events import find_events
from polarbgb.transients.match import known_summary
from polarbgb.transients.published import find_clusters, more_than_name
from polarbgb.transients.ranking import FEWEST_CANDIDATES, FEWEST_ORBITS
from polarbgb.transients.search import find_transients
from polarbgb.workflow.figures import save_figures
from polarbgb.workflow.overrides import overridden
from polarbgb.workflow.preparation import remarks
from polarbgb.workflow.results.detect import DetectResult, Method
from polarbgb.workflow.search_settings import search_settings


def detect(
    run: RunFolder | str | Path,
    *,
    far: float | None = None,
    method: Method = "focus",
    overrides: Sequence[str] = (),
    track: Track = silent,
) -> DetectResult:
    """Find the transients in a fitted or predicted run.

    Args:
        run: a run with a prediction.
        far: false-alarm rate of the list, 1/day; ``trigger.far`` of the configuration if None.
        method: ``focus`` or ``published``. The clusters of the published method are written in either case.
        overrides: ``intervals.``, ``trigger.`` and ``classes.key=value`` settings that replace those of the fit.
        track: shows the progress of the searches.

    Returns:
        Events, counts and files.

    Raises:
        UserError: if the run has no prediction, or a setting cannot change after the fit.
    """
    run = RunFolder.at(run)
    run.require("fit", "predict")
    config = overridden(
        run,
        overrides if far is None else [*overrides, f"trigger.far={far!r}"],
        sections=("intervals", "trigger", "classes"),
        told="[trigger], [classes] and some of [intervals]",
        fixed={"intervals.context", "intervals.longest"},
    )
    started = time.monotonic()
    with run.hold():
        asked = {"far": far, "overrides": list(overrides)}
        return _detect(run, config, method, asked=asked, started=started, track=track)


def _detect(
    run: RunFolder,
    config: Config,
    method: Method,
    *,
    asked: Mapping[str, object],
    started: float,
    track: Track,
) -> DetectResult:
    settings = search_settings(config)
    with watched(track, "published intervals"):
        prediction = run.read_frame("prediction.parquet")
        clusters = find_clusters(prediction, config.intervals)
    intervals = _counts(clusters)
    draft = run.draft("detect")
    ranking, least_far = "", None
    if method == "published":
        events = find_events(prediction, clusters, settings)
        days = float(prediction["width"].sum()) / 86_400
    else:
        search = find_transients(prediction, settings, detector=fitted_detector(run), track=track)
        events, days = search.events, search.days
        ranking, least_far = ranked_by(search.detector), search.detector.control.least_far
        draft.write_frame("candidates.parquet", search.candidates)
        draft.write_frame("event_ranking.parquet", search.contributions)
        draft.write_json(RANKING, search.detector.as_dict())
    events = classify(events, config.classes)
    known = known_summary(prediction, events, settings.known, slack=settings.match)
    draft.write_frame("clusters.parquet", clusters)
    draft.write_frame("events.parquet", events)
    with watched(track, "draw"):
        frames = {"prediction.parquet": prediction, "events.parquet": events}
        save_figures(draft, drawings(RunTables.of_stage("detect", config, frames), ["detect"], by_command=True))
    files = draft.publish(
        started,
        asked=asked,
        method=method,
        intervals=config.intervals.model_dump(mode="json"),
        trigger=config.trigger.model_dump(mode="json"),
        classes=config.classes.model_dump(mode="json"),
        events=len(events),
        ranking=ranking,
        least_far=least_far,
        positive=int(intervals["positive"].sum()),
        negative=int(intervals["negative"].sum()),
    )
    far = config.trigger.far if method == "focus" else None
    chosen = more_than_name(config.intervals.more_than)
    told = remarks(config, run.require("fit", "predict")["input"], prediction["unix_time"].to_numpy())
    return DetectResult(run, method, events, far, ranking, least_far, days, intervals, chosen, known, files, told)


def fitted_detector(run: RunFolder) -> Detector | None:
    """Return the detector of the run whose models made a prediction; None for a fit, or if that run had none."""
    if run.stage("predict") is None or not (run / FITTED_RANKING).exists():
        return None
    return read_detector(run, FITTED_RANKING)


def read_detector(run: RunFolder, name: str) -> Detector:
    """Read a stored detector.

    Raises:
        UserError: if the file is damaged.
    """
    try:
        return Detector.from_dict(run.read_json(name))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run / name}: not a ranking written by 'polarbgb detect'") from error


def ranked_by(detector: Detector) -> str:
    """Describe in words how a detector ranks candidates."""
    if detector.ranking.learned:
        return f"boosted trees trained on {detector.injected:,} injected transients"
    return (
        f"significance: fewer than {FEWEST_ORBITS} orbits or {FEWEST_CANDIDATES} candidates are too little to learn "
        "a ranking from"
    )


def _counts(clusters: pl.DataFrame) -> pl.DataFrame:
    """Count intervals by set of bins, single bins first, as in the published table."""
    return (
        clusters.filter(pl.col("kind").is_in(["bin", "more"]))
        .group_by("kind", "name")
        .agg(positive=(pl.col("sign") > 0).sum(), negative=(pl.col("sign") < 0).sum())
        .sort("kind", pl.col("name").str.extract(r"(\d+)$").cast(pl.Int64))
        .select(set="name", positive="positive", negative="negative", kind="kind")
    )
