"""The result of `polarbgb detect`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from polarbgb.plotting.axes import utc
from polarbgb.reporting.table import Table, counted, number
from polarbgb.runs.folder import RunFolder

Method = Literal["focus", "published"]

_EXCESS = 1.1
"""Smallest excess of false candidates that is named."""

_SHOWN = 12
"""Events shown unless all are asked for."""


@dataclass(frozen=True)
class DetectResult:
    """Result of a search for transients.

    Attributes:
        run: the run folder.
        method: that made the events: ``focus``, the search by Poisson-FOCuS, or ``published``, the clusters of bins.
        events: one row per event.
        far: false-alarm rate asked for, 1/day; None for the published method, which has none.
        ranking: how events were ranked, in words; empty for the published method.
        least_far: smallest false-alarm rate that the control supports, 1/day; None for the published method.
        days: live time.
        intervals: columns ``set`` (of bins), ``positive``, ``negative``: number of clusters of the published method.
        chosen: the set of bins whose positive clusters are the events of the published method.
        known: one row per known event within the time of the file: whether there are data, and which event matches.
        files: the files that were written.
        remarks: on what is not used as it stands, on doubtful dates, and on known events outside the data.
    """

    command: ClassVar[str] = "detect"

    run: RunFolder
    method: Method
    events: pl.DataFrame
    far: float | None
    ranking: str
    least_far: float | None
    days: float
    intervals: pl.DataFrame
    chosen: str
    known: pl.DataFrame
    files: tuple[Path, ...]
    remarks: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the number of events, the known events that were found, and the false events expected."""
        covered = int(self.known["covered"].sum())
        found = int(self.known["event"].is_not_null().sum())
        known = f", {found} of {counted(covered, 'known event')} with data" if covered else ""
        events = f"{counted(len(self.events), 'event')}{known}"
        if self.method == "published":
            return f"{events}; the published method has no false-alarm rate"
        far, least = self.far or 0.0, self.least_far or 0.0
        if far >= least:
            rate = f"at most {counted(far, 'false event')} per day, about {far * self.days:.1f} in {self.days:.1f} days"
        else:
            rate = (
                f"asked for {counted(far, 'false event')} per day, but {self.days:.1f} days of data cannot measure "
                f"less than {number(least, 2)} per day{self._excess()}: nothing in the control ranks as high as the "
                "events"
            )
        return f"{events}; {rate}; ranked by {self.ranking}"

    def _excess(self) -> str:
        """Say why the smallest rate is larger than one per live time, if it clearly is."""
        excess = (self.least_far or 0.0) * self.days
        if excess < _EXCESS:
            return ""
        return f" (excesses are {number(excess, 2)} times as common as deficits, {number(excess, 2)}/{self.days:.1f} d)"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the events, the known events, and for the published method the number of its clusters."""
        tables = [self._clusters(), self._published(verbose)] if self.method == "published" else [self._ranked(verbose)]
        if len(self.known):
            tables.append(self._known())
        return [*tables, Table(note="\n".join(self.remarks))] if self.remarks else tables

    def _ranked(self, verbose: bool) -> Table:
        events = self.events.sort("far", "ranking", "significance", descending=[False, True, True])
        shown = events if verbose else events.head(_SHOWN)
        rows = shown.to_dicts()
        years = len({row["utc"][:4] for row in rows})
        reasons = [f"{row['name']} ranked by {row['ranked_by']}" for row in rows if verbose and row["ranked_by"]]
        return Table(
            head=("event", "start, UTC", "lasts, s", "sigma", "false/day", "real", "what it is"),
            rows=tuple(
                (
                    row["name"],
                    row["utc"][0 if years > 1 else 5 : 19].replace("T", " "),
                    f"{row['duration']:.0f}",
                    f"{row['significance']:.1f}",
                    f"{'<' if row['far_limit'] else ''}{number(row['far'], 2)}",
                    f"{row['probability']:.1%}",
                    row["matched"] or row["class"],
                )
                for row in rows
            ),
            align="llrrrrl",
            note="\n".join([*_omitted(len(events) - len(shown)), *reasons]),
        )

    def _clusters(self) -> Table:
        return Table(
            head=("intervals in bins", "positive", "negative"),
            rows=tuple(
                (
                    f"{row['set']}{'  <- events' if row['set'] == self.chosen else ''}",
                    f"{row['positive']:,}",
                    f"{row['negative']:,}",
                )
                for row in self.intervals.iter_rows(named=True)
            ),
            align="lrr",
        )

    def _published(self, verbose: bool) -> Table:
        events = self.events.sort("significance", descending=True)
        shown = events if verbose else events.head(_SHOWN)
        return Table(
            head=("event", "start, UTC", "duration, s", "sigma", "bins", "known as"),
            rows=tuple(
                (
                    row["name"],
                    row["utc"][:19],
                    f"{row['duration']:.0f}",
                    f"{row['significance']:.1f}",
                    str(row["bins_flagged"]),
                    row["matched"] or "",
                )
                for row in shown.iter_rows(named=True)
            ),
            align="llrrrr",
            note="\n".join(_omitted(len(events) - len(shown))),
        )

    def _known(self) -> Table:
        rows = []
        for row in self.known.iter_rows(named=True):
            match = row["event"] or ("no" if row["covered"] else "no data")
            delay = "" if row["dt"] is None else f"{row['dt']:+.1f}"
            rows.append((row["name"], utc(row["time"]), match, delay))
        return Table(head=("known event", "time, UTC", "found", "start - trigger, s"), rows=tuple(rows), align="lllr")


def _omitted(count: int) -> Iterator[str]:
    """Yield the line on events that are not shown, if there are any."""
    if count:
        yield f"and {count:,} weaker {'one' if count == 1 else 'ones'} (-v shows all)"
