"""Out-of-fold background: every row predicted by a model that never saw its orbit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.boosters import Booster, TrainingSet, quantise, rate_of
from polarbgb.background.folds import Folds, Split
from polarbgb.background.measured import Measured
from polarbgb.background.targets import make_targets
from polarbgb.config import Model
from polarbgb.features.matrix import Matrix
from polarbgb.progress import Track, silent


@dataclass(frozen=True)
class CrossFit:
    """Predictions and the models that made them.

    Attributes:
        prediction: (rows, bins) background rate, Hz.
        boosters: one tuple of a booster a bin for every split.
    """

    prediction: NDArray[np.float64]
    boosters: tuple[tuple[Booster, ...], ...]


def cross_fit(
    matrix: Matrix, measured: Measured, folds: Folds, model: Model, *, label: str = "fit", track: Track = silent
) -> CrossFit:
    """Train one booster a bin and split, and predict the rows that each split holds out.

    Args:
        matrix: features of the usable rows.
        measured: rates of the same rows.
        folds: who is predicted by whom.
        model: backend, objective, device and hyperparameters.
        label: what the fits are called while they are watched.
        track: watches the fits.

    Returns:
        Predictions for every row, and the boosters.
    """
    bins = measured.rate.shape[1]
    prediction = np.full(measured.rate.shape, np.nan)
    boosters: list[list[Booster]] = [[] for _ in folds.splits]
    training: TrainingSet | None = None
    jobs = [(split, number) for split in range(len(folds.splits)) for number in range(bins)]
    for which, number in track(jobs, label=label, total=len(jobs)):
        split = folds.splits[which]
        if number == 0 or training is None:
            training = None  # the last fold's matrix goes before the next one comes
            training = quantise_split(matrix, split, model)
            held_out = matrix.values[split.predicted]
        booster = train_bin(training, measured, split, number, model)
        prediction[split.predicted, number] = rate_of(booster.margin(held_out), model.objective)
        boosters[which].append(booster)
    return CrossFit(prediction, tuple(tuple(row) for row in boosters))


def quantise_split(matrix: Matrix, split: Split, model: Model) -> TrainingSet:
    """Cut the rows of one split into quantiles, once for all bins."""
    return quantise(matrix.values[split.train], matrix.values[split.stop], matrix.names, model)


def train_bin(training: TrainingSet, measured: Measured, split: Split, number: int, model: Model) -> Booster:
    """Train the booster of one bin on one split."""
    grow, stop = make_targets(measured, number, split.train, split.stop, model.objective)
    return training.train(grow, stop, model)


def predict_mean(
    boosters: tuple[tuple[Booster, ...], ...], values: NDArray[np.float32], objective: str
) -> NDArray[np.float64]:
    """Predict rows that no split has seen: the mean of all splits' rates.

    Args:
        boosters: one tuple of a booster a bin for every split.
        values: (rows, features).
        objective: the objective they were trained with.

    Returns:
        (rows, bins) Hz.
    """
    total = np.zeros((len(values), len(boosters[0])))
    for split in boosters:
        for number, booster in enumerate(split):
            total[:, number] += rate_of(booster.margin(values), objective)
    return total / len(boosters)
