"""Light curves: rates with their background, and the pulls below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.plotting.axes import TimeAxis, duration, pull_scale, rate_scale
from polarbgb.plotting.bins import chosen
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import (
    BACKGROUND,
    DEFICIT,
    EVENT,
    EXCESS,
    LIMIT,
    MEASURED,
    MEASURED_FAINT,
    notice,
    page,
    styled,
)
from polarbgb.plotting.time_cells import Cells, Values, cells
from polarbgb.transients.events import highest_ranked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 2000
"""Steps across the page: two per pixel of the saved picture."""

_INCHES_PER_BIN = 2.5
_NAME_WIDTH = 0.012
"""Width of an event's name, as a share of the panel."""

_NAMED = 20
"""Events named at most."""
_SHADED = 500
"""Events shaded at most: more would cover the page."""


@dataclass(frozen=True)
class Steps:
    """Cells of the panels of rates and of pulls.

    Attributes:
        axis: axis of time.
        rate: cells over which rates are averaged.
        pull: cells of which the range of pulls is shown.
        rate_width: width of the cells of rates, s; None where a cell is a row.
        pull_width: width of the cells of pulls, s; None where a cell is a row.
    """

    axis: TimeAxis
    rate: Cells
    pull: Cells
    rate_width: float | None
    pull_width: float | None


