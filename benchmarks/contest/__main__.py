"""Measure what each choice of the background model is worth on orbits that no model saw.

``python benchmarks/contest -i mission.root --truth mission.truth.parquet --stride 6 --fold 0 --fold 1`` writes the
tables of docs/ablation.md, below the heading where they begin, and the same numbers as JSON. Predictions are kept as
they come, in a folder named after rows, features and settings: a run that was broken off goes on, and ``--no-run``
writes what there is.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import choices
import click
import numpy as np
import page
import polars as pl
from choices import BINS, CALENDAR, DEFAULT, Case, Predict
from numpy.typing import NDArray
from verdict import Tally, compare, tally

from polarbgb import UserError, load
from polarbgb.background.folds import Split, make_folds
from polarbgb.io.provenance import digest
from polarbgb.workflow.cleaning import clean_training_set
from polarbgb.workflow.preparation import Prepared, prepare

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("Models", "Speed", "Features", "Future", "Folds")
_BESIDE = 5.0
"""s on both sides of an injected event that are not scored."""
_ALL = 1_000_000_000
"""More rows than there are."""
_LEARNT = 0.8
"""Part of the mission, in rows, that predicts the rest."""


@dataclass(frozen=True)
class Group:
    """Predictions that are compared on the same rows.

    Attributes:
        predictions: by the name of the choice.
        folds: that are held out; -1 is the last part of the mission, all of whose past is learnt from.
        among: (rows,) the rows that are scored, as far as they are predicted.
        prefix: of their names in the table.
    """

    predictions: dict[str, Predict]
    folds: tuple[int, ...]
    among: NDArray[np.bool_]
    prefix: str = ""


@dataclass(frozen=True)
class Contest:
    """A file on its folds.

    Attributes:
        prepared: rows, features, rates.
        cases: one a fold; the last one holds out the last part of the mission.
        scored: (rows,) rows outside known and injected events.
        late: (rows,) the last part of the mission.
        kept: folder of predictions.
    """

    prepared: Prepared
    cases: tuple[Case, ...]
    scored: NDArray[np.bool_]
    late: NDArray[np.bool_]
    kept: Path

    def run(self, name: str, fold: int, predict: Predict) -> bool:
        """Predict, and return whether that was not done before.

        Args:
            name: of the choice.
            fold: the fold that is held out; -1 for the last part of the mission, all of whose past is learnt from.
            predict: makes the prediction.
        """
        path = self.path(name, fold)
        if path.exists():
            return False
        started = time.monotonic()
        predicted = predict(self.cases[fold])
        seconds = time.monotonic() - started
        draft = path.with_suffix(".draft.npz")
        np.savez(draft, rate=predicted.astype(np.float32), seconds=seconds)
        draft.replace(path)
        return True

    def path(self, name: str, fold: int) -> Path:
        """Return where a prediction is kept."""
        return self.kept / f"{digest(name)[:12]}_{'late' if fold < 0 else fold}.npz"

    def tallies(self, name: str, folds: tuple[int, ...], among: NDArray[np.bool_]) -> tuple[list[Tally], float]:
        """Sum the pulls of a prediction, a tally a bin, and the seconds that a fold took."""
        predicted = np.full((len(self.scored), len(BINS)), np.nan)
        seconds = 0.0
        for fold in folds:
            with np.load(self.path(name, fold)) as kept:
                predicted[self.cases[fold].split.predicted] = kept["rate"]
                seconds += float(kept["seconds"]) / len(folds)
        rows = among & self.scored & np.isfinite(predicted[:, 0])
        count_rates = self.prepared.count_rates
        pull = (count_rates.rate[rows][:, BINS] - predicted[rows]) / count_rates.error[rows][:, BINS]
        orbit = self.prepared.dataset.orbit[rows]
        return [tally(pull[:, number], orbit) for number in range(len(BINS))], seconds

    def judge(self, name: str, folds: tuple[int, ...], others: tuple[int, ...], among: NDArray[np.bool_]) -> page.Line:
        """Compare a prediction with the default, which ``others`` hold the rows out of."""
        mine, seconds = self.tallies(name, folds, among)
        theirs, _ = self.tallies(DEFAULT, others, among)
        verdicts = tuple(compare(one, two) for one, two in zip(mine, theirs, strict=True))
        return page.Line(name, int(mine[0].rows.sum()), len(mine[0].rows), seconds, verdicts)


def quiet(truth: Path | None, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the (rows,) mask of times, increasing unix s, outside the injected events of a truth file."""
    outside = np.ones(len(seconds), bool)
    if truth is not None:
        for start, stop in pl.read_parquet(truth).select("start", "stop").iter_rows():
            first, last = np.searchsorted(seconds, [start - _BESIDE, stop + _BESIDE])
            outside[first:last] = False
    return outside


