"""The FITS file that an astronomer opens: events, good time intervals and light curve by the OGIP conventions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.segments import predicted_intervals
from polarbgb.io.atomic import atomic
from polarbgb.io.columns import column, without_null

_UNIX_EPOCH = 40587
"""Modified Julian date of unix second 0."""

_SUMMED = "sum over all bytes"
"""Comment of checksums; by default it would be the time of day."""


def write_fits(
    path: Path, prediction: pl.LazyFrame, events: pl.DataFrame, *, config: Config, provenance: Mapping[str, str]
) -> dict[str, int]:
    """Write a run's results as FITS tables.

    Extensions: ``RATE``, the light curve of the rows that were not dropped, first, as readers of light curves expect;
    ``GTI``; ``EVENTS`` (a row an event); ``BINS``, what the bins are. ``RATE`` (``TIME``, ``RATE``, ``ERROR``,
    ``DEADC``, ``BACKV``, and beside what is defined there ``SIGMA`` and ``PULL``: all but the time an array of one
    number a bin) and ``GTI`` (``START``, ``STOP``) follow the memo OGIP/93-003. Times are unix seconds: seconds of UTC
    since MJD 40587, leap seconds not counted.

    Args:
        path: the file; replaced if it is there.
        prediction: of :func:`polarbgb.background.prediction.prediction_frame`; read column by column.
        events: from the search.
        config: the instrument.
        provenance: what the primary header says, by keywords of up to 8 characters.

    Returns:
        Rows by extension.

    Raises:
        UserError: if the file cannot be written.
    """
    from astropy.io import fits

    usable = prediction.filter(pl.col("segment") >= 0)
    good = predicted_intervals(usable.select("unix_time", "segment").collect(), config.input.cadence)
    bins = pl.DataFrame(
        {"BIN": np.arange(len(config.rates.names)), "NAME": config.rates.names, "LABEL": config.rates.titles}
    )
    light_curve = _light_curve(usable, config)
    times = _times(good)
    made = {
        "RATE": ("light_curve", light_curve, _hduclass("LIGHTCURVE", "TOTAL", "RATE") | times | _rows(config)),
        "GTI": ("gti", _records(pl.DataFrame(good, schema=["START", "STOP"])), _hduclass("GTI", "STANDARD") | times),
        "EVENTS": ("events", _records(events), {}),
        "BINS": ("bins", _records(bins), {}),
    }
    primary = fits.PrimaryHDU()
    for key, value in {**provenance, **_observation(good, config)}.items():
        primary.header[key] = _ascii(value)
    tables = []
    for name, (table, records, cards) in made.items():
        hdu = fits.BinTableHDU(records, name=name)
        for number, key in enumerate(records.dtype.names or (), start=1):
            told = column(table, key.lower())
            if told.unit:
                hdu.header[f"TUNIT{number}"] = told.unit
            hdu.header[f"TCOMM{number}"] = told.meaning
        hdu.header.update(cards)
        tables.append(hdu)
    everything = fits.HDUList([primary, *tables])
    for hdu in everything:
        hdu.add_checksum(when=_SUMMED)
    with atomic(path) as temporary:
        everything.writeto(temporary, overwrite=True, output_verify="exception")
    return {name: len(records) for name, (_, records, _) in made.items()}


def _light_curve(usable: pl.LazyFrame, config: Config) -> NDArray[np.void]:
    """Lay the light curve out in FITS's order of bytes, so that no copy is needed to write it."""
    time = usable.select("unix_time").collect()["unix_time"].to_numpy()
    bins = len(config.rates.names)
    names = ("RATE", "ERROR", "DEADC", "BACKV", "SIGMA", "PULL")
    records = np.zeros(len(time), [("TIME", ">f8"), *((name, ">f4", (bins,)) for name in names)])
    records["TIME"] = time
    for name, source in zip(names, ("rate", None, "exposure", "pred", "sigma", "pull"), strict=True):
        if source is not None:
            records[name] = usable.select(source).collect()[source].to_numpy()
    # Counts are rate * exposure, and their square root is their error.
    records["ERROR"] = np.sqrt(records["RATE"] / records["DEADC"])
    records["DEADC"] /= config.input.cadence
    return records


def _records(frame: pl.DataFrame) -> NDArray[np.void]:
    """Lay a table out as FITS knows it: no missing value, no signed byte, texts of one length."""
    whole = without_null(frame).with_columns(pl.col(pl.Int8).cast(pl.Int16))
    columns = {}
    for name in whole.columns:
        values = whole[name].to_numpy()
        if whole[name].dtype == pl.String:
            width = max(1, int(whole[name].str.len_bytes().max() or 0))  # type: ignore[arg-type]
            values = np.array([_ascii(text) for text in values], f"S{width}")
        columns[name] = values
    records = np.zeros(len(whole), [(name, values.dtype, values.shape[1:]) for name, values in columns.items()])
    for name, values in columns.items():
        records[name] = values
    return records


def _ascii(text: str) -> str:
    """Return a text in the only characters that FITS knows."""
    return text.encode("ascii", "replace").decode()


def _hduclass(*classes: str) -> dict[str, str]:
    return {"HDUCLASS": "OGIP"} | {f"HDUCLAS{level}": name for level, name in enumerate(classes, start=1)}


def _times(good: NDArray[np.float64]) -> dict[str, Any]:
    """Return the keywords that say what the times of a table are."""
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


def _rows(config: Config) -> dict[str, Any]:
    """Return the keywords of rows that last a cadence and are dated by their start."""
    return {
        "TIMEDEL": (config.input.cadence, "s, of a row"),
        "TIMEPIXR": (0.0, "TIME is the start of a row"),
        "BACKAPP": (False, "the background is not subtracted"),
        "DEADAPP": (True, "rates are counts by live time, DEADC of the row"),
    }


def _observation(good: NDArray[np.float64], config: Config) -> dict[str, str]:
    cards = {"TELESCOP": config.name, "INSTRUME": config.name}
    if len(good):
        cards |= {
            key: datetime.fromtimestamp(time, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
            for key, time in (("DATE-OBS", float(good[0, 0])), ("DATE-END", float(good[-1, 1])))
        }
    return cards
