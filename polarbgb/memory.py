"""How much memory there is, and arrays that lie on disk where there is too little."""

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
"""``M_ARENA_MAX`` of glibc's malloc.h, and how many threads share."""


def spare_address_space() -> None:
    """Let no library reserve address space that it does not use, where this process has a limit of it.

    Two allocators do: glibc's keeps 64 MiB for each thread that ever asked, and the one in polars never gives space
    back, which is 2 GiB of the 6 that a fit of four million rows would seem to take. It has to be told before polars
    is imported.
    """
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space == resource.RLIM_INFINITY:
        return
    os.environ.setdefault("_RJEM_MALLOC_CONF", "retain:false")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # another C library has no such arenas
        mallopt(_ARENA_MAX, _ARENAS)


def free_memory() -> int:
    """Return how many bytes this process may still take: of the machine, its container and its own limit."""
    own = psutil.Process().memory_info()
    free = psutil.virtual_memory().available
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        free = min(free, space - own.vms)
    try:
        most, taken = ((_CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        free = min(free, int(most) - int(taken))
    except (OSError, ValueError):  # no container, or "max": no limit
        pass
    return max(0, free)


def room_for(needed: float, limit: float | None) -> bool:
    """Say whether so many bytes may be taken.

    Args:
        needed: bytes.
        limit: GiB that this process may hold in all; None for what is free.
    """
    free = free_memory()
    if limit is not None:
        free = min(free, int(limit * GIB) - psutil.Process().memory_info().rss)
    return needed <= free


def empty(shape: tuple[int, ...], *, on_disk: bool) -> NDArray[np.float32]:
    """Return an array to be filled, in memory or in a file without a name that goes when the array does.

    The file lies in ``TMPDIR``, or else in ``/var/tmp``: ``/tmp`` is memory itself on many machines.

    Raises:
        UserError: if the disk has no room for it.
    """
    size = int(np.prod(shape)) * 4
    if not on_disk or not size:
        return np.empty(shape, np.float32)
    folder = scratch()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Room is taken at once: a full disk would otherwise end the process where a page is first written.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        raise UserError(
            f"no room for {size / GIB:.1f} GiB of features in {folder} ({error.strerror}); set TMPDIR to a larger disk"
        ) from error


def scratch() -> Path:
    """Return the folder for large temporary files."""
    named = os.environ.get("TMPDIR")
    return Path(named or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()))  # noqa: S108
