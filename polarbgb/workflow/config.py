"""`polarbgb config`: a configuration as it is resolved, and one to begin with for another detector."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarbgb.config import shipped
from polarbgb.config.text import new_configuration
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic
from polarbgb.io.root_input import Branch, list_branches, list_trees

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
        tree: the tree of the file that it was begun for; None where none was named.
        branches: of that tree.
    """

    path: Path
    tree: str | None
    branches: tuple[Branch, ...]


def init_config(
    path: Path, *, base: str | None = None, source: Path | None = None, overwrite: bool = False
) -> InitResult:
    """Write a configuration for another detector, each key under a comment that says what it is.

    Args:
        path: the file to write, which ends in ``.toml``.
        base: the instrument whose settings it begins with, ``nustar``, ``polar`` or ``rhessi``; made-up names where
            None.
        source: a ROOT file of the detector: its tree is named, and its branches are listed.
        overwrite: replace the file if it is there.

    Returns:
        Where it is, and what the detector's file holds.

    Raises:
        UserError: if the file is in the way, or the ROOT file cannot be read.
    """
    if path.suffix != ".toml":
        raise UserError(f"{path}: the name must end in .toml")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; add --overwrite to replace it")
    raw = _PLACEHOLDERS if base is None else tomllib.loads(shipped(f"configs/{base}.toml").read_text(encoding="utf-8"))
    tree: str | None = None
    branches: tuple[Branch, ...] = ()
    remarks = ["A configuration of polarbgb, to be edited; look at it with: polarbgb inspect -c THIS_FILE -i FILE.root"]
    if source is not None:
        tree, branches = _largest_tree(source)
        raw = {**raw, "input": {**raw["input"], "path": str(source), "tree": tree}}
        remarks += ["", f"Branches of tree {tree} in {source}:"]
        remarks += [f"  {branch.name}: {branch.type}" for branch in branches]
    with atomic(path) as temporary:
        temporary.write_text(new_configuration(raw, remarks=remarks), encoding="utf-8")
    return InitResult(path, tree, branches)


def _largest_tree(path: Path) -> tuple[str, tuple[Branch, ...]]:
    """Return the tree of a file that has the most entries, and its branches."""
    trees = {name: list_branches(path, name) for name in list_trees(path)}
    if not trees:
        raise UserError(f"{path} holds no TTree")
    name = max(trees, key=lambda one: trees[one][0])
    return name, tuple(trees[name][1])