def prepare_contest(config_path: str, path: Path | None, truth: Path | None, stride: int, kept: Path) -> Contest:
    """Read the file and divide its rows; models learn from every ``stride``-th row."""
    # All rows: the stride thins them, of the folds and of the past alike.
    config = load(config_path, ["model.threads=1", f"model.rows={_ALL}"])
    prepared = prepare(config, path)
    dataset = prepared.dataset
    folds = make_folds(dataset.time, dataset.known, config.folds, config.orbit, config.model)
    rows = np.arange(len(dataset.row))
    thin, late = rows % stride == 0, rows >= _LEARNT * len(rows)
    first = folds.splits[0]
    # As many rows as a fold learns from: the orbits that fold 0 holds out grow trees here.
    past = Split((first.train | first.predicted) & ~dataset.known & ~late, first.validation & ~late, late)
    transients = cache(lambda: clean_training_set(prepared, config)[0])
    cases = tuple(
        Case(
            prepared,
            folds.fold,
            replace(split, train=split.train & thin, validation=split.validation & thin),
            config.model,
            transients,
        )
        for split in (*folds.splits, past)
    )
    chosen = (prepared.matrix.names, config.folds.model_dump(mode="json"), config.model.model_dump(mode="json"), stride)
    setting = digest(prepared.search(config), *chosen)
    kept = kept / setting[:12]
    kept.mkdir(parents=True, exist_ok=True)
    scored = ~dataset.known & quiet(truth, dataset.time)
    return Contest(prepared, cases, scored, late, kept)


def ablations(names: tuple[str, ...], published: tuple[str, ...]) -> dict[str, Predict]:
    """Return the predictions that lack a group of the features ``names``; a group without a feature is left out."""
    patterns = {f"without {group}": pattern for group, pattern in choices.GROUPS.items()}
    patterns["published columns alone"] = choices.only(published)
    return {
        name: partial(choices.without, names=pattern)
        for name, pattern in patterns.items()
        if any(re.match(pattern, feature) for feature in names)
    }


@click.command()
@click.option("-c", "--config", "config_path", default="configs/polar.toml", show_default=True)
@click.option("-i", "--input", "path", type=Path, help="ROOT file.  [default: the configuration's own]")
@click.option("--truth", type=Path, help="Injected events (parquet: start, stop, unix s), which are not scored.")
@click.option("--stride", default=6, show_default=True, type=click.IntRange(1), help="Learn from every so-many-th row.")
@click.option("--fold", "folds", multiple=True, default=(0, 1), show_default=True, type=click.IntRange(0))
@click.option("--table", "asked", multiple=True, default=TABLES, show_default=True, type=click.Choice(TABLES))
@click.option("--run/--no-run", "running", default=True, help="Or only write what is kept.  [default: run]")
@click.option("--kept", type=Path, default=ROOT / "outputs/contest", help="Predictions.  [default: outputs/contest]")
@click.option("--out", type=Path, default=ROOT / "docs/ablation.md", help="Page.  [default: docs/ablation.md]")
@click.option("--json", "numbers", type=Path, help="All numbers.")
def main(
    *,
    config_path: str,
    path: Path | None,
    truth: Path | None,
    stride: int,
    folds: tuple[int, ...],
    asked: tuple[str, ...],
    running: bool,
    kept: Path,
    out: Path,
    numbers: Path | None,
) -> None:
    """Measure what each choice of the background model is worth."""
    try:
        contest = prepare_contest(config_path, path, truth, stride, kept)
        config = load(config_path)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    if max(folds) >= config.folds.count:
        raise click.BadParameter(f"the configuration has folds 0 to {config.folds.count - 1}")
    all_folds = tuple(range(config.folds.count))
    fewer = {DEFAULT: choices.package} | ablations(contest.prepared.matrix.names, config.features.columns)
    timeless = {name: fewer[name] for name in (DEFAULT, "without revolution")}
    timeless["without revolution, sun, sun_spot"] = partial(choices.without, names=CALENDAR)
    every = np.ones(len(contest.scored), bool)
    groups = {
        "Models": [Group(choices.MODELS, folds, every)],
        "Speed": [Group(choices.SPEED, folds, every)],
        "Features": [Group(fewer, folds, every)],
        "Future": [
            Group(timeless, all_folds, contest.late, "whole orbits: "),
            Group(timeless, (-1,), contest.late, "the past alone: "),
        ],
        "Folds": [Group({DEFAULT: choices.package}, (fold,), every, f"fold {fold}: ") for fold in all_folds],
    }
    asked_groups = [group for table in asked for group in groups[table]]
    # Fold after fold: a run that is broken off leaves whole folds.
    for fold in (-1, *(fold for fold in all_folds if fold not in folds), *folds) if running else ():
        for group in asked_groups:
            for name, predict in group.predictions.items() if fold in group.folds else ():
                if contest.run(name, fold, predict) and fold >= 0:
                    click.echo(f"{fold}  {page.written(contest.judge(name, (fold,), (fold,), group.among))}")
    tables = {table: list[page.Line]() for table in asked}
    for table in asked:
        for group in groups[table]:
            for name in group.predictions:
                held = tuple(fold for fold in group.folds if contest.path(name, fold).exists())
                if not held:
                    continue
                line = contest.judge(name, held, all_folds if held == (-1,) else held, group.among)
                lacking = "" if held == group.folds else f" (fold {', '.join(map(str, held))} alone)"
                tables[table].append(replace(line, name=group.prefix + name + lacking))
    titles = tuple(config.rates.names[number] for number in BINS)
    page.write(out, tables, titles)
    if numbers is not None:
        numbers.write_text(json.dumps(page.plain(tables, titles), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
