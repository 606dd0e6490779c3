"""The whole file on a page: rates with their background, and the pulls under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.plotting.axes import dates, duration, pull_scale, utc_axis
from polarbgb.plotting.bins import chosen
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
"""Steps across the page: two a dot of the saved picture."""

_INCHES_A_BIN = 2.5
_NAME_WIDTH = 0.012
"""Of a panel: the room that a name takes beside its line."""

_NAMED = 20
_SHADED = 500
"""Events shaded at most: of more the page would be one colour."""


@dataclass(frozen=True)
class Steps:
    """Cells of the two kinds of panel, and their widths, s; no width where a cell is a row."""

    rate: Cells
    pull: Cells
    rate_width: float | None
    pull_width: float | None


@styled
def light_curve(
    prediction: pl.DataFrame,
    config: Config,
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
        config: gives titles, cadence and the pull that flags a row.
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
    total = len(config.rates.titles)
    shown = chosen(sorted({0, total // 2, total - 1}) if bins is None else bins, total)
    usable = prediction["segment"] >= 0
    if not usable.any():
        return notice(f"{config.name}: no usable rows")
    time, segment = (prediction[name].filter(usable).to_numpy() for name in ("unix_time", "segment"))
    steps = steps_of(time, segment, config, most=most)
    events, cut = _shaded(events)

    figure = page(_INCHES_A_BIN * len(shown) + 0.6)
    panels: NDArray[Any] = figure.subplots(
        2 * len(shown), 1, sharex=True, squeeze=False, height_ratios=[3, 2] * len(shown)
    )[:, 0]
    for number, above, below in zip(shown, panels[::2], panels[1::2], strict=True):
        rate, pred, sigma, pull = (
            prediction[name].arr.get(number).filter(usable).to_numpy() for name in ("rate", "pred", "sigma", "pull")
        )
        _draw_rate(above, steps, rate, pred, sigma)
        above.set_title(config.rates.titles[number], loc="left")
        _draw_pull(below, steps.pull, pull, config.intervals.sigma)
    for panel in panels:
        _shade(panel, events)
    _name(panels[0], events)
    utc_axis(panels[-1], time[0], time[-1] + config.input.cadence)
    figure.align_ylabels()
    _legend(figure, panels, config.intervals.sigma, "\n".join(filter(None, (title, note_of(steps), cut))))
    return figure


def steps_of(time: Values, segment: NDArray[np.int32], config: Config, *, most: int = ACROSS) -> Steps:
    """Divide (rows,) times, unix s, into steps: rows, if there are no more than ``most``, else what a page can show."""
    cadence, period = config.input.cadence, config.orbit.period
    if len(time) <= most:
        rows = cells(time, segment, cadence)
        return Steps(rows, rows, None, None)
    width = max((time[-1] + cadence - time[0]) / ACROSS, cadence)
    rate_width = width if width <= period / 8 else float(np.ceil(width / period)) * period
    return Steps(cells(time, segment, cadence, rate_width), cells(time, segment, cadence, width), rate_width, width)


def note_of(steps: Steps) -> str:
    """Say what a step is."""
    if steps.rate_width is None or steps.pull_width is None:
        return ""
    rate, pull = (duration(width) for width in (steps.rate_width, steps.pull_width))
    if rate == pull:
        return f"means over {rate}; pulls: their range"
    return f"means over {rate}, band: range of the background; pulls: range over {pull}"


def _draw_rate(panel: Axes, steps: Steps, rate: Values, pred: Values, sigma: Values) -> None:
    drawn = steps.rate
    when = dates(drawn.edges())
    if steps.rate_width is None:
        low, high = drawn.steps(pred - sigma), drawn.steps(pred + sigma)
        panel.fill_between(when, low, high, color=BACKGROUND, alpha=0.35, lw=0, zorder=2.05, label=r"$\pm 1\,\sigma$")
    if steps.rate_width != steps.pull_width:
        low, high = drawn.steps(drawn.lowest(pred)), drawn.steps(drawn.highest(pred))
        panel.fill_between(when, low, high, color=BACKGROUND, alpha=0.2, lw=0, label="range")
    # The background of a good fit hides the mean rate: that is drawn wide and pale beneath it.
    wide = 0.7 if steps.rate_width is None else 2.0
    panel.plot(when, drawn.steps(drawn.mean(rate)), color=MEASURED_FAINT, lw=wide, label="rate")
    panel.plot(when, drawn.steps(drawn.mean(pred)), color=BACKGROUND, lw=0.8, label="background")
    panel.set_ylabel("rate (Hz)")
    panel.margins(y=0.08)


def _draw_pull(panel: Axes, drawn: Cells, pull: Values, sigma: float) -> None:
    low, high = drawn.lowest(pull), drawn.highest(pull)
    panel.fill_between(dates(drawn.edges()), drawn.steps(low), drawn.steps(high), color=MEASURED, lw=0.5, label="pull")
    for level in (-sigma, sigma):
        panel.axhline(level, color=LIMIT, lw=0.7, ls=(0, (4, 3)), label="limit")
    middle = dates((drawn.start + drawn.stop) / 2)
    for flagged, extreme, color, label in (
        (high > sigma, high, EXCESS, "excess"),
        (low < -sigma, low, DEFICIT, "deficit"),
    ):
        panel.plot(middle[flagged], extreme[flagged], ".", ms=4, color=color, label=label)
    panel.set_ylabel("pull")
    pull_scale(panel, low, high, sigma)


def _shaded(events: pl.DataFrame | None) -> tuple[pl.DataFrame | None, str]:
    """Return the events that are shaded, and say so where they are not all."""
    if events is None or len(events) <= _SHADED:
        return events, ""
    few = highest_ranked(events, _SHADED) if "significance" in events.columns else events.head(_SHADED)
    return few, f"events: {_SHADED} of {len(events):,}, lowest far first"


def _shade(panel: Axes, events: pl.DataFrame | None) -> None:
    from matplotlib.collections import PolyCollection

    if events is None or events.is_empty():
        return
    start, stop = (dates(events[name].to_numpy()) for name in ("t_start", "t_stop"))
    foot, head = np.zeros(len(start)), np.ones(len(start))
    corners = np.stack([start, foot, start, head, stop, head, stop, foot], axis=1).reshape(-1, 4, 2)
    # One artist for all, as thousands take seconds. The edge keeps a burst visible on a page of weeks,
    # and thins out where they are many, lest they cover the page.
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


def _name(panel: Axes, events: pl.DataFrame | None) -> None:
    """Write what each event is beside its shade, if there is room."""
    if events is None or "class" not in events.columns or len(events) > _NAMED:
        return
    names = [row["matched"] or row["class"] for row in events.iter_rows(named=True)]
    low, high = panel.get_xlim()
    width = _NAME_WIDTH * (high - low)
    free = low  # from where on the room to the left of a line is free
    for when, name in zip(dates(events["t_start"].to_numpy()), names, strict=True):
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
    artists.pop("range", None)  # told in the note
    said = {"limit": f"±{sigma:g}", "excess": f"> {sigma:g}", "deficit": f"< -{sigma:g}"}
    labels = [said.get(label, label) for label in artists]
    figure.legend(list(artists.values()), labels, loc="outside upper center", ncols=len(labels), title=note or None)
