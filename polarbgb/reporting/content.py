"""From the frames of a run to what its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.segments import predicted_intervals
from polarbgb.io.columns import column
from polarbgb.plotting.axes import utc
from polarbgb.plotting.bins import share, spread
from polarbgb.plotting.dependence import effect
from polarbgb.plotting.event import around, best_bin
from polarbgb.plotting.places import east_north, mean_map
from polarbgb.plotting.zooms import Zoom
from polarbgb.reporting.curves import Curves, packed
from polarbgb.reporting.page import Table
from polarbgb.transients.events import highest_ranked

_FIELD_STEPS = 60
"""Steps of the field strength."""
_STRONGEST = 8
"""Features shown of those that moved a background."""
_BESIDE = 300.0
"""s drawn beside an event at most."""
PAIRS = 6
"""Pairs of panels drawn at once; of more bins than that, each pair has its choice."""
LISTED = 5000
"""Events that the page lists at most: with a hundred thousand, no browser sorts or searches at once."""


def number(value: float, digits: int = 3) -> str:
    """Return a number as a reader takes it in: whole above 1000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


EVENT_COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"key": "id", "title": "id", "hidden": True},
    {"key": "name", "title": "name"},
    {"key": "utc", "title": "start", "unit": "UTC"},
    {"key": "t_start", "title": "start", "unit": "unix s", "number": True, "digits": 1},
    {"key": "duration", "title": "lasts", "unit": "s", "number": True},
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
"""Columns of the list of events, as far as a list has them; the page sorts and searches them."""


def event_list(events: pl.DataFrame) -> tuple[list[Mapping[str, Any]], list[list[Any]]]:
    """Return the columns shown of a list of events, and its rows; what is not a number is null.

    Of more than :data:`LISTED` those of the lowest false-alarm rate are taken, in the order in which they came.
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
    """Return all that is known of an event as name and value with its unit; arrays bin by bin, of those shown."""
    bins = of_event(event, bins)
    told = []
    for name, value in event.items():
        unit = column("events", name).unit
        if isinstance(value, list):
            told += [(f"{name}, {titles[one]}", f"{number(value[one], 4)} {unit}".rstrip()) for one in bins]
        elif isinstance(value, float):
            digits = f"{value:.3f}" if name.startswith("t_") else number(value, 4)
            limit = "<" if name == "far" and event.get("far_limit") else ""
            told.append((name, f"{limit}{digits} {unit}".rstrip()))
        elif isinstance(value, bool):
            told.append((name, "yes" if value else "no"))
        elif value not in {None, ""}:
            told.append((name.replace("ranked_by", "ranked by"), str(value)))
    return told


def of_event(event: Mapping[str, Any], bins: Sequence[int]) -> list[int]:
    """Return the bins shown of an event: those of the page, and the one that sees it best."""
    return sorted({*bins, best_bin(event)})


def at_first(bins: Sequence[int], best: int | None = None) -> list[int]:
    """Return the bins that are drawn before anybody chooses: all, or the best and some spread over the others."""
    if len(bins) <= PAIRS:
        return list(bins)
    others = [number for number in bins if number != best]
    first = [] if best is None else [best]
    return first + [others[place] for place in spread(len(others), PAIRS - len(first))]


def event_windows(
    curves: Curves, events: pl.DataFrame, config: Config, bins: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return by id the light curves around events in the bins of :func:`of_event`, and their lengths, s."""
    drawn = {}
    for event in events.select(["id", "t_start", "t_stop", "significance_bin"]).iter_rows(named=True):
        start, stop = event["t_start"], event["t_stop"]
        beside, shown, best = min(around(event, None), _BESIDE), of_event(event, bins), best_bin(event)
        panels = curves.window(start - beside, stop + beside, start, config, shown)
        told = {"bins": shown, "shown": at_first(shown, best), "best": best}
        drawn[event["id"]] = {"curves": panels, "length": stop - start, **told}
    return drawn


def zooms(curves: Curves, chosen: Sequence[Zoom], config: Config, bins: Sequence[int]) -> list[dict[str, Any]]:
    """Return the light curves of some stretches of time, in some bins."""
    return [
        {
            "name": zoom.name.replace("_", " "),
            "when": f"{zoom.title}; from {utc(zoom.start)} UTC",
            "curves": curves.window(zoom.start, zoom.stop, zoom.start, config, bins),
            "bins": bins,
            "shown": at_first(bins),
        }
        for zoom in chosen
    ]


