"""The most significant events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from polarbgb.plotting.event import around, best_bin, draw_rate, frame_event, rows_near, to_the_second
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import grid, notice, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def event_gallery(
    prediction: pl.DataFrame,
    events: pl.DataFrame,
    instrument: Instrument,
    *,
    count: int = 9,
    margin: float | None = None,
) -> Figure:
    """Draw the most significant events, each in the bin in which it is most significant.

    Args:
        prediction: ``unix_time`` (s), ``segment``, and per bin ``rate``, ``pred`` and ``sigma`` (Hz).
        events: ``name``, ``utc``, ``t_start``, ``t_stop`` (unix s, half-open), ``significance`` (sigma),
            ``matched`` (name of the known event, or empty) and the per-bin ``significance_bin``.
        instrument: gives titles and cadence.
        count: largest number of events drawn.
        margin: time shown before and after an event, s; see :func:`polarbgb.plotting.event.around` if None.

    Returns:
        One panel per event, most significant first.
    """
    best = events.sort("significance", descending=True, nulls_last=True).head(count)
    if best.is_empty():
        return notice(f"{instrument.name}: no events")
    rows, columns = grid(len(best))
    figure = page(2.3 * rows + 0.5)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(best))]
    for panel, event in zip(panels, best.iter_rows(named=True), strict=True):
        _draw_event(panel, prediction, event, instrument, margin)
        panel.set_title(wrapped(_title(event, instrument), columns), fontsize=7)
    figure.supxlabel("time since start of the event (s)", fontsize=8)
    figure.supylabel("rate (Hz)", fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_event(
    panel: Axes, prediction: pl.DataFrame, event: dict[str, Any], instrument: Instrument, margin: float | None
) -> None:
    beside = around(event, margin)
    frame_event(panel, event, beside)
    near = rows_near(prediction, event, beside)
    if not near.is_empty():
        draw_rate(panel, near, best_bin(event), event["t_start"], instrument.cadence)


def _title(event: dict[str, Any], instrument: Instrument) -> str:
    known = f" = {event['matched']}" if event["matched"] else ""
    significance = f"{event['significance']:.1f} \N{GREEK SMALL LETTER SIGMA}, {instrument.titles[best_bin(event)]}"
    return f"{event['name']}{known}\n{to_the_second(event)} UTC\n{significance}"
