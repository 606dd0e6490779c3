"""Figures that a notebook shows by themselves."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

from polarbgb.plotting.saving import DPI


class Picture(Figure):
    """A figure that is shown where it is the result of a notebook's cell.

    matplotlib shows by itself only what :mod:`matplotlib.pyplot` made; figures made without it keep no list of
    themselves, and a session that draws a thousand of them leaks nothing.
    """

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=DPI)
        return picture.getvalue()