@styled
def light_curve(
    prediction: pl.DataFrame,
    instrument: Instrument,
    *,
    events: pl.DataFrame | None = None,
    bins: Sequence[int] | None = None,
    most: int = ACROSS,
    title: str = "",
) -> Figure:
    """Draw rate, background and pull of the whole file; a file of many rows in cells of equal time.

    Rates are averaged over a cell, of pulls the whole range is shown: an excess of one row stays visible.
    Where a cell would be longer than an eighth of an orbit, rates are averaged over whole orbits, with the
    range that the background runs through: anything between would show beats of orbit and cell.
    Where every row is drawn, so is one sigma of a row on either side of the background.

    Args:
        prediction: ``unix_time`` (s), ``segment``, and per bin ``rate``, ``pred``, ``sigma`` (Hz) and ``pull``.
        instrument: gives titles, cadence and the pull that flags a row.
        events: ``t_start``, ``t_stop`` (unix s, half-open) of intervals to shade, of more than 500 those of the lowest
            far; up to 20 are named by their ``matched`` or ``class``, where there are such columns.
        bins: bins to show; the first, the middle and the last one where not given.
        most: rows that are drawn one by one at most.
        title: what stands above the legend.

    Returns:
        A pair of panels a bin: rate above pull.

    Raises:
        UserError: if a bin does not exist.
    """
    total = len(instrument.titles)
    shown = chosen(sorted({0, total // 2, total - 1}) if bins is None else bins, total)
    if prediction.is_empty():
        return notice(f"{instrument.name}: no usable rows")
    time, segment = (prediction[name].to_numpy() for name in ("unix_time", "segment"))
    steps = steps_of(time, segment, instrument.cadence, instrument.period, most=most)
    events, selection = _shaded(events)

    figure = page(_INCHES_PER_BIN * len(shown) + 0.6)
    panels: NDArray[Any] = figure.subplots(
        2 * len(shown), 1, sharex=True, squeeze=False, height_ratios=[3, 2] * len(shown)
    )[:, 0]
    for i_bin, above, below in zip(shown, panels[::2], panels[1::2], strict=True):
        rate, pred, sigma, pull = (
            prediction[name].arr.get(i_bin).to_numpy() for name in ("rate", "pred", "sigma", "pull")
        )
        _draw_rate(above, steps, rate, pred, sigma)
        above.set_title(instrument.titles[i_bin], loc="left")
        _draw_pull(below, steps, pull, instrument.sigma)
    for panel in panels:
        _shade(panel, events, steps.axis)
    _name(panels[0], events, steps.axis)
    steps.axis.label(panels[-1])
    figure.align_ylabels()
    _legend(figure, panels, instrument.sigma, "\n".join(filter(None, (title, note_of(steps), selection))))
    return figure


def steps_of(time: Values, segment: NDArray[np.int32], cadence: float, period: float, *, most: int = ACROSS) -> Steps:
    """Divide rows into the steps of a light curve: single rows, or cells if there are more rows than ``most``.

    Args:
        time: (rows,) start of each row, unix seconds, increasing; at least one.
        segment: (rows,) index of the unbroken stretch that each row lies in.
        cadence: length of a row, s.
        period: orbital period, s.
        most: largest number of rows that are drawn one by one.
    """
    axis = TimeAxis.of(time, cadence, period)
    if len(time) <= most:
        rows = cells(time, segment, cadence)
        return Steps(axis, rows, rows, None, None)
    width = max(axis.length / ACROSS, cadence)
    rate_width = width if width <= period / 8 else float(np.ceil(width / period)) * period
    elapsed = axis.elapsed(time)
    rate, pull = (cells(time, segment, cadence, step, elapsed=elapsed) for step in (rate_width, width))
    return Steps(axis, rate, pull, rate_width, width)


def note_of(steps: Steps) -> str:
    """Return a sentence on the width of the steps; empty where a step is a row."""
    if steps.rate_width is None or steps.pull_width is None:
        return ""
    rate, pull = (duration(width) for width in (steps.rate_width, steps.pull_width))
    if rate == pull:
        return f"means over {rate}; pulls: range"
    return f"means over {rate}, band: range of the background; pulls: range over {pull}"


def _draw_rate(panel: Axes, steps: Steps, rate: Values, pred: Values, sigma: Values) -> None:
    drawn = steps.rate
    when = steps.axis.position(drawn.edges())
    if steps.rate_width is None:
        low, high = drawn.steps(pred - sigma), drawn.steps(pred + sigma)
        panel.fill_between(when, low, high, color=BACKGROUND, alpha=0.35, lw=0, zorder=2.05, label="±1 σ")
    if steps.rate_width != steps.pull_width:
        low, high = drawn.steps(drawn.lowest(pred)), drawn.steps(drawn.highest(pred))
        panel.fill_between(when, low, high, color=BACKGROUND, alpha=0.2, lw=0, label="range")
    # The background of a good fit hides the mean rate, which is therefore drawn wide and pale beneath it.
    width = 0.7 if steps.rate_width is None else 2.0
    mean_rate, mean_pred = drawn.mean(rate), drawn.mean(pred)
    panel.plot(when, drawn.steps(mean_rate), color=MEASURED_FAINT, lw=width, label="rate")
    panel.plot(when, drawn.steps(mean_pred), color=BACKGROUND, lw=0.8, label="background")
    panel.set_ylabel("rate (Hz)")
    panel.margins(y=0.08)
    rate_scale(panel, mean_rate, mean_pred)


def _draw_pull(panel: Axes, steps: Steps, pull: Values, sigma: float) -> None:
    drawn, axis = steps.pull, steps.axis
    low, high = drawn.lowest(pull), drawn.highest(pull)
    panel.fill_between(
        axis.position(drawn.edges()), drawn.steps(low), drawn.steps(high), color=MEASURED, lw=0.5, label="pull"
    )
    for level in (-sigma, sigma):
        panel.axhline(level, color=LIMIT, lw=0.7, ls=(0, (4, 3)), label="limit")
    middle = (axis.position(drawn.start) + axis.position(drawn.stop)) / 2
    for flagged, extreme, color, label in (
        (high > sigma, high, EXCESS, "excess"),
        (low < -sigma, low, DEFICIT, "deficit"),
    ):
        panel.plot(middle[flagged], extreme[flagged], ".", ms=4, color=color, label=label)
    panel.set_ylabel("pull")
    pull_scale(panel, low, high, sigma)


def _shaded(events: pl.DataFrame | None) -> tuple[pl.DataFrame | None, str]:
    """Return the events that are shaded, and a note if these are not all."""
    if events is None or len(events) <= _SHADED:
        return events, ""
    few = highest_ranked(events, _SHADED) if "significance" in events.columns else events.head(_SHADED)
    return few, f"events: {_SHADED} of {len(events):,}, lowest false-alarm rate first"


def _shade(panel: Axes, events: pl.DataFrame | None, axis: TimeAxis) -> None:
    from matplotlib.collections import PolyCollection

    if events is None or events.is_empty():
        return
    start, stop = (axis.position(events[name].to_numpy()) for name in ("t_start", "t_stop"))
    bottom, top = np.zeros(len(start)), np.ones(len(start))
    corners = np.stack([start, bottom, start, top, stop, top, stop, bottom], axis=1).reshape(-1, 4, 2)
    # One artist for all events, as thousands of artists take seconds. The edge keeps a burst visible on a page of
    # weeks; it is thinner for many events, so that they do not cover the page.
    spans = PolyCollection(
        list(corners),
        transform=panel.get_xaxis_transform(),
        color=EVENT,
        alpha=0.5,
        lw=min(0.8, 60 / len(start)),
        zorder=0.5,
        snap=False,
        label="event",
    )
    panel.add_collection(spans, autolim=False)


def _name(panel: Axes, events: pl.DataFrame | None, axis: TimeAxis) -> None:
    """Write the name or class of each event beside it, unless there are too many."""
    if events is None or "class" not in events.columns or len(events) > _NAMED:
        return
    names = [row["matched"] or row["class"] for row in events.iter_rows(named=True)]
    low, high = panel.get_xlim()
    width = _NAME_WIDTH * (high - low)
    free = low  # no text beyond this position
    for when, name in zip(axis.position(events["t_start"].to_numpy()), names, strict=True):
        left = when - width >= free or when + width > high
        free = when if left else when + width
        panel.annotate(
            name,
            (when, 0.97),
            xycoords=panel.get_xaxis_transform(),
            xytext=(-2 if left else 4, 0),
            textcoords="offset points",
            rotation=90,
            ha="right" if left else "left",
            va="top",
            fontsize=6,
            clip_on=True,
        )


def _legend(figure: Figure, panels: NDArray[Any], sigma: float, note: str) -> None:
    drawn = [artist for panel in panels[:2] for artist in (*panel.lines, *panel.collections)]
    artists: dict[str, Any] = {str(artist.get_label()): artist for artist in drawn}
    artists.pop("range", None)  # the note explains it
    texts = {"limit": f"±{sigma:g}", "excess": f"> {sigma:g}", "deficit": f"< -{sigma:g}"}
    labels = [texts.get(label, label) for label in artists]
    figure.legend(list(artists.values()), labels, loc="outside upper center", ncols=len(labels), title=note or None)
