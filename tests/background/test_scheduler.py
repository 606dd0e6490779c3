"""Fits on Dask's workers come to what they come to here, whatever happens to the workers."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from polarbgb.background.cross_fit import Fits, cross_fit, here
from polarbgb.background.folds import make_folds
from polarbgb.background.scheduler import _memory_limit, open_scheduler
from polarbgb.config import Model, validate
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.progress import silent

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ORBITS, PER_ORBIT = 24, 250


def problem(*, backend="xgboost", n_estimators=25):
    """Rates of two bins that follow two features, in six folds of orbits."""
    rng = np.random.default_rng(1)
    rows = ORBITS * PER_ORBIT
    time_ = 1e9 + np.arange(rows) * 4.0
    values = rng.normal(size=(rows, 4)).astype(np.float32)
    truth = 900 * np.exp(0.4 * values[:, [0]] + 0.2 * np.sin(3 * values[:, [1]])) * [1.0, 2.0]
    rate = rng.poisson(truth).astype(float)
    config = validate(
        {
            "name": "TOY",
            "input": {"tree": "t"},
            "rates": {"values": ["rate"], "errors": ["rate_err"]},
            "features": {"columns": ["a"]},
            "orbit": {"period": 4.0 * PER_ORBIT},
            "folds": {"embargo": 0.0, "count": 6},
            "intervals": {"more_than": 0},
        },
        where="test",
    )
    model = Model(
        backend=backend,
        objective="gamma",
        n_estimators=n_estimators,
        max_depth=4,
        learning_rate=0.2,
        min_child_weight=5,
    )
    count_rates = CountRates(rate, np.sqrt(np.maximum(rate, 1)), np.ones_like(rate))
    folds = make_folds(time_, np.zeros(rows, bool), config.folds, config.orbit, config.model)
    return Matrix(values, tuple("abcd")), count_rates, folds, model, truth


@pytest.fixture(scope="module")
def two():
    with open_scheduler("local:2") as scheduler:
        yield scheduler


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_workers_that_train_a_model_each_come_to_the_same_bits(two, backend):
    *case, _ = problem(backend=backend)
    local, far = cross_fit(*case), cross_fit(*case, scheduler=two)
    np.testing.assert_array_equal(far.prediction, local.prediction)
    rows = case[0].values[:50]
    for one, other in zip(far.models, local.models, strict=True):
        assert [booster.trees for booster in one.boosters] == [booster.trees for booster in other.boosters]
        np.testing.assert_array_equal(one.margins(rows), other.margins(rows))


def test_rows_are_sent_once_for_all_cross_fits_and_every_fit_is_watched(two):
    *case, _ = problem(n_estimators=3)
    told = []

    def track(steps, *, label, total):
        for step in steps:
            told.append((label, total, step[0]))
            yield step

    cross_fit(*case, scheduler=two, label="search 1", track=track)
    sent = two._sent[1]
    cross_fit(*case, scheduler=two)
    assert two._sent[1] is sent
    assert {(label, total) for label, total, _ in told} == {("search 1", 6)}
    assert sorted(fold for *_, fold in told) == list(range(6))


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(two):
    *case, _ = problem(n_estimators=150)
    pids = list(two._client.run(os.getpid).values())

    def track(steps, *, label, total):
        for done, step in enumerate(steps):
            if done == 2:
                os.kill(pids[0], signal.SIGKILL)
            yield step

    found = cross_fit(*case, scheduler=two, track=track).prediction
    np.testing.assert_array_equal(found, cross_fit(*case).prediction)
    assert pids[0] not in two._client.run(os.getpid).values()


def test_rows_that_are_lost_with_their_only_worker_are_sent_again():
    *case, _ = problem(n_estimators=150)
    with open_scheduler("local:1") as one:
        pids = list(one._client.run(os.getpid).values())
        killer = threading.Timer(0.5, os.kill, (pids[0], signal.SIGKILL))

        def track(steps, *, label, total):
            for done, step in enumerate(steps):
                if done == 0:
                    killer.start()
                    time.sleep(0.1)
                yield step

        found = cross_fit(*case, scheduler=one, track=track).prediction
        assert pids[0] not in one._client.run(os.getpid).values()
    np.testing.assert_array_equal(found, cross_fit(*case).prediction)


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
def test_workers_that_grow_one_model_together_predict_as_well(two, backend):
    matrix, count_rates, folds, model, truth = problem(backend=backend)
    with open_scheduler("local:2", distributed=True) as together:
        far = cross_fit(matrix, count_rates, folds, model, scheduler=together).prediction
    local = cross_fit(matrix, count_rates, folds, model).prediction
    error, own = (np.mean((found - truth) ** 2 / truth) for found in (far, local))
    assert own < 0.1 * np.mean((truth.mean(axis=0) - truth) ** 2 / truth)
    assert error == pytest.approx(own, rel=0.15)  # each worker gives its own quantiles
    assert not np.array_equal(far, local)


def test_one_worker_with_all_rows_grows_the_same_trees():
    *case, _ = problem()
    with open_scheduler("local:1", distributed=True) as alone:
        far = cross_fit(*case, scheduler=alone).prediction
    np.testing.assert_array_equal(far, cross_fit(*case).prediction)


def test_rows_that_no_worker_can_hold_are_dealt_out(two, monkeypatch):
    *case, _ = problem(n_estimators=2)
    fits = Fits(*case)
    assert two._fits_a_worker(fits)
    limits = set(two._client.run(_memory_limit).values())
    assert all(limit > 2**28 for limit in limits)  # what Dask gives to each
    monkeypatch.setattr(two._client, "run", lambda _: {"a": 2**30, "b": 50_000, "c": None})
    assert not two._fits_a_worker(fits)


def test_an_error_of_the_fit_itself_is_told_as_it_is(two):
    matrix, count_rates, folds, model, _ = problem()
    broken = Matrix(matrix.values[:-7], matrix.names)  # fewer rows than the folds have
    with pytest.raises(IndexError, match="out of bounds"):
        cross_fit(broken, count_rates, folds, model, scheduler=two)


@pytest.mark.parametrize("address", ["local:", "local:0", "local:x", "local:-1"])
def test_a_number_of_processes_that_is_none_is_refused(address):
    with pytest.raises(UserError, match=f"--scheduler {address}: write local:N"), open_scheduler(address):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1"])
def test_an_address_without_a_scheduler_is_refused(address, monkeypatch):
    monkeypatch.setattr("polarbgb.background.scheduler._PATIENCE", 0.5)
    with pytest.raises(UserError, match=f"--scheduler {address}: no Dask scheduler answers"), open_scheduler(address):
        pass


def test_without_dask_the_answer_is_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'polarbgb\[dask\]'"), open_scheduler("local:2"):
        pass


def test_without_an_address_the_work_is_done_here():
    with open_scheduler(None) as scheduler:
        assert scheduler is here
    *case, _ = problem(n_estimators=2)
    assert len(list(here(Fits(*case), label="fit", track=silent))) == 6
