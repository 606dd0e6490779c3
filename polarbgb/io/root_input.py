"""Read columns of a TTree, in chunks."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polarbgb.errors import InputError, UserError, nearest
from polarbgb.progress import Track, silent

if TYPE_CHECKING:
    import polars as pl

CHUNK = 250_000
"""Rows read at a time: large enough for speed, small enough that the raw 13-vectors never pile up."""

_BESIDE = 8
"""Bytes that a basket may hold per row besides its value."""

_LISTED = 30
"""Largest number of branches that a message lists."""


@dataclass(frozen=True)
class Branch:
    """A branch of a tree.

    Attributes:
        name: its name.
        type: its C++ type, as ROOT prints it.
        length: 0 for a scalar, else the length of the fixed array; None if it does not hold plain numbers.
    """

    name: str
    type: str
    length: int | None


def read_columns(
    path: Path, tree: str, columns: Collection[str], *, exact: Collection[str] = (), track: Track = silent
) -> pl.DataFrame:
    """Read columns of a TTree.

    Args:
        path: ROOT file.
        tree: name of the TTree.
        columns: ``"glat"`` for a scalar or a length-1 array, ``"rate[3]"`` for an element of a fixed array.
        exact: columns kept in float64; the others are float32.
        track: reports the progress.

    Returns:
        Frame of shape (entries, columns), columns in sorted order.

    Raises:
        InputError: if the file, the tree or a branch is missing, unsuitable, empty or damaged.
    """
    import polars as pl

    with _opened(path) as file:
        ttree = _tree(file, path, tree)
        elements = _resolve(ttree, path, columns)
        entries = int(ttree.num_entries)
        if entries == 0:
            raise InputError(f"{path}: tree '{tree}' is empty; name another file or tree")
        with _damage_reported(path):  # a damaged number of entries may exceed the memory
            _require_whole(ttree, path, {branch for branch, _ in elements.values()})
            out = {c: np.empty(entries, np.float64 if c in exact else np.float32) for c in elements}
        names = sorted({branch for branch, _ in elements.values()})
        chunks = range(0, entries, CHUNK)
        for start in track(chunks, label=f"read {path.name}", total=len(chunks)):
            stop = min(start + CHUNK, entries)
            with _damage_reported(path):
                arrays = ttree.arrays(names, entry_start=start, entry_stop=stop, library="np")
                # Stored values beyond float32 (1e300) become infinite, which counts as missing later.
                with np.errstate(over="ignore", invalid="ignore"):
                    for column, (branch, index) in elements.items():
                        values = arrays[branch]
                        out[column][start:stop] = values if index is None else values[:, index]
    return pl.DataFrame(out)


def list_trees(path: Path) -> list[str]:
    """Return the names of the TTrees of a file.

    Raises:
        InputError: if the file is missing or damaged.
    """
    with _opened(path) as file, _damage_reported(path):
        classes = file.classnames(recursive=True, cycle=False)
    return [name for name, kind in classes.items() if kind == "TTree"]


def list_branches(path: Path, tree: str) -> tuple[int, list[Branch]]:
    """Return the number of entries of a TTree and its branches.

    Raises:
        InputError: if the file or the tree is missing or damaged.
    """
    with _opened(path) as file:
        ttree = _tree(file, path, tree)
        return int(ttree.num_entries), [_branch(ttree, name) for name in list(ttree.keys())]


class _damage_reported:  # noqa: N801 - used as a context manager
    """Turn the exceptions that uproot raises for a damaged file into a message of one line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # A damaged file makes uproot raise almost any exception.
        if error is None or not isinstance(error, Exception) or isinstance(error, UserError):
            return
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if isinstance(error, MemoryError):
            raise InputError(f"{self.path}: takes more memory than is free, or is damaged ({reason})") from error
        raise InputError(
            f"{self.path}: damaged or cut short, cannot be read ({reason}); copy it again or recreate it"
        ) from error


def _opened(path: Path) -> Any:  # noqa: ANN401 - uproot has no types
    import uproot

    if not path.exists():
        raise InputError(f"no file {path}")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a ROOT file; name a file in it")
    if not path.is_file():  # opening a pipe would wait for a writer
        raise InputError(f"{path} is a pipe or a device, not a ROOT file; name a file")
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
            size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); name a file that you may read") from error
    if head[:4] != b"root":
        raise InputError(f"{path} is not a ROOT file{' but empty' if not head else ''}; name one with --input")
    stated_size = _stated_size(head)
    if size < stated_size:
        raise InputError(f"{path}: cut short, {size:,} of {stated_size:,} bytes; copy it again or recreate it")
    with _damage_reported(path):
        return uproot.open(path)


