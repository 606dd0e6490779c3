"""`polarbgb plot`: every figure of a run as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polarbgb.progress import Track, silent
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.figures import Format, draw


@dataclass(frozen=True)
class PlotResult:
    """What was drawn.

    Attributes:
        files: the figures.
    """

    files: tuple[Path, ...]


def plot(
    run: RunFolder,
    *,
    format: Format = "png",  # noqa: A002 - as the option
    bins: Sequence[int] | None = None,
    track: Track = silent,
) -> PlotResult:
    """Draw what a run holds; see :func:`polarbgb.workflow.figures.draw`."""
    return PlotResult(draw(run, format, bins=bins, track=track))
