"""Out-of-fold background: every row predicted by a model that never saw its orbit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.backends import HeldOut, quantise, quantised_size
from polarbgb.background.boosters import TrainingSet
from polarbgb.background.checkpoints import NO_CHECKPOINTS, Checkpoints
from polarbgb.background.fold_model import FoldModel, load_fold_model, probe_rows, save_fold_model, train_fold
from polarbgb.background.folds import Folds, Split
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
from polarbgb.progress import Track, silent


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions and their models.

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
    """The fits of a cross-fit, which are independent of each other.

    Attributes:
        matrix: features of the usable rows.
        count_rates: rates of the same rows.
        folds: training, validation and predicted rows of each model.
        model: backend, objective, device and hyperparameters.
        memory: GiB that the process may take; None for what is free. XGBoost keeps a larger fold on disk.
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
        """Return the folds that remain to be fitted."""
        return [fold for fold in range(len(self.folds.splits)) if fold not in self.done]

    def __call__(self, fold: int) -> Fit:
        """Train the model of one fold, and predict the rows that it holds out."""
        split = self.folds.splits[fold]
        training = quantise_split(self.matrix, split, self.model, memory=self.memory)
        model = train_fold(training, self.count_rates, split, self.model)
        return Fit(model, model.predict(HeldOut(self.matrix.values, split.predicted, self.model)))


class Scheduler(Protocol):
    """Runs the fits of a cross-fit, in this process or on workers."""

    def __call__(self, fits: Fits, *, label: str, track: Track) -> Iterator[tuple[int, Fit]]:
        """Yield every fold with its fit, in any order; ``track`` reports the progress under the ``label``."""
        ...


def here(fits: Fits, *, label: str, track: Track) -> Iterator[tuple[int, Fit]]:
    """Run the fits in this process, one after the other; the default of every library function."""
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
        folds: training, validation and predicted rows of each model.
        model: backend, objective, device and hyperparameters.
        label: name of the fits in progress reports.
        memory: GiB that the process may take; None for what is free.
        checkpoints: models are kept there, and those that exist are not trained again. The caller must make sure that
            they belong to the same matrix, rates and model.
        track: reports the progress.
        scheduler: runs the fits.

    Returns:
        Predictions for every row, and the models.
    """
    folder = None if checkpoints.folder is None else checkpoints.folder / f"{label} {_rows_digest(folds)}"
    every = range(len(folds.splits))
    models: dict[int, FoldModel] = {}
    if folder is not None:
        models = {
            fold: load_fold_model(folder, fold, model) for fold in every if (folder / f"fold{fold}.json").exists()
        }
    prediction = np.full(count_rates.rate.shape, np.nan)
    for fold, kept in models.items():
        rows = folds.splits[fold].predicted
        prediction[rows] = kept.predict(HeldOut(matrix.values, rows, model))
    fits = Fits(matrix, count_rates, folds, model, memory, frozenset(models))
    for fold, fit in scheduler(fits, label=label, track=track):
        if folder is not None:
            save_fold_model(fit.model, folder, fold, model, probe=probe_rows(matrix.values, folds.splits[fold]))
        prediction[folds.splits[fold].predicted] = fit.prediction
        models[fold] = fit.model
    return CrossFit(prediction, tuple(models[fold] for fold in every))


def _rows_digest(folds: Folds) -> str:
    """Return a digest of the rows that the models learn from."""
    rows = hashlib.sha256()
    for split in folds.splits:
        for mask in (split.train, split.validation, split.predicted):
            rows.update(np.packbits(mask).tobytes())
    return rows.hexdigest()[:16]


def quantise_split(matrix: Matrix, split: Split, model: Model, *, memory: float | None = None) -> TrainingSet:
    """Quantise the rows of one split, once for all boosters; on disk if the memory (GiB) is too small."""
    on_disk = model.backend == "xgboost" and not room_for(split_size(matrix, split, model), memory)
    return quantise(matrix.values, split.train, split.validation, model, on_disk=on_disk)


def split_size(matrix: Matrix, split: Split, model: Model) -> int:
    """Return approximately how many bytes the quantised rows of a split take during training."""
    return quantised_size(int(split.train.sum()) + int(split.validation.sum()), len(matrix.names), model)
