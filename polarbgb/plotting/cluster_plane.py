"""Clusters by duration and counts: the excesses beyond all deficits, which no transient makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.plotting.axes import log_scale, plain_numbers
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import DEFICIT, EXCESS, LIMIT, MEASURED, grid, legend, notice, page, styled, wrapped
from polarbgb.transients.match import match_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]


@styled
def cluster_plane(
    excess: pl.DataFrame,
    known: pl.DataFrame,
    instrument: Instrument,
    *,
    slack: float = 0.0,
    bins: Sequence[int] | None = None,
) -> Figure:
    """Draw the counts of every cluster above or below the background against its duration.

    A line follows the deficits that no other deficit surpasses in both. An excess beyond this line has no counterpart
    among the deficits: none is at least as long and has at least as many counts.

    Args:
        excess: from :func:`polarbgb.transients.published.cluster_excess`.
        known: ``name``, ``time`` (unix s) and ``duration`` (s) of known events.
        instrument: gives titles.
        slack: largest distance from the span of a known event to a cluster that matches it, s.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        One panel per bin.
    """
    if excess.is_empty():
        return notice(f"{instrument.name}: no clusters")
    titles = instrument.titles
    shown = chosen(bins, len(titles))
    rows, columns = grid(len(shown))
    figure = page(2.3 * rows + 0.5)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (i_bin, panel) in enumerate(zip(shown, panels, strict=False)):
        beyond = _draw(panel, excess.filter(bin=i_bin), known, slack)
        panel.set_title(wrapped(f"{titles[i_bin]}\n{beyond}", columns))
        panel.tick_params(labelbottom=place + columns >= len(shown))
    for unused in panels[len(shown) :]:
        unused.remove()
    log_scale(panels[0], "xy")
    panels[0].set_xlim(*_ends(excess["duration"]))
    panels[0].set_ylim(*_ends(excess["excess"]))
    plain_numbers(panels[0].xaxis)
    figure.supxlabel(f"duration (s){share(shown, len(titles))}", fontsize=8)
    figure.supylabel("counts above (or missing below) the background", fontsize=8)
    legend(figure, panels[: len(shown)])
    return figure


def _draw(panel: Axes, excess: pl.DataFrame, known: pl.DataFrame, slack: float) -> str:
    """Draw the clusters of one bin, and return a note on how many excesses lie beyond the deficits."""
    above, below = excess.filter(pl.col("sign") > 0), excess.filter(pl.col("sign") < 0)
    for clusters, colour, marker, label in ((above, EXCESS, ".", "excess"), (below, DEFICIT, "x", "deficit")):
        at = clusters.select("duration", "excess").to_numpy().T
        panel.plot(*at, marker, ms=3.5, mew=0.7, color=colour, alpha=0.7, label=label)
    outer = frontier(below["duration"].to_numpy(), below["excess"].to_numpy())
    if len(outer):
        panel.plot(*_staircase(outer), color=LIMIT, lw=0.7, ls=(0, (4, 3)), label="outermost deficits")
    names, _ = match_known(above["t_start"].to_numpy(), above["t_stop"].to_numpy(), known, slack)
    matched = pl.Series([bool(name) for name in names], dtype=pl.Boolean)
    if matched.any():
        at = above.filter(matched).select("duration", "excess").to_numpy().T
        panel.plot(*at, "*", ms=7, mew=0.8, mfc="none", color=MEASURED, label="known event")
    if not len(outer):
        return f"excesses: {len(above):,}, no deficit"
    beyond = np.count_nonzero(surpassing(above["duration"].to_numpy(), above["excess"].to_numpy(), outer))
    return f"excesses beyond: {beyond:,} of {len(above):,}"


def _ends(values: pl.Series) -> tuple[float, float]:
    """Return limits of a logarithmic axis, with a margin on both sides of the values."""
    above = values.filter(values > 0).to_numpy()
    return (above.min() / 1.5, 1.5 * above.max()) if len(above) else (1.0, 10.0)


def frontier(duration: Values, counts: Values) -> Values:
    """Return the (n, 2) clusters that no other cluster surpasses in both duration and counts, longest first.

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
    """Return the (clusters,) mask of those that no point of a frontier reaches in both duration and counts.

    Args:
        duration: (clusters,) s.
        counts: (clusters,).
        outer: (n, 2) from :func:`frontier`.
    """
    # The frontier is sorted from long to short and its counts increase: of the points at least as long as a cluster,
    # the last one has the most counts.
    as_long = np.searchsorted(-outer[:, 0], -duration, side="right")
    return np.asarray(counts > np.append(-np.inf, outer[:, 1])[as_long])


def _staircase(outer: Values) -> tuple[Values, Values]:
    """Return the corners of the line around everything that a frontier surpasses, from short to long."""
    duration, counts = outer[::-1].T
    x = np.concatenate([[duration[0] / 1e3], np.repeat(duration, 2)])
    y = np.concatenate([[counts[0]], np.repeat(counts, 2)[1:], [counts[-1] / 1e6]])
    return x, y
