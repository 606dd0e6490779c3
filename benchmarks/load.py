"""Every verb at full size, each in a process of its own that may take only so much address space.

``--part`` says what is large:

- ``mission``: rows of a simulated mission;
- ``bins``: energy bins of a made-up instrument;
- ``gaps``: times that its file is broken;
- ``events``: events in the list, of a simulated mission whose candidates are all listed (``trigger.far`` of a
  million a day at 2 sigma): noise, but as long a list as one could ask for.

``--growth 4`` does it all at a fourth of the size first, and prints the exponent with which the time of the cores
grows: 1 is linear, 2 is quadratic.
"""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import uproot

ROOT = Path(__file__).parents[1]

PERIOD = 5535.4
"""s, of the made-up instrument's orbit."""

ALL_LISTED = ("trigger.threshold=2", "trigger.far=1e6", "trigger.merge=0", "trigger.scales=[2, 6]")
"""Settings of a search that lists whatever it sees."""

FORMATS = ("root", "rntuple", "fits", "csv", "ecsv", "parquet", "gcn")


@dataclass(frozen=True)
class Cost:
    """What a verb took.

    Attributes:
        seconds: of wall time.
        busy: s of all cores together, which a machine that does something else does not lengthen.
        resident: GiB of memory at most.
        space: GiB of address space at most, looked at twenty times a second.
        failed: the last line of what it said where it failed, else empty.
    """

    seconds: float
    busy: float
    resident: float
    space: float
    failed: str


def count_rates(arguments: list[str], limit: float) -> Cost:
    """Run a verb with an address space of so many GiB; 0 for no limit."""

    def confine() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (int(limit * 2**30),) * 2)

    started, space = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "polarbgb", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, preexec_fn=confine)  # noqa: PLW1509
        ended = 0
        while not ended:
            space = max(space, _space(process.pid))
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            time.sleep(0 if ended else 0.05)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    failed = "" if code == 0 else f"exit status {code}: {lines[-1] if lines else 'nothing said'}"
    busy = usage.ru_utime + usage.ru_stime
    return Cost(time.monotonic() - started, busy, usage.ru_maxrss / 2**20, space, failed)


def _space(process: int) -> float:
    """Return the largest address space that a process has had, GiB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmPeak")) / 2**20


def write_instrument(folder: Path, *, rows: int, bins: int, gaps: int, seed: int = 0) -> tuple[Path, Path]:
    """Write a file of a made-up instrument, and its configuration.

    The rates go with latitude and temperature along the orbit, softer bins more; bursts of 5 to 50 s stand on them.

    Args:
        folder: that takes both.
        rows: of one second.
        bins: energy bins.
        gaps: how often the rows are broken, for 40 s each.
        seed: of the counts.

    Returns:
        Configuration and file.
    """
    rng = np.random.default_rng(seed)
    broken = np.zeros(rows)
    broken[np.linspace(0, rows, gaps + 2).astype(int)[1:-1]] = 40.0
    when = 1.5e9 + np.arange(rows) + np.cumsum(broken)
    phase = 2 * np.pi * ((when - when[0]) / PERIOD % 1)
    latitude, longitude = 42 * np.sin(phase), ((when - when[0]) / 240 % 360) - 180
    temperature = 20 + 5 * np.sin(phase - 0.5) + 2 * np.sin(2 * np.pi * (when - when[0]) / 86_400)
    shape = (np.abs(latitude) / 42)[:, None] ** 2
    softness = np.linspace(1, 0, bins) if bins > 1 else np.ones(1)
    mean = (400 * np.exp(-3 * np.linspace(0, 1, bins)) + 60) * (1 + (0.3 + softness) * shape)
    mean *= 1 + 0.01 * (temperature[:, None] - 20) * softness
    for start in rng.integers(1000, rows - 1000, max(3, rows // 20_000)):
        length = int(rng.integers(5, 50))
        mean[start : start + length] *= 1 + rng.uniform(0.1, 0.6) * (0.3 + softness)
    counts = rng.poisson(mean).astype(np.float64)
    name = f"{bins}bins_{gaps}gaps"
    path, config = folder / f"{name}_{seed}.root", folder / f"{name}.toml"
    with uproot.recreate(path, compression=uproot.ZSTD(1)) as file:
        branches = {
            "unix_time": when,
            "rate": counts,
            "rate_err": np.sqrt(np.maximum(counts, 1)),
            "glat": latitude,
            "glon": longitude,
            "temperature": temperature,
            "voltage": rng.normal(800, 1, rows),
        }
        tree = file.mktree(
            "rates", {name: np.dtype((values.dtype, values.shape[1:])) for name, values in branches.items()}
        )
        tree.extend(branches)
    config.write_text(
        f"""name = "Made up"
