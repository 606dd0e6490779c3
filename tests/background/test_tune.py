"""The study: what a trial's score is, and that nothing is lost or done twice by kills and company."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from polarbgb.background import tune
from polarbgb.background.cross_fit import cross_fit
from polarbgb.background.folds import make_folds
from polarbgb.background.metrics import deviance, noise_deviance
from polarbgb.background.tune import tune_model
from polarbgb.config import Model, validate
from polarbgb.data.count_rates import CountRates
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix

OWN = {
    "learning_rate": 0.1,
    "max_depth": 6,
    "min_child_weight": 50.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 1.0,
}
RANGES = {
    "learning_rate": (0.03, 0.3),
    "max_depth": (4, 9),
    "min_child_weight": (5, 1000),
    "subsample": (0.5, 1),
    "colsample_bytree": (0.4, 1),
    "reg_lambda": (0.1, 100),
}
MODEL = Model(threads=1, n_estimators=8)


def problem(scheme="orbits", bins=2, rows=1200):
    """Rates that one feature of three tells."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(rows, 3)).astype(np.float32)
    truth = 300 * np.exp(0.4 * np.sin(3 * values[:, :1])) * np.linspace(1, 3, bins)
    rate = rng.poisson(truth).astype(float)
    raw = {
        "name": "TOY",
        "input": {"tree": "t"},
        "rates": {"values": ["rate"], "errors": ["rate_err"]},
        "features": {"columns": ["a"]},
        "orbit": {"period": 100.0},
        "folds": {"embargo": 0.0, "count": 2, "scheme": scheme},
        "intervals": {"more_than": 0},
    }
    config = validate(raw, where="test")
    time, excluded = 1e9 + np.arange(rows, dtype=float), np.zeros(rows, bool)
    folds = make_folds(time, excluded, config.folds, config.orbit, config.model)
    return Matrix(values, ("a", "b", "c")), CountRates(rate, np.sqrt(rate), np.ones_like(rate)), folds


def tuned(storage, trials, *, model=MODEL, case=None, contract="one", **options):
    return tune_model(*(case or problem()), model, storage=storage, contract=contract, trials=trials, **options)


def journal(folder):
    return str(folder / "study.journal")


def sqlite(folder):
    return f"sqlite:///{folder}/study.db"


both_storages = pytest.mark.parametrize("place", [journal, sqlite])


def trials_in(storage, *states):
    """Read the trials with Optuna alone."""
    backend = RDBStorage(storage) if "://" in storage else JournalStorage(JournalFileBackend(storage))
    study = optuna.load_study(study_name="polarbgb", storage=backend)
    return study.get_trials(states=states or None)


def ended_in(storage):
    return trials_in(storage, TrialState.COMPLETE, TrialState.PRUNED)


def draws(trials):
    return [tuple(trial.params.values()) for trial in trials]


@both_storages
def test_the_best_of_the_trials_asked_for_is_found(place, tmp_path):
    poor = MODEL.model_copy(update={"learning_rate": 0.03, "min_child_weight": 900.0})
    found = tuned(place(tmp_path), 10, model=poor)
    complete = trials_in(place(tmp_path), TrialState.COMPLETE)
    pruned = trials_in(place(tmp_path), TrialState.PRUNED)
    assert (found.finished, found.pruned) == (len(complete), len(pruned))
    assert found.finished + found.pruned == 10
    best = min(complete, key=lambda trial: trial.value)
    assert (found.score, found.parameters) == (best.value, best.params)
    assert found.score < 0.9 * found.default_score
    for trial in (*complete, *pruned):
        assert set(trial.params) == set(RANGES)
        assert all(low <= trial.params[name] <= high for name, (low, high) in RANGES.items())


def test_trials_worse_than_the_median_are_given_up(tmp_path):
    found = tuned(journal(tmp_path), 14)
    assert found.pruned > 0
    median = [trial.intermediate_values for trial in trials_in(journal(tmp_path), TrialState.COMPLETE)[:4]]
    for trial in trials_in(journal(tmp_path), TrialState.PRUNED):
        step, value = max(trial.intermediate_values.items())
        assert step < 2 or value > min(values[2] for values in median)


