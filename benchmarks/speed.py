"""What the whole way costs, part by part, beside what was asked for: one table, and how cost grows with the rows.

``python benchmarks/speed.py --out speed.md`` takes some three hours on 2 cores, one of them for the peers, which need
torch. ``--scale 0.02`` shows in minutes that nothing is broken; its times say nothing. Nothing else should run on the
machine.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import click
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from verbs import timed_command

from polarbgb import load
from polarbgb.features.matrix import build_matrix
from polarbgb.memory import GIB, scratch
from polarbgb.transients import windows as search
from polarbgb.transients.counts import counts_of
from polarbgb.transients.focus import Series, Windows, windows
from polarbgb.transients.noise import measure_noise
from polarbgb.workflow.reading import read_dataset
from polarbgb.workflow.search_settings import search_settings

MISSION = 72.0
"""days: 4.2 million rows."""
PARTS = ("budget", "growth", "tune", "peers")


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        name: what was done.
        seconds: wall time, s.
        memory: peak, GB; None where it was not measured.
        asked: s, at full scale.
    """

    name: str
    seconds: float
    memory: float | None
    asked: float | None

    def written(self, *, full: bool) -> str:
        """Return the line as Markdown; what was asked stands there at full scale alone."""
        memory = "" if self.memory is None else f"{self.memory * 1e9 / GIB:.2f}"
        asked = "" if self.asked is None or not full else f"{self.asked:g} | {self.seconds / self.asked:.2f}"
        return f"| {self.name} | {self.seconds:.2f} | {memory} | {asked or ' | '} |"


def stages(path: Path, run: Path) -> tuple[float, float]:
    """Return the seconds of the features, and of the search of all windows, in a process of its own."""
    config = load("configs/polar.toml")
    dataset, _ = read_dataset(config, [path])
    started = time.monotonic()
    build_matrix(dataset, config.features, config.position, config.input.cadence)
    features = time.monotonic() - started
    windows(Series(np.ones(2), np.ones(2), np.zeros(2, np.int32)))  # the first one may compile
    spent = []

    def timed(series: Series, **settings: float) -> Windows:
        started = time.thread_time()
        found = windows(series, **settings)
        spent.append(time.thread_time() - started)
        return found

    with patch.object(search, "windows", timed):
        counts = counts_of(pl.read_parquet(run / "prediction.parquet"), search_settings(config))
        noise = measure_noise(counts, config.trigger)
        search.find_windows(counts, noise.dispersion, config.trigger)
    return features, sum(spent) / (os.cpu_count() or 1)  # a thread a core


def budget(path: Path, place: Path, settings: list[str]) -> list[Line]:
    """Time the verbs on the full mission."""
    run = place / "full"
    at = ["-r", str(run), "-q"]
    asked = {"inspect": 10.0, "fit": None, "detect": None, "export": 15.0, "explain": 180.0}
    given = {"inspect": ["-i", str(path), "-q"], "fit": ["-i", str(path), *settings, *at]}
    lines = []
    for verb, limit in asked.items():
        lines.append(Line(verb, *timed_command([verb, *given.get(verb, at)]), limit))
        click.echo(lines[-1].written(full=False))
    way = [line for line in lines if line.name in ("fit", "detect", "export")]
    seconds, peak = sum(line.seconds for line in way), max(line.memory or 0.0 for line in way)
    lines.append(Line("fit + detect + export", seconds, peak, 20 * 60.0))
    timed_command(["--help"])
    lines.append(Line("--help", *timed_command(["--help"]), 0.3))
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        features, searched = apart.submit(stages, path, run).result()
    return [
        *lines,
        Line("features", features, None, 10.0),
        Line("windows of all bins and scales", searched, None, 3.0),
    ]


