"""Draw the figures of a run, one at a time or into files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from polarbgb.io.provenance import versions
from polarbgb.plotting.bins import chosen
from polarbgb.plotting.registry import Drawing, drawings
from polarbgb.plotting.run_tables import RunTables
from polarbgb.plotting.saving import save_drawn
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import Draft, RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "pdf", "svg"]


def figures(run: RunFolder, *, bins: Sequence[int] | None = None) -> Iterator[tuple[str, Figure]]:
    """Draw the figures of a run, one at a time.

    Figures of stages without results are left out, and so are those of positions if no position is configured or the
    events do not have one. SHAP values row by row are drawn by ``explain`` only, which has the values of the features.

    Args:
        run: a run with a prediction.
        bins: energy bins to show; all, or 12 spread over the spectrum, if None.

    Yields:
        Name of each figure, without a suffix, and the figure.

    Raises:
        UserError: if the run has no prediction, a bin does not exist, or a file is damaged.
    """
    for drawing in drawings(run_tables(run, bins)):
        yield drawing.name, drawing.draw()


def draw(
    run: RunFolder,
    format: Format,  # noqa: A002 - as the option is called
    *,
    bins: Sequence[int] | None = None,
    track: Track = silent,
) -> tuple[Path, ...]:
    """Draw the figures of a run into files ``plots/<name>.<format>``.

    Args:
        run: a run with a prediction.
        format: format of the files.
        bins: as for :func:`figures`.
        track: shows the progress.

    Returns:
        The files.

    Raises:
        UserError: as for :func:`figures`, or if the folder cannot be written.
    """
    with run.hold():
        draft = run.draft(f"plot-{format}", run.manifest(), versions(), bins)
        to_draw = drawings(run_tables(run, bins))
        save_figures(draft, to_draw, format, track=track)
        draft.deliver()
    return tuple(run / f"plots/{drawing.name}.{format}" for drawing in to_draw)


def save_figures(
    draft: Draft,
    to_draw: Sequence[Drawing],
    format: Format = "png",  # noqa: A002 - as the option is called
    *,
    track: Track = silent,
) -> None:
    """Draw figures into files ``plots/<name>.<format>`` of a draft; files of an interrupted command are kept."""
    for drawing in track(to_draw, label="draw", total=len(to_draw)):
        path = draft / f"plots/{drawing.name}.{format}"
        draft.checkpoints.file(path, partial(save_drawn, drawing.draw))


def run_tables(run: RunFolder, bins: Sequence[int] | None = None) -> RunTables:
    """Return the tables of a run for its figures.

    Args:
        run: a run with a prediction.
        bins: energy bins to show; all, or 12 spread over the spectrum, if None.

    Raises:
        UserError: if the run has no prediction, or a bin does not exist.
    """
    run.require("fit", "predict")
    return RunTables(
        stages=frozenset(run.manifest()["stages"]),
        config_of=run.config_of,
        read=run.read_frame,
        scan=run.scan_frame,
        bins=chosen(bins, len(run.config().rates.names)),
        json=run.read_json,
    )
