"""Measure the agreement of two lists of events of the same file."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.progress import Track, silent
from polarbgb.transients.published import published_excesses
from polarbgb.transients.rows import running_sums
from polarbgb.transients.search import find_transients
from polarbgb.transients.settings import SearchSettings


@dataclass(frozen=True)
class Agreement:
    """Agreement of two lists of events.

    Attributes:
        events: number of events in the first and the second list.
        together: intersection over union: rows in events of both lists over rows in events of either; 1 if both lists
            are empty.
        again: share of the events of the first list that an event of the second overlaps, and vice versa; 1 for an
            empty list.
    """

    events: tuple[int, int]
    together: float
    again: tuple[float, float]


@dataclass(frozen=True)
class ListAgreement:
    """Agreement of the lists of two runs on the same file.

    Attributes:
        listed: events at ``trigger.far`` false alarms per day.
        sure: share of the events above the whole control of the first list that an event of the second overlaps, and
            vice versa.
        published: excesses of the published method, at its own settings.
        far: false alarms per day.
    """

    listed: Agreement
    sure: tuple[float, float]
    published: Agreement
    far: float

    def summary(self) -> dict[str, object]:
        """Return the agreement as it is stored in ``evaluation.json``."""
        return asdict(self)


def measure_agreement(
    prediction: pl.DataFrame, other: pl.DataFrame, settings: SearchSettings, *, track: Track = silent
) -> ListAgreement:
    """Search two predictions of the same rows, and compare the lists.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        other: the same of another training.
        settings: of both searches.
        track: watches the searches.
    """
    frames, intervals = (prediction, other), settings.intervals
    time = prediction["unix_time"].to_numpy()
    first, second = (find_transients(frame, settings, track=track).events for frame in frames)
    published = (published_excesses(frame, intervals, settings.cadence) for frame in frames)
    sure = [events.filter("far_limit") for events in (first, second)]
    return ListAgreement(
        listed=agreement(time, first, second),
        sure=(agreement(time, sure[0], second).again[0], agreement(time, sure[1], first).again[0]),
        published=agreement(time, *published),
        far=settings.trigger.far,
    )


def agreement(time: NDArray[np.float64], events: pl.DataFrame, other: pl.DataFrame) -> Agreement:
    """Compare two lists row by row and event by event.

    Args:
        time: (rows,) start of the usable rows, unix s, increasing.
        events: ``t_start`` and ``t_stop``, unix s, half-open.
        other: the same of another run.

    Example:
        >>> events = pl.DataFrame({"t_start": [0.0, 9.0], "t_stop": [4.0, 10.0]})
        >>> agreement(np.arange(20.0), events, events[:1]).together
        0.8
    """
    first, second = (_inside(time, table) for table in (events, other))
    either = int((first | second).sum())
    return Agreement(
        events=(len(events), len(other)),
        together=float((first & second).sum() / either) if either else 1.0,
        again=(_overlapped(time, events, second), _overlapped(time, other, first)),
    )


def _inside(time: NDArray[np.float64], events: pl.DataFrame) -> NDArray[np.bool_]:
    """Return the (rows,) mask of the rows that begin inside an event."""
    first, after = (np.searchsorted(time, events[edge].to_numpy()) for edge in ("t_start", "t_stop"))
    size = len(time) + 1
    return np.asarray(np.cumsum(np.bincount(first, minlength=size) - np.bincount(after, minlength=size))[:-1] > 0)


def _overlapped(time: NDArray[np.float64], events: pl.DataFrame, inside: NDArray[np.bool_]) -> float:
    """Return the share of events with a row inside the events of the other list."""
    if not len(events):
        return 1.0
    first, after = (np.searchsorted(time, events[edge].to_numpy()) for edge in ("t_start", "t_stop"))
    running = running_sums(inside)
    return float(np.mean(running[after] > running[first]))
