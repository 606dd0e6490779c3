"""Out-of-fold background: every row predicted by a model that never saw its orbit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.boosters import Booster, HeldOut, TrainingSet, quantise, quantised_size
from polarbgb.background.folds import Folds, Split
from polarbgb.background.measured import Measured
from polarbgb.background.targets import make_targets
from polarbgb.config import Model
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
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


Job = tuple[int, int]
"""Number of the split, and number of the bin."""


@dataclass(frozen=True)
class Fit:
    """What one job of a cross-fit comes to.

    Attributes:
        booster: trained on one bin and split.
        prediction: (predicted rows of the split,) background rate, Hz.
    """

    booster: Booster
    prediction: NDArray[np.float64]


@dataclass
class Fits:
    """Does the jobs of a cross-fit, each by itself.

    A split's quantised matrix is kept until a job of another split comes: jobs are best done split by split.

    Attributes:
        matrix: features of the usable rows.
        measured: rates of the same rows.
        folds: who is predicted by whom.
        model: backend, objective, device and hyperparameters.
        memory: GiB that the process may take; None for what is free. XGBoost keeps a fold that is larger on disk.
    """

    matrix: Matrix
    measured: Measured
    folds: Folds
    model: Model
    memory: float | None = None
    _prepared: tuple[int, TrainingSet, HeldOut] | None = field(default=None, init=False, repr=False)

    @property
    def jobs(self) -> list[Job]:
        """All of them, split by split."""
        return [(which, number) for which in range(len(self.folds.splits)) for number in range(self.bins)]

    @property
    def bins(self) -> int:
        """Number of modelled rates."""
        return int(self.measured.rate.shape[1])

    def __call__(self, job: Job) -> Fit:
        """Train one booster, and predict the rows that its split holds out."""
        which, number = job
        split = self.folds.splits[which]
        if self._prepared is None or self._prepared[0] != which:
            self._prepared = None  # the last split's matrix goes before the next one comes
            held_out = HeldOut(self.matrix.values, split.predicted, self.model)
            self._prepared = which, quantise_split(self.matrix, split, self.model, memory=self.memory), held_out
        _, training, held_out = self._prepared
        booster = train_bin(training, self.measured, split, number, self.model)
        return Fit(booster, held_out.rate(booster))


class Scheduler(Protocol):
    """Does the jobs of a cross-fit, here or elsewhere."""

    def __call__(self, fits: Fits, *, label: str, track: Track) -> Iterator[tuple[Job, Fit]]:
        """Yield every job with what it came to, in any order; ``track`` watches them end under their ``label``."""
        ...


def here(fits: Fits, *, label: str, track: Track) -> Iterator[tuple[Job, Fit]]:
    """Do the jobs in this process, in their order: the default of every library function."""
    for job in track(fits.jobs, label=label, total=len(fits.jobs)):
        yield job, fits(job)


def cross_fit(
    matrix: Matrix,
    measured: Measured,
    folds: Folds,
    model: Model,
    *,
    label: str = "fit",
    memory: float | None = None,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> CrossFit:
    """Train one booster a bin and split, and predict the rows that each split holds out.

    Args:
        matrix: features of the usable rows.
        measured: rates of the same rows.
        folds: who is predicted by whom.
        model: backend, objective, device and hyperparameters.
        label: what the fits are called while they are watched.
        memory: GiB that the process may take; None for what is free.
        track: watches the fits.
        scheduler: does them.

    Returns:
        Predictions for every row, and the boosters.
    """
    fits = Fits(matrix, measured, folds, model, memory)
    prediction = np.full(measured.rate.shape, np.nan)
    boosters: dict[Job, Booster] = {}
    for (which, number), fit in scheduler(fits, label=label, track=track):
        prediction[folds.splits[which].predicted, number] = fit.prediction
        boosters[which, number] = fit.booster
    return CrossFit(
        prediction,
        tuple(tuple(boosters[which, number] for number in range(fits.bins)) for which in range(len(folds.splits))),
    )


def quantise_split(matrix: Matrix, split: Split, model: Model, *, memory: float | None = None) -> TrainingSet:
    """Cut the rows of one split into quantiles, once for all bins; on disk where memory (GiB) is too small for that."""
    on_disk = model.backend == "xgboost" and not room_for(split_size(matrix, split, model), memory)
    return quantise(matrix.values, split.train, split.stop, matrix.names, model, on_disk=on_disk)


def split_size(matrix: Matrix, split: Split, model: Model) -> int:
    """Return about how many bytes the quantised rows of a split take while trees grow from them."""
    return quantised_size(int(split.train.sum()) + int(split.stop.sum()), len(matrix.names), model)


def train_bin(training: TrainingSet, measured: Measured, split: Split, number: int, model: Model) -> Booster:
    """Train the booster of one bin on one split."""
    grow, stop = make_targets(measured, number, split.train, split.stop, model.objective)
    return training.train(grow, stop, model)


def predict_mean(
    boosters: tuple[tuple[Booster, ...], ...], values: NDArray[np.float32], model: Model
) -> NDArray[np.float64]:
    """Predict rows that no split has seen: the mean of all splits' rates.

    Args:
        boosters: one tuple of a booster a bin for every split.
        values: (rows, features).
        model: what they were trained with, and where they predict.

    Returns:
        (rows, bins) Hz.
    """
    total = np.zeros((len(values), len(boosters[0])))
    held_out = HeldOut(values, np.ones(len(values), bool), model)
    for split in boosters:
        for number, booster in enumerate(split):
            total[:, number] += held_out.rate(booster)
    return total / len(boosters)
