"""Files of a run folder: each appears whole or not at all, and carries the version of its layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable, to_toml
from polarbgb.errors import RunError
from polarbgb.io.atomic import atomic
from polarbgb.runs.stages import CONFIG, KNOWN

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

SCHEMA = 6
"""Version of the folder's layout and of its files; no other version is read."""


class Folder:
    """A folder of results.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file and return its path."""
        with atomic(self / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return self / name

    def write_json(self, name: str, content: Mapping[str, object]) -> Path:
        """Write a JSON object, with the version of its layout, and return its path."""
        return self.write_text(name, json.dumps({"schema": SCHEMA, **content}, indent=1, default=str) + "\n")

    def write_frame(self, name: str, frame: pl.DataFrame) -> Path:
        """Write a frame as Parquet, with the version of its layout in its metadata, and return its path."""
        metadata = {"polarbgb": __version__, "schema": str(SCHEMA)}
        with atomic(self / name) as temporary:
            frame.write_parquet(temporary, compression="zstd", metadata=metadata)
        return self / name

    def write_config(self, config: Config) -> None:
        """Write the resolved configuration and a copy of the known events, so that the folder can be moved."""
        known = config.known_events
        if known is not None:
            with atomic(self / KNOWN) as temporary:
                shutil.copyfile(known.file, temporary)
            config = config.model_copy(update={"known_events": known.model_copy(update={"file": Path(KNOWN)})})
        self.write_text(CONFIG, f"# polarbgb {__version__}, schema {SCHEMA}\n{to_toml(portable(config))}")

    def read_frame(self, name: str) -> pl.DataFrame:
        """Read a frame.

        Raises:
            RunError: if the file is missing, damaged or of another layout.
        """
        import polars as pl

        self._require_frame(name)
        return self._read(name, partial(pl.read_parquet, glob=False))

    def scan_frame(self, name: str) -> pl.LazyFrame:
        """Return a lazy frame, of which only the columns that are used are read.

        Raises:
            RunError: if the file is missing, damaged or of another layout.
        """
        import polars as pl

        self._require_frame(name)
        return pl.scan_parquet(self / name, glob=False)

    def read_json(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        """Read a JSON file.

        Raises:
            RunError: if the file is missing, damaged or of another layout.
        """
        content = self._read(name, lambda path: json.loads(path.read_text(encoding="utf-8")))
        if isinstance(content, dict):
            self._require_layout(name, content.pop("schema", None))
        return content

    def _require_frame(self, name: str) -> None:
        import polars as pl

        self._require_layout(name, self._read(name, pl.read_parquet_metadata).get("schema"))

    def _require_layout(self, name: str, schema: object) -> None:
        if str(schema) != str(SCHEMA):
            raise RunError(
                f"{self / name}: written by another version of polarbgb (layout {schema or 1}; this version reads "
                f"layout {SCHEMA}); run the command that writes it again"
            )

    def _read(self, name: str, read: Callable[[Path], T]) -> T:
        import polars as pl

        try:
            return read(self / name)
        except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
            raise RunError(f"{self / name}: missing or damaged; run the command that writes it again") from error
