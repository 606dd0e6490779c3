"""Meaning and unit of the columns of all tables of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl


class Column(NamedTuple):
    """A column.

    Attributes:
        unit: in FITS notation; empty for a number without unit (sigma, a share), a name or a flag.
        meaning: in at most 68 characters, which fit into a FITS card.
    """

    unit: str
    meaning: str


_AUXILIARY = {
    "field_strength": Column("nT", "magnetic field"),
    "l_shell": Column("", "L shell, in Earth radii"),
    "sun_elevation": Column("deg", "height of the Sun above the horizon"),
    "since_switch_on": Column("s", "since the last passage of the anomaly; 21600 if none"),
    "until_switch_off": Column("s", "until the next passage of the anomaly; 21600 if none"),
}

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "events": {
        "id": Column("", "number, in time order"),
        "name": Column("", "EV, date, thousandth of the day; a letter if shared"),
        "utc": Column("", "start, ISO 8601"),
        "t_trigger": Column("s", "unix time at which the threshold was first exceeded"),
        "t_start": Column("s", "unix time of the start"),
        "t_stop": Column("s", "unix time of the end; the interval is half-open"),
        "t_peak": Column("s", "unix time of the row with the largest sum of pulls"),
        "duration": Column("s", "t_stop - t_start"),
        "t90": Column("s", "from 5 to 95 % of the excess counts"),
        "timescale": Column("s", "length of the strongest window"),
        "rows": Column("", "rows of the input"),
        "significance": Column("", "sigma of the strongest window"),
        "ranking": Column("", "ranking statistic; higher is less like background"),
        "far": Column("d-1", "false-alarm rate: false events a day that rank as high"),
        "far_error": Column("d-1", "statistical error of far"),
        "far_limit": Column("", "true where far is an upper limit"),
        "probability": Column("", "that it is no false alarm"),
        "ranked_by": Column("", "features that moved the ranking most, SHAP values"),
        "bins_flagged": Column("", "numbers of the bins that show it, as 0_1_5"),
        "counts": Column("count", "counts, by bin"),
        "background": Column("count", "counts expected, by bin"),
        "significance_bin": Column("", "sigma of the whole event, by bin"),
        "hardness": Column("", "classes.hardness of the configuration"),
        "level": Column("", "mean pull of the best bin, in sigma"),
        "level_before": Column("", "the same over the 30 s before"),
        "level_after": Column("", "the same over the 30 s after"),
        "time_to_gap_before": Column("s", "unbroken data before the start"),
        "time_to_gap_after": Column("s", "unbroken data after the last row"),
        **_AUXILIARY,
        "fold": Column("", "split that predicted the peak; -1 if none"),
        "flags": Column("", "marks of the configuration that hold"),
        "class": Column("", "what it is called"),
        "class_rule": Column("", "rule that held"),
        "matched": Column("", "known event, or empty"),
        "matched_dt": Column("s", "t_start less the known event's trigger"),
    },
    "prediction": {
        "row": Column("", "number of the row in the order of time, from 0"),
        "entry": Column("", "number of its first entry in the input, from 0"),
        "width": Column("s", "length of the row"),
        "unix_time": Column("s", "unix time of the start of the row"),
        "segment": Column("", "number of the unbroken stretch"),
        "orbit": Column("", "number of the orbit"),
        "fold": Column("", "split that predicted the row; -1 if none"),
        "quality": Column("", "bits: what is missing or near"),
        "rate": Column("count/s", "measured rate, by bin"),
        "pred": Column("count/s", "predicted background, by bin"),
        "sigma": Column("count/s", "calibrated noise of rate - pred, by bin"),
        "pull": Column("", "(rate - pred)/sigma, by bin"),
        "exposure": Column("s", "live time, by bin"),
        "baseline": Column("", "factor of the local baseline, part of pred, by bin"),
        **_AUXILIARY,
    },
    "gti": {
        "start": Column("s", "unix time of the start of unbroken data"),
        "stop": Column("s", "unix time of the end; the interval is half-open"),
    },
    "clusters": {
        "sign": Column("", "1 excess, -1 deficit"),
        "kind": Column("", "bin: one bin; pure: a set of bins; more: more than n bins"),
        "name": Column("", "the set of bins, as 0_1 or #_inter_more_3"),
        "start": Column("s", "unix time of the first row"),
        "stop": Column("s", "unix time of the last row, itself included"),
        "first": Column("", "number of the first entry in the input"),
        "last": Column("", "number of the last entry in the input"),
        "rows": Column("", "rows flagged"),
    },
    "candidates": {
        "t_start": Column("s", "unix time of the start"),
        "t_stop": Column("s", "unix time of the end; the interval is half-open"),
        "scale": Column("s", "longest window of the search that found it"),
        "series": Column("", "bin, or sum of bins, by number"),
        "significance": Column("", "sigma in its own bin or sum"),
        "ranking": Column("", "ranking statistic; higher is less like background"),
        "far": Column("d-1", "false-alarm rate: false events a day that rank as high"),
        "listed": Column("", "true where it is an event of the list"),
    },
    "light_curve": {
        "time": Column("s", "unix time of the start of the row"),
        "rate": Column("count/s", "measured rate, by bin"),
        "error": Column("count/s", "its counting error, sqrt(RATE/exposure), by bin"),
        "deadc": Column("", "live part of the row, by bin; the rates are corrected"),
        "backv": Column("count/s", "predicted background, by bin"),
        "sigma": Column("count/s", "calibrated noise of RATE - BACKV, by bin"),
        "pull": Column("", "(RATE - BACKV)/SIGMA, by bin"),
    },
    "bins": {
        "bin": Column("", "number, as in the arrays"),
        "name": Column("", "column of the input"),
        "label": Column("", "what it counts"),
    },
}
"""Columns by table: those of the run folder, ``gti``, ``light_curve`` and ``bins``; FITS has the names in capitals."""


_FEATURE_UNITS = {"length": "s", "gap_before": "s", "gap_after": "s"} | {
    name: described.unit for name, described in _AUXILIARY.items()
}


def column(table: str, name: str) -> Column:
    """Return the unit and meaning of a column.

    A column that is not listed is a context column of the configuration or, in the table of candidates, a feature of
    the ranking.
    """
    unlisted = Column("", "context column of the configuration")
    if table == "candidates":
        unlisted = Column(_FEATURE_UNITS.get(name, ""), "feature that it is ranked by")
    return COLUMNS[table].get(name, unlisted)


def without_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table for formats without missing values: missing numbers become NaN, missing strings empty."""
    return frame.with_columns(pl.col(pl.String).fill_null(""), pl.col(pl.Float32, pl.Float64).fill_null(np.nan))
