"""One event: rate and background around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from polarbgb.present.cells import Cells, cells
from polarbgb.present.style import BACKGROUND, EVENT, MEASURED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def around(event: Mapping[str, Any], margin: float | None) -> float:
    """Return the seconds shown before and after an event: as asked, else three times its duration, at least 60."""
    return max(60.0, 3 * (event["t_stop"] - event["t_start"])) if margin is None else margin


def rows_near(prediction: pl.DataFrame, event: Mapping[str, Any], beside: float) -> pl.DataFrame:
    """Return the usable rows within so many seconds of an event."""
    start, stop = event["t_start"] - beside, event["t_stop"] + beside
    shown = pl.col("unix_time").is_between(start, stop, closed="left")
    return prediction.filter(shown & (pl.col("segment") >= 0))


def frame_event(panel: Axes, event: Mapping[str, Any], beside: float) -> None:
    """Span so many seconds on either side of an event, in seconds since its start, and shade it."""
    length = event["t_stop"] - event["t_start"]
    panel.axvspan(0, length, facecolor=EVENT, alpha=0.35, lw=0, label="event")
    panel.set_xlim(-beside, length + beside)


def draw_rate(panel: Axes, near: pl.DataFrame, number: int, start: float, cadence: float) -> None:
    """Draw rate and background of a bin, with one sigma of a row on either side, in seconds since ``start``."""
    drawn = _steps(near, cadence)
    seconds = drawn.edges() - start
    rate, pred, sigma = (drawn.steps(near[name].arr.get(number).to_numpy()) for name in ("rate", "pred", "sigma"))
    panel.fill_between(seconds, pred - sigma, pred + sigma, color=BACKGROUND, alpha=0.3, lw=0, label=r"$\pm 1\,\sigma$")
    panel.plot(seconds, rate, color=MEASURED, lw=0.8, label="rate")
    panel.plot(seconds, pred, color=BACKGROUND, lw=1.2, label="background")


def to_the_second(event: Mapping[str, Any]) -> str:
    """Return the start of an event, UTC."""
    return str(event["utc"]).replace("T", " ").removesuffix("Z").partition(".")[0]


def _steps(near: pl.DataFrame, cadence: float) -> Cells:
    return cells(near["unix_time"].to_numpy(), near["segment"].to_numpy(), cadence)