def ground(prediction: pl.DataFrame, events: pl.DataFrame, config: Config) -> NDArray[np.float64] | None:
    """Return the (latitudes, longitudes) mean background of the first bin over the ground, Hz, in cells of 3 degrees.

    They cover all longitudes, and the latitudes that are reached, north and south alike. NaN where the detector never
    was; None where the places of rows, or of events, are not known.
    """
    position = config.position
    if position is None or not {position.latitude, position.longitude} <= {*prediction.columns} & {*events.columns}:
        return None
    usable = prediction.filter(pl.col("segment") >= 0)
    east, north = east_north(usable, position)
    if not np.isfinite(east + north).any():
        return None
    return mean_map(east, north, usable["pred"].arr.first().to_numpy())[0].T


def field_background(prediction: pl.DataFrame) -> dict[str, NDArray[Any]] | None:
    """Return the background of the first bin by field strength: nT; tenth, median and ninth tenth, Hz."""
    if "field_strength" not in prediction.columns:
        return None
    known = prediction.select("field_strength", pred=pl.col("pred").arr.first(), usable=pl.col("segment") >= 0)
    known = known.filter(pl.col("usable") & pl.col("field_strength").is_finite())
    if known.is_empty():
        return None
    strength = known["field_strength"].to_numpy()
    low, high = float(strength.min()), float(strength.max())
    width = max((high - low) / _FIELD_STEPS, 1e-9)
    step = ((pl.col("field_strength") - low) / width).floor().clip(0, _FIELD_STEPS - 1).alias("step")
    curve = (
        known.group_by(step)
        .agg(
            field=pl.col("field_strength").mean(),
            low=pl.col("pred").quantile(0.1),
            median=pl.col("pred").median(),
            high=pl.col("pred").quantile(0.9),
        )
        .sort("step")
    )
    return {name: curve[name].to_numpy() for name in ("field", "low", "median", "high")}


def whereabouts(events: pl.DataFrame, prediction: pl.DataFrame, config: Config) -> dict[str, Any]:
    """Return where events were: places, field strength, and the background of the first bin, at their peaks."""
    time = prediction["unix_time"].to_numpy()
    peak = np.clip(np.searchsorted(time, events["t_peak"].to_numpy()), 0, max(len(time) - 1, 0))
    where: dict[str, Any] = {
        "id": events["id"].to_numpy(),
        "name": events["name"].to_list(),
        "kind": events["class"].to_list() if "class" in events.columns else [""] * len(events),
    }
    position = config.position
    if position is not None and {position.latitude, position.longitude} <= {*events.columns}:
        where["longitude"], where["latitude"] = east_north(events, position)
    if "field_strength" in events.columns:
        where["field"] = events["field_strength"].to_numpy()
        where["pred"] = prediction["pred"].arr.first().gather(peak).to_numpy()
    return where


def quality_table(prediction: pl.DataFrame, dropped: Mapping[str, int], config: Config) -> Table:
    """Tell how many rows there are, which were dropped and why, and how long the data last."""
    entries = len(prediction)
    usable = prediction.filter(pl.col("segment") >= 0)
    good = predicted_intervals(prediction, config.input.cadence)
    rows = [["rows in the file", f"{entries:,}", ""]]
    rows += [[f"dropped: {reason}", f"{count:,}", f"{count / entries:.3%}"] for reason, count in dropped.items()]
    rows.append(["usable", f"{len(usable):,}", f"{len(usable) / entries:.3%}"])
    if len(good):
        span = good[-1, 1] - good[0, 0]
        covered = float(np.sum(good[:, 1] - good[:, 0]))
        live = float(usable["exposure"].arr.first().sum())
        rows += [
            ["from", f"{utc(good[0, 0])} UTC", ""],
            ["to", f"{utc(good[-1, 1])} UTC", ""],
            ["covered by data", f"{covered / 86400:.2f} of {span / 86400:.2f} d", f"{covered / span:.1%}"],
            ["live time of the first bin", f"{live / 86400:.2f} d", f"{live / span:.1%}"],
            ["unbroken stretches", f"{len(good):,}", ""],
            ["orbits", f"{usable['orbit'].n_unique():,}", ""],
        ]
    return Table(["", "", "share"], rows)