[input]
tree = "rates"
[rates]
values = ["rate[0:{bins}]"]
errors = ["rate_err[0:{bins}]"]
exposure = 1.0
[features]
columns = ["temperature", "voltage"]
[[features.history]]
columns = ["temperature"]
lags = [60]
means = [300]
[position]
latitude = "glat"
longitude = "glon"
[orbit]
period = {PERIOD}
[intervals]
more_than = {min(3, bins - 1)}
""",
        encoding="utf-8",
    )
    return config, path


def verbs(
    config: Path, files: tuple[Path, Path], run: Path, settings: tuple[str, ...], search: tuple[str, ...]
) -> Iterator[tuple[str, list[str]]]:
    """Yield every verb's name and arguments, in an order in which each finds what it needs."""
    path, other = files
    on_file = ["-c", str(config), "-i", str(path), *(part for one in settings for part in ("--set", one)), "-q"]
    searched = [part for one in search for part in ("--set", one)]
    of_run = ["-r", str(run), "-q"]
    yield "inspect", ["inspect", *on_file]
    yield "tune", ["tune", *on_file, "-r", str(run)]
    yield "fit", ["fit", *on_file, "-r", str(run)]
    yield "predict", ["predict", *of_run, "-i", str(other), "--into", str(run / "predicted")]
    yield "detect", ["detect", *of_run, *searched]
    yield "explain", ["explain", *of_run]
    yield "evaluate", ["evaluate", *of_run]
    # Of a file of a day 30 bursts go into one round: 3000 would be a hundred searches.
    yield "evaluate --inject", ["evaluate", *of_run, "--inject", "--set", "inject.bursts=60"]
    for form in FORMATS:
        yield f"export {form}", ["export", *of_run, "--format", form]
    yield "report", ["report", *of_run]
    for form in ("png", "pdf", "svg"):
        yield f"plot {form}", ["plot", *of_run, "--format", form]


@click.command()
@click.option("--part", type=click.Choice(["mission", "bins", "gaps", "events"]), required=True)
@click.option("--days", default=72.0, show_default=True, help="Of the mission that is simulated.")
@click.option("--rows", default=100_000, show_default=True, help="Of the made-up instrument's file.")
@click.option("--bins", default=200, show_default=True, help="Of the made-up instrument.")
@click.option("--gaps", default=3000, show_default=True, help="Of the made-up instrument's file.")
@click.option("--limit", default=6.0, show_default=True, help="GiB of address space a verb may take; 0: no limit.")
@click.option("--growth", default=1.0, show_default=True, help="Also do it at the size divided by this.")
@click.option("-i", "--input", "path", type=click.Path(path_type=Path), help="Mission that is there already.")
@click.option("-r", "--run", "folder", type=click.Path(path_type=Path), help="[default: a temporary folder]")
@click.option("--only", multiple=True, help="A verb; others are taken as done. May be repeated.")
@click.option("--set", "settings", multiple=True)
def main(  # noqa: PLR0917 - click gives them by name
    part: str,
    days: float,
    rows: int,
    bins: int,
    gaps: int,
    limit: float,
    growth: float,
    path: Path | None,
    folder: Path | None,
    only: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Run all verbs and print a table."""
    place = folder or Path(tempfile.mkdtemp())
    place.mkdir(parents=True, exist_ok=True)
    costs: dict[str, list[Cost]] = {}
    sizes = [1.0] if growth == 1 else [1 / growth, 1.0]
    for size in sizes:
        run = place / f"{part}{size:.2g}"
        if part in {"mission", "events"}:
            config, file = (
                ROOT / "configs/polar.toml",
                path if path is not None and size == 1 else run.with_suffix(".root"),
            )
            other = run.with_suffix(".other.root")
            for seed, made in enumerate((file, other)):
                if not made.exists():
                    simulated = ["simulate", str(made), "--days", str(days * size), "--seed", str(seed), "-q"]
                    costs.setdefault(f"simulate, seed {seed}", []).append(count_rates(simulated, limit))
        else:
            # More gaps are a longer file: the stretches between them stay as long.
            length = int(rows * size) if part == "gaps" else rows
            broken = int(gaps * size) if part == "gaps" else 20
            count = int(bins * size) if part == "bins" else 6
            config, file = write_instrument(place, rows=length, bins=count, gaps=broken)
            _, other = write_instrument(place, rows=length, bins=count, gaps=broken, seed=1)
        search = ALL_LISTED if part == "events" else ()
        for name, arguments in verbs(config, (file, other), run, settings, search):
            if not only or name in only:
                cost = count_rates(arguments, limit)
                click.echo(f"{run.name} {name}: {cost}", err=True)
                costs.setdefault(name, []).append(cost)
    click.echo(f"{part}, {os.cpu_count()} cores, {limit:g} GiB of address space, in {place}\n")
    click.echo("| verb | s | s of cores | resident, GiB | address space, GiB | exponent |\n|---|---|---|---|---|---|")
    for name, ones in costs.items():
        last = ones[-1]
        grown = f"{math.log(last.busy / ones[0].busy) / math.log(growth):.2f}" if len(ones) > 1 else ""
        click.echo(
            f"| {name} | {last.seconds:.1f} | {last.busy:.1f} | {last.resident:.2f} | {last.space:.2f} | {grown} |"
            f"{f' {last.failed}' if last.failed else ''}"
        )


if __name__ == "__main__":
    main()
