"""LightGBM behind the protocol of :mod:`polarbgb.background.boosters`."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.background import boosters
from polarbgb.background.boosters import Pieces, TrainingSet
from polarbgb.background.losses import VALIDATION, Losses, deviance, evaluated_trees, recorded_losses
from polarbgb.config import Model
from polarbgb.errors import UserError

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

    from polarbgb.background.targets import Targets

SUFFIX = ".txt"
"""File suffix of a saved booster."""

_OBJECTIVES = {"poisson": "poisson", "gamma": "gamma", "squared": "regression"}


class LightGBMBooster:
    """A booster of LightGBM; see :class:`polarbgb.background.boosters.Booster`."""

    def __init__(self, booster: Any, threads: int, losses: Losses | None = None) -> None:  # noqa: ANN401 - no types
        self._booster = booster
        self._threads = threads
        self.device = str(booster.params.get("device_type", "cpu"))
        self.trees = int(booster.current_iteration())
        self.losses = losses or {}

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (rows,) sum of leaves."""
        margin = self._booster.predict(values, raw_score=True, num_threads=self._threads)
        return np.asarray(margin, np.float64)

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (rows, features + 1) tree SHAP values of the margin."""
        shap = self._booster.predict(values, pred_contrib=True, num_threads=self._threads)
        return np.asarray(shap, np.float64)

    def save(self, path: Path) -> None:
        """Write the booster in LightGBM's own format."""
        self._booster.save_model(path)


class LightGBMTrainingSet(TrainingSet):
    """The quantised rows of one fold in memory."""

    def __init__(self, training: Pieces, validation: Pieces, model: Model) -> None:
        import lightgbm

        class PieceSequence(lightgbm.Sequence):  # type: ignore[misc] # lightgbm is optional to mypy
            """Rows as LightGBM asks for them, a batch or single ones."""

            batch_size = boosters.PIECE

            def __init__(self, pieces: Pieces) -> None:
                self._pieces = pieces

            def __getitem__(self, index: Any) -> NDArray[np.float64]:  # noqa: ANN401 - a number, a slice or a list
                return np.asarray(self._pieces.values[self._pieces.rows[index]], np.float64)

            def __len__(self) -> int:
                return len(self._pieces.rows)

        self.rows = training, validation
        options = {"feature_name": _names(training.values.shape[1]), "params": _dataset_parameters(model)}
        self._training = lightgbm.Dataset(PieceSequence(training), **options).construct()
        self._validation = lightgbm.Dataset(PieceSequence(validation), reference=self._training, **options).construct()

    def train(self, training: Targets, validation: Targets, model: Model) -> LightGBMBooster:
        """Grow one booster."""
        import lightgbm

        for dataset, targets in ((self._training, training), (self._validation, validation)):
            dataset.set_label(targets.label)
            # set_field, not set_weight: the latter leaves the last bin's weights in place when it sees ones.
            dataset.set_field("weight", targets.weight)
            dataset.set_field("init_score", targets.base.astype(np.float64))
        evaluated = evaluated_trees(model.n_estimators)
        training_values: dict[int, float] = {}

        def evaluate_training(state: Any) -> None:  # noqa: ANN401 - LightGBM's CallbackEnv
            if state.iteration + 1 in evaluated:
                ((_, _, training_values[state.iteration + 1], _),) = state.model.eval_train()

        history: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            _parameters(model),
            self._training,
            model.n_estimators,
            valid_sets=[self._validation],
            valid_names=[VALIDATION],
            callbacks=[
                lightgbm.early_stopping(model.early_stopping_rounds, verbose=False),
                lightgbm.record_evaluation(history),
                evaluate_training,
            ],
        )
        best = booster.best_iteration or booster.current_iteration()
        return _first_trees(booster, best, model, recorded_losses(history, validation, training_values, training))


