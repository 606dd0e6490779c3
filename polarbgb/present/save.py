"""Figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polarbgb.atomic import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; the same figure gives the same bytes.

    Args:
        figure: what to write.
        path: the file to create or replace.

    Returns:
        The path, for a list of what was written.

    Raises:
        UserError: where the place cannot be written.
    """
    with atomic(path) as temporary:
        # matplotlib would note its version: two machines would give different files for the same picture.
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    return path
