"""`polarbgb plot`: all figures of a run as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polarbgb.progress import Track, silent
from polarbgb.reporting.table import Table, counted
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.figures import Format, draw


@dataclass(frozen=True)
class PlotResult:
    """Result of drawing the figures of a run.

    Attributes:
        files: the figures.
    """

    command: ClassVar[str] = "plot"

    files: tuple[Path, ...]

    def summary(self) -> str:
        """Return the number of figures."""
        return f"{counted(len(self.files), 'figure')} drawn"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return no tables: the files are the result."""
        del verbose
        return []


def plot(
    run: RunFolder | str | Path,
    *,
    format: Format = "png",  # noqa: A002 - as the option
    bins: Sequence[int] | None = None,
    track: Track = silent,
) -> PlotResult:
    """Draw all figures of a run; see :func:`polarbgb.workflow.figures.draw`."""
    return PlotResult(draw(RunFolder.at(run), format, bins=bins, track=track))
