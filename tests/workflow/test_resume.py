"""A verb that was broken off goes on where it was, and comes to what it would have come to."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

import polarbgb
from polarbgb.runs.folder import RunFolder


class Killed(BaseException):
    """Stands for the end of the process."""


class Watch:
    """Counts the steps that a verb does by their label, and ends it in the midst of one."""

    def __init__(self, label=None, steps=0):
        self.done = {}
        self._label, self._left = label, steps

    def __call__(self, steps, *, label, total):
        del total
        for step in steps:
            if label == self._label and self._left == 0:
                raise Killed
            self._left -= label == self._label
            yield step
            self.done[label] = self.done.get(label, 0) + 1


def digests(run):
    """Return the SHA-256 of every result by stage, of the manifest."""
    return {name: stage["files"] for name, stage in run.manifest()["stages"].items() if "files" in stage}


def broken_off(verb, *args, label, steps, **kwargs):
    with pytest.raises(Killed):
        verb(*args, track=Watch(label, steps), **kwargs)


def goes_on(verb, *args, **kwargs):
    watch = Watch()
    verb(*args, track=watch, **kwargs)
    return watch.done


@pytest.fixture
def begun(results, tmp_path, mission, small):
    """A folder that holds the same search as the finished run, and nothing else."""
    run = RunFolder(tmp_path / "begun")
    run.path.mkdir()
    shutil.copyfile(results.fit.run / "study.journal", run / "study.journal")
    polarbgb.tune(small, run, path=mission)
    return run


@pytest.mark.parametrize(
    ("label", "steps", "left"), [("cleaning, round 1", 2, {"cleaning, round 1": 1, "fit": 3}), ("fit", 2, {"fit": 1})]
)
def test_a_fit_trains_only_what_it_had_not_trained(begun, finished, small, mission, label, steps, left):
    broken_off(polarbgb.fit, small, begun, path=mission, label=label, steps=steps)
    assert begun.stage("fit") is None
    done = goes_on(polarbgb.fit, small, begun, path=mission)
    assert {name: done.get(name, 0) for name in left} == left
    assert digests(begun)["fit"] == digests(finished)["fit"]
    assert not [*begun.path.glob(".draft-*")]


def test_a_fit_with_other_settings_begins_anew(begun, small, mission):
    broken_off(polarbgb.fit, small, begun, path=mission, label="cleaning, round 1", steps=2)
    other = small.model_copy(update={"model": small.model.model_copy(update={"seed": 5})})
    assert goes_on(polarbgb.fit, other, begun, path=mission)["cleaning, round 1"] == 3


def test_a_fit_that_breaks_off_leaves_the_last_one_as_it_was(copied, small, mission):
    before = copied.manifest(), digests(copied)
    other = small.model_copy(update={"model": small.model.model_copy(update={"seed": 5})})
    broken_off(polarbgb.fit, other, copied, path=mission, label="fit", steps=2)
    assert (copied.manifest(), digests(copied)) == before
    assert polarbgb.open(copied.path).events.height == before[0]["stages"]["detect"]["events"]


def test_an_explanation_explains_only_what_it_had_not(copied, finished):
    copied.forget("explain")
    broken_off(polarbgb.explain, copied, label="explain", steps=2)
    broken_off(polarbgb.explain, copied, label="slopes", steps=3)
    watch = goes_on(polarbgb.explain, copied)
    assert watch["slopes"] > 3  # what is kept is passed over as quickly as it is read
    assert digests(copied)["explain"] == digests(finished)["explain"]


def test_a_search_that_is_broken_off_in_a_trial_draws_it_again(finished, small, mission, tmp_path, monkeypatch):
    run = RunFolder(tmp_path / "a")

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("polarbgb.background.tune.train_fold", killed)
        with pytest.raises(Killed):
            polarbgb.tune(small, run, path=mission)
    monkeypatch.setattr("polarbgb.background.tune._is_alive", lambda process: False)  # as it would have been
    polarbgb.tune(small, run, path=mission)
    assert digests(run)["tune"] == digests(finished)["tune"]
    assert (run / "best.toml").read_bytes() == (finished / "best.toml").read_bytes()


def test_figures_that_were_drawn_are_not_drawn_again(copied, monkeypatch):
    from polarbgb.workflow import figures

    drawn = []
    save = figures.save_drawn

    def auxiliary(figure, path):
        drawn.append(path.name)
        return save(figure, path)

    monkeypatch.setattr("polarbgb.workflow.figures.save_drawn", auxiliary)
    broken_off(polarbgb.plot, copied, label="draw", steps=4)
    assert len(drawn) == 4
    polarbgb.plot(copied)
    assert len(drawn) == len(set(drawn)) > 10


def test_killed_in_the_midst_the_same_command_goes_on(begun, finished, settings, mission):
    words = [
        *("fit", "-i", str(mission), "-r", str(begun.path)),
        *(word for one in settings for word in ("--set", one)),
    ]
    command = [sys.executable, "-m", "polarbgb", *words]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len([*begun.path.glob(".draft-fit-*/.parts/*/*.json")]) < 5 and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert set(begun.manifest()["stages"]) == {"tune"}
    kept = {file: file.stat().st_mtime_ns for file in begun.path.glob(".draft-fit-*/.parts/*/*.json")}
    assert len(kept) >= 5
    polarbgb.fit(small_of(settings), begun, path=mission)
    assert digests(begun)["fit"] == digests(finished)["fit"]


def small_of(settings):
    return polarbgb.load("configs/polar.toml", settings)


def test_interrupted_at_the_keyboard_it_says_so_in_one_line(begun, settings, mission):
    words = [
        *("fit", "-i", str(mission), "-r", str(begun.path)),
        *(word for one in settings for word in ("--set", one)),
    ]
    child = subprocess.Popen(
        [sys.executable, "-m", "polarbgb", *words, "-q"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not [*begun.path.glob(".draft-fit-*/.parts/*/*.json")] and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert err.strip() == "interrupted; finished work is kept, and the same command continues from there"
    assert begun.stage("fit") is None


def test_a_run_that_is_done_keeps_its_fit_and_goes_on_behind_it(begun, small, mission, monkeypatch):
    polarbgb.fit(small, begun, path=mission)
    told = []
    monkeypatch.setattr("polarbgb.workflow.run.detect", lambda *_, **__: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        polarbgb.run(small, begun, path=mission, on_result=told.append)
    assert [type(one).__name__ for one in told] == ["InspectResult", "KeptResult"]
    other = small.model_copy(update={"model": small.model.model_copy(update={"seed": 5})})
    with pytest.raises(polarbgb.UserError, match="holds a study of another input or configuration"):
        polarbgb.run(other, begun, path=mission)
