"""What a file cannot support, said before it is fitted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polarbgb.background.folds import make_folds
from polarbgb.config import Config
from polarbgb.data.dataset import Dataset
from polarbgb.errors import UserError
from polarbgb.features.passages import passages
from polarbgb.reporting.table import counted, extent
from polarbgb.transients.ranking import FEWEST_ORBITS

_FEW = 1.0
"""Counts expected within the shortest window below which a bin shows no short burst of its own."""


def prospects(dataset: Dataset, config: Config) -> Iterator[str]:
    """Yield what will fail, and what will not be seen, one line each.

    Args:
        dataset: the usable rows.
        config: folds, passages of the anomaly and scales of the search.
    """
    try:
        make_folds(dataset.time, dataset.known, config.folds, config.orbit, config.model)
    except UserError as error:
        yield f"fit will fail: {error}"
    orbits = len(np.unique(dataset.orbit))
    if orbits < FEWEST_ORBITS:
        yield (
            f"{counted(orbits, 'orbit')}: fewer than the {FEWEST_ORBITS} from which a ranking of events can be "
            "learned; they will be ranked by significance"
        )
    shortest, longest = config.features.passage
    if not len(passages(dataset.time, shortest, longest)):
        yield (
            f"no passage of the South Atlantic Anomaly is visible, because no gap lasts {shortest:g} to {longest:g} s "
            "(features.passage): the features of the passages will be constant"
        )
    rates = dataset.rates
    window = max(min(config.trigger.scales), config.input.cadence)
    live = np.maximum(rates.measured.sum(axis=0), 1)
    expected = rates.counts.sum(axis=0) / live * (window / config.input.cadence)
    faint = [i_bin for i_bin in config.rates.searched if expected[i_bin] < _FEW]
    if faint:
        names = [config.rates.names[i_bin] for i_bin in faint]
        which = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        yield (
            f"{which}: {extent((float(expected[i_bin]) for i_bin in faint), '.2g')} counts are expected in "
            f"{window:g} s, the shortest window: a short burst shows only in sums of bins (trigger.sums)"
        )
