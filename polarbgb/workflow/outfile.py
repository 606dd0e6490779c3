"""Files that a user names for a result."""

from __future__ import annotations

from pathlib import Path

from polarbgb.errors import UserError
from polarbgb.runs.folder import RunFolder

_OWN = (".json", ".toml", ".parquet", ".csv", ".journal")
"""Suffixes of the files that verbs keep in a run folder."""


def require_free(
    path: Path,
    run: RunFolder,
    source: Path,
    *,
    overwrite: bool,
    suffixes: tuple[str, ...] = (),
    folder_of: str | None = None,
) -> None:
    """Check that a result may be written to a place, before hours are spent on it.

    Args:
        path: the file.
        run: whose result it is: its own files are never replaced.
        source: its input, which is not either.
        overwrite: whether a file that is there may be replaced.
        suffixes: that the name may end in; any where there are none.
        folder_of: where the result is a folder, what its files are called; a folder of other things is not replaced.

    Raises:
        UserError: if it may not.
    """
    if suffixes and path.suffix not in suffixes:
        raise UserError(f"{path}: the name must end in {' or '.join(suffixes)}")
    if path.resolve() == source.resolve() or (path.exists() and source.exists() and path.samefile(source)):
        raise UserError(f"{path} is the input file; name another")
    if not path.exists():
        return
    inside = path.resolve().parent == run.path.resolve()
    if inside and path.suffix in _OWN and not path.name.startswith("export"):
        raise UserError(f"{path} belongs to the run folder; name another, such as export{path.suffix}")
    if not overwrite:
        raise UserError(f"{path} exists; add --overwrite to replace it")
    if folder_of and path.is_dir() and not all(one.is_file() and one.match(folder_of) for one in path.iterdir()):
        raise UserError(f"{path} holds more than {folder_of}; name another folder")
