"""Preparing the input: its rows, features and rates, as inspect, tune, fit, explain and predict need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable
from polarbgb.config.types import Paths
from polarbgb.data.count_rates import CountRates, doubtful_live_time
from polarbgb.data.dataset import Dataset, unused
from polarbgb.data.epochs import doubtful_dates
from polarbgb.data.known_events import known_events, known_events_outside
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix, build_matrix, feature_names
from polarbgb.io.input import tree_name
from polarbgb.io.input.files import input_digest, shown
from polarbgb.io.provenance import digest, seeds, versions
from polarbgb.memory import room_for
from polarbgb.progress import Track, silent, watched
from polarbgb.workflow.reading import read_dataset, source_files

_BYTES_PER_RATE = 100
"""Bytes per row and bin that predictions, calibration and their frame need besides the matrix; measured."""


@dataclass(frozen=True)
class Source:
    """The files of the input as they were read.

    Attributes:
        files: as they were named.
        sha256: digest of all files.
        digests: SHA-256 of each file.
        entries: number of entries of each file.
        tree: name of the tree in the first file.
    """

    files: tuple[Path, ...]
    sha256: str
    digests: list[str]
    entries: list[int]
    tree: str

    def local(self) -> dict[str, list[str]]:
        """Return what is recorded of the places on this machine."""
        return {"input": [str(file.resolve()) for file in self.files]}

    def facts(self) -> dict[str, Any]:
        """Return what a manifest records: ``file`` (the names), ``sha256`` of the whole, and ``files``."""
        each = zip(self.files, self.digests, self.entries, strict=True)
        return {
            "file": ", ".join(file.name for file in self.files),
            "sha256": self.sha256,
            "files": [{"file": file.name, "sha256": sha256, "entries": n} for file, sha256, n in each],
        }


@dataclass(frozen=True)
class Prepared:
    """The contents of the input, ready for the boosters.

    Attributes:
        source: the files that were read.
        dataset: their rows; of the columns only the context of events and the latitude are kept.
        matrix: features of the usable rows.
    """

    source: Source
    dataset: Dataset
    matrix: Matrix

    @property
    def sha256(self) -> str:
        """Digest of the input as it was read."""
        return self.source.sha256

    @property
    def count_rates(self) -> CountRates:
        """Rates of the usable rows."""
        return self.dataset.rates

    def as_read(self, config: Config) -> Config:
        """Return the configuration with the files that were read as its input."""
        return reading(config, self.source.files)

    def search(self, config: Config) -> str:
        """Return a digest of what hyperparameters depend on: the file, the rows used, the rates and the features."""
        sections = {"rates", "derived", "filters", "features", "position", "orbit"}
        settings = config.model_dump(mode="json", include=sections)
        cadence = config.input.model_dump(mode="json", exclude={"path"})
        return digest(self.sha256, settings, cadence, known_events(config.known_events).rows())

    def remarks(self, config: Config) -> tuple[str, ...]:
        """Return remarks on the input; see :func:`remarks`."""
        return (
            *remarks(config, self.dataset.entries.facts(), self.dataset.time),
            *live_time_remarks(config, self.dataset),
        )

    def provenance(self, config: Config) -> dict[str, Any]:
        """Return what a manifest records about the input and the settings it was read with."""
        settings = portable(config).model_dump(mode="json")
        source = {
            **self.source.facts(),
            "tree": self.source.tree,
            **self.dataset.entries.facts(),
            "usable": int((self.dataset.entries.row >= 0).sum()),
        }
        return {"input": source, "config": settings, "seeds": seeds(settings)}


def reading(config: Config, files: Sequence[Path]) -> Config:
    """Return the configuration with some files as its input."""
    return config.model_copy(update={"input": config.input.model_copy(update={"path": tuple(files)})})


def made_from(config: Config, sha256: str) -> tuple[object, ...]:
    """Return plain values that determine the result of a command to the byte.

    Args:
        config: the configuration, with the file as its input.
        sha256: of the file.
    """
    settings = portable(config).model_dump(mode="json")
    return sha256, settings, known_events(config.known_events).rows(), versions(), __version__


def remarks(config: Config, facts: Mapping[str, Any], time: NDArray[np.float64]) -> tuple[str, ...]:
    """Return remarks on what of the input is not used as it stands, on its dates and on the known events.

    Args:
        config: how times are stored, and the list of known events.
        facts: what a manifest records about the input.
        time: (n,) start of the usable rows, unix seconds, increasing.
    """
    start, stop = float(time[0]), float(time[-1]) + config.input.cadence
    dates = doubtful_dates(start, stop) if config.input.time_format == "unix" else None
    outside = known_events_outside(known_events(config.known_events), start, stop)
    return (*unused(facts), *filter(None, (dates, outside)))


def live_time_remarks(config: Config, dataset: Dataset) -> list[str]:
    """Return a remark on live times that do not go with the rows, if there is one."""
    stated = config.exposure is not None or not config.rates.error_names
    if config.rates.weighted_means:
        return []
    remark = doubtful_live_time(dataset.rates, dataset.width, config.rates.names, stated=stated)
    return [] if remark is None else [remark]


def require_same_input(files: Sequence[Path], sha256: str, fitted: str) -> None:
    """Check that the input is the one that was fitted.

    Args:
        files: the files, for the message.
        sha256: digest of the files.
        fitted: digest of the input that was fitted.

    Raises:
        UserError: if they differ.
    """
    if sha256 != fitted:
        raise UserError(
            f"{shown(files)} has changed since it was fitted; fit again, or name the fitted input with --input"
        )


def prepare(config: Config, path: Paths | None, *, track: Track = silent) -> Prepared:
    """Read the input, assess its rows, and compute the features.

    Args:
        config: the instrument.
        path: files, patterns or folders; ``input.path`` of the configuration if None.
        track: watches the reading.

    Raises:
        UserError: if a file or the configuration does not fit.
    """
    features = len(feature_names(config.features, config.position))  # refuse a duplicate name before the file is read
    files = source_files(config, path)
    sha256, digests = input_digest(files) if all(file.is_file() for file in files) else ("", [])
    dataset, entries = read_dataset(config, files, track=track)
    bytes_per_row = 4 * features + _BYTES_PER_RATE * len(config.rates.names)
    on_disk = not room_for(bytes_per_row * len(dataset), config.memory)
    with watched(track, "features"):
        matrix = build_matrix(dataset, config.features, config.position, config.input.cadence, on_disk=on_disk)
    # The other columns are in the matrix already; of a long mission they would fill the memory a second time.
    latitude = () if config.position is None else (config.position.latitude,)
    context = dataset.frame.select(list(dict.fromkeys((*config.intervals.context, *latitude))))
    source = Source(files, sha256, digests, entries, tree_name(files[0], config.input.tree))
    return Prepared(source, replace(dataset, frame=context), matrix)
