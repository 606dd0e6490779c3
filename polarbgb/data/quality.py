"""Which rows are usable, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntFlag

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.calendar import is_unix
from polarbgb.data.increasing import longest_increasing
from polarbgb.data.known_events import known_events
from polarbgb.data.segments import orbit_numbers, segment_ids
from polarbgb.errors import UserError

ABSURD = 1e30
"""Stored values beyond this are a reader's accident (an old POLAR file holds -1.2e33), not a measurement."""

_FIRST_FILTER_BIT = 16

_FEW = 100
"""Rows out of order that are dropped and told of, whatever share of the file they are."""


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
"""Bits that make a row unusable; the others only tell."""


@dataclass(frozen=True)
class Timeline:
    """The rows of a file, judged.

    Attributes:
        time: (entries,) start of every row of the file, unix seconds.
        quality: (entries,) bits of :class:`Quality`.
        reasons: rows dropped by the reason that is met first: their sum is all that were dropped.
        missing: rows with a missing value by feature column; such rows are kept.
        row: (usable,) entry in the file of each usable row, in time order.
        segment: (usable,) number of the unbroken stretch it lies in.
        orbit: (usable,) number of the orbit it lies in.
        known: (usable,) true within the configured distance of a known event.
        exposure: (usable,) live time, s; None where it follows from rate and error.
        frame: the usable rows: the columns read and derived.
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

    def marked(self, found: NDArray[np.bool_], bit: Quality) -> Timeline:
        """Return the timeline with a bit of the quality set in the rows that are true in ``found`` (usable,)."""
        quality = self.quality.copy()
        quality[self.row[found]] |= np.uint32(bit)
        return replace(self, quality=quality)


def clean(frame: pl.DataFrame, config: Config, *, where: str = "the file") -> Timeline:
    """Judge every row of a file, derive columns, and keep the usable rows.

    A value of a feature that is not finite or beyond 1e30 becomes missing and the row is kept: boosted trees
    take missing values. A row is dropped where its time, a modelled rate, an error or the exposure is unusable or a
    filter of the configuration does not hold.

    Args:
        frame: from :func:`polarbgb.io.root_input.read_input`.
        config: names columns, derivations and filters.
        where: the file's name, for messages.

    Returns:
        The judged rows.

    Raises:
        UserError: if no row is left, with the reasons, or most are not in the order of time.
    """
    for name, expression in config.derivations.items():
        frame = frame.with_columns(expression.number().alias(name))
    time = frame[config.input.time].to_numpy().astype(np.float64)
    exposure = None
    if config.exposure is not None:
        live = frame.with_columns(config.exposure.number().alias("live"))  # a number fills the column
        exposure = live["live"].to_numpy()
    quality = _judge(frame, time, exposure, config)
    missing = _blank_missing(frame, quality, config)
    frame = frame.with_columns(missing.values())
    usable = (quality & DROPPED) == 0
    reasons = _count_reasons(quality, config)
    if not usable.any():
        told = ", ".join(f"{rows} rows: {reason}" for reason, rows in reasons.items())
        raise UserError(f"{where}: no usable row among {len(time)} ({told}); correct the file or the configuration")
    _require_order(time, quality, config.input.time, where)

    row = np.flatnonzero(usable)
    known = _near_known_events(time[row], config)
    quality[row[known]] |= np.uint32(Quality.KNOWN_EVENT)
    frame = frame.filter(pl.Series(usable))
    absent = {column: frame[column].null_count() for column in missing}
    return Timeline(
        time=time,
        quality=quality,
        reasons=reasons,
        missing={column: rows for column, rows in absent.items() if rows},
        row=row,
        segment=segment_ids(time[row], config.input.cadence),
        orbit=orbit_numbers(time[row], config.orbit),
        known=known,
        exposure=None if exposure is None else exposure[row],
        frame=frame,
    )


def _require_order(time: NDArray[np.float64], quality: NDArray[np.uint32], name: str, where: str) -> None:
    """Refuse a file that would lose most of its rows, other than duplicates, because it is not sorted."""
    stale = (quality & Quality.TIME_NOT_INCREASING) != 0
    kept = time[~stale]
    lost = len(np.setdiff1d(time[stale], kept))
    if lost > max(len(kept), _FEW):
        raise UserError(
            f"{where}: '{name}' goes back and forth, {lost} of {len(time)} rows lie out of order; sort them"
        )


def _near_known_events(time: NDArray[np.float64], config: Config) -> NDArray[np.bool_]:
    if config.known_events is None:
        return np.zeros(len(time), bool)
    section = config.known_events
    near = np.zeros(len(time), bool)
    for trigger, duration in known_events(config).select("time", "duration").iter_rows():
        first, last = np.searchsorted(time, [trigger - section.before, trigger + duration + section.after])
        near[first:last] = True
    return near


def _blank_missing(frame: pl.DataFrame, quality: NDArray[np.uint32], config: Config) -> dict[str, pl.Series]:
    """Return the feature columns that hold unusable values, with nulls in their place, and mark the rows."""
    blanked = {}
    for column in _feature_sources(config):
        absent = _not_a_value(frame[column].to_numpy())
        if absent.any():
            quality[absent] |= np.uint32(Quality.FEATURE_MISSING)
            blanked[column] = frame[column].zip_with(pl.Series(~absent), pl.Series([None], dtype=frame[column].dtype))
    return blanked


def _feature_sources(config: Config) -> list[str]:
    asked = [*config.features.columns, *(c for entry in config.features.history for c in entry.columns)]
    if config.position is not None:
        asked += config.position.columns
    # A rate that feeds a guarded feature is judged as a rate; nulls in it would reach the targets.
    return [c for c in dict.fromkeys(asked) if c not in {config.input.time, *config.rates.names}]


def _not_a_value(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(values) < ABSURD))


def _judge(
    frame: pl.DataFrame, time: NDArray[np.float64], exposure: NDArray[np.float64] | None, config: Config
) -> NDArray[np.uint32]:
    quality = np.zeros(len(time), np.uint32)
    invalid = ~is_unix(time)
    quality[invalid] |= np.uint32(Quality.TIME_INVALID)
    valid = np.flatnonzero(~invalid)
    stale = valid[~longest_increasing(time[valid])]
    quality[stale] |= np.uint32(Quality.TIME_NOT_INCREASING)
    for rate, error in zip(config.rates.names, config.rates.error_names, strict=True):
        values, errors = frame[rate].to_numpy(), frame[error].to_numpy()
        no_rate = _not_a_value(values) | (values < 0)
        no_error = _not_a_value(errors) | (errors <= 0)
        quality[no_rate] |= np.uint32(Quality.RATE_INVALID)
        quality[no_error] |= np.uint32(Quality.ERROR_NOT_POSITIVE)
        if exposure is None:
            with np.errstate(all="ignore"):  # errors of 1e-200 Hz are numbers, but no live time follows from them
                live = np.where(values > 0, values / errors**2, 1.0)
            unfit = ~(no_rate | no_error) & (_not_a_value(live) | (live <= 0))
            quality[unfit] |= np.uint32(Quality.EXPOSURE_INVALID)
    if exposure is not None:
        quality[_not_a_value(exposure) | (exposure <= 0)] |= np.uint32(Quality.EXPOSURE_INVALID)
    for number, cut in enumerate(config.cuts.values()):
        # with_columns: a cut that reads no column, such as 1 > 0, fills one.
        passed = frame.with_columns(cut.truth().alias("passed"))["passed"].to_numpy()
        quality[~passed] |= np.uint32(1 << (_FIRST_FILTER_BIT + number))
    return quality


def _count_reasons(quality: NDArray[np.uint32], config: Config) -> dict[str, int]:
    bits = {reason: int(flag) for flag, reason in _REASONS.items()}
    for number, (name, cut) in enumerate(config.cuts.items()):
        bits[f"filter {name}: not {cut.text}"] = 1 << (_FIRST_FILTER_BIT + number)
    counts: dict[str, int] = {}
    left = (quality & DROPPED) != 0
    for reason, bit in bits.items():
        met = left & ((quality & bit) != 0)
        if met.any():
            counts[reason] = int(met.sum())
        left &= ~met
    return counts
