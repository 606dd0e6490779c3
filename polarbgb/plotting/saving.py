"""Figures as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic
from polarbgb.plotting.style import as_written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150

FORMATS = ("png", "pdf", "svg")

_DENSE = 10_000
"""Number of vertices from which an artist is rasterised in vector files."""
_DENSE_DPI = 300
_POINTS = 72
"""Points per inch, the unit of vector files."""
_MARKER = 5
"""Vertices that a marker counts as."""

# Without its version and the time, which matplotlib would write, the same figure gives the same file.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, PDF or SVG by the file's suffix; the same figure gives the same bytes.

    In vector files, fonts are embedded as TrueType (type 42), as journals require, and artists with very many vertices
    are rasterised at 300 dpi, so that the file stays small.

    Args:
        figure: figure to write.
        path: file to create or replace.

    Returns:
        The path.

    Raises:
        UserError: if the file cannot be written, or has another suffix.
    """
    from matplotlib import rc_context

    suffix = path.suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise UserError(f"{path}: figures are written as {', '.join(FORMATS)}")
    if suffix != "png":
        _rasterise_dense(figure)
    with (
        atomic(path) as temporary,
        as_written(),
        rc_context({"pdf.fonttype": 42, "svg.hashsalt": "polarbgb"}),
        _settled(figure, DPI if suffix == "png" else _POINTS),
    ):
        dpi = DPI if suffix == "png" else _DENSE_DPI
        figure.savefig(temporary, format=suffix, dpi=dpi, metadata=_METADATA[suffix])
    return path


def save_drawn(draw: Callable[[], Figure], path: Path) -> Path:
    """Draw a figure and write it; see :func:`save`."""
    return save(draw(), path)


@contextmanager
def _settled(figure: Figure, dpi: float) -> Iterator[None]:
    """Round the layout of a figure: the last digits of the solver vary, and the names in SVG files depend on them."""
    engine, before = figure.get_layout_engine(), figure.dpi
    if engine is None or not figure.axes:
        yield
        return
    figure.set_dpi(dpi)
    engine.execute(figure)
    for panel in figure.axes:
        panel.set_position(np.round(panel.get_position(original=True).bounds, 9).tolist())
        panel.set_in_layout(True)  # setting a position turns this off
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
        figure.set_dpi(before)


def _rasterise_dense(figure: Figure) -> None:
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

    for line in figure.findobj(Line2D):
        vertices = 1 if line.get_marker() == "None" else _MARKER
        line.set_rasterized(np.size(line.get_xdata()) * vertices > _DENSE)
    for collection in figure.findobj(Collection):
        vertices = sum(np.size(path.vertices) // 2 for path in collection.get_paths())
        if max(vertices, len(np.atleast_2d(collection.get_offsets()))) > _DENSE:
            collection.set_rasterized(True)
