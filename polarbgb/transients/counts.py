"""What the searches look at: counts found and expected, row by row, and where each row was taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.prediction import NOTED
from polarbgb.background.purify import rare_rows, rows_beyond, with_margin
from polarbgb.config import Config
from polarbgb.transients.places import places

_LEAST = 0.01
"""Of a bin's mean counts: fewer are not expected of any row."""

_NONE = 1e-6
"""Counts: of a bin that expects none."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """The usable rows of a prediction.

    Attributes:
        row: (rows,) number of the row in the file.
        time: (rows,) start, unix s, increasing.
        segment: (rows,) number of the unbroken stretch.
        orbit: (rows,) number of the orbit.
        found: (rows, bins) counts.
        expected: (rows, bins) counts of the background.
        place: (rows,) from :func:`polarbgb.transients.places.places`.
        noted: (rows, features) what the prediction notes of where a row was taken, as far as it does.
        quiet: (rows,) rows from which the spread of the counts is learnt: no rare excess or deficit is near.
    """

    row: NDArray[np.int64]
    time: Array
    segment: NDArray[np.int32]
    orbit: NDArray[np.int32]
    found: Array
    expected: Array
    place: NDArray[np.int64]
    noted: NDArray[np.float32]
    quiet: NDArray[np.bool_]

    @property
    def bins(self) -> int:
        """Number of energy bins."""
        return int(self.found.shape[1])


def counts_of(prediction: pl.DataFrame, config: Config) -> Counts:
    """Take the counts out of a prediction.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the sections intervals and purify say which rows are a rare excess.
    """
    usable = prediction.filter(pl.col("segment") >= 0)
    exposure = usable["exposure"].to_numpy().astype(np.float64)
    time, orbit = usable["unix_time"].to_numpy(), usable["orbit"].to_numpy()
    place = places(usable)
    beyond = rows_beyond(usable["pull"].to_numpy(), config.intervals.sigma, config.intervals.more_than)
    expected = usable["pred"].to_numpy() * exposure
    # A squared-error model may predict below zero where counts are few.
    least = np.maximum(_LEAST * expected.sum(axis=0) / max(len(expected), 1), _NONE)
    rare = rare_rows(beyond, place[:, None], orbit, config.purify.often)
    return Counts(
        row=usable["row"].to_numpy(),
        time=time,
        segment=usable["segment"].to_numpy(),
        orbit=orbit,
        found=usable["rate"].to_numpy() * exposure,
        expected=np.maximum(expected, least),
        place=place,
        noted=np.column_stack(
            [np.empty((len(usable), 0), np.float32)]
            + [usable[name].cast(pl.Float32).to_numpy() for name in NOTED if name in usable.columns]
        ),
        quiet=~with_margin(rare, time, config.purify.margin),
    )
