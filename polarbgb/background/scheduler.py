"""The fits of a cross-fit on many machines: Dask's workers in the place of this process.

A worker does one fit at a time, on as many threads as it has. Features and rates are sent to every worker once; where
they do not fit into one, rows are dealt out instead, and all workers together grow each model.
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

from polarbgb.background.boosters import DealtSet, HeldOut, Pieces
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
"""s to wait for a scheduler, or for its first worker."""
_LOSSES = 10
"""Times that all copies of the rows may be lost with their workers before the fits are given up."""
_RETRIES = 5
"""Times that one fit may lose its worker."""


@contextmanager
def open_scheduler(address: str | None, *, spread: bool | None = None) -> Iterator[Scheduler]:
    """Connect to what does the fits.

    Args:
        address: of a Dask scheduler, such as ``tcp://host:8786``; ``local:4`` starts four processes here, which end
            with it; None is this process.
        spread: whether all workers grow each model together; where None, if the rows do not fit into one of them.

    Raises:
        UserError: if Dask is not installed, or there is no such scheduler, or it has no worker.
    """
    if address is None:
        yield here
        return
    try:
        import dask
        from distributed import Client  # noqa: F401 - Dask comes without it too
    except ImportError as error:
        raise UserError("--scheduler needs Dask: pip install 'polarbgb[dask]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of a lost worker it tells pages
    forgiving = dask.config.set({"distributed.scheduler.allowed-failures": _RETRIES})
    with forgiving, _connected(address) as client:
        yield _Cluster(client, spread)


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
    """Fits the folds of a cross-fit on the workers of a client."""

    def __init__(self, client: Client, spread: bool | None) -> None:
        self._client = client
        self._spread = spread
        self._sent: tuple[tuple[Matrix, CountRates], Future] | None = None

    def __call__(self, fits: Fits, *, label: str, track: Track) -> Iterator[tuple[int, Fit]]:
        spread = not self._fits_a_worker(fits) if self._spread is None else self._spread
        done = self._together(fits) if spread else self._each(fits)
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

    def _each(self, fits: Fits) -> Iterator[tuple[int, Fit]]:
        """Send every fold to some worker; send rows and folds again where all workers that held the rows are lost."""
        from distributed import as_completed

        left = dict.fromkeys(fits.left)
        for _ in range(_LOSSES):
            _wait_for_worker(self._client, self._client.scheduler.address)
            rows = self._rows(fits)
            planned = self._client.scatter((fits.folds, fits.model), broadcast=True, hash=False)
            asked = {self._client.submit(_do, rows, planned, fold, pure=False): fold for fold in left}
            for future in as_completed(asked):
                if future.status in ("cancelled", "lost"):
                    continue
                try:
                    fit = future.result()
                except _lost():
                    continue
                fold = asked.pop(future)
                del left[fold]
                yield fold, fit
            if not left:
                return
            self._sent = None
        raise UserError("--scheduler: the workers are lost again and again; do they have enough memory?")

    def _rows(self, fits: Fits) -> Future:
        """Return the rows as all workers hold them, sent once for the searches and the fit."""
        rows = (fits.matrix, fits.count_rates)
        if self._sent is None or any(a is not b for a, b in zip(self._sent[0], rows, strict=True)):
            self._sent = None
            self._sent = rows, self._client.scatter(rows, broadcast=True, hash=False)
        return self._sent[1]

    def _together(self, fits: Fits) -> Iterator[tuple[int, Fit]]:
        """Deal the rows of each split out to the workers, which grow its model together."""
        values = fits.matrix.values
        for fold in fits.left:
            split = fits.folds.splits[fold]
            rows = np.flatnonzero(split.train), np.flatnonzero(split.validation)
            training = DealtSet(
                self._client,
                (self._dealt(values, rows[0]), self._dealt(values, rows[1])),
                (Pieces(values, rows[0]), Pieces(values, rows[1])),
                fits.matrix.names,
            )
            model = train_fold(training, fits.count_rates, split, fits.model)
            yield fold, Fit(model, model.predict(HeldOut(values, split.predicted, fits.model)))

    def _dealt(self, values: NDArray[np.float32], rows: NDArray[np.int64]) -> Array:
        """Return a dask array of some rows, in parts that lie with the workers already."""
        import dask.array
        from dask import delayed

        workers = list(self._client.nthreads())
        parts = []
        for worker, part in zip(workers, np.array_split(rows, len(workers)), strict=True):
            sent = self._client.scatter(values[part], workers=[worker], hash=False)
            parts.append(dask.array.from_delayed(delayed(sent), (len(part), values.shape[1]), np.float32))
        return dask.array.concatenate(parts)


def _memory_limit(dask_worker: Worker) -> int | None:
    """Return how many bytes a worker may take; None where nothing says so. Dask gives it the worker by that name."""
    return dask_worker.memory_manager.memory_limit  # type: ignore[no-any-return]


def _lost() -> tuple[type[BaseException], ...]:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return CancelledError, FutureCancelledError, KilledWorker


_one_at_a_time = threading.Lock()
_at_work: list[Fits] = []
"""On a worker: the fits under way, if there are any."""


def _do(rows: tuple[Matrix, CountRates], planned: tuple[Folds, Model], fold: int) -> Fit:
    """Fit one fold on a worker."""
    from distributed import get_worker

    with _one_at_a_time:
        folds, model = planned
        # A worker keeps what it was sent: the same objects mean the same cross-fit.
        if not any(fits.matrix is rows[0] and fits.folds is folds for fits in _at_work):
            threads = model.threads or get_worker().state.nthreads
            _at_work[:] = [Fits(*rows, folds, model.model_copy(update={"threads": threads}))]
        return _at_work[0](fold)
