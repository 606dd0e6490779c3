"""Names of columns: whatever a file calls its branches, with indices where a branch holds arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_INDICES = re.compile(r"(?:\[[0-9]+(?::[0-9]+)?\])+$")
_SLICE = re.compile(r"(.*)\[([0-9]+):([0-9]+)\]((?:\[[0-9]+\])*)", re.DOTALL)
_WRONG_INDEX = re.compile(r"\[[\d\s:-]*\]?$")
_MOST = 100_000
"""Elements that a slice may hold."""


def expanded(columns: Sequence[str]) -> tuple[str, ...]:
    """Return columns with their slices expanded.

    Args:
        columns: names such as ``glat``, ``grd.rate[2]`` or ``rate[0:12][1]``; one index of each may be a slice.

    Raises:
        ValueError: if an index is wrong; the message names the column.

    Example:
        >>> expanded(["glat", "rate[0:2][1]"])
        ('glat', 'rate[0][1]', 'rate[1][1]')
    """
    return tuple(element for column in columns for element in _elements(column))


def branch_of(column: str) -> str:
    """Return the branch that a column belongs to: its name without the indices at its end.

    Example:
        >>> branch_of("rate[3][1]"), branch_of("grd.rate[0:2]"), branch_of("T:1")
        ('rate', 'grd.rate', 'T:1')
    """
    return _INDICES.sub("", column)


def _elements(column: str) -> Iterator[str]:
    sliced = _SLICE.fullmatch(column)
    before, start, stop, after = sliced.groups() if sliced else (column, "0", "1", "")
    branch = branch_of(before)
    if ":" in before[len(branch) :]:
        raise ValueError(f"'{column}' has two slices: write one column for each element of one of them")
    if not branch or _WRONG_INDEX.search(branch) or (branch.endswith("]") and "[" not in branch):
        raise ValueError(f"'{column}' is not a column: write name, name[3], name[0:9] or name[0:9][3]")
    elements = range(int(start), int(stop))
    if not elements or len(elements) > _MOST:
        raise ValueError(f"'{column}' holds no element" if not elements else f"'{column}' holds over {_MOST} elements")
    yield from (f"{before}[{i}]{after}" for i in elements) if sliced else (column,)
