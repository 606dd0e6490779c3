"""Out-of-fold background: every row predicted by a model that never saw its orbit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polarbgb.atomic import atomic
from polarbgb.background.boosters import (
    SUFFIX,
    Booster,
    HeldOut,
    TrainingSet,
    load_booster,
    quantise,
    quantised_size,
)
from polarbgb.background.folds import Folds, Split
from polarbgb.background.measured import Measured
from polarbgb.background.targets import make_targets
from polarbgb.config import Model
from polarbgb.features.matrix import Matrix
from polarbgb.memory import room_for
from polarbgb.parts import UNKEPT, Parts
from polarbgb.progress import Track, silent

Job = tuple[int, int]
"""Number of the split, and number of the bin."""


@dataclass(frozen=True)
class CrossFit:
    """Predictions and the models that made them.

    Attributes:
        prediction: (rows, bins) background rate, Hz.
        boosters: one tuple of a booster a bin for every split.
    """

    prediction: NDArray[np.float64]
    boosters: tuple[tuple[Booster, ...], ...]

    def by_job(self) -> Iterator[tuple[Job, Booster]]:
        """Yield every booster with its split and bin."""
        for which, split in enumerate(self.boosters):
            for number, booster in enumerate(split):
                yield (which, number), booster


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
        done: jobs that need not be done.
    """

    matrix: Matrix
    measured: Measured
    folds: Folds
    model: Model
    memory: float | None = None
    done: frozenset[Job] = frozenset()
    _prepared: tuple[int, TrainingSet, HeldOut] | None = field(default=None, init=False, repr=False)

    @property
    def jobs(self) -> list[Job]:
        """Those that are to be done, split by split."""
        every = [(which, number) for which in range(len(self.folds.splits)) for number in range(self.bins)]
        return [job for job in every if job not in self.done]

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
    parts: Parts = UNKEPT,
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
        parts: of the work: boosters are kept there, and those that are found there are not trained again. Who keeps
            them sees to it that they are of the same matrix, rates and model.
        track: watches the fits.
        scheduler: does them.

    Returns:
        Predictions for every row, and the boosters.
    """
    place = None if parts.folder is None else parts.folder / f"{label} {_rows_digest(folds)}"
    fits = Fits(matrix, measured, folds, model, memory)
    boosters = {} if place is None else _kept(place, fits)
    prediction = np.full(measured.rate.shape, np.nan)
    for which, kept in groupby(sorted(boosters), key=itemgetter(0)):
        rows = folds.splits[which].predicted
        held_out = HeldOut(matrix.values, rows, model)
        for job in kept:
            prediction[rows, job[1]] = held_out.rate(boosters[job])
    for (which, number), fit in scheduler(replace(fits, done=frozenset(boosters)), label=label, track=track):
        if place is not None:
            _keep(place, (which, number), fit.booster, model)
        prediction[folds.splits[which].predicted, number] = fit.prediction
        boosters[which, number] = fit.booster
    return CrossFit(
        prediction,
        tuple(tuple(boosters[which, number] for number in range(fits.bins)) for which in range(len(folds.splits))),
    )


def _rows_digest(folds: Folds) -> str:
    """Digest which rows the models learn from."""
    rows = hashlib.sha256()
    for split in folds.splits:
        for mask in (split.train, split.stop, split.predicted):
            rows.update(np.packbits(mask).tobytes())
    return rows.hexdigest()[:16]


def _file(place: Path, job: Job, model: Model) -> Path:
    return place / f"fold{job[0]}_bin{job[1]}{SUFFIX[model.backend]}"


def _keep(place: Path, job: Job, booster: Booster, model: Model) -> None:
    """Keep a booster, and then its losses: a booster without losses was not kept whole."""
    file = _file(place, job, model)
    with atomic(file) as temporary:
        booster.save(temporary)
    with atomic(file.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps({part: list(loss.items()) for part, loss in booster.losses.items()}))


def _kept(place: Path, fits: Fits) -> dict[Job, Booster]:
    """Return the boosters that were kept."""
    found: dict[Job, Booster] = {}
    for job in fits.jobs:
        file = _file(place, job, fits.model)
        if (losses := file.with_suffix(".json")).exists():
            found[job] = load_booster(file, fits.model)
            found[job].losses = {part: dict(loss) for part, loss in json.loads(losses.read_text()).items()}
    return found


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
