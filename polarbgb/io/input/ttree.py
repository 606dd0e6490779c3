"""Branches of TTrees as arrays of numbers."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError
from polarbgb.io.input.columns import Branch, LengthsVary, OpenTable
from polarbgb.io.input.jagged import measured, regular, smallest_and_largest

_BESIDE = 8
"""Bytes that a basket may hold per row besides its value."""

_SAMPLE = 100
"""First rows in which the length of a vector is measured."""


@dataclass(frozen=True)
class _Leaf:
    """The numbers of a branch, or of one of its leaves.

    Attributes:
        branch: of uproot.
        interpretation: of uproot, of the branch.
        type: C++ type.
        dtype: of the values in each row; None for vectors and objects, whose shape the values tell, and for what is not
            a number.
        names: all that it may be called; the first is unique.
        keys: where its values are in the records of the branch; empty if the branch has one leaf.
        awkward: whether awkward reads it: a vector of numbers, or a member of an object.
    """

    branch: Any
    interpretation: Any
    type: str
    dtype: np.dtype[Any] | None
    names: tuple[str, ...]
    keys: tuple[str, ...] = ()
    awkward: bool = False

    def read(self, start: int, stop: int, known: dict[int, Any] | None = None) -> Any:  # noqa: ANN401
        """Return the values of some rows, in numpy or in awkward.

        Args:
            start: first row.
            stop: row after the last.
            known: what was read of these rows by branch; it is added to.
        """
        known = {} if known is None else known
        if id(self.branch) not in known:
            library = "ak" if self.awkward else "np"
            known[id(self.branch)] = self.branch.array(self.interpretation, start, stop, library=library)
        values = known[id(self.branch)]
        for key in self.keys:
            values = values[key]
        return values


@dataclass
class Tree(OpenTable):
    """A TTree with its friends."""

    leaves: dict[str, _Leaf] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, name: str, ttree: Any, friends: Iterable[tuple[str, Any]]) -> Self:  # noqa: ANN401
        """Return the table of a TTree of uproot.

        Args:
            path: the file.
            name: of the tree.
            ttree: the tree.
            friends: their aliases, and their trees or a text that says why they cannot be read.
        """
        leaves: dict[str, _Leaf] = {}
        aliases: dict[str, list[str]] = defaultdict(list)
        also = ""
        _collect(leaves, aliases, _leaves(ttree))
        for alias, friend in friends:
            if isinstance(friend, str):
                also += f"; its {friend}"
            else:
                _collect(leaves, aliases, _leaves(friend), alias)
        entries = int(ttree.num_entries)
        return cls(path, name, f"tree '{name}'", "branch", entries, leaves, aliases, also=also, leaves=leaves)

    def branch(self, name: str) -> Branch:
        """Return the type of a branch, and its shape, of a vector as in its first rows."""
        leaf = self.leaves[name]
        if leaf.awkward:
            return Branch(name, leaf.type, self._measured(leaf))
        numeric = leaf.dtype is not None and leaf.dtype.base.kind in "bifu"
        return Branch(name, leaf.type, leaf.dtype.shape if numeric and leaf.dtype is not None else None)

    def _measured(self, leaf: _Leaf) -> tuple[int, ...] | None:
        _require_whole(leaf, self.entries)
        return measured(leaf.read(0, min(_SAMPLE, self.entries)))

    def prepare(self, names: Collection[str]) -> None:
        """Check the lengths of branches and of their baskets."""
        for name in names:
            _require_whole(self.leaves[name], self.entries)

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of branches in a range of rows."""
        arrays: dict[str, NDArray[Any]] = {}
        known: dict[int, Any] = {}
        for name in names:
            values = self.leaves[name].read(start, stop, known)
            if self.leaves[name].awkward:
                values = regular(values)
                if values is None or (start and values.shape[1:] != self.branch(name).shape):
                    raise LengthsVary(name)
            arrays[name] = values
        return arrays

    def lengths(self, name: str, start: int, stop: int) -> tuple[int, int] | None:
        """Return the smallest and the largest length of a vector in a range of rows."""
        leaf = self.leaves[name]
        if not leaf.awkward or leaf.keys:
            return None
        _require_whole(leaf, self.entries)
        return smallest_and_largest(leaf.read(start, stop))


def _collect(
    leaves: dict[str, _Leaf], aliases: dict[str, list[str]], found: Iterable[_Leaf], friend: str | None = None
) -> None:
    """Add leaves under their unique names, and what else they may be called.

    The leaves of a friend are called by their own names if the tree has no such name.
    """
    own = set(leaves)
    for leaf in found:
        name, *others = leaf.names
        if friend is not None:
            others = [f"{friend}.{other}" for other in leaf.names] + others
            if name in own:
                name = others.pop(0)
        if name in leaves and leaf.branch.name != name:  # a branch of that very name comes before a leaf
            continue
        leaves[name] = leaf
        for other in dict.fromkeys(others):
            if name not in aliases[other] and (friend is None or other.startswith(f"{friend}.") or other not in own):
                aliases[other].append(name)


