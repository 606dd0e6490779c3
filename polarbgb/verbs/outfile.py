"""Files that a user names for a result."""

from __future__ import annotations

from pathlib import Path

from polarbgb.errors import UserError


def require_free(path: Path, source: Path, *, overwrite: bool, suffixes: tuple[str, ...]) -> None:
    """Check that a result may be written to a file, before hours are spent on it.

    Args:
        path: the file.
        source: the input, which is never replaced.
        overwrite: whether a file that is there may be replaced.
        suffixes: that the name may end in.

    Raises:
        UserError: if the name has another suffix, or the file is the input or is there.
    """
    if path.suffix not in suffixes:
        raise UserError(f"{path}: the name must end in {' or '.join(suffixes)}")
    if path.resolve() == source.resolve():
        raise UserError(f"{path} is the input file; name another")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; add --overwrite to replace it")
