"""`polarbgb detect`: from a prediction to events at a false-alarm rate, or to those of the published method."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from polarbgb.config import Config
from polarbgb.data.known_events import known_events
from polarbgb.errors import UserError
from polarbgb.plotting.gallery import event_gallery
from polarbgb.plotting.light_curve import light_curve
from polarbgb.plotting.saving import save
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.runs.stages import FITTED_RANKING, RANKING
from polarbgb.transients.classify import classify
from polarbgb.transients.detector import Detector
from polarbgb.transients.events import find_events
from polarbgb.transients.match import known_summary
from polarbgb.transients.published import event_set, find_clusters
from polarbgb.transients.ranking import FEWEST_CANDIDATES, FEWEST_ORBITS
from polarbgb.transients.search import find_transients
from polarbgb.workflow.overrides import overridden

Method = Literal["focus", "published"]


@dataclass(frozen=True)
class DetectResult:
    """What a search came to.

    Attributes:
        run: the run folder.
        method: that made the events: ``focus``, the search by Poisson-FOCuS, or ``published``, the clusters of bins.
        events: a row an event.
        far: false events a day that were asked for; None for the published method, which knows none.
        ranking: how events were ranked, in words; empty for the published method.
        least_far: 1/day: the control supports no smaller false-alarm rate; None for the published method.
        days: of live time.
        intervals: columns ``set`` (of bins), ``positive``, ``negative``: number of clusters of the published method.
        chosen: the set of bins whose positive clusters are its events.
        known: a row a known event within the file's time: whether there are data, and what was found.
        files: what was written.
    """

    run: RunFolder
    method: Method
    events: pl.DataFrame
    far: float | None
    ranking: str
    least_far: float | None
    days: float
    intervals: pl.DataFrame
    chosen: str
    known: pl.DataFrame
    files: tuple[Path, ...]


def detect(
    run: RunFolder,
    *,
    far: float | None = None,
    method: Method = "focus",
    overrides: Sequence[str] = (),
    track: Track = silent,
) -> DetectResult:
    """Find what the background does not explain in a fitted or predicted run.

    Args:
        run: a run with a prediction.
        far: false alarms a day that the list may hold; the configuration's ``trigger.far`` where None.
        method: ``focus`` or ``published``. The clusters of the published method are written in either case.
        overrides: ``intervals.``, ``trigger.`` and ``classes.key=value`` settings that replace those of the fit.
        track: watches the searches.

    Returns:
        Events, counts and paths.

    Raises:
        UserError: if the run has no prediction, or a setting cannot be changed any more.
    """
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
    with watched(track, "published intervals"):
        prediction = run.read_frame("prediction.parquet")
        clusters = find_clusters(prediction, config)
    intervals = _counts(clusters)
    draft = run.draft("detect")
    ranking, least_far = "", None
    if method == "published":
        events = find_events(prediction, clusters, config)
        days = len(prediction.filter(pl.col("segment") >= 0)) * config.input.cadence / 86_400
    else:
        found = find_transients(prediction, config, detector=fitted_detector(run), track=track)
        events, days = found.events, found.days
        ranking, least_far = ranked_by(found.detector), 1 / found.detector.control.days
        draft.write_frame("candidates.parquet", found.candidates)
        draft.write_frame("event_ranking.parquet", found.contributions)
        draft.write_json(RANKING, found.detector.as_dict())
    events = classify(events, config)
    known = known_summary(prediction, events, known_events(config), config)
    draft.write_frame("clusters.parquet", clusters)
    draft.write_frame("events.parquet", events)
    with watched(track, "draw"):
        save(event_gallery(prediction, events, config), draft / "plots/events.png")
        save(light_curve(prediction, config, events=events), draft / "plots/light_curve_events.png")
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
    return DetectResult(run, method, events, far, ranking, least_far, days, intervals, event_set(config), known, files)


def fitted_detector(run: RunFolder) -> Detector | None:
    """Read the detector of the fitted run that a prediction was made with; None where it had none, or for a fit."""
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
    """Say in words how a detector ranks candidates."""
    if detector.ranking.learned:
        return f"boosted trees trained on {detector.injected:,} injected transients"
    return (
        f"significance: fewer than {FEWEST_ORBITS} orbits or {FEWEST_CANDIDATES} candidates are too little to learn "
        "a ranking from"
    )


def _counts(clusters: pl.DataFrame) -> pl.DataFrame:
    """Count intervals by set of bins; single bins first, as in the published table."""
    return (
        clusters.filter(pl.col("kind").is_in(["bin", "more"]))
        .group_by("kind", "name")
        .agg(positive=(pl.col("sign") > 0).sum(), negative=(pl.col("sign") < 0).sum())
        .sort("kind", pl.col("name").str.extract(r"(\d+)$").cast(pl.Int64))
        .select(set="name", positive="positive", negative="negative", kind="kind")
    )
