"""The memory that is available, and arrays on disk for when it is too small."""

from __future__ import annotations

import ctypes
import os
import resource
import tempfile
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from polarbgb.errors import UserError

GIB = 2**30

_CGROUP = Path("/sys/fs/cgroup")

_ARENA_MAX, _ARENAS = -8, 2
"""``M_ARENA_MAX`` of malloc.h in glibc, and the number of arenas that all threads share."""


def spare_address_space() -> None:
    """Keep libraries from reserving unused address space, if this process has a limit on it (``ulimit -v``).

    The allocator of glibc keeps 64 MiB for each thread, and that of polars never returns space, which is 2 of the 6 GiB
    of a fit of four million rows. The setting must be made before polars is imported.
    """
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space == resource.RLIM_INFINITY:
        return
    os.environ.setdefault("_RJEM_MALLOC_CONF", "retain:false")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have no arenas
        mallopt(_ARENA_MAX, _ARENAS)


def free_memory() -> int:
    """Return the number of bytes that the machine, the container and the limit of the process leave to it."""
    virtual = psutil.Process().memory_info().vms
    free = psutil.virtual_memory().available
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        free = min(free, space - virtual)
    try:
        limit, used = ((_CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        free = min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or no limit ("max")
        pass
    return max(0, free)


def room_for(needed: float, limit: float | None) -> bool:
    """Return whether there is memory for a number of bytes.

    Args:
        needed: bytes.
        limit: largest total memory of this process, GiB; None for all that is free.
    """
    free = free_memory()
    if limit is not None:
        free = min(free, int(limit * GIB) - psutil.Process().memory_info().rss)
    return needed <= free


def empty(shape: tuple[int, ...], *, on_disk: bool) -> NDArray[np.float32]:
    """Return an empty array, in memory or in an unnamed file that is deleted with the array.

    The file is in ``TMPDIR``, or else in ``/var/tmp``, because ``/tmp`` is in memory on many machines.

    Raises:
        UserError: if the disk is too small.
    """
    size = int(np.prod(shape)) * 4
    if not on_disk or not size:
        return np.empty(shape, np.float32)
    folder = scratch()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Allocate all of it now: on a full disk, writing to a page later would kill the process.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        raise UserError(
            f"no space for {size / GIB:.1f} GiB of features in {folder} ({error.strerror}); set TMPDIR to a larger disk"
        ) from error


def scratch() -> Path:
    """Return the folder for large temporary files."""
    named = os.environ.get("TMPDIR")
    return Path(named or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()))  # noqa: S108
