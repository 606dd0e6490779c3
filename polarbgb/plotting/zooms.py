"""Stretches of time worth a closer look: orbits with small, median and large pulls, and a passage of the anomaly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.features.passages import passages

_BESIDE = 900.0
"""s shown before and after a passage of the anomaly."""

_WHOLE = 0.5
"""Smallest share of the rows of the fullest orbit that an orbit must have to be chosen."""


@dataclass(frozen=True)
class Zoom:
    """A stretch of time.

    Attributes:
        name: name of the figure.
        title: description of the stretch.
        start: start, unix seconds.
        stop: end, unix seconds, not included.
    """

    name: str
    title: str
    start: float
    stop: float

    def of(self, prediction: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a prediction within the stretch."""
        return prediction.filter(pl.col("unix_time").is_between(self.start, self.stop, closed="left"))


def choose_zooms(prediction: pl.DataFrame, *, cadence: float, passage: tuple[float, float]) -> list[Zoom]:
    """Choose the orbits with the smallest, the median and the largest root mean square pull, and a passage.

    The mean is over rows and bins; orbits with less than half of the rows of the fullest one are not considered. Of
    the passages of the South Atlantic Anomaly, during which the detector is off, the one of median length is chosen.

    Args:
        prediction: ``unix_time`` (s), ``segment``, ``orbit`` and the per-bin ``pull``.
        cadence: length of a row, s.
        passage: shortest and longest gap that is taken for a passage of the anomaly, s.

    Returns:
        Up to four stretches, each orbit once; none if there are no usable rows.
    """
    if prediction.is_empty():
        return []
    return [*_orbits(prediction, cadence), *_passage(prediction["unix_time"].to_numpy(), passage)]


def _orbits(usable: pl.DataFrame, cadence: float) -> list[Zoom]:
    square = np.nanmean(np.square(usable["pull"].to_numpy()), axis=1, dtype=np.float64)
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
    names: dict[int, str] = {}
    for place, name in ((0, "quietest"), (len(orbits) - 1, "worst"), ((len(orbits) - 1) // 2, "median")):
        if 0 <= place < len(orbits):
            names.setdefault(place, name)
    return [
        Zoom(
            f"orbit_{name}",
            f"orbit {orbits['orbit'][place]}, {name} of {len(orbits)}: rms pull {orbits['rms'][place]:.2f}",
            orbits["start"][place],
            orbits["stop"][place],
        )
        for place, name in sorted(names.items())
    ]


def _passage(time: NDArray[np.float64], passage: tuple[float, float]) -> list[Zoom]:
    off = passages(time, *passage)
    if not len(off):
        return []
    length = off[:, 1] - off[:, 0]
    start, stop = off[np.argsort(length, kind="stable")[(len(off) - 1) // 2]]
    title = f"around a passage of the South Atlantic Anomaly: no data for {(stop - start) / 60:.1f} min"
    return [Zoom("anomaly", title, start - _BESIDE, stop + _BESIDE)]
