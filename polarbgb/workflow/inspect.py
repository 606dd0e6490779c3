"""`polarbgb inspect`: what a file holds, what is wrong with it, and which rows will be dropped and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.count_rates import count_rates
from polarbgb.data.segments import good_time_intervals
from polarbgb.features.matrix import absent_names, feature_names
from polarbgb.io.root_input import Branch, input_path, list_branches
from polarbgb.progress import Track, silent, watched
from polarbgb.workflow.preparation import read_timeline

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
        absent: what the configuration does not say, and the features that would come by themselves if it did.
        rates: by rate column: 5 %, 50 % and 95 % quantile and maximum, Hz.
    """

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


def inspect(config: Config, *, path: Path | None = None, track: Track = silent) -> InspectResult:
    """Look at a file through a configuration; nothing is written.

    Args:
        config: the instrument.
        path: ROOT file; the configuration's own where None.
        track: watches the reading.

    Raises:
        UserError: if the file or the configuration does not fit, or no row is usable.
    """
    path = input_path(config, path)
    entries, branches = list_branches(path, config.input.tree)
    timeline = read_timeline(config, path, track=track)
    intervals = good_time_intervals(timeline.usable_time, timeline.segment, config.input.cadence)
    with watched(track, "rates"):
        rates = count_rates(timeline, config)
        quantiles = np.quantile(rates.rate, [0.05, 0.5, 0.95, 1.0], axis=0)
    return InspectResult(
        path=str(path),
        tree=config.input.tree,
        entries=entries,
        usable=len(timeline.row),
        dropped=timeline.reasons,
        missing=timeline.missing,
        known=int(timeline.known.sum()),
        start=float(intervals[0, 0]),
        stop=float(intervals[-1, 1]),
        covered=float((intervals[:, 1] - intervals[:, 0]).sum()),
        live=float(rates.exposure.mean(axis=1).sum()),
        segments=len(intervals),
        gaps=_gap_lengths(intervals),
        orbits=len(np.unique(timeline.orbit)),
        branches=tuple(branches),
        used=tuple(sorted({column.partition("[")[0] for column in config.branches})),
        features=feature_names(config),
        absent=absent_names(config),
        rates={
            name: (float(q[0]), float(q[1]), float(q[2]), float(q[3]))
            for name, q in zip(config.rates.names, quantiles.T, strict=True)
        },
    )


def _gap_lengths(intervals: NDArray[np.float64]) -> dict[str, int]:
    lengths = intervals[1:, 0] - intervals[:-1, 1]
    edges = [edge for _, edge in _GAP_CLASSES]
    where = np.searchsorted(edges, lengths)
    return {name: int((where == i).sum()) for i, (name, _) in enumerate(_GAP_CLASSES) if (where == i).any()}
