"""`polarbgb detect`: pulls into clusters, clusters into events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polarbgb.config import Config
from polarbgb.errors import UserError
from polarbgb.present.gallery import event_gallery
from polarbgb.present.light_curve import light_curve
from polarbgb.present.save import save
from polarbgb.runfolder import RunFolder
from polarbgb.timeline.known import known_events
from polarbgb.transients.clusters import event_set, find_clusters
from polarbgb.transients.events import find_events
from polarbgb.transients.match import known_summary


@dataclass(frozen=True)
class Detected:
    """What a search came to.

    Attributes:
        run: the run folder.
        events: a row an event.
        intervals: columns ``set`` (of bins), ``positive``, ``negative``: number of intervals. True transients are
            positive: the negative ones are the control.
        chosen: the set of bins whose positive intervals are the events.
        known: a row a known event within the file's time: whether there are data, and what was found.
        files: what was written.
    """

    run: RunFolder
    events: pl.DataFrame
    intervals: pl.DataFrame
    chosen: str
    known: pl.DataFrame
    files: tuple[Path, ...]


def detect(run: RunFolder, *, overrides: Sequence[str] = ()) -> Detected:
    """Find the intervals of a fitted or predicted run.

    Args:
        run: a run with a prediction.
        overrides: ``intervals.key=value`` settings that replace those of the fit.

    Returns:
        Events, counts and paths.

    Raises:
        UserError: if the run has no prediction, or a setting cannot be changed any more.
    """
    run.require("fit", "predict")
    config = _overridden(run, overrides)
    started = time.monotonic()
    run.begin()
    prediction = run.read_frame("prediction.parquet")
    clusters = find_clusters(prediction, config)
    events = find_events(prediction, clusters, config)
    known = known_summary(prediction, events, known_events(config), config)
    run.forget("detect")
    files = (
        run.write_frame("clusters.parquet", clusters),
        run.write_frame("events.parquet", events),
        save(event_gallery(prediction, events, config), run / "plots/events.png"),
        save(light_curve(prediction, config, events=events), run / "plots/light_curve_events.png"),
    )
    intervals = _counts(clusters)
    run.finish(
        "detect",
        started,
        intervals=config.intervals.model_dump(mode="json"),
        events=len(events),
        positive=int(intervals["positive"].sum()),
        negative=int(intervals["negative"].sum()),
    )
    return Detected(run, events, intervals, event_set(config), known, files)


def _overridden(run: RunFolder, overrides: Sequence[str]) -> Config:
    for text in overrides:
        key = text.partition("=")[0].strip()
        if not key.startswith("intervals.") or key in {"intervals.context", "intervals.longest"}:
            raise UserError(f"--set {text}: only sigma, discard, more_than of [intervals] can change after the fit")
    return run.config(overrides)


def _counts(clusters: pl.DataFrame) -> pl.DataFrame:
    """Count intervals by set of bins; single bins first, as in the published table."""
    return (
        clusters.filter(pl.col("kind").is_in(["bin", "more"]))
        .group_by("kind", "name")
        .agg(positive=(pl.col("sign") > 0).sum(), negative=(pl.col("sign") < 0).sum())
        .sort("kind", pl.col("name").str.extract(r"(\d+)$").cast(pl.Int64))
        .select(set="name", positive="positive", negative="negative", kind="kind")
    )