def growth(days: float, place: Path, settings: list[str], plot: Path | None) -> list[Line]:
    """Time fit and detect on missions of 1/16 to 4 times the length, and draw what they take against their rows."""
    lines, rows = list[Line](), list[int]()
    for share in (1 / 16, 1 / 4, 1, 4):
        length = max(0.5, share * days)
        path, run = place / f"{length:g}.root", place / f"{length:g}"
        timed_command(["simulate", str(path), "--days", f"{length}", "--overwrite", "-q"])
        seconds, memory = 0.0, 0.0
        for verb in (["fit", "-i", str(path), *settings], ["detect"]):
            took, held = timed_command([*verb, "-r", str(run), "-q"])
            seconds, memory = seconds + took, max(memory, held)
        path.unlink()
        rows.append(pl.scan_parquet(run / "prediction.parquet").select(pl.len()).collect().item())
        lines.append(Line(f"fit + detect, {rows[-1]:,} rows", seconds, memory, None))
        click.echo(lines[-1].written(full=False))
    if plot is not None:
        draw(rows, lines, plot)
    return lines


def draw(rows: list[int], lines: list[Line], path: Path) -> None:
    """Draw time and memory against rows, both axes logarithmic, with a line of slope 1."""
    figure, panels = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained")
    for panel, values, title in (
        (panels[0], [line.seconds for line in lines], "fit + detect (s)"),
        (panels[1], [(line.memory or 0) * 1e9 / GIB for line in lines], "peak memory (GiB)"),
    ):
        panel.loglog(rows, values, "o-", color="#0072b2", label="measured")
        panel.loglog(rows, [values[-1] * n / rows[-1] for n in rows], ":", color="0.4", label="proportional to rows")
        panel.set(xlabel="rows", title=title)
        panel.grid(alpha=0.3, which="both")
        panel.legend(frameon=False)
    figure.savefig(path, dpi=150)


def tune(scale: float, place: Path, settings: list[str]) -> Line:
    """Time thirty trials on a million rows; fewer on fewer."""
    path, days, trials = place / "million.root", max(0.5, scale * MISSION / 4), math.ceil(scale * 30)
    timed_command(["simulate", str(path), "--days", f"{days}", "--overwrite", "-q"])
    took = timed_command(
        ["tune", "-i", str(path), "-r", str(place / "million"), "--trials", f"{trials}", *settings, "-q"]
    )
    return Line(f"tune, {trials} trials, {days:g} days", *took, 900.0)


def peers(path: Path, place: Path, *, scale: float) -> str:
    """Return the table of ``peers.py``; on a part of the mission a trial of it."""
    trial = {"rows": 60_000, "minutes": 0.05, "iterations": 10, "published-batches": 5, "workers": 0, "every": 1}
    less = [] if scale >= 1 else [f"--{name}={value}" for name, value in trial.items()]
    words = ["-i", str(path), "--out", str(place / "peers.json"), *less]
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run([sys.executable, str(script), *words], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


@click.command()
@click.option("--scale", default=1.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Of 72 days.")
@click.option("--part", "parts", multiple=True, default=PARTS, show_default=True, type=click.Choice(PARTS))
@click.option("-i", "--input", "path", type=Path, help="Full mission.  [default: a simulated one]")
@click.option("--set", "overrides", multiple=True, help="A setting of fit and tune; may be repeated.")
@click.option("--plot", type=Path, help="Picture of the growth.")
@click.option("--out", type=Path, help="Table as a file.")
def main(
    *,
    scale: float,
    parts: tuple[str, ...],
    path: Path | None,
    overrides: tuple[str, ...],
    plot: Path | None,
    out: Path | None,
) -> None:
    """Run the parts and print the table."""
    settings = [part for text in overrides for part in ("--set", text)]
    lines: list[Line] = []
    beside = ""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        place = Path(folder)
        if path is None and {"budget", "peers"} & set(parts):
            path = place / "mission.root"
            timed_command(["simulate", str(path), "--days", f"{scale * MISSION}", "--overwrite", "-q"])
        if path is not None and "budget" in parts:
            lines += budget(path, place, settings)
        if "tune" in parts:
            lines.append(tune(scale, place, settings))
        if "growth" in parts:
            lines += growth(scale * MISSION, place, settings, plot)
        if path is not None and "peers" in parts:
            beside = f"\n{peers(path, place, scale=scale)}"
    head = f"{scale * 100:g} % of a mission of {MISSION:g} days, {os.cpu_count()} cores\n\n"
    head += "| | s | GiB | asked, s | of it |\n|---|---|---|---|---|\n"
    table = head + "\n".join(line.written(full=math.isclose(scale, 1.0)) for line in lines) + "\n" + beside
    click.echo(table)
    if out is not None:
        out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
