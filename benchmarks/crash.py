"""Kill every verb at random moments, run it again, and compare what it comes to with an undisturbed run.

    python benchmarks/crash.py --kills 50

Each kill is a SIGKILL to a process of the command line, at a moment drawn evenly over the time that the verb takes
undisturbed. Afterwards the folder has to open, every file that its manifest names has to have the digest that stands
there, and the same command has to end with the very files of the undisturbed run. What was done twice is what the
resumed process made (models, explanations, figures), with what the killed one had left, less what an undisturbed run
makes; of a search, the trials that were begun and not finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from polarbgb.runs.folder import RunFolder

SETTINGS = (
    "model.n_estimators=20",
    "model.learning_rate=0.2",
    "folds.count=3",
    "tune.trials=5",
    "tune.rows=20000",
    "explain.rows=600",
)
COUNTING = """
import sys
from pathlib import Path
import polarbgb.background.cross_fit as crossfit, polarbgb.background.checkpoints as parts
import polarbgb.workflow.figures as figures
from polarbgb.cli.main import main

made = 0
def counted(function):
    def call(*args, **kwargs):
        global made
        made += 1
        return function(*args, **kwargs)
    return call
crossfit.train_fold = counted(crossfit.train_fold)
parts.np.savez = counted(parts.np.savez)
figures.save_drawn = counted(figures.save_drawn)
out = Path(sys.argv[1])
sys.argv = ["polarbgb", *sys.argv[2:]]
try:
    main()
finally:
    out.write_text(str(made))
"""
"""The command line, which leaves in a file how many models, explanations and figures it made."""
VERBS = ("tune", "fit", "explain", "export", "report")


@dataclass(frozen=True)
class Kill:
    """What came of one kill.

    Attributes:
        verb: that was killed.
        after: s after its start.
        ended: whether it had ended before.
        kept: finished parts found afterwards.
        twice: parts that were made twice, or trials begun and not finished.
        alike: whether the resumed run came to the files of the undisturbed one.
    """

    verb: str
    after: float
    ended: bool
    kept: int
    twice: int
    alike: bool


def command(verb: str, run: Path, mission: Path) -> list[str]:
    """Return the command line of a verb."""
    words = [sys.executable, "-c", COUNTING, f"{run}.count", verb, "-q", "-r", str(run)]
    if verb in {"tune", "fit"}:
        words += ["-i", str(mission), *(word for one in SETTINGS for word in ("--set", one))]
    if verb == "report":
        words += ["--plots", "pdf"]
    return words


def do(words: list[str], *, kill_after: float | None = None) -> float | None:
    """Run a command to its end, or to a kill; return the seconds that it took, None where it was killed."""
    started = time.monotonic()
    child = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE)
    try:
        _, error = child.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return None
    if child.returncode:
        raise SystemExit(f"{' '.join(words)}: {error.decode()}")
    return time.monotonic() - started


def results(run: Path) -> dict[str, str]:
    """Return the digest of every file that a reader sees, but the manifest and the study."""
    return {
        file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in run.rglob("*")
        if file.is_file()
        and file.name not in {"manifest.json", "study.journal"}
        and not any(part.startswith(".") for part in file.relative_to(run).parts)
    }


def require_valid(run: Path) -> None:
    """Check that a folder opens and holds what its manifest says."""
    found = RunFolder(run).manifest()["stages"]
    for stage in found.values():
        for name, digest in stage["files"].items():
            if hashlib.sha256((run / name).read_bytes()).hexdigest() != digest:
                raise SystemExit(f"{run / name} is not what the manifest says")


def kept(run: Path) -> int:
    """Count the finished parts that a killed process left."""
    parts = [*run.glob(".draft-*/.parts/**/*.json"), *run.glob(".draft-*/.parts/**/*.npz")]
    stages = ("fit", "explain", "plot")  # whose drafts are continued
    figures = [file for stage in stages for file in run.glob(f".draft-{stage}-*/plots/[!.]*")]
    return len(parts) + len(figures)


def made(run: Path) -> int:
    """Return how many parts the last command made."""
    return int(Path(f"{run}.count").read_text(encoding="utf-8"))


def trials(run: Path) -> Counter[str]:
    """Count the trials of a study by what became of them."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name="polarbgb", storage=JournalStorage(JournalFileBackend(str(run / "study.journal")))
    )
    return Counter(trial.state.name for trial in study.get_trials(deepcopy=False))


def killed(verb: str, before: Path, whole: dict[str, str], mission: Path, *, makes: int, after: float) -> Kill:
    """Kill a verb, look, and run it again."""
    run = before.parent / "killed"
    shutil.copytree(before, run)
    words = command(verb, run, mission)
    ended = do(words, kill_after=after) is not None
    if (run / "manifest.json").exists():
        require_valid(run)
    parts = kept(run)
    do(words)
    require_valid(run)
    twice = trials(run)["FAIL"] if verb == "tune" else 0 if ended else made(run) + parts - makes
    alike = results(run) == whole
    if not alike:
        theirs = results(run)
        print(sorted(name for name in theirs.keys() | whole.keys() if theirs.get(name) != whole.get(name)))
    shutil.rmtree(run)
    return Kill(verb, after, ended, parts, twice, alike)


@click.command()
@click.option("--kills", default=50, show_default=True, help="In all, dealt out to the verbs.")
@click.option("--days", default=0.5, show_default=True, help="Length of the simulated mission.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(kills: int, days: float, seed: int) -> None:
    """Kill and compare."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as place:
        mission, run = Path(place) / "mission.root", Path(place) / "run"
        do([sys.executable, "-m", "polarbgb", "simulate", str(mission), "--days", str(days), "-q"])
        run.mkdir()
        found: list[Kill] = []
        for verb in VERBS:
            before = Path(place) / f"before_{verb}"
            shutil.copytree(run, before)
            takes = do(command(verb, run, mission)) or 0.0
            whole, makes = results(run), made(run)
            for after in rng.uniform(0, takes, kills // len(VERBS)):
                found.append(killed(verb, before, whole, mission, makes=makes, after=float(after)))
                print(json.dumps(found[-1].__dict__), flush=True)
            of_verb = [one for one in found if one.verb == verb]
            print(
                f"{verb}: {len(of_verb)} kills within {takes:.1f} s, {sum(one.alike for one in of_verb)} came to the "
                f"same files, at most {max(one.twice for one in of_verb)} of {makes} parts were made twice",
                flush=True,
            )
            if verb == "fit":
                do(command("detect", run, mission))
    if not all(one.alike for one in found):
        raise SystemExit("some came to other files")


if __name__ == "__main__":
    main()
