"""Tables of text files: CSV, TSV and ECSV."""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    names = [name.strip().replace('""', '"') for name in sample.columns]  # polars keeps both of a pair of quotes
    if all(_is_number(name) for name in names):
        raise InputError(
            f"{path}: the first line that is not a comment (#) holds numbers; write the names of the columns there"
        )
    kinds = {key: _kind(values) for key, values in zip(names, sample.get_columns(), strict=True)}
    own = _stem(path)
    yield _Text(path, tree or own, f"table '{own}'", "column", entries, kinds, kinds=kinds, options=options)


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
    texts = values.filter(~values.str.strip_chars().is_in(_MISSING)).drop_nulls()
    kinds: tuple[Kind, ...] = ("number", "bool", "date")
    return next((kind for kind in kinds if not _as_kind(texts, kind).null_count()), "text")


@dataclass
class _Text(OpenTable):
    """A table of a text file.

    Attributes:
        kinds: of the columns by name.
        options: how polars reads the file.
        columns: those asked for, once they are known.
    """

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, pl.Series] = field(default_factory=dict)

    def branch(self, name: str) -> Branch:
        """Return the type of a column."""
        return Branch(name, self.kinds[name], None if self.kinds[name] == "text" else ())

    def prepare(self, names: Collection[str]) -> None:
        """Read the columns that are asked for: reading cannot begin in the middle of a text."""
        import polars as pl

        try:
            self.columns = self._read([name for name in self.kinds if name in names])
        except pl.exceptions.ComputeError:
            for name in names:  # as text, to find what is not a number
                self._converted(name, self._read([name], text=True)[name])
            raise
        self.entries = len(next(iter(self.columns.values()))) if self.columns else self.entries

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of columns in a range of rows; missing values are NaN."""
        return {name: numbers(self.columns[name].slice(start, stop - start)) for name in names}

    def _read(self, names: Sequence[str], *, text: bool = False) -> dict[str, pl.Series]:
        """Read columns, given in the order of the file, by their places: polars would take ``*`` for a pattern."""
        import polars as pl

        known = list(self.kinds)
        plain = {name: pl.Float64 if self.kinds[name] == "number" and not text else pl.String for name in names}
        places = [known.index(name) for name in names]
        frame = pl.read_csv(self.path, **self.options, columns=places, schema_overrides=plain)
        read = dict(zip(names, frame.get_columns(), strict=True))
        return read if text else {name: self._converted(name, values) for name, values in read.items()}

    def _converted(self, name: str, values: pl.Series) -> pl.Series:
        """Return a column as numbers, truths or dates.

        Raises:
            InputError: if one of its texts is of another kind than its first rows.
        """
        import polars as pl

        if values.dtype != pl.String:
            return values
        converted = _as_kind(values, self.kinds[name])
        wrong = converted.is_null() & values.is_not_null()
        if wrong.any():
            row = wrong.arg_true()[0]
            raise InputError(
                f"{self.path}: column '{name}' holds '{values[row]}' in row {row}, which is not a {self.kinds[name]} "
                "like its first rows; correct it, or leave it empty if it is missing"
            )
        return converted


def _as_kind(texts: pl.Series, kind: Kind) -> pl.Series:
    """Return texts as numbers, truths or dates, null where they are none."""
    import polars as pl

    plain = texts.str.strip_chars()
    if kind == "bool":
        truths = {"true": True, "false": False}
        return plain.str.to_lowercase().replace_strict(truths, default=None, return_dtype=pl.Boolean)
    if kind == "date":
        plain = plain.str.strip_suffix("Z").str.replace("T", " ", literal=True)
        return plain.str.to_datetime(_DATE, time_unit="us", strict=False)
    return plain.cast(pl.Float64, strict=False)
