"""`polarbgb evaluate`: the quality of a prediction, overall and by regime, and the efficiency of the search."""

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
from polarbgb.config.types import Paths
from polarbgb.data.count_rates import CountRates
from polarbgb.data.dataset import Dataset
from polarbgb.errors import UserError
from polarbgb.features.passages import near_passage, passages
from polarbgb.io.input.files import input_digest, input_files
from polarbgb.plotting.registry import drawings
from polarbgb.plotting.run_tables import RunTables
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.validation.agreement import measure_agreement
from polarbgb.validation.efficiency import measure_efficiency
from polarbgb.workflow.figures import save_figures
from polarbgb.workflow.overrides import overridden
from polarbgb.workflow.preparation import require_same_input
from polarbgb.workflow.reading import read_dataset
from polarbgb.workflow.results.evaluate import MODEL, EvaluateResult
from polarbgb.workflow.search_settings import search_settings

CLIMATOLOGY, SAME_GROUND, POLYNOMIAL = "climatology", "same ground, 8 days", "polynomial, 30 min"
BASELINES = (CLIMATOLOGY, SAME_GROUND, POLYNOMIAL)


def evaluate(
    run: RunFolder | str | Path,
    *,
    path: Paths | None = None,
    references: Sequence[str | Path] = (),
    inject: bool = False,
    stability: RunFolder | str | Path | None = None,
    overrides: Sequence[str] = (),
    track: Track = silent,
) -> EvaluateResult:
    """Evaluate the prediction of a fit on rows that its models never saw, known events excluded.

    In scheme 'blocks' these are the rows of the test part. Bursts are injected into all rows.

    Args:
        run: a fitted run.
        path: the file that was fitted, if it has moved.
        references: files of other predictions of the same rows, each named by its stem; see
            :func:`polarbgb.background.reference.read_reference`.
        inject: also inject bursts into the counts and measure how many are found; see
            :func:`polarbgb.validation.efficiency.measure_efficiency`.
        stability: another run on the same file, for example with another seed, whose list of events is compared with
            that of this run; see :func:`polarbgb.validation.agreement.measure_agreement`.
        overrides: ``inject.key=value`` and ``trigger.key=value`` settings that replace those of the fit.
        track: shows the progress of reading, baselines, regimes and injections.

    Returns:
        The scores of the model, the reference predictions and the baselines of
        :mod:`polarbgb.background.simple_models`, and the performance by regime.

    Raises:
        UserError: if the run has no fit, the file is not the one that was fitted, a reference prediction does not fit,
            or a setting cannot change after the fit.
    """
    run = RunFolder.at(run)
    other = None if stability is None else RunFolder.at(stability)
    run.require("fit")
    config = overridden(run, overrides, sections=("inject", "trigger"), told="[inject] and [trigger]")
    asked = {"inject": inject, "overrides": list(overrides)}
    with run.hold():
        return _evaluate(
            run,
            config,
            files=input_files(path or run.sources()),
            references=[Path(reference) for reference in references],
            other=other,
            asked=asked,
            track=track,
        )


