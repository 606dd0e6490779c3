"""Time and peak memory of every verb on one file, each in a process of its own.

Run it as ``python benchmarks/verbs.py --days 10`` on a simulated mission, or on a file as
``python benchmarks/verbs.py -c configs/rhessi.toml -i ../shared/data/rhessi_20110404.root``.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import click


def timed_command(arguments: list[str]) -> tuple[float, float]:
    """Run a verb; return its wall time, s, and peak resident memory, GB."""
    started = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, "-m", "polarbgb", *arguments]
    process = os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    if status != 0:
        raise SystemExit(f"polarbgb {' '.join(arguments)}: exit status {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - started, usage.ru_maxrss * 1024 / 1e9


@click.command()
@click.option("-c", "--config", default="configs/polar.toml", show_default=True)
@click.option("-i", "--input", "path", help="ROOT file.  [default: a simulated mission]")
@click.option("--days", default=10.0, show_default=True, help="Length of the simulated mission.")
@click.option("-r", "--run", "folder", help="Run folder.  [default: a temporary one]")
@click.option("--set", "overrides", multiple=True)
def main(config: str, path: str | None, days: float, folder: str | None, overrides: tuple[str, ...]) -> None:
    """Run all verbs and print a table."""
    place = Path(folder or tempfile.mkdtemp())
    rows = []
    if path is None:
        path = str(place / "mission.root")
        rows.append(("simulate", timed_command(["simulate", path, "--days", str(days), "--overwrite", "-q"])))
    settings = [part for text in overrides for part in ("--set", text)]
    on_file = ["-c", config, "-i", path, *settings, "-q"]
    rows.append(("inspect", timed_command(["inspect", *on_file])))
    rows += [(verb, timed_command([verb, *on_file, "-r", str(place)])) for verb in ("tune", "fit")]
    rows += [(verb, timed_command([verb, "-r", str(place), "-q"])) for verb in ("detect", "explain", "export")]
    click.echo(f"{path}, {os.cpu_count()} cores, run folder {place}\n\n| verb | s | GB |\n|---|---|---|")
    for verb, (seconds, memory) in rows:
        click.echo(f"| {verb} | {seconds:.1f} | {memory:.2f} |")


if __name__ == "__main__":
    main()