def train_distributed(
    client: Client,
    training: tuple[Array, Array, Array, Array],
    targets: Targets,
    validation_rows: Pieces,
    *,
    model: Model,
) -> LightGBMBooster:
    """Grow all trees on all workers of a Dask client, and keep those up to the least loss in this process.

    LightGBM's own early stopping looks at each worker's share of the validation rows: workers that do not stop at the
    same tree wait for each other until their connection breaks.

    Args:
        client: of the scheduler.
        training: features, labels, weights and base margins of the training rows.
        targets: of the validation rows.
        validation_rows: the validation rows, in this process.
        model: hyperparameters.
    """
    import lightgbm

    values, label, weight, base = training
    regressor = lightgbm.DaskLGBMRegressor(client=client, n_estimators=model.n_estimators, **_parameters(model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of threads that workers choose, and of names that older ones need
        regressor.fit(values, label, sample_weight=weight, init_score=base, feature_name=_names(values.shape[1]))
    booster = regressor.booster_
    margin, losses = targets.base.astype(np.float64), dict[int, float]()
    for tree in range(booster.current_iteration()):
        single = {"raw_score": True, "start_iteration": tree, "num_iteration": 1}
        margin += np.concatenate([booster.predict(piece, **single) for piece in validation_rows])
        losses[tree + 1] = deviance(margin, targets, model.objective)
        if tree + 1 - min(losses, key=losses.__getitem__) >= model.early_stopping_rounds:
            break
    return _first_trees(booster, min(losses, key=losses.__getitem__), model, {VALIDATION: losses})


def load(path: Path, model: Model) -> LightGBMBooster:
    """Read a saved booster; a damaged file raises ValueError or an exception of LightGBM."""
    import lightgbm

    _require_all_trees(path)
    return LightGBMBooster(lightgbm.Booster(model_file=path), model.threads)


def require_cuda() -> None:
    """Check that LightGBM can train on a GPU.

    Raises:
        UserError: if it cannot.
    """
    import lightgbm

    matrix = lightgbm.Dataset(np.arange(64.0).reshape(-1, 1), np.arange(64.0), params={"verbosity": -1})
    try:
        with _standard_error_discarded():
            lightgbm.train({"device_type": "cuda", "verbosity": -1, "min_data_in_leaf": 1}, matrix, 1)
    except lightgbm.basic.LightGBMError as error:
        raise UserError(
            "this lightgbm has no CUDA support or finds no device; use --backend xgboost, or build lightgbm with "
            "'pip install --no-binary lightgbm --config-settings=cmake.define.USE_CUDA=ON lightgbm'"
        ) from error


def _names(features: int) -> list[str]:
    """Return the names of features as XGBoost's default has them; both libraries refuse many names of branches."""
    return [f"f{i_feature}" for i_feature in range(features)]


def _dataset_parameters(model: Model) -> dict[str, Any]:
    return {
        "max_bin": model.max_bin,
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "num_threads": model.threads,
        "verbosity": -1,
    }


def _parameters(model: Model) -> dict[str, Any]:
    return _dataset_parameters(model) | {
        "objective": _OBJECTIVES[model.objective],
        # The default of 0.7 doubles the Hessian of a log rate and slows the fit down; counts are large here.
        "poisson_max_delta_step": 1e-6,
        "device_type": model.device,
        "learning_rate": model.learning_rate,
        "max_depth": model.max_depth,
        "num_leaves": 2**model.max_depth,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": model.min_child_weight,
        "bagging_fraction": model.subsample,
        "bagging_freq": 1 if model.subsample < 1 else 0,
        "feature_fraction": model.colsample_bytree,
        "lambda_l2": model.reg_lambda,
        "seed": model.seed,
        "deterministic": True,
        "force_col_wise": True,
    }


def _first_trees(booster: Any, trees: int, model: Model, losses: Losses) -> LightGBMBooster:  # noqa: ANN401
    import lightgbm

    kept = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=trees))
    return LightGBMBooster(kept, model.threads, losses)


def _require_all_trees(path: Path) -> None:
    """Compare a file with the sizes in its header: LightGBM aborts the process on a truncated file."""
    text = path.read_bytes()
    sizes = re.search(rb"^tree_sizes=([\d ]+)$", text, re.MULTILINE)
    trees = text.find(b"\nTree=0\n") + 1
    if sizes is None or b"\0" in text or text.find(b"end of trees") != trees + sum(map(int, sizes[1].split())):
        raise ValueError("trees are missing")


@contextmanager
def _standard_error_discarded() -> Iterator[None]:
    """Discard standard error: LightGBM prints a failure from C besides raising it, and the exception is reported."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
