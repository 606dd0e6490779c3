"""The commands that predict the background, and those before: simulate, inspect, tune, fit, predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polarbgb.cli import options
from polarbgb.cli.command import command
from polarbgb.cli.options import Value

if TYPE_CHECKING:
    from polarbgb.cli.terminal import Terminal
    from polarbgb.runs.folder import RunFolder


@command(
    epilog=options.examples(
        "polarbgb simulate mission.root --days 10 --seed 1",
        "polarbgb simulate storm.root --days 2 --set particles=5 --quirks none",
    )
)
@click.argument("path", type=options.FILE)
@options.add(
    click.option("--days", default=10.0, show_default=True, help="Length of the mission."),
    click.option("--seed", default=0, show_default=True, help="Seed of all random numbers."),
    click.option("--first-day", default=0, show_default=True, help="First day of the mission to write."),
    click.option(
        "--quirks",
        type=click.Choice(["none", "real", "old-file"]),
        default="real",
        show_default=True,
        help="Flaws of the file: none, those of nf1rate.root, or those of its older version.",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting listed above; may be repeated."
    ),
    options.overwrite,
)
def simulate(terminal: Terminal, **arguments: Value) -> None:
    """Write a simulated POLAR mission to PATH.

    A table of the true events, PATH with the suffix .truth.parquet, is written beside it.

    \b
    Settings, mean numbers per day:
      long_bursts=1.9  short_bursts=0.7  flares=1.5  particles=0.5  saa_edges=0.4
      sags=0.3  gain_steps=0.1  telemetry_spikes=1.0  crab_steps=0.1
    and:
      leak=0.02    share of a burst's counts that fe_cosmic counts as cosmic rays
      unnamed=1.0  strength of the nuisances that no column describes

    The days of a mission can be written to several files: with the same seed, --first-day 5
    continues where --days 5 ended.
    """  # noqa: D301 - click keeps the lines after \b as they are
    from polarbgb.workflow.simulate import simulate

    terminal.show(simulate(**arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb inspect -c configs/rhessi.toml -i rhessi.root"))
@options.add(options.config, options.input_file, options.settings)
def inspect(terminal: Terminal, **arguments: Value) -> None:
    """Show what a file holds, and which rows will be dropped and why."""
    from polarbgb.workflow.inspect import inspect

    config = options.take_config(arguments)
    terminal.show(inspect(config, **arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb tune -i mission.root -r outputs/a --trials 30"))
@options.add(
    options.config,
    options.input_file,
    options.run_folder,
    options.backend,
    options.training_device,
    click.option("--trials", type=click.IntRange(1), help="Number of trials, including those of earlier calls."),
    click.option("--timeout", type=float, help="Start no trial after this many seconds."),
    click.option("--storage", help="File or database URL of a study that several processes share."),
    options.settings,
)
def tune(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """Search for the best hyperparameters; an interrupted study continues."""
    from polarbgb.workflow.tune import tune

    config = options.take_config(arguments)
    terminal.show(tune(config, options.folder_or_default(run, config), **arguments, track=terminal.track))


@command(
    epilog=options.examples(
        "polarbgb fit -i mission.root -r outputs/a", "polarbgb fit -i mission.root -r outputs/b --set model.seed=1"
    )
)
@options.add(
    options.config,
    options.input_file,
    options.run_folder,
    options.backend,
    options.training_device,
    click.option(
        "--params",
        "parameters",
        type=options.FILE,
        help="A best.toml of tune.  [default: that of the run folder, if it was tuned]",
    ),
    options.scheduler,
    options.settings,
)
def fit(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """Predict the background of every row by models that never saw its orbit."""
    from polarbgb.workflow.fit import fit

    config = options.take_config(arguments)
    terminal.show(fit(config, options.folder_or_default(run, config), **arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb predict -r outputs/a -i later.root --into outputs/later"))
@options.add(
    options.run_folder,
    options.input_files("File to predict: ROOT, FITS, Parquet or CSV; several are one mission.", required=True),
    click.option("--into", type=options.RUN_FOLDER, required=True, help="New run folder for the result."),
    options.prediction_device,
)
def predict(terminal: Terminal, *, run: RunFolder | None, into: RunFolder, **arguments: Value) -> None:
    """Predict another file by the models of a fitted run."""
    from polarbgb.workflow.predict import predict

    terminal.show(predict(options.folder_or_default(run), into, **arguments, track=terminal.track))
