"""XGBoost and LightGBM behind one small protocol.

A :class:`TrainingSet` is a matrix cut into quantiles once; labels are swapped into it booster after booster. It trains
:class:`Booster` objects, which predict margins, explain themselves on the margin, and are saved in their library's own
format. Hyperparameters carry the same names and units for both libraries (section ``model`` of the configuration).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import warnings
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.losses import TRAINING, VALIDATION, Losses, deviance, deviance_of, marks
from polarbgb.config import Model
from polarbgb.errors import UserError
from polarbgb.memory import scratch

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

    from polarbgb.background.targets import Targets

# Threads of OpenMP spin while they wait: two processes that share the cores then take ten times as long as one after
# the other. The libraries read this when they are first imported, which here happens inside functions.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PIECE = 250_000
"""Rows gathered at a time."""

SUFFIX = {"xgboost": ".ubj", "lightgbm": ".txt"}
"""File suffix of a saved booster, by backend."""

_XGBOOST = {"poisson": "count:poisson", "gamma": "reg:gamma", "squared": "reg:squarederror"}
_LIGHTGBM = {"poisson": "poisson", "gamma": "gamma", "squared": "regression"}


class Booster(Protocol):
    """One trained regressor.

    Attributes:
        trees: that it has.
        device: that the library says it was trained on, ``cpu`` or ``cuda:0``; of one that was read, where it predicts.
        losses: what was evaluated while it grew; nothing for one that was read from a file.
    """

    trees: int
    device: str
    losses: Losses

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (rows,) sum of leaves, without the margin from which the trees went on."""
        ...

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (rows, features + 1) tree SHAP values of :meth:`margin`; the last column is its expected value."""
        ...

    def save(self, path: Path) -> None:
        """Write the booster in its library's own format."""
        ...


