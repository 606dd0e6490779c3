"""The truth of a simulated mission: the injected events, and their significance over the known background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.simulation.events import Event

Array = NDArray[np.float64]

MODELLED = (0, 1, 5, 6, 10, 12)
"""Bins of the published prediction."""


class Tally:
    """Sums of the counts of every event over the days of the mission."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        shape = (len(events), len(MODELLED))
        self._injected, self._counted, self._expected = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._rows = np.zeros(len(events), np.int64)
        self._seen, self._peak = np.zeros(len(events)), np.zeros(len(events))

    def add(self, i_event: int, time: Array, *, change: Array, injected: Array, counts: Array, expected: Array) -> None:
        """Add rows that an event covers.

        Args:
            i_event: index of the event.
            time: (n,) starts of the time bins, unix seconds.
            change: (n, 13) mean change of the rates by the event, Hz.
            injected: (n, 13) counts of the event.
            counts: (n, 13) all counts.
            expected: (n, 13) mean counts without the event.
        """
        if not len(time):
            return
        event, bins = self._events[i_event], list(MODELLED)
        self._rows[i_event] += len(time)
        self._seen[i_event] += event.share(time)
        highest = change[np.argmax(np.abs(change[:, 0])), 0]
        self._peak[i_event] = max(self._peak[i_event], highest, key=abs)
        self._injected[i_event] += injected[:, bins].sum(axis=0)
        # The significance is measured over the time bins that T90 touches: the faint tail would only add noise.
        inside = (time + 1 > event.t90_start) & (time < event.t90_start + event.t90)
        self._counted[i_event] += counts[inside][:, bins].sum(axis=0)
        self._expected[i_event] += expected[inside][:, bins].sum(axis=0)

    def table(self) -> pl.DataFrame:
        """Return one row per event with at least one row in the file, sorted by time.

        Columns: ``kind``, ``name``, ``start``, ``stop``, ``t90_start`` (unix seconds), ``t90`` (s), ``peak_rate``
        (largest mean change of rate[0] in a row, Hz), ``rows`` (rows of the file from start to stop),
        ``seen`` (share of the event in them), and for each published bin ``counts_<bin>`` (added by the event; negative
        if removed), ``t90_counts_<bin>`` (all counts in T90), ``t90_expected_<bin>`` (mean counts in T90 without the
        event) and ``significance_<bin>`` of the former over the latter.
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
        for column, i_bin in enumerate(MODELLED):
            columns[f"counts_{i_bin}"] = self._injected[:, column].astype(np.int64)
            columns[f"t90_counts_{i_bin}"] = self._counted[:, column].astype(np.int64)
            columns[f"t90_expected_{i_bin}"] = self._expected[:, column]
            columns[f"significance_{i_bin}"] = significant[:, column]
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
