"""What ``benchmarks/peers.py`` times: each contender learns from one fold and predicts its held-out orbits.

Each runs in a process of its own and imports its own library alone, so that none inherits another's threads or memory.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rows import BATCH, Rows, published_config, read_rows, score_held

from polarbgb import load
from polarbgb.background.backends import HeldOut
from polarbgb.background.cross_fit import quantise_split
from polarbgb.background.fold_model import train_fold
from polarbgb.config import Model

if TYPE_CHECKING:
    import torch
    from mlp import Settings

PUBLISHED_EPOCHS = 200
LARGE_BATCH = 2048
"""Of 256 to 8192 rows, annealed, the one that errs least on a small mission; more rows a step gain no speed on CPUs."""
LARGE_RATE = 2.8e-3
"""The published 1e-3 times the root of how much larger the batches are."""
CURVE = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
"""Parts of the configured number of trees at which the error is measured."""
_WARM_UP = 50
"""Mini-batches through the loader before the clock starts: its workers must be up, and their queues full."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        config: TOML file of the instrument.
        path: ROOT file.
        rows: the first so many usable rows of it; None for all.
        threads: cores of each contender, loader's workers included.
        seed: of first weights, orders of rows and trees.
        batches: mini-batches through the loader that are timed.
        workers: numbers of loader's workers that are tried; 0 loads in the process that trains.
        minutes: of training that the well batched network gets, run by run; the sliced one gets the most of them.
        every: epochs between two looks at the held-out rows.
        losses: of the plain script, run by run.
        iterations: most iterations of the plain script, run by run.
    """

    config: str
    path: Path
    rows: int | None
    threads: int
    seed: int
    batches: int
    workers: tuple[int, ...]
    minutes: tuple[float, ...]
    every: int
    losses: tuple[str, ...]
    iterations: tuple[int, ...]


@dataclass(frozen=True)
class Look:
    """Held-out error after some time of training.

    Attributes:
        seconds: of training, s.
        pulls: (bins,) mean square pull of the held-out rows: 1 where only counting noise is left.
        predict: time that predicting these rows took, s.
        steps: epochs, or mean number of trees a bin.
    """

    seconds: float
    pulls: list[float]
    predict: float
    steps: float

    @property
    def error(self) -> float:
        """Mean over bins of the mean square pull."""
        return float(np.mean(self.pulls))


@dataclass(frozen=True)
class Report:
    """What a contender came to.

    Attributes:
        features: number of them.
        learnt: rows learnt from, those that decide when to stop included.
        held: held-out rows that are scored.
        names: (bins,) names of the rates.
        read: time to read the file and to compute features, s.
        looks: by what was trained, in order of time.
        batch: time of a mini-batch of the published training, s, by number of loader's workers.
        memory: peak resident memory of the process, GB, file and all.
    """

    features: int
    learnt: int
    held: int
    names: tuple[str, ...]
    read: float
    looks: dict[str, list[Look]]
    batch: dict[int, float]
    memory: float = 0.0


def measure(contender: str, plan: Plan) -> Report:
    """Time one contender in this process.

    Args:
        contender: one of :data:`CONTENDERS`.
        plan: what is measured.
    """
    # Neither OpenMP's variable nor a library's own option binds all of them, or workers of a loader: this does.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: plan.threads])
    report = CONTENDERS[contender](plan)
    return replace(report, memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)


def trees(plan: Plan) -> Report:
    """Time polarbgb as it is configured, and without an early stop at several numbers of trees."""
    config = load(plan.config, [f"model.threads={plan.threads}", f"model.seed={plan.seed}"])
    rows = read_rows(config, plan.path, plan.rows)
    model = config.model
    looks = [_grown(rows, model)]
    curve = []
    for part in CURVE:
        most = max(1, round(part * model.n_estimators))
        curve.append(_grown(rows, model.model_copy(update={"n_estimators": most, "early_stopping_rounds": most})))
    return _report(rows, looks={"configured": looks, "curve": curve})


def _grown(rows: Rows, model: Model) -> Look:
    """Train the boosters of all bins and predict the held-out rows."""
    begun = time.monotonic()
    training = quantise_split(rows.matrix, rows.split, model)
    fitted = train_fold(training, rows.count_rates, rows.split, model)
    trained = time.monotonic()
    prediction = fitted.predict(HeldOut(rows.matrix.values, rows.held, model))
    predicted = time.monotonic()
    steps = float(fitted.shared.trees)
    return Look(trained - begun, _pulls(rows, prediction), predicted - trained, steps)


@dataclass(frozen=True)
class Samples:
    """Training rows as a loader of torch asks for them: standardised one by one when they are drawn, as published.

    Attributes:
        values: (rows, features) as in the file.
        rate: (rows, bins) Hz.
        mean: (features,) of the training rows.
        width: (features,) their standard deviation.
    """

    values: torch.Tensor
    rate: torch.Tensor
    mean: torch.Tensor
    width: torch.Tensor

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        return (self.values[row] - self.mean) / self.width, self.rate[row], row


def loader(plan: Plan) -> Report:
    """Time mini-batches of the published training: samples drawn and standardised one by one by a loader."""
    import torch
    from mlp import LEARNING_RATE, moments, network, step

    _ready(torch, plan)
    rows = read_rows(published_config(plan.config), plan.path, plan.rows)
    mean, width = (one.astype(np.float32) for one in moments(rows.matrix.values, rows.learnt))
    values = rows.matrix.values[rows.learnt]
    missing = np.isnan(values)
    values[missing] = np.broadcast_to(mean, values.shape)[missing]
    rate = torch.from_numpy(rows.count_rates.rate[rows.learnt].astype(np.float32))
    weights = torch.from_numpy((1.0 / rows.count_rates.error[rows.learnt] ** 2).astype(np.float32))
    samples = Samples(torch.from_numpy(values), rate, torch.from_numpy(mean), torch.from_numpy(width))

    def batches(workers: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        while True:  # epoch after epoch: a small file has too few batches in one
            yield from torch.utils.data.DataLoader(samples, BATCH, shuffle=True, num_workers=workers)

    batch = {}
    for workers in plan.workers:
        model = network(values.shape[1], rate.shape[1])
        adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        begun = 0.0
        for number, (features, rates, indices) in enumerate(islice(batches(workers), _WARM_UP + plan.batches)):
            error, total = step(model, adam, features, rates, weights[indices])
            float(error / total)  # the published training writes the loss of every batch down
            if number == _WARM_UP - 1:
                begun = time.monotonic()
        batch[workers] = (time.monotonic() - begun) / plan.batches
    return _report(rows, batch=batch)


def sliced(plan: Plan) -> Report:
    """Train the published network on batches of 256 that are cut from tensors."""
    from mlp import Settings

    return _networks(plan, {"sliced": Settings(PUBLISHED_EPOCHS, plan.every, max(plan.minutes), plan.seed)})


def batched(plan: Plan) -> Report:
    """Train the published network on large batches, at a learning rate that falls over the time it is given."""
    from mlp import Settings

    large = partial(Settings, batch=LARGE_BATCH, learning_rate=LARGE_RATE, annealed=True)
    # No limit but the time: more epochs than any machine makes in it would stop the fall of the learning rate.
    return _networks(
        plan, {f"{minutes:g} min": large(10**6, plan.every, minutes, plan.seed) for minutes in plan.minutes}
    )


def _networks(plan: Plan, runs: dict[str, Settings]) -> Report:
    import torch
    from mlp import train_fold

    _ready(torch, plan)
    rows = read_rows(published_config(plan.config), plan.path, plan.rows)
    looks = {}
    for name, settings in runs.items():
        trained = train_fold(rows.matrix.values, rows.count_rates, rows.learnt, rows.held, settings)
        looks[name] = [Look(o["s"], o["mean_square_pull"], o["predict_s"], o["epoch"]) for o in trained.curve]
    return _report(rows, looks=looks)


def plain(plan: Plan) -> Report:
    """Fit scikit-learn's boosted trees as one does in an hour: all rows, its defaults, the published features.

    Beyond 10,000 rows it stops early by a tenth of them drawn at random, as is its default.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows = read_rows(published_config(plan.config), plan.path, plan.rows)
    features, held = rows.matrix.values[rows.learnt], rows.matrix.values[rows.held]
    rate = rows.count_rates.rate[rows.learnt]
    looks = {}
    for loss, iterations in product(plan.losses, plan.iterations):
        begun = time.monotonic()
        models = [
            HistGradientBoostingRegressor(loss=loss, max_iter=iterations, random_state=plan.seed).fit(features, y)
            for y in rate.T
        ]
        trained = time.monotonic()
        prediction = np.column_stack([model.predict(held) for model in models])
        predicted = time.monotonic()
        steps = float(np.mean([model.n_iter_ for model in models]))
        looks[f"{loss}, at most {iterations} iterations"] = [
            Look(trained - begun, _pulls(rows, prediction), predicted - trained, steps)
        ]
    return _report(rows, looks=looks)


def _ready(torch: Any, plan: Plan) -> None:  # noqa: ANN401 - a module
    torch.set_num_threads(plan.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(plan.seed)


def _pulls(rows: Rows, prediction: NDArray[np.float64]) -> list[float]:
    return [one.mean_square_pull for one in score_held(rows.count_rates, rows.held, prediction, rows.names)]


def _report(rows: Rows, *, looks: dict[str, list[Look]] | None = None, batch: dict[int, float] | None = None) -> Report:
    return Report(
        features=len(rows.matrix.names),
        learnt=int(rows.learnt.sum()),
        held=int(rows.held.sum()),
        names=rows.names,
        read=rows.seconds,
        looks=looks or {},
        batch=batch or {},
    )


CONTENDERS: dict[str, Callable[[Plan], Report]] = {
    "trees": trees,
    "loader": loader,
    "sliced": sliced,
    "batched": batched,
    "plain": plain,
}
