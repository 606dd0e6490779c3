"""From a configuration and its usable rows to the matrix that the boosters see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.errors import UserError
from polarbgb.features.history import SEGMENT, Difference, Lag, Mean, plain
from polarbgb.timeline.clean import Timeline


@dataclass(frozen=True)
class Matrix:
    """Features of every usable row.

    Attributes:
        values: (rows, features) float32, C order; NaN where a value is missing.
        names: (features,) column names.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]


def feature_columns(config: Config) -> dict[str, pl.Expr]:
    """Return each feature's name and expression, in the order of the matrix.

    Raises:
        UserError: if two features have the same name.
    """
    cadence = config.input.cadence
    columns: list[tuple[str, pl.Expr]] = [(plain(c), pl.col(c)) for c in config.features.columns]
    for entry in config.features.history:
        for column in entry.columns:
            past: list[Lag | Difference | Mean] = [
                *(Lag(column, s) for s in entry.lags),
                *(Difference(column, s, entry.guard) for s in entry.differences),
                *(Mean(column, s, entry.guard) for s in entry.means),
            ]
            columns += [(feature.name, feature.expression(cadence)) for feature in past]
    named = dict(columns)
    if len(named) < len(columns):
        names = [name for name, _ in columns]
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"features: '{twice}' is asked for twice")
    return named


def build_matrix(timeline: Timeline, config: Config) -> Matrix:
    """Compute the features of every usable row.

    Args:
        timeline: the usable rows; segments mark where the past ends.
        config: names the features.

    Returns:
        The matrix; rows in the order of ``timeline.row``.

    Raises:
        UserError: if two features have the same name.
    """
    columns = feature_columns(config)
    frame = timeline.frame.with_columns(pl.Series(SEGMENT, timeline.segment))
    values = np.empty((len(frame), len(columns)), np.float32)
    # Column by column: the frame of all features would stand in memory beside the matrix.
    for number, expression in enumerate(columns.values()):
        series = frame.select(expression.cast(pl.Float32).alias("feature")).to_series()
        values[:, number] = series.fill_null(np.nan).to_numpy()
    return Matrix(values, tuple(columns))
