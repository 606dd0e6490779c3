"""Who is predicted by whom: whole orbits or days held out, or the published split of each block of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.segments import orbit_phase
from polarbgb.errors import UserError

BLOCK_PARTS = ("training", "validation", "test", "unused")
"""What ``fold`` means in scheme 'blocks'."""
_BLOCK_FRACTIONS = (0.98, 0.01, 0.01)
_DAY = 86400.0


@dataclass(frozen=True)
class Split:
    """The rows of one model.

    Attributes:
        train: (rows,) true where a row grows trees; evenly drawn, ``model.rows`` at most.
        validation: (rows,) true where a row helps to decide when training stops; none of them grows trees.
        predicted: (rows,) true where this model gives the prediction.
    """

    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


@dataclass(frozen=True)
class Folds:
    """All models' rows.

    Attributes:
        fold: (rows,) number of the split that holds the row out; in scheme 'blocks' the part of
            :data:`BLOCK_PARTS` that it belongs to.
        splits: one a model; every row is predicted by exactly one.
    """

    fold: NDArray[np.int8]
    splits: tuple[Split, ...]


def make_folds(time: NDArray[np.float64], excluded: NDArray[np.bool_], config: Config) -> Folds:
    """Divide the usable rows.

    Args:
        time: (rows,) start of each row, unix seconds, increasing.
        excluded: (rows,) rows that no model may learn from, such as known events; they are predicted all the same.
        config: its sections folds, orbit and model.

    Returns:
        The folds.

    Raises:
        UserError: if the rows hold too few orbits (or days, or blocks) for what is asked.
    """
    match config.folds.scheme:
        case "orbits":
            return _group_folds(orbit_phase(time, config.orbit), config.orbit.period, excluded, config)
        case "days":
            return _group_folds(time / _DAY, _DAY, excluded, config)
        case "blocks":
            return _block_split(len(time), excluded, config)


def _group_folds(passed: NDArray[np.float64], length: float, excluded: NDArray[np.bool_], config: Config) -> Folds:
    """Hold out groups of whole orbits or days.

    Args:
        passed: (rows,) orbits or days since some epoch, increasing.
        length: of an orbit or a day, s.
        excluded: (rows,) rows that no model may learn from.
        config: its sections folds and model.
    """
    count = config.folds.count
    phase = passed / config.folds.group
    group = np.floor(phase).astype(np.int64)
    present, group = np.unique(group, return_inverse=True)
    if len(present) < max(count, 3):
        unit = config.folds.scheme.removesuffix("s")
        raise UserError(
            f"the rows cover {len(present)} group(s) of {config.folds.group} {unit}(s), too few for {count} folds; "
            "lower folds.count (or folds.group), or read a longer file"
        )
    rng = np.random.default_rng(config.folds.seed)
    fold_of = _shuffled_in_turns(len(present), count, rng)
    embargo = config.folds.embargo / (length * config.folds.group)
    splits = []
    for number in range(count):
        held = fold_of == number
        far = _far_from(present[held], phase, embargo)
        allowed = np.unique(group[far & ~excluded])  # a group without such rows would decide nothing
        validating = rng.permutation(allowed)[: max(1, round(config.model.validation_fraction * len(allowed)))]
        validation = np.isin(group, validating)
        train = ~validation & far & ~excluded & _far_from(present[np.sort(validating)], phase, embargo)
        validation = validation & far & ~excluded
        splits.append(_split(train, validation, held[group], config.model.rows))
    return Folds(fold_of[group].astype(np.int8), tuple(splits))


def _shuffled_in_turns(groups: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give each of ``groups`` a fold: every ``count`` neighbours share out all folds, in random order.

    Random within the turn, because a fixed order would beat with the daily pattern of orbits.
    """
    turns = -(-groups // count)
    return rng.permuted(np.tile(np.arange(count), (turns, 1)), axis=1).ravel()[:groups]


def _far_from(groups: NDArray[np.int64], phase: NDArray[np.float64], embargo: float) -> NDArray[np.bool_]:
    """Say which rows lie outside all given groups and more than the embargo (in groups) from their borders."""
    # The nearest given group at or before the row, and the one after it, are the only ones that can be close.
    after = np.searchsorted(groups, np.floor(phase).astype(np.int64), side="right")
    padded = np.concatenate([[-np.inf], groups.astype(np.float64), [np.inf]])
    return np.asarray((phase - (padded[after] + 1) >= embargo) & (padded[after + 1] - phase > embargo))


def _block_split(rows: int, excluded: NDArray[np.bool_], config: Config) -> Folds:
    """Split every block of rows 98/1/1 in time order, as published: the rounding leaves 2 of 256 rows unused.

    The validation rows decide when to stop; the test rows decide nothing.
    """
    size = config.folds.block
    block, place = np.divmod(np.arange(rows), size)
    if rows == 0 or block[-1] < 1:
        raise UserError(f"{rows} usable rows are too few for blocks of {size}; lower folds.block")
    borders = np.cumsum([int(f * size) for f in _BLOCK_FRACTIONS])
    part = np.searchsorted(borders, place, side="right").astype(np.int8)
    split = _split((part == 0) & ~excluded, (part == 1) & ~excluded, np.ones(rows, bool), config.model.rows)
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
