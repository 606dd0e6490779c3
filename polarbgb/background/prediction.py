"""The frame that everything downstream reads: ``prediction.parquet``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import Calibrated
from polarbgb.config import Config
from polarbgb.data.count_rates import CountRates
from polarbgb.data.quality import Timeline

AUXILIARY = ("field_strength", "l_shell", "sun_elevation", "since_switch_on", "until_switch_off")
"""Features that a prediction keeps for those who search it."""


def prediction_frame(
    timeline: Timeline,
    count_rates: CountRates,
    prediction: NDArray[np.float64],
    calibrated: Calibrated,
    *,
    baseline: NDArray[np.float64] | None,
    fold: NDArray[np.int8],
    auxiliary: Mapping[str, NDArray[np.float32]],
    config: Config,
) -> pl.DataFrame:
    """Lay the prediction out, a row for every entry of the input, in its order.

    Args:
        timeline: which entries are usable.
        count_rates: rates of the usable rows.
        prediction: (usable, bins) background rate, Hz.
        calibrated: sigma, Hz, and pull of the usable rows.
        baseline: (usable, bins) factor of the local baseline, part of the prediction; None where there is none.
        auxiliary: (usable,) features of :data:`AUXILIARY` as far as there are any: where the detector was.
        fold: (usable,) from :class:`polarbgb.background.folds.Folds`.
        config: names the context columns.

    Returns:
        Columns ``row``, ``unix_time`` (s), ``segment``, ``orbit``, ``fold`` (-1 where the row was dropped),
        ``quality`` (bits of :class:`polarbgb.data.quality.Quality`), the arrays ``rate``, ``pred``, ``sigma`` (Hz),
        ``pull``, ``exposure`` (s) and, where there is one, ``baseline`` of one float32 a bin (NaN where dropped), and
        the features noted (float32) and the context columns.
    """
    entries = len(timeline.time)

    def laid_out(values: NDArray[Any], empty: float) -> NDArray[Any]:
        out = np.full((entries, *values.shape[1:]), empty, values.dtype)
        out[timeline.row] = values
        return out

    arrays = {
        "rate": count_rates.rate,
        "pred": prediction,
        "sigma": calibrated.sigma,
        "pull": calibrated.pull,
        "exposure": count_rates.exposure,
    }
    if baseline is not None:
        arrays["baseline"] = baseline
    bins = count_rates.rate.shape[1]
    return pl.DataFrame(
        {
            "row": np.arange(entries, dtype=np.int64),
            "unix_time": timeline.time,
            "segment": laid_out(timeline.segment, -1),
            "orbit": laid_out(timeline.orbit, -1),
            "fold": laid_out(fold, -1),
            "quality": timeline.quality,
            **{
                name: pl.Series(name, laid_out(values.astype(np.float32), np.nan), dtype=pl.Array(pl.Float32, bins))
                for name, values in arrays.items()
            },
            **{
                name: laid_out(values, np.nan)
                for name, values in auxiliary.items()
                if name not in config.intervals.context
            },
            **{
                name: laid_out(timeline.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), np.nan)
                for name in config.intervals.context
            },
        }
    )
