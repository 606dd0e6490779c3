"""Find windows of excess counts in every bin and chosen sums, at several time scales."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Trigger
from polarbgb.progress import Track, silent
from polarbgb.transients.counts import Counts
from polarbgb.transients.focus import Series, compile_windows, windows
from polarbgb.transients.local_baseline import followed
from polarbgb.transients.rows import Rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of all scales and series; one element per window.

    Attributes:
        scale: index of the scale in ``trigger.scales``.
        series: index of the series.
        trigger: row at which the search first exceeded the threshold.
        first: first row.
        after: row after the last.
        significance: sigma, corrected for the dispersion of the series at this scale.
    """

    scale: NDArray[np.int64]
    series: NDArray[np.int64]
    trigger: Rows
    first: Rows
    after: Rows
    significance: Array


def find_windows(
    counts: Counts, dispersion: Mapping[float, Array], settings: Trigger, *, threads: int = 0, track: Track = silent
) -> Windows:
    """Search by Poisson-FOCuS for excesses up to the length of each of ``trigger.scales``.

    The background follows a local baseline at scales up to ``trigger.longest_followed``
    (:func:`polarbgb.transients.local_baseline.followed`). Counts and background of a series are then divided by their
    dispersion at this scale.

    Args:
        counts: of all rows.
        dispersion: (series,) by scale, from :func:`polarbgb.transients.noise.measure_noise` of the observed
            counts, even where other counts are searched.
        settings: scales and threshold.
        threads: number of threads; 0 for all cores.
        track: watches the scales.
    """
    compile_windows()
    columns: list[tuple[NDArray[Any], ...]] = []
    for i_scale, scale in enumerate(track(settings.scales, label="Time scales searched", total=len(settings.scales))):
        length = max(1, round(scale / counts.cadence))
        expected = followed(counts, scale, settings)
        search = partial(_search_series, counts=counts, expected=expected, length=length, settings=settings)
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:  # the search releases the interpreter lock
            tables = list(pool.map(search, counts.series, dispersion[scale]))
        i_series = np.repeat(np.arange(len(counts.series)), [len(table[0]) for table in tables])
        trigger, first, after, significance = (np.concatenate(column) for column in zip(*tables, strict=True))
        columns.append((np.full(len(first), i_scale), i_series, trigger, first, after, significance))
    return Windows(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _search_series(
    bins: tuple[int, ...], dispersion: float, *, counts: Counts, expected: Array, length: int, settings: Trigger
) -> tuple[NDArray[Any], ...]:
    """Return trigger, first row, row after the last and significance of windows of up to ``length`` rows."""
    observed, summed = (values[:, bins].sum(axis=1) / dispersion for values in (counts.observed, expected))
    series = Series(observed, summed, counts.segment)
    return windows(series, mu_min=settings.mu_min, longest=length, threshold=settings.threshold)
