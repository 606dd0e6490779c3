"""Peers on the same rows and the same machine: how long each takes to an error that polarbgb reaches as well.

``python benchmarks/peers.py -i mission.root --out peers.json`` prints a Markdown table of one fold, whose orbits no
contender saw: polarbgb as configured; the published training, whose mini-batches are timed and extrapolated to its 200
epochs; the same network batched well; and the script that one writes with scikit-learn in an hour. Nothing else should
run on the machine. Each contender has a process of its own and the same cores.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import click
from contenders import CONTENDERS, LARGE_BATCH, PUBLISHED_EPOCHS, Look, Plan, Report, measure
from rows import BATCH

from polarbgb import UserError

SHOWN = (0, 2)
"""Bins that have a column of their own, such as rate[0] and rate[5] of POLAR."""
_MINUTES = click.FloatRange(0, min_open=True)
_LOSSES = ("squared_error", "gamma", "poisson")
_SPINS = "300000"
"""What libgomp takes by itself."""


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        name: of the contender.
        features: number of them.
        learnt: rows learnt from.
        seconds: of training a fold, s.
        extrapolated: whether they are.
        look: whose error is told.
        same: seconds of the trees to this error, and whether that is an upper bound; None if they never reach it.
    """

    name: str
    features: int
    learnt: int
    seconds: float
    extrapolated: bool
    look: Look
    same: tuple[float, bool] | None

    def written(self) -> str:
        """Return the line as Markdown."""
        told = "extrapolated" if self.extrapolated else "measured"
        errors = " | ".join(f"{value:.2f}" for value in (self.look.error, *(self.look.pulls[b] for b in SHOWN)))
        trees, ratio = "never", "-"
        if self.same is not None:
            seconds, bound = self.same
            trees = f"{'<= ' if bound else ''}{seconds:.1f}"
            ratio = f"{'>= ' if bound else ''}{self.seconds / seconds:.3g}"
        return (
            f"| {self.name} | {self.features} | {self.learnt:,} | {self.seconds:,.1f} | {told} | {errors} "
            f"| {trees} | {ratio} |"
        )


def seconds_to_reach(curve: list[Look], error: float) -> tuple[float, bool] | None:
    """Return when a curve first comes down to an error.

    Between two looks the logarithm of the error is taken to fall evenly with time.

    Args:
        curve: looks in order of time.
        error: mean over bins of the mean square pull.

    Returns:
        s of training, and whether the first look is as good already, so that they are an upper bound; None if no look
        is as good.
    """
    reached = next((number for number, look in enumerate(curve) if look.error <= error), None)
    if reached is None:
        return None
    after = curve[reached]
    if reached == 0:
        return after.seconds, True
    before = curve[reached - 1]
    part = math.log(before.error / error) / math.log(before.error / after.error)
    return before.seconds + part * (after.seconds - before.seconds), False


def lines(reports: dict[str, Report]) -> list[Line]:
    """Put the contenders side by side.

    A network is judged by its best look at the held-out rows, and its clock stops there: no choice that held-out rows
    are free of, so it flatters the network.

    Args:
        reports: by contender.
    """
    trees = reports["trees"]
    curve = trees.looks["curve"]

    def line(name: str, report: Report, look: Look, extrapolated: float | None = None) -> Line:
        seconds = look.seconds if extrapolated is None else extrapolated
        same = (seconds, False) if report is trees else seconds_to_reach(curve, look.error)
        return Line(name, report.features, report.learnt, seconds, extrapolated is not None, look, same)

    configured = trees.looks["configured"][0]
    table = [line(f"polarbgb as configured, {configured.steps:.0f} trees a bin", trees, configured)]
    sliced, loader = reports["sliced"], reports["loader"]
    best, last = _best(sliced.looks["sliced"]), sliced.looks["sliced"][-1]
    epoch = seconds_an_epoch(loader)
    named = f"published training, {PUBLISHED_EPOCHS} epochs"
    table.append(line(f"{named} (error after {last.steps:.0f})", loader, last, PUBLISHED_EPOCHS * epoch))
    named = f"published training, stopped at its best look, epoch {best.steps:.0f}"
    table.append(line(named, loader, best, best.steps * epoch))
    table.append(line(f"the same network, {BATCH} rows sliced, epoch {best.steps:.0f}", sliced, best))
    for name, looks in reports["batched"].looks.items():
        best = _best(looks)
        table.append(line(f"the same, {LARGE_BATCH} rows, {name}, epoch {best.steps:.0f}", reports["batched"], best))
    for name, looks in reports["plain"].looks.items():
        named = f"scikit-learn's script, {name}, {looks[0].steps:.0f} trees a bin"
        table.append(line(named, reports["plain"], looks[0]))
    return table


def seconds_an_epoch(loader: Report) -> float:
    """Return the time of an epoch of the published training, s, by the faster number of workers."""
    return min(loader.batch.values()) * math.ceil(loader.learnt / BATCH)


def _best(looks: list[Look]) -> Look:
    return min(looks, key=lambda look: look.error)


