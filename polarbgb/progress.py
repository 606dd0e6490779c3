"""Progress of long work, reported to whoever wants to show it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """A function that wraps an iterable and shows its progress."""

    def __call__(self, steps: Iterable[T], *, label: str, total: int) -> Iterator[T]:
        """Yield every step of ``steps``; ``label`` names the work and ``total`` is the number of steps."""
        ...


def silent(steps: Iterable[T], *, label: str, total: int) -> Iterator[T]:
    """Show nothing; the default of every function of the library."""
    del label, total
    yield from steps


@contextmanager
def watched(track: Track, label: str) -> Iterator[None]:
    """Show the body of a ``with`` block as one step."""
    step = track(range(1), label=label, total=1)
    next(step)
    yield
    next(step, None)
