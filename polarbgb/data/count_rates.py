"""What was measured: rates, errors and live time of the modelled bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.data.quality import Timeline


@dataclass(frozen=True)
class CountRates:
    """Rates of the usable rows.

    Attributes:
        rate: (rows, bins) Hz.
        error: (rows, bins) one sigma as the file states it, Hz.
        exposure: (rows, bins) live time, s: rate times exposure is a number of counts.
    """

    rate: NDArray[np.float64]
    error: NDArray[np.float64]
    exposure: NDArray[np.float64]


def count_rates(timeline: Timeline, config: Config) -> CountRates:
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
    return CountRates(rate, error, exposure)


def counting_noise(count_rates: CountRates, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (rows, bins) counting noise sqrt(B * live) / live of the predicted rate B, Hz.

    A fluctuation of the row itself does not move it.
    """
    # A squared-error model may predict below zero where counts are few; one count is the least noise there is.
    counts = np.maximum(prediction * count_rates.exposure, 1.0)
    return np.asarray(np.sqrt(counts) / count_rates.exposure)
