"""The files of the input: names, patterns and folders resolved to files, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from polarbgb.config.types import Paths
from polarbgb.errors import InputError
from polarbgb.io.input.table import readable
from polarbgb.io.provenance import file_digest


def input_files(paths: Paths) -> tuple[Path, ...]:
    """Return the files that names, patterns and folders stand for, in the order given.

    The files of a pattern or a folder are sorted by name. Of a folder those are taken whose suffix says that they can
    be read. A file whose name happens to be a pattern is that file.

    Raises:
        InputError: if there is no such file, a name is empty, or a file is named twice.
    """
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    if "" in named:  # as a path it would be the current folder
        raise InputError("the name of an input file is empty; name one with --input")
    files = [file for name in named for file in _files(Path(name))]
    if not files:
        raise InputError("no input file is named; name one with --input")
    for file in files:
        if any("\ud800" <= character <= "\udfff" for character in str(file)):
            raise InputError(f"{file}: the name is not valid UTF-8, and results could not record it; rename it")
    places = [file.resolve() for file in files]
    repeated = next((file for file, place in zip(files, places, strict=True) if places.count(place) > 1), None)
    if repeated is not None:
        raise InputError(f"{repeated} is named twice as input; name it once")
    return tuple(files)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if readable(file) and file.is_file() and file.name[0] != ".")
        if not inside:
            raise InputError(f"{path} is a folder without files of data; name another")
        yield from inside
    elif path.exists() or not has_magic(str(path)):
        if not path.exists():
            raise InputError(f"no file {path}")
        yield path
    else:
        found = sorted(Path(name) for name in glob(str(path)) if Path(name).is_file())  # noqa: PTH207 - absolute too
        if not found:
            raise InputError(f"no file matches {path}")
        yield from found


def input_digest(files: Sequence[Path]) -> tuple[str, list[str]]:
    """Return the SHA-256 of the input as a whole, and of each file; of one file they are the same."""
    each = [file_digest(file) for file in files]
    return (each[0] if len(each) == 1 else hashlib.sha256("".join(each).encode()).hexdigest()), each


def shown(files: Sequence[Path | str]) -> str:
    """Return the files as messages name them."""
    if len(files) == 1:
        return str(files[0])
    more = len(files) - 1
    return f"{files[0]} and {more} more {'file' if more == 1 else 'files'}"
