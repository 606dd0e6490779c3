"""Runs of rows far above (or below) the background: the published method of intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config


def find_clusters(prediction: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Find the runs of flagged rows, bin by bin and for sets of bins.

    A row is flagged in a bin where the bin's pull lies beyond ``intervals.sigma``. Rows are consecutive where no usable
    row lies between them and they share a segment. The steps are those of POLAR-background-prediction
    (``export_cluster_intersections.py``, October 2023):

    1. bin: runs of consecutive rows flagged in one bin. A run with missing data less than ``intervals.discard``
       seconds before its first row or after its last one is dropped, and its flags with it. Data are missing beyond
       the borders of a segment, so also before the first row of all and after the last.
    2. pure: runs of consecutive rows in which exactly the same set of bins is still flagged.
    3. more: runs of consecutive rows still flagged in more than n bins, for every n from 0.

    The published script finds the missing data of step 1 by counting rows and cutting times to whole seconds; on a grid
    that drifts, such as POLAR's, this also drops about 0.6 % of the runs far from any gap, which are kept here.

    Args:
        prediction: ``row``, ``unix_time`` (s), ``segment`` (-1 where the row was dropped) and the array ``pull``
            (sigma), from :func:`polarbgb.background.prediction.prediction_frame`.
        config: its section intervals.

    Returns:
        A row a cluster: ``sign`` (+1 excess, -1 deficit), ``kind`` (bin, pure or more), ``name`` (``"0"``, ``"0_1"``,
        ``"#_inter_more_3"``), ``start`` and ``stop`` (unix s of its first and last row: equal for a single row),
        ``first`` and ``last`` (``row`` of these two), ``rows`` (how many it holds). Excesses come first; within a sign
        the bins, then the pure sets in order of their first appearance, then more than 0, 1 and so on; within a name,
        time order.
    """
    usable = prediction.select("row", "unix_time", "segment", "pull").filter(pl.col("segment") >= 0)
    row, time, segment, pull = (usable[column].to_numpy() for column in usable.columns)
    tables = []
    for sign, beyond in ((1, pull > config.intervals.sigma), (-1, pull < -config.intervals.sigma)):
        # Few rows are flagged; what follows looks at them alone.
        flagged = np.flatnonzero(beyond.any(axis=1))
        flags = _clear_of_gaps(flagged, beyond[flagged], time, segment, config.intervals.discard)
        kept = flags.any(axis=1)
        kinds, names, firsts, lasts = zip(*_sets(flagged[kept], flags[kept], segment), strict=True)
        runs = [len(one) for one in firsts]  # with many bins there are about as many sets as runs
        first, last = np.concatenate(firsts), np.concatenate(lasts)
        columns = {
            "sign": (pl.Int8, np.full(len(first), sign)),
            "kind": (pl.String, _repeated(kinds, runs)),
            "name": (pl.String, _repeated(names, runs)),
            "start": (pl.Float64, time[first]),
            "stop": (pl.Float64, time[last]),
            "first": (pl.Int64, row[first]),
            "last": (pl.Int64, row[last]),
            "rows": (pl.Int64, last - first + 1),
        }
        tables.append(pl.DataFrame([pl.Series(name, values, dtype) for name, (dtype, values) in columns.items()]))
    return pl.concat(tables)


def _repeated(texts: Sequence[str], times: Sequence[int]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String).gather(np.repeat(np.arange(len(texts)), times))


