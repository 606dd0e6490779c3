"""From a configuration and its usable rows to the matrix that the boosters see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.quality import Timeline
from polarbgb.data.segments import spans_of
from polarbgb.errors import UserError, nearest
from polarbgb.features.history import SEGMENT, Difference, Lag, Mean, plain
from polarbgb.features.passages import PASSAGE_NAMES, passage_features, passages
from polarbgb.features.position import FIELD_NAMES, PLACE_NAMES, position_features, position_names
from polarbgb.memory import empty

_SPAN = 250_000
"""Rows whose features are computed at a time, or somewhat more: spans end where segments do."""


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
    columns: list[tuple[str, pl.Expr]] = [
        *((plain(c), pl.col(c)) for c in config.features.columns),
        *((feature.name, feature.expression(cadence)) for feature in _history(config)),
    ]
    named = dict(columns)
    names = [*(name for name, _ in columns), *implied_names(config)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"features: '{twice}' is asked for twice")
    return named


def source_columns(config: Config) -> dict[str, str]:
    """Return the column that each feature made from columns is made from, in the order of the matrix."""
    return {
        **{plain(column): column for column in config.features.columns},
        **{feature.name: feature.column for feature in _history(config)},
    }


def _history(config: Config) -> Iterator[Lag | Difference | Mean]:
    for entry in config.features.history:
        for column in entry.columns:
            yield from (Lag(column, s) for s in entry.lags)
            yield from (Difference(column, s, entry.guard) for s in entry.differences)
            yield from (Mean(column, s, entry.guard) for s in entry.means)


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


def build_matrix(timeline: Timeline, config: Config, *, on_disk: bool = False) -> Matrix:
    """Compute the features of every usable row.

    Args:
        timeline: the usable rows; segments mark where the past ends.
        config: names the features.
        on_disk: keep the matrix in a temporary file, for missions that memory cannot hold.

    Returns:
        The matrix; rows in the order of ``timeline.row``; the features that come by themselves are its last columns.

    Raises:
        UserError: if two features have the same name, or one that is not wanted does not exist, or the disk is full.
    """
    columns = feature_columns(config)
    asked = [expression.cast(pl.Float32).alias(name) for name, expression in columns.items()]
    frame = timeline.frame.with_columns(pl.Series(SEGMENT, timeline.segment))
    implied = _implied(timeline, config)
    values = empty((len(frame), len(columns) + len(implied)), on_disk=on_disk)
    # Span by span: the frame of all features would stand in memory beside the matrix.
    for span in spans_of(timeline.segment, _SPAN):
        values[span, : len(columns)] = frame[span].select(asked).to_numpy()
        for number, made in enumerate(implied.values(), start=len(columns)):
            values[span, number] = made[span]
    return Matrix(values, (*columns, *implied))


def _implied(timeline: Timeline, config: Config) -> dict[str, NDArray[np.float32]]:
    """Return the features that come by themselves, by name, in their order."""
    time = timeline.usable_time
    made: dict[str, NDArray[np.float32]] = {}

    def keep(names: tuple[str, ...], features: list[NDArray[np.float64]]) -> None:
        made.update((name, values.astype(np.float32)) for name, values in zip(names, features, strict=True))

    if config.position is not None:
        keep(
            position_names(config.position),
            position_features(timeline.frame, time, timeline.segment, config.position),
        )
    keep(PASSAGE_NAMES, passage_features(time, passages(time, *config.features.passage)))
    return {name: made[name] for name in implied_names(config)}
