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

_DAY = 86_400.0


@dataclass(frozen=True)
class Windows:
    """Windows of all scales and series; one element per window.

    Attributes:
        scale: index of the scale in ``trigger.scales``.
        series: index of the series.
        trigger: row at which the search first exceeded the threshold.
        first: first row.
        after: row after the last.
        significance: sigma, corrected for the dispersion of the series at this scale and for the few samples that this
            is measured from (:func:`gaussian_equivalent`).
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
        significance = gaussian_equivalent(significance, counts.days * _DAY / scale)
        kept = significance >= settings.threshold
        table = (np.full(len(first), i_scale), i_series, trigger, first, after, significance)
        columns.append(tuple(column[kept] for column in table))
    return Windows(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def gaussian_equivalent(significance: Array, degrees: float) -> Array:
    """Return the Gaussian significance of a deviation in units of a noise that was measured from few samples.

    Such a deviation follows Student's distribution, whose tails are long: in a file of six hours, ten times the noise of
    half-hour sums is no rarity. The normal score is that of Wallace (1959, Ann. Math. Stat. 30, 1121):
    ``sqrt(d log(1 + t**2 / d)) (8 d + 1) / (8 d + 3)``.

    Args:
        significance: (n,) deviation t.
        degrees: number of independent samples d, as the live time over the time scale.

    Example:
        >>> gaussian_equivalent(np.array([5.0, 10.0]), 1e6).round(2).tolist()
        [5.0, 10.0]
        >>> gaussian_equivalent(np.array([5.0, 10.0]), 9.0).round(2).tolist()
        [3.37, 4.61]
    """
    normal = np.sqrt(degrees * np.log1p(significance**2 / degrees))
    return np.asarray(normal * (8 * degrees + 1) / (8 * degrees + 3))


def _search_series(
    bins: tuple[int, ...], dispersion: float, *, counts: Counts, expected: Array, length: int, settings: Trigger
) -> tuple[NDArray[Any], ...]:
    """Return trigger, first row, row after the last and significance of windows of up to ``length`` rows."""
    observed, summed = (values[:, bins].sum(axis=1) / dispersion for values in (counts.observed, expected))
    series = Series(observed, summed, counts.segment)
    return windows(series, mu_min=settings.mu_min, longest=length, threshold=settings.threshold)
