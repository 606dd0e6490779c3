"""Local baselines: expected counts scaled to the counts on both sides of a row or window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.local_baseline import local_baseline
from polarbgb.config import Trigger
from polarbgb.transients.counts import Counts
from polarbgb.transients.rows import Rows

Array = NDArray[np.float64]

_WINDOW, _SCALES = 60.0, 3.0
"""Width of the baseline on either side of a row: at least so many s, and at least so many of the scale searched."""


def followed(counts: Counts, scale: float, settings: Trigger) -> Array:
    """Return the (rows, bins) expected counts for windows of a scale (s).

    At scales up to ``trigger.longest_followed`` they follow the counts on both sides of each row: a gap of one scale is
    left out, and the next three scales, at least 60 s, are compared.
    """
    if scale > settings.longest_followed:
        return counts.expected
    expected = local_baseline(
        counts.time,
        counts.observed,
        counts.expected,
        used=counts.quiet,
        gap=max(scale, counts.cadence),
        window=max(_WINDOW, _SCALES * scale),
        prior_width=settings.prior_width,
    )
    expected *= counts.expected  # in place: millions of rows take much memory
    return expected


@dataclass(frozen=True)
class Baseline:
    """Intervals on both sides of a window to which its background is scaled.

    Attributes:
        gap: least time between the window and each interval, s.
        width: least length of each interval, s.
        gap_lengths: gap in units of the length of the window, where that is longer.
        width_lengths: width in units of the length of the window, where that is longer.
    """

    gap: float
    width: float
    gap_lengths: float
    width_lengths: float

    def edges(self, first: Rows, after: Rows, counts: Counts) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
        """Return first row and row after the last of the intervals before and after windows, within their segments."""
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
    """Return the expected counts of windows, scaled to the counts beside them.

    The factor is (N + m) / (P + m) with N observed and P expected counts beside the window and m = 1/prior_width**2
    (:func:`polarbgb.background.local_baseline.local_baseline`).
    """
    prior = 1.0 / settings.prior_width**2
    return np.asarray(expected * (observed_beside + prior) / (expected_beside + prior))
