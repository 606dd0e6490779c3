"""Known events found again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.prediction import predicted_intervals
from polarbgb.config import Config


def match_pairs(
    t_start: NDArray[np.float64], t_stop: NDArray[np.float64], triggers: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair intervals with triggers, one to one, nearest first.

    The distance is that from the trigger to the nearest moment of the interval, 0 inside it. Of pairs that are equally
    near, the one whose interval starts closest to the trigger comes first.

    Args:
        t_start: (events,) start, unix seconds.
        t_stop: (events,) stop, unix seconds.
        triggers: (known,) unix seconds.
        tolerance: largest distance of a pair, s.

    Returns:
        (pairs,) index of the interval and (pairs,) index of the trigger.
    """
    near: list[tuple[float, float, int, int]] = []
    for known, trigger in enumerate(triggers):
        away = np.maximum(0.0, np.maximum(t_start - trigger, trigger - t_stop))
        near += [(away[i], abs(t_start[i] - trigger), int(i), known) for i in np.flatnonzero(away <= tolerance)]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, event, known in sorted(near):
        if event not in pairs and known not in taken:
            pairs[event] = known
            taken.add(known)
    return np.array(list(pairs), np.int64), np.array(list(pairs.values()), np.int64)


def match_known(
    t_start: NDArray[np.float64],
    t_stop: NDArray[np.float64],
    names: Sequence[str],
    triggers: NDArray[np.float64],
    tolerance: float,
) -> tuple[list[str], NDArray[np.float64]]:
    """Give intervals the names of the known events that they agree with, as :func:`match_pairs` pairs them.

    Args:
        t_start: (events,) start, unix seconds.
        t_stop: (events,) stop, unix seconds.
        names: (known,) names of the known events.
        triggers: (known,) their trigger times, unix seconds.
        tolerance: largest distance from the trigger to the interval, s.

    Returns:
        (events,) names, empty where nothing matches, and (events,) start less trigger, s, NaN where nothing matches.

    Example:
        >>> match_known(np.array([0.0, 90.0]), np.array([5.0, 99.0]), ["GRB"], np.array([87.0]), 5.0)
        (['', 'GRB'], array([nan,  3.]))
    """
    events, known = match_pairs(t_start, t_stop, triggers, tolerance)
    matched = [""] * len(t_start)
    dt = np.full(len(t_start), np.nan)
    dt[events] = t_start[events] - triggers[known]
    for event, one in zip(events, known, strict=True):
        matched[event] = names[one]
    return matched, dt


def known_summary(prediction: pl.DataFrame, events: pl.DataFrame, known: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Say of each known event whether there are data, and as which event it was found.

    Args:
        prediction: ``unix_time`` (s) and ``segment`` (-1 where the row was dropped).
        events: ``name``, ``t_start``, ``t_stop`` from :func:`polarbgb.transients.events.find_events`.
        known: ``name``, ``time`` from :func:`polarbgb.timeline.known.read_known`.
        config: gives the cadence and ``known_events.match``, the tolerance; 0 s without that section.

    Returns:
        A row a known event from the first usable row to the last, give or take the tolerance: ``name``, ``time``
        (trigger, unix s), ``covered`` (data lie within the tolerance of the trigger), ``event`` (name of the event
        found, null if none) and ``dt`` (start of that event less the trigger, s).
    """
    tolerance = config.known_events.match if config.known_events else 0.0
    good = predicted_intervals(prediction, config.input.cadence)
    if len(good) == 0:
        known = known.clear()
    else:
        known = known.filter(pl.col("time").is_between(good[0, 0] - tolerance, good[-1, 1] + tolerance))
    trigger = known["time"].to_numpy()
    after = np.searchsorted(good[:, 0], trigger, side="right")
    opens, closes = np.append(good[:, 0], np.inf), np.append(-np.inf, good[:, 1])
    covered = (trigger - closes[after] <= tolerance) | (opens[after] - trigger <= tolerance)
    t_start = events["t_start"].to_numpy()
    event, found = match_pairs(t_start, events["t_stop"].to_numpy(), trigger, tolerance)
    pairs = pl.DataFrame(
        {"known": found, "event": events["name"].gather(event), "dt": t_start[event] - trigger[found]},
        schema={"known": pl.Int64, "event": pl.String, "dt": pl.Float64},
    )
    return (
        known.select("name", "time")
        .with_columns(pl.Series("covered", covered, pl.Boolean), pl.int_range(pl.len(), dtype=pl.Int64).alias("known"))
        .join(pairs, on="known", how="left", maintain_order="left")
        .drop("known")
    )
