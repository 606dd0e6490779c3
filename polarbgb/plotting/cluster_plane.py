"""Clusters by their length and integral: what stands out from the deficits, which no transient makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.plotting.axes import plain_numbers
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.style import DEFICIT, EXCESS, LIMIT, MEASURED, grid, legend, notice, page, styled, wrapped
from polarbgb.transients.match import match_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]


@styled
def cluster_plane(
    excess: pl.DataFrame, known: pl.DataFrame, config: Config, *, bins: Sequence[int] | None = None
) -> Figure:
    """Draw the duration of every cluster against the counts in it that the background is short of.

    A line follows the deficits that no other surpasses in both: an excess beyond it, longer or with more counts than
    any deficit as large or as long, has no counterpart in the control.

    Args:
        excess: from :func:`polarbgb.transients.published.cluster_excess`.
        known: ``name``, ``time`` (unix s) and ``duration`` (s) of known events.
        config: gives titles, and the slack around the span of a known event.
        bins: bins to show; where not given all, or of many some from the first to the last.

    Returns:
        A panel a bin.
    """
    if excess.is_empty():
        return notice(f"{config.name}: no clusters")
    titles = config.rates.titles
    shown = chosen(bins, len(titles))
    rows, columns = grid(len(shown))
    figure = page(2.3 * rows + 0.5)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (number, panel) in enumerate(zip(shown, panels, strict=False)):
        beyond = _draw(panel, excess.filter(bin=number), known, config)
        panel.set_title(wrapped(f"{titles[number]}\n{beyond}", columns))
        panel.tick_params(labelbottom=place + columns >= len(shown))
    for unused in panels[len(shown) :]:
        unused.remove()
    panels[0].set_xscale("log")
    panels[0].set_yscale("log")
    panels[0].set_xlim(*_ends(excess["duration"]))
    panels[0].set_ylim(*_ends(excess["excess"]))
    plain_numbers(panels[0].xaxis)
    figure.supxlabel(f"duration (s){share(shown, len(titles))}", fontsize=8)
    figure.supylabel("counts above (or missing below) the background", fontsize=8)
    legend(figure, panels[: len(shown)])
    return figure


def _draw(panel: Axes, excess: pl.DataFrame, known: pl.DataFrame, config: Config) -> str:
    """Draw the clusters of one bin, and say how many excesses lie beyond the deficits."""
    above, below = excess.filter(pl.col("sign") > 0), excess.filter(pl.col("sign") < 0)
    for clusters, colour, marker, label in ((above, EXCESS, ".", "excess"), (below, DEFICIT, "x", "deficit")):
        at = clusters.select("duration", "excess").to_numpy().T
        panel.plot(*at, marker, ms=3.5, mew=0.7, color=colour, alpha=0.7, label=label)
    outer = frontier(below["duration"].to_numpy(), below["excess"].to_numpy())
    if len(outer):
        panel.plot(*_staircase(outer), color=LIMIT, lw=0.7, ls=(0, (4, 3)), label="outermost deficits")
    named = pl.Series([bool(name) for name in _names(above, known, config)], dtype=pl.Boolean)
    if named.any():
        at = above.filter(named).select("duration", "excess").to_numpy().T
        panel.plot(*at, "*", ms=7, mew=0.8, mfc="none", color=MEASURED, label="known event")
    if not len(outer):
        return f"excesses: {len(above):,}, no deficit"
    beyond = np.count_nonzero(surpassing(above["duration"].to_numpy(), above["excess"].to_numpy(), outer))
    return f"excesses beyond: {beyond:,} of {len(above):,}"


def _ends(values: pl.Series) -> tuple[float, float]:
    """Return limits of a logarithmic axis with some room beside all values."""
    above = values.filter(values > 0).to_numpy()
    return (above.min() / 1.5, 1.5 * above.max()) if len(above) else (1.0, 10.0)


def _names(above: pl.DataFrame, known: pl.DataFrame, config: Config) -> Sequence[str]:
    slack = config.known_events.match if config.known_events else 0.0
    return match_known(above["t_start"].to_numpy(), above["t_stop"].to_numpy(), known, slack)[0]


def frontier(duration: Values, counts: Values) -> Values:
    """Return the (n, 2) clusters that no other surpasses in both duration and counts, longest first.

    Args:
        duration: (clusters,) s.
        counts: (clusters,).

    Example:
        >>> frontier(np.array([1.0, 2.0, 1.0]), np.array([9.0, 5.0, 4.0])).tolist()
        [[2.0, 5.0], [1.0, 9.0]]
    """
    order = np.lexsort((-counts, -duration))
    best = np.maximum.accumulate(np.append(-np.inf, counts[order]))
    outer = order[counts[order] > best[:-1]]
    return np.column_stack([duration[outer], counts[outer]])


def surpassing(duration: Values, counts: Values, outer: Values) -> NDArray[np.bool_]:
    """Say of each cluster whether no point of a frontier is both as long and as large.

    Args:
        duration: (clusters,) s.
        counts: (clusters,).
        outer: (n, 2) from :func:`frontier`.
    """
    # Longest first, counts grow along the frontier: the last point as long as a cluster has the most counts.
    as_long = np.searchsorted(-outer[:, 0], -duration, side="right")
    return np.asarray(counts > np.append(-np.inf, outer[:, 1])[as_long])


def _staircase(outer: Values) -> tuple[Values, Values]:
    """Return the corners of the line around all that a frontier surpasses, from short to long and down to the axis."""
    duration, counts = outer[::-1].T
    x = np.concatenate([[duration[0] / 1e3], np.repeat(duration, 2)])
    y = np.concatenate([[counts[0]], np.repeat(counts, 2)[1:], [counts[-1] / 1e6]])
    return x, y
