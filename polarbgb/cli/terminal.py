"""What a person sees while a verb runs and when it ends: progress, tables, one line of summary each."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from polarbgb.cli.summary import result_tables, summary_line, written_files
from polarbgb.runs.folder import RunFolder

T = TypeVar("T")


class Terminal:
    """Shows results on standard output and progress on standard error.

    Args:
        verbose: list every file.
        quiet: show nothing.
        as_json: results as one JSON object on standard output; nothing else is there then.
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False, as_json: bool = False) -> None:
        self._verbose = verbose
        self._quiet = quiet
        self._as_json = as_json
        # Paths and names may hold brackets: nothing is read as markup.
        self._out = Console(quiet=quiet or as_json, highlight=False, markup=False)
        self._progress = Console(stderr=True, quiet=quiet, markup=False)
        self._told: list[tuple[object, float]] = []
        self._last = time.monotonic()

    def track(self, steps: Iterable[T], *, label: str, total: int) -> Iterator[T]:
        """Show a progress bar; see :class:`polarbgb.progress.Track`."""
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._progress) as progress:
            yield from progress.track(steps, total=total, description=label)

    def announce(self, rows: int, seconds: float) -> None:
        """Say how long an explanation will take, before it begins."""
        if not self._quiet:
            self._progress.print(f"explaining {rows:,} rows will take about {_duration(seconds)}")

    def tell(self, result: object) -> None:
        """Show the result of one verb among several."""
        now = time.monotonic()
        self._told.append((result, now - self._last))
        self._last = now
        self._out.rule(Text(_verb(result), "bold"), align="left")
        self._out.print(*result_tables(result, verbose=self._verbose), sep="\n")
        if self._verbose:
            self._files([result])

    def end(self, result: object) -> None:
        """Show the result of a verb that runs alone."""
        self._out.print(*result_tables(result, verbose=self._verbose), sep="\n")
        self._out.print(f"{summary_line(result)} in {_duration(time.monotonic() - self._last)}", style="bold")
        self._files([result])
        if self._as_json:
            print(json.dumps(plain(result)))

    def text(self, text: str, result: object) -> None:
        """Show a text as it stands, fit for a file; as JSON, the result that it tells of."""
        self._out.print(text, end="", soft_wrap=True)
        if self._as_json:
            print(json.dumps(plain(result)))

    def close(self) -> None:
        """Show the summary of the verbs told of, and where their files are."""
        table = Table(title="summary", title_justify="left", title_style="bold")
        table.add_column("verb")
        table.add_column("result")
        table.add_column("time", justify="right")
        for result, seconds in self._told:
            table.add_row(_verb(result), summary_line(result), _duration(seconds))
        table.add_section()
        table.add_row("all", "", _duration(sum(seconds for _, seconds in self._told)))
        self._out.print()
        self._out.print(table)
        self._files([result for result, _ in self._told])
        if self._as_json:
            print(json.dumps({_verb(result): plain(result) for result, _ in self._told}))

    def _files(self, results: Iterable[object]) -> None:
        for path in dict.fromkeys(path for result in results for path in written_files(result)):
            self._out.print(f"  {path}", soft_wrap=True)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a result holds
    """Return a result as plain values that JSON can hold; what is not a number becomes null."""
    if isinstance(value, RunFolder):
        return str(value.path)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
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


def _verb(result: object) -> str:
    return {
        "Simulated": "simulate",
        "Inspection": "inspect",
        "Tuned": "tune",
        "Fitted": "fit",
        "Predicted": "predict",
        "Detected": "detect",
        "Explained": "explain",
        "Exported": "export",
        "Reported": "report",
        "Evaluated": "evaluate",
        "Kept": "tune, fit",
        "Repeated": "reproduce",
    }[type(result).__name__]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