def _evaluate(
    run: RunFolder,
    config: Config,
    *,
    files: Sequence[Path],
    references: Sequence[Path],
    other: RunFolder | None,
    asked: Mapping[str, object],
    track: Track,
) -> EvaluateResult:
    fitted = run.require("fit")
    started = time.monotonic()
    require_same_input(files, input_digest(files)[0], fitted["input"]["sha256"])
    if other is not None:
        _require_same_rows(other, run, fitted)
    quality = _quality(run, files, references, config, track)
    inject = bool(asked["inject"])
    whole = run.read_frame("prediction.parquet") if inject or other is not None else pl.DataFrame()
    efficiency = measure_efficiency(whole, search_settings(config), track=track) if inject else None
    agreement = None
    if other is not None:
        settings = search_settings(config)
        agreement = measure_agreement(whole, other.read_frame("prediction.parquet"), settings, track=track)
    draft = run.draft("evaluate")
    summary: dict[str, object] = {
        "errors": {name: [bin_score.as_dict() for bin_score in scores] for name, scores in quality.errors.items()},
        "regimes": {name: [of_bin.as_dict() for of_bin in regime] for name, regime in quality.regimes.items()},
        "missing": quality.missing,
    }
    frames = {}
    if efficiency is not None:
        summary["efficiency"] = efficiency.summary()
        frames["injections.parquet"] = efficiency.injections
        draft.write_frame("injections.parquet", efficiency.injections)
    if agreement is not None:
        summary["stability"] = agreement.summary()
    draft.write_json("evaluation.json", summary)
    save_figures(draft, drawings(RunTables.of_stage("evaluate", config, frames, summary=summary), ["evaluate"]))
    files = draft.publish(
        started,
        asked=asked,
        seeds={"inject.seed": config.inject.seed},
        rows=quality.rows,
        **({} if efficiency is None and agreement is None else _sections(config)),
    )
    return EvaluateResult(
        names=config.rates.names,
        errors=quality.errors,
        references=quality.references,
        regimes=quality.regimes,
        missing=quality.missing,
        efficiency=efficiency,
        stability=agreement,
        files=files,
    )


@dataclass(frozen=True)
class _Quality:
    """The quality of a prediction, as in :class:`EvaluateResult`, and the number of rows it was measured on."""

    errors: dict[str, list[Score]]
    references: tuple[str, ...]
    regimes: dict[str, list[Performance]]
    missing: tuple[str, ...]
    rows: int


def _quality(
    run: RunFolder, files: Sequence[Path], references: Sequence[Path], config: Config, track: Track
) -> _Quality:
    """Score the prediction, the reference predictions and the baselines, and the prediction by regime.

    The several copies of all rates that this needs are freed before the searches begin.
    """
    dataset, _ = read_dataset(config, files, track=track)
    rates = dataset.rates
    position = () if config.position is None else (config.position.latitude, config.position.longitude)
    dataset = replace(dataset, frame=dataset.frame.select(position))
    frame = run.scan_frame("prediction.parquet").select("fold", "pred", "pull").collect()
    fold = frame["fold"].to_numpy()
    prediction = frame["pred"].to_numpy().astype(np.float64)
    fair = ~dataset.known
    if config.folds.scheme == "blocks":
        fair &= fold == BLOCK_PARTS.index("test")
    others = _references(references, dataset, config, run.require("fit")["input"]["tree"])
    scored = _predicted_by_all(others, fair)
    baselines, missing = _baselines(rates, dataset, fold, config, track)
    names = config.rates.names
    methods = {MODEL: prediction, **others, **baselines}
    errors = {name: score(rates, values, scored, names, name) for name, values in methods.items()}
    del methods, baselines  # each holds a rate of every row and bin
    by_regime = _regimes(rates, prediction, frame, dataset, fair=fair, config=config, track=track)
    return _Quality(errors, tuple(others), by_regime, tuple(missing), int(fair.sum()))


def _require_same_rows(other: RunFolder, run: RunFolder, fitted: Mapping[str, Any]) -> None:
    """Check that another run predicts the same rows of the same file."""
    theirs = other.require("fit")
    require_same_input(other.sources(), theirs["input"]["sha256"], fitted["input"]["sha256"])
    rows, ours = (each.scan_frame("prediction.parquet").select("entry", "segment").collect() for each in (other, run))
    if not rows.equals(ours):
        raise UserError(f"{other.path} predicts other rows of the file; fit both with the same [input] and [filters]")


def _sections(config: Config) -> dict[str, object]:
    """Return what a manifest records about the injected bursts and the search."""
    return {name: getattr(config, name).model_dump(mode="json") for name in ("inject", "trigger", "intervals")}


