"""Files and folders appear whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polarbgb.errors import UserError

_USER_CAN_MEND = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Args:
        path: the file to create or replace; missing parent folders are made.

    Raises:
        UserError: where the place cannot be written (permissions, full disk, a folder in the way).
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if path.exists() and not path.is_file():
            # A rename would put a plain file in the place of a device such as /dev/null.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        # The suffix is kept last: several libraries choose the format by it.
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _publish(temporary, 0o666)
        temporary.replace(path)
    except OSError as error:
        # A place that does not even take a temporary file is the user's; what fails later may be the writer's bug.
        if temporary is None or error.errno in _USER_CAN_MEND:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        raise
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as place:
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
    except OSError as error:
        if error.errno in _USER_CAN_MEND:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        raise


def _publish(temporary: Path, mode: int) -> None:
    """Give what was made in private the permissions that it would have had in the open."""
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(mode & ~mask)
