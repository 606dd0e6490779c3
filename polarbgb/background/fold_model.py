"""The background model of one fold: one booster of what all bins share, and a small one for each bin.

What the bins share is most of the background and of its error; what distinguishes them is small and needs few trees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.boosters import SUFFIX, Booster, HeldOut, TrainingSet, load_booster
from polarbgb.background.folds import Split
from polarbgb.background.targets import levels, make_targets
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic


@dataclass(frozen=True)
class FoldModel:
    """Predict all bins: the rate of bin i is ``level_i * exp(shared + per_bin_i)``, the boosters being sums of trees.

    For objective 'squared' it is ``level_i * (1 + shared + per_bin_i)``.

    Attributes:
        shared: booster of the relative rate that all bins have in common.
        per_bin: a booster for each bin, whose trees go on from the shared margin.
        level: (bins,) Hz.
        objective: that they were trained with.
    """

    shared: Booster
    per_bin: tuple[Booster, ...]
    level: NDArray[np.float64]
    objective: str

    @property
    def boosters(self) -> tuple[Booster, ...]:
        """All boosters: the shared one first, then bin by bin."""
        return self.shared, *self.per_bin

    def margins(self, values: Any) -> NDArray[np.float64]:  # noqa: ANN401 - rows, or their like on a device
        """Return the (rows, bins) margin of some rows: Hz for objective 'squared', else log Hz.

        Args:
            values: (rows, features), or what :class:`polarbgb.background.boosters.HeldOut` made of them.
        """
        shared = self.shared.margin(values)
        scale, offset = self._link
        return np.column_stack([shared + booster.margin(values) for booster in self.per_bin]) * scale + offset

    def rates(self, values: Any) -> NDArray[np.float64]:  # noqa: ANN401
        """Return the (rows, bins) rate of some rows, Hz; arguments as in :meth:`margins`."""
        margins = self.margins(values)
        return margins if self.objective == "squared" else np.exp(margins)

    def predict(self, rows: Iterable[Any]) -> NDArray[np.float64]:
        """Return the (rows, bins) rate of rows that come piece by piece, Hz."""
        return np.concatenate([self.rates(piece) for piece in rows])

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (bins, rows, features + 1) SHAP values on the margin; the last column is the expected margin.

        SHAP values of a sum of models are the sum of theirs.
        """
        shared = self.shared.shap(values)
        shap = np.stack([shared + booster.shap(values) for booster in self.per_bin])
        scale, offset = self._link
        shap *= scale[:, None, None]
        shap[:, :, -1] += offset[:, None]
        return shap

    @property
    def _link(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the (bins,) scale and offset that turn a sum of trees into a margin."""
        if self.objective == "squared":
            return self.level, self.level
        return np.ones_like(self.level), np.log(self.level)


def train_fold(
    training: TrainingSet, count_rates: CountRates, split: Split, model: Model, *, bins: Sequence[int] | None = None
) -> FoldModel:
    """Train the shared booster on all bins, and then a small one on each.

    Args:
        training: the quantised rows of the split.
        count_rates: rates of all rows.
        split: training and validation rows.
        model: objective and hyperparameters.
        bins: numbers of the bins that get a booster of their own and are predicted; None for all.
    """
    every, objective = range(count_rates.rate.shape[1]), model.objective
    chosen = list(every if bins is None else bins)
    level = levels(count_rates, split.train, objective)
    both = split.train, split.validation
    train, validation = (make_targets(count_rates, every, level, rows, objective) for rows in both)
    shared = training.train(train, validation, model)
    margins = training.margins(shared)
    # A bin's own trees are few: they take steps twice as long.
    own = model.model_copy(
        update={"n_estimators": model.n_estimators_per_bin, "learning_rate": min(1.0, 2 * model.learning_rate)}
    )
    per_bin = []
    for i_bin in chosen:
        train, validation = (
            make_targets(count_rates, [i_bin], level, rows, objective, margin=margin)
            for rows, margin in zip(both, margins, strict=True)
        )
        per_bin.append(training.train(train, validation, own))
    return FoldModel(shared, tuple(per_bin), level[chosen], objective)


def predict_mean(models: Sequence[FoldModel], values: NDArray[np.float32], model: Model) -> NDArray[np.float64]:
    """Predict rows that no fold has seen: the mean of all folds' rates.

    Args:
        models: one per fold.
        values: (rows, features).
        model: where they predict.

    Returns:
        (rows, bins) Hz.
    """
    rows = HeldOut(values, np.ones(len(values), bool), model)
    return np.asarray(sum(one.predict(rows) for one in models) / len(models))


def save_fold_model(fitted: FoldModel, folder: Path, fold: int, model: Model) -> None:
    """Write a fold's boosters in their library's own format, and last ``fold<k>.json``: levels and losses.

    A model without its ``.json`` was not saved whole.
    """
    for name, booster in zip(_names(len(fitted.per_bin)), fitted.boosters, strict=True):
        with atomic(folder / f"fold{fold}_{name}{SUFFIX[model.backend]}") as temporary:
            booster.save(temporary)
    losses = [{part: list(loss.items()) for part, loss in booster.losses.items()} for booster in fitted.boosters]
    with atomic(folder / f"fold{fold}.json") as temporary:
        temporary.write_text(json.dumps({"level": fitted.level.tolist(), "losses": losses}))


def load_fold_model(folder: Path, fold: int, model: Model) -> FoldModel:
    """Read what :func:`save_fold_model` wrote.

    Raises:
        UserError: if a file is missing or damaged.
    """
    path = folder / f"fold{fold}.json"
    try:
        held = json.loads(path.read_text())
        level = np.array(held["level"], np.float64)
        losses = [{part: dict(loss) for part, loss in of_booster.items()} for of_booster in held["losses"]]
    except FileNotFoundError as error:
        raise UserError(f"no model {path}: the run folder is incomplete; run 'polarbgb fit' again") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a readable model; run 'polarbgb fit' again") from error
    boosters = [
        load_booster(folder / f"fold{fold}_{name}{SUFFIX[model.backend]}", model) for name in _names(len(level))
    ]
    for booster, loss in zip(boosters, losses, strict=False):
        booster.losses = loss
    return FoldModel(boosters[0], tuple(boosters[1:]), level, model.objective)


def _names(bins: int) -> list[str]:
    """Return the names of a fold's boosters, in the order of :attr:`FoldModel.boosters`."""
    return ["shared", *(f"bin{i_bin}" for i_bin in range(bins))]
