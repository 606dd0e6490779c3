"""Which bursts are found: maps over duration and fluence, and the share found beside other searches'."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.plotting.axes import plain_numbers
from polarbgb.plotting.style import BACKGROUND, DEFICIT, EVENT, EXCESS, LIMIT, MEASURED, MEASURED_FAINT, page, styled
from polarbgb.transients.injection import spectra_of
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
"""Of a map: no burst."""

_ABREAST = 3
_CELLS = 8
"""Of a map, along each axis."""
_STEPS = 7
"""Classes of significance or duration in which shares are drawn."""
_BRIGHT = 8.0
"""Oracle significance, sigma, from which the shares by duration are drawn."""
_GOALS = ((6.0, 0.7), (8.0, 0.95))


@styled
def efficiency_plot(result: Efficiency, config: Config) -> Figure:
    """Draw maps by spectrum, shares by significance, duration and latitude, and what is recovered of a burst.

    Args:
        result: from :func:`polarbgb.validation.efficiency.measure_efficiency`.
        config: gives titles.

    Returns:
        Three rows of panels; of more than three spectra the first three have a map.
    """
    bursts = result.injections
    widest = int(np.argmax(bursts["fluence"].to_numpy().mean(axis=0)))
    counts = f"counts, {config.rates.titles[widest]}"
    figure = page(7.8)
    maps, shares, others = figure.subplots(3, _ABREAST)
    drawn = [name for name in spectra_of(config) if name in set(bursts["spectrum"])][:_ABREAST]
    edges = [_edges(bursts["duration"].to_numpy(), _CELLS), _edges(bursts["fluence"].to_numpy()[:, widest], _CELLS)]
    for panel, name in zip(maps, drawn, strict=False):
        mesh = _map(panel, bursts.filter(spectrum=name), widest, edges)
        panel.set_title(f"spectrum: {name}")
        panel.set_xlabel("duration, s")
    maps[0].set_ylabel(f"fluence, {counts}")
    maps[len(drawn) - 1].legend(
        loc="lower right", handlelength=1.6, fontsize=7, labelspacing=0.2, borderaxespad=0.2, borderpad=0.2
    )
    figure.colorbar(mesh, ax=list(maps), label=f"share found, {TITLES[FOCUS]}", pad=0.01)
    for panel in maps[len(drawn) :]:
        panel.set_axis_off()
    _by_oracle(shares[0], _methods(bursts))
    shares[0].plot(*zip(*_GOALS, strict=True), "*", ms=7, color=LIMIT, mfc="none", ls="none", label="goals")
    # Over two panels: the title of the third keeps the place free.
    shares[0].legend(
        loc="lower left", bbox_to_anchor=(-0.05, 0.98), ncols=4, handlelength=1.3, columnspacing=1.0
    ).set_in_layout(False)
    _by_duration(shares[1], _methods(bursts.filter(pl.col("oracle") >= _BRIGHT)), edges[0])
    _by_oracle(shares[2], _thirds(bursts))
    shares[2].set_title(f"{TITLES[FOCUS]}, by magnetic latitude")
    shares[2].legend(loc="upper left", handlelength=1.2)
    _against(others[0], bursts["counts"].to_numpy()[:, widest], bursts["focus_excess"].arr.get(widest))
    others[0].set_xlabel(f"injected {counts}")
    others[0].set_ylabel("excess of the event found")
    lasts = (bursts["focus_t_stop"] - bursts["focus_t_start"]).alias("lasts")
    _against(others[1], bursts["duration"].to_numpy(), lasts)
    others[1].set_xlabel("injected duration, s")
    others[1].set_ylabel("duration of the event found, s")
    plain_numbers(others[1].xaxis)
    plain_numbers(others[1].yaxis)
    _false_alarms(others[2], result)
    figure.suptitle(
        f"{config.name}: {len(bursts):,} bursts injected into {result.days:.1f} days; "
        f"{TITLES[FOCUS]} at {result.far:g} false a day",
        fontsize=8,
    )
    return figure


def _map(panel: Axes, bursts: pl.DataFrame, widest: int, edges: Sequence[Array]) -> QuadMesh:
    """Draw the share found in cells of duration and fluence, and where the fitted chance is a half and nine tenths.

    Where no burst was injected, lines only go on as they must by the fit.
    """
    duration, fluence = bursts["duration"].to_numpy(), bursts["fluence"].to_numpy()[:, widest]
    found = bursts[f"{FOCUS}_found"].to_numpy()
    number, *_ = np.histogram2d(duration, fluence, edges)
    hits, *_ = np.histogram2d(duration[found], fluence[found], edges)
    share = np.ma.masked_invalid(np.divide(hits, number, out=np.full(number.shape, np.nan), where=number > 0))
    mesh = panel.pcolormesh(*edges, share.T, cmap="Blues", vmin=0, vmax=1, rasterized=True)
    length = np.geomspace(edges[0][0], edges[0][-1], 200)
    for name, colour in ((FOCUS, LIMIT), (PUBLISHED, EXCESS)):
        fit = fit_sensitivity(fluence, duration, bursts[f"{name}_found"].to_numpy())
        for level, dashes in ((0.5, "-"), (0.9, "--")):
            if name == FOCUS or level == 0.5:
                label = f"{level:.0%}" + (f", {TITLES[name]}" if name != FOCUS else "")
                panel.plot(length, fit.fluence(length, level), dashes, color=colour, lw=1.1, label=label)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(edges[0][0], edges[0][-1])
    panel.set_ylim(edges[1][0], edges[1][-1])
    panel.set_facecolor(_EMPTY)
    panel.fill_between([], [], color=_EMPTY, label="no burst")
    plain_numbers(panel.xaxis)
    return mesh


class _Line(NamedTuple):
    """Bursts of which the share found is drawn.

    Attributes:
        label: for the legend.
        colour: of the line.
        marker: of its points.
        bursts: a row each.
        method: by which they are found.
    """

    label: str
    colour: str
    marker: str
    bursts: pl.DataFrame
    method: str


def _methods(bursts: pl.DataFrame) -> list[_Line]:
    return [_Line(TITLES[name], *_LOOKS[name], bursts, name) for name in METHODS]


def _thirds(bursts: pl.DataFrame) -> list[_Line]:
    """Divide bursts by latitude into three equal parts; one line where it is not known."""
    known = bursts.filter(pl.col("latitude").is_not_null())
    if not len(known):
        return [_Line("not known", *_THIRDS[0], bursts, FOCUS)]
    borders = np.quantile(known["latitude"].to_numpy(), [0, 1 / 3, 2 / 3, 1])
    lines = []
    for (colour, marker), low, high in zip(_THIRDS, borders[:-1], borders[1:], strict=True):
        part = known.filter(pl.col("latitude").is_between(low, high))
        lines.append(_Line(f"{low:.0f} to {high:.0f} deg", colour, marker, part, FOCUS))
    return lines


def _by_oracle(panel: Axes, lines: Sequence[_Line]) -> None:
    """Draw the share found in classes of significance."""
    edges = _edges(np.concatenate([line.bursts["oracle"].to_numpy() for line in lines]), _STEPS)
    _shares(panel, lines, "oracle", edges)
    panel.set_xticks([2, 3, 4, 6, 8, 12, 20, 30], ["2", "3", "4", "6", "8", "12", "20", "30"])
    panel.set_xticks([], minor=True)
    panel.set_xlim(edges[0], edges[-1])
    panel.set_xlabel("oracle significance, sigma")
    panel.set_ylabel("share found")


def _by_duration(panel: Axes, lines: Sequence[_Line], span: Array) -> None:
    """Draw the share found in classes of duration, over a span of which the ends are given."""
    edges = _edges(span, _STEPS)
    _shares(panel, lines, "duration", edges)
    panel.set_xlim(edges[0], edges[-1])
    plain_numbers(panel.xaxis)
    panel.set_xlabel("duration, s")
    panel.set_ylabel(f"share found, {_BRIGHT:g} sigma and more")


def _shares(panel: Axes, lines: Sequence[_Line], column: str, edges: Array) -> None:
    """Draw the share found between edges, with its 68 % interval; lines stand a little beside each other."""
    middle, step = np.sqrt(edges[:-1] * edges[1:]), edges[1] / edges[0]
    for number, line in enumerate(lines):
        found, value = line.bursts[f"{line.method}_found"].to_numpy(), line.bursts[column].to_numpy()
        inside = [(value >= low) & (value < high) for low, high in pairwise(edges)]
        share, low, high = np.array([proportion(found[rows]) for rows in inside]).T
        panel.errorbar(
            middle * step ** (0.14 * (number - 1)),
            share,
            np.maximum([share - low, high - share], 0),
            color=line.colour,
            marker=line.marker,
            ms=3.5,
            lw=0.8,
            elinewidth=0.7,
        )
        panel.plot([], [], color=line.colour, marker=line.marker, ms=3.5, lw=0.8, label=line.label)
    panel.set_xscale("log")
    panel.set_ylim(-0.03, 1.03)


def _against(panel: Axes, injected: Array, recovered: pl.Series) -> None:
    """Draw what was recovered over what was injected."""
    values = recovered.cast(pl.Float64).fill_null(np.nan).to_numpy()
    shown = np.isfinite(values) & (values > 0) & (injected > 0)
    panel.plot(injected[shown], values[shown], ".", ms=2.5, color=BACKGROUND, alpha=0.5, mew=0, rasterized=True)
    panel.set_xscale("log")
    panel.set_yscale("log")
    if shown.any():
        both = np.concatenate([injected[shown], values[shown]])
        ends = np.array([both.min() / 1.5, both.max() * 1.5])
        panel.plot(ends, ends, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
        panel.set_xlim(*ends)
        panel.set_ylim(*ends)
    else:
        # Without any data matplotlib's own limits are not all above 0.
        panel.set_xlim(1, 10)
        panel.set_ylim(1, 10)
        panel.text(0.5, 0.5, "none found", ha="center", va="center", transform=panel.transAxes)


def _false_alarms(panel: Axes, result: Efficiency) -> None:
    """Draw what each method finds over what it lists where nothing was injected."""
    for name in METHODS:
        colour, marker = _LOOKS[name]
        per_day = max(result.per_day[name], 0.5 / result.days)
        share = result.share(name, _BRIGHT)
        panel.plot(per_day, share, marker, ms=5, color=colour)
        aside = (0, -12) if name == FOCUS else (0, 5)
        panel.annotate(TITLES[name], (per_day, share), aside, textcoords="offset points", ha="center", fontsize=7)
    panel.set_xscale("log")
    panel.set_xlim(0.1, 1000)
    panel.set_xticks(10.0 ** np.arange(-1, 4))
    panel.set_ylim(-0.03, 1.08)
    plain_numbers(panel.xaxis)
    panel.set_xlabel("events a day without injections")
    panel.set_ylabel(f"share found, {_BRIGHT:g} sigma and more")


def _edges(values: Array, steps: int) -> Array:
    """Divide positive values evenly in their logarithm."""
    edges = np.geomspace(values.min(), values.max(), steps + 1)
    edges[-1] *= 1 + 1e-9
    return edges
