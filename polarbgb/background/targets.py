"""What the trees fit: labels and weights of one bin under an objective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.measured import Measured

_LEAST = 1e-6
"""Hz: the label of a row without counts where the model predicts the logarithm."""


@dataclass(frozen=True)
class Targets:
    """Labels of one bin.

    Attributes:
        label: (rows,) rate, Hz.
        weight: (rows,) weight of each row, scaled so that the mean second derivative of the loss is about 1 a row:
            hyperparameters in rows then mean the same for every bin, objective and instrument.
        mean: weighted mean of the label, Hz: where the fit starts.
    """

    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    mean: float


def make_targets(
    measured: Measured, number: int, grow: NDArray[np.bool_], stop: NDArray[np.bool_], objective: str
) -> tuple[Targets, Targets]:
    """Make the targets of one bin for the rows that grow trees and for those that decide when to stop.

    Poisson: the likelihood of N counts at rate r and live time e is e*r - N*log(r) = e * (r - (N/e)*log(r)), that is
    the Poisson loss of the rate with the exposure as weight; no offset is needed.
    Gamma: rate/r + log(r), whose curvature in log(r) is the same for every row: counting noise is small beside what
    the features do not explain, and that grows with the rate.
    Squared: weight 1/error**2, as published.

    Args:
        measured: rates, errors and exposures of all rows.
        number: the bin.
        grow: (rows,) rows that grow trees.
        stop: (rows,) rows that decide when to stop.
        objective: 'poisson', 'gamma' or 'squared'.
    """
    rate = measured.rate[:, number]
    if objective == "poisson":
        # The fit starts at log(mean), and LightGBM refuses labels that are all 0: a bin without a count needs a floor.
        rate = np.maximum(rate, _LEAST)
        weight = measured.exposure[:, number]
        scale = float(np.mean(weight[grow] * rate[grow]))
    elif objective == "gamma":
        rate = np.maximum(rate, _LEAST)
        weight = np.ones(len(rate))
        scale = 1.0
    else:
        weight = 1.0 / measured.error[:, number] ** 2
        scale = float(np.mean(weight[grow]))
    mean = float(np.average(rate[grow], weights=weight[grow]))
    grown, stopping = (
        Targets(rate[rows].astype(np.float32), (weight[rows] / scale).astype(np.float32), mean) for rows in (grow, stop)
    )
    return grown, stopping
