"""The dataset: the usable rows of a file in time order, with their rates, and what became of each entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import GAP_COLUMNS, KnownEvents, Orbit, Rates, TimeFormat
from polarbgb.data.calendar import is_unix
from polarbgb.data.count_rates import CountRates, count_rates, masked_by_bin, off
from polarbgb.data.known_events import known_events
from polarbgb.data.order import Order, moved_entries, time_order
from polarbgb.data.quality import DROPPED, NO_RATE, Quality, blank_missing, count_reasons, mark, mark_filtered
from polarbgb.data.row_widths import combined_rows, longest_live_time, require_widths, widths
from polarbgb.data.segments import orbit_numbers, segment_ids
from polarbgb.data.time_problem import read_times
from polarbgb.errors import InputError
from polarbgb.expressions import Expression

_OFF = "the bin was off: not one count where many are expected"


@dataclass(frozen=True)
class Entries:
    """The entries of the input, in its order.

    Attributes:
        time: (entries,) start, unix s; NaN where it is not known.
        quality: (entries,) bits of :class:`polarbgb.data.quality.Quality`.
        row: (entries,) number of the row of the dataset that an entry belongs to; -1 where it is not used.
        dropped: number of unused entries by the first reason that applies; they add up to all unused ones.
        masked: number of masked values of the other entries, by bin and reason.
        moved: number of entries that were out of order within their file and were sorted.
        combined: number of entries that were shorter than a row and were combined.
    """

    time: NDArray[np.float64]
    quality: NDArray[np.uint32]
    row: NDArray[np.int64]
    dropped: dict[str, int]
    masked: dict[str, dict[str, int]]
    moved: int
    combined: int

    def __len__(self) -> int:
        return len(self.time)

    def first_of_rows(self) -> NDArray[np.int64]:
        """Return the (rows,) number of the first entry of each row."""
        used = np.flatnonzero(self.row >= 0)[::-1]
        first = np.zeros(int(self.row.max(initial=-1)) + 1, np.int64)
        first[self.row[used]] = used
        return first

    def frame(self) -> pl.DataFrame:
        """Return the columns ``unix_time`` (s), ``quality`` and ``row``."""
        return pl.DataFrame({"unix_time": self.time, "quality": self.quality, "row": self.row})

    def facts(self) -> dict[str, Any]:
        """Return what is recorded of the entries: their number, and how many are not used as they stand, and why."""
        return {
            "entries": len(self),
            "dropped": self.dropped,
            "masked": self.masked,
            "sorted": self.moved,
            "combined": self.combined,
        }


def unused(facts: Mapping[str, Any]) -> list[str]:
    """Return what of the input is not used as it stands, in words, one line per kind.

    Args:
        facts: from :meth:`Entries.facts`.
    """
    lines = []
    if facts["dropped"]:
        reasons = ", ".join(f"{count:,} ({reason})" for reason, count in facts["dropped"].items())
        lines.append(f"not used, of {facts['entries']:,} rows: {reasons}")
    of_reason: dict[tuple[str, int], list[str]] = {}
    for name, reasons in facts["masked"].items():
        for reason, count in reasons.items():
            of_reason.setdefault((reason, count), []).append(name)
    if of_reason:
        masked = (f"{_listed(names)} in {count:,} rows ({reason})" for (reason, count), names in of_reason.items())
        lines.append(f"masked: {', '.join(masked)}")
    if facts["sorted"]:
        lines.append(f"{facts['sorted']:,} rows were out of order and were sorted by time")
    if facts["combined"]:
        lines.append(f"{facts['combined']:,} rows shorter than input.cadence were combined")
    return lines


def _listed(names: list[str]) -> str:
    """Return up to three names, and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more bins" if len(names) > 3 else "")


