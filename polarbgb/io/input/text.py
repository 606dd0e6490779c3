"""Tables of text files: CSV, TSV and ECSV."""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from polarbgb.errors import InputError
from polarbgb.io.input.columns import Branch, OpenTable
from polarbgb.io.input.damage import damage_reported, regular_file
from polarbgb.io.input.parquet import numbers

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".tsv", ".ecsv")

Kind = Literal["number", "date", "bool", "text"]

_SAMPLE = 1000
"""First rows from which the types of the columns are inferred."""

_MISSING = ["", "NA", "N/A", "n/a", "null", "NULL", "None", "--", "-"]
"""Texts that stand for a missing value."""

_DATE = "%Y-%m-%d %H:%M:%S%.f"


def trees(path: Path) -> list[str]:
    """Return the name of the one table of a file, which is that of the file."""
    regular_file(path)
    return [_stem(path)]


@contextmanager
def opened(path: Path, tree: str | None) -> Iterator[OpenTable]:
    """Open the table of a file, whatever its name."""
    import polars as pl

    if not regular_file(path)[1]:
        raise InputError(f"{path} is empty; name another file")
    with damage_reported(path):
        options = _options(path)
        sample = pl.read_csv(path, **options, infer_schema=False, n_rows=_SAMPLE)
        entries = int(pl.scan_csv(path, **options, infer_schema=False).select(pl.len()).collect().item())
    stored = {name.strip(): name for name in sample.columns}
    if all(_is_number(name) for name in stored):
        raise InputError(
            f"{path}: the first line that is not a comment (#) holds numbers; write the names of the columns there"
        )
    name = tree or _stem(path)
    kinds = {key: _kind(sample[column]) for key, column in stored.items()}
    yield _Text(path, name, f"table '{name}'", "column", entries, kinds, kinds=kinds, stored=stored, options=options)


def _zipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _stem(path: Path) -> str:
    return (Path(path.stem) if _zipped(path) else path).stem


def _options(path: Path) -> dict[str, Any]:
    """Return how polars reads a file: what separates the columns is told by its suffix and its head."""
    comments, header = [], ""
    with gzip.open(path, "rt", errors="replace") if _zipped(path) else path.open(errors="replace") as stream:
        for line in stream:
            if not line.startswith("#"):
                header = line
                break
            comments.append(line)
    suffix = Path(path.stem if _zipped(path) else path.name).suffix.lower()
    separator = "\t" if suffix == ".tsv" else ","
    if suffix == ".ecsv":
        stated = re.search(r"^#\s*delimiter:\s*['\"]?(.)", "".join(comments), re.MULTILINE)
        separator = stated[1] if stated else " "
    elif separator not in header:
        separator = next((other for other in ";\t" if other in header), separator)
    return {
        "separator": separator,
        "comment_prefix": "#",
        "null_values": _MISSING,
        "encoding": "utf8-lossy",
        "glob": False,
    }


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(values: pl.Series) -> Kind:
    """Return what the texts of a column are."""
    import polars as pl

    texts = values.str.strip_chars()
    texts = texts.set(texts.is_in(_MISSING), None).drop_nulls()
    if texts.cast(pl.Float64, strict=False).null_count() == 0:
        return "number"
    if texts.str.to_lowercase().is_in(["true", "false"]).all():
        return "bool"
    if texts.to_frame("x").select(_from_date(pl.col("x"))).to_series().null_count() == 0:
        return "date"
    return "text"


def _from_date(text: pl.Expr) -> pl.Expr:
    """Return ISO dates as they are read by polars, null where a text is none."""
    plain = text.str.strip_chars().str.strip_suffix("Z").str.replace("T", " ", literal=True)
    return plain.str.to_datetime(_DATE, strict=False)


@dataclass
class _Text(OpenTable):
    """A table of a text file.

    Attributes:
        kinds: of the columns by name.
        stored: their names as in the file, with blanks.
        options: how polars reads the file.
        frame: the columns asked for, once they are known.
    """

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    frame: pl.DataFrame | None = None

    def branch(self, name: str) -> Branch:
        """Return the type of a column."""
        return Branch(name, self.kinds[name], None if self.kinds[name] == "text" else ())

    def prepare(self, names: Collection[str]) -> None:
        """Read the columns that are asked for: a text cannot be entered in the middle."""
        import polars as pl

        types = {self.stored[name]: pl.Float64 if self.kinds[name] == "number" else pl.String for name in names}
        try:
            frame = pl.read_csv(self.path, **self.options, columns=list(types), schema_overrides=types)
        except pl.exceptions.ComputeError:
            self._require_numbers(names)
            raise
        self.frame = frame.select(self._converted(name) for name in names)
        self.entries = len(self.frame)
        for name in names:
            if self.kinds[name] != "number" and self.frame[name].null_count() > frame[self.stored[name]].null_count():
                self._refuse(name, frame[self.stored[name]], self.frame[name])

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of columns in a range of rows; missing values are NaN."""
        if self.frame is None:
            self.prepare(names)
        assert self.frame is not None  # noqa: S101 - for mypy
        return {name: numbers(self.frame[name].slice(start, stop - start)) for name in names}

    def _converted(self, name: str) -> pl.Expr:
        import polars as pl

        column = pl.col(self.stored[name])
        if self.kinds[name] == "date":
            column = _from_date(column)
        if self.kinds[name] == "bool":
            column = (
                column.str.strip_chars()
                .str.to_lowercase()
                .replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
            )
        return column.alias(name)

    def _require_numbers(self, names: Collection[str]) -> None:
        """Name the first text that is not a number."""
        import polars as pl

        for name in names:
            if self.kinds[name] == "number":
                texts = pl.read_csv(self.path, **self.options, columns=[self.stored[name]], infer_schema=False)[:, 0]
                values = texts.str.strip_chars().cast(pl.Float64, strict=False)
                if values.null_count() > texts.null_count():
                    self._refuse(name, texts, values)

    def _refuse(self, name: str, texts: pl.Series, values: pl.Series) -> None:
        row = int((values.is_null() & texts.is_not_null()).arg_max() or 0)
        raise InputError(
            f"{self.path}: column '{name}' holds '{texts[row]}' in row {row}, which is not a {self.kinds[name]} as its "
            "first rows; correct it, or leave it empty if it is missing"
        )
