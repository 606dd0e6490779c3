"""The published network as a reference prediction: trained and scored on the rows and folds of polarbgb.

Its features are the published ones.

Run it as ``python benchmarks/mlp.py -i mission.root --epochs 200 --folds 1 --out mlp.json``. The held-out predictions
after the last and after the best epoch go beside it, to ``mlp_last.parquet`` and ``mlp_best.parquet``: judge them by
``polarbgb evaluate --reference mlp_last.parquet`` for a fit of the same file and folds.

MLP 18-200-200-200-6 with ReLU, Adam 1e-3, batches of 256, loss sum(w r^2) / sum(w) over rows and bins with
w = 1/rate_err^2. Features are standardised by the training rows; a missing one is their mean. In schemes 'orbits'
and 'days' it also learns from the rows that stop the trees, as it has no early stop; in scheme 'blocks' from the
training part alone, as published. The best epoch is the one of the least held-out error: no choice that held-out rows
are free of, so it flatters the network.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rows import BATCH, published_config, score_held

from polarbgb import UserError
from polarbgb.background.folds import BLOCK_PARTS, make_folds
from polarbgb.background.metrics import score
from polarbgb.background.reference import write_reference
from polarbgb.data.count_rates import CountRates
from polarbgb.workflow.preparation import prepare

try:
    import torch
except ImportError as missing:
    raise SystemExit("benchmarks/mlp.py needs torch: pip install '.[mlp]'") from missing

HIDDEN = (200, 200, 200)
LEARNING_RATE = 1e-3
CHUNK = 16384
"""Rows predicted at a time."""


@dataclass(frozen=True)
class Settings:
    """How long to train, and with what.

    Attributes:
        epochs: most passes through the training rows.
        every: epochs between two looks at the held-out rows.
        minutes: of training, after which no epoch of a fold starts; None for no limit.
        seed: of the first weights and of the order of rows.
        batch: rows a step.
        learning_rate: of Adam, at the beginning.
        annealed: whether it falls as half a cosine over the epochs or the minutes, whichever are over first.
    """

    epochs: int
    every: int
    minutes: float | None
    seed: int
    batch: int = BATCH
    learning_rate: float = LEARNING_RATE
    annealed: bool = False

    def rate_after(self, epochs: int, seconds: float) -> float:
        """Return the learning rate after so many epochs and s of training."""
        if not self.annealed:
            return self.learning_rate
        passed = epochs / self.epochs
        if self.minutes:
            passed = max(passed, min(1.0, seconds / (60 * self.minutes)))
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * passed))


@dataclass
class TrainedNetwork:
    """The network of one fold and its errors.

    Attributes:
        last: (held-out rows, bins) Hz, after the last epoch.
        best: the same after the epoch of the least held-out error.
        best_epoch: that epoch.
        epochs: passes made.
        seconds: training time, s, without looks at the held-out rows.
        curve: one entry a look: epoch, s of training until then, training and held-out error over all bins and by bin,
            Hz^2, mean square pull by bin, and s that the prediction took.
    """

    last: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    best: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    curve: list[dict[str, object]] = field(default_factory=list)


def network(inputs: int, outputs: int) -> torch.nn.Sequential:
    """Build the published network."""
    widths = (inputs, *HIDDEN)
    layers: list[torch.nn.Module] = []
    for before, after in pairwise(widths):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], outputs))


def moments(values: NDArray[np.float32], train: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (features,) mean and standard deviation over the training rows; 1 for a feature that is constant."""
    mean = np.nanmean(values[train], axis=0, dtype=np.float64)
    width = np.nanstd(values[train], axis=0, dtype=np.float64)
    return mean, np.where(width > 0, width, 1.0)


def standardised(values: NDArray[np.float32], train: NDArray[np.bool_]) -> torch.Tensor:
    """Return features of mean 0 and standard deviation 1 over the training rows; 0 where one is missing."""
    mean, width = moments(values, train)
    return torch.from_numpy(np.nan_to_num((values - mean) / width).astype(np.float32))


