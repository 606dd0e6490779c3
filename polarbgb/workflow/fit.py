"""`polarbgb fit`: train the models, predict every row out of fold, and calibrate the pulls."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from polarbgb.background.backends import require_device
from polarbgb.background.calibration import scatter_over_error
from polarbgb.background.cross_fit import Scheduler, cross_fit
from polarbgb.background.fold_model import FoldModel, load_fold_model, probe_rows, save_fold_model, training_frame
from polarbgb.background.folds import BLOCK_PARTS, Folds, make_folds
from polarbgb.background.metrics import Score, score
from polarbgb.background.scheduler import open_scheduler
from polarbgb.config import Config, Device, Model
from polarbgb.config.types import Paths
from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.features.contract import FeatureContract
from polarbgb.io.input.files import input_digest
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.runs.stages import LOCAL
from polarbgb.workflow.calibration import calibrate_background, write_prediction
from polarbgb.workflow.cleaning import clean_training_set
from polarbgb.workflow.preparation import Prepared, made_from, prepare, reading
from polarbgb.workflow.reading import source_files
from polarbgb.workflow.results.fit import FitResult
from polarbgb.workflow.tune import BEST


def fit(
    config: Config,
    run: RunFolder | str | Path,
    *,
    path: Paths | None = None,
    parameters: str | Path | None = None,
    scheduler: str | None = None,
    track: Track = silent,
) -> FitResult:
    """Predict the background of every row by models that never saw its orbit.

    Args:
        config: the configuration of the instrument.
        run: the run folder, which receives models, ``prediction.parquet``, ``metrics.json`` and plots.
        path: files, patterns or folders, together one mission; ``input.path`` of the configuration if None.
        parameters: a ``best.toml`` of ``tune``; if None, that of the run folder is used where it fits.
        scheduler: address of a Dask scheduler whose workers do the fits, or ``local:N`` for N local processes; None
            for this process.
        track: shows the progress of reading and fitting.

    Returns:
        The scores and the files.

    Raises:
        UserError: if input, configuration, device or parameters do not fit, or no scheduler answers.
    """
    run = RunFolder.at(run)
    parameters = None if parameters is None else Path(parameters)
    if scheduler is None:  # otherwise the workers need the device
        require_device(config.model)
    # The folder and the scheduler come first: that one is busy should be known before a long file is read.
    with run.hold(), open_scheduler(scheduler) as workers:
        return _fit(config, run, path=path, parameters=parameters, address=scheduler, workers=workers, track=track)


def _fit(
    config: Config,
    run: RunFolder,
    *,
    path: Paths | None,
    parameters: Path | None,
    address: str | None,
    workers: Scheduler,
    track: Track,
) -> FitResult:
    """Fit on the workers of a scheduler; the other arguments are those of :func:`fit`."""
    model, origin = _tuned(config.model, run, parameters)
    started = time.monotonic()
    prepared = prepare(config, path, track=track)
    # Refuse a file that is too short before there is a draft.
    make_folds(prepared.dataset.time, prepared.dataset.known, config.folds, config.orbit, config.model)
    from_run = model is not config.model and parameters is None
    if from_run and run.require("tune").get("search") != prepared.search(config):
        origin += " (tuned on another input or other features)"
    config = prepared.as_read(config.model_copy(update={"model": model}))
    draft = run.draft("fit", *made_from(config, prepared.sha256), address)
    dataset, count_rates = prepared.dataset, prepared.count_rates
    masked, rounds = clean_training_set(prepared, config, checkpoints=draft.checkpoints, track=track, scheduler=workers)
    prepared = replace(prepared, dataset=dataset.marked(masked, Quality.KEPT_OUT))
    folds = make_folds(dataset.time, dataset.known | masked, config.folds, config.orbit, config.model)
    crossed = cross_fit(
        prepared.matrix,
        count_rates,
        folds,
        model,
        memory=config.memory,
        checkpoints=draft.checkpoints,
        track=track,
        scheduler=workers,
    )
    with watched(track, "calibrate"):
        calibrated_background = calibrate_background(prepared, crossed.prediction, folds.fold, config)
    background = calibrated_background.prediction
    scatter = tuple(scatter_over_error(count_rates, background, dataset.segment, ~dataset.known).tolist())
    scores = _scores(prepared, background, folds, config)
    trees = [[booster.trees for booster in fold_model.boosters] for fold_model in crossed.models]
    draft.write_config(config)
    draft.write_json(LOCAL, prepared.source.local())
    for fold, (fold_model, split) in enumerate(zip(crossed.models, folds.splits, strict=True)):
        probe = probe_rows(prepared.matrix.values, split)
        save_fold_model(fold_model, draft / "models", fold, model, probe=probe)
    draft.write_json("models/features.json", FeatureContract.of(prepared.matrix).as_dict())
    draft.write_frame("training.parquet", training_frame(crossed.models, config.rates.names))
    draft.write_json("metrics.json", {"scores": [bin_score.as_dict() for bin_score in scores]})
    write_prediction(draft, prepared.dataset.entries, calibrated_background.frame, config, track)
    removed = run.invalidated_by("fit")
    files = draft.publish(
        started,
        **prepared.provenance(config),
        parameters=origin,
        device={"asked": model.device, "got": devices(crossed.models)},
        scheduler=address,
        widths=calibrated_background.widths,
        scatter=[None if np.isnan(ratio) else ratio for ratio in scatter],
        cleaning=[asdict(cleaning_round) for cleaning_round in rounds],
        trees=trees,
    )
    return FitResult(
        run=run,
        rows=len(dataset),
        features=len(prepared.matrix.names),
        folds=len(folds.splits),
        parameters=origin,
        scores=tuple(scores),
        widths=calibrated_background.widths,
        scatter=scatter,
        weighted_means=config.rates.weighted_means,
        rounds=tuple(rounds),
        trees=tuple(np.mean(trees, axis=0).tolist()),
        removed=removed,
        # One entry for all models, of which there may be hundreds.
        files=tuple(dict.fromkeys(file.parent if file.parent.name == "models" else file for file in files)),
        remarks=prepared.remarks(config),
    )


def is_fitted(config: Config, run: RunFolder, *, path: Paths | None = None, scheduler: str | None = None) -> bool:
    """Return whether the run folder holds a fit of the same input, with the same settings and versions."""
    files = source_files(config, path)
    if run.stage("fit") is None or not all(file.is_file() for file in files):
        return False
    model, _ = _tuned(config.model, run, None)
    tuned = reading(config.model_copy(update={"model": model}), files)
    return run.holds("fit", *made_from(tuned, input_digest(files)[0]), scheduler)


def on_device(config: Config, device: Device) -> Config:
    """Return the configuration of a fit for a prediction on another device.

    Raises:
        UserError: if the device does not exist.
    """
    model = config.model.model_copy(update={"device": device})
    require_device(model)
    return config.model_copy(update={"model": model})


def load_contract(run: RunFolder) -> FeatureContract:
    """Read the features that the models of a fitted run expect.

    Raises:
        UserError: if the file is missing or damaged.
    """
    return FeatureContract.from_dict(run.read_json("models/features.json"))


def load_models(run: RunFolder, config: Config) -> tuple[FoldModel, ...]:
    """Read the models of a fitted run, one per fold.

    Raises:
        UserError: if the run has no models or they are damaged.
    """
    folds = len(run.require("fit")["trees"])
    return tuple(load_fold_model(run / "models", fold, config.model) for fold in range(folds))


def devices(models: Sequence[FoldModel]) -> list[str]:
    """Return the devices on which boosters were trained, or, if they were loaded, on which they predict."""
    return sorted({booster.device for fold_model in models for booster in fold_model.boosters})


def _tuned(model: Model, run: RunFolder, parameters: Path | None) -> tuple[Model, str]:
    """Return the tuned hyperparameters if they fit, else those of the configuration, and their origin in words."""
    path = parameters or run / BEST
    if parameters is None and run.stage("tune") is None:
        return model, "the configuration's own hyperparameters (no tuning in this run folder)"
    try:
        best = tomllib.loads(path.read_text(encoding="utf-8"))
        tuned_for = (best["backend"], best["objective"])
        values = dict(best["model"])
        tuned = Model.model_validate({**model.model_dump(), **values})
    except FileNotFoundError as error:
        raise UserError(f"no tuned parameters at {path}; run 'polarbgb tune' first") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a best.toml of 'polarbgb tune'") from error
    if tuned_for != (model.backend, model.objective):
        message = f"was tuned for {tuned_for[0]} with objective {tuned_for[1]}"
        if parameters is not None:
            raise UserError(f"{path} {message}, not for {model.backend} with {model.objective}")
        return model, f"the configuration's own hyperparameters ({path.name} {message})"
    summary = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
    return tuned, f"{path.name}: {summary}"


def _scores(prepared: Prepared, prediction: np.ndarray, folds: Folds, config: Config) -> list[Score]:
    names = config.rates.names
    fair = ~prepared.dataset.known
    if config.folds.scheme != "blocks":
        return score(prepared.count_rates, prediction, fair, names, f"held-out {config.folds.scheme}")
    return [
        bin_score
        for fold, part in enumerate(BLOCK_PARTS)
        for bin_score in score(prepared.count_rates, prediction, fair & (folds.fold == fold), names, part)
    ]
