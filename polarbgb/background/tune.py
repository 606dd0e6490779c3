"""Search hyperparameters with Optuna, scored by the deviance of held-out rows."""

from __future__ import annotations

import os
import platform
import re
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.backends import HeldOut
from polarbgb.background.cross_fit import quantise_split
from polarbgb.background.fold_model import train_fold
from polarbgb.background.folds import Folds
from polarbgb.background.metrics import deviance, noise_deviance
from polarbgb.config import Model
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix
from polarbgb.progress import Track, silent

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage


@dataclass(frozen=True)
class Tuning:
    """Result of a study.

    Attributes:
        parameters: values of the best trial, by key of section ``model``.
        score: mean deviance of the best trial over bins and folds, in units of counting noise; smaller is better.
        default_score: score of the values of the configuration, the first trial; None if it did not finish.
        finished: number of finished trials, in all processes and runs.
        pruned: number of pruned trials.
        devices: devices of the training, as the library reports them.
    """

    parameters: dict[str, int | float]
    score: float
    default_score: float | None
    finished: int
    pruned: int
    devices: tuple[str, ...]


def tune_model(
    matrix: Matrix,
    count_rates: CountRates,
    folds: Folds,
    model: Model,
    *,
    storage: str | Path,
    contract: str,
    trials: int,
    timeout: float | None = None,
    seed: int = 0,
    excluded: NDArray[np.bool_] | None = None,
    bins: Sequence[int] | None = None,
    track: Track = silent,
) -> Tuning:
    """Search the hyperparameters of the boosters.

    The score of a trial is the Poisson deviance of the counts of the scored bins on held-out rows, in units of that of
    pure counting noise, averaged over the folds, so that bright and faint bins have the same weight. The running mean
    is reported after every fold; a trial that is worse than the median at the same point is pruned. The matrices are
    quantised once per study.

    The study is kept in the storage: a killed one resumes, and several processes may share one. The values of the k-th
    trial depend only on the seed, on k and on the trials before it; a killed trial does not count, and the next one
    takes its values.

    Args:
        matrix: features.
        count_rates: rates.
        folds: held-out rows; each of its splits is scored.
        model: backend, objective and everything that is not searched.
        storage: a file (Optuna's journal) or a database URL with ``://``.
        contract: digest of everything that makes scores comparable; a study with another one is refused.
        trials: total number of trials, including those of earlier runs and other processes.
        timeout: time after which no new trial starts, s.
        seed: of the search.
        excluded: (rows,) rows that are not scored, such as known events; None to score all.
        bins: numbers of the bins that are scored; None for all.
        track: reports the progress.

    Returns:
        The best trial.

    Raises:
        UserError: if the storage cannot be used or belongs to another configuration, or no trial finished.
    """
    study = _open_study(storage, contract)
    _fail_dead_trials(study)
    training_sets = [quantise_split(matrix, split, model) for split in folds.splits]
    # In scheme 'blocks' a split also predicts its training rows, which do not measure the error of others.
    counted = np.ones(len(matrix.values), bool) if excluded is None else ~excluded
    fair = [split.predicted & ~split.train & ~split.validation & counted for split in folds.splits]
    held_out = [HeldOut(matrix.values, rows, model) for rows in fair]
    scored = list(range(count_rates.rate.shape[1]) if bins is None else bins)

    def objective(trial: optuna.Trial) -> float:
        import optuna

        trial.set_user_attr(_PROCESS, _this_process())
        # The seed depends on the trial's index: processes that share a study never draw the same trial twice.
        index = _take_index(study, trial)
        study.sampler = _sampler(index, model, seed)
        chosen = model.model_copy(update=_suggest(trial, model))
        deviances: list[float] = []
        for training, rows, held, split in zip(training_sets, fair, held_out, folds.splits, strict=True):
            fitted = train_fold(training, count_rates, split, chosen, bins=scored)
            trial.set_user_attr(_DEVICE, fitted.shared.device)
            held_rates = count_rates.of(rows, scored)
            expected = (fitted.predict(held) * held_rates.exposure)[held_rates.measured]
            counts = held_rates.counts[held_rates.measured]
            deviances.append(deviance(counts, expected) / noise_deviance(expected))
            trial.report(float(np.mean(deviances)), len(deviances))
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(deviances))

    started = time.monotonic()
    left = max(0, trials - _ended(study))
    for _ in track(range(left), label="tune", total=left):
        late = timeout is not None and time.monotonic() - started > timeout
        if late or _ended(study) >= trials:  # another process may have run the rest
            break
        try:
            study.optimize(objective, n_trials=1)
        except OSError as error:  # a journal on a full disk; what it holds is kept
            raise UserError(f"--storage {storage}: cannot be written ({error.strerror})") from error
    return _result(study)


