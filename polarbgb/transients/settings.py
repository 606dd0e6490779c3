"""Settings that the functions of a search share."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from polarbgb.config import Inject, Intervals, Trigger


@dataclass(frozen=True)
class SearchSettings:
    """What a search for transients needs to know about the instrument and the analysis.

    Attributes:
        cadence: nominal length of a row, s.
        series: sets of bins that are searched, alone or as a sum.
        trigger: the search by Poisson-FOCuS.
        intervals: which rows are not quiet, the clusters of the published method, and the context columns.
        inject: the transients that are injected.
        known: known events: ``name``, ``time`` (trigger, unix s) and ``duration`` (s); no rows without a list.
        match: largest distance between an event and a known event, s.
        threads: number of threads; 0 for all cores.
    """

    cadence: float
    series: tuple[tuple[int, ...], ...]
    trigger: Trigger
    intervals: Intervals
    inject: Inject
    known: pl.DataFrame
    match: float
    threads: int
