"""Training-set cleaning of a file, as a configuration says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.checkpoints import NO_CHECKPOINTS, Checkpoints
from polarbgb.background.cleaning import Round
from polarbgb.background.cross_fit import Scheduler, here
from polarbgb.background.model_error import noise_conditions
from polarbgb.background.training_set import CleaningSettings, mask_transients, summed_rate
from polarbgb.config import Config
from polarbgb.progress import Track, silent
from polarbgb.workflow.preparation import Prepared


def clean_training_set(
    prepared: Prepared,
    config: Config,
    *,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    track: Track = silent,
    scheduler: Scheduler = here,
) -> tuple[NDArray[np.bool_], list[Round]]:
    """Find the rows of a file that no model should learn from, in the summed rate of ``rates.informative``.

    Args:
        prepared: the file.
        config: the instrument.
        checkpoints: of the work: boosters are kept there.
        track: watches the fits.
        scheduler: does the fits.

    Returns:
        As :func:`polarbgb.background.training_set.mask_transients`.
    """
    dataset = prepared.dataset
    return mask_transients(
        dataset,
        prepared.matrix,
        summed_rate(prepared.count_rates, config.rates.searched),
        noise_conditions(dataset, config.features.passage, config.noise.passage_window, config.position),
        CleaningSettings(
            config.cleaning, config.model, config.folds, config.orbit, config.input.cadence, config.memory
        ),
        checkpoints=checkpoints,
        track=track,
        scheduler=scheduler,
    )
