"""The table of the prediction, ``prediction.parquet``, from which all later steps start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import Calibrated
from polarbgb.data.dataset import Dataset

Array = NDArray[np.float64]

AUXILIARY = ("field_strength", "l_shell", "sun_elevation", "since_switch_on", "until_switch_off")
"""Features that the prediction keeps as auxiliary columns, for the search."""


def prediction_frame(
    dataset: Dataset,
    prediction: Array,
    calibrated: Calibrated,
    *,
    baseline: Array | None,
    fold: NDArray[np.int8],
    auxiliary: Mapping[str, NDArray[np.float32]],
    context: Sequence[str],
) -> pl.DataFrame:
    """Return the prediction with one row per usable row, in time order.

    Args:
        dataset: the usable rows and the columns read.
        prediction: (rows, bins) background rate, Hz.
        calibrated: sigma, Hz, and pull of the rows.
        baseline: (rows, bins) factor of the local baseline, part of the prediction; None without a baseline.
        fold: (rows,) from :class:`polarbgb.background.folds.Folds`.
        auxiliary: (rows,) features of :data:`AUXILIARY`, as far as the configuration gives them.
        context: columns of the dataset that events are described by.

    Returns:
        Columns ``row`` (0, 1, ...), ``entry`` (number of its first entry in the input), ``unix_time`` and ``width``
        (s), ``segment``, ``orbit``, ``fold``, ``quality`` (bits of :class:`polarbgb.data.quality.Quality`), the arrays
        ``rate``, ``pred``, ``sigma`` (Hz), ``pull``, ``exposure`` (s) and, with a local baseline, ``baseline`` of one
        float32 per bin, and the auxiliary (float32) and context columns. In a masked bin the exposure is 0, and rate,
        sigma and pull are NaN.
    """
    measured = dataset.rates.measured
    arrays = {
        "rate": dataset.rates.rate,
        "pred": prediction,
        "sigma": np.where(measured, calibrated.sigma, np.nan),
        "pull": np.where(measured, calibrated.pull, np.nan),
        "exposure": dataset.rates.exposure,
    }
    if baseline is not None:
        arrays["baseline"] = baseline
    return pl.DataFrame(
        {
            "row": np.arange(len(dataset), dtype=np.int64),
            "entry": dataset.entries.first_of_rows(),
            "unix_time": dataset.time,
            "width": dataset.width.astype(np.float32),
            "segment": dataset.segment,
            "orbit": dataset.orbit,
            "fold": fold,
            "quality": dataset.quality,
            **{
                name: pl.Series(name, values.astype(np.float32), dtype=pl.Array(pl.Float32, values.shape[1]))
                for name, values in arrays.items()
            },
            **{name: values for name, values in auxiliary.items() if name not in context},
            **{name: dataset.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in context},
        }
    )


def counts_of_prediction(prediction: pl.DataFrame) -> tuple[Array, Array, Array]:
    """Return the (rows, bins) observed counts, expected counts, and one sigma of the counts; all 0 where masked.

    Args:
        prediction: ``rate``, ``pred``, ``sigma`` (Hz) and ``exposure`` (s), arrays of one number per bin.
    """
    exposure = prediction["exposure"].to_numpy().astype(np.float64)
    measured = exposure > 0
    observed, expected, noise = (
        np.where(measured, prediction[name].to_numpy() * exposure, 0.0) for name in ("rate", "pred", "sigma")
    )
    return observed, expected, noise
