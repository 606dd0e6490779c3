"""Match detected events with known ones."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.data.segments import predicted_intervals


def match_pairs(
    t_start: NDArray[np.float64],
    t_stop: NDArray[np.float64],
    triggers: NDArray[np.float64],
    durations: NDArray[np.float64],
    slack: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair intervals with known events, one to one, nearest first.

    A known event spans the time from its trigger to the end of its duration. The distance of a pair is the time between
    the interval and this span, 0 where they overlap. Among equally near pairs, the one with the longest overlap comes
    first, then the one whose interval starts closest to the trigger.

    Args:
        t_start: (events,) start, unix seconds.
        t_stop: (events,) stop, unix seconds.
        triggers: (known,) unix seconds.
        durations: (known,) s, >= 0.
        slack: largest distance of a pair, s.

    Returns:
        (pairs,) index of the interval and (pairs,) index of the known event.
    """
    near: list[tuple[float, float, float, int, int]] = []
    for known, (trigger, duration) in enumerate(zip(triggers, durations, strict=True)):
        away = _distance(t_start, t_stop, trigger, duration)
        overlap = np.maximum(0.0, np.minimum(t_stop, trigger + duration) - np.maximum(t_start, trigger))
        offset = np.abs(t_start - trigger)
        near += [(away[i], -overlap[i], offset[i], int(i), known) for i in np.flatnonzero(away <= slack)]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for *_, event, known in sorted(near):
        if event not in pairs and known not in taken:
            pairs[event] = known
            taken.add(known)
    return np.array(list(pairs), np.int64), np.array(list(pairs.values()), np.int64)


def _distance(
    t_start: NDArray[np.float64], t_stop: NDArray[np.float64], trigger: float, duration: float
) -> NDArray[np.float64]:
    """Return the (n,) time between intervals and the span of a known event, s; 0 where they overlap."""
    return np.maximum(0.0, np.maximum(t_start - (trigger + duration), trigger - t_stop))


def match_known(
    t_start: NDArray[np.float64], t_stop: NDArray[np.float64], known: pl.DataFrame, slack: float
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names of the known events that intervals match, as paired by :func:`match_pairs`.

    Args:
        t_start: (events,) start, unix seconds.
        t_stop: (events,) stop, unix seconds.
        known: ``name``, ``time`` (trigger, unix s) and ``duration`` (s) from
            :func:`polarbgb.data.known_events.read_known`.
        slack: largest distance from the span of a known event to the interval, s.

    Returns:
        (events,) names, empty where nothing matches, and (events,) start minus trigger, s, NaN where nothing matches.

    Example:
        >>> known = pl.DataFrame({"name": ["GRB"], "time": [80.0], "duration": [30.0]})
        >>> match_known(np.array([0.0, 96.0]), np.array([5.0, 99.0]), known, 5.0)
        (['', 'GRB'], array([nan, 16.]))
    """
    triggers = known["time"].to_numpy()
    events, matched = match_pairs(t_start, t_stop, triggers, known["duration"].to_numpy(), slack)
    names = [""] * len(t_start)
    dt = np.full(len(t_start), np.nan)
    dt[events] = t_start[events] - triggers[matched]
    for event, name in zip(events, known["name"].gather(matched), strict=True):
        names[event] = name
    return names, dt


def known_summary(prediction: pl.DataFrame, events: pl.DataFrame, known: pl.DataFrame, *, slack: float) -> pl.DataFrame:
    """Return for each known event whether data cover it, and the event that it was detected as.

    Args:
        prediction: ``unix_time`` and ``width`` (s), and ``segment``.
        events: ``name``, ``t_start``, ``t_stop`` from :func:`polarbgb.transients.events.find_events`.
        known: ``name``, ``time``, ``duration`` from :func:`polarbgb.data.known_events.read_known`.
        slack: largest distance from the span of a known event to an event or to data, s.

    Returns:
        One row per known event whose span, widened by the slack, reaches into the time from the first usable row to the
        last: ``name``, ``time`` (trigger, unix s), ``duration`` (s), ``covered`` (data lie within the widened span),
        ``event`` (name of the detected event, or null) and ``dt`` (start of that event minus the trigger, s, or null).
    """
    good = predicted_intervals(prediction)
    if len(good) == 0:
        known = known.clear()
    else:
        begin, end = pl.col("time"), pl.col("time") + pl.col("duration")
        known = known.filter(end >= good[0, 0] - slack, begin <= good[-1, 1] + slack)
    trigger, duration = known["time"].to_numpy(), known["duration"].to_numpy()
    spans = zip(trigger, duration, strict=True)
    covered = [bool((_distance(good[:, 0], good[:, 1], *span) <= slack).any()) for span in spans]
    t_start = events["t_start"].to_numpy()
    event, matched = match_pairs(t_start, events["t_stop"].to_numpy(), trigger, duration, slack)
    pairs = pl.DataFrame(
        {"known": matched, "event": events["name"].gather(event), "dt": t_start[event] - trigger[matched]},
        schema={"known": pl.Int64, "event": pl.String, "dt": pl.Float64},
    )
    return (
        known.select("name", "time", "duration")
        .with_columns(pl.Series("covered", covered, pl.Boolean), pl.int_range(pl.len(), dtype=pl.Int64).alias("known"))
        .join(pairs, on="known", how="left", maintain_order="left")
        .drop("known")
    )