def published_excesses(prediction: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Return the excesses of :func:`find_clusters` in more than ``intervals.more_than`` bins as half-open spans.

    Args:
        prediction: as there.
        config: its section intervals, and the cadence.

    Returns:
        ``t_start`` and ``t_stop``, unix s, in time order.
    """
    chosen = find_clusters(prediction, config).filter(sign=1, kind="more", name=event_set(config))
    return chosen.select(t_start="start", t_stop=pl.col("stop") + config.input.cadence)


def cluster_excess(prediction: pl.DataFrame, clusters: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Measure the clusters of single bins: how long they last, and the counts in them that the background is short of.

    Args:
        prediction: ``row``, ``segment`` (-1 where the row was dropped), and per bin ``rate``, ``pred`` (Hz) and
            ``exposure`` (s).
        clusters: from :func:`find_clusters` on the same prediction.
        config: gives the cadence.

    Returns:
        A row a cluster of kind 'bin': ``sign``, ``bin`` (number), ``t_start``, ``t_stop`` (unix s, half-open),
        ``duration`` (s) and ``excess`` (counts, above 0 also where they are missing).
    """
    usable = prediction["segment"] >= 0
    row = prediction["row"].filter(usable).to_numpy()
    tables = []
    for (name,), of_bin in clusters.filter(kind="bin").group_by("name", maintain_order=True):
        number = int(str(name))
        rate, pred, exposure = (
            prediction[column].arr.get(number).filter(usable).cast(pl.Float64).to_numpy()
            for column in ("rate", "pred", "exposure")
        )
        running = np.concatenate([[0.0], np.cumsum((rate - pred) * exposure)])
        first, last = (np.searchsorted(row, of_bin[edge].to_numpy()) for edge in ("first", "last"))
        tables.append(
            of_bin.select(
                "sign",
                pl.lit(number, pl.Int32).alias("bin"),
                t_start="start",
                t_stop=pl.col("stop") + config.input.cadence,
                duration=pl.col("stop") - pl.col("start") + config.input.cadence,
                excess=pl.col("sign") * pl.Series(running[last + 1] - running[first]),
            )
        )
    numbers = dict.fromkeys(("t_start", "t_stop", "duration", "excess"), pl.Float64)
    schema = {"sign": pl.Int8, "bin": pl.Int32, **numbers}
    return pl.concat([pl.DataFrame(schema=schema), *tables])


def event_set(config: Config) -> str:
    """Return the name of the clusters that make events: flagged in more than ``intervals.more_than`` bins."""
    return _more_than(config.intervals.more_than)


def segment_borders(segment: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find where the segment of each row begins and ends.

    Args:
        segment: (n,) of usable rows, from :func:`polarbgb.data.segments.segment_ids`.

    Returns:
        (n,) index of its first row and (n,) index of its last row.

    Example:
        >>> first, last = segment_borders(np.array([0, 0, 1]))
        >>> first.tolist(), last.tolist()
        ([0, 0, 2], [1, 1, 2])
    """
    opens = np.diff(segment, prepend=-1) != 0
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(segment)) - 1
    place = np.cumsum(opens) - 1
    return first[place], last[place]


def _clear_of_gaps(
    rows: NDArray[np.int64],
    flags: NDArray[np.bool_],
    time: NDArray[np.float64],
    segment: NDArray[np.int32],
    discard: float,
) -> NDArray[np.bool_]:
    """Return the (rows, bins) flags without those of runs that missing data come close to."""
    opening, closing = segment_borders(segment)
    clear = np.zeros_like(flags)
    for number in range(flags.shape[1]):
        flagged = np.flatnonzero(flags[:, number])
        first, last = runs_of(rows[flagged], segment)
        before = time[first] - time[opening[first]]
        after = time[closing[last]] - time[last]
        clear[flagged, number] = np.repeat((before >= discard) & (after >= discard), last - first + 1)
    return clear


def _sets(
    rows: NDArray[np.int64], flags: NDArray[np.bool_], segment: NDArray[np.int32]
) -> Iterator[tuple[str, str, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield kind, name, first and last rows of the runs of every bin and every set of bins that has any."""
    for number in range(flags.shape[1]):
        yield "bin", str(number), *runs_of(rows[flags[:, number]], segment)
    first, last = runs_of(rows, segment, changes=(flags[1:] != flags[:-1]).any(axis=1))
    sets, appears, which = np.unique(
        flags[np.searchsorted(rows, first)], axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(which.ravel(), kind="stable")
    members = np.split(order, np.cumsum(np.bincount(which.ravel(), minlength=len(sets)))[:-1])
    for one in np.argsort(appears):
        yield "pure", "_".join(map(str, np.flatnonzero(sets[one]))), first[members[one]], last[members[one]]
    together = flags.sum(axis=1)
    for number in range(flags.shape[1]):
        yield "more", _more_than(number), *runs_of(rows[together > number], segment)


def runs_of(
    rows: NDArray[np.int64], segment: NDArray[np.int32], changes: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last rows of the runs of consecutive rows; where ``changes`` holds, a new run begins."""
    apart = (np.diff(rows) != 1) | (np.diff(segment[rows]) != 0)
    if changes is not None:
        apart |= changes
    return np.concatenate([rows[:1], rows[1:][apart]]), np.concatenate([rows[:-1][apart], rows[-1:]])


def _more_than(number: int) -> str:
    return f"#_inter_more_{number}"
