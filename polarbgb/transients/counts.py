"""Observed and expected counts of the rows that are searched."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.cleaning import rows_beyond, with_margin
from polarbgb.background.prediction import AUXILIARY, counts_of_prediction
from polarbgb.config import Intervals
from polarbgb.transients.rows import Rows, segment_borders
from polarbgb.transients.settings import SearchSettings

Array = NDArray[np.float64]

_LEAST_SHARE = 0.01
"""Share of the mean counts of a bin below which no row is expected to lie."""

_LEAST = 1e-6
"""Expected counts of a masked row; others expect more."""

_MARGIN = 30.0
"""s on either side of an excess or deficit that are not quiet; a local baseline reaches farther."""

_FEW = 20.0
"""Expected counts of a row below which its reflection is drawn from the exact Poisson distribution."""

_FARTHEST = 5.0
"""sigma up to which the skewness of the Poisson distribution is corrected for."""


@dataclass(frozen=True)
class Counts:
    """The usable rows of a prediction.

    A masked bin of a row has no counts, next to none are expected, and its noise is 1.

    Attributes:
        time: (rows,) start, unix s, increasing.
        segment: (rows,) number of the segment of unbroken data.
        orbit: (rows,) number of the orbit.
        observed: (rows, bins) counts.
        expected: (rows, bins) counts of the background, > 0.
        noise: (rows, bins) one sigma of the calibrated background, counts.
        context: (rows, features) auxiliary columns of the prediction, such as position; NaN where not known.
        context_names: names of these features.
        quiet: (rows,) mask of the rows from which local baselines and noise are measured: those not near an excess or
            deficit beyond ``intervals.sigma``.
        series: sets of bins that are searched, alone or as a sum.
        cadence: nominal length of a row, s.
    """

    time: Array
    segment: NDArray[np.int32]
    orbit: NDArray[np.int32]
    observed: Array
    expected: Array
    noise: NDArray[np.float32]
    context: NDArray[np.float32]
    context_names: tuple[str, ...]
    quiet: NDArray[np.bool_]
    series: tuple[tuple[int, ...], ...]
    cadence: float

    @property
    def n_bins(self) -> int:
        """Number of energy bins."""
        return int(self.observed.shape[1])

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(rows, bins) mask of what is not masked."""
        return self.expected > _LEAST

    @property
    def complete(self) -> NDArray[np.bool_]:
        """(rows,) mask of the rows in which every bin is measured that ever is."""
        measured = self.measured
        return np.asarray((measured | ~measured.any(axis=0)).all(axis=1))

    @property
    def days(self) -> float:
        """Live time in days of 86,400 s."""
        return len(self.time) * self.cadence / 86_400

    def of_series(self, sums: Array, series: NDArray[np.int64]) -> Array:
        """Return the (n,) sums of (n, bins) counts over the bins of (n,) series."""
        member = np.zeros((len(self.series), self.n_bins))
        for i_series, bins in enumerate(self.series):
            member[i_series, list(bins)] = 1.0
        return np.asarray(np.einsum("nb,nb->n", sums, member[series]))

    @property
    def series_names(self) -> list[str]:
        """Numbers of the bins of each series, as ``"0_1"``."""
        return ["_".join(map(str, bins)) for bins in self.series]

    def borders(self) -> tuple[Rows, Rows]:
        """Return the (rows,) first row of the segment of each row, and the row after its last."""
        first, last = segment_borders(self.segment)
        return first, last + 1


