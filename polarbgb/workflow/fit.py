"""`polarbgb fit`: features, rows to leave out, cross-fit, out-of-fold background, calibrated pulls."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from polarbgb.background.boosters import require_device
from polarbgb.background.calibration import scatter_over_error
from polarbgb.background.cleaning import Round
from polarbgb.background.cross_fit import Scheduler, cross_fit
from polarbgb.background.fold_model import FoldModel, load_fold_model, save_fold_model
from polarbgb.background.folds import BLOCK_PARTS, Folds, make_folds
from polarbgb.background.losses import training_frame
from polarbgb.background.metrics import Score, score
from polarbgb.background.scheduler import open_scheduler
from polarbgb.config import Config, Device, Model
from polarbgb.data.quality import Quality
from polarbgb.errors import UserError
from polarbgb.features.contract import FeatureContract
from polarbgb.io.provenance import file_digest
from polarbgb.io.root_input import input_path
from polarbgb.progress import Track, silent, watched
from polarbgb.runs.folder import RunFolder
from polarbgb.runs.stages import LOCAL
from polarbgb.workflow.calibration import calibrate_background, write_prediction
from polarbgb.workflow.cleaning import clean_training_set
from polarbgb.workflow.preparation import Prepared, made_from, prepare, reading
from polarbgb.workflow.tune import BEST

FAIR_PARTS = ("held-out orbits", "held-out days", "test")
"""Parts of the rows that had no say in the models that predict them."""


@dataclass(frozen=True)
class FitResult:
    """What a fit came to.

    Attributes:
        run: the run folder.
        rows: usable rows.
        features: number of features.
        folds: number of models.
        parameters: where the hyperparameters came from, in words.
        scores: one a bin and part of the rows.
        widths: (bins,) width of the raw pulls by the modified Gaussian fit, by which sigma was scaled.
        scatter: (bins,) scatter of rates from row to row over their stated errors; NaN where it cannot be told.
        weighted_means: whether the configuration says that rates may scatter less than their errors.
        rounds: of the training-set cleaning.
        trees: (1 + bins,) mean number of trees over the folds: those that the bins share, and what each bin adds.
        files: what was written.
    """

    run: RunFolder
    rows: int
    features: int
    folds: int
    parameters: str
    scores: tuple[Score, ...]
    widths: tuple[float, ...]
    scatter: tuple[float, ...]
    weighted_means: bool
    rounds: tuple[Round, ...]
    trees: tuple[float, ...]
    files: tuple[Path, ...]


def fit(
    config: Config,
    run: RunFolder,
    *,
    path: Path | None = None,
    parameters: Path | None = None,
    scheduler: str | None = None,
    track: Track = silent,
) -> FitResult:
    """Predict the background of every row by models that never saw its orbit.

    Args:
        config: the instrument.
        run: where to leave models, ``prediction.parquet``, ``metrics.json`` and plots.
        path: ROOT file; the configuration's own where None.
        parameters: a ``best.toml`` of ``tune``; the run folder's own is taken where None, if it fits.
        scheduler: address of a Dask scheduler whose workers do the fits, or ``local:N`` for N processes here; None for
            this process.
        track: watches reading and fitting.

    Returns:
        Scores and paths.

    Raises:
        UserError: if input, configuration, device or parameters do not fit, or no scheduler answers.
    """
    if scheduler is None:  # else it is the workers that need the device
        require_device(config.model)
    # That nobody answers there, or another process is at work, should not cost a long read first.
    with run.hold(), open_scheduler(scheduler) as elsewhere:
        return _fit(config, run, path=path, parameters=parameters, address=scheduler, elsewhere=elsewhere, track=track)


def _fit(
    config: Config,
    run: RunFolder,
    *,
    path: Path | None,
    parameters: Path | None,
    address: str | None,
    elsewhere: Scheduler,
    track: Track,
) -> FitResult:
    """Do it where the scheduler says; arguments as in :func:`fit`."""
    model, told = _tuned(config.model, run, parameters)
    started = time.monotonic()
    prepared = prepare(config, path, track=track)
    make_folds(prepared.timeline.usable_time, prepared.timeline.known, config)  # too short a file leaves no draft
    taken = model is not config.model and parameters is None
    if taken and run.require("tune").get("search") != prepared.search(config):
        told += " (tuned on another input or other features)"
    config = prepared.as_read(config.model_copy(update={"model": model}))
    draft = run.draft("fit", *made_from(config, prepared.sha256), address)
    timeline, count_rates = prepared.timeline, prepared.count_rates
    masked, rounds = clean_training_set(
        prepared, config, checkpoints=draft.checkpoints, track=track, scheduler=elsewhere
    )
    prepared = replace(prepared, timeline=timeline.marked(masked, Quality.KEPT_OUT))
    folds = make_folds(timeline.usable_time, timeline.known | masked, config)
    crossed = cross_fit(
        prepared.matrix,
        count_rates,
        folds,
        model,
        memory=config.memory,
        checkpoints=draft.checkpoints,
        track=track,
        scheduler=elsewhere,
    )
    with watched(track, "calibrate"):
        calibrated_background = calibrate_background(prepared, crossed.prediction, folds.fold, config)
    scatter = tuple(scatter_over_error(count_rates, timeline.segment, ~timeline.known).tolist())
    scores = _scores(prepared, calibrated_background.prediction, folds, config)
    trees = [[booster.trees for booster in fitted.boosters] for fitted in crossed.models]
    draft.write_config(config)
    draft.write_json(LOCAL, {"input": str(prepared.path)})
    for fold, fitted in enumerate(crossed.models):
        save_fold_model(fitted, draft / "models", fold, model)
    draft.write_json("models/features.json", FeatureContract.of(prepared.matrix).as_dict())
    draft.write_frame("training.parquet", training_frame(crossed.models, config.rates.names))
    draft.write_json("metrics.json", {"scores": [one.as_dict() for one in scores]})
    write_prediction(draft, calibrated_background.frame, config, track)
    files = draft.publish(
        started,
        **prepared.provenance(config),
        parameters=told,
        device={"asked": model.device, "got": devices(crossed.models)},
        scheduler=address,
        widths=calibrated_background.widths,
        scatter=[None if np.isnan(ratio) else ratio for ratio in scatter],
        cleaning=[asdict(one) for one in rounds],
        trees=trees,
    )
    return FitResult(
        run=run,
        rows=len(timeline.row),
        features=len(prepared.matrix.names),
        folds=len(folds.splits),
        parameters=told,
        scores=tuple(scores),
        widths=calibrated_background.widths,
        scatter=scatter,
        weighted_means=config.rates.weighted_means,
        rounds=tuple(rounds),
        trees=tuple(np.mean(trees, axis=0).tolist()),
        # A line for all models: there may be hundreds.
        files=tuple(dict.fromkeys(file.parent if file.parent.name == "models" else file for file in files)),
    )


def is_fitted(config: Config, run: RunFolder, *, path: Path | None = None, scheduler: str | None = None) -> bool:
    """Say whether :func:`fit` would leave what the run folder holds already: same file, settings and versions."""
    source = input_path(config, path).resolve()
    if run.stage("fit") is None or not source.is_file():
        return False
    model, _ = _tuned(config.model, run, None)
    asked = reading(config.model_copy(update={"model": model}), source)
    return run.holds("fit", *made_from(asked, file_digest(source)), scheduler)


def on_device(config: Config, device: Device) -> Config:
    """Return the configuration of a fit for a prediction on another device.

    Raises:
        UserError: if the device does not exist.
    """
    model = config.model.model_copy(update={"device": device})
    require_device(model)
    return config.model_copy(update={"model": model})


def load_contract(run: RunFolder) -> FeatureContract:
    """Read what the models of a fitted run ask of features.

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
    """Return where the boosters were trained, or, of those that were read, where they predict."""
    return sorted({booster.device for fitted in models for booster in fitted.boosters})


