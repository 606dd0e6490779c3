"""Training-set cleaning: rows that hold a transient are found before the fit, and left out of training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.checkpoints import NO_CHECKPOINTS, Checkpoints
from polarbgb.background.cleaning import Round, non_recurrent, rows_above, with_margin
from polarbgb.background.cross_fit import Scheduler, cross_fit, here
from polarbgb.background.folds import make_folds
from polarbgb.config import Config, Model
from polarbgb.data.count_rates import CountRates
from polarbgb.progress import Track, silent
from polarbgb.workflow.calibration import regime_cells
from polarbgb.workflow.preparation import Prepared

_BLOCKS = 4
"""Blocks of rows in a window."""

_LEAST = 1e-3
"""Counts expected of a row at least: a squared-error model may predict below zero."""


def clean_training_set(
    prepared: Prepared,
    config: Config,
    *,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> tuple[NDArray[np.bool_], list[Round]]:
    """Find the rows that no model should learn from, round by round, until the mask is stable.

    Each round fits the summed rate of the bins in ``rates.informative`` coarsely, without the rows masked so far,
    predicts all of it out of fold, and masks what rises above. Rows are taken together in blocks of a quarter of
    a window, which takes a fifth of the time where a row lasts one second.

    Args:
        prepared: the file.
        config: its section cleaning.
        checkpoints: of the work: boosters are kept there.
        track: watches the fits.
        scheduler: does them.

    Returns:
        (usable,) rows to be left out, known events not among them unless they rise; and the result of each round.
    """
    section, timeline = config.cleaning, prepared.timeline
    length = max(1, round(section.window / (_BLOCKS * config.input.cadence)))
    start = block_starts(timeline.segment, length)
    size = np.diff(start, append=len(timeline.segment))
    centre = start + size // 2
    summed = in_blocks(summed_rate(prepared.count_rates, config.rates.searched), start)
    matrix = replace(prepared.matrix, values=prepared.matrix.values[centre])
    segment, orbit, time = timeline.segment[centre], timeline.orbit[centre], timeline.usable_time[centre]
    known = np.logical_or.reduceat(timeline.known, start)
    model = _coarser(config.model, section.rows)
    coarse = config.model_copy(update={"model": model})
    masked, recurrent = np.zeros(len(timeline.segment), bool), np.zeros(len(start), bool)
    rounds = list[Round]()
    for i_round in range(1, section.rounds + 1):
        folds = make_folds(time, known | np.logical_or.reduceat(masked, start), coarse)
        prediction = cross_fit(
            matrix,
            summed,
            folds,
            model,
            label=f"cleaning, round {i_round}",
            memory=config.memory,
            checkpoints=checkpoints,
            track=track,
            scheduler=scheduler,
        ).prediction
        cell = regime_cells(prepared, prediction, config, centre)
        above = rows_above(
            summed.rate[:, 0] * summed.exposure[:, 0],
            np.maximum(prediction[:, 0] * summed.exposure[:, 0], _LEAST),
            segment=segment,
            cell=cell[:, 0],
            length=max(1, round(section.window / (length * config.input.cadence))),
            sigma=section.sigma,
        )
        if section.max_recurrence < 1:
            recurrent |= above & ~non_recurrent(above, cell, orbit, section.max_recurrence)
        # A row once masked stays so, and what was found to recur stays in: rows near the limit would come and go.
        rising = np.repeat(above & ~recurrent, size)
        before, masked = masked, masked | with_margin(rising, timeline.usable_time, section.margin)
        rounds.append(Round(int(masked.sum()), int((masked & ~before).sum()), int(size[above & recurrent].sum())))
        if rounds[-1].stable:
            break
    return masked, rounds


def _coarser(model: Model, rows: int) -> Model:
    """Return the model of a round, which needs no last per cent: larger steps, fewer rows, and shared trees alone."""
    return model.model_copy(
        update={
            "rows": min(rows, model.rows),
            "n_estimators": -(-model.n_estimators // 2),
            "n_estimators_per_bin": 1,
            "learning_rate": min(1.0, 2 * model.learning_rate),
        }
    )


def block_starts(segment: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """Return the first row of each block of up to ``length`` rows; none reaches across the border of a segment.

    Example:
        >>> block_starts(np.array([0, 0, 0, 0, 0, 1, 1]), 2).tolist()
        [0, 2, 4, 5]
    """
    row = np.arange(len(segment))
    place = row - np.searchsorted(segment, segment)
    return np.flatnonzero(place % length == 0)


def in_blocks(count_rates: CountRates, start: NDArray[np.int64]) -> CountRates:
    """Return the rates of blocks of rows: all counts over all live time.

    Args:
        count_rates: (rows, bins) rates.
        start: (blocks,) first row of each.
    """
    exposure = np.add.reduceat(count_rates.exposure, start)
    counts = np.add.reduceat(count_rates.rate * count_rates.exposure, start)
    variance = np.add.reduceat((count_rates.error * count_rates.exposure) ** 2, start)
    return CountRates(counts / exposure, np.sqrt(variance) / exposure, exposure)


def summed_rate(count_rates: CountRates, bins: tuple[int, ...]) -> CountRates:
    """Return the rate of the summed counts of some bins, as one bin.

    Its exposure is the mean of theirs.
    """
    chosen = list(bins)
    exposure = count_rates.exposure[:, chosen].mean(axis=1, keepdims=True)
    counts = (count_rates.rate * count_rates.exposure)[:, chosen].sum(axis=1, keepdims=True)
    variance = ((count_rates.error * count_rates.exposure)[:, chosen] ** 2).sum(axis=1, keepdims=True)
    return CountRates(counts / exposure, np.sqrt(variance) / exposure, exposure)
