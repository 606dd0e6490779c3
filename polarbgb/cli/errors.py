"""The group of commands that reports errors of the user in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from polarbgb.errors import UserError

_LONGEST = 3000
"""Characters of a message: an expression may have 2000."""


class OneLineErrors(click.Group):
    """Print an error that the user can correct in one line and exit with 2; other errors keep their traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:  # noqa: ANN401
        """Run the command that was typed."""
        with _without_display():
            return self._main(*args, standalone_mode=standalone_mode, **extra)

    def _main(self, *args: Any, standalone_mode: bool, **extra: Any) -> Any:  # noqa: ANN401
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        try:
            raise SystemExit(run(*args, standalone_mode=False, **extra) or 0)
        except click.ClickException as error:
            message = error.format_message()
        except UserError as error:
            message = str(error)
        except OSError as error:
            if error.filename is None:
                raise
            message = f"{error.filename}: {error.strerror}"
        except MemoryError as error:
            message = f"out of memory ({error or 'no more is free'}): free some, or raise the limit (ulimit -v)"
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted; finished work is kept, and the same command continues from there", err=True)
            raise SystemExit(130) from None
        click.echo(f"error: {_on_one_line(message)}", err=True)
        raise SystemExit(2)


@contextmanager
def _without_display() -> Iterator[None]:
    """Let no library, here or in worker processes, look for the backend of a notebook that runs the command."""
    backend = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "agg"
    try:
        yield
    finally:
        os.environ.pop("MPLBACKEND")
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


def printable(text: str) -> str:
    """Write characters that a terminal should not receive, such as escape sequences in a file name, as codes."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


def _on_one_line(message: str) -> str:
    text = " ".join(message.split())
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return printable(text)