@pytest.mark.parametrize("objective", ["poisson", "squared"])
def test_trial_0_is_the_configurations_own_and_scores_what_a_cross_fit_leaves(objective, tmp_path):
    model = MODEL.model_copy(update={"objective": objective})
    matrix, data, folds = problem()
    found = tuned(journal(tmp_path), 1, model=model, case=(matrix, data, folds))
    prediction = cross_fit(matrix, data, folds, model).prediction
    counts, expected = data.rate * data.exposure, prediction * data.exposure
    held = [folds.fold == fold for fold in range(2)]
    expected = np.mean([deviance(counts[rows], expected[rows]) / noise_deviance(expected[rows]) for rows in held])
    assert found.score == found.default_score == pytest.approx(expected, rel=1e-9)
    assert found.parameters == OWN


def test_in_scheme_blocks_no_row_is_scored_by_a_model_that_saw_it(tmp_path):
    matrix, data, folds = problem("blocks", bins=1)
    found = tuned(journal(tmp_path), 1, case=(matrix, data, folds))
    prediction = cross_fit(matrix, data, folds, MODEL).prediction
    unseen = folds.fold > 1  # neither of the training part nor of the validation that stops it
    counts, expected = (data.rate * data.exposure)[unseen], (prediction * data.exposure)[unseen]
    assert found.score == pytest.approx(deviance(counts, expected) / noise_deviance(expected), rel=1e-9)


@pytest.mark.parametrize(
    "own", [{"learning_rate": 0.01, "max_depth": 2}, {"min_child_weight": 3000.0, "subsample": 0.2}]
)
def test_the_range_reaches_to_the_configurations_own_values(own, tmp_path):
    found = tuned(journal(tmp_path), 3, model=MODEL.model_copy(update=own))
    assert found.default_score is not None
    first, *others = trials_in(journal(tmp_path))
    assert first.params == OWN | own
    for trial in others:
        for name, (low, high) in RANGES.items():
            limits = min(low, own.get(name, low)), max(high, own.get(name, high))
            assert limits[0] <= trial.params[name] <= limits[1]


def test_a_penalty_of_zero_starts_at_the_least_one_searched(tmp_path):
    tuned(journal(tmp_path), 1, model=MODEL.model_copy(update={"reg_lambda": 0.0, "min_child_weight": 0.0}))
    assert trials_in(journal(tmp_path))[0].params == OWN | {"reg_lambda": 0.1, "min_child_weight": 5.0}


