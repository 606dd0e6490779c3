"""`polarbgb evaluate`: how good a prediction is, where, beside what, and which bursts are found on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.folds import BLOCK_PARTS
from polarbgb.background.metrics import Performance, Score, performance, score
from polarbgb.background.reference import read_reference
from polarbgb.background.regimes import regimes
from polarbgb.background.simple_models import climatology, fold_means, ground_track, polynomial, same_ground
from polarbgb.config import Config
from polarbgb.data.count_rates import CountRates, count_rates
from polarbgb.data.quality import Timeline
from polarbgb.errors import UserError
from polarbgb.features.passages import near_passage, passages
from polarbgb.io.provenance import file_digest
from polarbgb.plotting.efficiency import efficiency_plot
from polarbgb.plotting.evaluation import evaluation_plot
from polarbgb.plotting.saving import save
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.validation.agreement import ListAgreement, measure_agreement
from polarbgb.validation.efficiency import Efficiency, measure_efficiency
from polarbgb.workflow.overrides import overridden
from polarbgb.workflow.preparation import read_timeline, require_same_file

MODEL = "boosted trees"
CLIMATOLOGY, SAME_GROUND, POLYNOMIAL = "climatology", "same ground, 8 days", "polynomial, 30 min"
BASELINES = (CLIMATOLOGY, SAME_GROUND, POLYNOMIAL)


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation came to.

    Attributes:
        names: (bins,) names of the rates.
        errors: (bins,) scores by method: the model's, then those of the peers and of the baselines. All are scored on
            the same rows: the held-out ones that every peer predicts.
        references: names of the methods that came from files.
        regimes: (bins,) performance of the model by regime; the first is all held-out rows. Empty regimes are left out.
        missing: a line on each baseline that could not be made, and why.
        efficiency: which bursts are found, where that was asked for.
        stability: how far the list agrees with another run's, where that was asked for.
        files: what was written.
    """

    names: tuple[str, ...]
    errors: Mapping[str, list[Score]]
    references: tuple[str, ...]
    regimes: Mapping[str, list[Performance]]
    missing: tuple[str, ...]
    efficiency: Efficiency | None
    stability: ListAgreement | None
    files: tuple[Path, ...]


def evaluate(
    run: RunFolder,
    *,
    path: Path | None = None,
    references: Sequence[Path] = (),
    inject: bool = False,
    stability: RunFolder | None = None,
    overrides: Sequence[str] = (),
    track: Track = silent,
) -> EvaluateResult:
    """Judge the prediction of a fit on rows that their models never saw, known events left out.

    In scheme 'blocks' the rows are those of the test part; bursts are injected into all rows.

    Args:
        run: a fitted run.
        path: the file that was fitted, where it is no longer at its place.
        references: files of other predictions of the same rows, each named by its stem; see
            :func:`polarbgb.background.reference.read_reference`.
        inject: also add bursts to the counts and count those that are found:
            :func:`polarbgb.validation.efficiency.measure_efficiency`.
        stability: another run on the same file, with another seed, say: its list of events is compared with this run's,
            by :func:`polarbgb.validation.agreement.measure_agreement`.
        overrides: ``inject.key=value`` and ``trigger.key=value`` settings that replace those of the fit.
        track: watches reading, baselines, regimes and injections.

    Returns:
        Scores beside the peers and the baselines of :mod:`polarbgb.background.simple_models`, and performance by
        regime.

    Raises:
        UserError: if the run has no fit, the file is not the one that was fitted, a peer cannot be compared, or a
            setting cannot be changed any more.
    """
    run.require("fit")
    config = overridden(run, overrides, sections=("inject", "trigger"), told="[inject] and [trigger]")
    asked = {"inject": inject, "overrides": list(overrides)}
    with run.hold():
        return _evaluate(
            run, config, path=path or run.source(), references=references, stability=stability, asked=asked, track=track
        )


def _evaluate(
    run: RunFolder,
    config: Config,
    *,
    path: Path,
    references: Sequence[Path],
    stability: RunFolder | None,
    asked: Mapping[str, object],
    track: Track,
) -> EvaluateResult:
    fitted = run.require("fit")
    started = time.monotonic()
    require_same_file(path, file_digest(path), fitted["input"]["sha256"])
    if stability is not None:
        _require_same_rows(stability, run, fitted)
    judged = _judge(run, path, references, config, track)
    inject = bool(asked["inject"])
    whole = run.read_frame("prediction.parquet") if inject or stability is not None else pl.DataFrame()
    efficiency = measure_efficiency(whole, config, track=track) if inject else None
    again = None
    if stability is not None:
        again = measure_agreement(whole, stability.read_frame("prediction.parquet"), config, track=track)
    draft = run.draft("evaluate")
    told: dict[str, object] = {
        "errors": {name: [one.as_dict() for one in scores] for name, scores in judged.errors.items()},
        "regimes": {name: [one.as_dict() for one in ones] for name, ones in judged.regimes.items()},
        "missing": judged.missing,
    }
    save(evaluation_plot(judged.errors, judged.regimes, config), draft / "plots/evaluation.png")
    if efficiency is not None:
        told["efficiency"] = efficiency.summary()
        draft.write_frame("injections.parquet", efficiency.injections)
        save(efficiency_plot(efficiency, config), draft / "plots/efficiency.png")
    if again is not None:
        told["stability"] = again.summary()
    draft.write_json("evaluation.json", told)
    files = draft.publish(
        started,
        asked=asked,
        seeds={"inject.seed": config.inject.seed},
        rows=judged.rows,
        **({} if efficiency is None and again is None else _sections(config)),
    )
    return EvaluateResult(
        names=config.rates.names,
        errors=judged.errors,
        references=judged.references,
        regimes=judged.regimes,
        missing=judged.missing,
        efficiency=efficiency,
        stability=again,
        files=files,
    )


