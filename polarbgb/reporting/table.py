"""Tables of text that the terminal and the report render, and the text of the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from polarbgb.plotting.axes import number as number  # noqa: PLC0414 - exported from here


@dataclass(frozen=True)
class Table:
    """A small table of text; every part may be empty.

    Attributes:
        title: a line above the table.
        head: headings of the columns; empty for a list of names and values.
        rows: the cells, one text per column.
        align: ``l`` or ``r`` for each column, from the first; columns beyond its end are aligned to the left.
        note: sentences below the table, one per line.
    """

    title: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    align: str = ""
    note: str = ""


def counted(count: float, noun: str) -> str:
    """Write a count with its noun, which takes an s unless the count is 1.

    Examples:
        >>> counted(1, "event"), counted(1200, "row"), counted(0.3, "event")
        ('1 event', '1,200 rows', '0.3 events')
    """
    text = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{text} {noun}{'' if count == 1 else 's'}"


def extent(values: Iterable[float], form: str) -> str:
    """Write the smallest and the largest of some values, once if they read the same.

    Args:
        values: one or more; NaN is left out.
        form: format of a value, such as ``.2f``.

    Examples:
        >>> extent([1.31, 1.29, 1.3], ".1f"), extent([1, 2], ".1f")
        ('1.3', '1.0 to 2.0')
    """
    ordered = sorted(value for value in values if not math.isnan(value)) or [math.nan]
    low, high = (format(value, form) for value in (ordered[0], ordered[-1]))
    return low if low == high else f"{low} to {high}"
