"""The commands that use a prediction: detect, explain, evaluate, plot, export, report."""

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
        "polarbgb detect -r outputs/a --far 0.3",
        "polarbgb detect -r outputs/a --method published --set intervals.sigma=4",
    )
)
@options.add(
    options.run_folder,
    click.option(
        "--far",
        type=click.FloatRange(0, min_open=True),
        metavar="PER_DAY",
        help="False-alarm rate of the list: false events per day.  [default: that of the configuration]",
    ),
    click.option(
        "--method",
        type=click.Choice(["focus", "published"]),
        default="focus",
        show_default=True,
        help="Ranked Poisson-FOCuS windows at a false-alarm rate, or the published clusters of rows beyond k sigma.",
    ),
    options.settings,
)
def detect(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """List the transients above the background, at a given false-alarm rate.

    Boosted trees rank the candidates; they are trained to separate injected transients from noise. The false-alarm
    rate of an event is the rate at which counts mirrored about the background rank as high.
    """
    from polarbgb.workflow.detect import detect

    terminal.show(detect(options.folder_or_default(run), **arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb explain -r outputs/a --rows 10000"))
@options.add(
    options.run_folder,
    options.moved_input,
    click.option("--rows", type=click.IntRange(1), help="Rows to explain.  [default: that of the configuration]"),
    click.option("--all-rows", is_flag=True, help="Explain every row; the time that it takes is printed first."),
    click.option(
        "--stability",
        metavar="RUN",
        type=options.RUN_FOLDER,
        help="Compare the importances with those of another explained run on the same file, with another seed.",
    ),
    click.option("--export", metavar="FILE", type=options.FILE, help="Write SHAP values to a .root or .parquet file."),
    click.option("--overwrite", is_flag=True, help="Replace that file if it exists."),
    options.prediction_device,
)
def explain(terminal: Terminal, *, run: RunFolder | None, rows: int | None, all_rows: bool, **arguments: Value) -> None:
    """Explain the prediction of every bin with SHAP values.

    The results are importances of features and groups of features, slopes, dependence, and how stable all of it is.
    """
    from polarbgb.workflow.explain import explain

    terminal.show(
        explain(
            options.folder_or_default(run),
            rows="all" if all_rows else rows,
            **arguments,
            announce=terminal.announce,
            track=terminal.track,
        )
    )


@command(epilog=options.examples("polarbgb evaluate -r outputs/a --inject --stability outputs/b"))
@options.add(
    options.run_folder,
    options.moved_input,
    click.option(
        "--reference",
        "references",
        multiple=True,
        metavar="FILE",
        type=options.FILE,
        help="Another prediction of the same rows: ROOT as published or exported, or Parquet with columns row and "
        "pred; may be repeated.",
    ),
    click.option("--inject", is_flag=True, help="Measure the detection efficiency with bursts added to the counts."),
    click.option(
        "--stability",
        metavar="RUN",
        type=options.RUN_FOLDER,
        help="Compare the list of events with that of another run on the same file, with another seed.",
    ),
    options.settings,
)
def evaluate(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """Measure how good the prediction is, overall and by regime.

    Other predictions of the same rows and simple baselines are scored on the same held-out rows.
    """
    from polarbgb.workflow.evaluate import evaluate

    terminal.show(evaluate(options.folder_or_default(run), **arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb plot -r outputs/a --format pdf"))
@options.add(
    options.run_folder,
    click.option(
        "--format",
        type=click.Choice(["png", "pdf", "svg"]),
        default="png",
        show_default=True,
        help="Format of the figures.",
    ),
    options.bins,
)
def plot(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """Draw every figure that the results of a run allow, into its folder plots."""
    from polarbgb.workflow.plot import plot

    terminal.show(plot(options.folder_or_default(run), **arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb export -r outputs/a result.root --overwrite"))
@click.argument("path", type=options.FILE, required=False)
@options.add(
    options.run_folder,
    click.option(
        "--format",
        type=click.Choice(["root", "rntuple", "fits", "csv", "ecsv", "parquet", "gcn"]),
        help="Format of the file.  [default: by the suffix of PATH]",
    ),
    click.option(
        "--table",
        type=click.Choice(["events", "prediction", "gti", "clusters", "candidates"]),
        help="Table to write to a csv, ecsv or parquet file.  [default: events]",
    ),
    click.option("--overwrite", is_flag=True, help="Replace PATH if it exists."),
)
def export(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """Write prediction, intervals and events to a file.

    PATH is export.root in the run folder if it is not given.

    \b
    By suffix:
      .root      TTrees; with --format rntuple, RNTuples
      .fits      events, good time intervals and light curve
      .csv .ecsv .parquet
                 one table
    With --format gcn, PATH is a folder with one JSON file per event, for GCN.
    """  # noqa: D301 - click keeps the lines after \b as they are
    from polarbgb.workflow.export import export

    terminal.show(export(options.folder_or_default(run), **arguments, track=terminal.track))


@command(epilog=options.examples("polarbgb report -r outputs/a --plots pdf"))
@click.argument("path", type=options.FILE, required=False)
@options.add(
    options.run_folder,
    click.option(
        "--events",
        type=click.IntRange(0),
        default=40,
        show_default=True,
        help="Number of events drawn, lowest false-alarm rate first; up to 5000 are listed.",
    ),
    options.bins,
    click.option("--plots", type=click.Choice(["png", "pdf", "svg"]), help="Also write every figure, as plot does."),
    click.option("--overwrite", is_flag=True, help="Replace PATH if it exists."),
)
def report(terminal: Terminal, *, run: RunFolder | None, **arguments: Value) -> None:
    """Write the results to one HTML page that opens without a network.

    PATH is report.html in the run folder if it is not given.
    """
    from polarbgb.workflow.report import report

    terminal.show(report(options.folder_or_default(run), **arguments, track=terminal.track))
