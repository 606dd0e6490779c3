"""The table of the prediction, ``prediction.parquet``, from which all later steps start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import Calibrated
from polarbgb.data.count_rates import CountRates
from polarbgb.data.quality import Timeline

AUXILIARY = ("field_strength", "l_shell", "sun_elevation", "since_switch_on", "until_switch_off")
"""Features that the prediction keeps as auxiliary columns, for the search."""


def prediction_frame(
    timeline: Timeline,
    count_rates: CountRates,
    prediction: NDArray[np.float64],
    calibrated: Calibrated,
    *,
    baseline: NDArray[np.float64] | None,
    fold: NDArray[np.int8],
    auxiliary: Mapping[str, NDArray[np.float32]],
    context: Sequence[str],
) -> pl.DataFrame:
    """Return the prediction with one row per entry of the input, in the order of the input.

    Args:
        timeline: the usable entries and the columns read.
        count_rates: rates of the usable rows.
        prediction: (usable, bins) background rate, Hz.
        calibrated: sigma, Hz, and pull of the usable rows.
        baseline: (usable, bins) factor of the local baseline, part of the prediction; None without a baseline.
        fold: (usable,) from :class:`polarbgb.background.folds.Folds`.
        auxiliary: (usable,) features of :data:`AUXILIARY`, as far as the configuration gives them.
        context: columns of the timeline that events are described by.

    Returns:
        Columns ``row``, ``unix_time`` (s), ``segment``, ``orbit``, ``fold`` (-1 where the row was dropped),
        ``quality`` (bits of :class:`polarbgb.data.quality.Quality`), the arrays ``rate``, ``pred``, ``sigma`` (Hz),
        ``pull``, ``exposure`` (s) and, with a local baseline, ``baseline`` of one float32 per bin (NaN where dropped),
        and the auxiliary (float32) and context columns.
    """
    entries = len(timeline.time)

    def by_entry(values: NDArray[Any], empty: float) -> NDArray[Any]:
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
            "segment": by_entry(timeline.segment, -1),
            "orbit": by_entry(timeline.orbit, -1),
            "fold": by_entry(fold, -1),
            "quality": timeline.quality,
            **{
                name: pl.Series(name, by_entry(values.astype(np.float32), np.nan), dtype=pl.Array(pl.Float32, bins))
                for name, values in arrays.items()
            },
            **{name: by_entry(values, np.nan) for name, values in auxiliary.items() if name not in context},
            **{
                name: by_entry(timeline.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), np.nan)
                for name in context
            },
        }
    )
