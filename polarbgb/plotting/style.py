"""Style of the figures: the width of a journal page, and colours for colour-blind readers."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from textwrap import fill
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

PAGE = 7.1
"""Width of a figure, inches: the text width of a journal page, so that a font size of 8 pt is kept in print."""

# Colours of Okabe and Ito (2008), and two greys for observed rates.
MEASURED = "#333333"
MEASURED_FAINT = "#9a9a9a"
BACKGROUND = "#0072B2"
EVENT = "#E69F00"
EXCESS = "#D55E00"
DEFICIT = "#56B4E9"
LIMIT = "#000000"
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Colours of the lines of a series, in this order."""

_AS_WRITTEN: Any = {"text.parse_math": False, "text.usetex": False}

_STYLE: dict[str, Any] = {
    **_AS_WRITTEN,
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8.0,
    "legend.title_fontsize": 7.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in this style, whatever the matplotlib settings of the user are."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        _import_matplotlib()
        from matplotlib import style

        with style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return in_style


def _import_matplotlib() -> None:
    """Import matplotlib, also where the environment names a backend that does not exist: figures need none."""
    backend = os.environ.get("MPLBACKEND")
    if backend is None or "matplotlib" in sys.modules:
        return
    del os.environ["MPLBACKEND"]
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = backend


@contextmanager
def as_written() -> Iterator[None]:
    """Draw names from files and configurations, such as ``5$ to 6$ keV``, as they are, not as formulas.

    Characters that no font has are drawn as boxes, without a warning for each of them.
    """
    from matplotlib import rc_context

    with rc_context(_AS_WRITTEN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def page(height: float, width: float = PAGE) -> Figure:
    """Return an empty figure of some size, inches, that lays out its panels without overlap."""
    from polarbgb.plotting.notebook import Picture

    return Picture(figsize=(width, height), layout="constrained")


def notice(text: str) -> Figure:
    """Return a figure with a text that says why there is nothing to draw."""
    figure = page(1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=10)
    return figure


def legend(figure: Figure, panels: Iterable[Axes], *, columns: int = 6, title: str | None = None) -> None:
    """Add a legend above a figure with the labels of all panels, each label once."""
    artists = {
        label: artist for panel in panels for artist, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if artists:
        ncols = min(columns, len(artists))
        figure.legend(list(artists.values()), list(artists), loc="outside upper center", ncols=ncols, title=title)


def entry(name: str) -> str:
    """Return the label of a legend's entry for a name; matplotlib hides labels that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name


def wrapped(title: str, columns: int) -> str:
    """Wrap a title to the width of a panel, of which there are ``columns`` side by side."""
    return "\n".join(fill(line, 105 // columns) for line in title.splitlines())


def grid(panels: int, columns: int = 3) -> tuple[int, int]:
    """Return the (rows, columns) of a grid for a number of panels.

    Example:
        >>> grid(9), grid(2), grid(4)
        ((3, 3), (1, 2), (2, 2))
    """
    rows = -(-panels // columns)
    return rows, -(-panels // rows)