class TrainingSet(Protocol):
    """A quantised matrix of one fold, with the validation rows beside it.

    Attributes:
        rows: training and validation rows, not quantised.
    """

    rows: tuple[Pieces, Pieces]

    def train(self, training: Targets, validation: Targets, model: Model) -> Booster:
        """Grow trees until the validation rows see no gain for ``model.early_stopping_rounds`` trees."""
        ...

    def margins(self, booster: Booster) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the margins of the training rows and of the validation rows."""
        training, validation = (np.concatenate([booster.margin(piece) for piece in pieces]) for pieces in self.rows)
        return training, validation


def quantise(
    values: NDArray[np.float32],
    training: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    names: tuple[str, ...],
    model: Model,
    *,
    on_disk: bool = False,
) -> TrainingSet:
    """Cut the rows of one fold into quantiles, piece by piece: no copy of them stands in memory.

    Args:
        values: (all rows, features).
        training: (all rows,) training rows.
        validation: (all rows,) validation rows; cut at the quantiles of the training rows.
        names: (features,) column names.
        model: names the backend, the device and the number of quantiles.
        on_disk: keep the quantised rows in temporary files, from which XGBoost grows the same trees at a third of the
            speed; LightGBM cannot.
    """
    pieces = Pieces(values, np.flatnonzero(training)), Pieces(values, np.flatnonzero(validation))
    if model.backend == "xgboost":
        return _XGBoostSet(*pieces, names, model, on_disk=on_disk)
    return _LightGBMSet(*pieces, names, model)


@dataclass(frozen=True)
class Pieces:
    """Rows of a matrix, gathered a piece at a time.

    Attributes:
        values: (all rows, features).
        rows: (n,) those that are meant.
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield the (rows, features) of each piece."""
        for start in range(0, max(1, len(self.rows)), PIECE):
            yield self.values[self.rows[start : start + PIECE]]


def quantised_size(rows: int, features: int, model: Model) -> int:
    """Return about how many bytes the quantised matrix of a fold takes while trees grow from it."""
    each = 1 if model.max_bin <= 256 else 2
    # Once by row and once by column, with an offset a row; gradients and the leaf of each row beside it.
    return rows * (2 * each * features + 40)


def load_booster(path: Path, model: Model) -> Booster:
    """Read a saved booster.

    Raises:
        UserError: if the file is missing or not a model of ``model.backend``.
    """
    if not path.exists():
        raise UserError(f"no model {path}: the run folder is incomplete; run 'polarbgb fit' again")
    try:
        if model.backend == "xgboost":
            import xgboost

            booster = xgboost.Booster({"nthread": model.threads}, model_file=path)
            booster.set_param({"device": model.device})
            return _XGBoost(booster, model.device)
        import lightgbm

        _require_all_trees(path)
        return _LightGBM(lightgbm.Booster(model_file=path), model.threads)
    except Exception as error:  # the libraries raise many kinds for a damaged file
        raise UserError(f"{path}: not a readable {model.backend} model; run 'polarbgb fit' again") from error


def _require_all_trees(path: Path) -> None:
    """Compare a LightGBM file with the sizes in its header: LightGBM aborts the process on a file cut short."""
    text = path.read_bytes()
    sizes = re.search(rb"^tree_sizes=([\d ]+)$", text, re.MULTILINE)
    trees = text.find(b"\nTree=0\n") + 1
    if sizes is None or b"\0" in text or text.find(b"end of trees") != trees + sum(map(int, sizes[1].split())):
        raise ValueError("trees are missing")


def require_device(model: Model) -> None:
    """Check that the device asked for exists and that the backend can use it.

    XGBoost without a GPU only warns and trains on the CPU, so a tiny booster is trained and asked where it was.

    Raises:
        UserError: saying what is missing and what to do; nothing falls back in silence.
    """
    if model.device == "cpu":
        return
    if model.backend == "xgboost":
        used = _xgboost_device()
        if used != "cuda":
            raise UserError(
                "no CUDA device that xgboost can use on this machine; run with --device cpu, or check nvidia-smi "
                "and that xgboost was installed with CUDA"
            )
        return
    import lightgbm

    matrix = lightgbm.Dataset(np.arange(64.0).reshape(-1, 1), np.arange(64.0), params={"verbosity": -1})
    try:
        with _compiled_code_hushed():
            lightgbm.train({"device_type": "cuda", "verbosity": -1, "min_data_in_leaf": 1}, matrix, 1)
    except lightgbm.basic.LightGBMError as error:
        raise UserError(
            "this lightgbm has no CUDA support or finds no device; use --backend xgboost, or build lightgbm with "
            "'pip install --no-binary lightgbm --config-settings=cmake.define.USE_CUDA=ON lightgbm'"
        ) from error


@contextmanager
def _compiled_code_hushed() -> Iterator[None]:
    """Send standard error nowhere: LightGBM prints a failure from C beside raising it, and the raised one is told."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _xgboost_device() -> str:
    import xgboost

    with xgboost.config_context(verbosity=0):
        matrix = xgboost.DMatrix(np.arange(8.0).reshape(-1, 1), np.arange(8.0))
        booster = xgboost.train({"device": "cuda", "tree_method": "hist"}, matrix, 1)
    return _device_of(booster).partition(":")[0]


def _device_of(booster: Any) -> str:  # noqa: ANN401 - xgboost has no types
    """Return the device that XGBoost uses, which need not be the one that it was asked for."""
    return str(json.loads(booster.save_config())["learner"]["generic_param"]["device"])


def xgboost_shape(model: Model) -> dict[str, Any]:
    """Return the XGBoost parameters of a section model that no objective changes."""
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


class HeldOut:
    """Rows that booster after booster predicts, piece by piece.

    On the CPU they are gathered each time: a copy of them would stand in memory beside the matrix. To a GPU they are
    sent once, and stay.
    """

    def __init__(self, values: NDArray[np.float32], rows: NDArray[np.bool_], model: Model) -> None:
        """Hold the rows of a matrix.

        Args:
            values: (all rows, features).
            rows: (all rows,) those that are predicted.
            model: names backend and device.
        """
        self._pieces: Iterable[Any] = Pieces(values, np.flatnonzero(rows))
        if model.device == "cuda" and model.backend == "xgboost":
            import xgboost

            self._pieces = [xgboost.DMatrix(piece) for piece in self._pieces]

    def __iter__(self) -> Iterator[Any]:
        """Yield the pieces, as boosters take them."""
        return iter(self._pieces)


