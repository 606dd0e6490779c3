"""The published method: runs of rows whose pulls lie far above, or below, the background."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.prediction import counts_of_prediction
from polarbgb.config import Intervals
from polarbgb.transients.rows import Rows, running_sums, runs_of, segment_borders


def find_clusters(prediction: pl.DataFrame, intervals: Intervals) -> pl.DataFrame:
    """Find the runs of flagged rows, bin by bin and for sets of bins.

    A row is flagged in a bin where its pull lies beyond ``intervals.sigma``. Rows are consecutive if no usable row lies
    between them and they share a segment. The steps are those of POLAR-background-prediction
    (``export_cluster_intersections.py``, October 2023):

    1. bin: runs of consecutive rows flagged in one bin. A run with missing data less than ``intervals.discard``
       seconds before its first row or after its last one is dropped, together with its flags. Data are missing beyond
       the borders of a segment, and so before the first row and after the last row of the file.
    2. pure: runs of consecutive rows in which exactly the same set of bins is still flagged.
    3. more: runs of consecutive rows that are still flagged in more than n bins, for every n from 0.

    The published script finds the missing data of step 1 by counting rows and truncating times to whole seconds. On a
    drifting time grid such as POLAR's, this also drops about 0.6 % of the runs far from any gap; they are kept here.

    Args:
        prediction: ``unix_time`` (s), ``segment`` and the array ``pull`` (sigma), from
            :func:`polarbgb.background.prediction.prediction_frame`.
        intervals: thresholds.

    Returns:
        One row per cluster: ``sign`` (+1 excess, -1 deficit), ``kind`` (bin, pure or more), ``name`` (``"0"``,
        ``"0_1"``, ``"#_inter_more_3"``), ``start`` and ``stop`` (unix s of its first and last row: equal for one row),
        ``first`` and ``last`` (numbers of these two), ``rows`` (their number). Excesses come first; within a sign come
        the bins, then the pure sets in order of their first appearance, then more than 0, 1 and so on; within a name,
        clusters are in time order.
    """
    time, segment, pull = (prediction[name].to_numpy() for name in ("unix_time", "segment", "pull"))
    tables = []
    for sign, beyond in ((1, pull > intervals.sigma), (-1, pull < -intervals.sigma)):
        # Few rows are flagged; the rest are not looked at again.
        flagged = np.flatnonzero(beyond.any(axis=1))
        flags = _clear_of_gaps(flagged, beyond[flagged], time, segment, intervals.discard)
        kept = flags.any(axis=1)
        kinds, names, firsts, lasts = zip(*_sets(flagged[kept], flags[kept], segment), strict=True)
        runs = [len(rows) for rows in firsts]  # with many bins there are about as many sets as runs
        first, last = np.concatenate(firsts), np.concatenate(lasts)
        columns = {
            "sign": (pl.Int8, np.full(len(first), sign)),
            "kind": (pl.String, _repeated(kinds, runs)),
            "name": (pl.String, _repeated(names, runs)),
            "start": (pl.Float64, time[first]),
            "stop": (pl.Float64, time[last]),
            "first": (pl.Int64, first),
            "last": (pl.Int64, last),
            "rows": (pl.Int64, last - first + 1),
        }
        tables.append(pl.DataFrame([pl.Series(name, values, dtype) for name, (dtype, values) in columns.items()]))
    return pl.concat(tables)


def _repeated(texts: Sequence[str], times: Sequence[int]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String).gather(np.repeat(np.arange(len(texts)), times))


def published_excesses(prediction: pl.DataFrame, intervals: Intervals, cadence: float) -> pl.DataFrame:
    """Return the excesses of :func:`find_clusters` in more than ``intervals.more_than`` bins as half-open intervals.

    Args:
        prediction: as for :func:`find_clusters`.
        intervals: thresholds.
        cadence: nominal length of a row, s.

    Returns:
        ``t_start`` and ``t_stop``, unix s, in time order.
    """
    name = more_than_name(intervals.more_than)
    excesses = find_clusters(prediction, intervals).filter(sign=1, kind="more", name=name)
    return excesses.select(t_start="start", t_stop=pl.col("stop") + cadence)


def cluster_excess(prediction: pl.DataFrame, clusters: pl.DataFrame, cadence: float) -> pl.DataFrame:
    """Return the duration of the clusters of single bins, and their counts above (or below) the background.

    Args:
        prediction: per bin ``rate``, ``pred``, ``sigma`` (Hz) and ``exposure`` (s).
        clusters: from :func:`find_clusters` on the same prediction.
        cadence: nominal length of a row, s.

    Returns:
        One row per cluster of kind 'bin': ``sign``, ``bin`` (number), ``t_start``, ``t_stop`` (unix s, half-open),
        ``duration`` (s) and ``excess`` (counts, positive for deficits too).
    """
    observed, expected, _ = counts_of_prediction(prediction)
    tables = []
    for (name,), of_bin in clusters.filter(kind="bin").group_by("name", maintain_order=True):
        i_bin = int(str(name))
        running = running_sums(observed[:, i_bin] - expected[:, i_bin])
        first, last = (of_bin[edge].to_numpy() for edge in ("first", "last"))
        tables.append(
            of_bin.select(
                "sign",
                pl.lit(i_bin, pl.Int32).alias("bin"),
                t_start="start",
                t_stop=pl.col("stop") + cadence,
                duration=pl.col("stop") - pl.col("start") + cadence,
                excess=pl.col("sign") * pl.Series(running[last + 1] - running[first]),
            )
        )
    numbers = dict.fromkeys(("t_start", "t_stop", "duration", "excess"), pl.Float64)
    schema = {"sign": pl.Int8, "bin": pl.Int32, **numbers}
    return pl.concat([pl.DataFrame(schema=schema), *tables])


def more_than_name(number: int) -> str:
    """Return the name of the clusters of rows that are flagged in more than a number of bins."""
    return f"#_inter_more_{number}"


def _clear_of_gaps(
    rows: Rows, flags: NDArray[np.bool_], time: NDArray[np.float64], segment: NDArray[np.int32], discard: float
) -> NDArray[np.bool_]:
    """Return the (rows, bins) flags without those of runs close to missing data."""
    opening, closing = segment_borders(segment)
    clear = np.zeros_like(flags)
    for i_bin in range(flags.shape[1]):
        flagged = np.flatnonzero(flags[:, i_bin])
        first, last = runs_of(rows[flagged], segment)
        before = time[first] - time[opening[first]]
        after = time[closing[last]] - time[last]
        clear[flagged, i_bin] = np.repeat((before >= discard) & (after >= discard), last - first + 1)
    return clear


def _sets(rows: Rows, flags: NDArray[np.bool_], segment: NDArray[np.int32]) -> Iterator[tuple[str, str, Rows, Rows]]:
    """Yield kind, name, first and last rows of the runs of every bin and of every set of bins that occurs."""
    for i_bin in range(flags.shape[1]):
        yield "bin", str(i_bin), *runs_of(rows[flags[:, i_bin]], segment)
    first, last = runs_of(rows, segment, changes=(flags[1:] != flags[:-1]).any(axis=1))
    flags_of_run = flags[np.searchsorted(rows, first)]
    sets, first_run, i_set = np.unique(flags_of_run, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(i_set.ravel(), kind="stable")
    members = np.split(order, np.cumsum(np.bincount(i_set.ravel(), minlength=len(sets)))[:-1])
    for i in np.argsort(first_run):
        yield "pure", "_".join(map(str, np.flatnonzero(sets[i]))), first[members[i]], last[members[i]]
    n_flagged = flags.sum(axis=1)
    for number in range(flags.shape[1]):
        yield "more", more_than_name(number), *runs_of(rows[n_flagged > number], segment)
