"""Tables of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from polarbgb.data.segments import predicted_intervals
from polarbgb.plotting.axes import utc
from polarbgb.plotting.bins import share
from polarbgb.reporting.table import Table, number


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> Table:
    return Table(head=tuple(head), rows=tuple(tuple(row) for row in rows), note=note)


def quality_table(prediction: pl.DataFrame, source: Mapping[str, Any]) -> Table:
    """Return how many rows there are, how many were dropped and why, and how much time the data cover.

    Args:
        prediction: ``unix_time`` and ``width`` (s), ``segment``, ``orbit`` and the per-bin ``exposure`` (s).
        source: what the manifest says about the input: number of ``entries``, ``dropped`` ones by reason, ``masked``
            values by bin and reason, and entries that were ``sorted`` or ``combined``.
    """
    entries, usable = source["entries"], prediction
    good = predicted_intervals(prediction)
    rows = [["rows in the file", f"{entries:,}", ""]]
    rows += [
        [f"dropped: {reason}", f"{count:,}", f"{count / entries:.3%}"] for reason, count in source["dropped"].items()
    ]
    rows += [
        [f"masked in {name}: {reason}", f"{count:,}", f"{count / entries:.3%}"]
        for name, reasons in source["masked"].items()
        for reason, count in reasons.items()
    ]
    rows += [
        [text, f"{source[key]:,}", f"{source[key] / entries:.3%}"]
        for key, text in (("sorted", "out of order, sorted by time"), ("combined", "short, combined to rows"))
        if source[key]
    ]
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
    return _table(["", "", "share"], rows)


def score_table(
    scores: Sequence[Mapping[str, Any]], widths: Sequence[float | None], titles: Sequence[str]
) -> Table | None:
    """Return the error of every bin by part of the rows; None if nothing was scored.

    Args:
        scores: scores of ``metrics.json``: all bins of each part of the rows.
        widths: (bins,) widths of the raw pulls; None where too few counts are expected.
        titles: (bins,) titles of the bins.
    """
    if not scores:
        return None
    rows = [
        [
            score["part"],
            titles[place % len(titles)],
            f"{score['rows']:,}",
            number(score["deviance"] / score["noise"]),
            number(score["constant"] / score["noise"]),
            number(score["weighted_error"]),
            f"{score['bias']:+.3f}",
            "-" if (width := widths[place % len(widths)]) is None else f"{width:.3f}",
        ]
        for place, score in enumerate(scores)
        if score["rows"]
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
        "deviance: Poisson deviance of the counts from the prediction, without known events; noise: deviance expected "
        "from counting statistics; constant: deviance from the best constant; WMSE: sum(w r\u00b2)/sum(w), "
        "w = 1/rate_err\u00b2, as published; pull width: width of the raw pulls, by which sigma was scaled."
    )
    return _table(head, rows, note)


def baseline_table(
    errors: Mapping[str, Sequence[Mapping[str, Any]]], titles: Sequence[str], bins: Sequence[int]
) -> Table:
    """Return the error of each method in some bins, in units of counting noise."""
    rows = [
        [name, *(number(s["deviance"] / s["noise"]) if s["rows"] else "" for s in (scores[i_bin] for i_bin in bins))]
        for name, scores in errors.items()
    ]
    note = f"On the same held-out rows, without known events{share(bins, len(titles))}."
    return _table(["error / noise", *(titles[i_bin] for i_bin in bins)], rows, note)


def control_table(stage: Mapping[str, Any], days: float) -> Table:
    """Return how many of the listed events may be false.

    Args:
        stage: facts of the manifest about the search.
        days: time covered by data, days.
    """
    rows = [["covered by data", f"{days:.2f} d"], ["events listed", f"{stage['events']:,}"]]
    if stage["method"] != "focus":
        note = "The published method has no false-alarm rate; it lists negative intervals beside the positive ones."
        return _table(["", ""], rows, note)
    far = stage["trigger"]["far"]
    rows += [
        ["requested false-alarm rate", f"{far:g} per day"],
        [
            "false events expected among those listed",
            f"{'at most ' if stage['least_far'] > far else ''}{number(max(far, stage['least_far']) * days)}",
        ],
        ["smallest false-alarm rate that the control supports", f"{number(stage['least_far'])} per day"],
        ["ranked by", stage["ranking"]],
    ]
    note = (
        "The control is the same search and ranking on counts mirrored about the background. Noise and errors of the "
        "background make as many excesses there, and no source makes any. The false-alarm rate of an event is the rate "
        "at which the control ranks as high."
    )
    return _table(["", ""], rows, note)


def known_table(known: pl.DataFrame) -> Table | None:
    """Return whether each known event was found; None if there is none within the time of the data.

    Args:
        known: from :func:`polarbgb.transients.match.known_summary`.
    """
    if known.is_empty():
        return None
    rows = [
        [
            event["name"],
            f"{utc(event['time'])} UTC",
            "yes" if event["covered"] else "no",
            event["event"] or "",
            "" if event["dt"] is None else f"{event['dt']:+.1f}",
        ]
        for event in known.iter_rows(named=True)
    ]
    return _table(["known event", "trigger", "data", "found as", "start minus trigger (s)"], rows)


def stability_table(stability: Mapping[str, Any], titles: Sequence[str], bins: Sequence[int]) -> Table | None:
    """Return how well attributions agree in some bins; None if there is nothing to compare.

    Args:
        stability: content of ``stability.json``.
        titles: titles of all bins.
        bins: indices of the bins.
    """
    rows = []
    for key, name in (("folds", "between the models of the folds"), ("run", "with the other run")):
        agreement = stability.get(key)
        if agreement is None:
            continue
        correlation = ["" if value is None else f"{value:.3f}" for value in agreement["correlation"]]
        change = ["" if value is None else f"{value:.1%}" for value in agreement["change"]]
        rows += [
            [f"rank correlation {name}", *(correlation[i_bin] for i_bin in bins)],
            [
                f"largest change of a share {name}",
                *(f"{change[i_bin]} {agreement['feature'][i_bin]}" for i_bin in bins),
            ],
        ]
    return _table(["", *(titles[i_bin] for i_bin in bins)], rows) if rows else None


def slope_table(
    slopes: pl.DataFrame, features: Sequence[str], names: Sequence[str], titles: Sequence[str], bins: Sequence[int]
) -> Table:
    """Return by how many Hz the background changes per standard deviation of each feature, with the error.

    Args:
        slopes: content of ``slopes.parquet``.
        features: features that are shown.
        names: names of all rates.
        titles: titles of all bins.
        bins: indices of the bins that are shown.
    """
    by_feature = {(slope["feature"], slope["bin"]): slope for slope in slopes.iter_rows(named=True)}
    rows = []
    for feature in features:
        of_bins = [by_feature[feature, names[i_bin]] for i_bin in bins]
        changes = (
            f"{'+' if slope['slope'] > 0 else ''}{number(slope['slope'] * slope['scatter'])} \u00b1 "
            f"{number(slope['error'] * slope['scatter'], 1)}"
            if np.isfinite(slope["slope"])
            else ""  # the feature has no value, or always the same
            for slope in of_bins
        )
        rows.append([feature, number(of_bins[0]["scatter"]), *changes])
    note = (
        "Change of the background in Hz as a feature increases by one standard deviation (second column, in the unit "
        "of the feature) and all others are held: mean of the slopes at the explained rows, with the error over "
        f"orbits{share(bins, len(titles))}."
    )
    return _table(["feature", "deviation", *(titles[i_bin] for i_bin in bins)], rows, note)


def injection_table(efficiency: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    """Return the share of the injected bursts that each search finds.

    Args:
        efficiency: from :meth:`polarbgb.validation.efficiency.Efficiency.summary`.
        titles: titles of the searches by name.
    """
    rows = [
        [
            _class(bursts["oracle_from"], bursts["oracle_to"], "sigma"),
            _class(bursts["duration_from"], bursts["duration_to"], "s"),
            f"{bursts['bursts']:,}",
            *("" if bursts[name] is None else f"{bursts[name]:.0%}" for name in titles),
        ]
        for bursts in efficiency["classes"]
        if bursts["bursts"]
    ]
    without = [number(efficiency["events_per_day"][name]) for name in titles]
    rows.append(["events per day without injections", "", "", *without])
    note = (
        f"{efficiency['bursts']:,} bursts in {efficiency['days']:.1f} days covered by data. Oracle significance: that "
        "of a search to which the background and the burst are known; the false-alarm rate of the first search is "
        f"{efficiency['far']:g} per day."
    )
    return _table(["oracle significance", "duration", "bursts", *titles.values()], rows, note)


def _class(low: float, high: float, unit: str) -> str:
    """Return the limits of a class of bursts."""
    if not np.isfinite(high):
        return f"{low:g} {unit} and more" if low > 0 else "any"
    return f"{low:g} to {high:g} {unit}"
