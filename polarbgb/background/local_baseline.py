"""Local baseline: a slow offset that no feature explains, followed outside the window that is searched."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.cleaning import long_runs, non_recurrent, rows_beyond, with_margin
from polarbgb.config import Baseline, Cleaning, Intervals
from polarbgb.data.count_rates import CountRates
from polarbgb.data.dataset import Dataset

Array = NDArray[np.float64]


def baseline_factor(
    dataset: Dataset,
    count_rates: CountRates,
    prediction: Array,
    *,
    pull: Array,
    cell: NDArray[np.integer],
    cadence: float,
    baseline: Baseline,
    cleaning: Cleaning,
    intervals: Intervals,
) -> Array:
    """Return the factor of the local baseline of a prediction, with transients left out of it.

    The factor is 1 in runs beyond the limit that outlast the gap, because the rows around such a run would follow it.
    Shorter spikes of trapped particles, which recur orbit after orbit and are no events, are followed.

    Args:
        dataset: the usable rows.
        count_rates: rates of the same rows.
        prediction: (rows, bins) background rate, Hz.
        pull: (rows, bins) calibrated pulls of the prediction.
        cell: (rows, bins) noise cells of the prediction.
        cadence: length of a row, s.
        baseline: gap, window and prior width.
        cleaning: margin and max recurrence.
        intervals: which rows are beyond the limit.

    Returns:
        (rows, bins) factors.
    """
    time, margin = dataset.time, cleaning.margin
    beyond = rows_beyond(pull, intervals.sigma, intervals.more_than)
    transient = non_recurrent(beyond, cell, dataset.orbit, cleaning.max_recurrence)
    outlasting = with_margin(long_runs(beyond, time, baseline.gap, cadence), time, margin)
    factor = local_baseline(
        time,
        count_rates.counts,
        prediction * count_rates.exposure,
        used=~(dataset.known | outlasting | with_margin(transient, time, margin)),
        gap=baseline.gap,
        window=baseline.window,
        prior_width=baseline.prior_width,
    )
    return np.where(outlasting[:, None], 1.0, factor)


def local_baseline(
    time: Array,
    observed: Array,
    expected: Array,
    *,
    used: NDArray[np.bool_],
    gap: float,
    window: float,
    prior_width: float,
) -> Array:
    """Compute the factor by which the prediction must be multiplied to match the counts around each row.

    The factor is (N + m) / (P + m) with N counts observed and P expected at more than ``gap`` and at most
    ``gap + window`` s from the row, on both sides, and m = 1/prior_width**2. It is the mean of a factor with a gamma
    prior around 1 of width ``prior_width``, so that a few rows beside missing data, or faint bins, hardly change it.
    Rows within the gap are not used, so a transient that is shorter than the gap keeps all of its counts.

    Args:
        time: (rows,) unix s, increasing.
        observed: (rows, bins) counts.
        expected: (rows, bins) predicted counts.
        used: (rows,) rows that may contribute.
        gap: s on either side.
        window: s beyond it.
        prior_width: expected size of the offsets, a share of the rate.

    Returns:
        (rows, bins) factors.
    """
    used_time = time[used]
    edges = (
        np.searchsorted(used_time, time - gap - window),
        np.searchsorted(used_time, time - gap),
        np.searchsorted(used_time, time + gap, side="right"),
        np.searchsorted(used_time, time + gap + window, side="right"),
    )

    prior = 1.0 / prior_width**2
    factor = np.empty_like(expected)

    def follow(i_bin: int) -> None:
        numerator, denominator = (_around(values[used, i_bin], edges) + prior for values in (observed, expected))
        factor[:, i_bin] = numerator / denominator

    # Few bins at a time: the running sums of all would stand in memory together.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(follow, range(expected.shape[1])))
    return factor


def _around(values: Array, edges: tuple[NDArray[np.int64], ...]) -> Array:
    """Return the (rows,) sums between the first and second, and the third and fourth edge of each row."""
    running = np.concatenate([[0.0], np.cumsum(values)])
    first, second, third, fourth = (running[edge] for edge in edges)
    return np.asarray((second - first) + (fourth - third))
