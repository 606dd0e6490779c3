"""Choose the library that ``model.backend`` names: quantise rows for it, read its boosters, check its device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.background import lightgbm_backend, xgboost_backend
from polarbgb.background.boosters import Booster, Pieces, TrainingSet
from polarbgb.config import Model
from polarbgb.errors import UserError

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

    from polarbgb.background.targets import Targets

SUFFIX = {"xgboost": xgboost_backend.SUFFIX, "lightgbm": lightgbm_backend.SUFFIX}
"""File suffix of a saved booster, by backend."""


def quantise(
    values: NDArray[np.float32],
    training: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    model: Model,
    *,
    on_disk: bool = False,
) -> TrainingSet:
    """Quantise the rows of one fold piece by piece, without a copy of them in memory.

    Whatever their names, the libraries know features as f0, f1 and so on: each refuses names that files have.

    Args:
        values: (all rows, features).
        training: (all rows,) training rows.
        validation: (all rows,) validation rows; binned at the quantiles of the training rows.
        model: names the backend, the device and the number of quantiles.
        on_disk: keep the quantised rows in temporary files, from which XGBoost grows the same trees at a third of the
            speed; LightGBM cannot.
    """
    pieces = Pieces(values, np.flatnonzero(training)), Pieces(values, np.flatnonzero(validation))
    if model.backend == "xgboost":
        return xgboost_backend.XGBoostTrainingSet(*pieces, model, on_disk=on_disk)
    return lightgbm_backend.LightGBMTrainingSet(*pieces, model)


def quantised_size(rows: int, features: int, model: Model) -> int:
    """Return approximately how many bytes the quantised matrix of a fold takes during training."""
    bytes_per_value = 1 if model.max_bin <= 256 else 2
    # Once by row and once by column, with an offset per row; gradients and the leaf of each row come on top.
    return rows * (2 * bytes_per_value * features + 40)


def load_booster(path: Path, model: Model) -> Booster:
    """Read a saved booster.

    Raises:
        UserError: if the file is missing or not a model of ``model.backend``.
    """
    if not path.exists():
        raise UserError(f"no model {path}: the run folder is incomplete; run 'polarbgb fit' again")
    try:
        return xgboost_backend.load(path, model) if model.backend == "xgboost" else lightgbm_backend.load(path, model)
    except Exception as error:  # the libraries raise many kinds for a damaged file
        raise UserError(f"{path}: not a readable {model.backend} model; run 'polarbgb fit' again") from error


def library_version(model: Model) -> str:
    """Return the name and the installed version of the library of ``model.backend``, such as ``xgboost 3.2.0``."""
    return f"{model.backend} {import_module(model.backend).__version__}"


def require_device(model: Model) -> None:
    """Check that the requested device exists and that the backend can use it.

    Raises:
        UserError: saying what is missing and what to do; another device is never taken instead.
    """
    if model.device == "cuda":
        backend = xgboost_backend if model.backend == "xgboost" else lightgbm_backend
        backend.require_cuda()


class HeldOut:
    """Rows that booster after booster predicts, piece by piece.

    On the CPU they are gathered each time, because a copy would stand in memory beside the matrix. To a GPU they are
    sent once, and stay there.
    """

    def __init__(self, values: NDArray[np.float32], rows: NDArray[np.bool_], model: Model) -> None:
        """Hold the rows of a matrix.

        Args:
            values: (all rows, features).
            rows: (all rows,) those that are predicted.
            model: names backend and device.
        """
        pieces = Pieces(values, np.flatnonzero(rows))
        on_gpu = model.device == "cuda" and model.backend == "xgboost"
        self._pieces: Iterable[Any] = xgboost_backend.on_device(pieces) if on_gpu else pieces

    def __iter__(self) -> Iterator[Any]:
        """Yield the pieces, as boosters take them."""
        return iter(self._pieces)


class DistributedSet(TrainingSet):
    """Rows distributed over all workers of a Dask client, which grow each booster together."""

    def __init__(self, client: Client, blocks: tuple[Array, Array], rows: tuple[Pieces, Pieces]) -> None:
        """Hold the rows.

        Args:
            client: of the scheduler.
            blocks: (rows, features) of training and validation, in blocks that the workers hold.
            rows: the same rows in this process.
        """
        self._client, self._blocks, self.rows = client, blocks, rows

    def train(self, training: Targets, validation: Targets, model: Model) -> Booster:
        """Grow one booster: with one worker the trees of :func:`quantise`, with several from other quantiles."""
        from dask.array import from_array

        def placed(values: Array, targets: Targets) -> tuple[Array, Array, Array, Array]:
            rows = values.chunks[0]
            label, weight, base = (
                from_array(column, chunks=rows) for column in (targets.label, targets.weight, targets.base)
            )
            return values, label, weight, base

        training_blocks = placed(self._blocks[0], training)
        if model.backend == "xgboost":
            validation_blocks = placed(self._blocks[1], validation)
            return xgboost_backend.train_distributed(
                self._client, training_blocks, validation_blocks, validation, model=model
            )
        return lightgbm_backend.train_distributed(self._client, training_blocks, validation, self.rows[1], model=model)
