"""XGBoost behind the protocol of :mod:`polarbgb.background.boosters`."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.boosters import Pieces, TrainingSet
from polarbgb.background.losses import TRAINING, VALIDATION, Losses, evaluated_trees, recorded_losses
from polarbgb.config import Model
from polarbgb.errors import UserError
from polarbgb.memory import scratch

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

    from polarbgb.background.targets import Targets

SUFFIX = ".ubj"
"""File suffix of a saved booster."""

_OBJECTIVES = {"poisson": "count:poisson", "gamma": "reg:gamma", "squared": "reg:squarederror"}


class XGBoostBooster:
    """A booster of XGBoost; see :class:`polarbgb.background.boosters.Booster`."""

    def __init__(self, booster: Any, device: str, losses: Losses | None = None) -> None:  # noqa: ANN401 - no types
        self._booster = booster
        self._device = device
        self.device = _device_of(booster)
        self.trees = int(booster.num_boosted_rounds())
        self.losses = losses or {}

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (rows,) sum of leaves; ``values`` may be a DMatrix that is already on the device."""
        import xgboost

        if self._device == "cpu":
            base = np.zeros(len(values), np.float32)
            margin = self._booster.inplace_predict(
                values, predict_type="margin", base_margin=base, validate_features=False
            )
        else:  # rows in host memory reach the device through a DMatrix
            matrix = values if isinstance(values, xgboost.DMatrix) else _matrix(values)
            margin = self._booster.predict(matrix, output_margin=True, validate_features=False)
        return np.asarray(margin, np.float64)

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (rows, features + 1) tree SHAP values of the margin."""
        shap = self._booster.predict(_matrix(values), pred_contribs=True, validate_features=False)
        return np.asarray(shap, np.float64)

    def save(self, path: Path) -> None:
        """Write the booster in XGBoost's own format."""
        self._booster.save_model(path)


class XGBoostTrainingSet(TrainingSet):
    """The quantised rows of one fold in memory, or in temporary files."""

    def __init__(self, training: Pieces, validation: Pieces, model: Model, *, on_disk: bool) -> None:
        import xgboost

        class PieceIterator(xgboost.DataIter):  # type: ignore[misc] # xgboost has no types, and is slow to import
            """Hands pieces to XGBoost, as often as it asks for them."""

            def __init__(self, pieces: Pieces) -> None:
                self._pieces, self._left = pieces, iter(pieces)
                super().__init__(cache_prefix=f"{cache}/{id(self)}" if cache else None)

            def next(self, input_data: Any) -> bool:  # noqa: ANN401
                piece = next(self._left, None)
                if piece is None:
                    return False
                input_data(data=piece)
                return True

            def reset(self) -> None:
                self._left = iter(self._pieces)

        self.rows = training, validation
        cache = mkdtemp(dir=scratch()) if on_disk else None
        if cache:
            weakref.finalize(self, shutil.rmtree, cache, ignore_errors=True)
        matrix_type = xgboost.ExtMemQuantileDMatrix if on_disk else xgboost.QuantileDMatrix
        options: dict[str, Any] = {"max_bin": model.max_bin, "nthread": model.threads or None}
        with _interrupts_deferred():
            self._training = matrix_type(PieceIterator(training), **options)
            self._validation = matrix_type(PieceIterator(validation), ref=self._training, **options)

    def train(self, training: Targets, validation: Targets, model: Model) -> XGBoostBooster:
        """Grow one booster."""
        import xgboost

        for matrix, targets in ((self._training, training), (self._validation, validation)):
            matrix.set_info(label=targets.label, weight=targets.weight, base_margin=targets.base)
        evaluated, all_rows = evaluated_trees(model.n_estimators), self._training
        training_values: dict[int, float] = {}

        class TrainingLoss(xgboost.callback.TrainingCallback):  # type: ignore[misc] # xgboost has no types
            """Evaluate the training rows now and then."""

            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ANN401
                del evals_log
                if epoch + 1 in evaluated:
                    result = model.eval_set([(all_rows, TRAINING)], epoch)
                    training_values[epoch + 1] = float(result.rpartition(":")[2])
                return False

        history: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            _parameters(model),
            self._training,
            model.n_estimators,
            evals=[(self._validation, VALIDATION)],
            early_stopping_rounds=model.early_stopping_rounds,
            evals_result=history,
            verbose_eval=False,
            callbacks=[TrainingLoss()],
        )
        losses = recorded_losses(history, validation, training_values, training)
        return XGBoostBooster(booster[: booster.best_iteration + 1], model.device, losses)


