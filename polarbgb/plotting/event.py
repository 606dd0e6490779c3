"""One event in all bins: rate, background and pulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from polarbgb.plotting.axes import pull_scale, rate_scale
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, EVENT, LIMIT, MEASURED, grid, page, styled, wrapped
from polarbgb.plotting.time_cells import Cells, cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def event_plot(
    prediction: pl.DataFrame,
    event: Mapping[str, Any],
    instrument: Instrument,
    *,
    margin: float | None = None,
    bins: Sequence[int] | None = None,
) -> Figure:
    """Draw an event in every bin: the rate with its background, and the pulls below.

    Args:
        prediction: ``unix_time`` (s), ``segment``, and per bin ``rate``, ``pred``, ``sigma`` (Hz) and ``pull``.
        event: ``name``, ``utc``, ``t_start``, ``t_stop`` (unix s, half-open), ``significance`` (sigma), and
            ``matched`` and ``class`` if they are known.
        instrument: gives titles, cadence and the pull beyond which a row is flagged.
        margin: time shown before and after the event, s; see :func:`around` if None.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        Two panels per bin.
    """
    titles = instrument.titles
    shown = chosen(bins, len(titles))
    rows, columns = grid(len(shown))
    figure = page(2.4 * rows + 0.7)
    panels = figure.subplots(2 * rows, columns, sharex=True, squeeze=False, height_ratios=[5, 3] * rows)
    start, beside = event["t_start"], around(event, margin)
    near = rows_near(prediction, event, beside)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        above, below = panels[2 * row, column], panels[2 * row + 1, column]
        if place >= len(shown):
            above.remove()
            below.remove()
            continue
        i_bin = shown[place]
        for panel in (above, below):
            frame_event(panel, event, beside)
        if not near.is_empty():
            draw_rate(above, near, i_bin, start, instrument.cadence)
            _draw_pull(below, near, i_bin, start, instrument)
        above.set_title(wrapped(titles[i_bin], columns), fontsize=7)
        if column == 0:
            above.set_ylabel("rate (Hz)")
            below.set_ylabel("pull")
        # Only the lowest bin of each column has labels of time.
        below.tick_params(labelbottom=place + columns >= len(shown))
    figure.align_ylabels()
    figure.supxlabel(f"time since {to_the_second(event)} UTC (s){share(shown, len(titles))}", fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), title=_title(event))
    return figure


def best_bin(event: Mapping[str, Any]) -> int:
    """Return the index of the bin in which an event is most significant, by its ``significance_bin``."""
    return int(np.argmax(np.nan_to_num(np.array(event["significance_bin"], np.float64), nan=-np.inf)))


def around(event: Mapping[str, Any], margin: float | None) -> float:
    """Return the seconds shown before and after an event: ``margin``, or three times its duration, at least 60."""
    return max(60.0, 3 * (event["t_stop"] - event["t_start"])) if margin is None else margin


def rows_near(prediction: pl.DataFrame, event: Mapping[str, Any], beside: float) -> pl.DataFrame:
    """Return the usable rows within ``beside`` seconds of an event."""
    start, stop = event["t_start"] - beside, event["t_stop"] + beside
    shown = pl.col("unix_time").is_between(start, stop, closed="left")
    return prediction.filter(shown)


def frame_event(panel: Axes, event: Mapping[str, Any], beside: float) -> None:
    """Shade an event, and show ``beside`` seconds on either side, in seconds since its start."""
    length = event["t_stop"] - event["t_start"]
    panel.axvspan(0, length, color=EVENT, alpha=0.35, lw=0.8, label="event")
    panel.set_xlim(-beside, length + beside)


def draw_rate(panel: Axes, near: pl.DataFrame, i_bin: int, start: float, cadence: float) -> None:
    """Draw rate and background of a bin with a band of one sigma of a row, in seconds since ``start``."""
    drawn = _steps(near, cadence)
    seconds = drawn.edges() - start
    rate, pred, sigma = (drawn.steps(near[name].arr.get(i_bin).to_numpy()) for name in ("rate", "pred", "sigma"))
    panel.fill_between(seconds, pred - sigma, pred + sigma, color=BACKGROUND, alpha=0.3, lw=0, label="±1 σ")
    panel.plot(seconds, rate, color=MEASURED, lw=0.8, label="rate")
    panel.plot(seconds, pred, color=BACKGROUND, lw=1.2, label="background")
    rate_scale(panel, rate, pred)


def to_the_second(event: Mapping[str, Any]) -> str:
    """Return the start of an event, UTC, to the second."""
    return str(event["utc"]).replace("T", " ").removesuffix("Z").partition(".")[0]


def _draw_pull(panel: Axes, near: pl.DataFrame, i_bin: int, start: float, instrument: Instrument) -> None:
    drawn = _steps(near, instrument.cadence)
    pull, sigma = near["pull"].arr.get(i_bin).to_numpy(), instrument.sigma
    panel.axhline(0, color=BACKGROUND, lw=0.8)
    for level in (-sigma, sigma):
        panel.axhline(level, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
    panel.plot(drawn.edges() - start, drawn.steps(pull), color=MEASURED, lw=0.7)
    pull_scale(panel, pull, pull, sigma)


def _steps(near: pl.DataFrame, cadence: float) -> Cells:
    return cells(near["unix_time"].to_numpy(), near["segment"].to_numpy(), cadence)


def _title(event: Mapping[str, Any]) -> str:
    """Return the name of an event, its known event or class, and its significance."""
    label = event.get("matched") or event.get("class")
    name = f"{event['name']}: {label}" if label else str(event["name"])
    return f"{name}, {event['significance']:.1f} \N{GREEK SMALL LETTER SIGMA} in its best bin"
