"""The run folder: what each verb leaves for the next one, and how it came about."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from polarbgb import __version__
from polarbgb.atomic import atomic
from polarbgb.config import Config, load
from polarbgb.errors import UserError
from polarbgb.settings import to_toml

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

SCHEMA = 1
"""Version of the folder's layout; a folder of another one is refused."""

_FALL_WITH = {
    "tune": (),
    "fit": ("predict", "detect", "explain", "evaluate"),
    "predict": ("fit", "detect", "explain", "evaluate"),
    "detect": (),
    "explain": (),
    "evaluate": (),
}
"""Stages that are made from a stage's results, or are in its place, and fall when it is begun again."""


_LATER = ("intervals", "trigger", "classes", "inject")
"""Sections that may change after the fit; the manifest tells what they were in a stage."""

_FIT_FIGURES = ("light_curve", "pulls", "residuals", "rates", "loss", "orbit_*", "anomaly")
_FIGURES = {
    "tune": (),
    "fit": _FIT_FIGURES,
    "predict": _FIT_FIGURES,
    "detect": ("events", "light_curve_events", "clusters", "known_events", "event_*", "orbit_*", "anomaly"),
    "explain": ("shap_*", "attribution_*", "dependence_*"),
    "evaluate": ("evaluation", "efficiency"),
}
"""Names of the figures that show a stage, and are out of date when it is begun again."""


class RunFolder:
    """A folder with a manifest: which stages are done, from what, with what.

    Files: ``manifest.json``, ``config.toml`` (resolved), ``known_events.csv``, ``best.toml``, ``models/``,
    ``training.parquet``, ``prediction.parquet``, ``metrics.json``, ``clusters.parquet``, ``windows.parquet``,
    ``events.parquet``, ``shap.parquet``, ``importance.parquet``, ``groups.parquet``, ``slopes.parquet``,
    ``dependence.parquet``, ``attribution.parquet``, ``fold_shares.parquet``, ``stability.json``,
    ``event_shap.parquet``, ``evaluation.json``, ``injections.parquet``, ``plots/``.
    A stage counts only once the manifest names it, and the manifest is written last.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._manifest = self.path / "manifest.json"

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def manifest(self) -> dict[str, Any]:
        """Return the manifest: ``schema``, ``polarbgb`` (the version) and ``stages``, empty where there is none yet.

        Raises:
            UserError: if the folder or its manifest cannot be read.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file, not a run folder; name another with --run")
        unreadable = UserError(f"{self._manifest}: not a readable manifest; name another --run folder")
        try:
            manifest: Any = json.loads(self._manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"schema": SCHEMA, "polarbgb": __version__, "stages": {}}
        except NotADirectoryError as error:
            raise UserError(
                f"{self.path}: a part of that is a file, not a run folder; name another with --run"
            ) from error
        except (OSError, ValueError) as error:
            raise unreadable from error
        if not isinstance(manifest, dict):
            raise unreadable
        if manifest.get("schema") != SCHEMA:
            raise UserError(
                f"{self.path} was written by polarbgb {manifest.get('polarbgb')} in another layout; "
                "fit again in another folder"
            )
        if not isinstance(manifest.get("stages"), dict):
            raise unreadable
        return manifest

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

    def begin(self) -> None:
        """Prove that the folder can be written, before hours are spent.

        Raises:
            UserError: if it cannot.
        """
        self._write(self.manifest())

    def forget(self, name: str) -> None:
        """Take a stage, and all that was made from it, out of the manifest: its files are about to change.

        Figures that show them go at once: nobody could tell that they are out of date.
        """
        manifest = self.manifest()
        for stage in (name, *_FALL_WITH[name]):
            manifest["stages"].pop(stage, None)
        self._write(manifest)
        for stage in (name, *_FALL_WITH[name]):
            for figure in _FIGURES[stage]:
                for file in (self.path / "plots").glob(f"{figure}.*"):
                    file.unlink()

    def finish(self, name: str, started: float, **facts: object) -> None:
        """Record a stage as done, with the facts about it and how long it took since ``started`` (monotonic s)."""
        manifest = self.manifest()
        manifest["stages"][name] = {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 2),
            "versions": _versions(),
            **facts,
        }
        self._write(manifest)

    def write_config(self, config: Config) -> None:
        """Write the resolved configuration, with a copy of the known events, so that the folder stands alone."""
        known = config.known_events
        if known is not None:
            with atomic(self.path / "known_events.csv") as temporary:
                shutil.copyfile(known.file, temporary)
            beside = known.model_copy(update={"file": Path("known_events.csv")})
            config = config.model_copy(update={"known_events": beside})
        self.write_text("config.toml", to_toml(config))

    def config(self, overrides: Sequence[str] = ()) -> Config:
        """Return the configuration the run was made with, some of its settings overridden.

        Raises:
            UserError: if the folder is not a run, or a setting does not fit.
        """
        self.require("fit", "predict")
        return load(self.path / "config.toml", overrides)

    def config_of(self, stage: str) -> Config:
        """Return the configuration of the run with the sections that a later stage was run with.

        Args:
            stage: ``detect`` or ``evaluate``; as the run was made, where it was not run.
        """
        config, asked = self.config(), self.stage(stage) or {}
        given = {name: type(getattr(config, name)) for name in _LATER if name in asked}
        return config.model_copy(update={name: section.model_validate(asked[name]) for name, section in given.items()})

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file atomically and return its path."""
        with atomic(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return self.path / name

    def write_frame(self, name: str, frame: pl.DataFrame) -> Path:
        """Write a frame as Parquet atomically and return its path."""
        with atomic(self.path / name) as temporary:
            frame.write_parquet(temporary, compression="zstd")
        return self.path / name

    def read_frame(self, name: str) -> pl.DataFrame:
        """Read a frame of a finished stage.

        Raises:
            UserError: if the file is missing or damaged.
        """
        import polars as pl

        return self._opened(name, pl.read_parquet)

    def scan_frame(self, name: str) -> pl.LazyFrame:
        """Return a frame of a finished stage that is read as it is used.

        Raises:
            UserError: if the file is missing or damaged.
        """
        import polars as pl

        self._opened(name, pl.read_parquet_schema)
        return pl.scan_parquet(self.path / name)

    def read_json(self, name: str) -> Any:  # noqa: ANN401 - whatever the verb wrote
        """Read a JSON file of a finished stage.

        Raises:
            UserError: if the file is missing or damaged.
        """
        return self._opened(name, lambda path: json.loads(path.read_text(encoding="utf-8")))

    def _opened(self, name: str, read: Callable[[Path], T]) -> T:
        import polars as pl

        path = self.path / name
        try:
            return read(path)
        except (OSError, ValueError, pl.exceptions.ComputeError) as error:
            raise UserError(f"{path}: missing or damaged; run the verb that makes it again") from error

    def _write(self, manifest: dict[str, Any]) -> None:
        manifest["polarbgb"] = __version__
        self.write_text("manifest.json", json.dumps(manifest, indent=1, default=str) + "\n")

    @classmethod
    def default(cls, config: Config) -> Self:
        """Return the folder of an instrument where none is named: ``outputs/<name in lower case>``."""
        return cls(Path("outputs") / config.name.lower().replace(" ", "_"))


def digest(*parts: object) -> str:
    """Return a short SHA-256 of plain values, to tell whether two things were made from the same."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    names = ("numpy", "polars", "uproot", "xgboost", "lightgbm", "optuna", "shap", "scipy")
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
