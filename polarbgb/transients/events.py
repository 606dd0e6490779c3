"""Describe events: times, counts, significance and surroundings of each excess, whichever method found it."""

from __future__ import annotations

from itertools import chain, count, islice, product
from string import ascii_uppercase

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.prediction import AUXILIARY, counts_of_prediction
from polarbgb.transients.match import match_known
from polarbgb.transients.published import more_than_name
from polarbgb.transients.rows import Rows, running_sums, segment_borders
from polarbgb.transients.settings import SearchSettings

BESIDE = 30.0
"""Time before and after an event, s, from which it is seen whether the rate returns to the background."""


def describe_events(prediction: pl.DataFrame, first: Rows, last: Rows, settings: SearchSettings) -> pl.DataFrame:
    """Describe intervals of rows in which the rate lies above its background.

    The significance of a bin is the excess of the whole event in units of the calibrated noise,
    ``sum((rate - pred) * exposure) / sqrt(sum((sigma * exposure)**2))``: Gaussian, rows independent, background exact.
    Bins may share counts, so they are not combined: the ``significance`` of an event is that of its best bin. No trials
    factor is applied.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        first: (events,) number of the first row of each event.
        last: (events,) number of the last row; no event spans a gap.
        settings: cadence, known events and context columns.

    Returns:
        One row per event, in the order given:

        - ``id`` (0, 1, ...); ``name`` (``"EV170206.453"``: UTC date and thousandth of the day of its start, with a
          letter where several events share it); ``utc`` of its start (ISO 8601, ms);
        - ``t_start`` and ``t_stop`` (unix s, half-open: the last row lasts one cadence), ``t_peak`` (start of the row
          with the largest sum of pulls), ``duration`` (s), ``t90`` (s: from the row in which the cumulative
          excess of the best bin reaches 5 % to the one in which it reaches 95 %, both included), ``rows``;
        - ``significance`` (sigma);
        - arrays with one number per bin: ``counts``, ``background`` (counts), ``significance_bin`` (sigma);
        - ``time_to_gap_before`` and ``time_to_gap_after`` (s of unbroken data before and after it);
        - ``level``, ``level_before``, ``level_after`` (sigma): mean pull of the best bin in the event, and in up to
          30 s of unbroken data before and after it (0 without data), which tell a step from a burst;
        - ``fold``, the auxiliary columns and the context columns at its peak;
        - ``matched`` (name of the known event, or empty) and ``matched_dt`` (start minus its trigger, s, or null).
    """
    time = prediction["unix_time"].to_numpy()
    opening, closing = segment_borders(prediction["segment"].to_numpy())
    t_start, t_stop = time[first], time[last] + settings.cadence

    inside, begins = _rows_inside(first, last)
    rows = prediction[inside]
    peak = rows[_peaks(np.nan_to_num(rows["pull"].to_numpy()), begins)]
    excess = _excess(rows, begins)
    context = settings.intervals.context
    auxiliary = [name for name in AUXILIARY if name in prediction.columns and name not in context]
    matched, dt = match_known(t_start, t_stop, settings.known, settings.match)
    return pl.concat(
        [
            pl.DataFrame({"id": np.arange(len(first))}),
            _names(t_start),
            pl.DataFrame(
                {
                    "t_start": t_start,
                    "t_stop": t_stop,
                    "t_peak": peak["unix_time"],
                    "duration": t_stop - t_start,
                    "t90": _t90(rows, begins, excess["significance_bin"], settings.cadence),
                    "rows": last - first + 1,
                    "significance": excess["significance_bin"].arr.max(),
                }
            ),
            excess,
            pl.DataFrame(
                {
                    "time_to_gap_before": t_start - time[opening[first]],
                    "time_to_gap_after": time[closing[last]] - time[last],
                }
            ),
            _levels(
                np.nan_to_num(prediction["pull"].to_numpy()),
                excess["significance_bin"],
                (opening[first], first, last, closing[last]),
                round(BESIDE / settings.cadence),
            ),
            peak.select("fold", *auxiliary, *context),
            pl.DataFrame(
                {"matched": pl.Series(matched, dtype=pl.String), "matched_dt": pl.Series(dt, nan_to_null=True)}
            ),
        ],
        how="horizontal",
    )


def find_events(prediction: pl.DataFrame, clusters: pl.DataFrame, settings: SearchSettings) -> pl.DataFrame:
    """Describe the positive clusters that are flagged in more than ``intervals.more_than`` bins.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        clusters: from :func:`polarbgb.transients.published.find_clusters` on the same prediction.
        settings: as for :func:`describe_events`, and ``intervals.more_than``.

    Returns:
        As :func:`describe_events`, in time order, and ``bins_flagged`` (``"0_1_5"``: bins flagged in any of its rows,
        without the clusters discarded near gaps).
    """
    chosen = clusters.filter(sign=1, kind="more", name=more_than_name(settings.intervals.more_than))
    flagged = _bins_flagged(chosen, clusters.filter(sign=1, kind="bin"))
    events = describe_events(prediction, chosen["first"].to_numpy(), chosen["last"].to_numpy(), settings)
    return events.with_columns(pl.Series("bins_flagged", flagged, pl.String))


