"""The command line: one thin command a verb, each a call of the library function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from polarbgb import __version__
from polarbgb.errors import UserError

if TYPE_CHECKING:
    from polarbgb.cli.terminal import Terminal
    from polarbgb.config import Config
    from polarbgb.runs.folder import RunFolder
    from polarbgb.simulation.recipe import Quirks
    from polarbgb.workflow.export import Format, TableName

_LONGEST = 3000
"""Characters of a message: an expression may have 2000."""

Command = TypeVar("Command", bound=Callable[..., Any])


class _OneLineErrors(click.Group):
    """Tells what the user can mend in one line, and exits with 2; bugs keep their traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:  # noqa: ANN401
        plain: Callable[..., Any] = super().main
        if not standalone_mode:
            return plain(*args, standalone_mode=False, **extra)
        try:
            raise SystemExit(plain(*args, standalone_mode=False, **extra) or 0)
        except click.ClickException as error:
            message = error.format_message()
        except UserError as error:
            message = str(error)
        except OSError as error:
            if error.filename is None:
                raise
            message = f"{error.filename}: {error.strerror}"
        except MemoryError as error:
            message = f"out of memory ({error or 'no more of it is free'}): free some, or raise the limit (ulimit -v)"
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted; what was finished is kept, and the same command goes on from there", err=True)
            raise SystemExit(130) from None
        click.echo(f"error: {_on_one_line(message)}", err=True)
        raise SystemExit(2)


def _on_one_line(message: str) -> str:
    """Write what no terminal should be sent, such as escape sequences of a file's name, as codes."""
    text = " ".join(message.split())
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


@click.group(
    cls=_OneLineErrors,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="polarbgb")
@click.pass_context
def main(context: click.Context) -> None:
    """Predict the background of gamma-ray count rates with boosted trees, and list what is left.

    \b
    Try it:            polarbgb demo
    On your own file:  polarbgb run -c configs/polar.toml -i nf1rate.root
    """  # noqa: D301 - click keeps the lines after \b as they are
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        return
    from polarbgb.memory import spare_address_space

    spare_address_space()


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _example(*lines: str) -> str:
    """Return the end of a command's help."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


_FILE = click.Path(path_type=Path)
_config = click.option(
    "-c",
    "--config",
    "config_path",
    default="configs/polar.toml",
    show_default=True,
    type=_FILE,
    help="The instrument.",
)
_input = click.option("-i", "--input", "path", type=_FILE, help="ROOT file.  [default: the configuration's]")
_run = click.option("-r", "--run", "folder", type=_FILE, help="Run folder.  [default: outputs/<instrument>]")
_set = click.option(
    "--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Override a setting; may be repeated."
)
_flags = _options(
    click.option("-v", "--verbose", is_flag=True, help="List every file written, and more."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)


def _output(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its ``terminal``, made from the flags that say what is printed."""

    @wraps(command)
    def with_terminal(*, verbose: bool, quiet: bool, as_json: bool, **arguments: Any) -> None:  # noqa: ANN401
        from polarbgb.cli.terminal import Terminal

        command(terminal=Terminal(verbose=verbose, quiet=quiet, as_json=as_json), **arguments)

    return _flags(with_terminal)


