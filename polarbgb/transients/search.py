"""Windows in which counts are more, or fewer, than expected: every bin and chosen sums, at several time scales."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.baseline import local_baseline
from polarbgb.config import Config, Trigger
from polarbgb.progress import Track, silent
from polarbgb.transients.counts import Counts
from polarbgb.transients.focus import Series, Windows, windows
from polarbgb.transients.spread import Spread, fit_spread, root_deviations
from polarbgb.transients.unrest import fit_unrest

Array = NDArray[np.float64]

_REACH, _SCALES = 60.0, 3.0
"""s beside a window that a local baseline is taken from at least, and how many of its scales."""

_CALM = (0.6, 0.85, 0.95)
"""Shares of the rows: the calmest, and so on to the most restless twentieth."""


@dataclass(frozen=True)
class Search:
    """What a search came to.

    Attributes:
        windows: a row a window, of both signs: ``sign`` (+1, -1), ``scale`` (s), ``series`` (``"0"``, ``"0_1"``: the
            bins that were summed), ``trigger``, ``first``, ``last`` (indices of rows: where the search first exceeded
            ``trigger.threshold``, and the window), ``significance`` (sigma, of this series), ``strength`` (distance of
            all bins' deviations from none, in units of their spread
            (:meth:`polarbgb.transients.spread.Spread.strength`) and of how far counts stray there and then
            (:func:`polarbgb.transients.unrest.fit_unrest`)), ``calmness`` (0 to 3: class by how far counts stray at
            this scale; 0 is the calmest).
        days: by scale (s), the (classes,) live time in each class of calmness.
    """

    windows: pl.DataFrame
    days: Mapping[float, Array]


def find_windows(counts: Counts, config: Config, *, track: Track = silent) -> Search:
    """Search by Poisson-FOCuS for windows no longer than each of ``trigger.scales``.

    At each scale up to ``trigger.follow`` the background first follows what is counted around the window searched
    (:func:`polarbgb.background.baseline.local_baseline` with the scale as its hole). Counts and background are then
    divided by their dispersion over windows of this scale, in each place. Windows in which fewer than 2 threshold**2
    counts are expected (32 at 4 sigma) are left out: they have no control.

    Args:
        counts: from :func:`polarbgb.transients.counts.counts_of`.
        config: its section trigger.
        track: watches the searches.
    """
    section, cadence = config.trigger, config.input.cadence
    series = [(number,) for number in range(counts.bins)] + [tuple(one) for one in section.sums]
    tables, days = [], {}
    for scale in track(section.scales, label="Time scales searched", total=len(section.scales)):
        length = max(1, round(scale / cadence))
        factor = local_factor(counts, scale, config)
        expected = counts.expected * factor if scale <= section.follow else counts.expected
        spread = fit_spread(counts, expected, length)
        unrest = fit_unrest(counts, expected, factor, spread, length=length, config=config)
        calmness = np.searchsorted(np.quantile(unrest, _CALM), unrest) if len(unrest) else np.zeros(0, np.int64)
        days[scale] = np.bincount(calmness, minlength=len(_CALM) + 1) * cadence / 86_400
        of_bins = partial(_search_bins, counts=counts, expected=expected, spread=spread, length=length, section=section)
        with ThreadPoolExecutor(config.model.threads or os.cpu_count()) as pool:  # the search lets other threads run
            of_scale = list(pool.map(of_bins, series))
        # All at once: sums over the rows are run once a scale.
        table = pl.concat(of_scale).with_columns(scale=pl.lit(float(scale)))
        first, last = table["first"].to_numpy(), table["last"].to_numpy()
        middle = (first + last) // 2
        strength = spread.strength(root_deviations(counts.found, expected, first, last), counts.place[middle])
        tables.append(table.with_columns(strength=strength / unrest[middle], calmness=calmness[middle].astype(np.int8)))
    return Search(pl.concat(tables), days)


def _search_bins(
    bins: tuple[int, ...], *, counts: Counts, expected: Array, spread: Spread, length: int, section: Trigger
) -> pl.DataFrame:
    """Search one bin, or the sum of some, for windows of up to ``length`` rows and both signs, a row each."""
    dispersion = spread.dispersion(expected, counts.place, bins)
    summed = expected[:, bins].sum(axis=1)
    series = Series(counts.found[:, bins].sum(axis=1) / dispersion, summed / dispersion, counts.segment)
    tables = []
    for sign in (1, -1):
        found = windows(series, sign=sign, mu_min=section.mu_min, longest=length, threshold=section.threshold)
        found = _with_control(found, summed, section.threshold)
        rows = len(found.start)
        tables.append(
            pl.DataFrame(
                {
                    "sign": np.full(rows, sign, np.int8),
                    "series": ["_".join(map(str, bins))] * rows,
                    "trigger": found.trigger,
                    "first": found.start,
                    "last": found.stop - 1,
                    "significance": found.significance,
                },
                schema_overrides={"series": pl.String},
            )
        )
    return pl.concat(tables)


def _with_control(found: Windows, expected: Array, threshold: float) -> Windows:
    """Leave windows out in which fewer than 2 threshold**2 counts are expected.

    So few counts cannot lie far enough below what is expected: deficits would not be as frequent as excesses of the
    same size, and lists would cost more than they say.
    """
    running = np.concatenate([[0.0], np.cumsum(expected)])
    enough = running[found.stop] - running[found.start] >= 2 * threshold**2
    return Windows(*(values[enough] for values in found))


def local_factor(counts: Counts, scale: float, config: Config) -> Array:
    """Return the factor by which the background follows what is counted around windows of a scale.

    Args:
        counts: of all rows.
        scale: s; as much on either side of a row is not looked at, and three times as much beyond that is.
        config: its section trigger.

    Returns:
        (rows, bins).
    """
    return local_baseline(
        counts.time,
        counts.found,
        counts.expected,
        counts=counts.quiet,
        hole=max(scale, config.input.cadence),
        reach=max(_REACH, _SCALES * scale),
        trust=config.trigger.trust,
    )
