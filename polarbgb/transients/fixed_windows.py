"""Windows of fixed length beyond a limit: the plainest search, to compare with."""

from __future__ import annotations

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.transients.published import runs_of, segment_borders

LENGTHS = (1.0, 4.0, 16.0, 64.0)
"""s"""

SIGMA = 5.0


def fixed_windows(prediction: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Find where the excess of a window of 1, 4, 16 or 64 s exceeds 5 sigma in any bin.

    Windows of a length begin every half of it, from the start of each segment. The significance is the excess over the
    calibrated noise, ``sum((rate - pred) * exposure) / sqrt(sum((sigma * exposure)**2))``, as if the noise of rows were
    independent. Windows that overlap or touch are one event.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the cadence.

    Returns:
        A row an event, in time order: ``t_start``, ``t_stop`` (unix s, half-open).
    """
    usable = prediction.filter(pl.col("segment") >= 0)
    rate, pred, sigma, exposure = (
        usable[name].to_numpy().astype(np.float64) for name in ("rate", "pred", "sigma", "exposure")
    )
    excess, variance = (
        np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        for values in ((rate - pred) * exposure, (sigma * exposure) ** 2)
    )
    time, segment = usable["unix_time"].to_numpy(), usable["segment"].to_numpy()
    since = np.arange(len(time)) - segment_borders(segment)[0]
    inside = np.zeros(len(time) + 1, np.int64)
    for length in sorted({max(1, round(one / config.input.cadence)) for one in LENGTHS}):
        first = np.flatnonzero(since % max(1, length // 2) == 0)
        first = first[first + length <= len(time)]
        first = first[segment[first] == segment[first + length - 1]]
        after = first + length
        beyond = ((excess[after] - excess[first]) / np.sqrt(variance[after] - variance[first]) > SIGMA).any(axis=1)
        inside += np.bincount(first[beyond], minlength=len(inside))
        inside -= np.bincount(after[beyond], minlength=len(inside))
    first, last = runs_of(np.flatnonzero(np.cumsum(inside)[:-1] > 0), segment)
    return pl.DataFrame({"t_start": time[first], "t_stop": time[last] + config.input.cadence})