def _references(paths: Sequence[Path], dataset: Dataset, config: Config, tree: str) -> dict[str, NDArray[np.float64]]:
    """Read other predictions of the usable rows: (rows, bins) Hz by the file's stem, NaN where missing."""
    predictions: dict[str, NDArray[np.float64]] = {}
    for path in paths:
        if path.stem in {MODEL, *BASELINES, *predictions}:
            raise UserError(f"{path}: a method is called '{path.stem}' already; rename the file")
        entries, bins = len(dataset.entries), len(config.rates.names)
        reference = read_reference(path, tree, entries=entries, bins=bins)
        predictions[path.stem] = reference[dataset.entries.first_of_rows()]
    return predictions


def _predicted_by_all(references: Mapping[str, NDArray[np.float64]], fair: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the (rows,) mask of held-out rows that every reference predicts."""
    scored = fair
    for name, values in references.items():
        scored = scored & np.isfinite(values).all(axis=1)
        if not scored.any():
            raise UserError(f"{name} predicts none of the held-out rows that are to be compared")
    return scored


def _baselines(
    rates: CountRates, dataset: Dataset, fold: NDArray[np.int8], config: Config, track: Track
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Return every baseline that the columns allow, (rows, bins) Hz by name, and why each other one is missing."""
    time, learn = dataset.time, ~dataset.known
    # In place of masked values stands the mean of the bin, which biases no mean.
    mean = rates.counts.sum(axis=0) / np.maximum(rates.exposure.sum(axis=0), 1e-9)
    rate = np.where(rates.measured, rates.rate, mean)
    baselines, missing = {}, []
    if config.position is None:
        fallback = fold_means(rate, fold, learn)
        missing.append("no climatology and no ground track: the configuration has no [position]")
    else:
        latitude, longitude = (
            dataset.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
            for name in (config.position.latitude, config.position.longitude)
        )
        course = ground_track(time, dataset.segment, latitude, longitude)
        with watched(track, CLIMATOLOGY):
            fallback = climatology(rate, course, fold, learn)
        baselines[CLIMATOLOGY] = fallback
        with watched(track, SAME_GROUND):
            baselines[SAME_GROUND] = same_ground(
                rate, time, course, fold, learn, period=config.orbit.period, otherwise=fallback
            )
    with watched(track, POLYNOMIAL):
        baselines[POLYNOMIAL] = polynomial(rate, time, learn, gap=config.intervals.longest / 2, otherwise=fallback)
    return baselines, missing


def _regimes(
    rates: CountRates,
    prediction: NDArray[np.float64],
    frame: pl.DataFrame,
    dataset: Dataset,
    *,
    fair: NDArray[np.bool_],
    config: Config,
    track: Track,
) -> dict[str, list[Performance]]:
    """Measure the performance in every bin by the regimes of that bin."""
    time = dataset.time
    near = near_passage(time, passages(time, *config.features.passage), config.noise.passage_window)
    latitude = None
    if config.position is not None:
        latitude = dataset.frame[config.position.latitude].cast(pl.Float64).fill_null(np.nan).to_numpy()
    pull = frame["pull"].to_numpy()
    by_regime: dict[str, list[Performance]] = {}
    names = config.rates.names
    for i_bin, name in track(enumerate(names), label="regimes", total=len(names)):
        column = slice(i_bin, i_bin + 1)
        of_bin = rates.of(slice(None), column)
        for regime, rows in regimes(prediction[:, i_bin], near, latitude, fair).items():
            by_regime.setdefault(regime, []).extend(
                performance(
                    of_bin,
                    prediction[:, column],
                    pull[:, column],
                    segment=dataset.segment,
                    orbit=dataset.orbit,
                    rows=rows,
                    names=(name,),
                    part=regime,
                )
            )
    on = np.flatnonzero(rates.measured[fair].any(axis=0))
    return {
        regime: bins
        for regime, bins in by_regime.items()
        if len(bins) == len(names) and all(bins[i_bin].score.rows for i_bin in on)
    }
