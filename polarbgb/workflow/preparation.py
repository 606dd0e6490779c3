"""What inspect, tune, fit, explain and predict begin with: rows, features and rates of a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable
from polarbgb.data.count_rates import CountRates, count_rates
from polarbgb.data.known_events import known_events
from polarbgb.data.quality import Timeline, clean
from polarbgb.data.segments import require_cadence
from polarbgb.errors import UserError
from polarbgb.features.matrix import Matrix, build_matrix, feature_names
from polarbgb.io.provenance import digest, file_digest, seeds, versions
from polarbgb.io.root_input import input_path, read_input
from polarbgb.memory import room_for
from polarbgb.progress import Track, silent, watched

_BESIDE = 100
"""Bytes a row and bin that predictions, calibration and the prediction's frame take beside the matrix, measured."""


@dataclass(frozen=True)
class Prepared:
    """A file, ready for the boosters.

    Attributes:
        path: the file, absolute.
        sha256: of the file as it was read.
        timeline: its rows, judged; of its columns the context of events and the latitude are left.
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
        """Digest what hyperparameters depend on: the file, its rows that count, the rates and the features."""
        parts = config.model_dump(mode="json", include={"rates", "derived", "filters", "features", "position", "orbit"})
        cadence = {"tree": config.input.tree, "time": config.input.time, "cadence": config.input.cadence}
        return digest(self.sha256, parts, cadence, known_events(config).rows())

    def provenance(self, config: Config) -> dict[str, Any]:
        """Return what a manifest says of the input, and of the settings that it was read with."""
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
    """Return what decides, to the byte, what a verb makes of a file: plain values.

    Args:
        config: with the file as its input.
        sha256: of the file.
    """
    settings = portable(config).model_dump(mode="json")
    return sha256, settings, known_events(config).rows(), versions(), __version__


def read_timeline(config: Config, path: Path, *, track: Track = silent) -> Timeline:
    """Read a file and judge its rows.

    Raises:
        UserError: if the file or the configuration does not fit, or no row is usable.
    """
    columns = read_input(config, path, track=track)
    with watched(track, "judge rows"):
        timeline = clean(columns, config, where=str(path))
    require_cadence(timeline.usable_time, config.input.cadence, str(path))
    return timeline


def require_same_file(path: Path, sha256: str, fitted: str) -> None:
    """Check that a file is the one that was fitted.

    Args:
        path: for the message.
        sha256: of the file.
        fitted: of the file that was fitted.

    Raises:
        UserError: if it is another one.
    """
    if sha256 != fitted:
        raise UserError(f"{path} has changed since it was fitted; fit again, or name the fitted file with --input")


def prepare(config: Config, path: Path | None, *, track: Track = silent) -> Prepared:
    """Read a file, judge its rows, and compute features.

    Args:
        config: the instrument.
        path: ROOT file; the configuration's own where None.
        track: watches the reading.

    Raises:
        UserError: if the file or the configuration does not fit.
    """
    features = len(feature_names(config))  # a name given twice should not cost a long read first
    path = input_path(config, path).resolve()
    sha256 = file_digest(path) if path.is_file() else ""  # what is not a file the reader refuses, in its own words
    timeline = read_timeline(config, path, track=track)
    rates = count_rates(timeline, config)
    each = 4 * features + _BESIDE * len(config.rates.names)
    on_disk = not room_for(each * len(timeline.row), config.memory)
    with watched(track, "features"):
        matrix = build_matrix(timeline, config, on_disk=on_disk)
    # All columns of a long mission would stand in memory beside the matrix that was made from them.
    place = () if config.position is None else (config.position.latitude,)
    context = timeline.frame.select(list(dict.fromkeys((*config.intervals.context, *place))))
    return Prepared(path, sha256, replace(timeline, frame=context), matrix, rates)
