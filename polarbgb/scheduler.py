"""Where independent jobs are done: here, one after the other, or wherever a scheduler sends them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from polarbgb.progress import Track

J = TypeVar("J")
R = TypeVar("R")


class Scheduler(Protocol):
    """Does jobs."""

    def __call__(self, work: Callable[[J], R], jobs: Sequence[J], *, label: str, track: Track) -> Iterator[tuple[J, R]]:
        """Yield every job with its result, in any order.

        Args:
            work: does one job; it carries all that the jobs have in common.
            jobs: small values that say what is to be done.
            label: what the jobs are.
            track: watches them end.
        """
        ...


def here(work: Callable[[J], R], jobs: Sequence[J], *, label: str, track: Track) -> Iterator[tuple[J, R]]:
    """Do the jobs in this process, in their order: the default of every library function."""
    for job in track(jobs, label=label, total=len(jobs)):
        yield job, work(job)
