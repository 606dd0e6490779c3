"""What the names of columns say about their contents, and the table that holds a mission."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Literal

from polarbgb.io.input import Branch

Kind = Literal["rate", "counts", "flux", "error"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_RATE = {"rate", "rates", "countrate", "cps"}
_COUNTS = {"count", "counts", "cts", "cnt", "cnts", "ncounts", "hits", "events"}
_ERROR = {"err", "error", "errors", "sigma", "unc", "uncertainty", "std", "stddev"}
_ERROR_PART = re.compile(r"errors?|err|sigma|uncertainty|unc|stddev|std")
_OTHER_RATES = {"angular", "bit", "data", "dead", "decimation", "frame", "live", "packet", "sample", "sampling", "slew"}
"""Words beside which a rate or a count is none of photons."""

_TIME = (
    "unix_time", "unixtime", "time", "tstart", "t_start", "time_start", "start_time", "tstarttime", "timestamp", "t",
    "mjd", "met", "jd", "gps", "gps_time", "utc", "date", "datetime", "seconds", "sec", "epoch",
)  # fmt: skip
_NO_TIME = {
    "dead", "del", "delta", "end", "expos", "exposure", "length", "live", "local", "since", "solar", "stop", "to",
    "until", "width",
}  # fmt: skip


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, without numbers.

    Example:
        >>> words("grd.rate_err[3]"), words("rateErr"), words("cts_ch01")
        (('grd', 'rate', 'err'), ('rate', 'err'), ('cts', 'ch'))
    """
    return tuple(word.lower() for word in _WORD.findall(name))


def kind_of(name: str) -> Kind | None:
    """Return what a name says of counts or their errors; None if nothing."""
    said = set(words(name))
    joined = "".join(words(name))
    if said & _ERROR or joined.endswith(("err", "error", "errors")):
        return "error"
    if said & _OTHER_RATES:
        return None
    if said & _RATE or joined.endswith("rate"):
        return "rate"
    if said & _COUNTS or joined.endswith("counts"):
        return "counts"
    return "flux" if "flux" in said else None


def time_rank(name: str) -> int | None:
    """Return how clearly a name is that of the start of a row, 0 the clearest; None if it is not."""
    last = re.split(r"[./]", name)[-1].lower()
    if last in _TIME:
        return _TIME.index(last)
    said = words(name)
    if _NO_TIME & set(said) or not {"time", "mjd", "met", "timestamp", "tstart"} & set(said):
        return None
    return len(_TIME)


@dataclass(frozen=True)
class Group:
    """Columns that hold one value for each bin: an array, or scalars whose names differ in their numbers.

    Attributes:
        name: of the array; of scalars, with ``#`` for the numbers.
        branches: of the file.
        columns: as a configuration writes them, with slices.
        size: number of bins.
        layout: shape of the array, or the numbers in the names of the scalars, which errors share with their rates.
    """

    name: str
    branches: tuple[str, ...]
    columns: tuple[str, ...]
    size: int
    layout: tuple[object, ...]

    @property
    def kind(self) -> Kind | None:
        """What the name says of it."""
        return kind_of(self.name)


def groups_of(branches: Sequence[Branch]) -> list[Group]:
    """Return the arrays of a table, its families of scalars, and the single scalars that are called rates or errors."""
    groups, families = [], dict[str, list[str]]()
    for branch in branches:
        if branch.shape:
            columns = sliced(branch.name, branch.shape)
            groups.append(Group(branch.name, (branch.name,), columns, prod(branch.shape), branch.shape))
        elif branch.shape == () and kind_of(branch.name):
            families.setdefault(re.sub(r"\d+", "#", branch.name), []).append(branch.name)
    for name, members in families.items():
        numbers = {member: tuple(map(int, re.findall(r"\d+", member))) for member in members}
        ordered = tuple(sorted(members, key=numbers.__getitem__))
        groups.append(Group(name, ordered, ordered, len(members), ("#", *(numbers[member] for member in ordered))))
    return groups


def sliced(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the columns of all elements of an array, with a slice along its longest axis.

    Example:
        >>> sliced("rate", (1,)), sliced("rate", (13,)), sliced("rate", (12, 2))
        (('rate[0]',), ('rate[0:13]',), ('rate[0:12][0]', 'rate[0:12][1]'))
    """
    longest = max(range(len(shape)), key=lambda axis: shape[axis])
    if shape[longest] == 1:
        return (name + "[0]" * len(shape),)
    axes = [[f"[0:{n}]"] if axis == longest else [f"[{i}]" for i in range(n)] for axis, n in enumerate(shape)]
    return tuple(name + "".join(index) for index in product(*axes))


def errors_of(rates: Group, groups: Sequence[Group]) -> Group | None:
    """Return the errors of rates: of the same layout, with the most similar name; None without any."""
    stem = "".join(words(rates.name))
    found = [(similarity, group) for group in groups if (similarity := _similarity(stem, rates, group))]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _similarity(stem: str, rates: Group, errors: Group) -> int:
    """Return how much a group looks like the errors of rates: 0 not at all, 3 by its whole name."""
    if errors.kind != "error" or errors.layout != rates.layout:
        return 0
    rest = _ERROR_PART.sub("", "".join(words(errors.name)))
    if rest == stem:
        return 3
    # The errors of 'corrected' may be called 'correrr', those of the only rates just 'err'.
    return 2 if len(rest) > 2 and (stem.startswith(rest) or rest.startswith(stem)) else int(not rest)


def main_table(tables: Mapping[str, tuple[int, Sequence[Branch]]]) -> tuple[str, tuple[str, ...]]:
    """Return the table that holds a mission, and the others that might.

    It is the one with most rows among those with a time and something like rates; without any, among those with a
    time, and at last among all. A table whose columns another one of as many rows has too, as its friend, is none.

    Args:
        tables: number of rows and branches, by name; at least one.
    """

    def has(name: str, *, rates: bool) -> bool:
        branches = tables[name][1]
        timed = any(branch.shape is not None and time_rank(branch.name) is not None for branch in branches)
        return timed and (not rates or any(kind_of(branch.name) not in (None, "error") for branch in branches))

    own = [name for name in tables if not any(_within(tables[name], tables[other]) for other in tables)] or list(tables)
    likely = [name for name in own if has(name, rates=True)]
    choice = likely or [name for name in own if has(name, rates=False)] or own
    chosen = max(choice, key=lambda name: tables[name][0])
    return chosen, tuple(name for name in likely if name != chosen)


def _within(one: tuple[int, Sequence[Branch]], other: tuple[int, Sequence[Branch]]) -> bool:
    """Return whether a table is part of another: all of its columns, and more, in as many rows."""
    names, others = ({branch.name.rpartition(".")[2] for branch in table[1]} for table in (one, other))
    return one[0] == other[0] and names < others
