"""Row quality: which rows are usable, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntFlag

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import KnownEvents, Orbit, Rates, TimeFormat
from polarbgb.data.calendar import is_unix
from polarbgb.data.increasing import longest_increasing
from polarbgb.data.known_events import known_events
from polarbgb.data.segments import orbit_numbers, segment_ids
from polarbgb.data.time_problem import read_times
from polarbgb.errors import InputError
from polarbgb.expressions import Expression

ABSURD = 1e30
"""Larger absolute values are artefacts (an old POLAR file holds -1.2e33), not measurements."""

_FIRST_FILTER_BIT = 16

_FEW = 100
"""Rows out of order that are dropped and reported, however large their share of the file."""


class Quality(IntFlag):
    """Bits of the ``quality`` column; a filter of the configuration takes bit 16, 17 and so on, in its order."""

    TIME_INVALID = 1 << 0
    TIME_NOT_INCREASING = 1 << 1
    RATE_INVALID = 1 << 2
    ERROR_NOT_POSITIVE = 1 << 3
    EXPOSURE_INVALID = 1 << 4
    FEATURE_MISSING = 1 << 8
    KNOWN_EVENT = 1 << 9
    KEPT_OUT = 1 << 10
    BEYOND_TRAINING = 1 << 11


_REASONS = {
    Quality.TIME_INVALID: "time is not a number of unix seconds",
    Quality.TIME_NOT_INCREASING: "time does not increase",
    Quality.RATE_INVALID: "rate is not a number >= 0",
    Quality.ERROR_NOT_POSITIVE: "rate error is not a number > 0",
    Quality.EXPOSURE_INVALID: "exposure is not a number > 0",
}

DROPPED = 0xFF | (0xFFFF << _FIRST_FILTER_BIT)
"""Bits that make a row unusable; the others are for information."""


@dataclass(frozen=True)
class Timeline:
    """The rows of a file with their quality.

    Attributes:
        time: (entries,) start of every row of the file, unix seconds.
        quality: (entries,) bits of :class:`Quality`.
        reasons: number of dropped rows by the first reason that applies; they add up to all dropped rows.
        missing: number of kept rows with a missing value, by feature column.
        row: (usable,) entry in the file of each usable row, in time order.
        segment: (usable,) number of the segment, an unbroken stretch of rows.
        orbit: (usable,) number of the orbit.
        known: (usable,) true within the configured distance of a known event.
        exposure: (usable,) live time, s; None if it follows from rate and error.
        frame: the columns read and derived, of the usable rows.
    """

    time: NDArray[np.float64]
    quality: NDArray[np.uint32]
    reasons: dict[str, int]
    missing: dict[str, int]
    row: NDArray[np.int64]
    segment: NDArray[np.int32]
    orbit: NDArray[np.int32]
    known: NDArray[np.bool_]
    exposure: NDArray[np.float64] | None
    frame: pl.DataFrame

    @property
    def usable_time(self) -> NDArray[np.float64]:
        """(usable,) start of each usable row, unix seconds, increasing."""
        return self.time[self.row]

    def marked(self, rows: NDArray[np.bool_], bit: Quality) -> Timeline:
        """Return the timeline with a bit of the quality set in the (usable,) rows that are true."""
        quality = self.quality.copy()
        quality[self.row[rows]] |= np.uint32(bit)
        return replace(self, quality=quality)


@dataclass(frozen=True)
class RowRules:
    """What decides whether a row is usable.

    Attributes:
        time: column of the start of a row, unix seconds.
        cadence: nominal length of a row, s.
        rates: names the columns of the rates and of their errors.
        derivations: expressions of the derived columns, in the order in which they are computed.
        filters: expressions by name; rows are kept where all of them hold.
        exposure: live time of a row, s; None if it follows from rate and error.
        features: columns from which features are made; their unusable values become missing.
        orbit: how orbits are numbered.
        known_events: the list of known events; None without one.
        clock: how the times are stored.
    """

    time: str
    cadence: float
    rates: Rates
    derivations: Mapping[str, Expression]
    filters: Mapping[str, Expression]
    exposure: Expression | None
    features: tuple[str, ...]
    orbit: Orbit
    known_events: KnownEvents | None
    clock: TimeFormat


def clean(frame: pl.DataFrame, rules: RowRules, *, where: str = "the file") -> Timeline:
    """Determine the quality of every row of a file, derive columns, and keep the usable rows.

    A value of a feature that is not finite or beyond 1e30 becomes missing and the row is kept, because boosted trees
    accept missing values. A row is dropped where its time, a modelled rate, an error or the exposure is unusable or a
    filter does not hold.

    Args:
        frame: one row per entry of the file; the columns that the rules name.
        rules: what makes a row usable.
        where: name of the file, for messages.

    Raises:
        InputError: if the times cannot be meant as they are read, no row is usable, with the reasons, or most rows are
            not in time order.
    """
    for name, expression in rules.derivations.items():
        frame = frame.with_columns(expression.number().alias(name))
    time = read_times(frame[rules.time], rules.cadence, rules.clock, name=rules.time, where=where)
    exposure = None
    if rules.exposure is not None:
        live = frame.with_columns(rules.exposure.number().alias("live"))  # a number fills the column
        exposure = live["live"].to_numpy()
    quality = _quality(frame, time, exposure, rules)
    missing = _blank_missing(frame, quality, rules.features)
    frame = frame.with_columns(missing.values())
    usable = (quality & DROPPED) == 0
    reasons = _count_reasons(quality, rules.filters)
    if not usable.any():
        summary = ", ".join(f"{rows} rows: {reason}" for reason, rows in reasons.items())
        raise InputError(f"{where}: no usable row among {len(time)} ({summary}); correct the file or the configuration")
    _require_order(time, quality, rules.time, where)

    row = np.flatnonzero(usable)
    known = _near_known_events(time[row], rules.known_events)
    quality[row[known]] |= np.uint32(Quality.KNOWN_EVENT)
    frame = frame.filter(pl.Series(usable))
    absent = {column: frame[column].null_count() for column in missing}
    return Timeline(
        time=time,
        quality=quality,
        reasons=reasons,
        missing={column: rows for column, rows in absent.items() if rows},
        row=row,
        segment=segment_ids(time[row], rules.cadence),
        orbit=orbit_numbers(time[row], rules.orbit),
        known=known,
        exposure=None if exposure is None else exposure[row],
        frame=frame,
    )


def _require_order(time: NDArray[np.float64], quality: NDArray[np.uint32], name: str, where: str) -> None:
    """Refuse a file that would lose most of its rows, apart from duplicates, because it is not sorted."""
    out_of_order = (quality & Quality.TIME_NOT_INCREASING) != 0
    kept = time[~out_of_order]
    lost = len(np.setdiff1d(time[out_of_order], kept))
    if lost > max(len(kept), _FEW):
        raise InputError(
            f"{where}: '{name}' goes back and forth, {lost} of {len(time)} rows lie out of order; sort them"
        )


def _near_known_events(time: NDArray[np.float64], section: KnownEvents | None) -> NDArray[np.bool_]:
    near = np.zeros(len(time), bool)
    if section is None:
        return near
    for trigger, duration in known_events(section).select("time", "duration").iter_rows():
        first, last = np.searchsorted(time, [trigger - section.before, trigger + duration + section.after])
        near[first:last] = True
    return near


def _blank_missing(frame: pl.DataFrame, quality: NDArray[np.uint32], columns: tuple[str, ...]) -> dict[str, pl.Series]:
    """Return the columns that hold unusable values, with nulls in their place, and mark the rows in ``quality``."""
    blanked = {}
    for column in columns:
        absent = _not_a_value(frame[column].to_numpy())
        if absent.any():
            quality[absent] |= np.uint32(Quality.FEATURE_MISSING)
            blanked[column] = frame[column].zip_with(pl.Series(~absent), pl.Series([None], dtype=frame[column].dtype))
    return blanked


def _not_a_value(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(values) < ABSURD))


def _quality(
    frame: pl.DataFrame, time: NDArray[np.float64], exposure: NDArray[np.float64] | None, rules: RowRules
) -> NDArray[np.uint32]:
    quality = np.zeros(len(time), np.uint32)
    invalid = ~is_unix(time)
    quality[invalid] |= np.uint32(Quality.TIME_INVALID)
    valid = np.flatnonzero(~invalid)
    out_of_order = valid[~longest_increasing(time[valid])]
    quality[out_of_order] |= np.uint32(Quality.TIME_NOT_INCREASING)
    for rate, error in zip(rules.rates.names, rules.rates.error_names, strict=True):
        values, errors = frame[rate].to_numpy(), frame[error].to_numpy()
        no_rate = _not_a_value(values) | (values < 0)
        no_error = _not_a_value(errors) | (errors <= 0)
        quality[no_rate] |= np.uint32(Quality.RATE_INVALID)
        quality[no_error] |= np.uint32(Quality.ERROR_NOT_POSITIVE)
        if exposure is None:
            with np.errstate(all="ignore"):  # errors of 1e-200 Hz are numbers, but no live time follows from them
                live = np.where(values > 0, values / errors**2, 1.0)
            no_exposure = ~(no_rate | no_error) & (_not_a_value(live) | (live <= 0))
            quality[no_exposure] |= np.uint32(Quality.EXPOSURE_INVALID)
    if exposure is not None:
        quality[_not_a_value(exposure) | (exposure <= 0)] |= np.uint32(Quality.EXPOSURE_INVALID)
    for i_filter, expression in enumerate(rules.filters.values()):
        # with_columns: a filter that reads no column, such as 1 > 0, fills one.
        passed = frame.with_columns(expression.truth().alias("passed"))["passed"].to_numpy()
        quality[~passed] |= np.uint32(1 << (_FIRST_FILTER_BIT + i_filter))
    return quality


def _count_reasons(quality: NDArray[np.uint32], filters: Mapping[str, Expression]) -> dict[str, int]:
    bits = {reason: int(flag) for flag, reason in _REASONS.items()}
    for i_filter, (name, expression) in enumerate(filters.items()):
        bits[f"filter {name}: not {expression.text}"] = 1 << (_FIRST_FILTER_BIT + i_filter)
    counts: dict[str, int] = {}
    left = (quality & DROPPED) != 0
    for reason, bit in bits.items():
        met = left & ((quality & bit) != 0)
        if met.any():
            counts[reason] = int(met.sum())
        left &= ~met
    return counts
