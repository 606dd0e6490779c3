"""Pictures of a rate file: a whole mission, a day, an orbit, a burst, a flare."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from measures import RateFile
from numpy.typing import NDArray

from polarbgb.plotting.axes import dates
from polarbgb.plotting.style import BACKGROUND, DEFICIT, EVENT, EXCESS, MEASURED, MEASURED_FAINT, page, styled
from polarbgb.simulation.orbit import PERIOD

Array = NDArray[np.float64]

_BINS = {
    12: "any bar",
    5: "any bar > 15 keV",
    6: "any bar > 20 keV",
    0: "single bar > 15 keV",
    1: "single bar > 20 keV",
}
_COLOURS = (MEASURED, BACKGROUND, DEFICIT, EXCESS, EVENT)


@styled
def mission(file: RateFile) -> Figure:
    """Rate[0], the front-end's counts and the temperature of the whole mission, minute by minute."""
    figure = page(5.0)
    panels = figure.subplots(3, 1, sharex=True)
    time, rate = _means(file, file.rate[:, 0], 60)
    panels[0].plot(dates(time), rate, ".", color=MEASURED, markersize=0.7, rasterized=True)
    panels[0].set(yscale="log", ylabel="rate[0] (Hz)", title="A simulated mission, means of a minute")
    panels[0].yaxis.set_major_formatter(ScalarFormatter())
    panels[0].yaxis.set_minor_formatter(NullFormatter())
    panels[0].set_yticks([500, 1000, 2000, 5000])
    for panel, name, unit in ((panels[1], "fe_cosmic", "Hz"), (panels[2], "temperature", "°C")):
        time, values = _means(file, file.columns[name], 60)
        panel.plot(dates(time), values, ".", color=MEASURED, markersize=0.7, rasterized=True)
        panel.set(ylabel=f"{name} ({unit})")
    _utc(panels[2])
    return figure


@styled
def day(file: RateFile, truth: pl.DataFrame, start: float) -> Figure:
    """A day from a start, unix seconds: rates and what explains them, and where events were injected."""
    figure = page(5.0)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    inside = slice(*np.searchsorted(file.time, [start, start + 86400]))
    for number, colour in ((12, MEASURED_FAINT), (0, MEASURED)):
        time, rate = _means(file, file.rate[:, number], 10, inside)
        panels[0].plot(dates(time), rate, color=colour, linewidth=0.6, label=_BINS[number])
    panels[0].set(yscale="log", ylabel="rate (Hz)", title="A simulated day, means of 10 s; shaded: injected events")
    for begin, end in truth.filter(pl.col("kind") != "gain_step").select("start", "stop").iter_rows():
        panels[0].axvspan(*dates(np.array([begin - 60, end + 60])), color=EVENT, alpha=0.4, linewidth=0)
    panels[0].legend(loc="upper center", ncols=2)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low, high * 1.5)
    time, values = _means(file, file.columns["fe_cosmic"], 10, inside)
    panels[1].plot(dates(time), values, color=BACKGROUND, linewidth=0.6)
    panels[1].set(ylabel="fe_cosmic (Hz)")
    time, values = _means(file, file.columns["glat"], 10, inside)
    panels[2].plot(dates(time), values, color=MEASURED, linewidth=0.6)
    panels[2].set(ylabel="latitude (°)")
    panels[2].set_xlim(*dates(np.array([start, start + 86400])))
    _utc(panels[2])
    return figure


@styled
def orbit(file: RateFile, start: float) -> Figure:
    """An orbit from a start, unix seconds: all nested rates, second by second."""
    figure = page(3.6)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    inside = slice(*np.searchsorted(file.time, [start, start + PERIOD]))
    for (number, label), colour in zip(_BINS.items(), _COLOURS, strict=True):
        rate = np.where(file.rate[:, number] > 0, file.rate[:, number], np.nan)
        time, rate = _means(file, rate, 1, inside)
        panels[0].plot(dates(time), rate, color=colour, linewidth=0.4, label=label)
    panels[0].set(yscale="log", ylabel="rate (Hz)", title="A simulated orbit, second by second")
    legend = panels[0].legend(loc="upper center", ncols=3)
    for line in legend.get_lines():
        line.set_linewidth(1.5)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low, high * 2.2)
    time, latitude = _means(file, file.columns["glat"], 10, inside)
    panels[1].plot(dates(time), latitude, color=MEASURED, linewidth=0.8)
    panels[1].set(ylabel="latitude (°)")
    panels[1].set_xlim(*dates(np.array([start, start + PERIOD])))
    _utc(panels[1])
    return figure


@styled
def event(file: RateFile, truth: dict[str, Any], title: str) -> Figure:
    """An event of the truth table in two bins, with its T90 shaded."""
    figure = page(3.2)
    panels = figure.subplots(2, 1, sharex=True)
    length = truth["stop"] - truth["start"]
    inside = slice(*np.searchsorted(file.time, [truth["start"] - 0.6 * length, truth["stop"] + 0.5 * length]))
    time = file.time[inside] - truth["t90_start"]
    for panel, number in zip(panels, (0, 12), strict=True):
        rate = np.where(file.rate[inside, number] > 0, file.rate[inside, number], np.nan)
        panel.step(time, rate, where="post", color=MEASURED, linewidth=0.7)
        panel.axvspan(0, truth["t90"], color=EVENT, alpha=0.25, linewidth=0)
        panel.set(ylabel=f"rate[{number}] (Hz)")
        panel.text(
            0.985,
            0.93,
            f"{_BINS[number]}: {truth[f'significance_{number}']:.0f} sigma",
            transform=panel.transAxes,
            ha="right",
            va="top",
        )
    panels[0].set_title(title)
    panels[1].set_xlabel(f"time since {_clock(truth['t90_start'])} UTC (s); shaded: T90")
    return figure


def _means(file: RateFile, values: Array, width: float, rows: slice = slice(None)) -> tuple[Array, Array]:
    """Average rows in bins of a width, s; NaN between bins that are not neighbours, so that no line joins them."""
    frame = pl.DataFrame({"bin": (file.time[rows] // width).astype(np.int64), "value": values[rows]})
    means = frame.group_by("bin").agg(pl.col("value").mean()).sort("bin")
    bins, average = means["bin"].to_numpy(), means["value"].to_numpy()
    broken = np.flatnonzero(np.diff(bins) > 1) + 1
    return np.insert(bins * width, broken, bins[broken] * width), np.insert(average, broken, np.nan)


def _clock(time: float) -> str:
    return str(np.datetime64(int(time * 1000), "ms")).replace("T", " ")[:-2]


def _utc(panel: Any) -> None:  # noqa: ANN401 - matplotlib's axes
    locator = AutoDateLocator()
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    panel.set_xlabel("UTC")
