"""The matrix of features of the usable rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Features, Position
from polarbgb.data.dataset import Dataset
from polarbgb.data.segments import spans_of
from polarbgb.errors import UserError, nearest
from polarbgb.features.history import SEGMENT, Difference, Lag, Mean, plain
from polarbgb.features.passages import PASSAGE_NAMES, passage_features, passages
from polarbgb.features.position import FIELD_NAMES, PLACE_NAMES, position_features, position_names
from polarbgb.memory import empty

_SPAN = 250_000
"""Rows whose features are computed at a time, or slightly more: spans end where segments do."""


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
        """Return the (rows,) features of these names, as far as the matrix has them."""
        return {name: self.values[:, self.names.index(name)] for name in names if name in self.names}


def feature_columns(features: Features, cadence: float) -> dict[str, pl.Expr]:
    """Return the expression of each feature that is made from columns, by name, in the order of the matrix.

    Args:
        features: names the columns and their history.
        cadence: length of a row, s.
    """
    return {
        **{plain(column): pl.col(column) for column in features.columns},
        **{entry.name: entry.expression(cadence) for entry in _history(features)},
    }


def source_columns(features: Features) -> dict[str, str]:
    """Return the source column of each feature that is made from columns, by name, in the order of the matrix."""
    return {
        **{plain(column): column for column in features.columns},
        **{entry.name: entry.column for entry in _history(features)},
    }


def _history(features: Features) -> Iterator[Lag | Difference | Mean]:
    for entry in features.history:
        for column in entry.columns:
            yield from (Lag(column, s) for s in entry.lags)
            yield from (Difference(column, s, entry.guard) for s in entry.differences)
            yield from (Mean(column, s, entry.guard) for s in entry.means)


def implied_names(features: Features, position: Position | None) -> tuple[str, ...]:
    """Return the names of the automatic features: those of the position and of the passages of the anomaly.

    Args:
        features: names those that are not wanted.
        position: the columns of the position; None without them.

    Raises:
        UserError: if ``features.without`` names another feature.
    """
    names = (*position_names(position), *PASSAGE_NAMES)
    for name in features.without:
        if name not in names:
            raise UserError(f"features.without: '{name}' is not an automatic feature{nearest(name, names)}")
    return tuple(name for name in names if name not in features.without)


def feature_names(features: Features, position: Position | None) -> tuple[str, ...]:
    """Return the names of all features, in the order of the matrix.

    Raises:
        UserError: if two features have the same name, or ``features.without`` names an unknown one.
    """
    history = [entry.name for entry in _history(features)]
    names = (*(plain(column) for column in features.columns), *history, *implied_names(features, position))
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UserError(f"features: '{repeated}' is named twice; remove one")
    return names


def absent_names(position: Position | None) -> dict[str, tuple[str, ...]]:
    """Return the automatic features that are missing, by the key of the configuration that would give them."""
    if position is None:
        return {"[position]": (*PLACE_NAMES, *FIELD_NAMES)}
    return {} if position.field else {"position.field": FIELD_NAMES}


def build_matrix(
    dataset: Dataset, features: Features, position: Position | None, cadence: float, *, on_disk: bool = False
) -> Matrix:
    """Compute the features of every usable row.

    Args:
        dataset: the usable rows; segments mark where the past ends.
        features: names the columns, their history, and the gaps that are passages of the anomaly.
        position: names the columns of the position; None without them.
        cadence: length of a row, s.
        on_disk: keep the matrix in a temporary file, for missions that memory cannot hold.

    Returns:
        The matrix, its rows those of the dataset; the automatic features are its last columns.

    Raises:
        UserError: if two features have the same name, ``features.without`` names an unknown one, or the disk is full.
    """
    names = feature_names(features, position)
    expressions = feature_columns(features, cadence)
    columns = [expression.cast(pl.Float32).alias(name) for name, expression in expressions.items()]
    frame = dataset.frame.with_columns(pl.Series(SEGMENT, dataset.segment))
    automatic = _automatic_features(dataset, features, position)
    values = empty((len(frame), len(names)), on_disk=on_disk)
    # Span by span, because the frame of all features would stand in memory beside the matrix.
    for span in spans_of(dataset.segment, _SPAN):
        values[span, : len(columns)] = frame[span].select(columns).to_numpy()
        for i_feature, name in enumerate(names[len(columns) :], start=len(columns)):
            values[span, i_feature] = automatic[name][span]
    return Matrix(values, names)


def _automatic_features(
    dataset: Dataset, features: Features, position: Position | None
) -> dict[str, NDArray[np.float32]]:
    """Return the (rows,) features of the position and of the passages of the anomaly, by name."""
    time = dataset.time
    computed: dict[str, NDArray[np.float32]] = {}

    def keep(names: tuple[str, ...], columns: list[NDArray[np.float64]]) -> None:
        computed.update((name, values.astype(np.float32)) for name, values in zip(names, columns, strict=True))

    if position is not None:
        keep(position_names(position), position_features(dataset.frame, time, dataset.segment, position))
    keep(PASSAGE_NAMES, passage_features(time, passages(time, *features.passage)))
    return computed
