"""Run the fits of a cross-fit on the workers of a Dask scheduler instead of in this process.

A worker runs one fit at a time, on all of its threads. Features and rates are sent to every worker once; if they do not
fit into one worker, the rows are distributed instead, and all workers grow each model together.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.backends import DistributedSet, HeldOut
from polarbgb.background.boosters import Pieces
from polarbgb.background.cross_fit import Fit, Fits, Scheduler, here, split_size
from polarbgb.background.fold_model import train_fold
from polarbgb.background.folds import Folds
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.progress import Track

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client, Future, Worker

_PATIENCE = 30.0
"""Time to wait for a scheduler, or for its first worker, s."""

_LOSSES = 10
"""How often all copies of the rows may be lost with their workers before the fits are given up."""

_RETRIES = 5
"""How often one fit may lose its worker."""


@contextmanager
def open_scheduler(address: str | None, *, distributed: bool | None = None) -> Iterator[Scheduler]:
    """Connect to the scheduler of the fits.

    Args:
        address: of a Dask scheduler, such as ``tcp://host:8786``; ``local:4`` starts four processes on this machine,
            which end with it; None for this process.
        distributed: whether all workers grow each model together; None to do so if the rows do not fit into one worker.

    Raises:
        UserError: if Dask is not installed, no scheduler answers, or it has no worker.
    """
    if address is None:
        yield here
        return
    try:
        import dask
        from distributed import Client  # noqa: F401 - Dask comes without it too
    except ImportError as error:
        raise UserError("--scheduler needs Dask: pip install 'polarbgb[dask]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it writes pages about a lost worker
    forgiving = dask.config.set({"distributed.scheduler.allowed-failures": _RETRIES})
    with forgiving, _connected(address) as client:
        yield _Cluster(client, distributed)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    kind, _, number = address.partition(":")
    if kind != "local":
        try:
            client = Client(address, timeout=_PATIENCE)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"--scheduler {address}: no Dask scheduler answers there") from error
        with client:
            _wait_for_worker(client, address)
            yield client
        return
    if not number.isdecimal() or int(number) == 0:
        raise UserError(f"--scheduler {address}: write local:N for N processes here, such as local:2")
    workers = int(number)
    threads = max(1, (os.cpu_count() or 1) // workers)
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=threads, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _wait_for_worker(client: Client, where: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise UserError(
            f"--scheduler {where}: no worker has come within {_PATIENCE:g} s; start 'dask worker'"
        ) from error


class _Cluster:
    """Runs the fits of a cross-fit on the workers of a client."""

    def __init__(self, client: Client, distributed: bool | None) -> None:
        self._client = client
        self._distributed = distributed
        self._sent: tuple[tuple[Matrix, CountRates], Future] | None = None

    def __call__(self, fits: Fits, *, label: str, track: Track) -> Iterator[tuple[int, Fit]]:
        distributed = not self._fits_a_worker(fits) if self._distributed is None else self._distributed
        done = self._fit_together(fits) if distributed else self._fit_each(fits)
        return track(done, label=label, total=len(fits.left))

    def _fits_a_worker(self, fits: Fits) -> bool:
        smallest = min((limit for limit in self._client.run(_memory_limit).values() if limit), default=None)
        if smallest is None:
            return True
        count_rates = fits.count_rates
        needed = (
            fits.matrix.values.nbytes + count_rates.rate.nbytes + count_rates.error.nbytes + count_rates.exposure.nbytes
        )
        needed += max(split_size(fits.matrix, split, fits.model) for split in fits.folds.splits)
        return bool(needed < smallest)

    def _fit_each(self, fits: Fits) -> Iterator[tuple[int, Fit]]:
        """Send every fold to a worker; send rows and folds again if all workers that held the rows are lost."""
        from distributed import as_completed

        left = dict.fromkeys(fits.left)
        for _ in range(_LOSSES):
            _wait_for_worker(self._client, self._client.scheduler.address)
            rows = self._rows(fits)
            settings = self._client.scatter((fits.folds, fits.model), broadcast=True, hash=False)
            futures = {self._client.submit(_fit_fold, rows, settings, fold, pure=False): fold for fold in left}
            for future in as_completed(futures):
                if future.status in ("cancelled", "lost"):
                    continue
                try:
                    fit = future.result()
                except _lost():
                    continue
                fold = futures.pop(future)
                del left[fold]
                yield fold, fit
            if not left:
                return
            self._sent = None
        raise UserError("--scheduler: the workers are lost again and again; do they have enough memory?")

    def _rows(self, fits: Fits) -> Future:
        """Return the rows on all workers; they are sent once for training-set cleaning and the fit."""
        rows = (fits.matrix, fits.count_rates)
        if self._sent is None or any(a is not b for a, b in zip(self._sent[0], rows, strict=True)):
            self._sent = None
            self._sent = rows, self._client.scatter(rows, broadcast=True, hash=False)
        return self._sent[1]

    def _fit_together(self, fits: Fits) -> Iterator[tuple[int, Fit]]:
        """Distribute the rows of each split over the workers, which grow its model together."""
        values = fits.matrix.values
        for fold in fits.left:
            split = fits.folds.splits[fold]
            rows = np.flatnonzero(split.train), np.flatnonzero(split.validation)
            training = DistributedSet(
                self._client,
                (self._blocks(values, rows[0]), self._blocks(values, rows[1])),
                (Pieces(values, rows[0]), Pieces(values, rows[1])),
            )
            model = train_fold(training, fits.count_rates, split, fits.model)
            yield fold, Fit(model, model.predict(HeldOut(values, split.predicted, fits.model)))

    def _blocks(self, values: NDArray[np.float32], rows: NDArray[np.int64]) -> Array:
        """Return a Dask array of some rows, in one block per worker."""
        import dask.array
        from dask import delayed

        workers = list(self._client.nthreads())
        blocks = []
        for worker, block in zip(workers, np.array_split(rows, len(workers)), strict=True):
            sent = self._client.scatter(values[block], workers=[worker], hash=False)
            blocks.append(dask.array.from_delayed(delayed(sent), (len(block), values.shape[1]), np.float32))
        return dask.array.concatenate(blocks)


def _memory_limit(dask_worker: Worker) -> int | None:
    """Return how many bytes a worker may take; None without a limit. Dask passes the worker by the parameter's name."""
    return dask_worker.memory_manager.memory_limit  # type: ignore[no-any-return]


def _lost() -> tuple[type[BaseException], ...]:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return CancelledError, FutureCancelledError, KilledWorker


_one_at_a_time = threading.Lock()
_current: list[Fits] = []
"""On a worker: the cross-fit that it works on, if any."""


def _fit_fold(rows: tuple[Matrix, CountRates], settings: tuple[Folds, Model], fold: int) -> Fit:
    """Fit one fold on a worker."""
    from distributed import get_worker

    with _one_at_a_time:
        folds, model = settings
        # A worker keeps what it was sent: the same objects mean the same cross-fit.
        if not any(fits.matrix is rows[0] and fits.folds is folds for fits in _current):
            threads = model.threads or get_worker().state.nthreads
            _current[:] = [Fits(*rows, folds, model.model_copy(update={"threads": threads}))]
        return _current[0](fold)