class _Numbers(click.ParamType):  # type: ignore[type-arg] # generic to the checker alone
    """Whole numbers and ranges of them, as in 0,5,10-12."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:  # noqa: ANN401
        if isinstance(value, tuple):
            return value
        numbers: list[int] = []
        for part in value.split(","):
            first, dash, last = part.strip().partition("-")
            if not (first.isdecimal() and (last if dash else first).isdecimal()):
                self.fail(f"'{part}' is no number or range, such as 5 or 10-12", param, ctx)
            numbers += range(int(first), int(last or first) + 1)
        return tuple(numbers)


_bins = click.option(
    "--bins",
    type=_Numbers(),
    metavar="0,5,10-12",
    help="Energy bins shown, by number.  [default: all; of more than 12 as many, from the first to the last]",
)
_device = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where trees predict."
)
_model = _options(
    click.option("--backend", type=click.Choice(["xgboost", "lightgbm"]), help="Boosted trees by which library."),
    click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Where trees grow."),
)
_scheduler = click.option(
    "--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers do the fits, or local:N for N processes here."
)


@main.command(
    epilog=_example(
        "polarbgb simulate mission.root --days 10 --seed 1",
        "polarbgb simulate storm.root --days 2 --set particles=5 --quirks none",
    )
)
@click.argument("path", type=_FILE)
@click.option("--days", default=10.0, show_default=True, help="Length of the mission.")
@click.option("--seed", default=0, show_default=True, help="Of all randomness.")
@click.option("--first-day", default=0, show_default=True, help="Day of the mission to begin with.")
@click.option(
    "--quirks",
    type=click.Choice(["none", "real", "old-file"]),
    default="real",
    show_default=True,
    help="Flaws of the file: none, those of nf1rate.root, or of its older version.",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting; may be repeated.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@_output
def simulate(
    *,
    path: Path,
    days: float,
    seed: int,
    first_day: int,
    quirks: Quirks,
    settings: tuple[str, ...],
    overwrite: bool,
    terminal: Terminal,
) -> None:
    """Write a simulated POLAR mission to PATH, with a table of the truth beside it.

    \b
    Settings, mean numbers a day:
      long_bursts=1.9  short_bursts=0.7  flares=1.5  particles=0.5  saa_edges=0.4
      sags=0.3  gain_steps=0.1  telemetry_spikes=1.0  crab_steps=0.1
    and:
      leak=0.02    share of a burst's counts that fe_cosmic takes for cosmic rays
      unnamed=1.0  strength of the effects that no column names

    The days of a mission can be written to several files: with the same seed, --first-day 5
    goes on where --days 5 ended.
    """  # noqa: D301 - click keeps the lines after \b as they are
    from polarbgb.workflow.simulate import simulate

    terminal.end(
        simulate(
            path,
            days=days,
            seed=seed,
            first_day=first_day,
            quirks=quirks,
            settings=settings,
            overwrite=overwrite,
            track=terminal.track,
        )
    )


@main.command(epilog=_example("polarbgb inspect -c configs/rhessi.toml -i rhessi.root"))
@_options(_config, _input, _set, _output)
def inspect(
    *,
    config_path: Path,
    path: Path | None,
    overrides: tuple[str, ...],
    terminal: Terminal,
) -> None:
    """Show what a file holds, and which rows will be dropped and why."""
    from polarbgb.workflow.inspect import inspect

    terminal.end(inspect(_load(config_path, overrides), path=path, track=terminal.track))


@main.command(epilog=_example("polarbgb tune -i mission.root -r outputs/a --trials 30"))
@_options(_config, _input, _run, _model)
@click.option("--trials", type=click.IntRange(1), help="Trials in all, earlier ones included.")
@click.option("--timeout", type=float, help="Start no trial after so many seconds.")
@click.option("--storage", help="File or database URL of a study that several processes share.")
@_options(_set, _output)
def tune(
    *,
    config_path: Path,
    path: Path | None,
    folder: Path | None,
    backend: str | None,
    device: str | None,
    trials: int | None,
    timeout: float | None,
    storage: str | None,
    overrides: tuple[str, ...],
    terminal: Terminal,
) -> None:
    """Search hyperparameters; a study that was broken off goes on."""
    from polarbgb.workflow.tune import tune

    config = _load(config_path, overrides, backend=backend, device=device, trials=trials, timeout=timeout)
    terminal.end(tune(config, _folder(folder, config), path=path, storage=storage, track=terminal.track))


@main.command(
    epilog=_example(
        "polarbgb fit -i mission.root -r outputs/a", "polarbgb fit -i mission.root -r outputs/b --set model.seed=1"
    )
)
@_options(_config, _input, _run, _model)
@click.option("--params", "parameters", type=_FILE, help="A best.toml.  [default: the run folder's, if tuned]")
@_options(_scheduler, _set, _output)
def fit(
    *,
    config_path: Path,
    path: Path | None,
    folder: Path | None,
    backend: str | None,
    device: str | None,
    parameters: Path | None,
    scheduler: str | None,
    overrides: tuple[str, ...],
    terminal: Terminal,
) -> None:
    """Predict the background of every row by models that never saw its orbit."""
    from polarbgb.workflow.fit import fit

    config = _load(config_path, overrides, backend=backend, device=device)
    terminal.end(
        fit(
            config,
            _folder(folder, config),
            path=path,
            parameters=parameters,
            scheduler=scheduler,
            track=terminal.track,
        )
    )


@main.command(epilog=_example("polarbgb predict -r outputs/a -i later.root --into outputs/later"))
@_options(_run)
@click.option("-i", "--input", "path", type=_FILE, required=True, help="ROOT file to predict.")
@click.option("--into", type=_FILE, required=True, help="New run folder for the result.")
@_device
@_output
def predict(
    *,
    folder: Path | None,
    path: Path,
    into: Path,
    device: Literal["cpu", "cuda"],
    terminal: Terminal,
) -> None:
    """Predict another file by the models of a fitted run."""
    from polarbgb.runs.folder import RunFolder
    from polarbgb.workflow.predict import predict

    terminal.end(predict(_folder(folder), RunFolder(into), path=path, device=device, track=terminal.track))


@main.command(
    epilog=_example(
        "polarbgb detect -r outputs/a --far 0.3",
        "polarbgb detect -r outputs/a --method published --set intervals.sigma=4",
    )
)
@_options(_run)
@click.option(
    "--far",
    type=click.FloatRange(0, min_open=True),
    metavar="PER_DAY",
    help="False-alarm rate of the list: how many false events a day it may hold.  [default: the configuration's]",
)
@click.option(
    "--method",
    type=click.Choice(["focus", "published"]),
    default="focus",
    show_default=True,
    help="Ranked Poisson-FOCuS windows at a false-alarm rate, or the published clusters of rows beyond k sigma.",
)
@_options(_set, _output)
def detect(
    *,
    folder: Path | None,
    far: float | None,
    method: Literal["focus", "published"],
    overrides: tuple[str, ...],
    terminal: Terminal,
) -> None:
    """List what the background does not explain, at the false-alarm rate that is asked for.

    Candidates are ranked by boosted trees that tell injected transients from noise. The false-alarm rate of
    an event is how often counts mirrored about the background rank as high.
    """
    from polarbgb.workflow.detect import detect

    terminal.end(detect(_folder(folder), far=far, method=method, overrides=overrides, track=terminal.track))


@main.command(epilog=_example("polarbgb explain -r outputs/a --rows 10000"))
@_options(_run)
@click.option("-i", "--input", "path", type=_FILE, help="The fitted file, where it was moved.")
@click.option("--rows", type=click.IntRange(1), help="Rows explained.  [default: the configuration's]")
@click.option("--all-rows", is_flag=True, help="Explain every row: how long that takes is told first.")
@click.option(
    "--stability",
    metavar="RUN",
    type=_FILE,
    help="Also compare the importances with those of another explained run on the same file, with another seed.",
)
@click.option(
    "--export", "target", metavar="FILE", type=_FILE, help="Also write SHAP values to a .root or .parquet file."
)
@click.option("--overwrite", is_flag=True, help="Replace that file if it is there.")
@_device
@_output
def explain(
    *,
    folder: Path | None,
    path: Path | None,
    rows: int | None,
    all_rows: bool,
    stability: Path | None,
    target: Path | None,
    overwrite: bool,
    device: Literal["cpu", "cuda"],
    terminal: Terminal,
) -> None:
    """Explain the prediction of every bin: SHAP values by feature and group, slopes, dependence, stability."""
    from polarbgb.workflow.explain import explain

    terminal.end(
        explain(
            _folder(folder),
            path=path,
            rows="all" if all_rows else rows,
            device=device,
            stability=None if stability is None else _folder(stability),
            export=target,
            overwrite=overwrite,
            announce=terminal.announce,
            track=terminal.track,
        )
    )


@main.command(epilog=_example("polarbgb evaluate -r outputs/a --inject --stability outputs/b"))
@_options(_run)
@click.option("-i", "--input", "path", type=_FILE, help="The fitted file, where it was moved.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="FILE",
    type=_FILE,
    help="Another prediction of the same rows: ROOT as published or exported, or Parquet of row and pred; "
    "may be repeated.",
)
@click.option("--inject", is_flag=True, help="Also add bursts to the counts, search, and count those that are found.")
@click.option(
    "--stability",
    metavar="RUN",
    type=_FILE,
    help="Also compare the list of events with that of another run on the same file, with another seed.",
)
@_options(_set, _output)
def evaluate(
    *,
    folder: Path | None,
    path: Path | None,
    references: tuple[Path, ...],
    inject: bool,
    stability: Path | None,
    overrides: tuple[str, ...],
    terminal: Terminal,
) -> None:
    """Judge the prediction by regime, beside other predictions and backgrounds that need no model."""
    from polarbgb.workflow.evaluate import evaluate

    terminal.end(
        evaluate(
            _folder(folder),
            path=path,
            references=references,
            inject=inject,
            stability=None if stability is None else _folder(stability),
            overrides=overrides,
            track=terminal.track,
        )
    )


@main.command(epilog=_example("polarbgb plot -r outputs/a --format pdf"))
@_options(_run)
@click.option(
    "--format",
    type=click.Choice(["png", "pdf", "svg"]),
    default="png",
    show_default=True,
    help="Pictures, or figures for a paper.",
)
@_bins
@_output
def plot(
    *,
    folder: Path | None,
    format: Literal["png", "pdf", "svg"],  # noqa: A002
    bins: tuple[int, ...] | None,
    terminal: Terminal,
) -> None:
    """Draw every figure that the results of a run allow into its folder plots."""
    from polarbgb.workflow.plot import plot

    terminal.end(plot(_folder(folder), format=format, bins=bins, track=terminal.track))


@main.command(epilog=_example("polarbgb export -r outputs/a result.root --overwrite"))
@click.argument("path", type=_FILE, required=False)
@_options(_run)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["root", "rntuple", "fits", "csv", "ecsv", "parquet", "gcn"]),
    help="What is written.  [default: by the suffix of PATH]",
)
@click.option(
    "--table",
    type=click.Choice(["events", "prediction", "gti", "clusters", "candidates"]),
    help="The one that a csv, ecsv or parquet file holds.  [default: events]",
)
@click.option("--overwrite", is_flag=True, help="Replace PATH if it is there.")
@_output
def export(
    *,
    path: Path | None,
    folder: Path | None,
    format_name: Format | None,
    table: TableName | None,
    overwrite: bool,
    terminal: Terminal,
) -> None:
    """Write prediction, intervals and events to PATH, or to export.root of the run folder.

    \b
    By suffix:
      .root      TTrees; with --format rntuple, RNTuples
      .fits      events, good time intervals and light curve
      .csv .ecsv .parquet
                 one table
    and --format gcn makes PATH a folder with a JSON file an event, for GCN.
    """  # noqa: D301 - click keeps the lines after \b as they are
    from polarbgb.workflow.export import export

    terminal.end(
        export(_folder(folder), path, format=format_name, table=table, overwrite=overwrite, track=terminal.track)
    )


@main.command(epilog=_example("polarbgb report -r outputs/a --plots pdf"))
@click.argument("path", type=_FILE, required=False)
@_options(_run)
@click.option(
    "--events",
    type=click.IntRange(0),
    default=40,
    show_default=True,
    help="Events drawn, lowest false-alarm rate first; 5000 are listed.",
)
@_bins
@click.option("--plots", type=click.Choice(["png", "pdf", "svg"]), help="Also every figure as files, as plot does.")
@click.option("--overwrite", is_flag=True, help="Replace PATH if it is there.")
@_output
def report(
    *,
    path: Path | None,
    folder: Path | None,
    events: int,
    bins: tuple[int, ...] | None,
    plots: Literal["png", "pdf", "svg"] | None,
    overwrite: bool,
    terminal: Terminal,
) -> None:
    """Write one HTML page to PATH, or to report.html of the run folder: it opens anywhere, without a network."""
    from polarbgb.workflow.report import report

    terminal.end(
        report(_folder(folder), path, events=events, bins=bins, plots=plots, overwrite=overwrite, track=terminal.track)
    )


@main.command(
    epilog=_example(
        "polarbgb run -c configs/rhessi.toml -i rhessi.root -r outputs/rhessi",
        "polarbgb run --reproduce outputs/rhessi/manifest.json",
    )
)
@_options(_config, _input, _run, _model, _scheduler, _set)
@click.option(
    "--reproduce",
    "manifest",
    metavar="MANIFEST",
    type=_FILE,
    help="Repeat what a run folder's manifest tells of, with its settings, in another folder, and compare.",
)
@_output
@click.pass_context
def run(
    context: click.Context,
    *,
    config_path: Path,
    path: Path | None,
    folder: Path | None,
    backend: str | None,
    device: str | None,
    scheduler: str | None,
    overrides: tuple[str, ...],
    manifest: Path | None,
    terminal: Terminal,
) -> None:
    """Do it all on one file: inspect, tune, fit, detect, explain, export, report.

    Broken off, it goes on where it was when it is typed again.
    """
    if manifest is not None:
        _reproduce(context, manifest, folder, path, terminal)
        return
    from polarbgb.workflow.run import run

    config = _load(config_path, overrides, backend=backend, device=device)
    run(
        config,
        _folder(folder, config),
        path=path,
        scheduler=scheduler,
        tell=terminal.tell,
        announce=terminal.announce,
        track=terminal.track,
    )
    terminal.close()


def _reproduce(
    context: click.Context, manifest: Path, folder: Path | None, path: Path | None, terminal: Terminal
) -> None:
    from polarbgb.workflow.reproduce import reproduce

    given = (name for name in ("config_path", "backend", "device", "scheduler", "overrides"))
    if any(context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE for name in given):
        raise UserError("--reproduce takes all settings from the manifest; give only --input and --run with it")
    repeated = reproduce(
        manifest,
        None if folder is None else _folder(folder),
        path=path,
        tell=terminal.tell,
        announce=terminal.announce,
        track=terminal.track,
    )
    terminal.tell(repeated)
    terminal.close()


@main.command(epilog=_example("polarbgb demo --days 1 -r outputs/demo"))
@click.option("-r", "--run", "folder", default="outputs/demo", show_default=True, type=_FILE, help="Run folder.")
@click.option("--days", default=2.0, show_default=True, help="Length of the simulated mission.")
@click.option("--seed", default=0, show_default=True, help="Of the simulation.")
@_output
def demo(*, folder: Path, days: float, seed: int, terminal: Terminal) -> None:
    """Simulate a short POLAR mission and do it all on that."""
    from polarbgb.workflow.demo import demo

    demo(
        folder,
        days=days,
        seed=seed,
        tell=terminal.tell,
        announce=terminal.announce,
        track=terminal.track,
    )
    terminal.close()


@main.group("config")
def configuration() -> None:
    """Print a configuration as it is resolved, or begin one for another detector."""


@configuration.command("show", epilog=_example("polarbgb config show -c configs/rhessi.toml --set trigger.far=1"))
@_options(_config, _set, _output)
def show_config(*, config_path: Path, overrides: tuple[str, ...], terminal: Terminal) -> None:
    """Print a configuration with every default written out, as TOML."""
    from polarbgb.config.text import to_toml

    config = _load(config_path, overrides)
    terminal.text(to_toml(config), config.model_dump(mode="json"))


@configuration.command(
    "init",
    epilog=_example("polarbgb config init mine.toml -i mine.root", "polarbgb config init mine.toml --from rhessi"),
)
@click.argument("path", type=_FILE)
@click.option(
    "--from",
    "base",
    type=click.Choice(["nustar", "polar", "rhessi"]),
    help="Begin with its settings.  [default: made-up names]",
)
@click.option("-i", "--input", "source", type=_FILE, help="ROOT file of the detector, whose branches are listed.")
@click.option("--overwrite", is_flag=True, help="Replace PATH if it is there.")
@_output
def init_config(*, path: Path, base: str | None, source: Path | None, overwrite: bool, terminal: Terminal) -> None:
    """Write a configuration to PATH, to be edited, with a comment on every key."""
    from polarbgb.workflow.config import init_config

    terminal.end(init_config(path, base=base, source=source, overwrite=overwrite))


def _load(path: Path, overrides: tuple[str, ...], **chosen: str | float | None) -> Config:
    """Read the configuration; options of their own name are settings like any other."""
    from polarbgb.config import load

    section = {"backend": "model", "device": "model", "trials": "tune", "timeout": "tune"}
    options = [f"{section[key]}.{key}={value}" for key, value in chosen.items() if value is not None]
    return load(path, (*overrides, *options))


def _folder(path: Path | None, config: Config | None = None) -> RunFolder:
    from polarbgb.runs.folder import RunFolder

    return RunFolder(path) if path else RunFolder.default(config or _load(Path("configs/polar.toml"), ()))
