"""Terminal output of a command: progress bars, tables, a line of summary and the files written."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import polars as pl
from rich import table as rich_table
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from polarbgb.cli.errors import printable
from polarbgb.reporting.table import Table, counted
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.results.result import Result

T = TypeVar("T")


_MOST_FIGURES = 6
"""Figures of a folder that are named one by one."""


class Terminal:
    """Show results on standard output and progress on standard error.

    Args:
        verbose: list every file, and all rows of long tables.
        quiet: show nothing.
        as_json: print the results as one JSON object, and nothing else, on standard output.
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False, as_json: bool = False) -> None:
        self._verbose = verbose
        self._quiet = quiet
        self._as_json = as_json
        # Paths and names may contain brackets and colons, which must not be read as markup or emoji.
        self._out = Console(quiet=quiet or as_json, highlight=False, markup=False, emoji=False)
        self._progress = Console(stderr=True, quiet=quiet, markup=False, emoji=False)
        self._results: list[tuple[Result, float]] = []
        self._last = time.monotonic()

    def track(self, steps: Iterable[T], *, label: str, total: int) -> Iterator[T]:
        """Show a progress bar; see :class:`polarbgb.progress.Track`."""
        columns = (
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._progress) as progress:
            yield from progress.track(steps, total=total, description=printable(label))

    def announce(self, rows: int, seconds: float) -> None:
        """Show how long an explanation will take, before it begins."""
        if not self._quiet:
            self._progress.print(f"explaining {counted(rows, 'row')} will take about {_duration(seconds)}")

    def on_result(self, result: Result) -> None:
        """Show the result of one command among several; :meth:`close` ends them."""
        now = time.monotonic()
        self._results.append((result, now - self._last))
        self._last = now
        self._out.rule(Text(result.command, "bold"), align="left")
        self._tables(result)
        if self._verbose:
            self._files([result])

    def close(self) -> None:
        """Show the summary of all commands, and where their files are."""
        table = rich_table.Table(title="summary", title_justify="left", title_style="bold")
        table.add_column("command")
        table.add_column("result")
        table.add_column("time", justify="right")
        for result, seconds in self._results:
            table.add_row(result.command, printable(result.summary()), _duration(seconds))
        table.add_section()
        table.add_row("all", "", _duration(sum(seconds for _, seconds in self._results)))
        self._out.print()
        self._out.print(table)
        self._files([result for result, _ in self._results])
        self._json({result.command: result for result, _ in self._results})

    def show(self, result: Result) -> None:
        """Show the result of a command that runs alone."""
        self._tables(result)
        self._out.print(f"{printable(result.summary())} in {_duration(time.monotonic() - self._last)}", style="bold")
        self._files([result])
        self._json(result)

    def show_text(self, text: str, values: object) -> None:
        """Show a text unchanged, as for a file; with ``--json`` print the values that it states."""
        self._out.print(text, end="", soft_wrap=True)
        self._json(values)

    def _tables(self, result: Result) -> None:
        for table in result.tables(verbose=self._verbose):
            self._out.print(*renderables(table, self._out.width), sep="\n")

    def _files(self, results: Iterable[Result]) -> None:
        """Name the files, and only the folder of many figures."""
        files = list(dict.fromkeys(path for result in results for path in result.files))
        in_folder = Counter(path.parent for path in files if path.parent.name == "plots")
        many = {folder: n for folder, n in in_folder.items() if n > _MOST_FIGURES and not self._verbose}
        for path in files:
            if path.parent not in many:
                self._out.print(f"  {printable(str(path))}", soft_wrap=True)
        for folder, number in many.items():
            self._out.print(f"  {folder} ({number} figures)", soft_wrap=True)

    def _json(self, value: object) -> None:
        if self._as_json:
            print(json.dumps(plain(value)))


def renderables(table: Table, width: int) -> list[RenderableType]:
    """Return what rich prints for a table: its title, its columns and its note, as far as they are not empty.

    Args:
        table: the table.
        width: characters per line; columns are set closer together where the table would not fit.
    """
    parts: list[RenderableType] = [printable(table.title)] if table.title else []
    if table.rows or table.head:
        head, *rows = ([printable(cell) for cell in row] for row in (table.head, *table.rows))
        lengths = [max(map(len, column)) for column in zip(*filter(None, (head, *rows)), strict=True)]
        gap = 2 if sum(lengths) + 2 * len(lengths) <= width else 1
        grid = rich_table.Table(box=None, padding=(0, gap, 0, 0), show_header=bool(table.head))
        for heading, letter in zip(head or [""] * len(lengths), table.align.ljust(len(lengths), "l"), strict=True):
            grid.add_column(heading, justify="right" if letter == "r" else "left")
        for row in rows:
            grid.add_row(*row)
        parts.append(grid)
    return [*parts, printable(table.note)] if table.note else parts


def plain(value: object) -> object:
    """Return a result as plain values that JSON can hold; a float that is not finite becomes null."""
    if isinstance(value, RunFolder):
        return str(value.path)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.metadata.get("json", field.name): plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, pl.DataFrame):
        return plain(value.to_dicts())
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray | pl.Series):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int | str | bool | None) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
