"""Tables of FITS files."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.errors import InputError, nearest
from polarbgb.io.input.columns import Branch, LengthsVary, OpenTable
from polarbgb.io.input.damage import damage_reported, regular_file

SUFFIXES = (".fits", ".fit", ".fts", ".lc", ".pha", ".evt")

_GZIP = b"\x1f\x8b"


def trees(path: Path) -> list[str]:
    """Return the names of the tables of a file, of which good time intervals are none; else their numbers."""
    with open_file(path) as hdus:
        return [name_of(hdus, i_hdu) for i_hdu in _tables(hdus) if not is_gti(hdus[i_hdu])]


@contextmanager
def opened(path: Path, tree: str | None) -> Iterator[OpenTable]:
    """Open a table by its name or number; without it the first with times, or the first that is not a GTI."""
    with open_file(path) as hdus:
        i_hdu = table_number(path, hdus, tree)
        hdu = hdus[i_hdu]
        with damage_reported(path):
            columns = {column.name: column for column in hdu.columns}
            name = name_of(hdus, i_hdu)
            table = _Extension(
                path, name, f"table '{name}'", "column", len(hdu.data), columns, any_case=True, hdu=hdu, columns=columns
            )
        yield table


@contextmanager
def open_file(path: Path) -> Iterator[Any]:
    """Open a FITS file after checking that it is whole; yields the HDUs of astropy."""
    from astropy.io import fits

    head, size = regular_file(path)
    if not head.startswith((b"SIMPLE", _GZIP)):
        raise InputError(f"{path} is {'not a FITS file' if head else 'empty'}; name a file that begins with SIMPLE")
    with warnings.catch_warnings():
        # Many archives bend the standard; what matters is checked here.
        warnings.simplefilter("ignore")
        with damage_reported(path):
            hdus = fits.open(path, memmap=True, lazy_load_hdus=False)
        with hdus:
            last = hdus[-1].fileinfo()["datLoc"] + hdus[-1].size
            padding = hdus[-1].fileinfo()["datSpan"] - hdus[-1].size
            if not head.startswith(_GZIP) and not last <= size <= last + padding + 2879:
                raise InputError(
                    f"{path}: damaged or cut short after HDU {len(hdus) - 1}; copy it again or recreate it"
                )
            yield hdus


def table_number(path: Path, hdus: Any, tree: str | None) -> int:  # noqa: ANN401 - astropy has no types
    """Return the number of the HDU that holds a table.

    Raises:
        InputError: if there is no such table.
    """
    numbers = _tables(hdus)
    if not numbers:
        _require_unpacked(path)
    names = {name_of(hdus, i_hdu): i_hdu for i_hdu in numbers}
    if tree is not None:
        for i_hdu in numbers:
            if tree.casefold() in {hdus[i_hdu].name.casefold(), str(i_hdu)}:
                return i_hdu
        raise InputError(
            f"{path}: no table '{tree}'{nearest(tree, names)}; the file holds {', '.join(names) or 'none'} (input.tree)"
        )
    data = [i_hdu for i_hdu in numbers if not is_gti(hdus[i_hdu])]
    timed = [i_hdu for i_hdu in data if "TIME" in {name.upper() for name in hdus[i_hdu].columns.names}]
    if not data:
        raise InputError(f"{path}: no table besides good time intervals; name another file")
    return (timed or data)[0]


def _require_unpacked(path: Path) -> None:
    """Check that a compressed file is whole: astropy leaves out the extensions that it cannot reach."""
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            return
    with damage_reported(path), gzip.open(path) as unpacked:
        while unpacked.read(2**20):
            pass


def name_of(hdus: Any, i_hdu: int) -> str:  # noqa: ANN401
    """Return the name of an HDU, or its number if it has none of its own."""
    name = str(hdus[i_hdu].name)
    return name if name and name not in {hdu.name for hdu in hdus[:i_hdu]} else str(i_hdu)


def is_gti(hdu: Any) -> bool:  # noqa: ANN401
    """Return whether a table holds good time intervals."""
    return bool(hdu.name.upper().startswith(("GTI", "STDGTI"))) or hdu.header.get("HDUCLAS1") == "GTI"


def _tables(hdus: Any) -> list[int]:  # noqa: ANN401
    from astropy.io import fits

    kinds = (fits.BinTableHDU, fits.TableHDU)
    images = (fits.CompImageHDU,)  # stored as tables
    return [i for i, hdu in enumerate(hdus) if isinstance(hdu, kinds) and not isinstance(hdu, images)]


@dataclass
class _Extension(OpenTable):
    """A table of a FITS file."""

    hdu: Any = None
    columns: dict[str, Any] = field(default_factory=dict)

    def branch(self, name: str) -> Branch:
        """Return the format of a column, and the shape of its rows."""
        form = str(self.columns[name].format)
        lengths = self.lengths(name, 0, self.entries)
        if lengths is not None:
            return Branch(name, form, lengths[:1] if lengths[0] == lengths[1] else None)
        values = np.asarray(self.hdu.data[:1].field(name))
        return Branch(name, form, values.shape[1:] if values.dtype.kind in "bifu" else None)

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of columns in a range of rows, scaled; missing values are NaN."""
        rows = self.hdu.data[start:stop]  # converted by astropy, and forgotten with the chunk
        return {name: self._values(rows, name) for name in names}

    def lengths(self, name: str, start: int, stop: int) -> tuple[int, int] | None:
        """Return the smallest and the largest length of a column of variable length; None if it is fixed or text."""
        if str(self.columns[name].format).lstrip("01")[:1] not in {"P", "Q"} or "PA" in str(self.columns[name].format):
            return None
        lengths = self._stored(self.hdu.data[start:stop], name)[:, 0]
        return (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)

    def _values(self, rows: Any, name: str) -> NDArray[Any]:  # noqa: ANN401
        values = np.asarray(rows.field(name))
        if values.dtype == object:
            if len({len(value) for value in values}) > 1:
                raise LengthsVary(name)
            return np.stack(list(values))
        column = self.columns[name]
        stored = self._stored(rows, name)
        null = 0 if column.format == "L" and stored.dtype.kind in "iu" else column.null
        if not isinstance(null, int) or stored.dtype.kind not in "iu":
            return values
        missing = stored == null
        return np.where(missing, np.nan, values.astype(np.float64)) if missing.any() else values

    @staticmethod
    def _stored(rows: Any, name: str) -> NDArray[Any]:  # noqa: ANN401
        """Return the values of a column as they are in the file."""
        return np.asarray(rows.view(np.ndarray)[name])
