"""The loss during training, on training and validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polarbgb.background.targets import Targets

TRAINING, VALIDATION = "training", "validation"
"""Parts of the rows of a split for which losses are evaluated."""

SHARED = "shared"
"""Name that takes the place of a bin for the trees that all bins share."""

Losses = Mapping[str, Mapping[int, float]]
"""Deviance by part and by number of trees."""

Values = NDArray[np.float64]

SCHEMA = {"fold": pl.Int8, "bin": pl.String, "part": pl.String, "trees": pl.Int32, "loss": pl.Float64}

_EVALUATIONS = 10


def evaluated_trees(trees: int) -> frozenset[int]:
    """Return the numbers of trees after which the loss of the training rows is evaluated: up to 20, denser at first.

    Evaluating them after every tree would make a fit 7 % slower; the validation rows are always evaluated.

    Example:
        >>> sorted(evaluated_trees(8))
        [1, 2, 3, 4, 5, 6, 7, 8]
    """
    steps = np.concatenate([np.geomspace(1, trees, _EVALUATIONS), np.linspace(1, trees, _EVALUATIONS + 1)[1:]])
    return frozenset(np.rint(steps).astype(int).tolist())


def deviance_of(metric: str, loss: Mapping[int, float], targets: Targets) -> dict[int, float]:
    """Convert the metric of a library to deviances, which are 0 for a perfect prediction and equal in both libraries.

    The deviance is twice the negative log-likelihood above that of a prediction equal to the labels, a weighted mean
    over the rows (McCullagh & Nelder 1989, Generalized Linear Models, 2.3), here of relative rates: gamma, about the
    squared relative error; Poisson, about the same times the rate; squared, the weighted squared error.

    Args:
        metric: name of the metric in the library.
        loss: value of the metric by number of trees.
        targets: of the rows.
    """
    if metric == "rmse":
        return {trees: value**2 for trees, value in loss.items()}
    if metric in {"l2", "gamma-deviance"}:
        return dict(loss)
    best = float(np.average(_AT_BEST[metric](targets.label.astype(np.float64)), weights=targets.weight))
    return {trees: 2 * (value - best) for trees, value in loss.items()}


def recorded_losses(
    history: Mapping[str, Mapping[str, Sequence[float]]],
    validation: Targets,
    training_values: Mapping[int, float] | None = None,
    training: Targets | None = None,
) -> Losses:
    """Return the losses of a training run.

    Args:
        history: values of the one metric of the validation rows after each tree, as a library recorded them.
        validation: of the validation rows.
        training_values: metric of the training rows by number of trees; None if it was not evaluated.
        training: of the training rows.
    """
    ((metric, values),) = history[VALIDATION].items()
    losses = {VALIDATION: deviance_of(metric, dict(enumerate(values, start=1)), validation)}
    if training_values is not None and training is not None:
        losses[TRAINING] = deviance_of(metric, training_values, training)
    return losses


def deviance(margin: Values, targets: Targets, objective: str) -> float:
    """Return the deviance of the relative rates of some margins, as defined in :func:`deviance_of`.

    Args:
        margin: (rows,) sum of the trees, including the base margin.
        targets: of the rows.
        objective: 'poisson', 'gamma' or 'squared'.
    """
    label = targets.label.astype(np.float64)
    if objective == "squared":
        deviances = (label - margin) ** 2
    elif objective == "gamma":
        deviances = 2 * (label * np.exp(-margin) - 1 - np.log(label) + margin)
    else:
        deviances = 2 * (label * (np.log(label) - margin) - label + np.exp(margin))
    return float(np.average(deviances, weights=targets.weight))


def _poisson_with_factorial(label: Values) -> Values:
    from scipy.special import gammaln

    return np.asarray(label - label * np.log(label) + gammaln(label + 1))


_AT_BEST: dict[str, Callable[[Values], Values]] = {
    "gamma": lambda label: 1 + np.log(label),
    "poisson": lambda label: label - label * np.log(label),
    "poisson-nloglik": _poisson_with_factorial,
}
"""Contribution of a row to a library's metric where the prediction is the label."""
