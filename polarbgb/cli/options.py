"""Options that several commands share, and the values that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from polarbgb.config import Config
    from polarbgb.config.types import Paths
    from polarbgb.runs.folder import RunFolder

Command = Callable[..., None]
Option = Callable[[Command], Command]
Value: TypeAlias = Any
"""Value of an option; click checks its type."""

DEFAULT_CONFIG = "configs/polar.toml"

_SETTINGS = {
    "backend": "model.backend",
    "device": "model.device",
    "trials": "tune.trials",
    "timeout": "tune.timeout",
}
"""Options that stand for a setting of the configuration."""


class _FileType(click.Path):
    """A path that is not empty, as that of a shell variable that is not set is; it would be the current folder."""

    def convert(self, value: Value, param: click.Parameter | None, ctx: click.Context | None) -> Value:
        if value == "":
            self.fail("the name is empty", param, ctx)
        return super().convert(value, param, ctx)


class _RunFolderType(click.ParamType):  # type: ignore[type-arg] # generic in the stubs alone
    """A path that becomes a :class:`polarbgb.runs.folder.RunFolder`."""

    name = "path"

    def convert(self, value: Value, param: click.Parameter | None, ctx: click.Context | None) -> RunFolder:
        from polarbgb.runs.folder import RunFolder

        del param, ctx
        return value if isinstance(value, RunFolder) else RunFolder(Path(value))


class _BinsType(click.ParamType):  # type: ignore[type-arg] # generic in the stubs alone
    """Numbers of energy bins and ranges of them, as in 0,5,10-12."""

    name = "bins"

    def convert(self, value: Value, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        bins: list[int] = []
        for part in value.split(","):
            first, dash, last = part.strip().partition("-")
            if not (first.isdecimal() and (last if dash else first).isdecimal()):
                self.fail(f"'{part}' is not a number or a range, such as 5 or 10-12", param, ctx)
            bins += range(int(first), int(last or first) + 1)
        return tuple(bins)


def input_files(help_text: str, *, required: bool = False, name: str = "path") -> Option:
    """Return the option -i, whose value is a path, several paths, or None, and is passed on as ``name``."""

    def few(context: click.Context, option: click.Parameter, paths: tuple[Path, ...]) -> Paths | None:
        del context, option
        return paths[0] if len(paths) == 1 else paths or None

    return click.option(
        "-i", "--input", name, type=FILE, multiple=True, required=required, callback=few, help=help_text
    )


def _once(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Return settings, of which none may be given twice."""
    keys = [text.partition("=")[0].strip() for text in overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise click.UsageError(f"{key} is set {keys.count(key)} times; set it once")
    return overrides


FILE = _FileType(path_type=Path)
RUN_FOLDER = _RunFolderType()

config = click.option(
    "-c",
    "--config",
    "config_path",
    default=DEFAULT_CONFIG,
    show_default=True,
    type=FILE,
    help="Configuration of the instrument.",
)
input_file = input_files(
    "File of data: ROOT, FITS, Parquet or CSV, a pattern or a folder; several are one mission.  "
    "[default: that of the configuration]"
)
moved_input = input_files("The fitted file, if it was moved; several as in fit.")
run_folder = click.option("-r", "--run", type=RUN_FOLDER, help="Run folder.  [default: outputs/<instrument>]")
settings = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=VALUE",
    callback=lambda context, option, overrides: _once(overrides),
    help="Override a setting of the configuration; may be repeated.",
)
bins = click.option(
    "--bins",
    type=_BinsType(),
    metavar="0,5,10-12",
    help="Energy bins to show, counted from 0.  [default: all, or 12 from the first to the last if there are more]",
)
backend = click.option("--backend", type=click.Choice(["xgboost", "lightgbm"]), help="Library of the boosted trees.")
training_device = click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Device that trains the trees.")
prediction_device = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Device that evaluates the trees.",
)
scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler whose workers train the models, or local:N for N processes on this machine.",
)
overwrite = click.option("--overwrite", is_flag=True, help="Replace files that exist.")
_output: tuple[Option, ...] = (
    click.option("-v", "--verbose", is_flag=True, help="List every file written, and all rows of long tables."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)


def add(*added: Option) -> Option:
    """Add options to a command, those of the output last, and pass it a ``terminal`` that follows them."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_terminal(*, verbose: bool, quiet: bool, as_json: bool, **arguments: Value) -> None:
            from polarbgb.cli.terminal import Terminal

            command(Terminal(verbose=verbose, quiet=quiet, as_json=as_json), **arguments)

        decorated: Command = with_terminal
        for option in reversed((*added, *_output)):
            decorated = option(decorated)
        return decorated

    return decorate


def examples(*lines: str) -> str:
    """Return the end of a command's help."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def take_config(arguments: dict[str, Value]) -> Config:
    """Load the configuration, and remove from the arguments of a command those that it is made of."""
    from polarbgb.config import load

    path, overrides = arguments.pop("config_path"), arguments.pop("overrides")
    chosen = {key: arguments.pop(option, None) for option, key in _SETTINGS.items()}
    return load(path, _once((*overrides, *(f"{key}={value}" for key, value in chosen.items() if value is not None))))


def folder_or_default(run: RunFolder | None, config: Config | None = None) -> RunFolder:
    """Return the run folder that was named, or the default of a configuration, which is POLAR's if None."""
    from polarbgb.config import load
    from polarbgb.runs.folder import RunFolder

    return run or RunFolder.default(config or load(Path(DEFAULT_CONFIG), ()))