def score_table(metrics: Sequence[Mapping[str, Any]], widths: Sequence[float], titles: Sequence[str]) -> Table | None:
    """Tell the error of every bin by part of the rows; None where nothing was scored."""
    if not metrics:
        return None
    bins = len(titles)
    rows = [
        [
            one["part"],
            titles[place % bins],
            f"{one['rows']:,}",
            number(one["deviance"] / one["noise"]),
            number(one["constant"] / one["noise"]),
            number(one["weighted_error"]),
            f"{one['bias']:+.3f}",
            f"{widths[place % len(widths)]:.3f}",
        ]
        for place, one in enumerate(metrics)
    ]
    head = [
        "rows",
        "bin",
        "number",
        "deviance / noise",
        "constant / noise",
        "WMSE (Hz\u00b2)",
        "bias (sigma)",
        "pull width",
    ]
    note = (
        "deviance: Poisson deviance of the counts about the prediction, known events left out; noise: that of counting "
        "alone; constant: about the best constant; WMSE: sum(w r\u00b2)/sum(w), w = 1/rate_err\u00b2, as published; "
        "pull width: of the raw pulls, by which sigma was scaled."
    )
    return Table(head, rows, note)


def baseline_table(
    errors: Mapping[str, Sequence[Mapping[str, Any]]], titles: Sequence[str], bins: Sequence[int]
) -> Table:
    """Tell the error of each method, bin by bin, in units of counting noise."""
    rows = [
        [name, *(number(of_bins[one]["deviance"] / of_bins[one]["noise"]) for one in bins)]
        for name, of_bins in errors.items()
    ]
    note = f"On the same held-out rows, known events left out{share(bins, len(titles))}."
    return Table(["error / noise", *(titles[one] for one in bins)], rows, note)


def control_table(stage: Mapping[str, Any], days: float) -> Table:
    """Tell how many of the events listed may be false."""
    rows = [["covered by data", f"{days:.2f} d"], ["events listed", f"{stage['events']:,}"]]
    if stage["method"] == "focus":
        far = stage["trigger"]["far"]
        rows += [
            ["false-alarm rate asked for", f"{far:g} a day"],
            ["false events expected among those listed", number(max(far, stage["least_far"]) * days)],
            ["least false-alarm rate that the control supports", f"{number(stage['least_far'])} a day"],
            ["ranked by", stage["ranking"]],
        ]
        note = (
            "The control is the same search and ranking on counts mirrored about the background. Noise and the errors "
            "of the background make as many excesses there, and no source makes any. The false-alarm rate of an event "
            "is how often the control ranks as high."
        )
    else:
        note = "The published method knows no false-alarm rate; its negative intervals are listed beside the positive."
    return Table(["", ""], rows, note)


def known_table(known: pl.DataFrame) -> Table | None:
    """Tell of each known event within the file whether it was found."""
    if known.is_empty():
        return None
    rows = [
        [
            one["name"],
            f"{utc(one['time'])} UTC",
            "yes" if one["covered"] else "no",
            one["event"] or "",
            "" if one["dt"] is None else f"{one['dt']:+.1f}",
        ]
        for one in known.iter_rows(named=True)
    ]
    return Table(["known event", "trigger", "data", "found as", "start less trigger (s)"], rows)


def dependence_curves(
    frame: pl.DataFrame, features: Sequence[str], config: Config, bins: Sequence[int]
) -> list[dict[str, Any]]:
    """Return of each feature the curves of some bins: SHAP against its value, in the unit of ``effect``."""
    found = []
    for feature in features:
        curves, of_feature = [], frame.filter(feature=feature)
        for number in bins:
            one = of_feature.filter(bin=config.rates.names[number]).sort("value")
            shown = {key: effect(one[key].to_numpy(), config) for key in ("low", "median", "high")}
            curves.append({"value": packed(one["value"].to_numpy()), **{k: packed(v) for k, v in shown.items()}})
        found.append({"feature": feature, "curves": curves})
    return found


