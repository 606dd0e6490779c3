"""Files and folders appear whole or not at all."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polarbgb.errors import UserError

_USER_CAN_MEND = {
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

_NOTHING = 2**16
"""Bytes; a disk with less is full."""

_MARK = ".tmp-"
_TEMPORARY = re.compile(rf"\..*{re.escape(_MARK)}[a-z0-9_]{{8}}(\.\w+)?")


def is_temporary(path: Path) -> bool:
    """Say whether a path is what this module has under way, or had when its process was killed."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def made_on_the_way(folder: Path, *, to_write: Path | None = None) -> Iterator[bool]:
    """Make a folder and those that it lies in, where they are missing; empty ones go again at the end.

    Args:
        folder: to be made.
        to_write: what is to be written there, for the message.

    Yields:
        Whether it was made.

    Raises:
        UserError: if it cannot be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {to_write or folder}: {error.strerror}") from error
    try:
        yield bool(missing)
    finally:
        for one in missing:
            with suppress(OSError):  # something is in it
                one.rmdir()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Args:
        path: the file to create or replace; missing parent folders are made.

    Raises:
        UserError: where the place cannot be written (permissions, full disk, a folder in the way).
    """
    temporary: Path | None = None
    with made_on_the_way(path.parent, to_write=path):
        try:
            _require_kind(path, Path.is_file)
            # The suffix is kept last: several libraries choose the format by it.
            handle, name = tempfile.mkstemp(prefix=f".{path.stem}{_MARK}", suffix=path.suffix, dir=path.parent)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            _publish(temporary, 0o666)
            temporary.replace(path)
        except Exception as error:
            # A place that does not even take a temporary file is the user's; what fails later may be the writer's bug.
            own = error.strerror if temporary is None and isinstance(error, OSError) else None
            reason = own or _told(error, path.parent)
            if reason is None:
                raise
            raise UserError(f"cannot write {path}: {reason}") from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; put it in its place on success, remove it on any failure.

    Args:
        path: the folder to create or replace, with all that it holds; missing parent folders are made.

    Raises:
        UserError: where the place cannot be written (permissions, full disk, a file in the way).
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
            reason = _told(error, path.parent)
            if reason is None:
                raise
            raise UserError(f"cannot write {path}: {reason}") from error


def _require_kind(path: Path, wanted: Callable[[Path], bool]) -> None:
    """Refuse what a rename would replace by something of another kind: a folder, a device such as /dev/null."""
    if path.exists() and not wanted(path):
        number = errno.EISDIR if path.is_dir() else errno.EEXIST if wanted == Path.is_file else errno.ENOTDIR
        raise OSError(number, os.strerror(number), str(path))


def _told(error: Exception, place: Path) -> str | None:
    """Return the reason of a failure to write to a place that the user can mend; None where it is a bug."""
    if isinstance(error, UserError):
        return None
    if isinstance(error, OSError) and error.errno in _USER_CAN_MEND:
        return error.strerror
    # Libraries of compiled code have exceptions of their own for a full disk, with the system's words in them.
    words = (os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    told = next((word for word in words if word in str(error)), None)
    if "Invalid thrift: transport error" in str(error):  # so polars tells of a disk that fills up at the very end
        return "no room for all of it"
    if told is None and shutil.disk_usage(place).free < _NOTHING:  # others say no more than that they could not write
        return os.strerror(errno.ENOSPC)
    return told


def _publish(temporary: Path, mode: int) -> None:
    """Give what was made in private the permissions that it would have had in the open."""
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(mode & ~mask)
