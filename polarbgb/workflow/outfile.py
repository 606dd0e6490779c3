"""Checks of the files that a user names for a result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polarbgb.errors import UserError
from polarbgb.runs.folder import RunFolder

_RUN_SUFFIXES = (".json", ".toml", ".parquet", ".csv", ".journal")
"""Suffixes of the files that commands keep in a run folder."""


def require_free(
    path: Path,
    run: RunFolder,
    sources: Sequence[Path],
    *,
    overwrite: bool,
    suffixes: tuple[str, ...] = (),
    folder_of: str | None = None,
) -> None:
    """Check that a result can be written to a path, before hours are spent on it.

    Args:
        path: the file.
        run: the run folder, whose own files are never replaced.
        sources: the input, which is never replaced either.
        overwrite: whether an existing file may be replaced.
        suffixes: allowed suffixes of the name; empty for any.
        folder_of: pattern of the files in a result that is a folder; a folder with other files is not replaced.

    Raises:
        UserError: if it cannot.
    """
    if suffixes and path.suffix not in suffixes:
        raise UserError(f"{path}: the name must end in {' or '.join(suffixes)}")
    for source in sources:
        if path.resolve() == source.resolve() or (path.exists() and source.exists() and path.samefile(source)):
            raise UserError(f"{path} is the input file; name another")
    if not path.exists():
        return
    inside = path.resolve().parent == run.path.resolve()
    if inside and path.suffix in _RUN_SUFFIXES and not path.name.startswith("export"):
        raise UserError(f"{path} belongs to the run folder; name another, such as export{path.suffix}")
    if not overwrite:
        raise UserError(f"{path} exists; add --overwrite (in Python overwrite=True) to replace it")
    if folder_of and path.is_dir() and not all(file.is_file() and file.match(folder_of) for file in path.iterdir()):
        raise UserError(f"{path} holds more than {folder_of}; name another folder")
