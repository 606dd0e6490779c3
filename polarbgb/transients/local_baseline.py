"""Local baselines: what is counted beside a row, or beside a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.local_baseline import local_baseline
from polarbgb.config import Trigger
from polarbgb.transients.counts import Counts

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_WINDOW, _SCALES = 60.0, 3.0
"""Least time beside a row that its baseline is taken from, s, and how many of the scale that is searched."""


def followed(counts: Counts, scale: float, settings: Trigger) -> Array:
    """Return the (rows, bins) counts expected of windows of a scale (s).

    At scales up to ``trigger.longest_followed`` they follow the counts beside each row: a gap of one scale on either
    side is left out, and three times as much beyond it, at least 60 s, is compared.
    """
    if scale > settings.longest_followed:
        return counts.expected
    expected = local_baseline(
        counts.time,
        counts.observed,
        counts.expected,
        counts=counts.quiet,
        gap=max(scale, counts.cadence),
        window=max(_WINDOW, _SCALES * scale),
        prior_width=settings.prior_width,
    )
    expected *= counts.expected  # in place: with millions of rows another copy matters
    return expected


@dataclass(frozen=True)
class Baseline:
    """Stretches of rows on both sides of a window that its background is compared with.

    Attributes:
        gap: s between the window and each stretch, at least.
        width: s of each stretch, at least.
        gap_lengths: gap in lengths of the window, where that is more.
        width_lengths: width in lengths of the window, where that is more.
    """

    gap: float
    width: float
    gap_lengths: float
    width_lengths: float

    def edges(self, first: Rows, after: Rows, counts: Counts) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
        """Return first row and row after the last of the stretches before and after windows, within their segments."""
        opening, closing = (edge[first] for edge in counts.borders())
        length = after - first
        gap = np.maximum(round(self.gap / counts.cadence), (self.gap_lengths * length).astype(np.int64))
        width = np.maximum(round(self.width / counts.cadence), (self.width_lengths * length).astype(np.int64))
        return (
            (np.maximum(opening, first - gap - width), np.maximum(opening, first - gap)),
            (np.minimum(closing, after + gap), np.minimum(closing, after + gap + width)),
        )


BASELINES = {"near": Baseline(5.0, 60.0, 0.25, 3.0), "far": Baseline(30.0, 300.0, 1.0, 3.0)}


def scaled(expected: Array, observed_beside: Array, expected_beside: Array, settings: Trigger) -> Array:
    """Return the counts expected of windows, scaled to what is counted beside them.

    The factor is (N + m) / (P + m) with N counts beside the window, P expected there and m = 1/prior_width**2
    (:func:`polarbgb.background.local_baseline.local_baseline`).
    """
    prior = 1.0 / settings.prior_width**2
    return np.asarray(expected * (observed_beside + prior) / (expected_beside + prior))
