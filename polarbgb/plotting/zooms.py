"""Where a light curve is worth a closer look: an orbit of each quality, and the anomaly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.features.passages import passages

_BESIDE = 900.0
"""s shown before and after a passage of the anomaly."""

_WHOLE = 0.5
"""Of the rows of the fullest orbit: a shorter stretch is no orbit to show."""


@dataclass(frozen=True)
class Zoom:
    """A stretch of time.

    Attributes:
        name: in one word, for a file.
        title: in words.
        start: unix seconds.
        stop: unix seconds, not included.
    """

    name: str
    title: str
    start: float
    stop: float

    def of(self, prediction: pl.DataFrame) -> pl.DataFrame:
        """Return its rows of a prediction."""
        return prediction.filter(pl.col("unix_time").is_between(self.start, self.stop, closed="left"))


def choose_zooms(prediction: pl.DataFrame, config: Config) -> list[Zoom]:
    """Choose the orbits with the smallest, the median and the largest root mean square pull, and a passage.

    The mean is over rows and bins; orbits with less than half of the rows of the fullest one do not count. Of the
    passages of the South Atlantic Anomaly, during which the detector is off, it is the one of median length.

    Args:
        prediction: ``unix_time`` (s), ``segment``, ``orbit`` and the per-bin ``pull``.
        config: names the passages and the cadence.

    Returns:
        None where there are no rows, else up to four, each orbit once.
    """
    usable = prediction.select("unix_time", "segment", "orbit", "pull").filter(pl.col("segment") >= 0)
    if usable.is_empty():
        return []
    return [*_orbits(usable, config.input.cadence), *_passage(usable["unix_time"].to_numpy(), config)]


def _orbits(usable: pl.DataFrame, cadence: float) -> list[Zoom]:
    square = np.square(usable["pull"].to_numpy()).mean(axis=1, dtype=np.float64)
    orbits = (
        usable.select("orbit", "unix_time", pl.Series("square", square))
        .group_by("orbit")
        .agg(
            pl.len().alias("rows"),
            start=pl.col("unix_time").min(),
            stop=pl.col("unix_time").max() + cadence,
            rms=pl.col("square").mean().sqrt(),
        )
        .filter(pl.col("rows") >= _WHOLE * pl.col("rows").max(), pl.col("rms").is_finite())
        .sort("rms", "orbit")
    )
    chosen: dict[int, str] = {}
    for place, name in ((0, "quietest"), (len(orbits) - 1, "worst"), ((len(orbits) - 1) // 2, "median")):
        if 0 <= place < len(orbits):
            chosen.setdefault(place, name)
    return [
        Zoom(
            f"orbit_{name}",
            f"orbit {orbits['orbit'][place]}, {name} of {len(orbits)}: rms of its pulls {orbits['rms'][place]:.2f}",
            orbits["start"][place],
            orbits["stop"][place],
        )
        for place, name in sorted(chosen.items())
    ]


def _passage(time: np.ndarray, config: Config) -> list[Zoom]:
    off = passages(time, *config.features.passage)
    if not len(off):
        return []
    length = off[:, 1] - off[:, 0]
    start, stop = off[np.argsort(length, kind="stable")[(len(off) - 1) // 2]]
    title = f"around a passage of the South Atlantic Anomaly: no data for {(stop - start) / 60:.1f} min"
    return [Zoom("anomaly", title, start - _BESIDE, stop + _BESIDE)]
