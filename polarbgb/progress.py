"""How long work reports where it is, without knowing who watches."""

from collections.abc import Iterable, Iterator
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
