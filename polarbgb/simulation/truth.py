"""What was injected, and how significant it is to one who knows everything else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.simulation.events import Event

Array = NDArray[np.float64]

MODELLED = (0, 1, 5, 6, 10, 12)
"""Bins that the published work models."""


class Tally:
    """Adds up, part by part of the mission, what became of every event."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        shape = (len(events), len(MODELLED))
        self._injected, self._counted, self._expected = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._rows = np.zeros(len(events), np.int64)
        self._seen, self._peak = np.zeros(len(events)), np.zeros(len(events))

    def add(self, number: int, time: Array, *, change: Array, injected: Array, counts: Array, expected: Array) -> None:
        """Add rows that an event covers.

        Args:
            number: of the event.
            time: (n,) opening of the bins, unix seconds.
            change: (n, 13) mean change of the rates by the event, Hz.
            injected: (n, 13) counts of the event.
            counts: (n, 13) all counts.
            expected: (n, 13) mean counts of everything but the event.
        """
        if not len(time):
            return
        event, bins = self._events[number], list(MODELLED)
        self._rows[number] += len(time)
        self._seen[number] += event.share(time)
        highest = change[np.argmax(np.abs(change[:, 0])), 0]
        self._peak[number] = max(self._peak[number], highest, key=abs)
        self._injected[number] += injected[:, bins].sum(axis=0)
        # The test is made over the bins that T90 touches: the faint tail would only add noise.
        inside = (time + 1 > event.t90_start) & (time < event.t90_start + event.t90)
        self._counted[number] += counts[inside][:, bins].sum(axis=0)
        self._expected[number] += expected[inside][:, bins].sum(axis=0)

    def table(self) -> pl.DataFrame:
        """Return a row an event of which the file holds a bin, in order of time.

        Columns: ``kind``, ``name``, ``start``, ``stop``, ``t90_start`` (unix seconds), ``t90`` (s), ``peak_rate``
        (greatest mean change of rate[0] in a bin of the file, Hz), ``rows`` (bins of the file from start to stop),
        ``seen`` (share of the event in them), and for each modelled bin ``counts_<bin>`` (that the event added, or
        took), ``t90_counts_<bin>`` (all counts in T90), ``t90_expected_<bin>`` (of everything but the event) and
        ``significance_<bin>`` of the one over the other.
        """
        events, significant = self._events, significance(self._counted, self._expected)
        columns: dict[str, object] = {
            "kind": [event.kind for event in events],
            "name": [event.name for event in events],
            "start": [event.start for event in events],
            "stop": [event.stop for event in events],
            "t90_start": [event.t90_start for event in events],
            "t90": [event.t90 for event in events],
            "peak_rate": self._peak,
            "rows": self._rows,
            "seen": self._seen,
        }
        for column, number in enumerate(MODELLED):
            columns[f"counts_{number}"] = self._injected[:, column].astype(np.int64)
            columns[f"t90_counts_{number}"] = self._counted[:, column].astype(np.int64)
            columns[f"t90_expected_{number}"] = self._expected[:, column]
            columns[f"significance_{number}"] = significant[:, column]
        types = {"kind": pl.String, "name": pl.String} | dict.fromkeys(
            ("start", "stop", "t90_start", "t90", "peak_rate"), pl.Float64
        )
        frame = pl.DataFrame(columns, schema_overrides=types)
        return frame.filter(pl.col("rows") > 0).sort("start", maintain_order=True)


def significance(counts: Array, background: Array) -> Array:
    """Return the signed significance of counts over a known background, in Gaussian sigma.

    sqrt(2 (N ln(N/B) - N + B)): Li and Ma 1983, ApJ 272, 317, for a background known exactly; 0 where B is 0.
    """
    ratio = np.divide(counts, background, out=np.ones_like(counts), where=background > 0)
    logarithm = np.log(np.where(ratio > 0, ratio, 1.0))
    twice = 2 * (counts * logarithm - counts + background)
    known = np.where(background > 0, np.sqrt(np.maximum(twice, 0)), 0.0)
    return np.asarray(known * np.sign(counts - background))