def _stated_size(head: bytes) -> int:
    """Return the size of a ROOT file in bytes that its header, whose first bytes are given, states."""
    if len(head) < 20:
        return 63  # length of the shortest header
    (version,) = struct.unpack_from(">i", head, 4)
    # fEND: in files larger than 2 GB the version is larger by a million, and offsets have 8 bytes.
    return int(struct.unpack_from(">q" if version >= 1_000_000 else ">i", head, 12)[0])


def _tree(file: Any, path: Path, name: str) -> Any:  # noqa: ANN401
    with _damage_reported(path):
        classes = file.classnames(recursive=True, cycle=False)
    if name not in classes:
        contents = ", ".join(sorted(classes)) or "nothing"
        raise InputError(f"{path}: no tree '{name}'{nearest(name, classes)}; the file holds {contents} (input.tree)")
    if classes[name] != "TTree":
        raise InputError(f"{path}: '{name}' is a {classes[name]}, not a TTree; name a TTree as input.tree")
    with _damage_reported(path):
        return file[name]


def _branch(ttree: Any, name: str) -> Branch:  # noqa: ANN401
    import uproot

    branch = ttree[name]
    interpretation = branch.interpretation
    plain = isinstance(interpretation, uproot.interpretation.numerical.AsDtype)
    dtype = interpretation.from_dtype if plain else None
    if dtype is None or dtype.names is not None or dtype.base.kind not in "bifu" or len(dtype.shape) > 1:
        return Branch(name, branch.typename, None)
    return Branch(name, branch.typename, dtype.shape[0] if dtype.shape else 0)


def _require_whole(ttree: Any, path: Path, names: Collection[str]) -> None:  # noqa: ANN401
    """Check the lengths of branches and of their baskets.

    For a basket with a damaged length, uproot would take 2 GiB and half a minute.
    """
    with path.open("rb") as stream:
        for name in names:
            branch = ttree[name]
            if branch.num_entries != ttree.num_entries:
                raise InputError(
                    f"{path}: damaged, tree '{ttree.name}' has {ttree.num_entries:,} rows and its branch '{name}' "
                    f"{branch.num_entries:,}; copy it again or recreate it"
                )
            offsets = [int(offset) for offset in branch.member("fBasketSeek") if offset]
            for offset, rows in zip(offsets, np.diff(branch.entry_offsets), strict=False):
                stream.seek(offset)
                length, _, unpacked = struct.unpack(">ihi", stream.read(10))
                if length < 0 or not 0 <= unpacked <= int(rows) * (branch.interpretation.itemsize + _BESIDE) + 1000:
                    raise InputError(f"{path}: damaged or cut short in branch '{name}'; copy it again or recreate it")


def _resolve(ttree: Any, path: Path, columns: Collection[str]) -> dict[str, tuple[str, int | None]]:  # noqa: ANN401
    """Map each column to its branch and element."""
    known = ttree.keys()
    elements: dict[str, tuple[str, int | None]] = {}
    for column in sorted(columns):
        match = re.fullmatch(r"([^\[\]]+)(?:\[([0-9]+)\])?", column)
        if match is None:
            raise InputError(f"{path}: '{column}' is not a column; write a branch's name, or name[3] for one element")
        name, index = match.groups()
        if name not in known:
            hint = nearest(name, known) or f"; it has {', '.join(known[:_LISTED])}{', ...' if known[_LISTED:] else ''}"
            raise InputError(f"{path}: tree '{ttree.name}' has no branch '{name}'{hint}")
        branch = _branch(ttree, name)
        if branch.length is None:
            raise InputError(
                f"{path}: branch '{name}' is a {branch.type}, not a number or a fixed array of numbers; name another"
            )
        if index is None:
            if branch.length > 1:
                raise InputError(f"{path}: branch '{name}' has {branch.length} elements; name one, as {name}[0]")
            elements[column] = (name, 0 if branch.length == 1 else None)
            continue
        element = int(index)
        if element >= branch.length:
            size = f"has {branch.length} elements" if branch.length else "is a single number"
            raise InputError(f"{path}: branch '{name}' {size}; there is no {column}")
        elements[column] = (name, element)
    return elements
