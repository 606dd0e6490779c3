"""The searches before a fit: rows that hold a transient or a fault are found, and left out of training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.crossfit import Scheduler, cross_fit, here
from polarbgb.background.folds import make_folds
from polarbgb.background.purify import Round, rare_rows, rows_beyond, with_margin
from polarbgb.config import Config
from polarbgb.parts import UNKEPT, Parts
from polarbgb.progress import Track, silent
from polarbgb.verbs.conclude import calibrated, regime_cells
from polarbgb.verbs.prepare import Prepared


def purify(
    prepared: Prepared,
    config: Config,
    *,
    parts: Parts = UNKEPT,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> tuple[NDArray[np.bool_], list[Round]]:
    """Search for rows that no model should learn from, until the list is stable or the rounds are over.

    Each round fits coarsely, without the rows found by the round before, and predicts all rows out of fold.

    Args:
        prepared: the file.
        config: its sections purify and intervals.
        parts: of the work: boosters are kept there.
        track: watches the fits.
        scheduler: does them.

    Returns:
        (usable,) rows to be left out, known events not among them unless found; and what each round came to.
    """
    section, limit = config.purify, config.intervals
    timeline, measured = prepared.timeline, prepared.measured
    time = timeline.usable_time
    # A search needs no last per cent: larger steps, fewer rows.
    own = config.model
    coarser = {"rows": min(section.rows, own.rows), "trees": -(-own.trees // 2)}
    model = own.model_copy(update=coarser | {"learning_rate": min(1.0, 2 * own.learning_rate)})
    coarse = config.model_copy(update={"model": model})
    found, rounds = np.zeros(len(time), bool), list[Round]()
    for number in range(1, section.rounds + 1):
        folds = make_folds(time, timeline.known | found, coarse)
        label = f"search {number}"
        prediction = cross_fit(
            prepared.matrix,
            measured,
            folds,
            model,
            label=label,
            memory=config.memory,
            parts=parts,
            track=track,
            scheduler=scheduler,
        ).prediction
        pull = calibrated(prepared, prediction, folds.fold, config).pull
        beyond = rows_beyond(pull, limit.sigma, limit.more_than)
        cell = regime_cells(prepared, prediction, config)
        rare = rare_rows(beyond, cell, timeline.orbit, section.often)
        now = with_margin(rare, time, section.margin)
        common = int((beyond & ~rare).sum())
        rounds.append(Round(int(now.sum()), int((now & ~found).sum()), int((found & ~now).sum()), common))
        found = now
        if rounds[-1].stable:
            break
    return found, rounds
