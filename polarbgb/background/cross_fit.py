"""Out-of-fold background: every row predicted by a model that never saw its orbit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.boosters import HeldOut, TrainingSet, quantise, quantised_size
from polarbgb.background.checkpoints import NO_CHECKPOINTS, Checkpoints
from polarbgb.background.fold_model import FoldModel, load_fold_model, save_fold_model, train_fold
from polarbgb.background.folds import Folds, Split
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
from polarbgb.progress import Track, silent


@dataclass(frozen=True)
class CrossFit:
    """Predictions and the models that made them.

    Attributes:
        prediction: (rows, bins) background rate, Hz.
        models: one per fold.
    """

    prediction: NDArray[np.float64]
    models: tuple[FoldModel, ...]


@dataclass(frozen=True)
class Fit:
    """Result of the fit of one fold.

    Attributes:
        model: trained on one split.
        prediction: (predicted rows of the split, bins) background rate, Hz.
    """

    model: FoldModel
    prediction: NDArray[np.float64]


@dataclass(frozen=True)
class Fits:
    """Fits the folds of a cross-fit, each independently of the others.

    Attributes:
        matrix: features of the usable rows.
        count_rates: rates of the same rows.
        folds: who is predicted by whom.
        model: backend, objective, device and hyperparameters.
        memory: GiB that the process may take; None for what is free. XGBoost keeps a fold that is larger on disk.
        done: folds that need not be fitted.
    """

    matrix: Matrix
    count_rates: CountRates
    folds: Folds
    model: Model
    memory: float | None = None
    done: frozenset[int] = frozenset()

    @property
    def left(self) -> list[int]:
        """Return the folds to be fitted."""
        return [fold for fold in range(len(self.folds.splits)) if fold not in self.done]

    def __call__(self, fold: int) -> Fit:
        """Train the model of one fold, and predict the rows that it holds out."""
        split = self.folds.splits[fold]
        training = quantise_split(self.matrix, split, self.model, memory=self.memory)
        model = train_fold(training, self.count_rates, split, self.model)
        return Fit(model, model.predict(HeldOut(self.matrix.values, split.predicted, self.model)))


class Scheduler(Protocol):
    """Fits the folds of a cross-fit, here or elsewhere."""

    def __call__(self, fits: Fits, *, label: str, track: Track) -> Iterator[tuple[int, Fit]]:
        """Yield every fold with its fit, in any order; ``track`` watches them end under their ``label``."""
        ...


def here(fits: Fits, *, label: str, track: Track) -> Iterator[tuple[int, Fit]]:
    """Fit the folds in this process, one after the other: the default of every library function."""
    for fold in track(fits.left, label=label, total=len(fits.left)):
        yield fold, fits(fold)


def cross_fit(
    matrix: Matrix,
    count_rates: CountRates,
    folds: Folds,
    model: Model,
    *,
    label: str = "fit",
    memory: float | None = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> CrossFit:
    """Train one model per fold, and predict the rows that each fold holds out.

    Args:
        matrix: features of the usable rows.
        count_rates: rates of the same rows.
        folds: who is predicted by whom.
        model: backend, objective, device and hyperparameters.
        label: what the fits are called while they are watched.
        memory: GiB that the process may take; None for what is free.
        checkpoints: of the work: models are kept there, and those that are found there are not trained again. Who keeps
            them sees to it that they are of the same matrix, rates and model.
        track: watches the fits.
        scheduler: does them.

    Returns:
        Predictions for every row, and the models.
    """
    place = None if checkpoints.folder is None else checkpoints.folder / f"{label} {_rows_digest(folds)}"
    every = range(len(folds.splits))
    models: dict[int, FoldModel] = {}
    if place is not None:
        models = {fold: load_fold_model(place, fold, model) for fold in every if (place / f"fold{fold}.json").exists()}
    prediction = np.full(count_rates.rate.shape, np.nan)
    for fold, kept in models.items():
        rows = folds.splits[fold].predicted
        prediction[rows] = kept.predict(HeldOut(matrix.values, rows, model))
    fits = Fits(matrix, count_rates, folds, model, memory, frozenset(models))
    for fold, fit in scheduler(fits, label=label, track=track):
        if place is not None:
            save_fold_model(fit.model, place, fold, model)
        prediction[folds.splits[fold].predicted] = fit.prediction
        models[fold] = fit.model
    return CrossFit(prediction, tuple(models[fold] for fold in every))


def _rows_digest(folds: Folds) -> str:
    """Digest which rows the models learn from."""
    rows = hashlib.sha256()
    for split in folds.splits:
        for mask in (split.train, split.validation, split.predicted):
            rows.update(np.packbits(mask).tobytes())
    return rows.hexdigest()[:16]


def quantise_split(matrix: Matrix, split: Split, model: Model, *, memory: float | None = None) -> TrainingSet:
    """Cut the rows of one split into quantiles, once for all boosters; on disk where memory (GiB) is too small."""
    on_disk = model.backend == "xgboost" and not room_for(split_size(matrix, split, model), memory)
    return quantise(matrix.values, split.train, split.validation, matrix.names, model, on_disk=on_disk)


def split_size(matrix: Matrix, split: Split, model: Model) -> int:
    """Return about how many bytes the quantised rows of a split take while trees grow from them."""
    return quantised_size(int(split.train.sum()) + int(split.validation.sum()), len(matrix.names), model)
