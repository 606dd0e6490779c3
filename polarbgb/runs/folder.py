"""The run folder: the results of each command, published whole, and a manifest of how they were made.

A command writes into a draft beside the previous results. Publishing the draft is decided by one rename; if the process
is killed after that, the next one that opens the folder completes it. Only one process at a time may write.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypedDict

from polarbgb import __version__
from polarbgb.background.checkpoints import Checkpoints
from polarbgb.config import Config, load
from polarbgb.errors import RunError
from polarbgb.io.atomic import is_temporary, made_on_the_way
from polarbgb.io.provenance import command, digest, file_digest, versions
from polarbgb.runs.files import SCHEMA, Folder
from polarbgb.runs.stages import CONFIG, LOCAL, MANIFEST, STAGES, Stage

PATIENCE = 60.0
"""s to wait for another process that is publishing."""

_AFTER_FIT = ("intervals", "trigger", "classes", "inject")
"""Sections that may change after the fit; the manifest records them with each stage."""

_READY, _OBSOLETE, _CHECKPOINTS = ".ready", ".gone.json", ".parts"


class Manifest(TypedDict):
    """Content of ``manifest.json``.

    Attributes:
        schema: version of the layout.
        polarbgb: version of the package.
        stages: facts about each finished stage, by its name.
    """

    schema: int
    polarbgb: str
    stages: dict[str, dict[str, Any]]


class RunFolder(Folder):
    """A folder with a manifest, which records what each finished stage was made from and with.

    A stage is finished once the manifest names it. The files are described in ``docs/files.md``.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._lock: Any = None

    @classmethod
    def at(cls, run: RunFolder | str | Path) -> RunFolder:
        """Return a run folder as it is, with the lock that it may hold, or the one at a path."""
        return run if isinstance(run, RunFolder) else cls(run)

    def manifest(self) -> Manifest:
        """Return the manifest; it has no stages if nothing is finished yet.

        Raises:
            RunError: if the folder or its manifest cannot be read.
        """
        self._wait_until_settled()
        return self._read_manifest()

    def _read_manifest(self) -> Manifest:
        return read_manifest(self / MANIFEST) or {"schema": SCHEMA, "polarbgb": __version__, "stages": {}}

    def stage(self, name: str) -> Mapping[str, Any] | None:
        """Return the facts that the manifest records about a stage, or None if it is not finished."""
        return self.manifest()["stages"].get(name)

    def invalidated_by(self, name: str) -> tuple[str, ...]:
        """Return the finished stages that a new result of a stage removes."""
        stages = self.manifest()["stages"]
        return tuple(stage for stage in STAGES[name].invalidates if stage in stages)

    def require(self, *names: str) -> Mapping[str, Any]:
        """Return the facts about the first of several stages that is finished.

        Raises:
            RunError: if none is finished; the message names the command to run first.
        """
        stages = self.manifest()["stages"]
        for name in names:
            if name in stages:
                return stages[name]
        raise RunError(f"{self.path} holds no finished {names[0]}; run 'polarbgb {names[0]} -r {self.path}' first")

    @contextmanager
    def hold(self, *, wait: float = 0.0, reading: bool = False) -> Iterator[None]:
        """Lock the folder against other processes, and complete what a killed process left half done.

        A missing folder is created, and removed at the end if it is still empty. The lock is re-entrant.

        Args:
            wait: s to wait for another process.
            reading: only lock to read a consistent state; a folder that is missing or read-only is then no error.

        Raises:
            RunError: if another process holds the folder, or it cannot be written.
        """
        from filelock import FileLock, Timeout

        self._read_manifest()  # a folder that is not a run is left alone
        if reading and not self.path.exists():
            yield
            return
        with made_on_the_way(self.path) as made:
            self._lock = self._lock or FileLock(self / ".lock")
            try:
                self._lock.acquire(timeout=wait, poll_interval=0.05)
            except Timeout as error:
                raise RunError(
                    f"{self.path} is in use by another polarbgb; wait until that has ended, or name another --run "
                    "folder"
                ) from error
            except OSError as error:
                if not reading:
                    raise RunError(f"cannot write {self.path}: {error.strerror}") from error
                yield
                return
            try:
                self._settle()
                yield
            finally:
                self._lock.release()
                if made and [entry.name for entry in self.path.iterdir()] == [".lock"]:
                    (self / ".lock").unlink()

    def draft(self, name: str, *made_from: object) -> Draft:
        """Begin a stage; its previous results stay until the draft is published.

        Args:
            name: of the stage.
            made_from: plain values that determine the result. An unpublished draft made from the same values is
                continued, and one made from others is removed. Without values the stage begins afresh.
        """
        key = digest(name, *made_from)
        self._remove_drafts(name, keep=key if made_from else None)
        return Draft(self, name, key)

    def _remove_drafts(self, stage: str, *, keep: str | None = None) -> None:
        for draft in self.path.glob(f".draft-{stage}-*"):
            if keep is None or not draft.name.endswith(keep):
                shutil.rmtree(draft, ignore_errors=True)

    def holds(self, name: str, *made_from: object) -> bool:
        """Return whether a stage made from the same values is finished; see :meth:`draft`."""
        return (self.stage(name) or {}).get("made_from") == digest(name, *made_from)

    def forget(self, name: str) -> None:
        """Remove a stage and everything made from it, files and figures included."""
        with self.hold():
            self._publish(self.draft(name), None)

    def _publish(self, draft: Draft, facts: dict[str, Any] | None) -> tuple[Path, ...]:
        """Replace the stage of a draft by the draft, and return the paths of its files."""
        with self.hold(wait=PATIENCE):
            manifest = self._read_manifest()
            invalidated = STAGES.get(draft.stage, Stage(())).invalidates
            obsolete = set[str]()
            for name in (draft.stage, *invalidated):
                manifest["stages"].pop(name, None)
                obsolete |= STAGES.get(name, Stage(())).existing(self.path)
            if facts is not None:
                manifest["stages"][draft.stage] = facts
            names = draft.names()
            draft.write_text(_OBSOLETE, json.dumps(sorted(obsolete.difference(names))))
            draft.write_json(MANIFEST, {**manifest, "polarbgb": __version__})
            draft.path.rename(self / _READY)  # this decides that the draft is published
            self._settle()
            for name in invalidated:
                self._remove_drafts(name)
        return tuple(self / name for name in names)

    def _settle(self) -> None:
        """Complete a publication, and remove temporary files of killed processes; the caller holds the folder."""
        ready = self / _READY
        if ready.is_dir():
            for name in self.read_json(f"{_READY}/{_OBSOLETE}") if (ready / _OBSOLETE).exists() else []:
                self._inside(name).unlink(missing_ok=True)
            for name in [*_visible(ready), MANIFEST]:  # the manifest last
                if (ready / name).exists():
                    target = self._inside(name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (ready / name).replace(target)
            shutil.rmtree(ready)
        for hidden in [*self.path.glob(".*"), *self.path.glob("plots/.*")]:
            if is_temporary(hidden):
                shutil.rmtree(hidden) if hidden.is_dir() else hidden.unlink(missing_ok=True)

    def _inside(self, name: str) -> Path:
        """Return the path of a file of the folder; refuse names that lead out of a folder that others made."""
        path = self / name
        if not path.parent.resolve().is_relative_to(self.path.resolve()):
            raise RunError(f"{self / _READY}: names the file {name}, which is not in {self.path}; remove it")
        return path

    def _wait_until_settled(self) -> None:
        """Wait while another process publishes, and complete the publication of a killed one."""
        until = time.monotonic() + PATIENCE
        while (self / _READY).is_dir() and not (self._lock and self._lock.is_locked):
            try:
                with self.hold(reading=True):
                    return
            except RunError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def config(self, overrides: Sequence[str] = ()) -> Config:
        """Return the configuration of the run.

        Args:
            overrides: ``section.key=value`` settings that replace those of the run.

        Raises:
            UserError: if the folder is not a run, or a setting is wrong.
        """
        self.require("fit", "predict")
        config = load(self / CONFIG, overrides)
        return config.model_copy(update={"input": config.input.model_copy(update={"path": self.sources()})})

    def config_of(self, stage: str) -> Config:
        """Return the configuration of the run, with the sections that a later stage replaced.

        Args:
            stage: ``detect`` or ``evaluate``; if it is not finished, nothing is replaced.
        """
        config, facts = self.config(), self.stage(stage) or {}
        replaced = {name: type(getattr(config, name)) for name in _AFTER_FIT if name in facts}
        return config.model_copy(update={name: kind.model_validate(facts[name]) for name, kind in replaced.items()})

    def sources(self) -> tuple[Path, ...]:
        """Return the paths of the files that were fitted or predicted; only names if that was on another machine.

        Raises:
            RunError: if nothing was fitted or predicted.
        """
        names = [file["file"] for file in self.require("fit", "predict")["input"]["files"]]
        return tuple(Path(name) for name in self._local("input") or names)

    def models(self) -> Path:
        """Return the run folder whose models made a prediction."""
        return Path(str(self._local("models") or self.require("predict")["models"]["run"]))

    def _local(self, name: str) -> str | list[str] | None:
        """Return a path, or paths, on this machine; None if the folder was copied without its ``local.json``."""
        self.require("fit", "predict")
        paths: dict[str, str | list[str]] = self.read_json(LOCAL) if (self / LOCAL).exists() else {}
        return paths.get(name)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the scores of the fit: :meth:`polarbgb.background.metrics.Score.as_dict` of each."""
        return list(self.read_json("metrics.json")["scores"])

    @classmethod
    def default(cls, config: Config) -> Self:
        """Return the default run folder of an instrument, ``outputs/<name in lower case>``."""
        return cls(Path("outputs") / config.name.lower().replace(" ", "_"))


def read_manifest(path: Path) -> Manifest | None:
    """Return the content of a manifest, or None if there is no such file.

    Raises:
        RunError: if the file is damaged or of another layout, or lies below what is not a folder.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise RunError(f"{path.parent} is a file, not a run folder; name another with --run") from error
    except OSError as error:
        raise RunError(f"{path}: not a readable manifest ({error.strerror}); name another --run folder") from error
    except (ValueError, RecursionError):
        manifest = None
    if isinstance(manifest, dict):
        schema, stages = manifest.get("schema"), manifest.get("stages")
        if schema != SCHEMA:
            earlier = isinstance(schema, int) and schema < SCHEMA
            raise RunError(
                f"{path.parent} was written by {'an earlier' if earlier else 'another'} version of polarbgb "
                f"({manifest.get('polarbgb')}, layout {schema}; this version reads layout {SCHEMA}): fit again in "
                "another run folder, or install that version"
            )
        if isinstance(stages, dict) and all(isinstance(facts, dict) for facts in stages.values()):
            return Manifest(schema=schema, polarbgb=str(manifest.get("polarbgb")), stages=stages)
    raise RunError(f"{path}: not a readable manifest; name another --run folder")


class Draft(Folder):
    """The results of a command before they are published.

    A command that was killed and is run again finds its draft, and continues from the checkpoints in it.
    """

    def __init__(self, run: RunFolder, stage: str, key: str) -> None:
        super().__init__(run.path / f".draft-{stage}-{key}")
        self.stage = stage
        self._run = run
        self._key = key

    @property
    def checkpoints(self) -> Checkpoints:
        """The finished parts of the work; they are removed when the draft is published."""
        return Checkpoints(self / _CHECKPOINTS)

    def names(self) -> list[str]:
        """Return the names of the files to publish."""
        return _visible(self.path)

    def publish(self, started: float, **facts: object) -> tuple[Path, ...]:
        """Move the draft into the run folder, as a whole or not at all.

        Args:
            started: when the command began, s of ``time.monotonic()``.
            facts: what the manifest records about the stage.

        Returns:
            The paths of the files in the run folder.
        """
        data = [name for name in self.names() if not name.startswith("plots/")]
        stage_facts = {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 2),
            "command": command(),
            "versions": versions(),
            **facts,
            "made_from": self._key,
            "files": {name: file_digest(self / name) for name in data if name != LOCAL},
        }
        return self._run._publish(self, stage_facts)

    def deliver(self) -> tuple[Path, ...]:
        """Put files that belong to no stage, such as figures of several, into the run folder."""
        return self._run._publish(self, None)


def _visible(folder: Path) -> list[str]:
    """Return the names of the files below a folder of which no part begins with a dot, the manifest left out."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return [name for name in names if name != MANIFEST and not re.search(r"(^|/)\.", name)]
