"""How much of a burst the background takes for its own.

Run it as ``python benchmarks/swallow.py -i mission.root --out swallow.json``. Flat bursts of 1, 10, 60 and 300 s,
flares of 20 minutes and losses of half the rate for 300 s are drawn into a file, all bins by the same share of their
own rate. The swallowed part is what they change in the prediction over their rows, in counts, over the counts injected.
It is measured

- by models of the file without them, so that only the features can tell, for several shares of the burst's any-bar
  counts that the front end takes for cosmic rays, and with features of a guarded rate;
- by models that learnt from the file with them, with and without training-set cleaning, with whole orbits held
  out and in the published split, where a row is in the training set of its own model;
- with a local baseline after that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb import load
from polarbgb.background.backends import HeldOut
from polarbgb.background.cross_fit import CrossFit, cross_fit
from polarbgb.background.folds import Folds, make_folds
from polarbgb.config import Baseline, Config
from polarbgb.data.dataset import clean
from polarbgb.features.matrix import build_matrix
from polarbgb.io.input import tree_name
from polarbgb.workflow.calibration import calibrate_background
from polarbgb.workflow.cleaning import clean_training_set
from polarbgb.workflow.preparation import Prepared, Source
from polarbgb.workflow.reading import read_input, row_rules

KINDS = {
    # name: (duration in s, change of the rate as a share of it, how many); few, or they were common where they lie
    "burst, 1 s": (1, 1.0, 20),
    "burst, 10 s": (10, 0.5, 20),
    "burst, 60 s": (60, 0.5, 10),
    "burst, 300 s": (300, 0.5, 5),
    "flare, 1200 s": (1200, 0.3, 3),
    "sag, 300 s": (300, -0.5, 3),
}
LEAKS = (0.0, 0.05, 0.2, 1.0)
"""Counts that the front end takes for cosmic rays, for one of any bar."""
HOLES = (20.0, 60.0, 300.0)
"""s: of the local baseline."""
GUARD = 301.0
"""s: of the features made from a rate."""


@dataclass(frozen=True)
class Injection:
    """What was put where.

    Attributes:
        kind: of :data:`KINDS`.
        entries: (n,) entries of the file.
    """

    kind: str
    entries: NDArray[np.int64]


def draw(prepared: Prepared, rng: np.random.Generator) -> list[Injection]:
    """Draw places in unbroken data, at most one an orbit, none near a known event."""
    dataset = prepared.dataset
    orbits = rng.permutation(np.unique(dataset.orbit))
    wanted = [kind for kind, (_, _, number) in KINDS.items() for _ in range(number)]
    wanted.sort(key=lambda kind: -KINDS[kind][0])  # the long ones find fewer places
    drawn = []
    for orbit in orbits:
        if not wanted:
            break
        rows = np.flatnonzero((dataset.orbit == orbit) & ~dataset.known)
        length = KINDS[wanted[0]][0]
        starts = rows[:-length]
        starts = starts[
            (dataset.segment[starts] == dataset.segment[starts + length]) & (rows[length:] - starts == length)
        ]
        if len(starts):
            first = rng.choice(starts)
            drawn.append(Injection(wanted.pop(0), dataset.entries.first_of_rows()[first : first + length]))
    return drawn


def injected(
    frame: pl.DataFrame, injections: list[Injection], config: Config, *, leak: float, seed: int
) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Add the injections to the rates, their errors, and the front end's counts.

    Returns:
        The frame, and the (entries, bins) counts that were added.
    """
    rng = np.random.default_rng(seed)
    rate, error = (frame.select(names).to_numpy().copy() for names in (config.rates.names, config.rates.error_names))
    cosmic = frame["fe_cosmic"].to_numpy().astype(np.float64)
    added = np.zeros_like(rate)
    for one in injections:
        rows, share = one.entries, KINDS[one.kind][1]
        live = rate[rows] / error[rows] ** 2
        counts = rate[rows] * live
        change = rng.poisson(np.abs(share) * counts) * np.sign(share)
        added[rows] = np.maximum(change, -0.9 * counts)
        cosmic[rows] += leak * added[rows, 4]
        rate[rows] = (counts + added[rows]) / live
        error[rows] = np.sqrt(counts + added[rows]) / live
    columns = dict(zip((*config.rates.names, *config.rates.error_names), np.hstack([rate, error]).T, strict=True))
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()}, fe_cosmic=cosmic), added


def made_ready(frame: pl.DataFrame, path: Path, config: Config) -> Prepared:
    """Return the frame with its features, as ``prepare`` does with a file."""
    dataset = clean(frame, row_rules(config))
    matrix = build_matrix(dataset, config.features, config.position, config.input.cadence)
    return Prepared(Source((path,), "", [], [len(frame)], tree_name(path, config.input.tree)), dataset, matrix)


