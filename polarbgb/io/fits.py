"""Write a run as FITS: events, good time intervals and light curve by the OGIP conventions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Rates
from polarbgb.data.segments import predicted_intervals
from polarbgb.io.atomic import atomic
from polarbgb.io.columns import column, without_null

_UNIX_EPOCH = 40587
"""Modified Julian date of unix second 0."""

_SUMMED = "sum over all bytes"
"""Comment of checksums; by default it would contain the time of writing."""


def write_fits(
    path: Path,
    prediction: pl.LazyFrame,
    events: pl.DataFrame,
    *,
    instrument: str,
    rates: Rates,
    cadence: float,
    provenance: Mapping[str, str],
) -> dict[str, int]:
    """Write a run's results as FITS tables.

    The extensions are ``RATE``, the light curve of the usable rows, first, as readers of light curves expect; ``GTI``;
    ``EVENTS``, one row per event; and ``BINS``, a description of the bins. ``RATE`` (``TIME``, ``RATE``, ``ERROR``,
    ``DEADC``, ``BACKV``, and in addition ``SIGMA`` and ``PULL``; all except the time are arrays of one number per bin)
    and ``GTI`` (``START``, ``STOP``) follow the memo OGIP/93-003. Times are unix seconds: seconds of UTC since MJD
    40587, leap seconds not counted.

    Args:
        path: the file; replaced if it exists.
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`; read column by column.
        events: from the search.
        instrument: name of the instrument.
        rates: names and titles of the bins.
        cadence: length of a row, s.
        provenance: values of the primary header, by keywords of up to 8 characters.

    Returns:
        The number of rows of each extension.

    Raises:
        UserError: if the file cannot be written.
    """
    from astropy.io import fits

    good = predicted_intervals(prediction.select("unix_time", "segment", "width").collect())
    bins = pl.DataFrame({"BIN": np.arange(len(rates.names)), "NAME": rates.names, "LABEL": rates.titles})
    light_curve = _light_curve(prediction, len(rates.names))
    times = _times(good)
    extensions = {
        "RATE": ("light_curve", light_curve, _hduclass("LIGHTCURVE", "TOTAL", "RATE") | times | _row_cards(cadence)),
        "GTI": ("gti", _records(pl.DataFrame(good, schema=["START", "STOP"])), _hduclass("GTI", "STANDARD") | times),
        "EVENTS": ("events", _records(events), {}),
        "BINS": ("bins", _records(bins), {}),
    }
    primary = fits.PrimaryHDU()
    for key, value in {**provenance, **_observation(good, instrument)}.items():
        primary.header[key] = _ascii(value)
    tables = []
    for name, (table, records, cards) in extensions.items():
        hdu = fits.BinTableHDU(records, name=name)
        for i_column, key in enumerate(records.dtype.names or (), start=1):
            described = column(table, key.lower())
            if described.unit:
                hdu.header[f"TUNIT{i_column}"] = described.unit
            hdu.header[f"TCOMM{i_column}"] = described.meaning
        hdu.header.update(cards)
        tables.append(hdu)
    file = fits.HDUList([primary, *tables])
    for hdu in file:
        hdu.add_checksum(when=_SUMMED)
    with atomic(path) as temporary:
        file.writeto(temporary, overwrite=True, output_verify="exception")
    return {name: len(records) for name, (_, records, _) in extensions.items()}


def _light_curve(prediction: pl.LazyFrame, bins: int) -> NDArray[np.void]:
    """Return the light curve in the byte order of FITS, so that no copy is needed to write it."""
    time, width = prediction.select("unix_time", "width").collect()
    names = ("RATE", "ERROR", "DEADC", "BACKV", "SIGMA", "PULL")
    records = np.zeros(len(time), [("TIME", ">f8"), *((name, ">f4", (bins,)) for name in names)])
    records["TIME"] = time.to_numpy()
    for name, source in zip(names, ("rate", None, "exposure", "pred", "sigma", "pull"), strict=True):
        if source is not None:
            records[name] = prediction.select(source).collect()[source].to_numpy()
    # The counts are rate * exposure, and their error is their square root.
    with np.errstate(divide="ignore", invalid="ignore"):  # masked bins
        records["ERROR"] = np.sqrt(records["RATE"] / records["DEADC"])
    # The clock may stumble: no row is alive for longer than it lasts.
    records["DEADC"] = np.minimum(records["DEADC"] / width.to_numpy()[:, None], 1.0)
    return records


def _records(frame: pl.DataFrame) -> NDArray[np.void]:
    """Return a table with the types of FITS: no missing values, no signed bytes, strings of one length."""
    filled = without_null(frame).with_columns(pl.col(pl.Int8).cast(pl.Int16))
    columns = {}
    for name in filled.columns:
        values = filled[name].to_numpy()
        if filled[name].dtype == pl.String:
            width = max(1, int(filled[name].str.len_bytes().max() or 0))  # type: ignore[arg-type]
            values = np.array([_ascii(text) for text in values], f"S{width}")
        columns[name] = values
    records = np.zeros(len(filled), [(name, values.dtype, values.shape[1:]) for name, values in columns.items()])
    for name, values in columns.items():
        records[name] = values
    return records


def _ascii(text: str) -> str:
    """Return a text in ASCII, the only characters of FITS."""
    return text.encode("ascii", "replace").decode()


def _hduclass(*classes: str) -> dict[str, str]:
    return {"HDUCLASS": "OGIP"} | {f"HDUCLAS{level}": name for level, name in enumerate(classes, start=1)}


def _times(good: NDArray[np.float64]) -> dict[str, Any]:
    """Return the keywords that define the times of a table."""
    cards: dict[str, Any] = {
        "TIMESYS": ("UTC", "leap seconds are not counted"),
        "MJDREFI": (_UNIX_EPOCH, "times are unix seconds"),
        "MJDREFF": 0.0,
        "TIMEZERO": 0.0,
        "TIMEUNIT": "s",
        "TIMEREF": "LOCAL",
    }
    if len(good):
        cards |= {"TSTART": good[0, 0], "TSTOP": good[-1, 1], "ONTIME": (good[:, 1] - good[:, 0]).sum()}
    return cards


def _row_cards(cadence: float) -> dict[str, Any]:
    """Return the keywords of rows that last one cadence and whose time is their start."""
    return {
        "TIMEDEL": (cadence, "s, of a row"),
        "TIMEPIXR": (0.0, "TIME is the start of a row"),
        "BACKAPP": (False, "the background is not subtracted"),
        "DEADAPP": (True, "rates are counts by live time, DEADC of the row"),
    }


def _observation(good: NDArray[np.float64], instrument: str) -> dict[str, str]:
    cards = {"TELESCOP": instrument, "INSTRUME": instrument}
    if len(good):
        cards |= {
            key: datetime.fromtimestamp(time, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
            for key, time in (("DATE-OBS", float(good[0, 0])), ("DATE-END", float(good[-1, 1])))
        }
    return cards
