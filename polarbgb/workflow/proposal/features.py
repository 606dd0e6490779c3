"""Which columns can predict the background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.workflow.proposal.names import time_rank, words

Array = NDArray[np.float64]

_ALIKE = 0.9
"""Correlation with the counts from row to row above which a column may be made from them."""

_EMPTY = 0.5
"""Share of missing values above which a column is left out."""

_ROWS = 20_000
"""Most rows, in the middle of the file, from which the correlation is computed."""

_KNOWING = {"truth", "label", "target", "burst", "grb", "trigger", "triggered"}
"""Words of columns that may know of the transients."""

_COUNTING = {"row", "index", "entry", "id", "packet", "segment"}


@dataclass(frozen=True)
class ChosenFeatures:
    """The columns from which the background is predicted.

    Attributes:
        columns: in the order of the file.
        alike: columns that follow the counts from row to row, as if made from them.
        left_out: the other candidates by the reason why they are none.
    """

    columns: tuple[str, ...]
    alike: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]


def choose_features(columns: Mapping[str, Array], time: Array, counts: Array) -> ChosenFeatures:
    """Return the columns that vary, apart from clocks, row numbers and what may be made from the counts.

    Args:
        columns: (rows,) scalars that are neither time nor rates, by name, rows in the order of time.
        time: (rows,) unix s, increasing.
        counts: (rows, some bins) rates or counts.
    """
    kept: list[str] = []
    left_out: dict[str, list[str]] = {}
    for name, values in columns.items():
        reason = _reason(name, values, time)
        if reason is None:
            kept.append(name)
        else:
            left_out.setdefault(reason, []).append(name)
    made = alike({name: columns[name] for name in kept}, counts)
    return ChosenFeatures(
        tuple(name for name in kept if name not in made),
        tuple(made),
        {reason: tuple(names) for reason, names in left_out.items()},
    )


def _reason(name: str, values: Array, time: Array) -> str | None:
    """Return why a column cannot be a feature; None if it can."""
    finite = np.isfinite(values) & (np.abs(values) < 1e30)
    known = values[finite]
    if len(known) < (1 - _EMPTY) * len(values):
        return "mostly missing"
    if known.min() == known.max():
        return "constant"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "a pattern for polars by its name; derive a column from it"
    said = set(words(name))
    if said & _KNOWING:
        return "its name suggests that it holds the answer"
    if _is_clock(name, known, time[finite]) or said & _COUNTING:
        return "counts rows or time"
    return None


def _is_clock(name: str, values: Array, time: Array) -> bool:
    """Return whether a column advances with time: never back, in whole numbers or in proportion."""
    if (np.diff(values) < 0).any():
        return False
    whole = bool((values == np.round(values)).all()) and len(np.unique(values)) > 2
    return whole or time_rank(name) is not None or bool(np.corrcoef(values, time)[0, 1] > 0.9999)


def alike(columns: Mapping[str, Array], counts: Array) -> list[str]:
    """Return the columns whose changes from row to row rank like those of the counts of a bin, or of all bins.

    What predicts a background changes slowly; what follows its Poisson noise is made from the same counts, and would
    teach a model to expect the bursts in it.

    Args:
        columns: (rows,) by name.
        counts: (rows, bins) rates or counts.
    """
    sums = np.column_stack([counts, np.where(np.isfinite(counts), counts, 0.0).sum(axis=1)])
    first = max(0, (len(sums) - _ROWS) // 2)
    rows = slice(first, first + _ROWS)
    of_counts = np.column_stack([_ranks(step) for step in np.diff(sums[rows], axis=0).T])
    found = []
    for name, values in columns.items():
        rank = _ranks(np.diff(values[rows]))
        norm = np.sqrt((of_counts**2).sum(axis=0) * (rank**2).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            if np.nanmax(np.abs(rank @ of_counts) / norm, initial=0.0) > _ALIKE:
                found.append(name)
    return found


def _ranks(values: Array) -> Array:
    """Return the ranks of values about their mean, equal ones sharing one; what is no number counts as no change."""
    from scipy.stats import rankdata

    ranks = rankdata(np.where(np.isfinite(values), values, 0.0))
    return np.asarray(ranks - ranks.mean(), np.float64)
