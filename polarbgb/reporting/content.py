"""The content of the report: events, light curves, positions and explanations, from the tables of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Position
from polarbgb.io.columns import column
from polarbgb.plotting.axes import utc
from polarbgb.plotting.bins import spread
from polarbgb.plotting.dependence import effect
from polarbgb.plotting.event import around, best_bin
from polarbgb.plotting.places import east_north, mean_map
from polarbgb.plotting.zooms import Zoom
from polarbgb.reporting.curves import Curves, packed
from polarbgb.reporting.table import number
from polarbgb.transients.events import highest_ranked

_FIELD_STEPS = 60
"""Steps of the field strength."""
_STRONGEST = 8
"""Features shown in the explanation of a background."""
_BESIDE = 300.0
"""Largest time drawn before and after an event, s."""
PAIRS = 6
"""Pairs of panels drawn at once; with more bins, each pair has a menu of bins."""
LISTED = 5000
"""Largest number of events listed: browsers sort and search much longer lists slowly."""


EVENT_COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"key": "id", "title": "id", "hidden": True},
    {"key": "name", "title": "name"},
    {"key": "utc", "title": "start", "unit": "UTC"},
    {"key": "t_start", "title": "start", "unit": "unix s", "number": True, "digits": 1},
    {"key": "duration", "title": "duration", "unit": "s", "number": True},
    {"key": "significance", "title": "best bin", "unit": "sigma", "number": True, "digits": 1},
    {"key": "ranking", "title": "ranking", "number": True, "digits": 2},
    {"key": "far", "title": "far", "unit": "1/day", "number": True, "limit": "far_limit"},
    {"key": "far_limit", "title": "far is an upper limit", "hidden": True},
    {"key": "probability", "title": "probability", "number": True},
    {"key": "class", "title": "class"},
    {"key": "matched", "title": "known as"},
    {"key": "flags", "title": "flags"},
    {"key": "class_rule", "title": "reason", "hidden": True},
    {"key": "ranked_by", "title": "ranked by", "hidden": True},
)
"""Columns of the list of events; those that a list does not have are left out."""


def event_list(events: pl.DataFrame) -> tuple[list[Mapping[str, Any]], list[list[Any]]]:
    """Return the columns of the list of events, and its rows, in which NaN is null.

    Of more than :data:`LISTED` events, those of the lowest false-alarm rate are listed, in order of time.
    """
    events = highest_ranked(events, LISTED).sort("id")
    shown = [column for column in EVENT_COLUMNS if column["key"] in events.columns]
    listed = events.select([column["key"] for column in shown]).with_columns(
        pl.col(pl.Float64, pl.Float32).fill_nan(None),
    )
    if "utc" in listed.columns:
        listed = listed.with_columns(pl.col("utc").str.replace("T", " ").str.head(19))
    return shown, [list(row) for row in listed.iter_rows()]


def facts(event: Mapping[str, Any], titles: Sequence[str], bins: Sequence[int]) -> list[tuple[str, str]]:
    """Return the name and the value, with its unit, of all columns of an event; arrays for the bins shown."""
    bins = bins_of_event(event, bins)
    entries = []
    for name, value in event.items():
        unit = column("events", name).unit
        if isinstance(value, list):
            entries += [(f"{name}, {titles[i_bin]}", f"{number(value[i_bin], 4)} {unit}".rstrip()) for i_bin in bins]
        elif isinstance(value, float):
            text = f"{value:.3f}" if name.startswith("t_") else number(value, 4)
            limit = "<" if name == "far" and event.get("far_limit") else ""
            entries.append((name, f"{limit}{text} {unit}".rstrip()))
        elif isinstance(value, bool):
            entries.append((name, "yes" if value else "no"))
        elif value not in {None, ""}:
            entries.append((name.replace("ranked_by", "ranked by"), str(value)))
    return entries


def bins_of_event(event: Mapping[str, Any], bins: Sequence[int]) -> list[int]:
    """Return the bins shown for an event: those of the page, and the one in which it is most significant."""
    return sorted({*bins, best_bin(event)})


def initial_bins(bins: Sequence[int], best: int | None = None) -> list[int]:
    """Return the bins that are drawn initially: all, or the best one and some spread over the others."""
    if len(bins) <= PAIRS:
        return list(bins)
    others = [i_bin for i_bin in bins if i_bin != best]
    first = [] if best is None else [best]
    return first + [others[place] for place in spread(len(others), PAIRS - len(first))]


def event_windows(
    curves: Curves, events: pl.DataFrame, cadence: float, bins: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return by id the light curves around events in the bins of :func:`bins_of_event`, and their durations, s."""
    windows = {}
    for event in events.select(["id", "t_start", "t_stop", "significance_bin"]).iter_rows(named=True):
        start, stop = event["t_start"], event["t_stop"]
        beside, shown, best = min(around(event, None), _BESIDE), bins_of_event(event, bins), best_bin(event)
        windows[event["id"]] = {
            "curves": curves.window(start - beside, stop + beside, start, cadence, shown),
            "length": stop - start,
            "bins": shown,
            "shown": initial_bins(shown, best),
            "best": best,
        }
    return windows


