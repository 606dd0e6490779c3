"""`polarbgb inspect`: the contents of a file, its flaws, and which rows will be dropped and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.config.types import Paths
from polarbgb.data.segments import good_time_intervals
from polarbgb.features.matrix import absent_names, feature_names
from polarbgb.io.input import Branch, branches_of, list_branches, tree_name
from polarbgb.io.input.files import shown
from polarbgb.plotting.axes import utc
from polarbgb.progress import Track, silent, watched
from polarbgb.reporting.table import Table, counted, number
from polarbgb.workflow.preparation import live_time_remarks, remarks
from polarbgb.workflow.prospects import prospects
from polarbgb.workflow.reading import read_dataset, source_files

_GAP_CLASSES = (
    ("up to 10 s", 10.0),
    ("10 to 60 s", 60.0),
    ("1 to 10 min", 600.0),
    ("10 to 60 min", 3600.0),
    ("1 to 6 h", 21600.0),
    ("longer than 6 h", np.inf),
)


@dataclass(frozen=True)
class InspectResult:
    """A file as the configuration sees it.

    Attributes:
        path: the file.
        tree: name of the tree read.
        entries: rows of the tree.
        usable: rows kept.
        dropped: rows dropped by reason; a row counts under the first reason it meets.
        missing: kept rows with a missing value, by feature column.
        known: kept rows near a known event.
        start: first usable row, unix seconds.
        stop: end of the last usable row, unix seconds.
        covered: time covered by usable rows, s.
        live: mean live time of the bins over the usable rows, s.
        segments: unbroken stretches.
        gaps: number of gaps between stretches by their length.
        orbits: orbits with at least one usable row.
        branches: every branch of the tree.
        used: names of the branches that the configuration reads.
        features: names of the features that a model would see.
        absent: what the configuration does not say, and the features that it would add automatically.
        rates: by rate column: 5 %, 50 % and 95 % quantile and maximum, Hz.
        remarks: on what is not used as it stands, on doubtful dates, on known events outside the data, and on what will
            fail or will not be seen.
    """

    command: ClassVar[str] = "inspect"

    path: str
    tree: str
    entries: int
    usable: int
    dropped: dict[str, int]
    missing: dict[str, int]
    known: int
    start: float
    stop: float
    covered: float
    live: float
    segments: int
    gaps: dict[str, int]
    orbits: int
    branches: tuple[Branch, ...]
    used: tuple[str, ...]
    features: tuple[str, ...]
    absent: dict[str, tuple[str, ...]]
    rates: dict[str, tuple[float, float, float, float]]
    remarks: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Nothing is written."""
        return ()

    def summary(self) -> str:
        """Return the numbers of usable rows and of orbits."""
        return f"{self.usable:,} of {counted(self.entries, 'row')} usable, {counted(self.orbits, 'orbit')}"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return what the file holds, what becomes of its rows, the rates, and if ``verbose`` the branches."""
        tables = [self._overview(verbose), self._rows(), self._rates()]
        if verbose:
            rows = (
                (branch.name, branch.type, branch.layout, "yes" if branch.name in self.used else "")
                for branch in self.branches
            )
            tables.append(Table(head=("branch", "type", "shape", "read"), rows=tuple(rows)))
        return tables

    def _overview(self, verbose: bool) -> Table:
        span = self.stop - self.start
        gaps = ", ".join(f"{count} of {length}" for length, count in self.gaps.items()) or "none"
        return Table(
            rows=(
                ("file", f"{self.path}, tree {self.tree}"),
                ("from", f"{utc(self.start)} UTC"),
                ("to", f"{utc(self.stop)} UTC"),
                ("covered", f"{self.covered / 86400:.2f} of {span / 86400:.2f} d ({self.covered / span:.1%})"),
                ("live", f"{self.live / 86400:.2f} d"),
                ("orbits", f"{self.orbits} in {counted(self.segments, 'segment')} without gaps; gaps: {gaps}"),
                ("branches", f"{len(self.used)} of {len(self.branches)} are read"),
                ("features", f"{len(self.features)}" + (f": {', '.join(self.features)}" if verbose else "")),
                *(
                    ("", f"without {', '.join(names)}: the configuration has no {missing}")
                    for missing, names in self.absent.items()
                ),
            ),
            note="\n".join(self.remarks),
        )

    def _rows(self) -> Table:
        counts = {
            **{f"dropped: {reason}": rows for reason, rows in self.dropped.items()},
            "usable": self.usable,
            "near a known event, not trained on": self.known,
            **{f"without {column}, kept": rows for column, rows in self.missing.items()},
        }
        return Table(
            head=("rows", "number", "share"),
            rows=(
                ("in the file", f"{self.entries:,}", ""),
                *((name, f"{rows:,}", f"{rows / self.entries:.3%}") for name, rows in counts.items()),
            ),
            align="lrr",
        )

    def _rates(self) -> Table:
        rows = ((name, *(number(rate, 4) for rate in quantiles)) for name, quantiles in self.rates.items())
        return Table(head=("rate, Hz", "5 %", "median", "95 %", "maximum"), rows=tuple(rows), align="lrrrr")


def inspect(config: Config, *, path: Paths | None = None, track: Track = silent) -> InspectResult:
    """Check a file against a configuration; nothing is written.

    Args:
        config: the configuration of the instrument.
        path: files, patterns or folders, together one mission; ``input.path`` of the configuration if None.
        track: shows the progress of reading.

    Raises:
        UserError: if the file or the configuration does not fit, or no row is usable.
    """
    files = source_files(config, path)
    tree = tree_name(files[0], config.input.tree)
    _, branches = list_branches(files[0], tree)
    dataset, _ = read_dataset(config, files, track=track)
    intervals = good_time_intervals(dataset.time, dataset.segment, dataset.width)
    rates, entries = dataset.rates, dataset.entries
    with watched(track, "rates"):
        quantiles = [_quantiles(rates.rate[rates.measured[:, i_bin], i_bin]) for i_bin in range(rates.rate.shape[1])]
        live = rates.exposure.sum(axis=1) / np.maximum(rates.measured.sum(axis=1), 1)
    return InspectResult(
        path=shown(files),
        tree=tree,
        entries=len(entries),
        usable=int((entries.row >= 0).sum()),
        dropped=entries.dropped,
        missing=dataset.missing,
        known=int(dataset.known.sum()),
        start=float(intervals[0, 0]),
        stop=float(intervals[-1, 1]),
        covered=float((intervals[:, 1] - intervals[:, 0]).sum()),
        live=float(live.sum()),
        segments=len(intervals),
        gaps=_gap_lengths(intervals),
        orbits=len(np.unique(dataset.orbit)),
        branches=tuple(branches),
        used=tuple(sorted(set(branches_of(files[0], tree, config.branches).values()))),
        features=feature_names(config.features, config.position),
        absent=absent_names(config.position),
        rates=dict(zip(config.rates.names, quantiles, strict=True)),
        remarks=(
            *remarks(config, entries.facts(), dataset.time),
            *live_time_remarks(config, dataset),
            *prospects(dataset, config),
        ),
    )


def _quantiles(rate: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the 5 %, 50 % and 95 % quantile and the maximum of the rates of a bin; NaN without any."""
    if not len(rate):
        return (np.nan,) * 4
    low, median, high, largest = np.quantile(rate, [0.05, 0.5, 0.95, 1.0]).tolist()
    return low, median, high, largest


def _gap_lengths(intervals: NDArray[np.float64]) -> dict[str, int]:
    lengths = intervals[1:, 0] - intervals[:-1, 1]
    edges = [edge for _, edge in _GAP_CLASSES]
    gap_class = np.searchsorted(edges, lengths)
    counts = np.bincount(gap_class, minlength=len(edges)).tolist()
    return {name: count for (name, _), count in zip(_GAP_CLASSES, counts, strict=True) if count}