def train_distributed(
    client: Client,
    training: tuple[Array, Array, Array, Array],
    validation: tuple[Array, Array, Array, Array],
    targets: Targets,
    *,
    model: Model,
) -> XGBoostBooster:
    """Grow one booster on all workers of a Dask client.

    Args:
        client: of the scheduler.
        training: features, labels, weights and base margins of the training rows.
        validation: the same of the validation rows.
        targets: of the validation rows.
        model: hyperparameters.
    """
    from xgboost import dask

    options: dict[str, Any] = {"max_bin": model.max_bin}
    values, label, weight, base = training
    training_matrix = dask.DaskQuantileDMatrix(client, values, label, weight=weight, base_margin=base, **options)
    values, label, weight, base = validation
    validation_matrix = dask.DaskQuantileDMatrix(
        client, values, label, weight=weight, base_margin=base, ref=training_matrix, **options
    )
    result = dask.train(
        client,
        _parameters(model),
        training_matrix,
        model.n_estimators,
        evals=[(validation_matrix, VALIDATION)],
        early_stopping_rounds=model.early_stopping_rounds,
        verbose_eval=False,
    )
    booster = result["booster"]
    losses = recorded_losses(result["history"], targets)
    return XGBoostBooster(booster[: booster.best_iteration + 1], model.device, losses)


def load(path: Path, model: Model) -> XGBoostBooster:
    """Read a saved booster; a damaged file raises one of many exceptions of XGBoost."""
    import xgboost

    booster = xgboost.Booster({"nthread": model.threads}, model_file=path)
    booster.set_param({"device": model.device})
    return XGBoostBooster(booster, model.device)


def on_device(pieces: Pieces) -> list[Any]:
    """Return each piece as XGBoost keeps it on a GPU."""
    return [_matrix(piece) for piece in pieces]


def _matrix(values: NDArray[np.float32]) -> Any:  # noqa: ANN401 - xgboost has no types
    """Return rows that are predicted from a margin of 0, not from what the library reads as the model's base score.

    XGBoost stores it in another form since 3.1, which earlier versions take for 0.5 without a word.
    """
    import xgboost

    return xgboost.DMatrix(values, base_margin=np.zeros(len(values), np.float32))


def require_cuda() -> None:
    """Check that XGBoost can train on a GPU.

    Without one it only warns and trains on the CPU, so a tiny booster is trained and asked where it was.

    Raises:
        UserError: if it cannot.
    """
    import xgboost

    with xgboost.config_context(verbosity=0):
        matrix = xgboost.DMatrix(np.arange(8.0).reshape(-1, 1), np.arange(8.0))
        booster = xgboost.train({"device": "cuda", "tree_method": "hist"}, matrix, 1)
    if _device_of(booster).partition(":")[0] != "cuda":
        raise UserError(
            "no CUDA device that xgboost can use on this machine; run with --device cpu, or check nvidia-smi "
            "and that xgboost was installed with CUDA"
        )


def shape_parameters(model: Model) -> dict[str, Any]:
    """Return the XGBoost parameters of a section model that do not depend on the objective."""
    return {
        "tree_method": "hist",
        "max_bin": model.max_bin,
        "eta": model.learning_rate,
        "max_depth": model.max_depth,
        "min_child_weight": model.min_child_weight,
        "subsample": model.subsample,
        "colsample_bytree": model.colsample_bytree,
        "lambda": model.reg_lambda,
        "nthread": model.threads,
        "seed": model.seed,
        "verbosity": 0,
    }


def _parameters(model: Model) -> dict[str, Any]:
    return {
        "objective": _OBJECTIVES[model.objective],
        "base_score": 0.0 if model.objective == "squared" else 1.0,  # a margin of 0: targets bring their own
        # For Poisson it defaults to 0.7, which doubles the Hessian: half the learning rate, twice
        # min_child_weight and reg_lambda.
        "max_delta_step": 0,
        "device": model.device,
    } | shape_parameters(model)


def _device_of(booster: Any) -> str:  # noqa: ANN401 - xgboost has no types
    """Return the device that XGBoost uses, which may differ from the one requested."""
    return str(json.loads(booster.save_config())["learner"]["generic_param"]["device"])


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Raise a keyboard interrupt only at the end: XGBoost takes one in its iterator for an error of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt
