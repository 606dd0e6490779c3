"""From a configuration and its usable rows to the matrix that the boosters see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.errors import UserError, nearest
from polarbgb.features.history import SEGMENT, Difference, Lag, Mean, plain
from polarbgb.features.passages import PASSAGE_NAMES, passage_features, passages
from polarbgb.features.position import FIELD_NAMES, PLACE_NAMES, position_features, position_names
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

    def among(self, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
        """Return the (rows,) features of these names, without those that the configuration does not give."""
        return {name: self.values[:, self.names.index(name)] for name in names if name in self.names}


def feature_columns(config: Config) -> dict[str, pl.Expr]:
    """Return the name and expression of each feature that is made from columns, in the order of the matrix.

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
    names = [*(name for name, _ in columns), *implied_names(config)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"features: '{twice}' is asked for twice")
    return named


def implied_names(config: Config) -> tuple[str, ...]:
    """Return the names of the features that come by themselves: those of the place and of the anomaly's passages.

    Raises:
        UserError: if ``features.without`` names none of them.
    """
    names = (*position_names(config.position), *PASSAGE_NAMES)
    for name in config.features.without:
        if name not in names:
            raise UserError(f"features.without: '{name}' does not come by itself{nearest(name, names)}")
    return tuple(name for name in names if name not in config.features.without)


def feature_names(config: Config) -> tuple[str, ...]:
    """Return the names of all features, in the order of the matrix."""
    return (*feature_columns(config), *implied_names(config))


def absent_names(config: Config) -> dict[str, tuple[str, ...]]:
    """Return what a configuration does not say, and the features that would come by themselves if it did."""
    if config.position is None:
        return {"[position]": (*PLACE_NAMES, *FIELD_NAMES)}
    return {} if config.position.field else {"position.field": FIELD_NAMES}


def build_matrix(timeline: Timeline, config: Config) -> Matrix:
    """Compute the features of every usable row.

    Args:
        timeline: the usable rows; segments mark where the past ends.
        config: names the features.

    Returns:
        The matrix; rows in the order of ``timeline.row``; the features that come by themselves are its last columns.

    Raises:
        UserError: if two features have the same name, or one that is not wanted does not exist.
    """
    columns = feature_columns(config)
    frame = timeline.frame.with_columns(pl.Series(SEGMENT, timeline.segment))
    implied = implied_names(config)
    values = np.empty((len(frame), len(columns) + len(implied)), np.float32)
    # Column by column: the frame of all features would stand in memory beside the matrix.
    for number, expression in enumerate(columns.values()):
        series = frame.select(expression.cast(pl.Float32).alias("feature")).to_series()
        values[:, number] = series.fill_null(np.nan).to_numpy()
    made = _implied(timeline, config)
    for number, name in enumerate(implied, start=len(columns)):
        values[:, number] = made[name]
    return Matrix(values, (*columns, *implied))


def _implied(timeline: Timeline, config: Config) -> dict[str, NDArray[np.float64]]:
    time = timeline.usable_time
    made = dict(zip(PASSAGE_NAMES, passage_features(time, passages(time, *config.features.passage)), strict=True))
    if config.position is not None:
        place = position_features(timeline.frame, time, timeline.segment, config.position)
        made.update(zip(position_names(config.position), place, strict=True))
    return made
