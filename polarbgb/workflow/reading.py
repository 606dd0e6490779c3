"""Reading the input: files to a dataset, as the configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from glob import has_magic
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config, TimeFormat
from polarbgb.config.types import Paths
from polarbgb.data.dataset import Dataset, RowRules, clean
from polarbgb.data.time_format import from_fits_keywords, to_unix
from polarbgb.data.time_problem import read_times
from polarbgb.errors import InputError
from polarbgb.io.input import good_times, read_columns, time_keywords
from polarbgb.io.input.files import input_files, shown
from polarbgb.progress import Track, silent, watched


def source_files(config: Config, path: Paths | None) -> tuple[Path, ...]:
    """Return the files to read: ``path``, or ``input.path`` of the configuration if None.

    Raises:
        InputError: if a file does not exist; the message says how to get one.
    """
    if path is not None:
        return input_files(path)
    first = config.input.path[0]
    if len(config.input.path) == 1 and not first.exists() and not has_magic(str(first)):
        raise InputError(
            f"no file {first}; put {config.name}'s file there, name another with --input, or make a stand-in: "
            f"polarbgb simulate {first} --days 10"
        )
    return input_files(config.input.path)


def read_input(config: Config, path: Path, *, track: Track = silent) -> pl.DataFrame:
    """Read every branch that the configuration names.

    Args:
        config: names the tree and the branches.
        path: the file.
        track: watches the chunks.

    Returns:
        One row per entry and one column per name in ``config.branches`` ("glat", "rate[0]"). Time, rates, errors and
        whatever an expression reads are float64, other columns float32. Values are as stored: NaN and infinities are
        kept.

    Raises:
        InputError: if the file, the tree or a branch is missing, unsuitable, empty or damaged.
    """
    exact = {config.input.time, *config.rates.names, *config.rates.error_names}
    for expression in (*config.derivations.values(), *config.cuts.values()):
        exact |= expression.columns
    if config.exposure is not None:
        exact |= config.exposure.columns
    return read_columns(path, config.input.tree, config.branches, exact=exact, track=track)


def row_rules(config: Config) -> RowRules:
    """Return what decides which rows of a file are usable."""
    columns = [*config.features.columns, *(c for entry in config.features.history for c in entry.columns)]
    if config.position is not None:
        columns += config.position.columns
    features = tuple(c for c in dict.fromkeys(columns) if c != config.input.time)
    return RowRules(
        time=config.input.time,
        cadence=config.input.cadence,
        rates=config.rates,
        derivations=config.derivations,
        filters=config.cuts,
        exposure=config.exposure,
        features=features,
        kept=tuple(dict.fromkeys((*columns, *config.intervals.context))),
        orbit=config.orbit,
        known_events=config.known_events,
        clock=config.input.clock,
    )


def read_dataset(config: Config, files: Sequence[Path], *, track: Track = silent) -> tuple[Dataset, list[int]]:
    """Read the input as one mission, and put its usable rows in order.

    The header of a FITS table says how its times are stored, unless the configuration does; rows outside the good time
    intervals of the file are not used.

    Args:
        config: the instrument.
        files: their entries are numbered one file after the other.
        track: watches the reading.

    Returns:
        The dataset, and the number of entries of each file.

    Raises:
        UserError: if a file or the configuration does not fit, or no row is usable.
    """
    frames, outside = [], []
    rules = row_rules(config)
    for file in files:
        frame = read_input(config, file, track=track)
        if config.input.time in frame.columns:
            frame, rows = _in_unix_seconds(frame, file, config)
            outside.append(rows)
            rules = replace(rules, clock=None)
        frames.append(frame)
    entries = [len(frame) for frame in frames]
    frame = frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=True)
    del frames
    with watched(track, "row quality"):
        excluded = np.concatenate(outside) if outside else None
        return clean(frame, rules, excluded=excluded, sizes=entries, where=shown(files)), entries


def _in_unix_seconds(frame: pl.DataFrame, file: Path, config: Config) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Return the frame of a file with its time in unix seconds, and the mask of entries outside its good times."""
    name, clock = config.input.time, config.input.clock
    keywords = time_keywords(file, config.input.tree) if clock == TimeFormat() else None
    if keywords is not None and keywords.reference_mjd is not None:
        clock = from_fits_keywords(keywords.reference_mjd, zero=keywords.zero, scale=keywords.scale, unit=keywords.unit)
    column = frame[name]
    if clock.format == "iso" and column.dtype.is_numeric():  # the readers have made dates seconds since 1970
        column, clock = column / 86_400 + 40_587, TimeFormat("mjd", clock.scale)
    time = read_times(column, config.input.cadence, clock, name=name, where=str(file))
    outside = np.zeros(len(time), bool)
    good = good_times(file, config.input.tree)
    if good is not None:
        start, stop = to_unix(good.T.ravel(), clock).reshape(2, -1)
        order = np.argsort(start)
        middle = time + config.input.cadence / 2
        last = np.searchsorted(start[order], middle, side="right") - 1
        outside = (last < 0) | ~(middle < np.maximum.accumulate(stop[order])[last])
    return frame.with_columns(pl.Series(name, time)), outside
