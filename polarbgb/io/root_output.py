"""Write TTrees, which ``TTree::Draw`` can read, and RNTuples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import patch
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from polarbgb.io.atomic import atomic

CHUNK = 250_000
"""Rows written at a time; small baskets are slow to read."""

_IDENTITY = UUID("6f6c6172-6267-4b00-8000-706f6c617262")  # of every file; the default contains the time of writing


class RootWriter:
    """Adds trees, RNTuples and strings to a ROOT file that is being written."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - uproot has no types
        self._file = file

    def tree(self, name: str, branches: Mapping[str, NDArray[Any]], *, title: str = "") -> None:
        """Write a TTree.

        ``file[name] = branches`` would write an RNTuple, which ``TTree::Draw`` cannot read.

        Args:
            name: of the tree.
            branches: one array per branch, (rows,) for a scalar or (rows, k) for a fixed array; numbers, bools
                or strings.
            title: shown by ROOT.
        """
        tree = self._file.mktree(name, _types(branches), title=title)
        _make_room(tree)
        _fill(tree, branches)

    def ntuple(self, name: str, fields: Mapping[str, NDArray[Any]], *, title: str = "") -> None:
        """Write an RNTuple; arguments as in :meth:`tree`."""
        _fill(self._file.mkrntuple(name, _types(fields), title), fields)

    def stream(self, name: str, chunks: Iterable[Mapping[str, NDArray[Any]]], *, title: str = "") -> int:
        """Write a TTree from chunks of rows, which are joined so that no basket is small.

        Args:
            name: of the tree.
            chunks: each like the branches of :meth:`tree`, of numbers or bools; at least one.
            title: shown by ROOT.

        Returns:
            The number of rows.
        """
        tree, rows = None, 0
        for chunk in _joined(chunks):
            if tree is None:
                tree = self._file.mktree(name, _types(chunk), title=title)
            tree.extend(chunk)
            rows += len(next(iter(chunk.values())))
        return rows

    def text(self, name: str, text: str) -> None:
        """Write a TObjString."""
        self._file[name] = text


@contextmanager
def root_file(path: Path) -> Iterator[RootWriter]:
    """Write a ROOT file, which appears at ``path`` when it is complete; equal contents give equal bytes.

    Raises:
        UserError: if it cannot be written.
    """
    import uproot

    options = {"compression": uproot.ZSTD(5), "uuid_function": lambda: _IDENTITY}
    # An open file, not its path, because the temporary name would be written into the file.
    with (
        atomic(path) as temporary,
        temporary.open("r+b") as sink,
        _undated(),
        uproot.recreate(sink, **options) as file,
    ):
        yield RootWriter(file)


class _FixedTime(datetime):
    """A clock that always shows the same time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2000, 1, 1, tzinfo=tz)


@contextmanager
def _undated() -> Iterator[None]:
    """Keep uproot from writing the time of writing into a file, for which it has no option."""
    from uproot.writing import _cascade, _cascadentuple, _cascadetree, writable

    with ExitStack() as stack:
        for module in (_cascade, _cascadentuple, _cascadetree, writable):
            if hasattr(module, "datetime"):  # another version of uproot may write dates, which does no harm
                stack.enter_context(patch.object(module, "datetime", SimpleNamespace(datetime=_FixedTime)))
        yield


def _joined(chunks: Iterable[Mapping[str, NDArray[Any]]]) -> Iterator[dict[str, NDArray[Any]]]:
    waiting: list[Mapping[str, NDArray[Any]]] = []
    rows = 0
    for chunk in chunks:
        waiting.append(chunk)
        rows += len(next(iter(chunk.values())))
        if rows >= CHUNK:
            yield {key: np.concatenate([small[key] for small in waiting]) for key in chunk}
            waiting, rows = [], 0
    if waiting:
        yield {key: np.concatenate([small[key] for small in waiting]) for key in waiting[0]}


def _make_room(tree: Any) -> None:  # noqa: ANN401 - uproot has no types
    """Reserve room for one character besides the terminating null of strings.

    ROOT takes a branch whose strings are all empty, and so one byte long, for a number: selections on it fail to
    compile.
    """
    for branch in tree._cascading._branch_data:
        if branch["dtype"].kind == "U":
            branch["fLen"] = 2
    tree._cascading.write_updates(tree._file.sink)  # filling writes it again; an empty tree keeps this


def _fill(tree: Any, branches: Mapping[str, NDArray[Any]]) -> None:  # noqa: ANN401 - uproot has no types
    for start in range(0, len(next(iter(branches.values()))), CHUNK):
        tree.extend({key: _chunk(values, start) for key, values in branches.items()})


def _types(branches: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {key: _branch_type(values) for key, values in branches.items()}


def _branch_type(values: NDArray[Any]) -> Any:  # noqa: ANN401
    if values.dtype.kind in "OU":
        return "string"
    return np.dtype((values.dtype, values.shape[1:])) if values.ndim > 1 else values.dtype


def _chunk(values: NDArray[Any], start: int) -> Any:  # noqa: ANN401
    chunk = values[start : start + CHUNK]
    return chunk.tolist() if values.dtype.kind in "OU" else chunk