def counts_of(prediction: pl.DataFrame, settings: SearchSettings) -> Counts:
    """Return the counts of the usable rows of a prediction.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        settings: cadence, the series that are searched, and the intervals that are not quiet.
    """
    observed, expected, noise = counts_of_prediction(prediction)
    masked = noise == 0
    # A squared-error model may predict below zero where counts are few.
    least = np.maximum(_LEAST_SHARE * expected.sum(axis=0) / np.maximum((~masked).sum(axis=0), 1), 2 * _LEAST)
    time = prediction["unix_time"].to_numpy()
    beyond = rows_beyond(prediction["pull"].to_numpy(), settings.intervals.sigma, settings.intervals.more_than)
    names = tuple(name for name in AUXILIARY if name in prediction.columns)
    return Counts(
        time=time,
        segment=prediction["segment"].to_numpy(),
        orbit=prediction["orbit"].to_numpy(),
        observed=observed,
        expected=np.where(masked, _LEAST, np.maximum(expected, least)),
        noise=np.where(masked, 1.0, noise).astype(np.float32),
        context=np.column_stack(
            [np.empty((len(time), 0), np.float32), *(prediction[name].cast(pl.Float32).to_numpy() for name in names)]
        ),
        context_names=names,
        quiet=~with_margin(beyond, time, _MARGIN),
        series=settings.series,
        cadence=settings.cadence,
    )


def with_added(counts: Counts, added: list[tuple[slice, Array]], intervals: Intervals) -> Counts:
    """Return the counts with those of injected transients added; rows near bright ones are no longer quiet.

    Args:
        counts: without the transients.
        added: rows of each transient, and the (rows, bins) counts that it adds.
        intervals: what is not quiet.
    """
    observed = counts.observed.copy()
    touched = np.zeros(len(counts.time), bool)
    for rows, extra in added:
        observed[rows] += np.where(counts.expected[rows] > _LEAST, extra, 0.0)
        touched[rows] = True
    pull = (observed[touched] - counts.expected[touched]) / counts.noise[touched]
    beyond = np.zeros(len(counts.time), bool)
    beyond[touched] = rows_beyond(pull, intervals.sigma, intervals.more_than)
    near = with_margin(beyond, counts.time, _MARGIN)
    return replace(counts, observed=observed, quiet=counts.quiet & ~near)


def mirrored(counts: Counts, *, seed: int) -> Counts:
    """Reflect the observed counts about the background: excesses become deficits, and deficits excesses.

    Counts at the quantile q of the Poisson distribution around the background become those at 1 - q, so that Poisson
    counts about the background stay Poisson counts about the background, however few they are. (Reflecting the counts
    themselves would turn their long upper tail into a lower one.) Where 20 counts or more are expected, the quantiles
    are those of the Cornish-Fisher expansion (Cornish & Fisher 1938), ``N' = 2 B - N + (w**2 - 1) / 3`` with the normal
    score ``w = z - (z**2 - 1) / (6 sqrt(B)) + 5 (z**3 - z) / (72 B)`` and ``z = (N - B) / sqrt(B)``. Where fewer are
    expected, the quantiles are exact: one is drawn at random from those that a whole number covers, with the same draw
    for all bins of a row.

    Args:
        counts: as observed.
        seed: of the draws.

    Returns:
        The same rows with reflected counts, at least 0.
    """
    from scipy.special import pdtr, pdtrik

    expected, observed = counts.expected, counts.observed
    root = np.sqrt(expected)
    z = np.clip((observed - expected) / root, -_FARTHEST, _FARTHEST)
    score = z - (z**2 - 1) / (6 * root) + 5 * (z**3 - z) / (72 * expected)
    reflected = np.maximum(2 * expected - observed + (score**2 - 1) / 3, 0.0)
    few = expected < _FEW
    if few.any():
        draw = np.broadcast_to(np.random.default_rng(seed).random((len(expected), 1)), few.shape)[few]
        background, number = expected[few], np.maximum(np.rint(observed[few]), 0.0)
        below = np.where(number > 0, pdtr(np.maximum(number - 1, 0.0), background), 0.0)
        quantile = 1.0 - (below + draw * (pdtr(number, background) - below))
        quantile = np.clip(quantile, 1e-15, 1 - 1e-15)
        # pdtrik is the continuous inverse: the quantile is reached by the next whole number.
        whole = np.ceil(np.nan_to_num(pdtrik(quantile, background)))
        reflected[few] = np.where(quantile <= np.exp(-background), 0.0, whole)
    return replace(counts, observed=np.where(counts.measured, reflected, 0.0))
