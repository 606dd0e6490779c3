"""The known events, one by one, whether they were found or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.plotting.event import draw_rate, rows_near
from polarbgb.plotting.style import EVENT, LIMIT, grid, legend, notice, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BESIDE = 100.0
"""s shown before the trigger and after the end of the duration."""

_ABREAST = 4


@styled
def known_gallery(
    prediction: pl.DataFrame, events: pl.DataFrame, known: pl.DataFrame, config: Config, *, number: int | None = None
) -> Figure:
    """Draw every known event, 100 s before and after its duration, with the events found there shaded.

    Args:
        prediction: ``unix_time`` (s), ``segment``, and per bin ``rate``, ``pred`` and ``sigma`` (Hz).
        events: ``t_start``, ``t_stop`` (unix s, half-open) and the per-bin ``significance_bin``.
        known: from :func:`polarbgb.transients.match.known_summary`.
        config: gives titles and cadence.
        number: of the bin; not given: the one that sees the events found best, by the sum of their significances.

    Returns:
        A panel a known event that has rows; those without are named in the last line.
    """
    number = _best_bin(events, known) if number is None else number
    near = [(one, rows_near(prediction, _moment(one), BESIDE)) for one in known.iter_rows(named=True)]
    drawn = [(one, there) for one, there in near if not there.is_empty()]
    if not drawn:
        return notice(f"{config.name}: no data within {BESIDE:g} s of a known event")
    rows, columns = grid(len(drawn), _ABREAST)
    figure = page(1.5 * rows + 0.7)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(drawn))]
    for panel, (one, there) in zip(panels, drawn, strict=True):
        _draw_span(panel, one["time"], one["duration"], events)
        draw_rate(panel, there, number, one["time"], config.input.cadence)
        panel.set_title(wrapped(_title(one, config), columns), fontsize=7)
    absent = [_short(one["name"]) for one, there in near if there.is_empty()]
    said = f"; no data: {', '.join(absent)}" if absent else ""
    figure.supxlabel(wrapped(f"time since the trigger (s){said}", 1), fontsize=8)
    figure.supylabel("rate (Hz)", fontsize=8)
    legend(figure, panels, title=f"known events, {config.rates.titles[number]}")
    return figure


def _best_bin(events: pl.DataFrame, known: pl.DataFrame) -> int:
    found = events.filter(pl.col("name").is_in(known["event"].drop_nulls().to_list()))
    return int(np.argmax(np.nan_to_num(found["significance_bin"].to_numpy()).sum(axis=0))) if len(found) else 0


def _moment(one: dict[str, Any]) -> dict[str, float]:
    return {"t_start": one["time"], "t_stop": one["time"] + one["duration"]}


def _draw_span(panel: Axes, trigger: float, duration: float, events: pl.DataFrame) -> None:
    inside = (pl.col("t_start") < trigger + duration + BESIDE) & (pl.col("t_stop") > trigger - BESIDE)
    for start, stop in events.filter(inside).select("t_start", "t_stop").iter_rows():
        panel.axvspan(start - trigger, stop - trigger, facecolor=EVENT, alpha=0.35, lw=0, label="event found")
    panel.axvline(0, color=LIMIT, lw=0.6, ls=(0, (4, 3)), label="trigger")
    if duration:
        panel.axvline(duration, color=LIMIT, lw=0.6, ls=":", label="end of its duration")
    panel.set_xlim(-BESIDE, duration + BESIDE)
    panel.locator_params(axis="y", nbins=4)


def _short(name: str) -> str:
    return name.replace("_", " ")


def _title(one: dict[str, Any], config: Config) -> str:
    """Say which known event it is, and which event was found there."""
    reach = config.known_events.match if config.known_events else 0.0
    return f"{_short(one['name'])}\n{one['event'] or f'none within {reach:g} s'}"