@dataclass(frozen=True)
class _Judged:
    """How good a prediction is: as of :class:`EvaluateResult`, and the number of rows that were judged."""

    errors: dict[str, list[Score]]
    references: tuple[str, ...]
    regimes: dict[str, list[Performance]]
    missing: tuple[str, ...]
    rows: int


def _judge(run: RunFolder, path: Path, references: Sequence[Path], config: Config, track: Track) -> _Judged:
    """Score the prediction beside the peers and the baselines, and by regime.

    What it takes for that, several copies of all rates, is gone when the searches begin.
    """
    timeline = read_timeline(config, path, track=track)
    rates = count_rates(timeline, config)
    place = () if config.position is None else (config.position.latitude, config.position.longitude)
    timeline = replace(timeline, frame=timeline.frame.select(place))
    frame = run.scan_frame("prediction.parquet").filter(pl.col("segment") >= 0).select("fold", "pred", "pull").collect()
    fold = frame["fold"].to_numpy()
    prediction = frame["pred"].to_numpy().astype(np.float64)
    fair = ~timeline.known
    if config.folds.scheme == "blocks":
        fair &= fold == BLOCK_PARTS.index("test")
    others = _references(references, timeline, config)
    scored = _predicted_by_all(others, fair)
    made, missing = _baselines(rates, timeline, fold, config, track)
    names = config.rates.names
    methods = {MODEL: prediction, **others, **made}
    errors = {name: score(rates, values, scored, names, name) for name, values in methods.items()}
    del methods, made  # of all bins, each
    of_regimes = _regimes(rates, prediction, frame, timeline, fair=fair, config=config, track=track)
    return _Judged(errors, tuple(others), of_regimes, tuple(missing), int(fair.sum()))


def _require_same_rows(other: RunFolder, run: RunFolder, fitted: Mapping[str, Any]) -> None:
    """Check that another run predicts the same rows of the same file."""
    theirs = other.require("fit")
    require_same_file(other.source(), theirs["input"]["sha256"], fitted["input"]["sha256"])
    one, two = (each.scan_frame("prediction.parquet").select("segment").collect() for each in (other, run))
    if not one.equals(two):
        raise UserError(f"{other.path} predicts other rows of the file; fit both with the same [input] and [filters]")


def _sections(config: Config) -> dict[str, object]:
    """Return what a manifest says of the bursts and of the search."""
    return {name: getattr(config, name).model_dump(mode="json") for name in ("inject", "trigger", "intervals")}


def _references(paths: Sequence[Path], timeline: Timeline, config: Config) -> dict[str, NDArray[np.float64]]:
    """Read other predictions of the usable rows: (rows, bins) Hz by the file's stem, NaN where there is none."""
    found: dict[str, NDArray[np.float64]] = {}
    for path in paths:
        if path.stem in {MODEL, *BASELINES, *found}:
            raise UserError(f"{path}: a method is called '{path.stem}' already; rename the file")
        entries, bins = len(timeline.time), len(config.rates.names)
        found[path.stem] = read_reference(path, config.input.tree, entries=entries, bins=bins)[timeline.row]
    return found


def _predicted_by_all(references: Mapping[str, NDArray[np.float64]], fair: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the (rows,) held-out rows that every peer predicts."""
    scored = fair
    for name, values in references.items():
        scored = scored & np.isfinite(values).all(axis=1)
        if not scored.any():
            raise UserError(f"{name} predicts none of the held-out rows that are to be compared")
    return scored


def _baselines(
    rates: CountRates, timeline: Timeline, fold: NDArray[np.int8], config: Config, track: Track
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
        course = ground_track(time, timeline.segment, latitude, longitude)
        with watched(track, CLIMATOLOGY):
            fallback = climatology(rates.rate, course, fold, learn)
        made[CLIMATOLOGY] = fallback
        with watched(track, SAME_GROUND):
            made[SAME_GROUND] = same_ground(
                rates.rate, time, course, fold, learn, period=config.orbit.period, otherwise=fallback
            )
    with watched(track, POLYNOMIAL):
        made[POLYNOMIAL] = polynomial(rates.rate, time, learn, gap=config.intervals.longest / 2, otherwise=fallback)
    return made, missing


def _regimes(
    rates: CountRates,
    prediction: NDArray[np.float64],
    frame: pl.DataFrame,
    timeline: Timeline,
    *,
    fair: NDArray[np.bool_],
    config: Config,
    track: Track,
) -> dict[str, list[Performance]]:
    """Judge every bin in its own regimes."""
    time = timeline.usable_time
    near = near_passage(time, passages(time, *config.features.passage), config.noise.passage_window)
    latitude = None
    if config.position is not None:
        latitude = timeline.frame[config.position.latitude].cast(pl.Float64).fill_null(np.nan).to_numpy()
    pull = frame["pull"].to_numpy()
    found: dict[str, list[Performance]] = {}
    names = config.rates.names
    for number, name in track(enumerate(names), label="regimes", total=len(names)):
        one = slice(number, number + 1)
        of_bin = CountRates(rates.rate[:, one], rates.error[:, one], rates.exposure[:, one])
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
    return {regime: ones for regime, ones in found.items() if len(ones) == len(names)}
