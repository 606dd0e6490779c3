"""What tune, fit, explain and predict begin with: rows, features and rates of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polarbgb.background.measured import Measured, measured
from polarbgb.config import Config
from polarbgb.features.matrix import Matrix, build_matrix, feature_columns
from polarbgb.progress import Track, silent
from polarbgb.rootio.read import input_path, read_input
from polarbgb.runfolder import file_digest
from polarbgb.timeline.clean import Timeline, clean


@dataclass(frozen=True)
class Prepared:
    """A file, ready for the boosters.

    Attributes:
        path: the file.
        timeline: its rows, judged.
        matrix: features of the usable rows.
        measured: rates of the usable rows.
    """

    path: Path
    timeline: Timeline
    matrix: Matrix
    measured: Measured

    def provenance(self, config: Config) -> dict[str, object]:
        """Return what a manifest says of the input."""
        return {
            "file": str(self.path),
            "sha256": file_digest(self.path),
            "tree": config.input.tree,
            "entries": len(self.timeline.time),
            "usable": len(self.timeline.row),
            "dropped": self.timeline.reasons,
        }


def prepare(config: Config, path: Path | None, *, track: Track = silent) -> Prepared:
    """Read a file, judge its rows, and compute features.

    Args:
        config: the instrument.
        path: ROOT file; the configuration's own where None.
        track: watches the reading.

    Raises:
        UserError: if the file or the configuration does not fit.
    """
    feature_columns(config)  # a name given twice should not cost a long read first
    path = input_path(config, path)
    timeline = clean(read_input(config, path, track=track), config)
    return Prepared(path, timeline, build_matrix(timeline, config), measured(timeline, config))