def zooms(curves: Curves, chosen: Sequence[Zoom], cadence: float, bins: Sequence[int]) -> list[dict[str, Any]]:
    """Return the light curves of some stretches of time in some bins."""
    return [
        {
            "name": zoom.name.replace("_", " "),
            "when": f"{zoom.title}; from {utc(zoom.start)} UTC",
            "curves": curves.window(zoom.start, zoom.stop, zoom.start, cadence, bins),
            "bins": bins,
            "shown": initial_bins(bins),
        }
        for zoom in chosen
    ]


def background_map(
    prediction: pl.DataFrame, events: pl.DataFrame, position: Position | None
) -> NDArray[np.float64] | None:
    """Return the (latitudes, longitudes) mean background of the first bin, Hz, in cells of 3 degrees.

    The map covers all longitudes, and the same latitudes north and south. It is NaN where there are no data, and None
    if the positions of rows or events are not known.
    """
    if position is None or not {position.latitude, position.longitude} <= {*prediction.columns} & {*events.columns}:
        return None
    east, north = east_north(prediction, position)
    if not np.isfinite(east + north).any():
        return None
    return mean_map(east, north, prediction["pred"].arr.first().to_numpy())[0].T


def field_background(prediction: pl.DataFrame) -> dict[str, NDArray[Any]] | None:
    """Return the 10 %, 50 % and 90 % quantiles of the background of the first bin, Hz, by field strength, nT."""
    if "field_strength" not in prediction.columns:
        return None
    rows = prediction.select("field_strength", pred=pl.col("pred").arr.first())
    rows = rows.filter(pl.col("field_strength").is_finite())
    if rows.is_empty():
        return None
    strength = rows["field_strength"].to_numpy()
    low, high = float(strength.min()), float(strength.max())
    width = max((high - low) / _FIELD_STEPS, 1e-9)
    step = ((pl.col("field_strength") - low) / width).floor().clip(0, _FIELD_STEPS - 1).alias("step")
    curve = (
        rows.group_by(step)
        .agg(
            field=pl.col("field_strength").mean(),
            low=pl.col("pred").quantile(0.1),
            median=pl.col("pred").median(),
            high=pl.col("pred").quantile(0.9),
        )
        .sort("step")
    )
    return {name: curve[name].to_numpy() for name in ("field", "low", "median", "high")}


def event_positions(events: pl.DataFrame, prediction: pl.DataFrame, position: Position | None) -> dict[str, Any]:
    """Return positions, field strength and background of the first bin at the peaks of events."""
    time = prediction["unix_time"].to_numpy()
    peak = np.clip(np.searchsorted(time, events["t_peak"].to_numpy()), 0, max(len(time) - 1, 0))
    positions: dict[str, Any] = {
        "id": events["id"].to_numpy(),
        "name": events["name"].to_list(),
        "kind": events["class"].to_list() if "class" in events.columns else [""] * len(events),
    }
    if position is not None and {position.latitude, position.longitude} <= {*events.columns}:
        positions["longitude"], positions["latitude"] = east_north(events, position)
    if "field_strength" in events.columns:
        positions["field"] = events["field_strength"].to_numpy()
        positions["pred"] = prediction["pred"].arr.first().gather(peak).to_numpy()
    return positions


def dependence_curves(
    table: pl.DataFrame, features: Sequence[str], bins: Sequence[str], objective: str
) -> list[dict[str, Any]]:
    """Return the SHAP values of features against their own values, in the unit of ``effect``.

    Args:
        table: content of ``dependence.parquet``.
        features: features that are shown.
        bins: names of the rates that are shown.
        objective: loss of the model, which decides the unit.
    """
    entries = []
    for feature in features:
        curves, of_feature = [], table.filter(feature=feature)
        for name in bins:
            curve = of_feature.filter(bin=name).sort("value")
            shap = {key: packed(effect(curve[key].to_numpy(), objective)) for key in ("low", "median", "high")}
            curves.append({"value": packed(curve["value"].to_numpy()), **shap})
        entries.append({"feature": feature, "curves": curves})
    return entries


def reasons(
    table: pl.DataFrame, bins: Mapping[int, Sequence[int]], names: Sequence[str], objective: str
) -> dict[int, dict[int, list[tuple[str, float]]]]:
    """Return the most important features at the peak of each event by bin, and their effect on the background.

    Args:
        table: content of ``event_shap.parquet``.
        bins: indices of the bins by id of the event.
        names: names of all rates.
        objective: loss of the model, which decides the unit.
    """
    table = table.filter(pl.col("id").is_in([*bins]))
    columns = [name for name in table.columns if name.startswith("shap_")]
    values = effect(table.select(columns).to_numpy().astype(np.float64), objective)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :_STRONGEST]
    features = [name.removeprefix("shap_") for name in columns]
    row_of = {key: row for row, key in enumerate(table.select("id", "bin").iter_rows())}
    strongest: dict[int, dict[int, list[tuple[str, float]]]] = {}
    for event, i_bins in bins.items():
        for i_bin in i_bins:
            row = row_of.get((event, names[i_bin]))
            if row is not None:
                entries = [(features[feature], float(values[row, feature])) for feature in order[row]]
                strongest.setdefault(event, {})[i_bin] = entries
    return strongest
