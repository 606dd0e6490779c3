"""Count rates: rates, errors and live time of the modelled bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Rates
from polarbgb.data.quality import Timeline


@dataclass(frozen=True)
class CountRates:
    """Rates of the usable rows.

    Attributes:
        rate: (rows, bins) Hz.
        error: (rows, bins) one sigma as the file states it, Hz.
        exposure: (rows, bins) live time, s; rate times exposure is the number of counts.
    """

    rate: NDArray[np.float64]
    error: NDArray[np.float64]
    exposure: NDArray[np.float64]


def count_rates(timeline: Timeline, rates: Rates, cadence: float) -> CountRates:
    """Return the rates of the usable rows.

    If the timeline has no exposure, it follows from rate = N/live and error = sqrt(N)/live as live = rate/error**2
    (the definition of POLAR's rate file). A rate of zero does not determine its live time: the cadence is used instead.

    Args:
        timeline: the usable rows.
        rates: names the columns of the rates and of their errors.
        cadence: length of a row, s.
    """
    rate = timeline.frame.select(rates.names).to_numpy()
    error = timeline.frame.select(rates.error_names).to_numpy()
    if timeline.exposure is None:
        exposure = np.where(rate > 0, rate / error**2, cadence)
    else:
        exposure = np.broadcast_to(timeline.exposure[:, None], rate.shape)
    return CountRates(rate, error, exposure)


def counting_noise(count_rates: CountRates, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (rows, bins) counting noise sqrt(B * live) / live of the predicted rate B, Hz.

    It does not depend on the fluctuation of the row itself.
    """
    # A squared-error model may predict below zero where counts are few; one count is the smallest noise.
    counts = np.maximum(prediction * count_rates.exposure, 1.0)
    return np.asarray(np.sqrt(counts) / count_rates.exposure)
