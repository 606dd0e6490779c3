"""Check files before they are opened, and turn the exceptions of damaged files into one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polarbgb.errors import InputError, UserError


def regular_file(path: Path) -> tuple[bytes, int]:
    """Return the first 64 bytes of a file and its size.

    Raises:
        InputError: if it is missing, is not a regular file or may not be read.
    """
    if not path.exists():
        raise InputError(f"no file {path}")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file; name a file in it")
    if not path.is_file():  # opening a pipe would wait for a writer
        raise InputError(f"{path} is a pipe or a device, not a file; name a file")
    try:
        with path.open("rb") as stream:
            return stream.read(64), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); name a file that you may read") from error


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn the exceptions that libraries raise for a damaged file into a message of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a damaged file makes the libraries raise almost any exception
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if isinstance(error, MemoryError):
            raise InputError(f"{path}: takes more memory than is free, or is damaged ({reason})") from error
        raise InputError(
            f"{path}: damaged or cut short, cannot be read ({reason}); copy it again or recreate it"
        ) from error