def stability_table(told: Mapping[str, Any], titles: Sequence[str], bins: Sequence[int]) -> Table | None:
    """Tell how far attributions agree, from ``stability.json``; None where there is nothing to compare."""
    rows = []
    for what, name in (("folds", "between the models of the folds"), ("run", "with the other run")):
        one = told.get(what)
        if one is not None:
            numbers = ["" if value is None else f"{value:.3f}" for value in one["correlation"]]
            rows.append([f"rank correlation {name}", *(numbers[number] for number in bins)])
            changes = ["" if value is None else f"{value:.1%}" for value in one["change"]]
            rows.append(
                [
                    f"largest change of a share {name}",
                    *(f"{changes[number]} {one['feature'][number]}" for number in bins),
                ]
            )
    return Table(["", *(titles[number] for number in bins)], rows) if rows else None


def slope_table(slopes: pl.DataFrame, features: Sequence[str], config: Config, bins: Sequence[int]) -> Table:
    """Tell by how many Hz the background changes with a standard deviation of each feature, with the error."""
    names, titles = config.rates.names, config.rates.titles
    of = {(one["feature"], one["bin"]): one for one in slopes.iter_rows(named=True)}
    rows = []
    for feature in features:
        each = [of[feature, names[number]] for number in bins]
        told = (f"{one['slope'] * one['scatter']:+.3g} \u00b1 {one['error'] * one['scatter']:.1g}" for one in each)
        rows.append([feature, f"{each[0]['scatter']:.3g}", *told])
    note = (
        "Hz by which the background changes as a feature rises by one standard deviation (second column, its own unit) "
        f"and all others stay: mean of the slopes at the explained rows, error over orbits{share(bins, len(titles))}."
    )
    return Table(["feature", "deviation", *(titles[number] for number in bins)], rows, note)


def reasons(
    frame: pl.DataFrame, bins: Mapping[int, Sequence[int]], config: Config
) -> dict[int, dict[int, list[tuple[str, float]]]]:
    """Return by event, and bin, the features that moved the background at its peak most: name and by how much.

    Args:
        frame: ``event_shap.parquet``.
        bins: by id of the events, the bins that are told of.
        config: names the bins.
    """
    frame = frame.filter(pl.col("id").is_in([*bins]))
    names = [name for name in frame.columns if name.startswith("shap_")]
    values = effect(frame.select(names).to_numpy().astype(np.float64), config)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :_STRONGEST]
    plain = [name.removeprefix("shap_") for name in names]
    place = {(row["id"], row["bin"]): at for at, row in enumerate(frame.select(["id", "bin"]).iter_rows(named=True))}
    told: dict[int, dict[int, list[tuple[str, float]]]] = {}
    for one, numbers in bins.items():
        for number in numbers:
            at = place.get((one, config.rates.names[number]))
            if at is not None:
                told.setdefault(one, {})[number] = [(plain[k], float(values[at, k])) for k in order[at]]
    return told


def injection_table(efficiency: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    """Tell which share of the bursts that were added to the counts each search finds.

    Args:
        efficiency: from :meth:`polarbgb.validation.efficiency.Efficiency.summary`.
        titles: of the searches, by name.
    """
    rows = [
        [
            _span(one["oracle_from"], one["oracle_to"], "sigma"),
            _span(one["duration_from"], one["duration_to"], "s"),
            f"{one['bursts']:,}",
            *("" if one[name] is None else f"{one[name]:.0%}" for name in titles),
        ]
        for one in efficiency["classes"]
        if one["bursts"]
    ]
    rows.append(["events a day, none added", "", "", *(number(efficiency["events_per_day"][name]) for name in titles)])
    note = (
        f"{efficiency['bursts']:,} bursts in {efficiency['days']:.1f} live days. Oracle: the significance to one who "
        f"knows the background and the burst; the first search asks for {efficiency['far']:g} false events a day."
    )
    return Table(["oracle", "lasting", "bursts", *titles.values()], rows, note)


def _span(low: float, high: float, unit: str) -> str:
    if not np.isfinite(high):
        return f"{low:g} {unit} and more" if low > 0 else "any"
    return f"{low:g} to {high:g} {unit}"
