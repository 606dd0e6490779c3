"""Folds: whole orbits or days held out in turn, or the published split of each block of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Folds as FoldSettings
from polarbgb.config import Model, Orbit
from polarbgb.data.segments import orbit_phase
from polarbgb.errors import UserError

BLOCK_PARTS = ("training", "validation", "test", "unused")
"""Meaning of the values of ``fold`` in scheme 'blocks'."""
_BLOCK_FRACTIONS = (0.98, 0.01, 0.01)
_DAY = 86400.0


@dataclass(frozen=True)
class Split:
    """The rows of one model.

    Attributes:
        train: (rows,) training rows, evenly drawn, at most ``model.rows``.
        validation: (rows,) validation rows, which decide when training stops; none of them is a training row.
        predicted: (rows,) rows whose prediction comes from this model.
    """

    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


@dataclass(frozen=True)
class Folds:
    """The rows of all models.

    Attributes:
        fold: (rows,) number of the split that holds the row out; in scheme 'blocks' the part of
            :data:`BLOCK_PARTS` that it belongs to.
        splits: one per model; every row is predicted by exactly one.
    """

    fold: NDArray[np.int8]
    splits: tuple[Split, ...]


def make_folds(
    time: NDArray[np.float64], excluded: NDArray[np.bool_], settings: FoldSettings, orbit: Orbit, model: Model
) -> Folds:
    """Divide the usable rows into training, validation and predicted rows of each model.

    Args:
        time: (rows,) start of each row, unix seconds, increasing.
        excluded: (rows,) rows that no model may learn from, such as known events; they are predicted nevertheless.
        settings: scheme, number of folds, embargo.
        orbit: period and epoch of the orbits.
        model: most training rows of a model, and the validation fraction.

    Raises:
        UserError: if the rows hold too few orbits, days or blocks for these settings.
    """
    match settings.scheme:
        case "orbits":
            return _group_folds(orbit_phase(time, orbit), orbit.period, excluded, settings, model)
        case "days":
            return _group_folds(time / _DAY, _DAY, excluded, settings, model)
        case "blocks":
            return _block_split(excluded, settings.block, model.rows)


def _group_folds(
    elapsed: NDArray[np.float64], length: float, excluded: NDArray[np.bool_], settings: FoldSettings, model: Model
) -> Folds:
    """Hold out groups of whole orbits or days.

    Args:
        elapsed: (rows,) orbits or days since some epoch, increasing.
        length: of an orbit or a day, s.
        excluded: (rows,) rows that no model may learn from.
        settings: number of folds, groups and embargo.
        model: most training rows of a model, and the validation fraction.
    """
    count = settings.count
    phase = elapsed / settings.group
    group = np.floor(phase).astype(np.int64)
    present, group = np.unique(group, return_inverse=True)
    if len(present) < max(count, 3):
        unit = settings.scheme.removesuffix("s")
        raise UserError(
            f"the rows cover {len(present)} group(s) of {settings.group} {unit}(s), too few for {count} folds; "
            "lower folds.count (or folds.group), or read a longer file"
        )
    rng = np.random.default_rng(settings.seed)
    fold_of_group = _shuffled_in_turns(len(present), count, rng)
    embargo = settings.embargo / (length * settings.group)
    splits = []
    for fold in range(count):
        held_out = fold_of_group == fold
        far = _far_from(present[held_out], phase, embargo)
        allowed = np.unique(group[far & ~excluded])  # a group without such rows would decide nothing
        validating = rng.permutation(allowed)[: max(1, round(model.validation_fraction * len(allowed)))]
        validation = np.isin(group, validating)
        train = ~validation & far & ~excluded & _far_from(present[np.sort(validating)], phase, embargo)
        validation = validation & far & ~excluded
        splits.append(_split(train, validation, held_out[group], model.rows))
    return Folds(fold_of_group[group].astype(np.int8), tuple(splits))


def _shuffled_in_turns(groups: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign a fold to each group: every ``count`` neighbours take all folds once, in random order.

    A fixed order would beat with the daily pattern of orbits.
    """
    turns = -(-groups // count)
    return rng.permuted(np.tile(np.arange(count), (turns, 1)), axis=1).ravel()[:groups]


def _far_from(groups: NDArray[np.int64], phase: NDArray[np.float64], embargo: float) -> NDArray[np.bool_]:
    """Return the rows outside all given groups and more than the embargo (in groups) from their borders."""
    # Only the nearest given group at or before the row and the next one after it can be close.
    after = np.searchsorted(groups, np.floor(phase).astype(np.int64), side="right")
    padded = np.concatenate([[-np.inf], groups.astype(np.float64), [np.inf]])
    return np.asarray((phase - (padded[after] + 1) >= embargo) & (padded[after + 1] - phase > embargo))


def _block_split(excluded: NDArray[np.bool_], size: int, most: int) -> Folds:
    """Split every block of rows 98/1/1 in time order, as published: the rounding leaves 2 of 256 rows unused.

    The validation rows decide when to stop; the test rows decide nothing.
    """
    rows = len(excluded)
    block, position = np.divmod(np.arange(rows), size)
    if rows == 0 or block[-1] < 1:
        raise UserError(f"{rows} usable rows are too few for blocks of {size}; lower folds.block")
    borders = np.cumsum([int(f * size) for f in _BLOCK_FRACTIONS])
    part = np.searchsorted(borders, position, side="right").astype(np.int8)
    split = _split((part == 0) & ~excluded, (part == 1) & ~excluded, np.ones(rows, bool), most)
    return Folds(part, (split,))


def _split(train: NDArray[np.bool_], validation: NDArray[np.bool_], predicted: NDArray[np.bool_], most: int) -> Split:
    if not train.any() or not validation.any():
        raise UserError("a fold is left without training rows: lower folds.embargo or folds.count")
    step = -(-int(train.sum()) // most)
    return Split(every(train, step), every(validation, step), predicted)


def every(rows: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Return the (rows,) mask of every ``step``-th of the rows that are true."""
    kept = np.zeros_like(rows)
    kept[np.flatnonzero(rows)[::step]] = True
    return kept
