"""How far two lists of events of the same file agree."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.progress import Track, silent
from polarbgb.transients.published import published_excesses
from polarbgb.transients.search import find_transients


@dataclass(frozen=True)
class Agreement:
    """Two lists of events.

    Attributes:
        events: of the first list, and of the second.
        together: rows in events of both lists, over rows in events of either: the intersection over union. 1 where both
            are empty.
        again: share of the events of the first list that some event of the second overlaps, and the other way round;
            1 for an empty list.
    """

    events: tuple[int, int]
    together: float
    again: tuple[float, float]


@dataclass(frozen=True)
class ListAgreement:
    """How far the lists of two runs on the same file agree.

    Attributes:
        listed: events at ``trigger.far`` false ones a day.
        sure: share of the events of the first list that nothing in its control ranks as high as and that come again in
            the second, and the other way round.
        published: the clusters of the published method, at its own settings.
        far: 1/day.
    """

    listed: Agreement
    sure: tuple[float, float]
    published: Agreement
    far: float

    def summary(self) -> dict[str, object]:
        """Return what ``evaluation.json`` tells."""
        return asdict(self)


def measure_agreement(
    one: pl.DataFrame, other: pl.DataFrame, config: Config, *, track: Track = silent
) -> ListAgreement:
    """List the events of two predictions of the same rows in the same way, and compare.

    Args:
        one: from :func:`polarbgb.background.prediction.prediction_frame`.
        other: the same of another training.
        config: the instrument and its searches, used for both.
        track: watches the searches.
    """
    time = one.filter(pl.col("segment") >= 0)["unix_time"].to_numpy()
    first, second = (find_transients(frame, config, track=track).events for frame in (one, other))
    published = (published_excesses(frame, config) for frame in (one, other))
    sure = [events.filter("far_limit") for events in (first, second)]
    return ListAgreement(
        listed=agreement(time, first, second),
        sure=(agreement(time, sure[0], second).again[0], agreement(time, sure[1], first).again[0]),
        published=agreement(time, *published),
        far=config.trigger.far,
    )


def agreement(time: NDArray[np.float64], one: pl.DataFrame, other: pl.DataFrame) -> Agreement:
    """Compare two lists row by row, and event by event.

    Args:
        time: (rows,) start of the usable rows, unix s, increasing.
        one: events with ``t_start`` and ``t_stop``, unix s, half-open.
        other: the same of another run.

    Example:
        >>> one = pl.DataFrame({"t_start": [0.0, 9.0], "t_stop": [4.0, 10.0]})
        >>> agreement(np.arange(20.0), one, one[:1]).together
        0.8
    """
    first, second = (_inside(time, events) for events in (one, other))
    either = int((first | second).sum())
    return Agreement(
        events=(len(one), len(other)),
        together=float((first & second).sum() / either) if either else 1.0,
        again=(_met(time, one, second), _met(time, other, first)),
    )


def _inside(time: NDArray[np.float64], events: pl.DataFrame) -> NDArray[np.bool_]:
    """Return the (rows,) mask of the rows that begin inside an event."""
    first, after = (np.searchsorted(time, events[edge].to_numpy()) for edge in ("t_start", "t_stop"))
    size = len(time) + 1
    return np.asarray(np.cumsum(np.bincount(first, minlength=size) - np.bincount(after, minlength=size))[:-1] > 0)


def _met(time: NDArray[np.float64], events: pl.DataFrame, inside: NDArray[np.bool_]) -> float:
    if not len(events):
        return 1.0
    first, after = (np.searchsorted(time, events[edge].to_numpy()) for edge in ("t_start", "t_stop"))
    running = np.concatenate([[0], np.cumsum(inside)])
    return float(np.mean(running[after] > running[first]))
