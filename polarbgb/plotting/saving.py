"""Figures as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150

FORMATS = ("png", "pdf", "svg")

_DENSE = 10_000
"""Corners from which an artist of a vector file is drawn as a picture."""
_DENSE_DPI = 300
_POINTS = 72
"""Points an inch: the unit of vector files."""
_MARKER = 5
"""Corners that a marker counts as."""

# matplotlib would note its version and the time: two machines, or two days, would give different files for one picture.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, PDF or SVG by the file's suffix; the same figure gives the same bytes.

    In vector files fonts are embedded as TrueType (type 42), which journals ask for, and what has very many corners is
    drawn as a picture at 300 dpi, so that the file stays small.

    Args:
        figure: what to write.
        path: the file to create or replace.

    Returns:
        The path, for a list of what was written.

    Raises:
        UserError: where the place cannot be written, or the suffix is another.
    """
    from matplotlib import rc_context

    form = path.suffix.removeprefix(".")
    if form not in FORMATS:
        raise UserError(f"{path}: figures are written as {', '.join(FORMATS)}")
    if form != "png":
        _draw_dense_as_pictures(figure)
    with (
        atomic(path) as temporary,
        rc_context({"pdf.fonttype": 42, "svg.hashsalt": "polarbgb"}),
        _settled(figure, DPI if form == "png" else _POINTS),
    ):
        dpi = DPI if form == "png" else _DENSE_DPI
        figure.savefig(temporary, format=form, dpi=dpi, metadata=_METADATA[form])
    return path


def save_drawn(drawn: Callable[[], Figure], path: Path) -> Path:
    """Draw a figure and write it; see :func:`save`."""
    return save(drawn(), path)


@contextmanager
def _settled(figure: Figure, dpi: float) -> Iterator[None]:
    """Lay a figure out in round numbers: the solver leaves the last digits to chance, of which SVG makes names."""
    engine, before = figure.get_layout_engine(), figure.dpi
    if engine is None or not figure.axes:
        yield
        return
    figure.set_dpi(dpi)
    engine.execute(figure)
    for panel in figure.axes:
        panel.set_position(np.round(panel.get_position(original=True).bounds, 9).tolist())
        panel.set_in_layout(True)  # which a position set by hand would not be
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
        figure.set_dpi(before)


def _draw_dense_as_pictures(figure: Figure) -> None:
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

    for line in figure.findobj(Line2D):
        each = 1 if line.get_marker() == "None" else _MARKER
        line.set_rasterized(np.size(line.get_xdata()) * each > _DENSE)
    for collection in figure.findobj(Collection):
        corners = sum(np.size(path.vertices) // 2 for path in collection.get_paths())
        if max(corners, len(np.atleast_2d(collection.get_offsets()))) > _DENSE:
            collection.set_rasterized(True)
