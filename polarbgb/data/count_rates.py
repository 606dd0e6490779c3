"""Count rates: rates, errors and live time of the modelled bins, each bin of each row usable or masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Rates
from polarbgb.errors import InputError

Array = NDArray[np.float64]

ABSURD = 1e30
"""Larger absolute values are artefacts (an old POLAR file holds -1.2e33), not measurements."""

_MOST_NEGATIVE = 0.05
"""Share of negative rates above which a background was subtracted."""

_MARKS = 0.2
"""Share of the negative rates from which on one value is a mark."""

_FEWEST_NEGATIVE = 10
"""Fewer negative rates are faults."""

_CERTAINLY_OFF = 30.0
"""Counts expected at a tenth of the usual rate without one being observed: the bin was off (Poisson: 1e-13)."""

_PARTS = 100
"""Parts of the rows whose rates are compared."""

_HARDLY_LIVE, _APART = 0.02, 1.04
"""Live time over the length of rows below which it is doubtful, and ratio between two bins above which it is."""


@dataclass(frozen=True)
class CountRates:
    """Rates of the usable rows.

    A masked bin of a row has no live time: its exposure is 0, its rate is NaN and its error is infinite, so that it
    adds no counts and has no weight.

    Attributes:
        rate: (rows, bins) Hz.
        error: (rows, bins) one sigma as the file states it, or of the observed counts, Hz.
        exposure: (rows, bins) live time, s; rate times exposure is the number of counts.
    """

    rate: Array
    error: Array
    exposure: Array

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(rows, bins) mask of what is not masked."""
        return self.exposure > 0

    @property
    def counts(self) -> Array:
        """(rows, bins) observed counts, 0 where masked."""
        return np.where(self.measured, self.rate * self.exposure, 0.0)

    def of(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice, bins: list[int] | slice = slice(None)) -> Self:
        """Return the rates of some rows and bins."""
        index = (rows, bins) if isinstance(bins, slice) else np.ix_(np.arange(len(self.rate))[rows], np.asarray(bins))
        return type(self)(*(values[index] for values in (self.rate, self.error, self.exposure)))

    @classmethod
    def of_sums(cls, counts: Array, variance: Array, exposure: Array) -> Self:
        """Return the rates of (rows, bins) counts with their variances in (rows, bins) live times, s; 0 masks."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return cls(counts / exposure, np.sqrt(variance) / exposure, exposure).without(exposure <= 0)

    def combined(self, first: NDArray[np.int64]) -> Self:
        """Return the rates of consecutive rows that are combined: all counts over all live time.

        Args:
            first: (combined,) first row of each combined row.
        """
        noise = np.where(self.measured, self.error, 0.0) * self.exposure
        return self.of_sums(*(np.add.reduceat(values, first) for values in (self.counts, noise**2, self.exposure)))

    def without(self, masked: NDArray[np.bool_]) -> Self:
        """Return the rates with a (rows, bins) mask of further values to leave out."""
        return type(self)(
            np.where(masked, np.nan, self.rate),
            np.where(masked, np.inf, self.error),
            np.where(masked, 0.0, self.exposure),
        )


def count_rates(
    frame: pl.DataFrame,
    rates: Rates,
    exposure: Array | None,
    cadence: float,
    *,
    longest: Array | None = None,
    where: str = "the file",
) -> tuple[CountRates, dict[str, NDArray[np.bool_]]]:
    """Return the rates of all entries of a file, masked where they are unusable.

    Zero is a measurement. A value is masked where it is negative or no number, or where its live time is not known, and
    for no other reason: a rule that depended on the counts would bias the background.

    If no exposure is given, it follows from rate = N/live and error = sqrt(N)/live as live = rate/error**2 (the
    definition of POLAR's rate file). A rate of zero does not determine its live time: it is the median of the bin,
    scaled as the live times of the other bins of the row are. Without errors and exposure, rows are live all the time.
    The error of a rate without a usable one is that of its counts, of at least one.

    Args:
        frame: one row per entry, with the columns that ``rates`` names.
        rates: names the columns of the rates or counts, and of their errors.
        exposure: (entries,) live time, s; None if it follows from rate and error.
        cadence: length of a row, s.
        longest: (entries,) time that a row can have been live, s; None for any.
        where: name of the file, for messages.

    Returns:
        The rates, and (entries, bins) masks by reason.

    Raises:
        InputError: if so many rates are negative that a background must have been subtracted.
    """
    shape = len(frame), len(rates.names)
    rate, error, live = (np.full(shape, np.nan) for _ in range(3))
    for i_bin, name in enumerate(rates.names):  # bin by bin: further copies of all would fill the memory
        rate[:, i_bin] = _counted(frame[name], name, where)
        if rates.error_names:
            error[:, i_bin] = _positive(frame[rates.error_names[i_bin]].to_numpy())
        if exposure is not None:
            live[:, i_bin] = _positive(exposure)
        elif rates.error_names:
            with np.errstate(all="ignore"):  # errors of 1e-200 Hz are numbers, but no live time follows from them
                live[:, i_bin] = _positive(rate[:, i_bin] / error[:, i_bin] ** 2)
        else:
            live[:, i_bin] = cadence
    unusable = np.isnan(rate)
    if exposure is None and rates.error_names:
        _fill_zero_rates(live, rate == 0, cadence)
    if longest is not None:
        np.minimum(live, longest[:, None], out=live)
    unknown = np.isnan(live) & ~unusable
    if rates.counts:
        rate /= live
    for i_bin in range(shape[1]):
        without = np.isnan(error[:, i_bin])
        counts = np.maximum(rate[without, i_bin] * live[without, i_bin], 1.0)
        error[without, i_bin] = np.sqrt(counts) / live[without, i_bin]
    masked = unusable | unknown
    rate[masked], error[masked], live[masked] = np.nan, np.inf, 0.0
    return CountRates(rate, error, live), {
        "rate is not a number >= 0": unusable,
        "live time is not known" if exposure is None else "exposure is not a number > 0": unknown,
    }


def _counted(column: pl.Series, name: str, where: str) -> Array:
    """Return the (entries,) rates or counts of a bin, NaN where they are negative or not a number."""
    values = column.to_numpy().astype(np.float64)
    values[~(np.abs(values) < ABSURD)] = np.nan
    negative = values < 0
    _, number = np.unique(values[negative], return_counts=True)
    # Values that come again and again mark what is missing, as -1 or -999.9.
    number = number[number < max(_FEWEST_NEGATIVE, _MARKS * negative.sum())]
    share = number.sum() / max(len(values), 1)
    if share > _MOST_NEGATIVE and number.sum() >= _FEWEST_NEGATIVE:
        raise InputError(
            f"{where}: '{name}' is negative in {share:.0%} of the rows, as if a background had been subtracted; "
            "counts are needed: give the rates from before the subtraction (rates.values)"
        )
    values[negative] = np.nan
    return values


def _positive(values: NDArray[np.floating]) -> Array:
    """Return the (entries,) values, NaN where they are not a number > 0."""
    return np.where((values > 0) & (values < ABSURD), values, np.nan)


def _fill_zero_rates(live: Array, zero: NDArray[np.bool_], cadence: float) -> None:
    """Enter the live times, s, of rates of zero, in place."""
    rows = np.flatnonzero(zero.any(axis=1))
    if not len(rows):
        return
    usual = np.array([np.median(known) if len(known := column[np.isfinite(column)]) else cadence for column in live.T])
    # The dead time of a row is common to its bins.
    share = live[rows] / usual
    known = np.isfinite(share).sum(axis=1)
    of_row = np.where(known > 0, np.nansum(share, axis=1) / np.maximum(known, 1), 1.0)
    live[rows] = np.where(zero[rows], of_row[:, None] * usual, live[rows])


def off(rates: CountRates, segment: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the (rows, bins) mask of bins that were off: rows on end without a count, where many must be expected.

    A run of zeros is masked where even a tenth of the usual rate of the bin would have given 30 counts. The usual rate
    is the median of a hundred parts of the rows that have counts: a burst in a quiet bin does not change it.

    Args:
        rates: rates of rows in time order.
        segment: (rows,) number of the unbroken stretch, not decreasing.
    """
    result = np.zeros_like(rates.measured)
    for i_bin in range(rates.rate.shape[1]):
        live = rates.exposure[:, i_bin]
        zero = rates.rate[:, i_bin] == 0
        if not zero.any():
            continue
        mean = _usual_rate(rates.of(slice(None), [i_bin]))
        run = np.cumsum(np.diff(zero, prepend=False) | (np.diff(segment, prepend=segment[:1]) != 0))
        expected = np.bincount(run, np.where(zero, live, 0.0))[run] * mean / 10
        result[:, i_bin] = zero & (expected > _CERTAINLY_OFF)
    return result


def _usual_rate(of_bin: CountRates) -> float:
    """Return the median rate of the parts of the rows in which a single bin has counts, Hz; 0 without any."""
    part = np.arange(len(of_bin.rate)) * _PARTS // max(len(of_bin.rate), 1)
    counts, live = (np.bincount(part, sums[:, 0], minlength=_PARTS) for sums in (of_bin.counts, of_bin.exposure))
    seen = counts > 0
    return float(np.median(counts[seen] / live[seen])) if seen.any() else 0.0


def doubtful_live_time(rates: CountRates, width: Array, names: tuple[str, ...], *, stated: bool) -> str | None:
    """Return a remark on live times that do not go with the length of the rows; None if they do.

    Args:
        rates: of the usable rows.
        width: (rows,) length of the rows, s.
        names: (bins,) names of the rates.
        stated: whether the live time is given, or follows from rates and errors.
    """
    seen = [i_bin for i_bin in range(len(names)) if rates.measured[:, i_bin].any()]
    share = np.array([np.median((rates.exposure[:, i] / width)[rates.measured[:, i]]) for i in seen])
    if not len(share):
        return None
    low, high = int(share.argmin()), int(share.argmax())
    if share[high] < _HARDLY_LIVE:
        return f"rows are live for {share[high]:.2g} of their length: is rates.exposure in seconds?"
    if not stated and (share[high] > _APART * share[low] or share[high] > _APART):
        return (
            f"the live time that follows from rates and errors is {share[low]:.3g} ({names[seen[low]]}) to "
            f"{share[high]:.3g} ({names[seen[high]]}) of the length of a row: the errors are not sqrt(N)/live; "
            "give rates.exposure"
        )
    return None


def masked_by_bin(masks: Mapping[str, NDArray[np.bool_]], names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return the number of masked values by bin and reason, for the bins that have any.

    Args:
        masks: (rows, bins) by reason.
        names: (bins,) names of the rates.
    """
    counts = {reason: mask.sum(axis=0).tolist() for reason, mask in masks.items()}
    by_bin = {
        name: {reason: of_bins[i_bin] for reason, of_bins in counts.items() if of_bins[i_bin]}
        for i_bin, name in enumerate(names)
    }
    return {name: reasons for name, reasons in by_bin.items() if reasons}


def counting_noise(count_rates: CountRates, prediction: Array) -> Array:
    """Return the (rows, bins) counting noise sqrt(B * live) / live of the predicted rate B, Hz; infinite where masked.

    It does not depend on the fluctuation of the row itself.
    """
    # A squared-error model may predict below zero where counts are few; one count is the smallest noise.
    counts = np.maximum(prediction * count_rates.exposure, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(counts) / count_rates.exposure)