@dataclass(frozen=True)
class Dataset:
    """The usable rows of the input.

    Attributes:
        time: (rows,) start, unix s, increasing.
        width: (rows,) length, s: the time to the next row; before a gap the cadence, or that of its entries.
        segment: (rows,) number of the segment, an unbroken stretch of rows.
        orbit: (rows,) number of the orbit.
        known: (rows,) true within the configured distance of a known event.
        rates: rates of the rows; single bins may be masked.
        frame: the columns read and derived.
        missing: number of rows with a missing value, by feature column.
        entries: what became of each entry of the input.
    """

    time: NDArray[np.float64]
    width: NDArray[np.float64]
    segment: NDArray[np.int32]
    orbit: NDArray[np.int32]
    known: NDArray[np.bool_]
    rates: CountRates
    frame: pl.DataFrame
    missing: dict[str, int]
    entries: Entries

    def __len__(self) -> int:
        return len(self.time)

    def marked(self, rows: NDArray[np.bool_], bit: Quality) -> Dataset:
        """Return the dataset with a bit of the quality set for all entries of the (rows,) rows that are true."""
        quality = self.entries.quality.copy()
        mark(quality, np.append(rows, False)[self.entries.row], bit)
        return replace(self, entries=replace(self.entries, quality=quality))

    @property
    def quality(self) -> NDArray[np.uint32]:
        """(rows,) bits of the quality: those of all entries of a row."""
        used = self.entries.row >= 0
        result = np.zeros(len(self), np.uint32)
        np.bitwise_or.at(result, self.entries.row[used], self.entries.quality[used])
        return result


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
        kept: columns that are needed later.
        orbit: how orbits are numbered.
        known_events: the list of known events; None without one.
        clock: how the times are stored; None if they are unix seconds that were checked.
    """

    time: str
    cadence: float
    rates: Rates
    derivations: Mapping[str, Expression]
    filters: Mapping[str, Expression]
    exposure: Expression | None
    features: tuple[str, ...]
    kept: tuple[str, ...]
    orbit: Orbit
    known_events: KnownEvents | None
    clock: TimeFormat | None


def clean(
    frame: pl.DataFrame,
    rules: RowRules,
    *,
    excluded: NDArray[np.bool_] | None = None,
    sizes: Sequence[int] = (),
    where: str = "the file",
) -> Dataset:
    """Derive columns, determine the quality of every entry, and put the usable ones in order.

    A value of a feature that is not finite or beyond 1e30 becomes missing and the row is kept, because boosted trees
    accept missing values. A bin of a row is masked where its rate or live time is unusable
    (:func:`polarbgb.data.count_rates.count_rates`) or the bin was off. An entry is dropped where its time is unusable
    (:func:`polarbgb.data.order.time_order`), no bin is left, or a filter does not hold. Filters may also read the
    distances to the gaps before and after, ``time_to_gap_before`` and ``time_to_gap_after`` (s). Entries that are
    shorter than a row are combined: counts and live times are added, other columns are those of the first entry.

    Args:
        frame: one row per entry of the file; the columns that the rules name.
        rules: what makes a row usable.
        excluded: (entries,) mask of those outside the good time intervals of the file; None for none.
        sizes: number of entries of each file, if there are several, which may stand in any order.
        where: name of the file, for messages.

    Raises:
        InputError: if the times cannot be meant as they are read; if no row is usable, with the reasons; if rates are
            not counts; or if the lengths of rows contradict the cadence.
    """
    for name, expression in rules.derivations.items():
        frame = frame.with_columns(expression.number().alias(name))
    time = frame[rules.time].to_numpy()
    if rules.clock is not None:
        time = read_times(frame[rules.time], rules.cadence, rules.clock, name=rules.time, where=where)
    exposure = None
    if rules.exposure is not None:
        live = frame.with_columns(rules.exposure.number().alias("live"))  # a number fills the column
        exposure = live["live"].to_numpy()
    valid_time = np.where(is_unix(time), time, np.nan)
    limit = longest_live_time(valid_time, rules.cadence)
    rates, masks = count_rates(frame, rules.rates, exposure, rules.cadence, longest=limit, where=where)
    longest = rates.exposure.max(axis=1)

    quality = np.zeros(len(time), np.uint32)
    order = _order_entries(valid_time, longest, quality, rules.cadence)
    mark(quality, np.flatnonzero(~rates.measured.any(axis=1)), Quality.RATE_INVALID)
    if excluded is not None:
        mark(quality, excluded, Quality.OUTSIDE_GTI)
    mark_filtered(quality, _with_gaps(frame, time, order.entry, rules), rules.filters)
    frame = frame.select(rules.kept)  # rates and errors are in memory already
    usable = _usable_values(time, rates, masks, order=order, quality=quality, rules=rules)
    if not len(usable.entry):
        summary = ", ".join(f"{rows} rows: {reason}" for reason, rows in usable.dropped.items())
        raise InputError(f"{where}: no usable row among {len(time)} ({summary}); correct the file or the configuration")
    require_widths(time[usable.entry], longest[usable.entry], rules.cadence, stated=exposure is not None, where=where)
    blanked = blank_missing(frame, quality, rules.features)
    frame = frame.with_columns(blanked.values())
    return _assembled(frame, time, longest, quality=quality, usable=usable, moved=_moved(order, sizes), rules=rules)


@dataclass(frozen=True)
class _UsableValues:
    """The usable entries in the order of time, their rates, what is masked in them, and why others are dropped."""

    entry: NDArray[np.int64]
    rates: CountRates
    masks: dict[str, NDArray[np.bool_]]
    dropped: dict[str, int]


def _order_entries(
    time: NDArray[np.float64], live: NDArray[np.float64], quality: NDArray[np.uint32], cadence: float
) -> Order:
    """Sort the entries, and mark those whose time is unusable: NaN, repeated or stray."""
    order = time_order(time, live, cadence)
    mark(quality, np.isnan(time), Quality.TIME_INVALID)
    mark(quality, order.repeated, Quality.TIME_REPEATED)
    mark(quality, order.stray, Quality.TIME_STRAY)
    return order


def _moved(order: Order, sizes: Sequence[int]) -> int:
    """Return the number of entries that are out of order within their file."""
    if len(sizes) < 2:
        return order.moved
    file = np.searchsorted(np.cumsum(sizes), order.entry, side="right")
    return sum(moved_entries(order.entry[file == i_file]) for i_file in range(len(sizes)))


def _usable_values(
    time: NDArray[np.float64],
    rates: CountRates,
    masks: dict[str, NDArray[np.bool_]],
    *,
    order: Order,
    quality: NDArray[np.uint32],
    rules: RowRules,
) -> _UsableValues:
    """Return what is left of all entries, and mark those of which a bin or nothing is left."""
    entry = order.entry[(quality[order.entry] & DROPPED) == 0]
    causes = [reason for reason, mask in masks.items() if mask[~rates.measured.any(axis=1)].any()]
    if len(entry) < len(time) or (np.diff(entry) < 0).any():
        rates, masks = rates.of(entry), {reason: mask[entry] for reason, mask in masks.items()}
    was_off = off(rates, segment_ids(time[entry], rules.cadence))
    masks = {**masks, _OFF: was_off}
    if was_off.any():
        rates = rates.without(was_off)
        left = np.asarray(rates.measured.any(axis=1))
        mark(quality, entry[~left], Quality.RATE_INVALID)
        causes += [_OFF] * (not left.all())
        entry, rates = entry[left], rates.of(left)
    mark(quality, entry[np.flatnonzero(~rates.measured.all(axis=1))], Quality.BIN_MASKED)
    reasons = count_reasons(quality, rules.filters).items()
    dropped = {f"{NO_RATE}: {' or '.join(causes)}" if reason == NO_RATE else reason: rows for reason, rows in reasons}
    return _UsableValues(entry, rates, masks, dropped)


def _assembled(
    frame: pl.DataFrame,
    time: NDArray[np.float64],
    live: NDArray[np.float64],
    *,
    quality: NDArray[np.uint32],
    usable: _UsableValues,
    moved: int,
    rules: RowRules,
) -> Dataset:
    """Combine short entries to rows, and return the dataset."""
    entry, rates = usable.entry, usable.rates
    row = combined_rows(time[entry], live[entry], rules.cadence)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    shared = np.bincount(row)[row] > 1
    mark(quality, entry[shared], Quality.COMBINED)
    row_of_entry = np.full(len(time), -1)
    row_of_entry[entry] = row
    start, frame = time[entry[first]], frame[entry[first]]
    missing = {column: frame[column].null_count() for column in rules.features if column in frame.columns}
    known = _near_known_events(start, rules.known_events)
    dataset = Dataset(
        time=start,
        width=widths(time[entry], first, rules.cadence),
        segment=segment_ids(start, rules.cadence),
        orbit=orbit_numbers(start, rules.orbit),
        known=known,
        rates=rates.combined(first) if shared.any() else rates,
        frame=frame,
        missing={column: rows for column, rows in missing.items() if rows},
        entries=Entries(
            time=time,
            quality=quality,
            row=row_of_entry,
            dropped=usable.dropped,
            masked=masked_by_bin(usable.masks, rules.rates.names),
            moved=moved,
            combined=int(shared.sum()),
        ),
    )
    return dataset.marked(known, Quality.KNOWN_EVENT)


def _with_gaps(
    frame: pl.DataFrame, time: NDArray[np.float64], entry: NDArray[np.int64], rules: RowRules
) -> pl.DataFrame:
    """Return the frame with the columns :data:`polarbgb.config.GAP_COLUMNS`, if a filter reads them."""
    asked = {column for expression in rules.filters.values() for column in expression.columns} & set(GAP_COLUMNS)
    if not asked:
        return frame
    start = time[entry]
    segment = segment_ids(start, rules.cadence)
    first, last = np.searchsorted(segment, segment), np.searchsorted(segment, segment, side="right") - 1
    distances = np.full((2, len(time)), np.nan)
    distances[:, entry] = start - start[first], start[last] - start
    return frame.with_columns(pl.Series(name, values) for name, values in zip(GAP_COLUMNS, distances, strict=True))


def _near_known_events(time: NDArray[np.float64], section: KnownEvents | None) -> NDArray[np.bool_]:
    near = np.zeros(len(time), bool)
    if section is None:
        return near
    for trigger, duration in known_events(section).select("time", "duration").iter_rows():
        first, last = np.searchsorted(time, [trigger - section.before, trigger + duration + section.after])
        near[first:last] = True
    return near
