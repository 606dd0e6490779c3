"""Preparing a file: its rows, features and rates, as inspect, tune, fit, explain and predict need them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable
from polarbgb.config.types import Paths
from polarbgb.data.count_rates import CountRates, count_rates
from polarbgb.data.known_events import known_events
from polarbgb.data.quality import RowRules, Timeline, clean
from polarbgb.data.segments import require_cadence
from polarbgb.errors import InputError, UserError
from polarbgb.features.matrix import Matrix, build_matrix, feature_names
from polarbgb.io.provenance import digest, file_digest, seeds, versions
from polarbgb.io.root_input import read_columns
from polarbgb.memory import room_for
from polarbgb.progress import Track, silent, watched

_BYTES_PER_RATE = 100
"""Bytes per row and bin that predictions, calibration and their frame need besides the matrix; measured."""


@dataclass(frozen=True)
class Prepared:
    """The contents of a file, ready for the boosters.

    Attributes:
        path: the file, absolute.
        sha256: of the file as it was read.
        timeline: its rows with their quality; of the columns only the context of events and the latitude are kept.
        matrix: features of the usable rows.
        count_rates: rates of the usable rows.
    """

    path: Path
    sha256: str
    timeline: Timeline
    matrix: Matrix
    count_rates: CountRates

    def as_read(self, config: Config) -> Config:
        """Return the configuration with the file that was read as its input."""
        return reading(config, self.path)

    def search(self, config: Config) -> str:
        """Return a digest of what hyperparameters depend on: the file, the rows used, the rates and the features."""
        sections = {"rates", "derived", "filters", "features", "position", "orbit"}
        settings = config.model_dump(mode="json", include=sections)
        cadence = {"tree": config.input.tree, "time": config.input.time, "cadence": config.input.cadence}
        return digest(self.sha256, settings, cadence, known_events(config.known_events).rows())

    def provenance(self, config: Config) -> dict[str, Any]:
        """Return what a manifest records about the input and the settings it was read with."""
        settings = portable(config).model_dump(mode="json")
        source = {
            "file": self.path.name,
            "sha256": self.sha256,
            "tree": config.input.tree,
            "entries": len(self.timeline.time),
            "usable": len(self.timeline.row),
            "dropped": self.timeline.reasons,
        }
        return {"input": source, "config": settings, "seeds": seeds(settings)}


def reading(config: Config, path: Path) -> Config:
    """Return the configuration with a file as its input."""
    return config.model_copy(update={"input": config.input.model_copy(update={"path": path})})


def made_from(config: Config, sha256: str) -> tuple[object, ...]:
    """Return plain values that determine the result of a command to the byte.

    Args:
        config: the configuration, with the file as its input.
        sha256: of the file.
    """
    settings = portable(config).model_dump(mode="json")
    return sha256, settings, known_events(config.known_events).rows(), versions(), __version__


def one_path(paths: Paths) -> Path:
    """Return the only one of some files.

    Raises:
        InputError: if there are several.
    """
    if isinstance(paths, str | Path):
        return Path(paths)
    if len(paths) != 1:
        raise InputError(f"{len(paths)} input files are named; one can be read")
    return Path(paths[0])


def input_path(config: Config, path: Paths | None) -> Path:
    """Return the file to read: ``path``, or ``input.path`` of the configuration if None.

    Raises:
        InputError: if the file does not exist; the message says how to get one.
    """
    chosen = one_path(path or config.input.path)
    if chosen.exists():
        if any("\ud800" <= character <= "\udfff" for character in str(chosen)):
            raise InputError(f"{chosen}: the name is not valid UTF-8, and results could not record it; rename it")
        return chosen
    if path is not None:
        raise InputError(f"no file {chosen}")
    raise InputError(
        f"no file {chosen}; put {config.name}'s file there, name another with --input, or make a stand-in: "
        f"polarbgb simulate {chosen} --days 10"
    )


def read_input(config: Config, path: Path, *, track: Track = silent) -> pl.DataFrame:
    """Read every branch that the configuration names.

    Args:
        config: names the tree and the branches.
        path: ROOT file.
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
    # A rate that feeds a guarded feature is checked as a rate; nulls in it would reach the targets.
    features = tuple(c for c in dict.fromkeys(columns) if c not in {config.input.time, *config.rates.names})
    return RowRules(
        time=config.input.time,
        cadence=config.input.cadence,
        rates=config.rates,
        derivations=config.derivations,
        filters=config.cuts,
        exposure=config.exposure,
        features=features,
        orbit=config.orbit,
        known_events=config.known_events,
    )


def read_timeline(config: Config, path: Path, *, track: Track = silent) -> Timeline:
    """Read a file and assess the quality of its rows.

    Raises:
        UserError: if the file or the configuration does not fit, or no row is usable.
    """
    columns = read_input(config, path, track=track)
    with watched(track, "row quality"):
        timeline = clean(columns, row_rules(config), where=str(path))
    require_cadence(timeline.usable_time, config.input.cadence, str(path))
    return timeline


def require_same_file(path: Path, sha256: str, fitted: str) -> None:
    """Check that a file is the one that was fitted.

    Args:
        path: the file, for the message.
        sha256: of the file.
        fitted: SHA-256 of the file that was fitted.

    Raises:
        UserError: if they differ.
    """
    if sha256 != fitted:
        raise UserError(f"{path} has changed since it was fitted; fit again, or name the fitted file with --input")


def prepare(config: Config, path: Paths | None, *, track: Track = silent) -> Prepared:
    """Read a file, assess its rows, and compute the features.

    Args:
        config: the instrument.
        path: ROOT file; ``input.path`` of the configuration if None.
        track: watches the reading.

    Raises:
        UserError: if the file or the configuration does not fit.
    """
    features = len(feature_names(config.features, config.position))  # refuse a duplicate name before the file is read
    source = input_path(config, path).resolve()
    sha256 = file_digest(source) if source.is_file() else ""  # the reader refuses what is not a file
    timeline = read_timeline(config, source, track=track)
    rates = count_rates(timeline, config.rates, config.input.cadence)
    bytes_per_row = 4 * features + _BYTES_PER_RATE * len(config.rates.names)
    on_disk = not room_for(bytes_per_row * len(timeline.row), config.memory)
    with watched(track, "features"):
        matrix = build_matrix(timeline, config.features, config.position, config.input.cadence, on_disk=on_disk)
    # The other columns are in the matrix already; of a long mission they would fill the memory a second time.
    latitude = () if config.position is None else (config.position.latitude,)
    context = timeline.frame.select(list(dict.fromkeys((*config.intervals.context, *latitude))))
    return Prepared(source, sha256, replace(timeline, frame=context), matrix, rates)
