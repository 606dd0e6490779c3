"""Search windows of fixed lengths: the simplest search, for comparison."""

from __future__ import annotations

import numpy as np
import polars as pl

from polarbgb.background.prediction import counts_of_prediction
from polarbgb.transients.rows import running_sums, runs_of, segment_borders

LENGTHS = (1.0, 4.0, 16.0, 64.0)
"""s"""

SIGMA = 5.0


def fixed_windows(prediction: pl.DataFrame, cadence: float) -> pl.DataFrame:
    """Find where the excess in a window of 1, 4, 16 or 64 s exceeds 5 sigma in any bin.

    Successive windows overlap by half of their length, from the start of each segment on. The significance is the
    excess in units of the calibrated noise, ``sum((rate - pred) * exposure) / sqrt(sum((sigma * exposure)**2))``, as if
    the noise of rows were independent. Windows that overlap or touch are one event.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        cadence: nominal length of a row, s.

    Returns:
        One row per event, in time order: ``t_start``, ``t_stop`` (unix s, half-open).
    """
    observed, expected, noise = counts_of_prediction(prediction)
    excess, variance = running_sums(observed - expected), running_sums(noise**2)
    time, segment = prediction["unix_time"].to_numpy(), prediction["segment"].to_numpy()
    since = np.arange(len(time)) - segment_borders(segment)[0]
    inside = np.zeros(len(time) + 1, np.int64)
    for length in sorted({max(1, round(seconds / cadence)) for seconds in LENGTHS}):
        first = np.flatnonzero(since % max(1, length // 2) == 0)
        first = first[first + length <= len(time)]
        first = first[segment[first] == segment[first + length - 1]]
        after = first + length
        limit = SIGMA * np.sqrt(np.maximum(variance[after] - variance[first], 0.0))
        beyond = (excess[after] - excess[first] > limit).any(axis=1)
        inside += np.bincount(first[beyond], minlength=len(inside))
        inside -= np.bincount(after[beyond], minlength=len(inside))
    first, last = runs_of(np.flatnonzero(np.cumsum(inside)[:-1] > 0), segment)
    return pl.DataFrame({"t_start": time[first], "t_stop": time[last] + cadence})
