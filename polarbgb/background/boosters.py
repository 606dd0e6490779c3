"""The protocol of a booster and of the rows that it is trained on, whichever library grows the trees.

A :class:`TrainingSet` is a matrix that is quantised once; the targets of booster after booster are swapped into it. It
trains :class:`Booster` objects, which predict margins, explain them by SHAP values, and are saved in their library's
own format. Hyperparameters have the same names and units for all libraries (section ``model`` of the configuration).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polarbgb.background.losses import Losses
    from polarbgb.background.targets import Targets
    from polarbgb.config import Model

# Threads of OpenMP spin while they wait: two processes that share the cores then take ten times as long as one after
# the other. The libraries read this when they are first imported, which their backends do inside functions.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PIECE = 250_000
"""Rows gathered at a time."""


class Booster(Protocol):
    """One trained regressor.

    Attributes:
        trees: number of trees.
        device: device on which the library says it was trained, ``cpu`` or ``cuda:0``; on which it predicts, if it was
            read from a file.
        losses: deviances evaluated during training; empty if it was read from a file.
    """

    trees: int
    device: str
    losses: Losses

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (rows,) sum of leaves, without the base margin."""
        ...

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (rows, features + 1) tree SHAP values of :meth:`margin`; the last column is its expected value."""
        ...

    def save(self, path: Path) -> None:
        """Write the booster in its library's own format."""
        ...


@dataclass(frozen=True)
class Pieces:
    """Rows of a matrix, gathered one piece at a time.

    Attributes:
        values: (all rows, features).
        rows: (n,) numbers of the rows selected.
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield the (rows, features) of each piece."""
        for start in range(0, max(1, len(self.rows)), PIECE):
            yield self.values[self.rows[start : start + PIECE]]


class TrainingSet(Protocol):
    """The quantised training and validation rows of one fold.

    Attributes:
        rows: training and validation rows, not quantised.
    """

    rows: tuple[Pieces, Pieces]

    def train(self, training: Targets, validation: Targets, model: Model) -> Booster:
        """Grow trees until ``model.early_stopping_rounds`` of them bring the validation rows no improvement."""
        ...

    def margins(self, booster: Booster) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the margins of the training rows and of the validation rows."""
        training, validation = (np.concatenate([booster.margin(piece) for piece in pieces]) for pieces in self.rows)
        return training, validation
