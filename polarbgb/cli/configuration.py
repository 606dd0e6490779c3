"""The commands `polarbgb config show` and `polarbgb config init`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polarbgb.cli import options
from polarbgb.cli.command import OnceCommand
from polarbgb.cli.options import Value

if TYPE_CHECKING:
    from polarbgb.cli.terminal import Terminal


@click.group()
def config() -> None:
    """Print a configuration with all defaults, or write one for another detector."""


@config.command(
    cls=OnceCommand, epilog=options.examples("polarbgb config show -c configs/rhessi.toml --set trigger.far=1")
)
@options.add(options.config, options.settings)
def show(terminal: Terminal, **arguments: Value) -> None:
    """Print a configuration with every default written out, as TOML."""
    from polarbgb.config.text import to_toml

    config = options.take_config(arguments)
    terminal.show_text(to_toml(config), config.model_dump(mode="json"))


@config.command(
    cls=OnceCommand,
    epilog=options.examples(
        "polarbgb config init mine.toml -i mine.root", "polarbgb config init mine.toml --from rhessi"
    ),
)
@click.argument("path", type=options.FILE)
@options.add(
    click.option(
        "--from",
        "base",
        type=click.Choice(["nustar", "polar", "rhessi"]),
        help="Start from the settings of this instrument, as far as they fit.",
    ),
    options.input_files(
        "File of the detector, from which the settings are proposed; may be repeated.  [default: placeholders]",
        name="source",
    ),
    options.overwrite,
)
def init(terminal: Terminal, **arguments: Value) -> None:
    """Write a configuration to PATH for you to edit, with a comment on every key.

    With files of your detector it fits them: time and its format, length of the rows, rates, live time, position and
    features are proposed, and what could not be decided is marked CHECK.
    """
    from polarbgb.workflow.config import init_config

    terminal.show(init_config(**arguments, track=terminal.track))
