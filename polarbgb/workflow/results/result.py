"""What the result of every command offers to those who show it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

from polarbgb.reporting.table import Table


class Result(Protocol):
    """The result of a command: a frozen dataclass that describes itself as text.

    Attributes:
        command: name of the command.
    """

    command: ClassVar[str]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were written."""
        ...

    def summary(self) -> str:
        """Return the result in one line."""
        ...

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the details; ``verbose`` adds columns and tables and lifts the limits on rows."""
        ...
