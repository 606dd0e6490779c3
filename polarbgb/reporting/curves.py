"""Light curves as a page takes them: few enough steps, in arrays that a browser unpacks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.plotting.light_curve import note_of, steps_of
from polarbgb.plotting.time_cells import Cells, Values, cells

_MOST = 1500
"""Steps of a window; more rows than that are averaged."""


@dataclass(frozen=True)
class Curves:
    """What is drawn of a prediction: its usable rows.

    Attributes:
        time: (rows,) start of each, unix s.
        segment: (rows,) unbroken stretch.
        rate: (rows, bins) Hz.
        pred: (rows, bins) background, Hz.
        sigma: (rows, bins) noise expected about it, Hz.
        pull: (rows, bins).
    """

    time: Values
    segment: NDArray[np.int32]
    rate: NDArray[np.float32]
    pred: NDArray[np.float32]
    sigma: NDArray[np.float32]
    pull: NDArray[np.float32]

    @classmethod
    def of(cls, prediction: pl.DataFrame) -> Self:
        """Take them from :func:`polarbgb.background.prediction.prediction_frame`."""
        usable = prediction.filter(pl.col("segment") >= 0)
        names = ("unix_time", "segment", "rate", "pred", "sigma", "pull")
        return cls(*(usable[name].to_numpy() for name in names))

    @property
    def bins(self) -> range:
        """Numbers of all bins."""
        return range(self.rate.shape[1])

    def whole(self, config: Config, bins: Sequence[int] | None = None) -> tuple[list[dict[str, Any]], str]:
        """Return the light curves of some bins, or all, from end to end, and what a step of them is.

        As :func:`polarbgb.plotting.light_curve.light_curve` draws them: means and the range of the background, of
        single rows their noise, and the range of the pulls; times in unix ms. Nothing without rows.
        """
        if not len(self.time):
            return [], ""
        steps = steps_of(self.time, self.segment, config)
        drawn, flagged = steps.rate, steps.pull
        curves = []
        for number in self.bins if bins is None else bins:
            rate, pred, sigma, pull = (
                values[:, number].astype(np.float64) for values in (self.rate, self.pred, self.sigma, self.pull)
            )
            of_rows = steps.rate_width is None
            low, high = (pred - sigma, pred + sigma) if of_rows else (drawn.lowest(pred), drawn.highest(pred))
            curve = {"rate": drawn.mean(rate), "pred": drawn.mean(pred), "low": low, "high": high}
            pulls = {"pull_low": flagged.lowest(pull), "pull_high": flagged.highest(pull)}
            curves.append({"rate": _stairs(drawn, 0.0, 1e3, **curve), "pull": _stairs(flagged, 0.0, 1e3, **pulls)})
        return curves, note_of(steps)

    def window(
        self, start: float, stop: float, origin: float, config: Config, bins: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Return the light curves of some bins between two times, row by row where there are not too many.

        Args:
            start: of the window, unix s.
            stop: of the window, unix s.
            origin: what times count from, unix s.
            config: gives the cadence.
            bins: which; all where None.

        Returns:
            One a bin, times in s; empty where no row lies in the window.
        """
        first, last = np.searchsorted(self.time, [start, stop])
        if first == last:
            return []
        time, segment = self.time[first:last], self.segment[first:last]
        cadence = config.input.cadence
        width = None if last - first <= _MOST else (time[-1] + cadence - time[0]) / _MOST
        drawn = cells(time, segment, cadence, width)
        panels = []
        for number in self.bins if bins is None else bins:
            rate, pred, sigma, pull = (
                values[first:last, number].astype(np.float64)
                for values in (self.rate, self.pred, self.sigma, self.pull)
            )
            middle, noise = drawn.mean(pred), drawn.mean(sigma)
            curve = {"rate": drawn.mean(rate), "pred": middle, "low": middle - noise, "high": middle + noise}
            pulls = {"pull_low": drawn.lowest(pull), "pull_high": drawn.highest(pull)}
            panels.append({"rate": _stairs(drawn, origin, 1.0, **curve), "pull": _stairs(drawn, origin, 1.0, **pulls)})
        return panels


def packed(values: NDArray[Any], dtype: type = np.float32) -> dict[str, str]:
    """Return numbers as text that a browser makes a typed array of."""
    little = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
    return {"type": np.dtype(dtype).name, "data": b64encode(little.tobytes()).decode("ascii")}


def _stairs(drawn: Cells, origin: float, scale: float, **columns: Values) -> Mapping[str, dict[str, str]]:
    """Return the corners of staircases: a value holds until the next one, and none where a gap breaks them."""
    breaks = np.flatnonzero(drawn.gap_after) + 1
    start = np.insert(drawn.start, breaks, drawn.stop[breaks - 1])
    return {
        "x": packed((start - origin) * scale, np.float64),
        **{name: packed(np.insert(values, breaks, np.nan)) for name, values in columns.items()},
    }