def _leaves(parent: Any, prefix: str = "", path: str = "") -> Iterator[_Leaf]:  # noqa: ANN401
    """Yield what a tree or a branch holds, in order."""
    for branch in parent.branches:
        own = branch.name
        member = own.removeprefix(f"{parent.name.rstrip('.')}.") if prefix else own
        name, key = f"{prefix}{member}", f"{path}{own}"
        if branch.branches:
            yield from _leaves(branch, f"{name.rstrip('.')}.", f"{key}/")
        else:
            yield from _leaves_of(branch, name, key)


def _leaves_of(branch: Any, name: str, key: str) -> Iterator[_Leaf]:  # noqa: ANN401
    import uproot

    interpretation = branch.interpretation
    numerical, objects = uproot.interpretation.numerical, uproot.interpretation.objects
    match interpretation:
        case numerical.AsDtype() if interpretation.from_dtype.names is not None:
            awkward = isinstance(interpretation, objects.AsStridedObjects)
            for leaf in interpretation.from_dtype.names:
                keys = tuple(leaf.split("/")) if awkward else (leaf,)
                if keys[-1].startswith("@"):  # of ROOT, not of the user
                    continue
                member, dtype = ".".join(keys), interpretation.from_dtype[leaf]
                names = (f"{name.rstrip('.')}.{member}", f"{key}.{member}", f"{key}/{member}", member)
                yield _Leaf(branch, interpretation, _type(dtype), None if awkward else dtype, names, keys, awkward)
            return
        case numerical.AsDtype():
            dtype, awkward = interpretation.to_dtype, False
        case numerical.TruncatedNumerical():
            dtype, awkward = np.dtype((interpretation.to_dtype.base, interpretation.to_dims)), False
        case uproot.interpretation.jagged.AsJagged():
            dtype, awkward = None, _plain(interpretation.content)
        case objects.AsObjects():
            dtype, awkward = None, _nested_numbers(interpretation.model)
        case _:
            dtype, awkward = None, False
    shape = "" if dtype is None else "".join(f"[{length}]" for length in dtype.shape)
    unique = name.removesuffix(shape) or name  # the branch of an array member is called rate[13]
    leaf_names = [leaf.member("fName") for leaf in branch.member("fLeaves")]
    others = (name, key, branch.name, branch.name.removesuffix(shape), *leaf_names)
    others += tuple(f"{unique}.{leaf}" for leaf in leaf_names)
    names = (unique, *dict.fromkeys(other for other in others if other != unique))
    yield _Leaf(branch, interpretation, branch.typename, dtype, names, awkward=awkward)


def _plain(interpretation: Any) -> bool:  # noqa: ANN401
    """Return whether the elements of a vector are numbers."""
    from uproot.interpretation import numerical

    dtype = getattr(interpretation, "to_dtype", None)
    truncated = isinstance(interpretation, numerical.TruncatedNumerical)
    return truncated or (dtype is not None and dtype.names is None and dtype.base.kind in "bifu")


def _nested_numbers(model: Any) -> bool:  # noqa: ANN401
    """Return whether an object is a vector or array, of whatever depth, of numbers."""
    from uproot import containers

    while isinstance(model, containers.AsVector | containers.AsRVec | containers.AsArray):
        model = model.values
    return isinstance(model, np.dtype) and model.names is None and model.base.kind in "bifu"


def _type(dtype: np.dtype[Any]) -> str:
    return f"{dtype.base.name}{''.join(f'[{length}]' for length in dtype.shape)}"


def _require_whole(leaf: _Leaf, entries: int) -> None:
    """Check the lengths of a branch and of its baskets.

    For a basket with a damaged length, uproot would take 2 GiB and half a minute.
    """
    branch, where = leaf.branch, Path(leaf.branch.file.file_path)
    if branch.num_entries != entries:
        raise InputError(
            f"{where}: damaged, tree '{branch.tree.name}' has {entries:,} rows and its branch '{branch.name}' "
            f"{branch.num_entries:,}; copy it again or recreate it"
        )
    offsets = [int(offset) for offset in branch.member("fBasketSeek") if offset]
    with where.open("rb") as stream:
        for offset, rows in zip(offsets, np.diff(branch.entry_offsets), strict=False):
            stream.seek(offset)
            length, _, unpacked = struct.unpack(">ihi", stream.read(10))
            if length < 0 or not 0 <= unpacked <= _most_bytes(leaf, int(rows)):
                raise InputError(
                    f"{where}: damaged or cut short in branch '{branch.name}'; copy it again or recreate it"
                )


def _most_bytes(leaf: _Leaf, rows: int) -> int:
    """Return the largest number of bytes that a basket may have, unpacked."""
    if leaf.awkward:  # of any length, but all baskets together have this many bytes
        return int(leaf.branch.member("fTotBytes")) + 1000
    size = int(leaf.interpretation.itemsize) * math.prod(getattr(leaf.interpretation, "to_dims", ()))
    return rows * (size + _BESIDE) + 1000