def notes(plan: Plan, reports: dict[str, Report]) -> list[str]:
    """Say what the table does not: what is measured and how."""
    loader, trees = reports["loader"], reports["trees"]
    batches = ", ".join(f"{1e3 * s:.2f} ms with {workers} workers" for workers, s in loader.batch.items())
    curve = ", ".join(f"{one.error:.2f} at {one.seconds:.1f} s ({one.steps:.0f})" for one in trees.looks["curve"])
    configured = trees.looks["configured"][0]
    memory = ", ".join(f"{name} {one.memory:.2f}" for name, one in reports.items())
    return [
        f"{plan.path}, fold 0: {trees.held:,} held-out rows outside known events. {os.cpu_count()} cores, "
        f"{plan.threads} of them used. Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("xgboost", "torch", "scikit-learn", "numpy"))
        + ".",
        "Errors are mean square pulls of the held-out rows, the mean over all bins first; 1 is counting noise. Seconds "
        "are of training all bins of a fold, quantising included, without reading, predicting, or looks at held-out "
        "rows between epochs. 'Trees' is the time at which polarbgb's curve, without an early stop, comes down to the "
        "same error: between two points the log of the error is taken to fall evenly; '<=' where its first point is "
        "better already. Ratio: seconds over that.",
        f"polarbgb's curve (trees a bin): {curve}. Prediction: {configured.predict:.1f} s. Rows that teach the wrong "
        "thing are searched for neither here nor there: `polarbgb fit` does so before its folds.",
        f"Published training: {plan.batches} mini-batches of {BATCH} timed: {batches}; the faster is extrapolated to "
        f"{seconds_an_epoch(loader):.1f} s an epoch. Its error is that of the same network sliced, which learns from "
        "batches that are drawn alike. Networks are judged by the best of their looks at the held-out rows, which "
        "flatters them, unless an epoch is asked for.",
        f"Reading and features: {trees.read:.1f} s for polarbgb, {loader.read:.1f} s for the published ones. Peak "
        f"memory, GB: {memory}.",
    ]


def run(plan: Plan) -> Iterator[tuple[str, Report]]:
    """Measure the contenders one after the other, each in a fresh process."""
    os.environ["OMP_NUM_THREADS"] = str(plan.threads)
    for name in CONTENDERS:
        # polarbgb makes OpenMP wait without spinning, as it shares the cores with itself: that is not to slow peers.
        if name == "trees":
            os.environ.pop("GOMP_SPINCOUNT", None)
        else:
            os.environ["GOMP_SPINCOUNT"] = _SPINS
        click.echo(name, err=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            yield name, alone.submit(measure, name, plan).result()


@click.command()
@click.option("-c", "--config", "config_path", default="configs/polar.toml", show_default=True)
@click.option("-i", "--input", "path", type=Path, required=True, help="ROOT file.")
@click.option("--rows", type=click.IntRange(1), help="The first so many usable rows alone: for a trial.")
@click.option("--threads", type=click.IntRange(1), help="Cores of each contender.  [default: all]")
@click.option("--published-batches", "batches", default=300, show_default=True, type=click.IntRange(1))
@click.option("--workers", multiple=True, default=(0, 4), show_default=True, type=click.IntRange(0), help="Of loaders.")
@click.option("--minutes", multiple=True, default=(4.0, 16.0), show_default=True, type=_MINUTES, help="Of a network.")
@click.option("--every", default=5, show_default=True, type=click.IntRange(1), help="Epochs between looks.")
@click.option("--loss", "losses", multiple=True, default=_LOSSES[:2], show_default=True, type=click.Choice(_LOSSES))
@click.option("--iterations", multiple=True, default=(100, 300), show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, default="peers.json", show_default=True, help="All numbers.")
def main(
    *,
    config_path: str,
    path: Path,
    rows: int | None,
    threads: int | None,
    batches: int,
    workers: tuple[int, ...],
    minutes: tuple[float, ...],
    every: int,
    losses: tuple[str, ...],
    iterations: tuple[int, ...],
    seed: int,
    out: Path,
) -> None:
    """Time polarbgb, the published network and a plain script to the same error on the same held-out orbits."""
    if find_spec("torch") is None:
        raise SystemExit("benchmarks/peers.py needs torch: pip install '.[mlp]'")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    plan = Plan(
        config=config_path,
        path=path,
        rows=rows,
        threads=min(threads or cores, cores),
        seed=seed,
        batches=batches,
        workers=workers,
        minutes=minutes,
        every=every,
        losses=losses,
        iterations=iterations,
    )
    result: dict[str, object] = {"plan": {**asdict(plan), "path": str(plan.path)}, "cores": os.cpu_count()}
    reports: dict[str, Report] = {}
    try:
        for name, report in run(plan):
            reports[name] = report
            result["reports"] = {one: asdict(found) for one, found in reports.items()}
            _write(out, result)  # a contender that fails should not cost an hour of the others
    except UserError as error:
        raise click.ClickException(str(error)) from error
    table, told = lines(reports), notes(plan, reports)
    heads = " | ".join(("error", *(reports["trees"].names[b] for b in SHOWN)))
    click.echo(f"| contender | features | rows learnt from | seconds | | {heads} | trees, s | ratio |")
    click.echo("|---|---|---|---|---|---|---|---|---|---|")
    for line in table:
        click.echo(line.written())
    click.echo("\n" + "\n\n".join(told))
    result["table"] = [{**asdict(line), "error": line.look.error} for line in table]
    _write(out, {**result, "notes": told})


def _write(out: Path, result: dict[str, object]) -> None:
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
