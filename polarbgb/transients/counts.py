"""What the searches look at: counts observed and expected, row by row, and where each row was taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.cleaning import rows_beyond, with_margin
from polarbgb.background.prediction import AUXILIARY
from polarbgb.config import Config
from polarbgb.transients.published import segment_borders

Array = NDArray[np.float64]

_LEAST_SHARE = 0.01
"""Of a bin's mean counts: fewer are not expected of any row."""

_LEAST = 1e-6
"""Counts expected of a row in a bin that expects none."""

_MARGIN = 30.0
"""s beside an excess or deficit that are not quiet: less than a local baseline reaches, which would see nothing."""

_FEW = 20.0
"""Expected counts of a row below which its mirror image is drawn from the exact Poisson distribution."""

_FARTHEST = 5.0
"""Sigma beyond which the skewness of the Poisson distribution is no longer corrected for."""


@dataclass(frozen=True)
class Counts:
    """The usable rows of a prediction.

    Attributes:
        row: (rows,) number of the entry in the file.
        time: (rows,) start, unix s, increasing.
        segment: (rows,) number of the unbroken stretch of data.
        orbit: (rows,) number of the orbit.
        observed: (rows, bins) counts.
        expected: (rows, bins) counts of the background, > 0.
        noise: (rows, bins) one sigma of the calibrated background, counts.
        context: (rows, features) where the row was taken, as far as the prediction says; NaN where it does not.
        context_names: names of these features.
        quiet: (rows,) rows from which local baselines and noise are measured: no excess or deficit beyond
            ``intervals.sigma`` is near.
        series: sets of bins that are searched, alone or as a sum.
        cadence: nominal length of a row, s.
    """

    row: NDArray[np.int64]
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
    def days(self) -> float:
        """Live time in days of 86,400 s."""
        return len(self.time) * self.cadence / 86_400

    def of_series(self, sums: Array, series: NDArray[np.int64]) -> Array:
        """Add up (n, bins) sums over the bins of the (n,) series that each belongs to."""
        member = np.zeros((len(self.series), self.n_bins))
        for i_series, bins in enumerate(self.series):
            member[i_series, list(bins)] = 1.0
        return np.asarray(np.einsum("nb,nb->n", sums, member[series]))

    @property
    def series_names(self) -> list[str]:
        """Numbers of the bins of each series, as ``"0_1"``."""
        return ["_".join(map(str, bins)) for bins in self.series]

    def borders(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the (rows,) first row of the segment of each row, and the row after its last."""
        first, last = segment_borders(self.segment)
        return first, last + 1


def counts_of(prediction: pl.DataFrame, config: Config) -> Counts:
    """Take the counts out of a prediction.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: cadence, the bins and sums that are searched, and the section intervals, which says
            what is not quiet.
    """
    usable = prediction.filter(pl.col("segment") >= 0)
    exposure = usable["exposure"].to_numpy().astype(np.float64)
    expected = usable["pred"].to_numpy() * exposure
    # A squared-error model may predict below zero where counts are few.
    least = np.maximum(_LEAST_SHARE * expected.sum(axis=0) / max(len(expected), 1), _LEAST)
    time = usable["unix_time"].to_numpy()
    beyond = rows_beyond(usable["pull"].to_numpy(), config.intervals.sigma, config.intervals.more_than)
    names = tuple(name for name in AUXILIARY if name in usable.columns)
    return Counts(
        row=usable["row"].to_numpy(),
        time=time,
        segment=usable["segment"].to_numpy(),
        orbit=usable["orbit"].to_numpy(),
        observed=usable["rate"].to_numpy() * exposure,
        expected=np.maximum(expected, least),
        noise=(usable["sigma"].to_numpy() * exposure).astype(np.float32),
        context=np.column_stack(
            [np.empty((len(usable), 0), np.float32), *(usable[name].cast(pl.Float32).to_numpy() for name in names)]
        ),
        context_names=names,
        quiet=~with_margin(beyond, time, _MARGIN),
        series=(*((i_bin,) for i_bin in config.rates.searched), *(tuple(bins) for bins in config.trigger.sums)),
        cadence=config.input.cadence,
    )


def with_added(counts: Counts, added: list[tuple[slice, Array]], config: Config) -> Counts:
    """Return the counts with those of injected transients, and the rows that are still quiet.

    Args:
        counts: to add to.
        added: rows, and the (rows, bins) counts that are added to them.
        config: as for :func:`counts_of`.
    """
    observed = counts.observed.copy()
    touched = np.zeros(len(counts.time), bool)
    for rows, extra in added:
        observed[rows] += extra
        touched[rows] = True
    pull = (observed[touched] - counts.expected[touched]) / counts.noise[touched]
    beyond = np.zeros(len(counts.time), bool)
    beyond[touched] = rows_beyond(pull, config.intervals.sigma, config.intervals.more_than)
    near = with_margin(beyond, counts.time, _MARGIN)
    return replace(counts, observed=observed, quiet=counts.quiet & ~near)


def mirrored(counts: Counts, *, seed: int) -> Counts:
    """Reflect the observed counts about the background: excesses become deficits, and deficits excesses.

    Counts at the quantile q of the Poisson distribution around the background become those at 1 - q. Counts that
    scatter as the background says then do so after the reflection too, however few they are; a reflection of the
    counts themselves would turn their long upper tail into a lower one. Where 20 counts or more are expected, the
    quantiles are those of the Cornish-Fisher expansion (Cornish & Fisher 1938), ``N' = 2 B - N + (w**2 - 1) / 3`` with
    the normal score ``w = z - (z**2 - 1) / (6 sqrt(B)) + 5 (z**3 - z) / (72 B)`` and ``z = (N - B) / sqrt(B)``; where
    fewer are, they are exact, and the place of a whole number within its quantiles is drawn at random, one draw for all
    bins of a row.

    Args:
        counts: as observed.
        seed: of the draws.

    Returns:
        The same rows with reflected counts, not below 0.
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
        # pdtrik is the continuous inverse; the whole number is the least one whose probability reaches the quantile.
        whole = np.ceil(np.nan_to_num(pdtrik(quantile, background)))
        reflected[few] = np.where(quantile <= np.exp(-background), 0.0, whole)
    return replace(counts, observed=reflected)
