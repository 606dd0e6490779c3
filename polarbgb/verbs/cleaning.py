"""Training-set cleaning: rows that hold a transient are found before the fit, and left out of training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.cleaning import Round, non_recurrent, rows_above, with_margin
from polarbgb.background.crossfit import Scheduler, cross_fit, here
from polarbgb.background.folds import make_folds
from polarbgb.background.measured import Measured
from polarbgb.config import Config
from polarbgb.parts import UNKEPT, Parts
from polarbgb.progress import Track, silent
from polarbgb.verbs.conclude import regime_cells
from polarbgb.verbs.prepare import Prepared

_LEAST = 1e-3
"""Counts expected of a row at least: a squared-error model may predict below zero."""


def clean_training_set(
    prepared: Prepared,
    config: Config,
    *,
    parts: Parts = UNKEPT,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> tuple[NDArray[np.bool_], list[Round]]:
    """Find the rows that no model should learn from, round by round, until the mask is stable.

    Each round fits the summed rate of the bins in ``rates.informative`` coarsely, without the rows masked so far,
    predicts all rows out of fold, and masks what rises above.

    Args:
        prepared: the file.
        config: its section cleaning.
        parts: of the work: boosters are kept there.
        track: watches the fits.
        scheduler: does them.

    Returns:
        (usable,) rows to be left out, known events not among them unless they rise; and what each round came to.
    """
    section, timeline = config.cleaning, prepared.timeline
    time = timeline.usable_time
    summed = summed_rate(prepared.measured, config.rates.searched)
    # A round needs no last per cent: larger steps, fewer rows.
    own = config.model
    coarser = {"rows": min(section.rows, own.rows), "trees": -(-own.trees // 2)}
    model = own.model_copy(update=coarser | {"learning_rate": min(1.0, 2 * own.learning_rate)})
    coarse = config.model_copy(update={"model": model})
    length = max(1, round(section.window / config.input.cadence))
    masked, recurrent = np.zeros((2, len(time)), bool)
    rounds = list[Round]()
    for i_round in range(1, section.rounds + 1):
        folds = make_folds(time, timeline.known | masked, coarse)
        prediction = cross_fit(
            prepared.matrix,
            summed,
            folds,
            model,
            label=f"cleaning, round {i_round}",
            memory=config.memory,
            parts=parts,
            track=track,
            scheduler=scheduler,
        ).prediction
        cell = regime_cells(prepared, prediction, config)
        above = rows_above(
            summed.rate[:, 0] * summed.exposure[:, 0],
            np.maximum(prediction[:, 0] * summed.exposure[:, 0], _LEAST),
            segment=timeline.segment,
            cell=cell[:, 0],
            length=length,
            sigma=section.sigma,
        )
        if section.max_recurrence < 1:
            recurrent |= above & ~non_recurrent(above, cell, timeline.orbit, section.max_recurrence)
        # A row once masked stays so, and what was found to recur stays in: rows near the limit would come and go.
        before, masked = masked, masked | with_margin(above & ~recurrent, time, section.margin)
        rounds.append(Round(int(masked.sum()), int((masked & ~before).sum()), int((above & recurrent).sum())))
        if rounds[-1].stable:
            break
    return masked, rounds


def summed_rate(measured: Measured, bins: tuple[int, ...]) -> Measured:
    """Return the rate of the summed counts of some bins, as one bin.

    Its exposure is the mean of theirs.
    """
    chosen = list(bins)
    exposure = measured.exposure[:, chosen].mean(axis=1, keepdims=True)
    counts = (measured.rate * measured.exposure)[:, chosen].sum(axis=1, keepdims=True)
    variance = ((measured.error * measured.exposure)[:, chosen] ** 2).sum(axis=1, keepdims=True)
    return Measured(counts / exposure, np.sqrt(variance) / exposure, exposure)
