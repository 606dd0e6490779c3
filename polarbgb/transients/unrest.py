"""How far counts stray at a time and place, all bins together: what boosted trees learn from the strength of windows.

Where spikes of particles come again, beside a gap, where the background follows a slow offset or is far from what it
mostly is, the counts stray farther than elsewhere. Which of these matter, and how much, is not written here but learnt.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.baseline import local_baseline
from polarbgb.config import Config
from polarbgb.transients.clusters import segment_borders
from polarbgb.transients.counts import Counts
from polarbgb.transients.spread import Spread, grid, root_deviations

Array = NDArray[np.float64]

_PARTS, _TOGETHER = 4, 3
"""Orbits are dealt out in threes to so many parts. Each is told by the others: no transient makes its own time
restless."""

_WINDOWS = 100_000
"""That trees grow on at most, drawn evenly."""

_FEWEST = 1000
"""Windows without which nothing can be learnt; the counts are then taken to stray as far everywhere."""

_STRONGEST = 400.0
"""Square of the strength, over the number of bins, that a window counts for at most: none is to outweigh all others."""

_BESIDE = 900.0
"""s from a gap: farther is all the same."""

_SLOW, _OFFSET = 600.0, 0.3
"""s within which slow offsets are looked for beside a window, and their expected size, a share of the rate."""

_TREES = 60
# min_data_in_leaf counts windows: by the sum of second derivatives one strong window would weigh as much as hundreds.
_GROWN = {"objective": "gamma", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 200, "lambda_l2": 1.0}
_REPEATED = {"seed": 0, "deterministic": True, "force_row_wise": True, "verbosity": -1}


def fit_unrest(counts: Counts, expected: Array, factor: Array, spread: Spread, *, length: int, config: Config) -> Array:
    """Learn how far counts stray over windows of ``length`` rows.

    LightGBM learns the square of the strength of windows side by side, as for a gamma distribution, from the distance
    to the gaps before and after, the expected counts, the offset of what is counted within 1 and within 10 min beside
    the window, and what the prediction notes of where it was taken (field, L, Sun, passages of the anomaly).

    Args:
        counts: of all rows.
        expected: (rows, bins) counts of the background, which may follow a local baseline.
        factor: (rows, bins) from :func:`polarbgb.transients.search.local_factor`, whether the background follows it
            or not.
        spread: of windows of this length.
        length: rows.
        config: the cadence, and the threads to use.

    Returns:
        (rows,) root mean square of the strength of windows around each row, over the root of the number of bins: 1
        where counts stray as the spread says. It is 1 everywhere if there are too few windows to learn from.
    """
    import lightgbm

    first, last = grid(counts, length)
    middle = (first + last) // 2
    part = _parts(counts.orbit)
    if len(middle) < _FEWEST or np.ptp(part[middle]) == 0:
        return np.ones(len(counts.time))
    strength = spread.strength(root_deviations(counts.found, expected, first, last), counts.place[middle])
    square = np.clip(strength**2 / counts.bins, 1e-3, _STRONGEST)
    known = _known(counts, factor, hole=length * config.input.cadence, cadence=config.input.cadence)
    settings = _GROWN | _REPEATED | {"num_threads": config.model.threads}
    told = np.empty(len(counts.time))
    for one in range(_PARTS):
        grow = np.flatnonzero(part[middle] != one)
        grow = grow[:: -(-len(grow) // _WINDOWS)]
        booster = lightgbm.train(settings, lightgbm.Dataset(known[middle[grow]], square[grow]), _TREES)
        held_out = part == one
        if held_out.any():
            told[held_out] = booster.predict(known[held_out], num_threads=config.model.threads)
    return np.sqrt(told)


def _parts(orbit: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.asarray((orbit.astype(np.int64) - int(orbit.min(initial=0))) // _TOGETHER % _PARTS)


def _known(counts: Counts, factor: Array, *, hole: float, cadence: float) -> NDArray[np.float32]:
    """Return the (rows, features) that tell where and when counts may stray: nothing within ``hole`` s is seen."""
    opening, closing = segment_borders(counts.segment)
    before, after = counts.time - counts.time[opening], counts.time[closing] - counts.time
    slow = local_baseline(
        counts.time,
        counts.found,
        counts.expected,
        counts=counts.quiet,
        hole=hole,
        reach=_SLOW,
        trust=_OFFSET,
    )
    distances = np.minimum(np.column_stack([before, after]) + cadence, _BESIDE)
    logarithms = (np.log(values).astype(np.float32) for values in (factor, slow, counts.expected))
    return np.column_stack([distances.astype(np.float32), *logarithms, counts.noted])
