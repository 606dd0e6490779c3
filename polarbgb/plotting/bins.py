"""The energy bins that are drawn if an instrument has many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polarbgb.errors import UserError

MOST = 12
"""Bins that a figure or the report shows, unless bins are named."""


def spread(n_bins: int, most: int = MOST) -> tuple[int, ...]:
    """Return at most ``most`` bins, evenly spaced from the first to the last.

    Example:
        >>> spread(200, 5), spread(3)
        ((0, 50, 100, 149, 199), (0, 1, 2))
    """
    return tuple(np.rint(np.linspace(0, n_bins - 1, min(most, n_bins))).astype(int).tolist())


def chosen(bins: Sequence[int] | None, n_bins: int) -> tuple[int, ...]:
    """Return the bins to draw, each once, in the order given; those of :func:`spread` if None.

    Raises:
        UserError: if there is no such bin, or no bin is given.
    """
    if bins is None:
        return spread(n_bins)
    wrong = [i_bin for i_bin in bins if not 0 <= i_bin < n_bins]
    if wrong or not bins:
        raise UserError(f"no bin {wrong[0] if wrong else ''} to draw: bins are 0 to {n_bins - 1}")
    return tuple(dict.fromkeys(bins))


def share(shown: Sequence[int], n_bins: int) -> str:
    """Return a note on how many of the bins are shown, to append to a label; empty if all are shown.

    Example:
        >>> share((0, 9), 10), share((0, 1), 10), share((0, 1), 2)
        ('; 2 of 10 bins, spread over the spectrum', '; 2 of 10 bins', '')
    """
    if len(shown) == n_bins:
        return ""
    how = ", spread over the spectrum" if tuple(shown) == spread(n_bins, len(shown)) else ""
    return f"; {len(shown)} of {n_bins} bins{how}"
