"""Provenance of a result: command line, versions, seeds and digests."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("numpy", "polars", "uproot", "xgboost", "lightgbm", "optuna", "shap", "scipy")


def command() -> str:
    """Return the command line that was typed, or ``"Python"``.

    Absolute paths are reduced to their last part and addresses to their scheme, so that the machine is not revealed.
    """
    if Path(sys.argv[0]).name not in {"polarbgb", "polarbgb.exe", "__main__.py"}:
        return "Python"
    return shlex.join(["polarbgb", *map(_portable, sys.argv[1:])])


def _portable(word: str) -> str:
    before, equals, value = word.rpartition("=")
    if "://" in value:
        value = value.partition("://")[0] + "://"
    return before + equals + (Path(value).name if Path(value).is_absolute() else value)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    numbers = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _LIBRARIES:
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            continue
    return numbers


def seeds(settings: Mapping[str, object]) -> dict[str, int]:
    """Return the seeds of a configuration by the names of their settings, such as ``model.seed``."""
    return dict(_seeds(settings, ""))


def _seeds(settings: Mapping[str, object], where: str) -> Iterator[tuple[str, int]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{where}{key}.")
        elif key == "seed" and isinstance(value, int):
            yield where + key, value


def digest(*parts: object) -> str:
    """Return a short SHA-256 of plain values, to check whether two results have the same origin."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
