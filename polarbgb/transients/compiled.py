"""Compilation of loops by numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function that compiled functions call; it releases the interpreter lock."""
    return cast(Callable[_P, _R], numba.njit(nogil=True, error_model="numpy")(function))


def compiled_once(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function for all processes, or once per process where its folder is not writable.

    Its arguments must be arrays, numbers and plain tuples: numba cannot read its cache any more after a class of this
    package that is stored there was renamed.
    """
    try:
        return cast(Callable[_P, _R], numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:
        return compiled(function)
