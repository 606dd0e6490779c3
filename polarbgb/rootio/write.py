"""Write TTrees that C++ ROOT users can draw from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.atomic import atomic

CHUNK = 250_000
"""Rows written at a time; small baskets are slow to read."""


class RootWriter:
    """Adds trees and strings to a ROOT file that is being made."""

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
        types = {key: _branch_type(values) for key, values in branches.items()}
        tree = self._file.mktree(name, types, title=title)
        rows = len(next(iter(branches.values())))
        for start in range(0, rows, CHUNK):
            tree.extend({key: _chunk(values, start) for key, values in branches.items()})

    def text(self, name: str, text: str) -> None:
        """Write a TObjString."""
        self._file[name] = text


@contextmanager
def root_file(path: Path) -> Iterator[RootWriter]:
    """Make a ROOT file that appears at ``path`` when it is complete.

    Raises:
        UserError: if the place cannot be written.
    """
    import uproot

    with atomic(path) as temporary, uproot.recreate(temporary, compression=uproot.ZSTD(5)) as file:
        yield RootWriter(file)


def _branch_type(values: NDArray[Any]) -> Any:  # noqa: ANN401
    if values.dtype.kind in "OU":
        return "string"
    return np.dtype((values.dtype, values.shape[1:])) if values.ndim > 1 else values.dtype


def _chunk(values: NDArray[Any], start: int) -> Any:  # noqa: ANN401
    chunk = values[start : start + CHUNK]
    return chunk.tolist() if values.dtype.kind in "OU" else chunk
