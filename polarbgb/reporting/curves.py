"""Light curves of the report: a limited number of steps, in arrays that a browser unpacks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.plotting.light_curve import note_of, steps_of
from polarbgb.plotting.time_cells import Cells, Values, cells

_MOST = 1500
"""Largest number of steps of a window; more rows are averaged."""


@dataclass(frozen=True)
class Curves:
    """The usable rows of a prediction.

    Attributes:
        time: (rows,) start of each row, unix s.
        segment: (rows,) index of the unbroken stretch.
        rate: (rows, bins) observed rate, Hz.
        pred: (rows, bins) background, Hz.
        sigma: (rows, bins) expected noise, Hz.
        pull: (rows, bins) pull.
    """

    time: Values
    segment: NDArray[np.int32]
    rate: NDArray[np.float32]
    pred: NDArray[np.float32]
    sigma: NDArray[np.float32]
    pull: NDArray[np.float32]

    @classmethod
    def of(cls, prediction: pl.DataFrame) -> Self:
        """Take the rows from a table of :func:`polarbgb.background.prediction.prediction_frame`."""
        names = ("unix_time", "segment", "rate", "pred", "sigma", "pull")
        return cls(*(prediction[name].to_numpy() for name in names))

    @property
    def bins(self) -> range:
        """Indices of all bins."""
        return range(self.rate.shape[1])

    def whole(
        self, cadence: float, period: float, bins: Sequence[int] | None = None
    ) -> tuple[list[dict[str, Any]], str]:
        """Return the whole light curves of some bins, or all, and a sentence on the width of their steps.

        They are those of :func:`polarbgb.plotting.light_curve.light_curve`: means, and the ranges of the background and
        of the pulls; for single rows, the noise instead of the range of the background. Times are in unix ms. Without
        rows, both are empty.

        Args:
            cadence: length of a row, s.
            period: orbital period, s.
            bins: indices of the bins; all if None.
        """
        if not len(self.time):
            return [], ""
        steps = steps_of(self.time, self.segment, cadence, period)
        rate_cells, pull_cells = steps.rate, steps.pull
        curves = []
        for i_bin in self.bins if bins is None else bins:
            rate, pred, sigma, pull = (
                values[:, i_bin].astype(np.float64) for values in (self.rate, self.pred, self.sigma, self.pull)
            )
            if steps.rate_width is None:
                low, high = pred - sigma, pred + sigma
            else:
                low, high = rate_cells.lowest(pred), rate_cells.highest(pred)
            curve = {"rate": rate_cells.mean(rate), "pred": rate_cells.mean(pred), "low": low, "high": high}
            pulls = {"pull_low": pull_cells.lowest(pull), "pull_high": pull_cells.highest(pull)}
            curves.append(
                {"rate": _stairs(rate_cells, 0.0, 1e3, **curve), "pull": _stairs(pull_cells, 0.0, 1e3, **pulls)}
            )
        return curves, note_of(steps)

    def window(
        self, start: float, stop: float, origin: float, cadence: float, bins: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Return the light curves of some bins between two times, row by row unless there are too many rows.

        Args:
            start: start of the window, unix s.
            stop: end of the window, unix s.
            origin: origin of the times that are returned, unix s.
            cadence: length of a row, s.
            bins: indices of the bins; all if None.

        Returns:
            One light curve per bin, with times in s; empty if there is no row in the window.
        """
        first, last = np.searchsorted(self.time, [start, stop])
        if first == last:
            return []
        time, segment = self.time[first:last], self.segment[first:last]
        width = None if last - first <= _MOST else (time[-1] + cadence - time[0]) / _MOST
        drawn = cells(time, segment, cadence, width)
        panels = []
        for i_bin in self.bins if bins is None else bins:
            rate, pred, sigma, pull = (
                values[first:last, i_bin].astype(np.float64) for values in (self.rate, self.pred, self.sigma, self.pull)
            )
            middle, noise = drawn.mean(pred), drawn.mean(sigma)
            curve = {"rate": drawn.mean(rate), "pred": middle, "low": middle - noise, "high": middle + noise}
            pulls = {"pull_low": drawn.lowest(pull), "pull_high": drawn.highest(pull)}
            panels.append({"rate": _stairs(drawn, origin, 1.0, **curve), "pull": _stairs(drawn, origin, 1.0, **pulls)})
        return panels


def packed(values: NDArray[Any], dtype: type = np.float32) -> dict[str, str]:
    """Return numbers as text that a browser converts to a typed array."""
    little = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
    return {"type": np.dtype(dtype).name, "data": b64encode(little.tobytes()).decode("ascii")}


def _stairs(drawn: Cells, origin: float, scale: float, **columns: Values) -> Mapping[str, dict[str, str]]:
    """Return the corners of step curves: a value is valid until the next one, with NaN at gaps."""
    breaks = np.flatnonzero(drawn.gap_after) + 1
    start = np.insert(drawn.start, breaks, drawn.stop[breaks - 1])
    return {
        "x": packed((start - origin) * scale, np.float64),
        **{name: packed(np.insert(values, breaks, np.nan)) for name, values in columns.items()},
    }