def fitted(prepared: Prepared, config: Config, masked: NDArray[np.bool_] | None = None) -> tuple[CrossFit, Folds]:
    """Fit as the verb does."""
    dataset = prepared.dataset
    excluded = dataset.known if masked is None else dataset.known | masked
    folds = make_folds(dataset.time, excluded, config.folds, config.orbit, config.model)
    return cross_fit(prepared.matrix, prepared.count_rates, folds, config.model), folds


def again(prepared: Prepared, models: CrossFit, folds: Folds, config: Config) -> NDArray[np.float64]:
    """Predict other features of the same rows by the models that held them out."""
    prediction = np.empty_like(models.prediction)
    for split, fitted_model in zip(folds.splits, models.models, strict=True):
        rows = HeldOut(prepared.matrix.values, split.predicted, config.model)
        prediction[split.predicted] = fitted_model.predict(rows)
    return prediction


def swallowed(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    prepared: Prepared,
    added: NDArray[np.float64],
    injections: list[Injection],
) -> dict[str, tuple[float, float]]:
    """Return the share of the injected counts that the prediction follows, mean over bins, and its error, by kind."""
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for one in injections:
        rows = prepared.dataset.entries.row[one.entries]
        lifted = ((after - before)[rows] * prepared.count_rates.exposure[rows]).sum(axis=0)
        shares[one.kind].append(float(np.mean(lifted / added[one.entries].sum(axis=0))))
    return {
        kind: (float(np.mean(of)), float(np.std(of, ddof=1) / np.sqrt(len(of))))
        for kind, of in shares.items()
        if len(of) > 1
    }


@click.command()
@click.option("-c", "--config", "configuration", default="configs/polar.toml", show_default=True)
@click.option("-i", "--input", "path", type=click.Path(path_type=Path), required=True)
@click.option("--rows", default=50_000, show_default=True, help="Rows that a fit learns from at most.")
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("swallow.json"), show_default=True)
def main(*, configuration: str, path: Path, rows: int, seed: int, threads: int, out: Path) -> None:
    """Measure and print, line by line."""
    # Without filters: rows of a sag would fail them, and the two files would not have the same rows.
    no_filter = [f'filters.{name}="1 > 0"' for name in load(configuration).filters]
    settings = [f"model.threads={threads}", f"model.rows={rows}", *no_filter]
    plain = load(configuration, settings)
    history = [entry.model_dump() for entry in plain.features.history]
    history.append({"columns": [plain.rates.names[0]], "lags": (GUARD,), "means": (60.0, 300.0), "guard": GUARD})
    guarded = load(configuration, [*settings, f"features.history={_inline(history)}"])
    told: dict[str, dict[str, tuple[float, float]]] = {}

    def tell(name: str, found: dict[str, tuple[float, float]]) -> None:
        told[name] = found
        click.echo(name + ": " + ", ".join(f"{k} {100 * m:.2f} +- {100 * e:.2f} %" for k, (m, e) in found.items()))
        out.write_text(json.dumps(told, indent=1) + "\n")

    for label, config in (("", plain), (", with a guarded rate", guarded)):
        frame = read_input(config, path)
        clear = made_ready(frame, path, config)
        injections = draw(clear, np.random.default_rng(seed))
        models, folds = fitted(clear, config)
        for leak in LEAKS if not label else LEAKS[:1]:
            with_them, added = injected(frame, injections, config, leak=leak, seed=seed)
            ready = made_ready(with_them, path, config)
            after = again(ready, models, folds, config)
            tell(f"features alone{label}, leak {leak:g}", swallowed(models.prediction, after, ready, added, injections))
        if label:
            continue
        with_them, added = injected(frame, injections, config, leak=0.0, seed=seed)
        ready = made_ready(with_them, path, config)
        for scheme in ("orbits", "blocks"):
            split = config.model_copy(update={"folds": config.folds.model_copy(update={"scheme": scheme})})
            before = models if scheme == "orbits" else fitted(clear, split)[0]
            masked, rounds = clean_training_set(ready, split)
            for name, left_out in (("learnt from", None), ("cleaned", masked)):
                after = fitted(ready, split, left_out)[0].prediction
                tell(f"{scheme}, {name}", swallowed(before.prediction, after, ready, added, injections))
            click.echo(f"{scheme}: {rounds}")
            for gap in HOLES if scheme == "orbits" else ():
                on = split.model_copy(update={"baseline": Baseline(gap=gap)})
                clear_of, found_in = (
                    calibrate_background(one, prediction, folds.fold, on).prediction
                    for one, prediction in ((clear, before.prediction), (ready, after))
                )
                tell(f"{scheme}, baseline beyond {gap:g} s", swallowed(clear_of, found_in, ready, added, injections))


def _inline(entries: list[dict[str, object]]) -> str:
    """Write tables as an inline array of TOML."""
    parts = (", ".join(f"{key} = {_value(value)}" for key, value in entry.items()) for entry in entries)
    return "[" + ", ".join("{" + part + "}" for part in parts) + "]"


def _value(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


if __name__ == "__main__":
    main()
