"""The commands that run all steps: `polarbgb run` and `polarbgb demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from polarbgb.cli import options
from polarbgb.cli.command import command
from polarbgb.cli.options import Value
from polarbgb.errors import UserError

if TYPE_CHECKING:
    from polarbgb.cli.terminal import Terminal
    from polarbgb.config.types import Paths
    from polarbgb.runs.folder import RunFolder


@command(
    epilog=options.examples(
        "polarbgb run -c configs/rhessi.toml -i rhessi.root -r outputs/rhessi",
        "polarbgb run --reproduce outputs/rhessi/manifest.json",
    )
)
@options.add(
    options.config,
    options.input_file,
    options.run_folder,
    options.backend,
    options.training_device,
    options.scheduler,
    options.settings,
    click.option(
        "--reproduce",
        "manifest",
        metavar="MANIFEST",
        type=options.FILE,
        help="Repeat the stages of a run folder's manifest.json with their settings, in another folder, and compare.",
    ),
)
def run(
    terminal: Terminal, *, run: RunFolder | None, path: Paths | None, manifest: Path | None, **arguments: Value
) -> None:
    """Run all steps on one file, from inspect to report.

    The steps are inspect, tune, fit, detect, explain, export and report. If the command is interrupted, the same
    command continues from there.
    """
    if manifest is not None:
        _reproduce(terminal, manifest, run, path)
        return
    from polarbgb.workflow.run import run as run_all

    config = options.take_config(arguments)
    run_all(
        config,
        options.folder_or_default(run, config),
        path=path,
        **arguments,
        on_result=terminal.on_result,
        announce=terminal.announce,
        track=terminal.track,
    )
    terminal.close()


def _reproduce(terminal: Terminal, manifest: Path, run: RunFolder | None, path: Paths | None) -> None:
    from polarbgb.workflow.reproduce import reproduce

    context = click.get_current_context()
    settings = ("config_path", "backend", "device", "scheduler", "overrides")
    if any(context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE for name in settings):
        raise UserError("--reproduce takes all settings from the manifest; give only --input and --run with it")
    result = reproduce(
        manifest,
        run,
        path=path,
        on_result=terminal.on_result,
        announce=terminal.announce,
        track=terminal.track,
    )
    terminal.on_result(result)
    terminal.close()


@command(epilog=options.examples("polarbgb demo --days 5 -r outputs/demo"))
@options.add(
    click.option(
        "-r", "--run", "folder", default="outputs/demo", show_default=True, type=options.FILE, help="Run folder."
    ),
    click.option("--days", default=5.0, show_default=True, help="Length of the simulated mission."),
    click.option("--seed", default=0, show_default=True, help="Seed of the simulation."),
)
def demo(terminal: Terminal, **arguments: Value) -> None:
    """Simulate a short POLAR mission and run all steps on it."""
    from polarbgb.workflow.demo import demo

    demo(**arguments, on_result=terminal.on_result, announce=terminal.announce, track=terminal.track)
    terminal.close()
