"""Tables of FITS files."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

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
        name, title = name_of(hdus, i_hdu), f"table '{name_of(hdus, i_hdu)}'"
        with _unpacked(path) as stream:
            with damage_reported(path):
                entries, names = int(hdu.header["NAXIS2"]), dict.fromkeys(hdu.columns.names)
            yield _Extension(path, name, title, "column", entries, names, any_case=True, hdu=hdu, stream=stream)


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
        with damage_reported(path), _unpacked(path) as stream:
            while stream.read(2**20):  # of a damaged compressed file astropy shows the extensions before the damage
                pass
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


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, through gzip if it is compressed."""
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP
    with gzip.open(path) if packed else path.open("rb") as unpacked:
        yield unpacked  # type: ignore[misc]


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
    stream: BinaryIO = field(default=None)  # type: ignore[assignment]

    def branch(self, name: str) -> Branch:
        """Return the format of a column, and the shape of its rows."""
        form = str(self.hdu.columns[name].format)
        if self._is_read_by_astropy(name):
            lengths = self.lengths(name, 0, self.entries)
            if lengths is not None:
                return Branch(name, form, lengths[:1] if lengths[0] == lengths[1] else None)
            return Branch(name, form, () if self.hdu.data.field(name).dtype.kind in "biuf" else None)
        dtype = self.hdu.columns.dtype[name]
        shape = (self.hdu.columns[name].format.repeat,) if "X" in form else dtype.shape
        return Branch(name, form, shape if dtype.base.kind in "biuf" else None)

    def read(self, names: Collection[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the values of columns in a range of rows, scaled; missing values are NaN."""
        # The rows are read without astropy, which would copy all columns when the file is closed.
        dtype = self.hdu.columns.dtype.newbyteorder(">")
        self.stream.seek(self.hdu.fileinfo()["datLoc"] + start * dtype.itemsize)
        rows = np.frombuffer(self.stream.read((stop - start) * dtype.itemsize), dtype)
        if len(rows) < stop - start:
            raise EOFError(f"{start + len(rows)} of {self.entries} rows")
        return {
            name: self._by_astropy(name, start, stop)
            if self._is_read_by_astropy(name)
            else _values(rows[name], self.hdu.columns[name])
            for name in names
        }

    def lengths(self, name: str, start: int, stop: int) -> tuple[int, int] | None:
        """Return the smallest and the largest length of an array of variable length; None if it is of one length."""
        form = str(self.hdu.columns[name].format).lstrip("01")
        if form[:1] not in {"P", "Q"} or form[1:2] == "A":
            return None
        lengths = self.hdu.data.view(np.ndarray)[name][start:stop, 0]
        return (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)

    def _is_read_by_astropy(self, name: str) -> bool:
        """Return whether a column is text or outside of the rows."""
        from astropy.io import fits

        return isinstance(self.hdu, fits.TableHDU) or str(self.hdu.columns[name].format).lstrip("01")[:1] in {"P", "Q"}

    def _by_astropy(self, name: str, start: int, stop: int) -> NDArray[Any]:
        values = self.hdu.data.field(name)[start:stop]
        if values.dtype != object:
            return np.asarray(values)
        if len({len(value) for value in values}) > 1:
            raise LengthsVary(name)
        return np.stack([np.asarray(value) for value in values])


def _values(stored: NDArray[Any], column: Any) -> NDArray[Any]:  # noqa: ANN401
    """Return the values of a column from the bytes in the file."""
    form = str(column.format)
    if "X" in form:
        return np.unpackbits(stored.reshape(len(stored), -1), axis=1)[:, : column.format.repeat]
    if "L" in form:
        return np.where(stored == 0, np.nan, (stored == ord("T")).astype(np.float64))
    scale, zero = (float(number) if number else default for number, default in ((column.bscale, 1), (column.bzero, 0)))
    values: NDArray[Any] = stored
    bits = 8 * stored.dtype.itemsize
    if stored.dtype.kind == "i" and scale == 1 and zero == 2.0 ** (bits - 1):  # how FITS stores unsigned integers
        unsigned = stored.astype(stored.dtype.newbyteorder("=")).view(f"u{bits // 8}")
        values = unsigned ^ unsigned.dtype.type(1 << (bits - 1))
    elif (scale, zero) != (1, 0):
        values = stored * scale + zero
    if stored.dtype.kind not in "iu" or not isinstance(column.null, int):
        return values
    missing = stored == column.null
    return np.where(missing, np.nan, values.astype(np.float64)) if missing.any() else values
