"""A stage is published whole, whatever happens meanwhile, and by one process at a time."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from polarbgb.errors import UserError
from polarbgb.runs.folder import RunFolder

OLD, NEW = "old", "new"


def state(path):
    """Return what a reader sees: the manifest's facts, and the text of every file that is not hidden."""
    facts = {name: stage["told"] for name, stage in RunFolder(path).manifest()["stages"].items()}
    files = [file for file in path.rglob("*") if file.is_file() and file.name != "manifest.json"]
    return facts, {
        file.relative_to(path).as_posix(): file.read_text()
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(path).parts)
    }


def fill(draft, told):
    names = ["config.toml", "models/fold0_bin0.ubj", "prediction.parquet", "plots/pulls.png"]
    for name in [*names, f"models/{told}.ubj"]:
        draft.write_text(name, f"{told} {name}")


def published(path, told, stage="fit"):
    draft = RunFolder(path).draft(stage)
    fill(draft, told)
    draft.publish(0.0, told=told)


def with_results(path):
    published(path, OLD)
    run = RunFolder(path)
    draft = run.draft("detect")
    draft.write_text("events.parquet", "of the old fit")
    draft.publish(0.0, told=OLD)
    (path / "mine.txt").write_text("the user's own")
    return state(path)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it but what would run after a kill."""


STEPS = [(os, "rename"), (os, "replace"), (os, "unlink"), (os, "rmdir")]


def cut_off(monkeypatch, after):
    """Let so many changes of names happen, then none; return a list that holds one entry for each."""
    done = []
    for module, name in STEPS:
        real = getattr(module, name)

        def step(*args, _real=real, **kwargs):
            if len(done) >= after:
                raise Killed
            done.append(args)
            return _real(*args, **kwargs)

        monkeypatch.setattr(module, name, step)
    return done


def test_cut_off_at_any_step_a_publication_is_whole_or_has_not_happened(tmp_path, monkeypatch):
    whole = tmp_path / "undisturbed"
    with_results(whole)
    published(whole, NEW)
    after, seen = state(whole), set()
    for step in range(200):
        path = tmp_path / str(step)
        before = with_results(path)
        with monkeypatch.context() as patch:
            done = cut_off(patch, step)
            with contextlib.suppress(Killed):
                published(path, NEW)
            finished = len(done) < step
        found = state(path)
        assert found in (before, after)
        seen.add(found == after)
        published(path, NEW)  # the same command again
        assert state(path) == after
        with RunFolder(path).hold():
            assert [one.name for one in path.iterdir() if one.name.startswith(".")] == [".lock"]
        if finished:
            break
    assert finished
    assert seen == {False, True}


def test_what_is_made_anew_takes_its_dependants_and_their_figures_along(tmp_path):
    run = RunFolder(tmp_path / "a")
    with_results(run.path)
    for name in ("events.png", "light_curve.png", "mine.png"):
        (run / f"plots/{name}").write_text("drawn")
    published(run.path, NEW)
    facts, files = state(run.path)
    assert facts == {"fit": NEW}
    assert "models/new.ubj" in files
    assert {"events.parquet", "models/old.ubj", "plots/events.png", "plots/light_curve.png"}.isdisjoint(files)
    assert {"mine.txt", "plots/mine.png", "plots/pulls.png"} <= files.keys()


def test_a_draft_of_the_same_is_gone_on_with_and_one_of_others_goes(tmp_path):
    run = RunFolder(tmp_path)
    draft = run.draft("fit", "this input", {"trees": 20})
    draft.write_text("models/fold0_bin0.ubj", "grown")
    assert (run.draft("fit", "this input", {"trees": 20}) / "models/fold0_bin0.ubj").read_text() == "grown"
    assert not (run.draft("fit", "this input", {"trees": 21}) / "models/fold0_bin0.ubj").exists()
    assert not draft.path.exists()
    assert run.stage("fit") is None


def test_a_failure_while_a_draft_is_written_leaves_the_results_as_they_were(tmp_path, monkeypatch):
    before = with_results(tmp_path)
    draft = RunFolder(tmp_path).draft("fit")
    fill(draft, NEW)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"^cannot write .*\.gone\.json: No space left on device$"):
        draft.publish(0.0, told=NEW)
    monkeypatch.undo()
    assert state(tmp_path) == before


def test_the_manifest_tells_the_digests_of_the_files(tmp_path):
    run = RunFolder(tmp_path)
    draft = run.draft("detect")
    draft.write_text("events.parquet", "abc")
    draft.publish(0.0)
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert run.stage("detect")["files"] == {"events.parquet": sha}


HOLD = """
import sys, time
from pathlib import Path
from polarbgb.runs.folder import RunFolder
run = RunFolder(sys.argv[1])
with run.hold():
    run.draft("fit", "x").write_text("config.toml", "begun")
    Path(sys.argv[2]).touch()
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder a, in the midst of a fit."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "a"), str(tmp_path / "ready")])
    until = time.monotonic() + 30
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    yield child
    child.kill()
    child.wait()


def test_a_second_process_is_refused_until_the_first_has_ended_however_it_did(holder, tmp_path):
    run = RunFolder(tmp_path / "a")
    with pytest.raises(UserError) as refused, run.hold():
        pass
    assert str(refused.value) == (
        f"{run.path} is in use by another polarbgb; wait until that has ended, or name another --run folder"
    )
    with pytest.raises(UserError, match="is in use"):
        RunFolder(run.path).forget("detect")
    holder.kill()
    holder.wait()
    with run.hold(), run.hold():  # what calls another verb holds it twice
        assert (run.draft("fit", "x") / "config.toml").read_text() == "begun"


def test_the_command_line_refuses_a_folder_in_use(holder, finished, tmp_path):
    del holder
    for words in (["fit", "-i", "x.root"], ["detect"], ["explain"], ["report"], ["export"], ["plot"]):
        (tmp_path / "a" / "manifest.json").write_bytes((finished / "manifest.json").read_bytes())
        command = [sys.executable, "-m", "polarbgb", *words, "-r", str(tmp_path / "a")]
        for name in ("config.toml", "known_events.csv", "local.json", "prediction.parquet"):
            (tmp_path / "a" / name).write_bytes((finished / name).read_bytes())
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "is in use by another polarbgb" in done.stderr


def test_a_folder_made_for_nothing_goes_again(tmp_path):
    run = RunFolder(tmp_path / "outputs" / "b")
    with contextlib.suppress(ZeroDivisionError), run.hold():
        assert run.path.is_dir()
        raise ZeroDivisionError
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("layout", [99, 2, None])
def test_results_of_another_layout_are_refused_by_name(tmp_path, layout):
    run = RunFolder(tmp_path)
    told = {} if layout is None else {"schema": layout}
    pl.DataFrame({"a": [1]}).write_parquet(
        run / "events.parquet", metadata={key: str(value) for key, value in told.items()}
    )
    (run / "evaluation.json").write_text(json.dumps(told))
    for read, name in ((run.read_frame, "events.parquet"), (run.scan_frame, "events.parquet"),
                       (run.read_json, "evaluation.json")):  # fmt: skip
        with pytest.raises(UserError, match=rf"{name}: written by another version .*\(layout {layout or 1}; this"):
            read(name)
