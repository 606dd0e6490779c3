"""The columns of a table: how they are named, and which element of which branch each name means."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError, nearest

CHUNK = 250_000
"""Rows read at a time: large enough for speed, small enough that the raw arrays never pile up."""

_LISTED = 30
"""Largest number of branches that a message lists."""


@dataclass(frozen=True)
class Branch:
    """A branch of a tree, or a column of another kind of table.

    Attributes:
        name: its name.
        type: its type, as the container calls it.
        shape: of the array in each row: ``()`` for a number, ``(13,)`` for 13 numbers; None if its rows do not hold
            numbers, or a number of them that varies. The length of a vector is that of its first rows.
    """

    name: str
    type: str
    shape: tuple[int, ...] | None

    @property
    def layout(self) -> str:
        """What a row holds: ``number``, ``13 numbers``, ``3 x 2 numbers`` or ``no numbers``."""
        if self.shape is None:
            return "no numbers"
        return f"{' x '.join(map(str, self.shape))} numbers" if self.shape else "number"


class LengthsVary(Exception):  # noqa: N818 - not an error of its own, but the reason for one
    """The rows of a branch hold different numbers of values."""

    def __init__(self, branch: str) -> None:
        self.branch = branch


@dataclass
class OpenTable(ABC):
    """A table of an open file.

    Attributes:
        path: the file.
        name: the name of the table.
        title: what messages call the table, such as ``tree 'rates'``.
        noun: what messages call a column of it, ``branch`` or ``column``.
        entries: number of rows.
        names: of its branches, in the order of the file.
        aliases: other names of branches; a name may be short for several.
        any_case: whether names are equal if only the case of their letters differs.
        also: what a message about a missing branch adds.
    """

    path: Path
    name: str
    title: str
    noun: str
    entries: int
    names: Collection[str]
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    any_case: bool = False
    also: str = ""

    def prepare(self, names: Collection[str]) -> None:  # noqa: B027 - most need no preparation
        """Check, or read in advance, the branches that will be read."""

    @abstractmethod
    def branch(self, name: str) -> Branch:
        """Return the type and the shape of a branch."""

    @abstractmethod
    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of branches in a range of rows: (rows, *shape) by name.

        Raises:
            LengthsVary: if the rows do not have the shape of the branch.
        """

    def lengths(self, name: str, start: int, stop: int) -> tuple[int, int] | None:
        """Return the smallest and the largest length of a vector in a range of rows; None if it is not a vector."""
        del name, start, stop
        return None

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Return the first row of each chunk and the row after its last."""
        return ((start, min(start + CHUNK, self.entries)) for start in range(0, self.entries, CHUNK))


def resolve(table: OpenTable, columns: Collection[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the branch that each column names, and the element of it.

    A column that is the name of a branch is that branch, brackets included; otherwise brackets at its end are the index
    of an element. Indices of axes of length 1 may be left out.

    Raises:
        InputError: if a branch is missing or does not hold numbers, or has no such element.
    """
    return {column: _element(table, column) for column in sorted(columns)}


def _element(table: OpenTable, column: str) -> tuple[str, tuple[int, ...]]:
    base = column
    index: tuple[int, ...] = ()
    name = _found(table, base)
    while name is None and (match := re.fullmatch(r"(.+)\[([0-9]+)\]", base, re.DOTALL)):
        base, index = match[1], (int(match[2]), *index)
        name = _found(table, base)
    if name is None:
        raise InputError(f"{table.path}: {_missing(table, column, base)}")
    branch = table.branch(name)
    where = f"{table.path}: {table.noun} '{base}'"
    if branch.shape is None:
        raise InputError(f"{where} {_without_numbers(table, branch)}; name another")
    shape = branch.shape
    whole = index + (0,) * (len(shape) - len(index))
    size = " x ".join(map(str, shape))
    if len(index) > len(shape) or any(i >= length for i, length in zip(index, shape, strict=False)):
        holds = f"has {size} elements" if shape else "is a single number"
        raise InputError(f"{where} {holds}; there is no {column}")
    if any(length != 1 for length in shape[len(index) :]):
        raise InputError(f"{where} has {size} elements; name one, as {base}{''.join(f'[{i}]' for i in whole)}")
    return name, whole


def _found(table: OpenTable, name: str) -> str | None:
    """Return the branch of a name or an alias."""
    if name in table.names:
        return name
    meant = list(table.aliases.get(name, ()))
    if not meant and table.any_case:
        meant = [known for known in table.names if known.casefold() == name.casefold()]
    if len(meant) > 1:
        raise InputError(f"{table.path}: '{name}' may mean {' or '.join(meant)}; write one of them")
    return meant[0] if meant else None


def _missing(table: OpenTable, column: str, base: str) -> str:
    """Return what is wrong with a name that is not that of a branch."""
    if not base or (base.partition("[")[0] != base and _found(table, base.partition("[")[0])):
        return f"'{column}' is not a column; write a {table.noun}'s name, or name[3] for one element"
    known = list(table.names)
    listed = f"; it has {', '.join(known[:_LISTED])}{', ...' if len(known) > _LISTED else ''}"
    hint = nearest(base, [*known, *table.aliases]) or listed
    return f"{table.title} has no {table.noun} '{base}'{hint}{table.also}"


def _without_numbers(table: OpenTable, branch: Branch) -> str:
    lengths = varying(table, branch.name)
    if lengths is None:
        return f"is a {branch.type}, not a number or an array of numbers"
    return f"is a {branch.type} whose length varies from {lengths[0]} to {lengths[1]}, not an array of one length"


def varying(table: OpenTable, name: str) -> tuple[int, int] | None:
    """Return the smallest and the largest length of a vector in all rows; None if the branch is not a vector."""
    lengths = [table.lengths(name, start, stop) for start, stop in table.chunks()]
    known = np.array([pair for pair in lengths if pair is not None])
    return (int(known[:, 0].min()), int(known[:, 1].max())) if len(known) else None
