"""The known events, whether they were found or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from polarbgb.plotting.event import draw_rate, rows_near
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import EVENT, LIMIT, grid, legend, notice, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BESIDE = 100.0
"""Seconds shown before the trigger and after the end of the duration."""

_COLUMNS = 4


@styled
def known_gallery(
    prediction: pl.DataFrame,
    events: pl.DataFrame,
    known: pl.DataFrame,
    instrument: Instrument,
    *,
    slack: float = 0.0,
    i_bin: int | None = None,
) -> Figure:
    """Draw every known event from 100 s before to 100 s after its duration, with the events found shaded.

    Args:
        prediction: ``unix_time`` (s), ``segment``, and per bin ``rate``, ``pred`` and ``sigma`` (Hz).
        events: ``t_start``, ``t_stop`` (unix s, half-open) and the per-bin ``significance_bin``.
        known: from :func:`polarbgb.transients.match.known_summary`.
        instrument: gives titles and cadence.
        slack: largest distance from the span of a known event to an event that matches it, s.
        i_bin: bin that is drawn; if None, the one with the largest sum of significances of the events found.

    Returns:
        One panel per known event with rows near it; the label names those without.
    """
    i_bin = _best_bin(events, known) if i_bin is None else i_bin
    near = [(event, rows_near(prediction, _span(event), BESIDE)) for event in known.iter_rows(named=True)]
    drawn = [(event, rows) for event, rows in near if not rows.is_empty()]
    if not drawn:
        return notice(f"{instrument.name}: no data within {BESIDE:g} s of a known event")
    n_rows, columns = grid(len(drawn), _COLUMNS)
    figure = page(1.5 * n_rows + 0.7)
    panels = [figure.add_subplot(n_rows, columns, place + 1) for place in range(len(drawn))]
    for panel, (event, rows) in zip(panels, drawn, strict=True):
        _draw_span(panel, event["time"], event["duration"], events)
        draw_rate(panel, rows, i_bin, event["time"], instrument.cadence)
        panel.set_title(wrapped(_title(event, slack), columns), fontsize=7)
    absent = [event["name"] for event, rows in near if rows.is_empty()]
    note = f"; no data: {', '.join(absent)}" if absent else ""
    figure.supxlabel(wrapped(f"time since the trigger (s){note}", 1), fontsize=8)
    figure.supylabel("rate (Hz)", fontsize=8)
    legend(figure, panels, title=f"known events, {instrument.titles[i_bin]}")
    return figure


def _best_bin(events: pl.DataFrame, known: pl.DataFrame) -> int:
    matched = events.filter(pl.col("name").is_in(known["event"].drop_nulls().to_list()))
    return int(np.argmax(np.nan_to_num(matched["significance_bin"].to_numpy()).sum(axis=0))) if len(matched) else 0


def _span(event: dict[str, Any]) -> dict[str, float]:
    return {"t_start": event["time"], "t_stop": event["time"] + event["duration"]}


def _draw_span(panel: Axes, trigger: float, duration: float, events: pl.DataFrame) -> None:
    inside = (pl.col("t_start") < trigger + duration + BESIDE) & (pl.col("t_stop") > trigger - BESIDE)
    for start, stop in events.filter(inside).select("t_start", "t_stop").iter_rows():
        panel.axvspan(start - trigger, stop - trigger, facecolor=EVENT, alpha=0.35, lw=0, label="event found")
    panel.axvline(0, color=LIMIT, lw=0.6, ls=(0, (4, 3)), label="trigger")
    if duration:
        panel.axvline(duration, color=LIMIT, lw=0.6, ls=":", label="end of the duration")
    panel.set_xlim(-BESIDE, duration + BESIDE)
    panel.locator_params(axis="y", nbins=4)


def _title(event: dict[str, Any], slack: float) -> str:
    """Return the name of a known event, and the event that was found there."""
    return f"{event['name']}\n{event['event'] or f'none within {slack:g} s'}"