def highest_ranked(events: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the events of the highest ranking; of the published method, which has no ranking, the most significant."""
    order = "ranking" if "ranking" in events.columns else "significance"
    return events.sort(order, descending=True, nulls_last=True, maintain_order=True).head(count)


def _rows_inside(first: Rows, last: Rows) -> tuple[Rows, Rows]:
    """Return the rows of all events, one event after the other, and where among them each event begins."""
    lengths = last - first + 1
    begins = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(first - begins, lengths), begins


def _peaks(pull: NDArray[np.float32], begins: Rows) -> Rows:
    """Return for each event the index of the largest sum over bins of its (rows, bins) pulls."""
    event = np.searchsorted(begins, np.arange(len(pull)), side="right")
    return np.lexsort((-pull.sum(axis=1), event))[begins]


def _levels(pull: NDArray[np.float32], significance: pl.Series, edges: tuple[Rows, ...], beside: int) -> pl.DataFrame:
    """Return the mean of the (rows, bins) pulls in the best bin inside, before and after each event.

    Edges are first row of the segment, first and last row of the event, and last row of the segment. At most ``beside``
    rows before and after the event are used.
    """
    opening, first, last, closing = edges
    running = running_sums(pull)
    best = significance.arr.arg_max().to_numpy().astype(np.int64)

    def mean(start: Rows, stop: Rows) -> NDArray[np.float64]:
        return np.asarray((running[stop, best] - running[start, best]) / np.maximum(stop - start, 1))

    return pl.DataFrame(
        {
            "level": mean(first, last + 1),
            "level_before": mean(np.maximum(opening, first - beside), first),
            "level_after": mean(last + 1, np.minimum(closing, last + beside) + 1),
        }
    )


def _t90(rows: pl.DataFrame, begins: Rows, significance: pl.Series, cadence: float) -> NDArray[np.float64]:
    """Return the time from 5 to 95 % of the excess counts of the best bin of each event, s."""
    lengths = np.diff(begins, append=len(rows))
    best = np.repeat(significance.arr.arg_max().to_numpy(), lengths) if len(begins) else np.zeros(0, np.int64)
    observed, expected, _ = counts_of_prediction(rows)
    running = running_sums((observed - expected)[np.arange(len(rows)), best])
    before = running[begins]
    total = running[begins + lengths] - before
    event = np.repeat(np.arange(len(begins)), lengths)
    share = (running[1:] - before[event]) / total[event]
    time = rows["unix_time"].to_numpy()
    reached = [_first_where(share >= level, event, len(begins)) for level in (0.05, 0.95)]
    return np.asarray(time[reached[1]] - time[reached[0]] + cadence)


def _first_where(holds: NDArray[np.bool_], event: NDArray[np.int64], n_events: int) -> Rows:
    """Return the first row of each event where a condition holds, or its last row where it never does."""
    first = np.searchsorted(event, np.arange(n_events), side="right") - 1
    rows = np.flatnonzero(holds)[::-1]
    first[event[rows]] = rows
    return first


def _excess(rows: pl.DataFrame, begins: Rows) -> pl.DataFrame:
    """Sum counts and noise over each event, bin by bin."""
    observed, expected, noise = counts_of_prediction(rows)
    counts, background, variance = (
        np.add.reduceat(values, begins, axis=0) for values in (observed, expected, noise**2)
    )
    sums = {
        "counts": counts,
        "background": background,
        # A bin that is masked throughout shows nothing.
        "significance_bin": (counts - background) / np.sqrt(np.where(variance > 0, variance, 1.0)),
    }
    array = pl.Array(pl.Float64, counts.shape[1])
    return pl.DataFrame([pl.Series(name, values, array) for name, values in sums.items()])


def _bins_flagged(chosen: pl.DataFrame, of_bins: pl.DataFrame) -> list[str]:
    """Return the bins of which a cluster overlaps each event, as ``"0_1_5"``."""
    first, last = chosen["first"].to_numpy(), chosen["last"].to_numpy()
    flagged: list[list[str]] = [[] for _ in first]
    for (name,), clusters in of_bins.group_by("name", maintain_order=True):
        # Clusters of a bin are disjoint: if any overlaps the event, the first that does not end before it does.
        nearest = np.searchsorted(clusters["last"].to_numpy(), first)
        opens = np.append(clusters["first"].to_numpy(), np.iinfo(np.int64).max)[nearest]
        for event in np.flatnonzero(opens <= last):
            flagged[event].append(str(name))
    return ["_".join(names) for names in flagged]


def _names(t_start: NDArray[np.float64]) -> pl.DataFrame:
    """Return name and UTC time of events, named after their start as bursts are."""
    start = pl.from_epoch("ms", time_unit="ms")
    thousandth = (pl.col("ms") % 86_400_000 // 86_400).cast(pl.String).str.zfill(3)
    named = pl.DataFrame({"ms": np.rint(t_start * 1000).astype(np.int64)}).select(
        stem=pl.format("EV{}.{}", start.dt.strftime("%y%m%d"), thousandth),
        utc=start.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
    )
    letters = chain.from_iterable(product(ascii_uppercase, repeat=length) for length in count(1))
    letter = pl.Series("letter", list(map("".join, islice(letters, len(named)))), pl.String)
    i_of_stem = pl.int_range(pl.len()).over("stem")
    shared = pl.len().over("stem") > 1
    return named.select(
        name=pl.col("stem") + pl.when(shared).then(pl.lit(letter).gather(i_of_stem)).otherwise(pl.lit("")), utc="utc"
    )
