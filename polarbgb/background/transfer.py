"""Whether the models of one file describe another: the pulls of its rows beside those of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NARROW, WIDE = 0.8, 1.25
"""Scatter of the pulls, over that of the fit, from which a bin is reported.

The noise then has 0.64 or 1.6 times the variance that the fit found. The scatter of a bin is known to 5 % from 200 rows
on, so that this is no accident; drifts of a few per cent, as between parts of a mission, stay well inside.
"""

_OFFSET = 0.5
"""Share of the scatter from which an offset is named as the cause."""
_BEYOND = 0.1
"""Share of rows beyond the training from which they are named as the cause."""


class Pulls(NamedTuple):
    """Pulls of the rows of a file by bin.

    Attributes:
        width: (bins,) width of the raw pulls.
        mean: (bins,) mean of the raw pulls.
        excess: (bins,) mean rate over mean prediction, less 1.
    """

    width: NDArray[np.float64]
    mean: NDArray[np.float64]
    excess: NDArray[np.float64]


@dataclass(frozen=True)
class Mismatch:
    """A bin whose pulls are unlike those of the fit.

    Attributes:
        bin: name of the bin.
        scatter: root mean square of its raw pulls about 0, from their width and mean.
        fitted: width of the raw pulls in the fit.
        cause: likely cause.
    """

    bin: str
    scatter: float
    fitted: float
    cause: str


def mismatches(
    pulls: Pulls, fitted: Sequence[float | None], bins: Sequence[str], *, beyond: float
) -> tuple[Mismatch, ...]:
    """Return the bins whose pulls scatter about 0 by more than :data:`WIDE` or less than :data:`NARROW` of the fit.

    Widths are compared with those of the fit, not with 1: rates that are weighted means scatter less in both files.
    Pulls narrower than those of a poor fit are no reason to warn unless they are also narrower than noise.

    Args:
        pulls: of the file that was predicted.
        fitted: (bins,) width of the raw pulls in the fit; None where too few counts were expected.
        bins: (bins,) names.
        beyond: share of the rows with a feature outside the range of the training.
    """
    scatter = np.hypot(pulls.width, pulls.mean)
    width = np.asarray(fitted, np.float64)
    narrow, wide = scatter < NARROW * np.minimum(1.0, width), scatter > WIDE * width
    return tuple(
        Mismatch(
            bins[i_bin], float(scatter[i_bin]), float(width[i_bin]), _cause(pulls, i_bin, beyond, bool(narrow[i_bin]))
        )
        for i_bin in np.flatnonzero(narrow | wide).tolist()
    )


def _cause(pulls: Pulls, i_bin: int, beyond: float, narrow: bool) -> str:
    if narrow:
        return "counts scatter less than in the fit: compare exposure, errors and units of the two files"
    if abs(pulls.mean[i_bin]) > _OFFSET * pulls.width[i_bin]:
        side = "above" if pulls.mean[i_bin] > 0 else "below"
        offset = f"the rate is {abs(pulls.excess[i_bin]):.0%} {side} the prediction on average"
        if beyond > _BEYOND:
            return f"{offset}, and {beyond:.0%} of the rows lie beyond the training"
        return f"{offset}: gain, threshold or units may have changed since the fit"
    if beyond > _BEYOND:
        return f"{beyond:.0%} of the rows lie beyond the training"
    return "the background varies in a way that the features do not tell, or exposure and errors differ from the fit"
