"""What was measured: rates, errors and live time of the modelled bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.calibrate import GAUSSIAN_WIDTH, modified_gaussian_fit
from polarbgb.config import Config
from polarbgb.timeline.clean import Timeline

_FEWEST_COUNTS, _FEWEST_PAIRS = 10.0, 500


@dataclass(frozen=True)
class Measured:
    """Rates of the usable rows.

    Attributes:
        rate: (rows, bins) Hz.
        error: (rows, bins) one sigma as the file states it, Hz.
        exposure: (rows, bins) live time, s: rate times exposure is a number of counts.
    """

    rate: NDArray[np.float64]
    error: NDArray[np.float64]
    exposure: NDArray[np.float64]


def measured(timeline: Timeline, config: Config) -> Measured:
    """Collect the rates of the usable rows.

    Where the configuration gives no exposure it follows from rate = N/live and error = sqrt(N)/live as
    live = rate/error**2 (the definition of POLAR's rate file). A rate of zero tells nothing of its live time: the
    cadence stands in.
    """
    rate = timeline.frame.select(config.rates.names).to_numpy()
    error = timeline.frame.select(config.rates.error_names).to_numpy()
    if timeline.exposure is None:
        exposure = np.where(rate > 0, rate / error**2, config.input.cadence)
    else:
        exposure = np.broadcast_to(timeline.exposure[:, None], rate.shape)
    return Measured(rate, error, exposure)


def scatter_over_error(
    measured: Measured, segment: NDArray[np.integer], rows: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the (bins,) scatter of rates from one row to the next, in units of their stated errors: 1 if both agree.

    The background hardly changes from row to row, so no model is needed: it is the width of
    (r_i - r_(i+1)) / sqrt(e_i^2 + e_(i+1)^2) by the modified Gaussian fit, which leaves out spikes.

    Args:
        measured: rates and errors.
        segment: (rows,) number of the unbroken stretch, not decreasing.
        rows: (rows,) those that count.

    Returns:
        NaN in a bin with fewer than 500 pairs of rows whose stated errors are those of at least 10 counts: errors of
        fewer, taken from the counts themselves, say little about the scatter.
    """
    pairs = np.flatnonzero(rows[:-1] & rows[1:] & (segment[:-1] == segment[1:]))
    found = np.full(measured.rate.shape[1], np.nan)
    for i_bin in range(len(found)):
        rate, error = measured.rate[:, i_bin], measured.error[:, i_bin]
        counts = (rate / error) ** 2
        enough = pairs[np.minimum(counts[pairs], counts[pairs + 1]) >= _FEWEST_COUNTS]
        if len(enough) >= _FEWEST_PAIRS:
            steps = (rate[enough + 1] - rate[enough]) / np.hypot(error[enough], error[enough + 1])
            found[i_bin] = modified_gaussian_fit(steps).sigma / GAUSSIAN_WIDTH
    return found


def counting_noise(measured: Measured, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (rows, bins) counting noise sqrt(B * live) / live of the predicted rate B, Hz.

    A fluctuation of the row itself does not move it.
    """
    # A squared-error model may predict below zero where counts are few; one count is the least noise there is.
    counts = np.maximum(prediction * measured.exposure, 1.0)
    return np.asarray(np.sqrt(counts) / measured.exposure)
