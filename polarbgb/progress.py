"""How long work reports where it is, without knowing who watches."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Wraps an iterable so that somebody may watch it advance."""

    def __call__(self, steps: Iterable[T], *, label: str, total: int) -> Iterator[T]:
        """Yield every step of ``steps`` unchanged; ``total`` is their number, ``label`` what they are."""
        ...


def silent(steps: Iterable[T], *, label: str, total: int) -> Iterator[T]:
    """Watch nothing: the default of every library function."""
    del label, total
    yield from steps


@contextmanager
def watched(track: Track, label: str) -> Iterator[None]:
    """Let somebody watch one piece of work that has no steps, the body of a ``with`` block."""
    only = track(range(1), label=label, total=1)
    next(only)
    yield
    next(only, None)
