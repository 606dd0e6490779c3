"""Training-set cleaning: coarse fits find the rows that hold a transient, which are then left out of training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.checkpoints import NO_CHECKPOINTS, Checkpoints
from polarbgb.background.cleaning import Round, non_recurrent, rows_above, with_margin
from polarbgb.background.cross_fit import Scheduler, cross_fit, here
from polarbgb.background.folds import make_folds
from polarbgb.background.model_error import NoiseConditions
from polarbgb.config import Cleaning, Folds, Model, Orbit
from polarbgb.data.count_rates import CountRates
from polarbgb.data.dataset import Dataset
from polarbgb.features.matrix import Matrix
from polarbgb.progress import Track, silent

_BLOCKS = 4
"""Blocks of rows in a window."""

_LEAST = 1e-3
"""Smallest expected counts of a block: a squared-error model may predict below zero."""


@dataclass(frozen=True)
class CleaningSettings:
    """The sections of the configuration that training-set cleaning depends on.

    Attributes:
        cleaning: rounds, window, limit, margin and max recurrence.
        model: the model of the fit, which the rounds simplify.
        folds: the folds of the fit.
        orbit: period and epoch of the orbits.
        cadence: length of a row, s.
        memory: GiB that the process may take; None for what is free.
    """

    cleaning: Cleaning
    model: Model
    folds: Folds
    orbit: Orbit
    cadence: float
    memory: float | None = None


def mask_transients(
    dataset: Dataset,
    matrix: Matrix,
    summed: CountRates,
    conditions: NoiseConditions,
    settings: CleaningSettings,
    *,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> tuple[NDArray[np.bool_], list[Round]]:
    """Find the rows that no model should learn from, round by round, until the mask is stable.

    Each round fits the summed rate coarsely without the rows masked so far, predicts all of it out of fold, and masks
    what rises above. Rows are combined in blocks of a quarter of a window, which takes a fifth of the time where a row
    lasts one second.

    Args:
        dataset: the usable rows.
        matrix: features of the same rows.
        summed: one rate of the same rows, as by :func:`summed_rate`.
        conditions: noise conditions of the same rows.
        settings: how they are cleaned.
        checkpoints: of the work: boosters are kept there.
        track: watches the fits.
        scheduler: does the fits.

    Returns:
        (rows,) rows to be left out, known events not among them unless they rise; and the result of each round.
    """
    cleaning = settings.cleaning
    length = max(1, round(cleaning.window / (_BLOCKS * settings.cadence)))
    start = block_starts(dataset.segment, length)
    size = np.diff(start, append=len(dataset.segment))
    centre = start + size // 2
    blocks = summed.combined(start)
    block_matrix = replace(matrix, values=matrix.values[centre])
    segment, orbit, time = dataset.segment[centre], dataset.orbit[centre], dataset.time[centre]
    known = np.logical_or.reduceat(dataset.known, start)
    model = coarser_model(settings.model, cleaning.rows)
    masked, recurrent = np.zeros(len(dataset.segment), bool), np.zeros(len(start), bool)
    rounds = list[Round]()
    for i_round in range(1, cleaning.rounds + 1):
        excluded = known | np.logical_or.reduceat(masked, start)
        prediction = cross_fit(
            block_matrix,
            blocks,
            make_folds(time, excluded, settings.folds, settings.orbit, model),
            model,
            label=f"cleaning, round {i_round}",
            memory=settings.memory,
            checkpoints=checkpoints,
            track=track,
            scheduler=scheduler,
        ).prediction
        cell = conditions.cells(prediction, centre)
        above = rows_above(
            blocks.counts[:, 0],
            np.maximum(prediction[:, 0] * blocks.exposure[:, 0], _LEAST),
            segment=segment,
            cell=cell[:, 0],
            length=max(1, round(cleaning.window / (length * settings.cadence))),
            sigma=cleaning.sigma,
        )
        if cleaning.max_recurrence < 1:
            recurrent |= above & ~non_recurrent(above, cell, orbit, cleaning.max_recurrence)
        # Masked rows stay masked, and recurrent rows stay in training: rows near the limit would come and go.
        rising = np.repeat(above & ~recurrent, size)
        before, masked = masked, masked | with_margin(rising, dataset.time, cleaning.margin)
        rounds.append(Round(int(masked.sum()), int((masked & ~before).sum()), int(size[above & recurrent].sum())))
        if rounds[-1].stable:
            break
    return masked, rounds


def coarser_model(model: Model, rows: int) -> Model:
    """Return the model of a round, which need not be exact: larger steps, fewer rows, and almost only shared trees.

    Args:
        model: the model of the fit.
        rows: most training rows.
    """
    return model.model_copy(
        update={
            "rows": min(rows, model.rows),
            "n_estimators": -(-model.n_estimators // 2),
            "n_estimators_per_bin": 1,
            "learning_rate": min(1.0, 2 * model.learning_rate),
        }
    )


def block_starts(segment: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """Return the first row of each block of up to ``length`` rows; no block crosses the border of a segment.

    Example:
        >>> block_starts(np.array([0, 0, 0, 0, 0, 1, 1]), 2).tolist()
        [0, 2, 4, 5]
    """
    row = np.arange(len(segment))
    row_in_segment = row - np.searchsorted(segment, segment)
    return np.flatnonzero(row_in_segment % length == 0)


def summed_rate(count_rates: CountRates, bins: tuple[int, ...]) -> CountRates:
    """Return the rate of the summed counts of some bins as a single bin.

    Its exposure is the mean of theirs, weighted by their mean rates, so that a masked bin takes its share of counts and
    exposure with it.
    """
    chosen = count_rates.of(slice(None), list(bins))
    counts = chosen.counts
    level = counts.sum(axis=0) / np.maximum(chosen.exposure.sum(axis=0), _LEAST)
    weight = level / level.sum() if level.sum() > 0 else np.full(len(level), 1 / len(level))
    exposure = chosen.exposure @ weight
    variance = np.where(chosen.measured, chosen.error, 0.0) * chosen.exposure
    return CountRates.of_sums(
        counts.sum(axis=1, keepdims=True), (variance**2).sum(axis=1, keepdims=True), exposure[:, None]
    )
