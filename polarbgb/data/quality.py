"""Row quality: which entries of a file are usable, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.data.count_rates import ABSURD
from polarbgb.expressions import Expression

_FIRST_FILTER_BIT = 16


class Quality(IntFlag):
    """Bits of the ``quality`` column; a filter of the configuration takes bit 16, 17 and so on, in its order."""

    TIME_INVALID = 1 << 0
    TIME_REPEATED = 1 << 1
    RATE_INVALID = 1 << 2
    TIME_STRAY = 1 << 3
    OUTSIDE_GTI = 1 << 4
    FEATURE_MISSING = 1 << 8
    KNOWN_EVENT = 1 << 9
    KEPT_OUT = 1 << 10
    BEYOND_TRAINING = 1 << 11
    BIN_MASKED = 1 << 12
    COMBINED = 1 << 13


NO_RATE = "no bin has a usable rate"

_REASONS = {
    Quality.TIME_INVALID: "time is not a number of unix seconds",
    Quality.TIME_STRAY: "time is out of order and beside no other row",
    Quality.TIME_REPEATED: "time repeats or overlaps that of another row",
    Quality.OUTSIDE_GTI: "outside the good time intervals of the file",
    Quality.RATE_INVALID: NO_RATE,
}

DROPPED = 0xFF | (0xFFFF << _FIRST_FILTER_BIT)
"""Bits that make an entry unusable; the others are for information."""


def mark(quality: NDArray[np.uint32], entries: NDArray[np.bool_] | NDArray[np.int64], bit: Quality | int) -> None:
    """Set a bit of the (entries,) quality, in place, for some entries."""
    quality[entries] |= np.uint32(bit)


def mark_filtered(quality: NDArray[np.uint32], frame: pl.DataFrame, filters: Mapping[str, Expression]) -> None:
    """Set the bits of the filters that do not hold, in place."""
    for i_filter, expression in enumerate(filters.values()):
        # with_columns: a filter that reads no column, such as 1 > 0, fills one.
        passed = frame.with_columns(expression.truth().fill_null(False).alias("passed"))["passed"].to_numpy()
        mark(quality, ~passed, 1 << (_FIRST_FILTER_BIT + i_filter))


def blank_missing(frame: pl.DataFrame, quality: NDArray[np.uint32], columns: tuple[str, ...]) -> dict[str, pl.Series]:
    """Return the columns that hold unusable values, with nulls in their place, and mark the entries in ``quality``."""
    blanked = {}
    for column in columns:
        with np.errstate(invalid="ignore"):
            absent = ~(np.abs(frame[column].to_numpy()) < ABSURD)
        if absent.any():
            mark(quality, absent, Quality.FEATURE_MISSING)
            blanked[column] = frame[column].zip_with(pl.Series(~absent), pl.Series([None], dtype=frame[column].dtype))
    return blanked


def count_reasons(quality: NDArray[np.uint32], filters: Mapping[str, Expression]) -> dict[str, int]:
    """Return the number of dropped entries by the first reason that applies; they add up to all dropped entries."""
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
