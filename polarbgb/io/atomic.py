"""Atomic writing: files and folders appear complete or not at all."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polarbgb.errors import UserError

_CORRECTABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}

_FULL = 2**16
"""A disk with fewer free bytes is full."""

_MARK = ".tmp-"
_TEMPORARY = re.compile(rf"\..*{re.escape(_MARK)}[a-z0-9_]{{8}}(\.\w+)?")


def is_temporary(path: Path) -> bool:
    """Return whether a path is a temporary file or folder of this module, also of a killed process."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def made_on_the_way(folder: Path, *, to_write: Path | None = None) -> Iterator[bool]:
    """Create a folder with its parents, where they are missing; those that stay empty are removed at the end.

    Args:
        folder: the folder.
        to_write: what is to be written there, for the message.

    Yields:
        Whether it was created.

    Raises:
        UserError: if it cannot be created.
    """
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {to_write or folder}: {error.strerror}") from error
    try:
        yield bool(missing)
    finally:
        for parent in missing:
            with suppress(OSError):  # it is not empty
                parent.rmdir()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Args:
        path: the file to create or replace; missing parent folders are created.

    Raises:
        UserError: if it cannot be written (permissions, full disk, a folder in the way).
    """
    temporary: Path | None = None
    with made_on_the_way(path.parent, to_write=path):
        try:
            _require_kind(path, Path.is_file)
            # The suffix stays last, because several libraries choose the format by it.
            handle, name = tempfile.mkstemp(prefix=f".{path.stem}{_MARK}", suffix=path.suffix, dir=path.parent)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            _publish(temporary, 0o666)
            temporary.replace(path)
        except Exception as error:
            # If not even a temporary file can be created, the user can correct it; a later failure may be a bug.
            refused = error.strerror if temporary is None and isinstance(error, OSError) else None
            reason = refused or _reason(error, path.parent)
            if reason is None:
                raise
            raise UserError(f"cannot write {path}: {reason}") from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Args:
        path: the folder to create, or to replace with all its contents; missing parent folders are created.

    Raises:
        UserError: if it cannot be written (permissions, full disk, a file in the way).
    """
    with made_on_the_way(path.parent, to_write=path):
        try:
            _require_kind(path, Path.is_dir)
            with tempfile.TemporaryDirectory(prefix=f".{path.name}{_MARK}", dir=path.parent) as place:
                temporary, former = Path(place) / "new", Path(place) / "former"
                temporary.mkdir()
                yield temporary
                _publish(temporary, 0o777)
                if path.exists():
                    path.replace(former)
                try:
                    temporary.replace(path)
                except OSError:
                    if former.exists():
                        former.replace(path)
                    raise
        except Exception as error:
            reason = _reason(error, path.parent)
            if reason is None:
                raise
            raise UserError(f"cannot write {path}: {reason}") from error


def _require_kind(path: Path, wanted: Callable[[Path], bool]) -> None:
    """Refuse to replace something of another kind, such as a folder, or a device like /dev/null."""
    if path.exists() and not wanted(path):
        code = errno.EISDIR if path.is_dir() else errno.EEXIST if wanted == Path.is_file else errno.ENOTDIR
        raise OSError(code, os.strerror(code), str(path))


def _reason(error: Exception, folder: Path) -> str | None:
    """Return the reason of a failure to write to a folder if the user can correct it; None if it is a bug."""
    if isinstance(error, UserError):
        return None
    if isinstance(error, OSError) and error.errno in _CORRECTABLE:
        return error.strerror
    # Compiled libraries have their own exceptions for a full disk, which contain the system's message.
    messages = (os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    reason = next((message for message in messages if message in str(error)), None)
    if "Invalid thrift: transport error" in str(error):  # message of polars for a disk that fills up at the very end
        return "no room for all of it"
    if reason is None and shutil.disk_usage(folder).free < _FULL:  # other libraries only say that they could not write
        return os.strerror(errno.ENOSPC)
    return reason


def _publish(temporary: Path, mode: int) -> None:
    """Give a temporary file or folder the permissions that a new one would have."""
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(mode & ~mask)
