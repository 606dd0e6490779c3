"""How the error fell while trees grew: on the rows that grew them, and on those that say when to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polarbgb.background.fold_model import FoldModel
    from polarbgb.background.targets import Targets

TRAINING, VALIDATION = "training", "validation"
"""Parts of the rows of a split that a loss is told of."""

SHARED = "shared"
"""Stands for a bin where a loss is that of the trees that all bins share."""

Losses = Mapping[str, Mapping[int, float]]
"""By part: the deviance after so many trees."""

Values = NDArray[np.float64]

SCHEMA = {"fold": pl.Int8, "bin": pl.String, "part": pl.String, "trees": pl.Int32, "loss": pl.Float64}

_MARKS = 10


def marks(trees: int) -> frozenset[int]:
    """Return the numbers of trees at which the growing rows are looked at: up to 20, close together at first.

    To look at them after every tree would make a fit dearer by 7 %; the stopping rows are looked at anyway.

    Example:
        >>> sorted(marks(8))
        [1, 2, 3, 4, 5, 6, 7, 8]
    """
    steps = np.concatenate([np.geomspace(1, trees, _MARKS), np.linspace(1, trees, _MARKS + 1)[1:]])
    return frozenset(np.rint(steps).astype(int).tolist())


def deviance_of(metric: str, loss: Mapping[int, float], targets: Targets) -> dict[int, float]:
    """Turn what a library evaluated into deviances, which are 0 where every label is met and alike in both libraries.

    The deviance is twice the negative log-likelihood above that of a prediction equal to the labels, a weighted mean
    over the rows (McCullagh & Nelder 1989, Generalized Linear Models, 2.3), here of relative rates: gamma, about the
    squared relative error; Poisson, about the same times the rate; squared, the weighted squared error.

    Args:
        metric: the library's name of it.
        loss: its value after so many trees.
        targets: of the rows.
    """
    if metric == "rmse":
        return {trees: value**2 for trees, value in loss.items()}
    if metric in {"l2", "gamma-deviance"}:
        return dict(loss)
    best = float(np.average(_AT_BEST[metric](targets.label.astype(np.float64)), weights=targets.weight))
    return {trees: 2 * (value - best) for trees, value in loss.items()}


def deviance(margin: Values, targets: Targets, objective: str) -> float:
    """Return the deviance of the relative rates that some margins stand for; what :func:`deviance_of` says of it.

    Args:
        margin: (rows,) the trees' sum, the base included.
        targets: of the rows.
        objective: 'poisson', 'gamma' or 'squared'.
    """
    label = targets.label.astype(np.float64)
    if objective == "squared":
        each = (label - margin) ** 2
    elif objective == "gamma":
        each = 2 * (label * np.exp(-margin) - 1 - np.log(label) + margin)
    else:
        each = 2 * (label * (np.log(label) - margin) - label + np.exp(margin))
    return float(np.average(each, weights=targets.weight))


def _poisson_with_factorial(label: Values) -> Values:
    from scipy.special import gammaln

    return np.asarray(label - label * np.log(label) + gammaln(label + 1))


_AT_BEST: dict[str, Callable[[Values], Values]] = {
    "gamma": lambda label: 1 + np.log(label),
    "poisson": lambda label: label - label * np.log(label),
    "poisson-nloglik": _poisson_with_factorial,
}
"""Contribution of a row to a library's metric where the prediction is the label."""


def training_frame(models: Sequence[FoldModel], names: Sequence[str]) -> pl.DataFrame:
    """Lay the losses of a cross-fit out.

    Args:
        models: one per fold.
        names: (bins,) of the rates.

    Returns:
        ``fold``, ``bin`` (name, or :data:`SHARED`), ``part`` (:data:`TRAINING` or :data:`VALIDATION`), ``trees`` (1, 2,
        ...; those beyond the best number, which a booster does not keep, included) and ``loss`` (deviance after so
        many).
    """
    rows = [
        (fold, name, part, trees, value)
        for fold, model in enumerate(models)
        for name, booster in zip((SHARED, *names), model.boosters, strict=True)
        for part, loss in booster.losses.items()
        for trees, value in loss.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
