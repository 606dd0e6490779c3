"""`polarbgb evaluate`: how good a prediction is, where, and beside what needs no model."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.baselines import climatology, fold_means, ground_track, polynomial, same_ground
from polarbgb.background.folds import BLOCK_PARTS
from polarbgb.background.measured import Measured, measured
from polarbgb.background.regimes import regimes
from polarbgb.background.score import Performance, Score, performance, score
from polarbgb.config import Config
from polarbgb.features.passages import near_passage, passages
from polarbgb.present.evaluation import evaluation_plot
from polarbgb.present.save import save
from polarbgb.progress import Track, silent
from polarbgb.runfolder import RunFolder, file_digest
from polarbgb.timeline.clean import Timeline
from polarbgb.verbs.prepare import read_timeline, require_same_file

MODEL = "boosted trees"


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation came to.

    Attributes:
        names: (bins,) names of the rates.
        errors: (bins,) scores by method on the held-out rows: the model's, then those of the baselines.
        regimes: (bins,) performance of the model by regime; the first is all held-out rows. Empty regimes are left out.
        missing: a line on each baseline that could not be made, and why.
        files: what was written.
    """

    names: tuple[str, ...]
    errors: Mapping[str, list[Score]]
    regimes: Mapping[str, list[Performance]]
    missing: tuple[str, ...]
    files: tuple[Path, ...]


def evaluate(run: RunFolder, *, path: Path | None = None, track: Track = silent) -> Evaluated:
    """Judge the prediction of a fit on rows that their models never saw, known events left out.

    In scheme 'blocks' the rows are those of the test part.

    Args:
        run: a fitted run.
        path: the file that was fitted, where it is no longer at its place.
        track: watches the reading.

    Returns:
        Scores beside the baselines of :mod:`polarbgb.background.baselines`, and performance by regime.

    Raises:
        UserError: if the run has no fit, or the file is not the one that was fitted.
    """
    fitted = run.require("fit")
    config = run.config()
    started = time.monotonic()
    path = path or Path(fitted["input"]["file"])
    require_same_file(path, file_digest(path), fitted["input"]["sha256"])
    timeline = read_timeline(config, path, track=track)
    run.begin()
    rates = measured(timeline, config)
    frame = run.read_frame("prediction.parquet").filter(pl.col("segment") >= 0)
    fold = frame["fold"].to_numpy()
    prediction = frame["pred"].to_numpy().astype(np.float64)
    fair = ~timeline.known
    if config.folds.scheme == "blocks":
        fair &= fold == BLOCK_PARTS.index("test")
    made, missing = _baselines(rates, timeline, fold, config)
    names = config.rates.names
    errors = {name: score(rates, values, fair, names, name) for name, values in {MODEL: prediction, **made}.items()}
    of_regimes = _regimes(rates, prediction, frame, timeline, fair=fair, config=config)
    run.forget("evaluate")
    told = {
        "errors": {name: [one.as_dict() for one in scores] for name, scores in errors.items()},
        "regimes": {name: [one.as_dict() for one in ones] for name, ones in of_regimes.items()},
        "missing": missing,
    }
    files = (
        run.write_text("evaluation.json", json.dumps(told, indent=1) + "\n"),
        save(evaluation_plot(errors, of_regimes, config), run / "plots/evaluation.png"),
    )
    run.finish("evaluate", started, rows=int(fair.sum()))
    return Evaluated(names, errors, of_regimes, tuple(missing), files)


def _baselines(
    rates: Measured, timeline: Timeline, fold: NDArray[np.int8], config: Config
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Make every baseline that the columns allow: (rows, bins) Hz by name, and a line on each that they do not."""
    time, learn = timeline.usable_time, ~timeline.known
    made, missing = {}, []
    if config.position is None:
        fallback = fold_means(rates.rate, fold, learn)
        missing.append("no climatology and no ground track: the configuration has no [position]")
    else:
        latitude, longitude = (
            timeline.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
            for name in (config.position.latitude, config.position.longitude)
        )
        track = ground_track(time, timeline.segment, latitude, longitude)
        fallback = climatology(rates.rate, track, fold, learn)
        made["climatology"] = fallback
        made["same ground, a day apart"] = same_ground(
            rates.rate, time, track, fold, learn, period=config.orbit.period, otherwise=fallback
        )
    made["polynomial, 30 min"] = polynomial(rates.rate, time, learn, fallback)
    return made, missing


def _regimes(
    rates: Measured,
    prediction: NDArray[np.float64],
    frame: pl.DataFrame,
    timeline: Timeline,
    *,
    fair: NDArray[np.bool_],
    config: Config,
) -> dict[str, list[Performance]]:
    """Judge every bin in its own regimes."""
    time = timeline.usable_time
    near = near_passage(time, passages(time, *config.features.passage), config.noise.reach)
    latitude = None
    if config.position is not None:
        latitude = timeline.frame[config.position.latitude].cast(pl.Float64).fill_null(np.nan).to_numpy()
    pull = frame["pull"].to_numpy()
    found: dict[str, list[Performance]] = {}
    for number, name in enumerate(config.rates.names):
        one = slice(number, number + 1)
        of_bin = Measured(rates.rate[:, one], rates.error[:, one], rates.exposure[:, one])
        for regime, rows in regimes(prediction[:, number], near, latitude, fair).items():
            found.setdefault(regime, []).extend(
                performance(
                    of_bin,
                    prediction[:, one],
                    pull[:, one],
                    segment=timeline.segment,
                    orbit=timeline.orbit,
                    rows=rows,
                    names=(name,),
                    part=regime,
                )
            )
    return {regime: ones for regime, ones in found.items() if len(ones) == len(config.rates.names)}
