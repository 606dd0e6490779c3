"""Write TTrees that C++ ROOT users can draw from, and RNTuples."""

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

_IDENTITY = UUID("6f6c6172-6267-4b00-8000-706f6c617262")  # of every file; by default it would hold the time of day


class RootWriter:
    """Adds trees, RNTuples and strings to a ROOT file that is being made."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - uproot has no types
        self._file = file

    def tree(self, name: str, branches: Mapping[str, NDArray[Any]], *, title: str = "") -> None:
        """Write a TTree.

        ``file[name] = branches`` would write an RNTuple, which ``TTree::Draw`` cannot read.

        Args:
            name: of the tree.
            branches: one array a branch, (rows,) for a scalar or (rows, k) for a fixed array; numbers, bools
                or strings.
            title: shown by ROOT.
        """
        tree = self._file.mktree(name, _types(branches), title=title)
        _make_room(tree)
        _fill(tree, branches)

    def ntuple(self, name: str, fields: Mapping[str, NDArray[Any]], *, title: str = "") -> None:
        """Write an RNTuple; arguments as in :meth:`tree`."""
        _fill(self._file.mkrntuple(name, _types(fields), title), fields)

    def stream(self, name: str, parts: Iterable[Mapping[str, NDArray[Any]]], *, title: str = "") -> int:
        """Write a TTree whose rows come part by part, joined so that no basket is small.

        Args:
            name: of the tree.
            parts: each as the branches of :meth:`tree`, of numbers or bools; at least one.
            title: shown by ROOT.

        Returns:
            Rows written.
        """
        tree, rows = None, 0
        for chunk in _joined(parts):
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
    """Make a ROOT file that appears at ``path`` when it is complete; equal contents give equal bytes.

    Raises:
        UserError: if the place cannot be written.
    """
    import uproot

    options = {"compression": uproot.ZSTD(5), "uuid_function": lambda: _IDENTITY}
    # An open file, not its path: the temporary name would be written into the file.
    with (
        atomic(path) as temporary,
        temporary.open("r+b") as sink,
        _undated(),
        uproot.recreate(sink, **options) as file,
    ):
        yield RootWriter(file)


class _Still(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2000, 1, 1, tzinfo=tz)


@contextmanager
def _undated() -> Iterator[None]:
    """Keep uproot, which has no option for it, from writing the time of day into the records of a file."""
    from uproot.writing import _cascade, _cascadentuple, _cascadetree, writable

    with ExitStack() as stack:
        for module in (_cascade, _cascadentuple, _cascadetree, writable):
            if hasattr(module, "datetime"):  # a uproot that takes it from elsewhere writes dates, and no harm is done
                stack.enter_context(patch.object(module, "datetime", SimpleNamespace(datetime=_Still)))
        yield


def _joined(parts: Iterable[Mapping[str, NDArray[Any]]]) -> Iterator[dict[str, NDArray[Any]]]:
    waiting: list[Mapping[str, NDArray[Any]]] = []
    rows = 0
    for part in parts:
        waiting.append(part)
        rows += len(next(iter(part.values())))
        if rows >= CHUNK:
            yield {key: np.concatenate([one[key] for one in waiting]) for key in part}
            waiting, rows = [], 0
    if waiting:
        yield {key: np.concatenate([one[key] for one in waiting]) for key in waiting[0]}


def _make_room(tree: Any) -> None:  # noqa: ANN401 - uproot has no types
    """Give texts room for a character beside the null that ends them.

    ROOT takes a branch whose texts are all empty, so one byte long, for a number: what selects on it does not compile.
    """
    for branch in tree._cascading._branch_data:
        if branch["dtype"].kind == "U":
            branch["fLen"] = 2
    tree._cascading.write_updates(tree._file.sink)  # what is filled writes it again; an empty tree has this alone


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
