"""Finished parts of a long work, kept in a folder: killed, it goes on from them."""

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
    """A folder of parts; nothing is kept where there is none.

    Attributes:
        folder: where they are, made when the first one is finished; None to keep nothing.
    """

    folder: Path | None = None

    def of(self, name: str) -> Checkpoints:
        """Return the parts of one step of the work."""
        return self if self.folder is None else Checkpoints(self.folder / name)

    def arrays(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return what ``make`` returned when it was first called: arrays by name.

        Args:
            name: of the part.
            make: does it.
        """
        if self.folder is None:
            return make()
        path = self.folder / f"{name}.npz"
        if not path.exists():
            made = make()
            with atomic(path) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **made)  # type: ignore[arg-type] # numpy takes them for its own option
            return made
        with np.load(path, allow_pickle=False) as held:
            return {key: held[key] for key in held.files}

    def file(self, path: Path, make: Callable[[Path], object]) -> Path:
        """Return a file that is made atomically, unless it is there already and parts are kept.

        Args:
            path: of the file.
            make: writes it there.
        """
        if self.folder is None or not path.exists():
            make(path)
        return path


NO_CHECKPOINTS = Checkpoints()
"""Keeps nothing: the default of every library function."""
