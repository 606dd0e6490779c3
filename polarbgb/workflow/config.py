"""`polarbgb config`: a starting configuration for another detector."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from polarbgb.config import shipped
from polarbgb.config.text import new_configuration
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic
from polarbgb.io.input import Branch, list_branches, list_trees
from polarbgb.reporting.table import Table

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
        branches: of that tree.
    """

    command: ClassVar[str] = "config init"

    path: Path
    tree: str | None
    branches: tuple[Branch, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The configuration."""
        return (self.path,)

    def summary(self) -> str:
        """Return what was written."""
        return f"configuration to edit{f' for tree {self.tree}' if self.tree else ''} written"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return the branches of the tree, and what to do next."""
        del verbose
        note = f"edit it, then look at your file through it: polarbgb inspect -c {self.path}"
        if not self.branches:
            return [Table(note=note)]
        rows = tuple((branch.name, branch.type, branch.layout) for branch in self.branches)
        return [Table(head=(f"branch of {self.tree}", "type", "shape"), rows=rows, note=note)]


def init_config(
    path: str | Path, *, base: str | None = None, source: str | Path | None = None, overwrite: bool = False
) -> InitResult:
    """Write a configuration for another detector, with a comment above each key that explains it.

    Args:
        path: the file to write; its name ends in ``.toml``.
        base: the instrument whose settings are copied, ``nustar``, ``polar`` or ``rhessi``; placeholders if None.
        source: a file of the detector; its largest tree is entered and its branches are listed.
        overwrite: replace an existing file.

    Returns:
        The file, and the contents of the detector's file.

    Raises:
        UserError: if the file exists, or the detector's file cannot be read.
    """
    path = Path(path)
    if path.suffix != ".toml":
        raise UserError(f"{path}: the name must end in .toml")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; add --overwrite (in Python overwrite=True) to replace it")
    raw = _PLACEHOLDERS if base is None else tomllib.loads(shipped(f"configs/{base}.toml").read_text(encoding="utf-8"))
    tree: str | None = None
    branches: tuple[Branch, ...] = ()
    remarks = ["A configuration of polarbgb to edit; check it with: polarbgb inspect -c THIS_FILE -i FILE.root"]
    if source is not None:
        tree, branches = _largest_tree(Path(source))
        raw = {**raw, "input": {**raw["input"], "path": str(source), "tree": tree}}
        remarks += ["", f"Branches of tree {tree} in {source}:"]
        remarks += [f"  {branch.name}: {branch.type}, {branch.layout}" for branch in branches]
    with atomic(path) as temporary:
        temporary.write_text(new_configuration(raw, remarks=remarks), encoding="utf-8")
    return InitResult(path, tree, branches)


def _largest_tree(path: Path) -> tuple[str, tuple[Branch, ...]]:
    """Return the tree of a file that has the most entries, and its branches."""
    trees = {name: list_branches(path, name) for name in list_trees(path)}
    if not trees:
        raise UserError(f"{path} holds no TTree or other table")
    name = max(trees, key=lambda tree: trees[tree][0])
    return name, tuple(trees[name][1])
