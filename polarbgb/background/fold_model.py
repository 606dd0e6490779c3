"""The background model of one fold: one booster for all bins together, and a small one for each bin.

Most of the background and of its error is common to all bins; the differences are small and need few trees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.backends import SUFFIX, HeldOut, library_version, load_booster
from polarbgb.background.boosters import Booster, TrainingSet
from polarbgb.background.folds import Split
from polarbgb.background.losses import SCHEMA, SHARED
from polarbgb.background.targets import levels, make_targets
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic

_PROBED = 5
"""Rows whose margins are saved with a model."""
_ROUNDING = 1e-5
"""Difference of margins that float32 sums on another device explain, relative to 1 or the margin."""


_HIGHEST = float(np.log(1000.0))
"""Largest log of a background rate over the mean rate of its bin."""


@dataclass(frozen=True)
class FoldModel:
    """The model of all bins: the rate of bin i is ``level_i * exp(shared + per_bin_i)``, boosters being sums of trees.

    For objective 'squared' it is ``level_i * (1 + shared + per_bin_i)``.

    Attributes:
        shared: booster of the relative rate that all bins have in common.
        per_bin: one booster per bin, whose trees are added to the shared margin.
        level: (bins,) Hz.
        objective: objective of the training.
    """

    shared: Booster
    per_bin: tuple[Booster, ...]
    level: NDArray[np.float64]
    objective: str

    @property
    def boosters(self) -> tuple[Booster, ...]:
        """All boosters: the shared one, then those of the bins."""
        return self.shared, *self.per_bin

    def margins(self, values: Any) -> NDArray[np.float64]:  # noqa: ANN401 - rows, or their like on a device
        """Return the (rows, bins) margin of some rows: Hz for objective 'squared', else log Hz.

        Args:
            values: (rows, features), or a piece of :class:`polarbgb.background.backends.HeldOut`.
        """
        shared = self.shared.margin(values)
        scale, offset = self._link
        return np.column_stack([shared + booster.margin(values) for booster in self.per_bin]) * scale + offset

    def rates(self, values: Any) -> NDArray[np.float64]:  # noqa: ANN401
        """Return the (rows, bins) rate of some rows, Hz; arguments as in :meth:`margins`."""
        margins = self.margins(values)
        if self.objective == "squared":
            return margins
        # Trees that learned from a burst in an empty bin would grow beyond all numbers.
        return np.asarray(np.exp(np.minimum(margins, np.log(self.level) + _HIGHEST)))

    def predict(self, rows: Iterable[Any]) -> NDArray[np.float64]:
        """Return the (rows, bins) rate of rows that come piece by piece, Hz."""
        return np.concatenate([self.rates(piece) for piece in rows])

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (bins, rows, features + 1) SHAP values on the margin; the last column is the expected margin.

        The SHAP values of a sum of models are the sum of their SHAP values.
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
    """Train the shared booster on all bins, and then a small one on each bin.

    Args:
        training: the quantised rows of the split.
        count_rates: rates of all rows.
        split: training and validation rows.
        model: objective and hyperparameters.
        bins: numbers of the bins that are predicted, each with its own booster; None for all.
    """
    all_bins, objective = range(count_rates.rate.shape[1]), model.objective
    chosen = list(all_bins if bins is None else bins)
    level = levels(count_rates, split.train, objective)
    both = split.train, split.validation
    train, validation = (make_targets(count_rates, all_bins, level, rows, objective) for rows in both)
    shared = training.train(train, validation, model)
    margins = training.margins(shared)
    # The trees of a bin are few: their learning rate is twice as large.
    bin_model = model.model_copy(
        update={"n_estimators": model.n_estimators_per_bin, "learning_rate": min(1.0, 2 * model.learning_rate)}
    )
    per_bin = []
    for i_bin in chosen:
        train, validation = (
            make_targets(count_rates, [i_bin], level, rows, objective, margin=margin)
            for rows, margin in zip(both, margins, strict=True)
        )
        per_bin.append(training.train(train, validation, bin_model))
    return FoldModel(shared, tuple(per_bin), level[chosen], objective)


def predict_mean(models: Sequence[FoldModel], values: NDArray[np.float32], model: Model) -> NDArray[np.float64]:
    """Return the mean prediction of all folds, for rows that none of them has seen.

    Args:
        models: one per fold.
        values: (rows, features).
        model: names backend and device.

    Returns:
        (rows, bins) Hz.
    """
    rows = HeldOut(values, np.ones(len(values), bool), model)
    return np.asarray(sum(fitted.predict(rows) for fitted in models) / len(models))


def training_frame(models: Sequence[FoldModel], names: Sequence[str]) -> pl.DataFrame:
    """Return the losses of a cross-fit as a table.

    Args:
        models: one per fold.
        names: (bins,) of the rates.

    Returns:
        ``fold``, ``bin`` (name, or :data:`~polarbgb.background.losses.SHARED`), ``part`` (``training`` or
        ``validation``), ``trees`` (1, 2, ..., including those beyond the best number, which a booster does not keep)
        and ``loss`` (deviance after so many trees).
    """
    rows = [
        (fold, name, part, trees, value)
        for fold, model in enumerate(models)
        for name, booster in zip((SHARED, *names), model.boosters, strict=True)
        for part, loss in booster.losses.items()
        for trees, value in loss.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def probe_rows(values: NDArray[np.float32], split: Split) -> NDArray[np.float32]:
    """Return the (rows, features) of a few training rows, spread over them, by which a saved model is recognised."""
    training = np.flatnonzero(split.train)
    return values[training[np.linspace(0, len(training) - 1, _PROBED).astype(np.int64)]]


def save_fold_model(fitted: FoldModel, folder: Path, fold: int, model: Model, *, probe: NDArray[np.float32]) -> None:
    """Write a fold's boosters in their library's own format, and last ``fold<k>.json``.

    That file holds levels and losses, and the margins of some rows, which a model that is read must reproduce: versions
    of a library can read the same file differently. A model without its ``.json`` was not saved completely.

    Args:
        fitted: the model.
        folder: of the files.
        fold: number of the fold.
        model: names the backend.
        probe: (rows, features) values of those rows; see :func:`probe_rows`.
    """
    for name, booster in zip(_names(len(fitted.per_bin)), fitted.boosters, strict=True):
        with atomic(folder / f"fold{fold}_{name}{SUFFIX[model.backend]}") as temporary:
            booster.save(temporary)
    content = {
        "level": fitted.level.tolist(),
        "losses": [{part: list(loss.items()) for part, loss in booster.losses.items()} for booster in fitted.boosters],
        "version": library_version(model),
        "probe": [[None if np.isnan(value) else value for value in row] for row in probe.tolist()],
        "margins": [booster.margin(probe).tolist() for booster in fitted.boosters],
    }
    with atomic(folder / f"fold{fold}.json") as temporary:
        temporary.write_text(json.dumps(content))


def load_fold_model(folder: Path, fold: int, model: Model) -> FoldModel:
    """Read what :func:`save_fold_model` wrote.

    Raises:
        UserError: if a file is missing or damaged, or the boosters do not reproduce the margins of the fit.
    """
    path = folder / f"fold{fold}.json"
    try:
        stored = json.loads(path.read_text())
        level = np.array(stored["level"], np.float64)
        losses = [{part: dict(loss) for part, loss in of_booster.items()} for of_booster in stored["losses"]]
        version, probe = str(stored["version"]), np.array(stored["probe"], np.float32)
        margins = np.array(stored["margins"], np.float64).reshape(1 + len(level), len(probe))
    except FileNotFoundError as error:
        raise UserError(f"no model {path}: the run folder is incomplete; run 'polarbgb fit' again") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a readable model; run 'polarbgb fit' again") from error
    boosters = [
        load_booster(folder / f"fold{fold}_{name}{SUFFIX[model.backend]}", model) for name in _names(len(level))
    ]
    read = np.array([booster.margin(probe) for booster in boosters])
    wrong = np.abs(read - margins) > _ROUNDING * np.maximum(1.0, np.abs(margins))
    if wrong.any():
        differ = f"other margins from it ({read[wrong][0]:.4g} instead of {margins[wrong][0]:.4g})"
        installed = library_version(model)
        if installed == version:
            raise UserError(
                f"{path}: {installed} reads {differ}: files of two fits are mixed; run 'polarbgb fit' again"
            )
        raise UserError(
            f"{path} was fitted with {version}; {installed}, which is installed, reads {differ}: "
            f"install {version}, or run 'polarbgb fit' again"
        )
    for booster, loss in zip(boosters, losses, strict=False):
        booster.losses = loss
    return FoldModel(boosters[0], tuple(boosters[1:]), level, model.objective)


def _names(bins: int) -> list[str]:
    """Return the names of a fold's boosters, in the order of :attr:`FoldModel.boosters`."""
    return ["shared", *(f"bin{i_bin}" for i_bin in range(bins))]
