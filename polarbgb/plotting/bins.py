"""Which energy bins are drawn where there are more than a reader takes in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polarbgb.errors import UserError

MOST = 12
"""Bins that a figure, or the page, shows by itself at most."""


def spread(bins: int, most: int = MOST) -> tuple[int, ...]:
    """Choose bins evenly from the first to the last; all of them where there are no more than ``most``.

    Example:
        >>> spread(200, 5), spread(3)
        ((0, 50, 100, 149, 199), (0, 1, 2))
    """
    chosen = np.rint(np.linspace(0, bins - 1, min(most, bins))).astype(int)
    return tuple(chosen.tolist())


def chosen(asked: Sequence[int] | None, bins: int) -> tuple[int, ...]:
    """Return the bins asked for, each once, in their order; those of :func:`spread` where none are.

    Raises:
        UserError: if there is no such bin.
    """
    if asked is None:
        return spread(bins)
    wrong = [number for number in asked if not 0 <= number < bins]
    if wrong or not asked:
        raise UserError(f"no bin {wrong[0] if wrong else ''} to draw: bins are 0 to {bins - 1}")
    return tuple(dict.fromkeys(asked))


def share(shown: Sequence[int], bins: int) -> str:
    """Say how many of the bins are shown, to stand behind a caption; nothing where all are.

    Example:
        >>> share((0, 9), 10), share((0, 1), 10), share((0, 1), 2)
        ('; 2 of 10 bins, spread over the spectrum', '; 2 of 10 bins', '')
    """
    if len(shown) == bins:
        return ""
    how = ", spread over the spectrum" if tuple(shown) == spread(bins, len(shown)) else ""
    return f"; {len(shown)} of {bins} bins{how}"
