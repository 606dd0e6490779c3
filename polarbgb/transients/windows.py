"""Windows in which counts exceed what is expected: every bin and chosen sums, at several time scales."""

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

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of all scales and series, one element per window.

    Attributes:
        scale: number of the scale in ``trigger.scales``.
        series: number of the series.
        trigger: row at which the search first exceeded the threshold.
        first: first row.
        after: row after the last.
        significance: sigma of this series, its dispersion at this scale included.
    """

    scale: NDArray[np.int64]
    series: NDArray[np.int64]
    trigger: NDArray[np.int64]
    first: NDArray[np.int64]
    after: NDArray[np.int64]
    significance: Array


def find_windows(
    counts: Counts,
    dispersion: Mapping[float, Array],
    settings: Trigger,
    *,
    threads: int = 0,
    track: Track = silent,
) -> Windows:
    """Search by Poisson-FOCuS for excesses no longer than each of ``trigger.scales``.

    Up to ``trigger.longest_followed`` the background first follows what is counted beside the window searched
    (:func:`followed`). Counts and background of a series are then divided by their dispersion at this scale.

    Args:
        counts: of all rows.
        dispersion: (series,) of each scale, from :func:`polarbgb.transients.noise.measure_noise`, of the counts as
            observed even where others are searched.
        settings: scales and threshold.
        threads: 0 for all cores.
        track: watches the searches.
    """
    compile_windows()
    found: list[tuple[NDArray[Any], ...]] = []
    for i_scale, scale in enumerate(track(settings.scales, label="Time scales searched", total=len(settings.scales))):
        length = max(1, round(scale / counts.cadence))
        expected = followed(counts, scale, settings)
        search = partial(_search_series, counts=counts, expected=expected, length=length, settings=settings)
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:  # the search lets other threads run
            tables = list(pool.map(search, counts.series, dispersion[scale]))
        i_series = np.repeat(np.arange(len(counts.series)), [len(table[0]) for table in tables])
        trigger, first, after, significance = (np.concatenate(column) for column in zip(*tables, strict=True))
        found.append((np.full(len(first), i_scale), i_series, trigger, first, after, significance))
    return Windows(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _search_series(
    bins: tuple[int, ...], dispersion: float, *, counts: Counts, expected: Array, length: int, settings: Trigger
) -> tuple[NDArray[Any], ...]:
    """Search one bin, or the sum of some, for windows of up to ``length`` rows."""
    observed, summed = (values[:, bins].sum(axis=1) / dispersion for values in (counts.observed, expected))
    found = windows(
        Series(observed, summed, counts.segment),
        sign=1,
        mu_min=settings.mu_min,
        longest=length,
        threshold=settings.threshold,
    )
    return found.trigger, found.start, found.stop, found.significance