def test_the_seed_decides(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tuned(journal(tmp_path / name), 7, seed=seed)
    a, b, c = (draws(trials_in(journal(tmp_path / name))) for name in "abc")
    assert a == b
    assert a[0] == c[0]
    assert not set(a[1:]) & set(c[1:])
    values = [[trial.value for trial in trials_in(journal(tmp_path / name))] for name in "ab"]
    assert values[0] == values[1]


@both_storages
def test_two_sittings_do_what_one_does(place, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    once = tuned(place(folders[0]), 9)
    assert tuned(place(folders[1]), 4).finished == 4
    assert tuned(place(folders[1]), 9) == once
    assert draws(trials_in(place(folders[1]))) == draws(trials_in(place(folders[0])))


def test_a_finished_study_is_not_gone_on_with(tmp_path):
    first = tuned(journal(tmp_path), 4)
    assert tuned(journal(tmp_path), 4) == tuned(journal(tmp_path), 2) == first
    assert len(trials_in(journal(tmp_path))) == 4


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
import test_tune
from polarbgb.background import tune

storage, mode, me, other, trials = sys.argv[1:]
train, fits = tune.train_fold, 0

def hangs(*arguments, **options):
    global fits
    fits += 1
    # Three trials of 2 folds, and one fit of the fourth; or one fit of the first.
    if fits > (1 if mode == "hang at once" else 3 * 2 + 1):
        print("hanging", flush=True)
        time.sleep(600)
    return train(*arguments, **options)

def count(steps, *, label, total):
    for step in steps:
        print("trial", flush=True)
        yield step

case = test_tune.problem()
if mode.startswith("hang"):
    tune.train_fold = hangs
else:  # both start at the same moment
    Path(me).touch()
    while not Path(other).exists():
        time.sleep(0.001)
print(test_tune.tuned(storage, int(trials), case=case, track=count).finished)
"""


def start(storage, mode, trials, me="", other=""):
    code = CHILD.format(folder=str(Path(__file__).parent))
    arguments = [sys.executable, "-c", code, storage, mode, str(me), str(other), str(trials)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@both_storages
def test_a_study_killed_in_a_trial_is_finished_by_the_next_sitting(place, tmp_path):
    storage = place(tmp_path)
    with start(storage, "hang", 7) as child:
        for line in child.stdout:
            if line == "hanging\n":
                break
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    before = ended_in(storage)
    assert [trial.number for trial in before] == [0, 1, 2]
    assert [trial.number for trial in trials_in(storage, TrialState.RUNNING)] == [3]

    found = tuned(storage, 7)
    assert trials_in(storage, TrialState.RUNNING) == []
    assert [trial.number for trial in trials_in(storage, TrialState.FAIL)] == [3]
    after = ended_in(storage)
    assert found.finished + found.pruned == len(after) == 7
    assert [(t.number, t.value, t.params) for t in after[:3]] == [(t.number, t.value, t.params) for t in before]
    assert found.default_score == before[0].value


def test_a_study_killed_in_its_first_trial_tries_the_own_values_again(tmp_path):
    with start(journal(tmp_path), "hang at once", 3) as child:
        for line in child.stdout:
            if line == "hanging\n":
                break
        child.send_signal(signal.SIGKILL)
    assert ended_in(journal(tmp_path)) == []
    found = tuned(journal(tmp_path), 3)
    second = trials_in(journal(tmp_path))[1]
    assert (second.number, second.params) == (1, OWN)
    assert found.default_score == second.value
    assert found.finished + found.pruned == 3


@both_storages
def test_two_processes_share_the_trials(place, tmp_path):
    storage = place(tmp_path)
    ready = tmp_path / "first", tmp_path / "second"
    children = [start(storage, "share", 14, *pair) for pair in (ready, ready[::-1])]
    answers = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], answers
    shares = [out.count("trial") for out, _ in answers]
    assert min(shares) > 0, answers
    ended = ended_in(storage)
    assert 14 <= len(ended) <= 15  # both may be in their last trial at once
    assert len(ended) == len(trials_in(storage))
    assert len(set(draws(ended))) == len(ended)


@both_storages
def test_a_study_of_something_else_is_refused(place, tmp_path):
    tuned(place(tmp_path), 2)
    with pytest.raises(UserError, match="study of another input or configuration; name another --storage") as error:
        tuned(place(tmp_path), 4, contract="two")
    assert "\n" not in str(error.value)
    assert len(trials_in(place(tmp_path))) == 2


@pytest.mark.parametrize("storage", ["mysterious://host/base", "sqlite:////nowhere/at/all/study.db"])
def test_a_storage_that_cannot_be_opened_is_told_in_one_line(storage):
    with pytest.raises(UserError, match="cannot be opened as a study") as error:
        tuned(storage, 1)
    assert str(error.value).startswith(f"--storage {storage}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_journal_is_told_in_one_line(tmp_path):
    path = tmp_path / "study.journal"
    path.write_text("a letter\nto a friend\n")
    with pytest.raises(UserError, match="cannot be opened as a study") as error:
        tuned(str(path), 1)
    assert "\n" not in str(error.value)


class Clock:
    """Time that moves a second each time somebody looks."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


def test_no_trial_starts_after_the_timeout(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "time", Clock())
    assert tuned(journal(tmp_path), 8, timeout=3.5).finished == 3


def test_time_for_no_trial_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "time", Clock())
    with pytest.raises(UserError, match="no trial finished in the time given; raise --timeout"):
        tuned(journal(tmp_path), 8, timeout=0.5)


@pytest.mark.parametrize(
    "spoil", [lambda text: text + b'{"op_code": 5, "wor', lambda text: text[:-30]], ids=["half", "cut"]
)
def test_half_a_line_at_the_end_of_a_journal_is_forgotten(tmp_path, spoil):
    path = tmp_path / "study.journal"
    tuned(str(path), 2)
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    assert tuned(str(path), 3).finished >= 2
    lines = path.read_bytes().splitlines(keepends=True)
    assert all(json.loads(line) for line in lines)
    kept = spoil(whole).rpartition(b"\n")[0] + b"\n"
    assert path.read_bytes().startswith(kept)


def test_a_full_disk_in_the_midst_of_a_study_is_told_in_one_line(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("polarbgb.background.tune.train_fold", full)
    with pytest.raises(UserError) as told:
        tuned(str(tmp_path / "study.journal"), 2)
    assert str(told.value) == f"--storage {tmp_path / 'study.journal'}: cannot be written (No space left on device)"
