"""The run folder: what each verb leaves for the next one, and how it came about.

A verb writes into a draft beside the results of the last one, and publishes it whole: by one rename it is decided, and
whoever opens the folder next completes what a killed process did not. One process at a time may write.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from polarbgb import __version__
from polarbgb.background.checkpoints import Checkpoints
from polarbgb.config import Config, load
from polarbgb.config.text import portable, to_toml
from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic, is_temporary, made_on_the_way
from polarbgb.io.provenance import command, digest, file_digest, versions
from polarbgb.runs.stages import CONFIG, KNOWN, LOCAL, MANIFEST, STAGES, Stage

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

SCHEMA = 4
"""Version of the folder's layout and of its files; no other is read."""

PATIENCE = 60.0
"""s to wait for a process that publishes."""

_LATER = ("intervals", "trigger", "classes", "inject")
"""Sections that may change after the fit; the manifest tells what they were in a stage."""

_READY, _GONE, _PARTS = ".ready", ".gone.json", ".parts"


class Folder:
    """A place for files, each of which appears whole or not at all."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file and return its path."""
        with atomic(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return self.path / name

    def write_json(self, name: str, content: Mapping[str, object]) -> Path:
        """Write a JSON object, with the version of its layout, and return its path."""
        return self.write_text(name, json.dumps({"schema": SCHEMA, **content}, indent=1, default=str) + "\n")

    def write_frame(self, name: str, frame: pl.DataFrame) -> Path:
        """Write a frame as Parquet, with the version of its layout in its metadata, and return its path."""
        with atomic(self.path / name) as temporary:
            frame.write_parquet(
                temporary, compression="zstd", metadata={"polarbgb": __version__, "schema": str(SCHEMA)}
            )
        return self.path / name

    def write_config(self, config: Config) -> None:
        """Write the resolved configuration with a copy of the known events: the folder stands alone, wherever it is."""
        known = config.known_events
        if known is not None:
            with atomic(self.path / KNOWN) as temporary:
                shutil.copyfile(known.file, temporary)
            config = config.model_copy(update={"known_events": known.model_copy(update={"file": Path(KNOWN)})})
        self.write_text(CONFIG, f"# polarbgb {__version__}, schema {SCHEMA}\n{to_toml(portable(config))}")


class RunFolder(Folder):
    """A folder with a manifest: which stages are done, from what, with what.

    What its files hold stands in ``docs/files.md``. A stage counts only once the manifest names it.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._manifest = self.path / MANIFEST
        self._lock: Any = None

    def manifest(self) -> dict[str, Any]:
        """Return the manifest: ``schema``, ``polarbgb`` (the version) and ``stages``, empty where there is none yet.

        Raises:
            UserError: if the folder or its manifest cannot be read.
        """
        self._wait_until_settled()
        return self._read_manifest()

    def _read_manifest(self) -> dict[str, Any]:
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file, not a run folder; name another with --run")
        try:
            return read_manifest(self._manifest)
        except FileNotFoundError:
            return {"schema": SCHEMA, "polarbgb": __version__, "stages": {}}
        except NotADirectoryError as error:
            raise UserError(
                f"{self.path}: a part of that is a file, not a run folder; name another with --run"
            ) from error

    def stage(self, name: str) -> Mapping[str, Any] | None:
        """Return what the manifest holds of a stage, or None where it is not done."""
        found: Mapping[str, Any] | None = self.manifest()["stages"].get(name)
        return found

    def require(self, *names: str) -> Mapping[str, Any]:
        """Return what the manifest holds of the first of some stages that is done.

        Raises:
            UserError: naming the verb to run first.
        """
        for name in names:
            found = self.stage(name)
            if found is not None:
                return found
        raise UserError(f"{self.path} holds no finished {names[0]}; run 'polarbgb {names[0]} -r {self.path}' first")

    @contextmanager
    def hold(self, *, wait: float = 0.0, reading: bool = False) -> Iterator[None]:
        """Keep other processes out of the folder, and settle what a killed one left half done.

        A folder that is made for that goes again where nothing was put into it. Who holds it may hold it once more.

        Args:
            wait: s to wait for another process.
            reading: a whole state is to be read: then a folder that is missing or cannot be written is no error.

        Raises:
            UserError: if another process holds it, or it cannot be written.
        """
        from filelock import FileLock, Timeout

        self._read_manifest()  # what is no run is not touched
        if reading and not self.path.exists():
            yield
            return
        with made_on_the_way(self.path) as made:
            self._lock = self._lock or FileLock(self.path / ".lock")
            try:
                self._lock.acquire(timeout=wait, poll_interval=0.05)
            except Timeout as error:
                raise UserError(
                    f"{self.path} is in use by another polarbgb; wait until that has ended, or name another --run "
                    "folder"
                ) from error
            except OSError as error:
                if not reading:
                    raise UserError(f"cannot write {self.path}: {error.strerror}") from error
                yield
                return
            try:
                self._settle()
                yield
            finally:
                self._lock.release()
                if made and [entry.name for entry in self.path.iterdir()] == [".lock"]:
                    (self.path / ".lock").unlink()

    def draft(self, name: str, *made_from: object) -> Draft:
        """Begin a stage: nothing of the last one changes before the draft is published.

        Args:
            name: of the stage.
            made_from: plain values that decide what comes out. A draft of the same values that was never published is
                gone on with; one of others goes. Without them it is begun anew.
        """
        key = digest(name, *made_from)
        for other in self.path.glob(f".draft-{name}-*"):
            if not made_from or not other.name.endswith(key):
                shutil.rmtree(other, ignore_errors=True)
        return Draft(self, name, key)

    def holds(self, name: str, *made_from: object) -> bool:
        """Say whether a stage is done that was made from the same values; see :meth:`draft`."""
        return (self.stage(name) or {}).get("made_from") == digest(name, *made_from)

    def forget(self, name: str) -> None:
        """Take a stage, and all that was made from it, out of the run, with files and figures."""
        with self.hold():
            self._publish(self.draft(name), None)

    def _publish(self, draft: Draft, entry: Mapping[str, object] | None) -> tuple[Path, ...]:
        """Put a draft into the place of its stage, and return the paths of its files."""
        with self.hold(wait=PATIENCE):
            manifest = self._read_manifest()
            stage = STAGES.get(draft.stage, Stage(()))
            fallen = [draft.stage, *stage.with_it]
            for name in fallen:
                manifest["stages"].pop(name, None)
            if entry is not None:
                manifest["stages"][draft.stage] = entry
            names = draft.names()
            held = set[str]().union(*(STAGES.get(name, Stage(())).held(self.path) for name in fallen))
            draft.write_text(_GONE, json.dumps(sorted(held.difference(names))))
            draft.write_json(MANIFEST, manifest | {"schema": SCHEMA, "polarbgb": __version__})
            draft.path.rename(self.path / _READY)  # from here on it is decided
            self._settle()
            for name in stage.with_it:
                for other in self.path.glob(f".draft-{name}-*"):
                    shutil.rmtree(other, ignore_errors=True)
        return tuple(self.path / name for name in names)

    def _settle(self) -> None:
        """Complete a publication, and clear away what a killed process had under way; for who holds the folder."""
        ready = self.path / _READY
        if ready.is_dir():
            gone = self.read_json(f"{_READY}/{_GONE}") if (ready / _GONE).exists() else []
            for name in gone:
                self._inside(name).unlink(missing_ok=True)
            for name in [*_visible(ready), MANIFEST]:  # the manifest last
                if (ready / name).exists():
                    target = self._inside(name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (ready / name).replace(target)
            shutil.rmtree(ready)
        for left in [*self.path.glob(".*"), *self.path.glob("plots/.*")]:
            if is_temporary(left):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def _inside(self, name: str) -> Path:
        """Return the path of a file of the folder; a folder from a stranger may say that it lies elsewhere."""
        path = self.path / name
        if not path.parent.resolve().is_relative_to(self.path.resolve()):
            raise UserError(f"{self.path / _READY}: speaks of {name}, which is not in {self.path}; remove it")
        return path

    def _wait_until_settled(self) -> None:
        """Wait while another process publishes; complete what a killed one had decided."""
        until = time.monotonic() + PATIENCE
        while (self.path / _READY).is_dir() and not (self._lock and self._lock.is_locked):
            try:
                with self.hold(reading=True):
                    return
            except UserError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def config(self, overrides: Sequence[str] = ()) -> Config:
        """Return the configuration the run was made with, some of its settings overridden.

        Raises:
            UserError: if the folder is not a run, or a setting does not fit.
        """
        self.require("fit", "predict")
        config = load(self.path / CONFIG, overrides)
        return config.model_copy(update={"input": config.input.model_copy(update={"path": self.source()})})

    def config_of(self, stage: str) -> Config:
        """Return the configuration of the run with the sections that a later stage was run with.

        Args:
            stage: ``detect`` or ``evaluate``; as the run was made, where it was not run.
        """
        config, asked = self.config(), self.stage(stage) or {}
        given = {name: type(getattr(config, name)) for name in _LATER if name in asked}
        return config.model_copy(update={name: section.model_validate(asked[name]) for name, section in given.items()})

    def source(self) -> Path:
        """Return where the file lay that was fitted or predicted: its mere name, where that was on another machine.

        Raises:
            UserError: if nothing was.
        """
        return Path(self._place("input") or self.require("fit", "predict")["input"]["file"])

    def models(self) -> Path:
        """Return the run folder of the models of a predicted run."""
        return Path(self._place("models") or self.require("predict")["models"]["run"])

    def _place(self, what: str) -> str | None:
        """Return a place on this machine; None in a folder that came without them."""
        self.require("fit", "predict")
        if not (self.path / LOCAL).exists():
            return None
        found: str | None = self.read_json(LOCAL).get(what)
        return found

    def read_frame(self, name: str) -> pl.DataFrame:
        """Read a frame of a finished stage.

        Raises:
            UserError: if the file is missing, damaged or of another layout.
        """
        import polars as pl

        self._require_schema(name)
        return self._opened(name, partial(pl.read_parquet, glob=False))

    def scan_frame(self, name: str) -> pl.LazyFrame:
        """Return a frame of a finished stage that is read as it is used.

        Raises:
            UserError: if the file is missing, damaged or of another layout.
        """
        import polars as pl

        self._require_schema(name)
        return pl.scan_parquet(self.path / name, glob=False)

    def read_json(self, name: str) -> Any:  # noqa: ANN401 - whatever the verb wrote
        """Read a JSON file of a finished stage.

        Raises:
            UserError: if the file is missing, damaged or of another layout.
        """
        found = self._opened(name, lambda path: json.loads(path.read_text(encoding="utf-8")))
        if isinstance(found, dict):
            self._refuse_other_layout(name, found.pop("schema", None))
        return found

    def metrics(self) -> list[dict[str, Any]]:
        """Return the scores of the fit: :meth:`polarbgb.background.metrics.Score.as_dict` of each."""
        return list(self.read_json("metrics.json")["scores"])

    def _require_schema(self, name: str) -> None:
        import polars as pl

        self._refuse_other_layout(name, self._opened(name, pl.read_parquet_metadata).get("schema"))

    def _refuse_other_layout(self, name: str, schema: object) -> None:
        if str(schema) != str(SCHEMA):
            raise UserError(
                f"{self.path / name}: written by another version of polarbgb (layout {schema or 1}; this version reads "
                f"layout {SCHEMA}); run the verb that makes it again"
            )

    def _opened(self, name: str, read: Callable[[Path], T]) -> T:
        import polars as pl

        path = self.path / name
        try:
            return read(path)
        except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
            raise UserError(f"{path}: missing or damaged; run the verb that makes it again") from error

    @classmethod
    def default(cls, config: Config) -> Self:
        """Return the folder of an instrument where none is named: ``outputs/<name in lower case>``."""
        return cls(Path("outputs") / config.name.lower().replace(" ", "_"))


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest, wherever it lies.

    Raises:
        FileNotFoundError: if there is none.
        NotADirectoryError: if it is said to be in what is no folder.
        UserError: if it is damaged, or of another layout.
    """
    unreadable = UserError(f"{path}: not a readable manifest; name another --run folder")
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable from error
    if not isinstance(manifest, dict):
        raise unreadable
    schema = manifest.get("schema")
    if schema != SCHEMA:
        earlier = isinstance(schema, int) and schema < SCHEMA
        raise UserError(
            f"{path.parent} was written by {'an earlier' if earlier else 'another'} version of polarbgb "
            f"({manifest.get('polarbgb')}, layout {schema}; this version reads layout {SCHEMA}): fit again in another "
            "run folder, or install that version"
        )
    stages = manifest.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise unreadable
    return manifest


class Draft(Folder):
    """What a verb is about to leave in a run folder.

    A killed verb that is run again finds the draft as it was left: its parts need not be made again.
    """

    def __init__(self, run: RunFolder, stage: str, key: str) -> None:
        super().__init__(run.path / f".draft-{stage}-{key}")
        self.stage = stage
        self._run = run
        self._key = key

    @property
    def checkpoints(self) -> Checkpoints:
        """What was made on the way, and goes when the draft is published."""
        return Checkpoints(self.path / _PARTS)

    def names(self) -> list[str]:
        """Return the names of the files that are to be published."""
        return _visible(self.path)

    def publish(self, started: float, **facts: object) -> tuple[Path, ...]:
        """Put all of it into the run folder: either everything is there afterwards, or all is as before.

        Args:
            started: monotonic s, when the verb began.
            facts: what the manifest tells of the stage.

        Returns:
            The paths of the files in the run folder.
        """
        data = [name for name in self.names() if not name.startswith("plots/")]
        entry = {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 2),
            "command": command(),
            "versions": versions(),
            **facts,
            "made_from": self._key,
            "files": {name: file_digest(self.path / name) for name in data if name != LOCAL},
        }
        return self._run._publish(self, entry)

    def deliver(self) -> tuple[Path, ...]:
        """Put files that belong to no stage, such as figures of several, into the run folder."""
        return self._run._publish(self, None)


def _visible(folder: Path) -> list[str]:
    """Return the names of the files below a folder of which no part begins with a dot, the manifest left out."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return [name for name in names if name != MANIFEST and not re.search(r"(^|/)\.", name)]
