"""Positions of events: on a map, and against latitude, field strength and L shell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Position
from polarbgb.plotting.axes import logarithmic, plain_steps
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import EXCESS, MEASURED_FAINT, SERIES, entry, legend, notice, page, styled
from polarbgb.transients.events import highest_ranked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]

_CELL = 3.0
"""Width of a cell of the map, degrees of latitude and longitude."""
_STEPS = 24
"""Steps of a histogram of positions."""
_MARKERS = "osD^vP*X<>"
_MAPPED = 2000
"""Largest number of events on the map: more would hide it."""


@styled
def event_map(prediction: pl.DataFrame, events: pl.DataFrame, instrument: Instrument, position: Position) -> Figure:
    """Draw the events on a map of the mean observed rate; white where there are no data.

    Args:
        prediction: ``segment``, the per-bin ``rate`` (Hz), and the columns of latitude and longitude.
        events: ``class`` and the same columns, at the peak; of more than 2000, those of the lowest false-alarm
            rate are drawn.
        instrument: gives titles; the rate of the middle bin is drawn.
        position: names of the columns.

    Returns:
        One panel.
    """
    i_bin = len(instrument.titles) // 2
    rate = prediction["rate"].arr.get(i_bin).to_numpy()
    east, north = east_north(prediction.select(position.longitude, position.latitude), position)
    if not np.isfinite(east + north).any():
        return notice(f"{instrument.name}: no row has a position")
    mean, edges = mean_map(east, north, rate)
    figure = page(4.0)
    panel = figure.add_subplot()
    _image(figure, panel, mean, edges, f"mean rate (Hz), {instrument.titles[i_bin]}")
    drawn = highest_ranked(events, _MAPPED) if len(events) > _MAPPED else events
    for of_class, looks in _by_class(drawn):
        panel.plot(*east_north(of_class, position), ls="none", mec="white", mew=0.4, ms=5, **looks)
    selection = (
        f"; {_MAPPED:,} of {len(events):,} events, lowest false-alarm rate first" if len(drawn) < len(events) else ""
    )
    panel.set_xlabel(f"longitude (degrees east); white: no data{selection}")
    panel.set_ylabel("latitude (degrees north)")
    panel.set_xlim(-180, 180)
    panel.set_xticks(np.arange(-180, 181, 60))
    legend(figure, [panel], columns=4)
    return figure


def mean_map(east: Values, north: Values, values: NDArray[Any]) -> tuple[Values, tuple[Values, Values]]:
    """Average values over cells of 3 degrees.

    Args:
        east: (rows,) longitude, degrees, -180 to 180.
        north: (rows,) latitude, degrees.
        values: (rows,).

    Returns:
        (longitudes, latitudes) means, NaN where there is no row, and the edges of the cells.
    """
    known = np.isfinite(east) & np.isfinite(north) & np.isfinite(values)
    east, north, values = east[known], north[known], values[known]
    reach = _CELL * np.ceil((np.abs(north).max() if len(north) else 0.0) / _CELL + 1e-9)
    edges = np.arange(-180, 180 + _CELL / 2, _CELL), np.arange(-reach, reach + _CELL / 2, _CELL)
    number, *_ = np.histogram2d(east, north, edges)
    total, *_ = np.histogram2d(east, north, edges, weights=values)
    return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0), edges


def _image(figure: Figure, panel: Axes, mean: Values, edges: tuple[Values, Values], label: str) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    # The faintest value is grey, as white means no data. The scale leaves out the few very bright cells at the anomaly.
    greys = ListedColormap(colormaps["Greys"](np.linspace(0.15, 0.75, 256)))
    shown = mean[mean > 0]
    low, high = np.quantile(shown, [0.01, 0.99]) if len(shown) else (1.0, 1.0)
    norm = LogNorm(low, max(high, 1.01 * low))
    mesh = panel.pcolormesh(*edges, np.ma.masked_invalid(mean).T, cmap=greys, norm=norm, rasterized=True)
    bar = figure.colorbar(mesh, ax=panel, label=label, pad=0.01, aspect=30, extend="both")
    plain_steps(bar.ax.yaxis, low, high)


@styled
def events_by_place(
    prediction: pl.DataFrame, events: pl.DataFrame, instrument: Instrument, position: Position
) -> Figure:
    """Draw the significance and the number of events against latitude, field strength and L shell.

    The lower panels compare the number of events with that of a rate that is constant in the time covered by data.

    Args:
        prediction: ``segment``, and the columns named below, if available.
        events: ``class``, ``significance`` (sigma), and the same columns, at the peak.
        instrument: the instrument's name.
        position: names of the columns; ``field_strength`` (nT) and ``l_shell`` (Earth radii) are auxiliary columns.

    Returns:
        Two panels per quantity.
    """
    shown = {
        column: label
        for column, label in (
            (position.latitude, "latitude (degrees north)"),
            ("field_strength", "field strength (nT)"),
            ("l_shell", "L (Earth radii)"),
        )
        if column in prediction.columns and column in events.columns
    }
    if events.is_empty() or not shown:
        return notice(f"{instrument.name}: no {'events' if shown else 'position of the events is known'}")
    figure = page(4.6)
    shared: dict[str, Any] = {"sharex": "col", "sharey": "row"}
    panels: NDArray[Any] = figure.subplots(2, len(shown), squeeze=False, height_ratios=[3, 2], **shared)
    for (column, label), above, below in zip(shown.items(), panels[0], panels[1], strict=True):
        for of_class, looks in _by_class(events):
            above.plot(of_class[column], of_class["significance"], ls="none", ms=4, mew=0, alpha=0.8, **looks)
        of_events, of_rows = events[column].to_numpy(), prediction[column].to_numpy()
        edges = _edges(of_events, of_rows)
        observed, expected = counted_by(of_events, of_rows, edges)
        below.stairs(expected, edges, color=MEASURED_FAINT, fill=True, alpha=0.5, label="constant rate")
        below.stairs(observed, edges, color=EXCESS, lw=1.0, label="events")
        below.set_xlabel(label)
        margin = 0.02 * (edges[-1] - edges[0])
        below.set_xlim(edges[0] - margin, edges[-1] + margin)
    best = events.filter(pl.col("significance") > 0)["significance"].to_numpy()
    if len(best):
        logarithmic(panels[0, 0], best.min(), best.max())
    panels[0, 0].set_ylabel("significance (σ)")
    panels[1, 0].set_ylabel("events per step")
    panels[1, 0].set_ylim(bottom=0)
    panels[1, -1].legend(loc="upper right")
    legend(figure, [panels[0, 0]], columns=4)
    return figure


def counted_by(of_events: Values, of_rows: NDArray[Any], edges: Values) -> tuple[Values, Values]:
    """Count events in steps of a quantity, and return how many a constant rate in the time covered would give.

    Args:
        of_events: (events,) quantity at the events; values beyond the edges are counted in the outermost steps.
        of_rows: (rows,) quantity at all rows, which are equally long.
        edges: (steps + 1,) edges of the steps.

    Returns:
        (steps,) observed and expected numbers of events.
    """
    observed, time = (
        np.histogram(np.clip(values[~np.isnan(values)], edges[0], edges[-1]), edges)[0].astype(np.float64)
        for values in (of_events, of_rows)
    )
    return observed, time * (observed.sum() / time.sum()) if time.sum() else time


def _edges(of_events: Values, of_rows: NDArray[Any]) -> Values:
    """Divide the range of the events and of 99.9 % of the rows into equal steps; L has no upper limit."""
    at_rows, at_events = (values[np.isfinite(values)] for values in (of_rows, of_events))
    central = np.quantile(at_rows, [0.0005, 0.9995]) if len(at_rows) else np.array([0.0, 1.0])
    values = np.concatenate([central, at_events])
    low, high = values.min(), values.max()
    return np.linspace(low, high if high > low else low + 1.0, _STEPS + 1)


def east_north(rows: pl.DataFrame, position: Position) -> tuple[Values, Values]:
    """Return longitude, -180 to 180 degrees, and latitude, degrees."""
    east, north = (rows[name].cast(pl.Float64).to_numpy() for name in (position.longitude, position.latitude))
    return (east + 180) % 360 - 180, north


def _by_class(events: pl.DataFrame) -> Sequence[tuple[pl.DataFrame, dict[str, Any]]]:
    """Return the events of each class, the largest class first, with the style of their markers."""
    classes = events["class"].value_counts().sort("count", "class", descending=[True, False])
    looks = zip(classes.iter_rows(), cycle(SERIES), cycle(_MARKERS))
    return [
        (
            events.filter(pl.col("class") == name),
            {"label": entry(f"{name} ({count})"), "color": colour, "marker": marker},
        )
        for (name, count), colour, marker in looks
    ]
