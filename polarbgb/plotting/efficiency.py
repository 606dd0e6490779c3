"""Detection efficiency: maps over duration and fluence, and the efficiency of several searches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.plotting.axes import log_scale, number_range, plain_numbers
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, DEFICIT, EVENT, EXCESS, LIMIT, MEASURED, MEASURED_FAINT, page, styled
from polarbgb.validation.efficiency import FIXED, FOCUS, METHODS, PUBLISHED, TITLES, Efficiency
from polarbgb.validation.logistic import fit_sensitivity, proportion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_LOOKS = {FOCUS: (BACKGROUND, "o"), PUBLISHED: (EXCESS, "s"), FIXED: (MEASURED_FAINT, "^")}
_THIRDS = ((EVENT, "o"), (DEFICIT, "s"), (MEASURED, "^"))

_EMPTY = "#e6e6e6"
"""Colour of the cells of a map without a burst."""

_MAPS = 3
"""Largest number of maps."""
_CELLS = 8
"""Cells of a map along each axis."""
_STEPS = 7
"""Classes of significance or duration."""
_BRIGHT = 8.0
"""Oracle significance, sigma, from which bursts count for the efficiency by duration."""
_GOALS = ((6.0, 0.7), (8.0, 0.95))


@styled
def efficiency_plot(result: Efficiency, spectra: Sequence[str], instrument: Instrument) -> Figure:
    """Draw efficiencies by spectrum, significance, duration and latitude, and the recovered counts and durations.

    Args:
        result: from :func:`polarbgb.validation.efficiency.measure_efficiency`.
        spectra: names of the spectra, in the order of their maps; only the first three with bursts are drawn.
        instrument: gives the name and titles.

    Returns:
        Three rows of panels.
    """
    bursts = result.injections
    widest = int(np.argmax(bursts["fluence"].to_numpy().mean(axis=0)))
    counts = f"counts, {instrument.titles[widest]}"
    figure = page(7.8)
    drawn = [name for name in spectra if name in set(bursts["spectrum"])][:_MAPS]
    rows = figure.add_gridspec(3, 6)  # which one, two or three panels divide evenly
    maps = [figure.add_subplot(rows[0, slice_]) for slice_ in _columns(len(drawn))]
    shares, others = ([figure.add_subplot(rows[row, slice_]) for slice_ in _columns(3)] for row in (1, 2))
    edges = [_edges(bursts["duration"].to_numpy(), _CELLS), _edges(bursts["fluence"].to_numpy()[:, widest], _CELLS)]
    for panel, name in zip(maps, drawn, strict=True):
        mesh = _map(panel, bursts.filter(spectrum=name), widest, edges)
        panel.set_title(f"spectrum: {name}")
        panel.set_xlabel("duration, s")
    maps[0].set_ylabel(f"fluence, {counts}")
    maps[-1].legend(loc="lower right", handlelength=1.6, fontsize=7, labelspacing=0.2, borderaxespad=0.2, borderpad=0.2)
    figure.colorbar(mesh, ax=maps, label=f"efficiency, {TITLES[FOCUS]}", pad=0.01)
    _by_oracle(shares[0], _methods(bursts))
    shares[0].plot(*zip(*_GOALS, strict=True), "*", ms=7, color=LIMIT, mfc="none", ls="none", label="goals")
    # The legend extends over two panels; the title of the third one keeps the space above them free.
    shares[0].legend(
        loc="lower left", bbox_to_anchor=(-0.05, 0.98), ncols=4, handlelength=1.3, columnspacing=1.0
    ).set_in_layout(False)
    _by_duration(shares[1], _methods(bursts.filter(pl.col("oracle") >= _BRIGHT)), edges[0])
    _by_oracle(shares[2], _thirds(bursts))
    shares[2].set_title(f"{TITLES[FOCUS]}, by invariant latitude")
    shares[2].legend(loc="upper left", handlelength=1.2)
    _against(others[0], bursts["counts"].to_numpy()[:, widest], bursts["focus_excess"].arr.get(widest))
    others[0].set_xlabel(f"injected {counts}")
    others[0].set_ylabel("excess of the event found")
    recovered = bursts["focus_t_stop"] - bursts["focus_t_start"]
    _against(others[1], bursts["duration"].to_numpy(), recovered)
    others[1].set_xlabel("injected duration, s")
    others[1].set_ylabel("duration of the event found, s")
    plain_numbers(others[1].xaxis)
    plain_numbers(others[1].yaxis)
    _false_alarms(others[2], result)
    figure.suptitle(
        f"{instrument.name}: {len(bursts):,} bursts injected into {result.days:.1f} days; "
        f"{TITLES[FOCUS]} at a false-alarm rate of {result.far:g} per day",
        fontsize=8,
    )
    return figure


def _columns(panels: int) -> list[slice]:
    """Return the columns of a grid of six that each of one, two or three panels takes."""
    width = 6 // panels
    return [slice(width * place, width * (place + 1)) for place in range(panels)]


def _map(panel: Axes, bursts: pl.DataFrame, widest: int, edges: Sequence[Array]) -> QuadMesh:
    """Draw the efficiency in cells of duration and fluence, and lines of the fitted efficiencies of 50 % and 90 %.

    The lines extrapolate the fit where no burst was injected.
    """
    duration, fluence = bursts["duration"].to_numpy(), bursts["fluence"].to_numpy()[:, widest]
    found = bursts[f"{FOCUS}_found"].to_numpy()
    injected, *_ = np.histogram2d(duration, fluence, edges)
    hits, *_ = np.histogram2d(duration[found], fluence[found], edges)
    share = np.ma.masked_invalid(np.divide(hits, injected, out=np.full(injected.shape, np.nan), where=injected > 0))
    mesh = panel.pcolormesh(*edges, share.T, cmap="Blues", vmin=0, vmax=1, rasterized=True)
    length = np.geomspace(edges[0][0], edges[0][-1], 200)
    for name, colour in ((FOCUS, LIMIT), (PUBLISHED, EXCESS)):
        fit = fit_sensitivity(fluence, duration, bursts[f"{name}_found"].to_numpy())
        for level, dashes in ((0.5, "-"), (0.9, "--")):
            if name == FOCUS or level == 0.5:
                label = f"{level:.0%}" + (f", {TITLES[name]}" if name != FOCUS else "")
                panel.plot(length, fit.fluence(length, level), dashes, color=colour, lw=1.1, label=label)
    log_scale(panel, "xy")
    panel.set_xlim(edges[0][0], edges[0][-1])
    panel.set_ylim(edges[1][0], edges[1][-1])
    panel.set_facecolor(_EMPTY)
    panel.fill_between([], [], color=_EMPTY, label="no burst")
    plain_numbers(panel.xaxis)
    return mesh


class _Line(NamedTuple):
    """A line of efficiencies.

    Attributes:
        label: label in the legend.
        colour: colour of the line.
        marker: marker of its points.
        bursts: bursts injected, one row each.
        method: search that finds them.
    """

    label: str
    colour: str
    marker: str
    bursts: pl.DataFrame
    method: str


def _methods(bursts: pl.DataFrame) -> list[_Line]:
    return [_Line(TITLES[name], *_LOOKS[name], bursts, name) for name in METHODS]


def _thirds(bursts: pl.DataFrame) -> list[_Line]:
    """Divide bursts by latitude into three equal parts, or return one line if the latitude is not known."""
    known = bursts.filter(pl.col("latitude").is_not_null())
    if not len(known):
        return [_Line("unknown", *_THIRDS[0], bursts, FOCUS)]
    borders = np.quantile(known["latitude"].to_numpy(), [0, 1 / 3, 2 / 3, 1])
    lines = []
    for (colour, marker), low, high in zip(_THIRDS, borders[:-1], borders[1:], strict=True):
        part = known.filter(pl.col("latitude").is_between(low, high))
        lines.append(_Line(f"{number_range(round(low), round(high))} deg", colour, marker, part, FOCUS))
    return lines


def _by_oracle(panel: Axes, lines: Sequence[_Line]) -> None:
    """Draw the efficiency in classes of significance."""
    edges = _edges(np.concatenate([line.bursts["oracle"].to_numpy() for line in lines]), _STEPS)
    _shares(panel, lines, "oracle", edges)
    panel.set_xticks([2, 3, 4, 6, 8, 12, 20, 30], ["2", "3", "4", "6", "8", "12", "20", "30"])
    panel.set_xticks([], minor=True)
    panel.set_xlim(edges[0], edges[-1])
    panel.set_xlabel("oracle significance, sigma")
    panel.set_ylabel("efficiency")


def _by_duration(panel: Axes, lines: Sequence[_Line], span: Array) -> None:
    """Draw the efficiency in classes of duration between the ends of ``span``."""
    edges = _edges(span, _STEPS)
    _shares(panel, lines, "duration", edges)
    panel.set_xlim(edges[0], edges[-1])
    plain_numbers(panel.xaxis)
    panel.set_xlabel("duration, s")
    panel.set_ylabel(f"efficiency, {_BRIGHT:g} sigma and more")


def _shares(panel: Axes, lines: Sequence[_Line], column: str, edges: Array) -> None:
    """Draw the efficiency between edges with its 68 % interval; the points of the lines are slightly displaced."""
    middle, step = np.sqrt(edges[:-1] * edges[1:]), edges[1] / edges[0]
    for place, line in enumerate(lines):
        found, value = line.bursts[f"{line.method}_found"].to_numpy(), line.bursts[column].to_numpy()
        inside = [(value >= low) & (value < high) for low, high in pairwise(edges)]
        share, low, high = np.array([proportion(found[rows]) for rows in inside]).T
        panel.errorbar(
            middle * step ** (0.14 * (place - 1)),
            share,
            np.maximum([share - low, high - share], 0),
            color=line.colour,
            marker=line.marker,
            ms=3.5,
            lw=0.8,
            elinewidth=0.7,
        )
        panel.plot([], [], color=line.colour, marker=line.marker, ms=3.5, lw=0.8, label=line.label)
    log_scale(panel, "x")
    panel.set_ylim(-0.03, 1.03)


def _against(panel: Axes, injected: Array, recovered: pl.Series) -> None:
    """Draw recovered against injected values."""
    values = recovered.cast(pl.Float64).fill_null(np.nan).to_numpy()
    shown = np.isfinite(values) & (values > 0) & (injected > 0)
    panel.plot(injected[shown], values[shown], ".", ms=2.5, color=BACKGROUND, alpha=0.5, mew=0, rasterized=True)
    log_scale(panel, "xy")
    if shown.any():
        drawn = np.concatenate([injected[shown], values[shown]])
        ends = np.array([drawn.min() / 1.5, drawn.max() * 1.5])
        panel.plot(ends, ends, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
        panel.set_xlim(*ends)
        panel.set_ylim(*ends)
    else:
        # The default limits of an empty panel include 0, which a logarithmic axis cannot show.
        panel.set_xlim(1, 10)
        panel.set_ylim(1, 10)
        panel.text(0.5, 0.5, "none found", ha="center", va="center", transform=panel.transAxes)


def _false_alarms(panel: Axes, result: Efficiency) -> None:
    """Draw the efficiency of each method against its events per day without injections."""
    for name in METHODS:
        colour, marker = _LOOKS[name]
        per_day = max(result.per_day[name], 0.5 / result.days)
        share = result.share(name, _BRIGHT)
        panel.plot(per_day, share, marker, ms=5, color=colour)
        aside = (0, -12) if name == FOCUS else (0, 5)
        panel.annotate(TITLES[name], (per_day, share), aside, textcoords="offset points", ha="center", fontsize=7)
    log_scale(panel, "x")
    panel.set_xlim(0.1, 1000)
    panel.set_xticks(10.0 ** np.arange(-1, 4))
    panel.set_ylim(-0.03, 1.08)
    plain_numbers(panel.xaxis)
    panel.set_xlabel("events per day without injections")
    panel.set_ylabel(f"efficiency, {_BRIGHT:g} sigma and more")


def _edges(values: Array, steps: int) -> Array:
    """Return the edges of classes of equal logarithmic width that hold all positive values."""
    edges = np.geomspace(values.min(), values.max(), steps + 1)
    edges[-1] *= 1 + 1e-9
    return edges
