"""`polarbgb config`: a starting configuration for another detector."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from polarbgb.config import shipped
from polarbgb.config.text import new_configuration, value_text
from polarbgb.config.types import Paths
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic
from polarbgb.io.input.files import shown
from polarbgb.progress import Track, silent
from polarbgb.reporting.table import Table
from polarbgb.workflow.proposal import propose, with_base

_WIDEST = 90
"""Characters of a setting that the terminal shows."""

_PLACEHOLDERS: dict[str, Any] = {
    "name": "My detector",
    "input": {"path": "data/rates.root", "tree": "rates", "time": "unix_time", "cadence": 1.0},
    "rates": {"values": ["rate[0:3]"], "errors": ["rate_err[0:3]"], "labels": ["low", "middle", "high"]},
    "features": {"columns": ["glat", "glon", "altitude"]},
    "position": {"latitude": "glat", "longitude": "glon"},
    "orbit": {"period": 5600.0},
    "intervals": {"more_than": 1, "context": ["glat", "glon"]},
}


@dataclass(frozen=True)
class InitResult:
    """A configuration to be edited.

    Attributes:
        path: the file.
        tree: the tree of the file that it was written for; None without such a file.
        proposed: settings that fit that file, as TOML writes them, by key.
        checks: what could not be decided, each beginning with the key that it is about.
    """

    command: ClassVar[str] = "config init"

    path: Path
    tree: str | None = None
    proposed: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The configuration."""
        return (self.path,)

    def summary(self) -> str:
        """Return what was written."""
        tree = f" for tree {self.tree}" if self.tree else ""
        return f"configuration to edit{tree} written" + (f", {len(self.checks)} to check" if self.checks else "")

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return what was proposed, what is to be checked, and what to do next."""
        next_step = f"edit it, then look at your file through it: polarbgb inspect -c {self.path}"
        if not self.proposed:
            return [Table(note=next_step)]
        rows = tuple((key, text if verbose else _shortened(text)) for key, text in self.proposed.items())
        note = "\n".join((*(f"CHECK {check}" for check in self.checks), next_step))
        return [Table(head=("setting", "proposed"), rows=rows, note=note)]


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 4]} ..."


def init_config(
    path: str | Path,
    *,
    base: str | None = None,
    source: Paths | None = None,
    overwrite: bool = False,
    track: Track = silent,
) -> InitResult:
    """Write a configuration for another detector, with a comment above each key that explains it.

    Args:
        path: the file to write; its name ends in ``.toml``.
        base: the instrument whose settings are copied as far as they fit, ``nustar``, ``polar`` or ``rhessi``.
        source: files of the detector, patterns or folders, from which the settings are proposed; without them and
            without ``base``, the settings are placeholders.
        overwrite: replace an existing file.
        track: watches the reading of the files.

    Returns:
        The file, what was proposed, and what is to be checked.

    Raises:
        UserError: if the file exists, or the detector's files cannot be read or hold no time or no rates.
    """
    path = Path(path)
    if path.suffix != ".toml":
        raise UserError(f"{path}: the name must end in .toml")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; add --overwrite (in Python overwrite=True) to replace it")
    raw = None if base is None else tomllib.loads(shipped(f"configs/{base}.toml").read_text(encoding="utf-8"))
    if source is None:
        remark = "A configuration of polarbgb to edit; check it with: polarbgb inspect -c THIS_FILE -i FILE.root"
        _write(path, new_configuration(raw or _PLACEHOLDERS, remarks=[remark]))
        return InitResult(path)
    proposal = propose(source, name=path.stem, track=track)
    if raw is not None:
        proposal = with_base(raw, proposal)
    remarks = [
        f"Proposed by polarbgb from {shown([file.name for file in proposal.files])} ({proposal.entries:,} rows).",
        "Decide what is marked CHECK, if anything, and set name, labels and classes; then look at the file through it:",
        "polarbgb inspect -c THIS_FILE",
    ]
    settings = proposal.settings
    _write(path, new_configuration(settings, remarks=remarks, notes=proposal.notes, complete=False))
    proposed = {
        f"{section}.{key}": value_text(value)
        for section, values in settings.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    }
    return InitResult(path, proposal.tree, proposed, proposal.checks)


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