def step(
    model: torch.nn.Module,
    adam: torch.optim.Optimizer,
    features: torch.Tensor,
    rate: torch.Tensor,
    weight: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Learn from one batch; return sum(w r^2) and sum(w) over its rows and bins."""
    error, total = (weight * (model(features) - rate) ** 2).sum(), weight.sum()
    adam.zero_grad()
    (error / total).backward()
    adam.step()
    return error.detach(), total


def train_fold(
    values: NDArray[np.float32],
    count_rates: CountRates,
    train: NDArray[np.bool_],
    held: NDArray[np.bool_],
    settings: Settings,
) -> TrainedNetwork:
    """Train on some rows and predict others.

    Args:
        values: (rows, features).
        count_rates: rates and errors of the same rows, Hz.
        train: (rows,) rows that are learnt from.
        held: (rows,) rows that are predicted.
        settings: how long.
    """
    torch.manual_seed(settings.seed)
    features = standardised(values, train)
    unseen, features = features[torch.from_numpy(held)], features[torch.from_numpy(train)]
    rate = torch.from_numpy(np.nan_to_num(count_rates.rate[train]).astype(np.float32))
    weight = torch.from_numpy((1.0 / count_rates.error[train] ** 2).astype(np.float32))
    model = network(features.shape[1], rate.shape[1])
    adam = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    names = tuple(map(str, range(rate.shape[1])))
    trained = TrainedNetwork()
    least = np.inf
    for epoch in range(1, settings.epochs + 1):
        begun = time.monotonic()
        for group in adam.param_groups:
            group["lr"] = settings.rate_after(epoch - 1, trained.seconds)
        squares = weights = torch.zeros(())
        for rows in torch.randperm(len(rate)).split(settings.batch):
            error, total = step(model, adam, features[rows], rate[rows], weight[rows])
            squares, weights = squares + error.double(), weights + total.double()
        trained.seconds += time.monotonic() - begun
        trained.epochs = epoch
        over = epoch == settings.epochs or (settings.minutes is not None and trained.seconds > 60 * settings.minutes)
        if epoch % settings.every == 0 or epoch == 1 or over:
            begun = time.monotonic()
            with torch.no_grad():
                trained.last = torch.cat([model(chunk) for chunk in unseen.split(CHUNK)]).double().numpy()
            predicting = time.monotonic() - begun
            scores = score_held(count_rates, held, trained.last, names)
            bins = [one.weighted_error for one in scores]
            pooled = float(np.mean([one.mean_square_pull for one in scores]))
            if pooled < least:
                least, trained.best, trained.best_epoch = pooled, trained.last, epoch
            learnt = float(squares / weights)
            trained.curve.append(
                {
                    "epoch": epoch,
                    "s": trained.seconds,
                    "train": learnt,
                    "held_out": pooled,
                    "bins": bins,
                    "mean_square_pull": [one.mean_square_pull for one in scores],
                    "predict_s": predicting,
                }
            )
            told = "  ".join(f"{value:.5g}" for value in bins)
            spent = f"{trained.seconds:7.1f} s"
            click.echo(f"epoch {epoch:4d}  {spent}  train {learnt:.5g}  held out {pooled:.5g}  bins {told}")
        if over:
            break
    return trained


@click.command()
@click.option("-c", "--config", "config_path", default="configs/polar.toml", show_default=True)
@click.option("-i", "--input", "path", type=Path, help="ROOT file.  [default: the configuration's own]")
@click.option("--epochs", default=200, show_default=True, type=click.IntRange(1))
@click.option("--minutes", type=click.FloatRange(0), help="Train a fold no longer than about this.")
@click.option("--every", default=5, show_default=True, type=click.IntRange(1), help="Epochs between scores.")
@click.option("--folds", "count", default=1, show_default=True, type=click.IntRange(1), help="Folds to train.")
@click.option("--scheme", default="orbits", show_default=True, type=click.Choice(["orbits", "days", "blocks"]))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, default="mlp.json", show_default=True, help="Scores; predictions go beside them.")
def main(
    *,
    config_path: str,
    path: Path | None,
    epochs: int,
    minutes: float | None,
    every: int,
    count: int,
    scheme: str,
    threads: int,
    seed: int,
    out: Path,
) -> None:
    """Train the published network on the first folds and score their held-out rows outside known events."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        config = published_config(config_path, scheme)
        prepared = prepare(config, path)
        dataset, count_rates = prepared.dataset, prepared.count_rates
        folds = make_folds(dataset.time, dataset.known, config.folds, config.orbit, config.model)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    blocks = scheme == "blocks"
    scored = np.zeros(len(dataset), bool)
    last, best = np.full((2, *count_rates.rate.shape), np.nan)
    fits = []
    for number, split in enumerate(folds.splits[:count]):
        train = split.train if blocks else split.train | split.validation
        part = folds.fold == BLOCK_PARTS.index("test") if blocks else split.predicted
        held = part & ~dataset.known
        click.echo(f"fold {number}: {train.sum():,} rows to learn from, {held.sum():,} held out")
        fit = train_fold(prepared.matrix.values, count_rates, train, held, Settings(epochs, every, minutes, seed))
        scored |= held
        last[held], best[held] = fit.last, fit.best
        fits.append(fit)
    label = "test" if blocks else f"held-out {scheme}"
    names = config.rates.names
    result = {
        "input": str(path),
        "features": prepared.matrix.names,
        "scheme": scheme,
        "threads": threads,
        "folds": [
            {
                "epochs": fit.epochs,
                "best_epoch": fit.best_epoch,
                "s_per_epoch": fit.seconds / fit.epochs,
                "curve": fit.curve,
            }
            for fit in fits
        ],
        "last": [one.as_dict() for one in score(count_rates, last, scored, names, label)],
        "best": [one.as_dict() for one in score(count_rates, best, scored, names, label)],
    }
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    entry = dataset.entries.first_of_rows()[scored]
    for epoch, prediction in (("last", last), ("best", best)):
        write_reference(out.with_name(f"{out.stem}_{epoch}.parquet"), entry, prediction[scored])
    click.echo(f"{'bin':10s} {'last':>10s} {'best':>10s} {'pull^2':>10s}  (WMSE in Hz^2)")
    for end, top in zip(result["last"], result["best"], strict=True):
        errors = (end["weighted_error"], top["weighted_error"], top["mean_square_pull"])
        click.echo(f"{end['bin']:10s} " + " ".join(f"{error:10.5g}" for error in errors))


if __name__ == "__main__":
    main()