def _xgboost_parameters(model: Model) -> dict[str, Any]:
    return {
        "objective": _XGBOOST[model.objective],
        "base_score": 0.0 if model.objective == "squared" else 1.0,  # a margin of 0: targets bring their own
        # For Poisson it defaults to 0.7, which doubles the Hessian: half the learning rate, twice
        # min_child_weight and reg_lambda.
        "max_delta_step": 0,
        "device": model.device,
    } | xgboost_shape(model)


class _XGBoost:
    def __init__(self, booster: Any, device: str, losses: Losses | None = None) -> None:  # noqa: ANN401 - no types
        self._booster = booster
        self._device = device
        self.device = _device_of(booster)
        self.trees = int(booster.num_boosted_rounds())
        self.losses = losses or {}

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        import xgboost

        if self._device == "cpu":
            margin = self._booster.inplace_predict(values, predict_type="margin", validate_features=False)
        else:  # rows in host memory reach the device through a DMatrix
            matrix = values if isinstance(values, xgboost.DMatrix) else xgboost.DMatrix(values)
            margin = self._booster.predict(matrix, output_margin=True, validate_features=False)
        return np.asarray(margin, np.float64)

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        import xgboost

        shap = self._booster.predict(xgboost.DMatrix(values), pred_contribs=True, validate_features=False)
        return np.asarray(shap, np.float64)

    def save(self, path: Path) -> None:
        self._booster.save_model(path)


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Raise an interrupt at the keyboard only at the end: XGBoost takes one in its iterator for an error of its own."""
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


class _XGBoostSet(TrainingSet):
    def __init__(
        self, training: Pieces, validation: Pieces, names: tuple[str, ...], model: Model, *, on_disk: bool
    ) -> None:
        import xgboost

        class Given(xgboost.DataIter):  # type: ignore[misc] # xgboost has no types, and is slow to import
            """Hands pieces to XGBoost, as often as it asks for them."""

            def __init__(self, pieces: Pieces) -> None:
                self._pieces, self._left = pieces, iter(pieces)
                super().__init__(cache_prefix=f"{cache}/{id(self)}" if cache else None)

            def next(self, input_data: Any) -> bool:  # noqa: ANN401
                piece = next(self._left, None)
                if piece is None:
                    return False
                input_data(data=piece, feature_names=list(names))
                return True

            def reset(self) -> None:
                self._left = iter(self._pieces)

        self.rows = training, validation
        cache = mkdtemp(dir=scratch()) if on_disk else None
        if cache:
            weakref.finalize(self, shutil.rmtree, cache, ignore_errors=True)
        quantised = xgboost.ExtMemQuantileDMatrix if on_disk else xgboost.QuantileDMatrix
        shape: dict[str, Any] = {"max_bin": model.max_bin, "nthread": model.threads or None}
        with _interrupts_deferred():
            self._training = quantised(Given(training), **shape)
            self._validation = quantised(Given(validation), ref=self._training, **shape)

    def train(self, training: Targets, validation: Targets, model: Model) -> Booster:
        import xgboost

        for matrix, targets in ((self._training, training), (self._validation, validation)):
            matrix.set_info(label=targets.label, weight=targets.weight, base_margin=targets.base)
        looked_at, whole = marks(model.n_estimators), self._training
        training_values: dict[int, float] = {}

        class Looks(xgboost.callback.TrainingCallback):  # type: ignore[misc] # xgboost has no types
            """Evaluate the training rows now and then."""

            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ANN401
                del evals_log
                if epoch + 1 in looked_at:
                    training_values[epoch + 1] = float(model.eval_set([(whole, TRAINING)], epoch).rpartition(":")[2])
                return False

        history: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            _xgboost_parameters(model),
            self._training,
            model.n_estimators,
            evals=[(self._validation, VALIDATION)],
            early_stopping_rounds=model.early_stopping_rounds,
            evals_result=history,
            verbose_eval=False,
            callbacks=[Looks()],
        )
        losses = _losses(history, validation, training_values, training)
        return _XGBoost(booster[: booster.best_iteration + 1], model.device, losses)


def _losses(
    history: dict[str, dict[str, list[float]]],
    validation: Targets,
    training_values: dict[int, float] | None = None,
    training: Targets | None = None,
) -> Losses:
    """Return the deviances of the validation rows, as a library recorded their metric, and of the training rows."""
    ((metric, values),) = history[VALIDATION].items()
    losses = {VALIDATION: deviance_of(metric, dict(enumerate(values, start=1)), validation)}
    if training_values is not None and training is not None:
        losses[TRAINING] = deviance_of(metric, training_values, training)
    return losses


def _lightgbm_bins(model: Model) -> dict[str, Any]:
    return {
        "max_bin": model.max_bin,
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "num_threads": model.threads,
        "verbosity": -1,
    }


def _lightgbm_parameters(model: Model) -> dict[str, Any]:
    return _lightgbm_bins(model) | {
        "objective": _LIGHTGBM[model.objective],
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


class _LightGBM:
    def __init__(self, booster: Any, threads: int, losses: Losses | None = None) -> None:  # noqa: ANN401 - no types
        self._booster = booster
        self._threads = threads
        self.device = str(booster.params.get("device_type", "cpu"))
        self.trees = int(booster.current_iteration())
        self.losses = losses or {}

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        margin = self._booster.predict(values, raw_score=True, num_threads=self._threads)
        return np.asarray(margin, np.float64)

    def shap(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        shap = self._booster.predict(values, pred_contrib=True, num_threads=self._threads)
        return np.asarray(shap, np.float64)

    def save(self, path: Path) -> None:
        self._booster.save_model(path)


class _LightGBMSet(TrainingSet):
    def __init__(self, training: Pieces, validation: Pieces, names: tuple[str, ...], model: Model) -> None:
        import lightgbm

        class Given(lightgbm.Sequence):  # type: ignore[misc] # lightgbm is optional to mypy
            """Rows as LightGBM asks for them, a batch or single ones."""

            batch_size = PIECE

            def __init__(self, pieces: Pieces) -> None:
                self._pieces = pieces

            def __getitem__(self, which: Any) -> NDArray[np.float64]:  # noqa: ANN401 - a number, a slice or a list
                return np.asarray(self._pieces.values[self._pieces.rows[which]], np.float64)

            def __len__(self) -> int:
                return len(self._pieces.rows)

        self.rows = training, validation
        shape = _lightgbm_bins(model)
        named = {"feature_name": list(names), "params": shape}
        self._training = lightgbm.Dataset(Given(training), **named).construct()
        self._validation = lightgbm.Dataset(Given(validation), reference=self._training, **named).construct()

    def train(self, training: Targets, validation: Targets, model: Model) -> Booster:
        import lightgbm

        for dataset, targets in ((self._training, training), (self._validation, validation)):
            dataset.set_label(targets.label)
            # set_field, not set_weight: the latter leaves the last bin's weights in place when it sees ones.
            dataset.set_field("weight", targets.weight)
            dataset.set_field("init_score", targets.base.astype(np.float64))
        looked_at = marks(model.n_estimators)
        training_values: dict[int, float] = {}

        def look(state: Any) -> None:  # noqa: ANN401 - LightGBM's CallbackEnv
            if state.iteration + 1 in looked_at:
                ((_, _, training_values[state.iteration + 1], _),) = state.model.eval_train()

        history: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            _lightgbm_parameters(model),
            self._training,
            model.n_estimators,
            valid_sets=[self._validation],
            valid_names=[VALIDATION],
            callbacks=[
                lightgbm.early_stopping(model.early_stopping_rounds, verbose=False),
                lightgbm.record_evaluation(history),
                look,
            ],
        )
        best = booster.best_iteration or booster.current_iteration()
        return _first_trees(booster, best, model, _losses(history, validation, training_values, training))


def _first_trees(booster: Any, trees: int, model: Model, losses: Losses) -> _LightGBM:  # noqa: ANN401
    import lightgbm

    return _LightGBM(lightgbm.Booster(model_str=booster.model_to_string(num_iteration=trees)), model.threads, losses)


class DealtSet(TrainingSet):
    """Rows dealt out to all workers of a Dask client, which grow each booster together."""

    def __init__(
        self, client: Client, dealt: tuple[Array, Array], rows: tuple[Pieces, Pieces], names: tuple[str, ...]
    ) -> None:
        """Hold the rows.

        Args:
            client: of the scheduler.
            dealt: (rows, features) of training and validation, in blocks that lie with the workers.
            rows: the same rows here.
            names: (features,) column names.
        """
        self._client, self._dealt, self.rows, self._names = client, dealt, rows, names

    def train(self, training: Targets, validation: Targets, model: Model) -> Booster:
        """Grow one booster: with one worker the trees of :func:`quantise`, with several other quantiles."""
        from dask.array import from_array

        given = [
            (values, *(from_array(column, chunks=values.chunks[0]) for column in (own.label, own.weight, own.base)))
            for values, own in zip(self._dealt, (training, validation), strict=True)
        ]
        together = _xgboost_together if model.backend == "xgboost" else _lightgbm_together
        return together(self._client, given, (validation, self.rows[1]), self._names, model)


def _xgboost_together(
    client: Client,
    given: list[tuple[Array, Array, Array, Array]],
    validation: tuple[Targets, Pieces],
    names: tuple[str, ...],
    model: Model,
) -> Booster:
    from xgboost import dask

    shape: dict[str, Any] = {"max_bin": model.max_bin, "feature_names": list(names)}
    (rows, label, weight, base), (others, their_label, their_weight, their_base) = given
    training_values = dask.DaskQuantileDMatrix(client, rows, label, weight=weight, base_margin=base, **shape)
    validation_values = dask.DaskQuantileDMatrix(
        client, others, their_label, weight=their_weight, base_margin=their_base, ref=training_values, **shape
    )
    grown = dask.train(
        client,
        _xgboost_parameters(model),
        training_values,
        model.n_estimators,
        evals=[(validation_values, VALIDATION)],
        early_stopping_rounds=model.early_stopping_rounds,
        verbose_eval=False,
    )
    booster = grown["booster"]
    return _XGBoost(booster[: booster.best_iteration + 1], model.device, _losses(grown["history"], validation[0]))


def _lightgbm_together(
    client: Client,
    given: list[tuple[Array, Array, Array, Array]],
    validation: tuple[Targets, Pieces],
    names: tuple[str, ...],
    model: Model,
) -> Booster:
    """Grow all trees, and keep those up to the least loss here.

    LightGBM's own early stop looks at each worker's share of the validation rows: workers that do not stop at the same
    tree wait for each other until their connection breaks.
    """
    import lightgbm

    (rows, label, weight, base), _ = given
    regressor = lightgbm.DaskLGBMRegressor(
        client=client, n_estimators=model.n_estimators, **_lightgbm_parameters(model)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of threads that workers choose, and of names that older ones need
        regressor.fit(rows, label, sample_weight=weight, init_score=base, feature_name=list(names))
    booster, (targets, pieces) = regressor.booster_, validation
    margin, losses = targets.base.astype(np.float64), dict[int, float]()
    for tree in range(booster.current_iteration()):
        one = {"raw_score": True, "start_iteration": tree, "num_iteration": 1}
        margin += np.concatenate([booster.predict(piece, **one) for piece in pieces])
        losses[tree + 1] = deviance(margin, targets, model.objective)
        if tree + 1 - min(losses, key=losses.__getitem__) >= model.early_stopping_rounds:
            break
    return _first_trees(booster, min(losses, key=losses.__getitem__), model, {VALIDATION: losses})
