"""Checkpoints: finished parts of a long computation, from which it resumes after it was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarbgb.io.atomic import atomic

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints.

    Attributes:
        folder: the folder, created with the first checkpoint; None to keep nothing.
    """

    folder: Path | None = None

    def of(self, name: str) -> Checkpoints:
        """Return the checkpoints of one step of the computation."""
        return self if self.folder is None else Checkpoints(self.folder / name)

    def arrays(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of a checkpoint; compute and keep them if it does not exist.

        Args:
            name: of the checkpoint.
            make: computes the arrays, by name.
        """
        if self.folder is None:
            return make()
        path = self.folder / f"{name}.npz"
        if not path.exists():
            arrays = make()
            with atomic(path) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type] # numpy takes them for its own option
            return arrays
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def file(self, path: Path, make: Callable[[Path], object]) -> Path:
        """Return a file; write it unless it exists and checkpoints are kept.

        Args:
            path: the file.
            make: writes it, atomically.
        """
        if self.folder is None or not path.exists():
            make(path)
        return path


NO_CHECKPOINTS = Checkpoints()
"""Keeps nothing; the default of every library function."""
