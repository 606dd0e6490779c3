"""Targets of the boosters: labels, weights and base margins for an objective.

Every booster fits relative rates, the rate of a bin over its level, so that one booster can learn what all bins share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.data.count_rates import CountRates

_LEAST = 1e-6
"""Smallest level of a bin, Hz, and smallest label for a log link: a bin may have no counts at all."""


@dataclass(frozen=True)
class Targets:
    """Targets of one booster.

    Attributes:
        label: (rows,) relative rate.
        weight: (rows,) weight of each row, scaled so that the mean second derivative of the loss is about 1 per row:
            hyperparameters in rows then mean the same for every bin, objective and instrument.
        base: (rows,) base margin, to which the trees are added.
    """

    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    base: NDArray[np.float32]


def levels(count_rates: CountRates, rows: NDArray[np.bool_], objective: str) -> NDArray[np.float64]:
    """Return the (bins,) constant rate of each bin, Hz, that fits some rows best.

    Args:
        count_rates: rates, errors and exposures of all rows.
        rows: (all rows,) rows that are used.
        objective: 'poisson', 'gamma' or 'squared'.
    """
    weight = _weight(count_rates, rows, objective)
    rate = np.where(weight > 0, count_rates.rate[rows], 0.0)
    mean = (rate * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), _LEAST)
    return np.asarray(np.maximum(mean, _LEAST))


def start_margin(objective: str) -> float:
    """Return the margin of a relative rate of 1."""
    return 1.0 if objective == "squared" else 0.0


def make_targets(
    count_rates: CountRates,
    bins: Sequence[int],
    level: NDArray[np.float64],
    rows: NDArray[np.bool_],
    objective: str,
    *,
    margin: NDArray[np.floating] | float = 0.0,
) -> Targets:
    """Return the targets of the relative rate that some bins have in common.

    With one bin the loss is the likelihood of that bin. With several it is their joint likelihood if all follow one
    relative rate f, so that the rate of bin i is ``level_i * f``; this is again a loss with one label and one weight
    per row.

    Poisson: the likelihood of N counts at rate r and live time e is e*r - N*log(r), so with r = level*f it is
    e*level * (f - (N/e/level) * log(f)): the weights e*level of the bins add up, and so do their counts.
    Gamma: rate/r + log(r), whose curvature in log(r) is the same for every row: counting noise is small compared with
    what the features do not explain, which grows with the rate. All bins have the same weight.
    Squared: weight 1/error**2, as published, which is (level/error)**2 for the relative rate.

    Args:
        count_rates: rates, errors and exposures of all rows.
        bins: numbers of the bins.
        level: (all bins,) Hz, from :func:`levels`.
        rows: (all rows,) rows whose targets are returned.
        objective: 'poisson', 'gamma' or 'squared'.
        margin: (rows,) margin of the trees grown before; 0 for a relative rate of 1.
    """
    chosen = list(bins)
    weight = _weight(count_rates, rows, objective)[:, chosen]
    if objective == "poisson":
        weight = weight * level[chosen]
    elif objective == "squared":
        weight = weight * level[chosen] ** 2
    relative = np.where(weight > 0, count_rates.rate[rows][:, chosen], 0.0) / level[chosen]
    total = weight.sum(axis=1)
    measured = total > 0
    # A row without any of these bins has no weight, and any label. If no row has one, the booster has nothing to learn.
    label = np.where(measured, (weight * relative).sum(axis=1) / np.where(measured, total, 1.0), 1.0)
    total = total if measured.any() else np.ones_like(total)
    if objective != "squared":
        label = np.maximum(label, _LEAST)  # LightGBM refuses labels that are all 0
    curvature = (total * label if objective == "poisson" else total)[total > 0]
    return Targets(
        label.astype(np.float32),
        (total / curvature.mean()).astype(np.float32),
        np.full(len(label), start_margin(objective) + margin, np.float32),
    )


def _weight(count_rates: CountRates, rows: NDArray[np.bool_], objective: str) -> NDArray[np.float64]:
    """Return the (rows, bins) weight of each rate in a mean; 0 where masked."""
    if objective == "poisson":
        return count_rates.exposure[rows]
    if objective == "gamma":
        return count_rates.measured[rows].astype(np.float64)
    return 1.0 / count_rates.error[rows] ** 2