def _tuned(model: Model, run: RunFolder, parameters: Path | None) -> tuple[Model, str]:
    """Take the tuned hyperparameters, if there are any that fit, and say what was taken."""
    path = parameters or run / BEST
    if parameters is None and run.stage("tune") is None:
        return model, "the configuration's own hyperparameters (no tuning in this run folder)"
    try:
        best = tomllib.loads(path.read_text(encoding="utf-8"))
        found = (best["backend"], best["objective"])
        values = dict(best["model"])
        tuned = Model.model_validate({**model.model_dump(), **values})
    except FileNotFoundError as error:
        raise UserError(f"no tuned parameters at {path}; run 'polarbgb tune' first") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a best.toml of 'polarbgb tune'") from error
    if found != (model.backend, model.objective):
        message = f"was tuned for {found[0]} with objective {found[1]}"
        if parameters is not None:
            raise UserError(f"{path} {message}, not for {model.backend} with {model.objective}")
        return model, f"the configuration's own hyperparameters ({path.name} {message})"
    chosen = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
    return tuned, f"{path.name}: {chosen}"


def _scores(prepared: Prepared, prediction: np.ndarray, folds: Folds, config: Config) -> list[Score]:
    names = config.rates.names
    fair = ~prepared.timeline.known
    if config.folds.scheme != "blocks":
        return score(prepared.count_rates, prediction, fair, names, f"held-out {config.folds.scheme}")
    return [
        one
        for number, part in enumerate(BLOCK_PARTS)
        for one in score(prepared.count_rates, prediction, fair & (folds.fold == number), names, part)
    ]