def _open_study(storage: str | Path, contract: str) -> optuna.Study:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    text = str(storage)
    shown = _without_passwords(text)
    try:
        if "://" in text:
            backend: Any = _open_database(text)
        else:
            Path(text).parent.mkdir(parents=True, exist_ok=True)
            _drop_incomplete_line(text)
            backend = optuna.storages.JournalStorage(JournalFileBackend(text))
        study = optuna.create_study(
            study_name="polarbgb",
            storage=backend,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
    except Exception as error:  # each storage has exceptions of its own
        said = getattr(error, "orig", None) or error  # the driver's own words, not what SQLAlchemy adds to them
        reason = " ".join(str(said).split())[:160] or type(error).__name__
        raise UserError(f"--storage {shown}: cannot be opened as a study ({reason})") from error
    if study.user_attrs.get("contract", contract) != contract:
        raise UserError(
            f"{shown} holds a study of another input or configuration; name another --storage or run folder, "
            "or delete it"
        )
    study.set_user_attr("contract", contract)
    return study


def _drop_incomplete_line(path: str) -> None:
    """Remove an incomplete line at the end of a journal, left by a killed process or a full disk."""
    from optuna.storages.journal import JournalFileSymlinkLock

    journal = Path(path)
    if not journal.is_file() or not journal.stat().st_size:
        return
    lock = JournalFileSymlinkLock(path)
    lock.acquire()
    try:
        with journal.open("rb+") as stream:
            text = stream.read()
            stream.truncate(text.rfind(b"\n") + 1 or len(text))
    finally:
        lock.release()


def _open_database(url: str) -> RDBStorage:
    """Open a database; try again, because only one of several processes can create its tables at the same moment."""
    from optuna.storages import RDBStorage
    from sqlalchemy import make_url
    from sqlalchemy.exc import DBAPIError

    parts = make_url(url)
    if "@" in (parts.host or ""):  # half a password, which the driver would show
        raise ValueError("write each @ of a user name or password as %40")
    engine = {"pool_pre_ping": True}  # a connection that was lost in the meantime is replaced
    for wait in (0.1, 0.3, 0.9):
        try:
            return RDBStorage(url, engine_kwargs=engine)
        except ImportError as error:
            if parts.drivername not in {"postgresql", "postgresql+psycopg"}:
                raise
            raise ImportError("the driver is missing: pip install 'polarbgb[postgresql]'") from error
        except DBAPIError as error:
            if error.statement is None:  # the connection failed
                raise
            time.sleep(wait)
    return RDBStorage(url, engine_kwargs=engine)


def _without_passwords(url: str) -> str:
    before_host = re.sub(r"(://[^:/@]*:).*@", r"\1***@", url)
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1***", before_host)


_INDEX, _PROCESS, _DEVICE = "place", "process", "device"
"""Attributes of a trial: its index among the trials that count, its process, and its device."""

_ATTEMPTS = 500
"""How often to check whether other processes have assigned an index to their earlier trials; they may be dead."""


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _fail_dead_trials(study: optuna.Study) -> None:
    """Mark running trials as failed if their process on this machine was killed."""
    from optuna.trial import TrialState

    if os.name != "posix":  # elsewhere os.kill would end the process
        return
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        node, _, process = str(trial.user_attrs.get(_PROCESS, "")).rpartition(":")
        if node == platform.node() and not _is_alive(int(process)):
            study.tell(trial.number, state=TrialState.FAIL)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _take_index(study: optuna.Study, trial: optuna.Trial) -> int:
    """Assign to a trial the first index, from 0, that no earlier trial has; failed trials have none.

    The numbers of Optuna would not do: a killed trial would change the values of all later ones.
    """
    from optuna.trial import TrialState

    for _ in range(_ATTEMPTS):
        before = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number and t.state != TrialState.FAIL]
        indices = {t.user_attrs.get(_INDEX) for t in before}
        if None not in indices:
            break
        time.sleep(0.01)
    index = next(index for index in count() if index not in indices)
    trial.set_user_attr(_INDEX, index)
    return index


def _sampler(index: int, model: Model, seed: int) -> BaseSampler:
    """Return the sampler of a trial: the values of the configuration for the first one, TPE for all others.

    Indices are unique among processes; an enqueued trial would be run by every process that opens the study.
    """
    import optuna
    from optuna.exceptions import ExperimentalWarning

    # With a plain sum, seed 1 would draw the values of seed 0, one trial earlier.
    trial_seed = int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(seed=trial_seed)
    if index:
        return sampler
    values = {name: getattr(model, name) or low for name, (low, _, _) in _RANGES.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.PartialFixedSampler(values, sampler)


_RANGES: dict[str, tuple[float, float, bool]] = {
    # name: (low, high, logarithmic)
    "learning_rate": (0.03, 0.3, True),
    "max_depth": (4, 9, False),
    "min_child_weight": (5.0, 1000.0, True),
    "subsample": (0.5, 1.0, False),
    "colsample_bytree": (0.4, 1.0, False),
    "reg_lambda": (0.1, 100.0, True),
}


def _suggest(trial: optuna.Trial, model: Model) -> dict[str, int | float]:
    chosen: dict[str, int | float] = {}
    for name, (least, most, logarithmic) in _RANGES.items():
        # The first trial takes the value of the configuration: the range must contain it.
        default = getattr(model, name)
        low, high = min(least, default or least), max(most, default)  # a penalty of 0 has no logarithm
        if name == "max_depth":
            chosen[name] = trial.suggest_int(name, int(low), int(high))
        else:
            chosen[name] = trial.suggest_float(name, low, high, log=logarithmic)
    return chosen


def _ended(study: optuna.Study) -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _result(study: optuna.Study) -> Tuning:
    from optuna.trial import TrialState

    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not finished:
        raise UserError("no trial finished in the time given; raise --timeout or lower tune.rows")
    scores = {trial.number: trial.values[0] for trial in finished}
    best = min(finished, key=lambda trial: (scores[trial.number], trial.number))
    return Tuning(
        parameters=dict(best.params),
        score=scores[best.number],
        default_score=next((scores[t.number] for t in finished if t.user_attrs.get(_INDEX) == 0), None),
        finished=len(finished),
        pruned=len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))),
        devices=tuple(sorted({str(trial.user_attrs[_DEVICE]) for trial in finished if _DEVICE in trial.user_attrs})),
    )
