"""Figures that a notebook displays."""

from __future__ import annotations

from io import BytesIO

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from polarbgb.plotting.saving import DPI
from polarbgb.plotting.style import as_written


class Picture(Figure):
    """A figure that is displayed if it is the result of a notebook cell.

    matplotlib displays only figures of :mod:`matplotlib.pyplot` automatically, which keeps a list of them in memory.
    Figures of this class are displayed as well, and are freed when they are no longer used.
    They need no backend of matplotlib, whichever is set.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw texts as written, also the labels of ticks, which are made only now."""
        with as_written():
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=DPI)
        return picture.getvalue()
