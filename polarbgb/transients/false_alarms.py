"""False-alarm rate and probability of candidates, from a control that holds no transients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BULK = 100.0
"""Candidates of the control per day in the bulk."""

_PRIOR = 50.0
"""Candidates of either kind that are added, so that few ones do not matter."""


@dataclass(frozen=True)
class Control:
    """Candidates that the same search and the same ranking find in mirrored counts.

    Attributes:
        ranking: (n,) ranking statistic of the candidates, increasing.
        days: live time of the control, days.
        excess: number of false candidates of the observed counts per candidate of the control. It is above 1 because
            some disturbances, such as spikes of particles, are excesses alone; see :func:`bulk_excess`.
    """

    ranking: Array
    days: float
    excess: float = 1.0

    def count(self, ranking: Array) -> Array:
        """Return the (m,) number of candidates of the control that rank at least as high as each value."""
        return np.asarray(len(self.ranking) - np.searchsorted(self.ranking, ranking), np.float64)

    def far(self, ranking: Array) -> Array:
        """Return the (m,) false-alarm rate, 1/day.

        This is the rate of candidates of the control that rank at least as high, times the excess. Where no candidate
        of the control does, one is counted, and the rate is an upper limit (:meth:`is_limit`).
        """
        return np.asarray(self.excess * np.maximum(self.count(ranking), 1.0) / self.days)

    @property
    def least_far(self) -> float:
        """Smallest false-alarm rate that the control supports, 1/day."""
        return self.excess / self.days

    def is_limit(self, ranking: Array) -> NDArray[np.bool_]:
        """Return the (m,) mask of the values whose false-alarm rate is an upper limit."""
        return np.asarray(self.count(ranking) == 0)

    def far_error(self, ranking: Array) -> Array:
        """Return the (m,) statistical error of the false-alarm rate, 1/day, from the square root of the count."""
        return np.asarray(self.excess * np.sqrt(np.maximum(self.count(ranking), 1.0)) / self.days)

    def selected(self, ranking: Array, far: float) -> NDArray[np.bool_]:
        """Return the (m,) mask of the candidates in a list with ``far`` false alarms per day.

        If ``far`` is below :attr:`least_far`, these are the candidates above the whole control.
        """
        return np.asarray(self.excess * self.count(ranking) <= far * self.days)

    def pooled(self, other: Control) -> Control:
        """Return the control of both together."""
        days = self.days + other.days
        excess = (self.excess * self.days + other.excess * other.days) / days
        return Control(np.sort(np.concatenate([self.ranking, other.ranking])), days, excess)

    def as_dict(self) -> dict[str, object]:
        """Return the control in the form in which it is stored."""
        return {"ranking": self.ranking.tolist(), "days": self.days, "excess": self.excess}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Control:
        """Return the control from what :meth:`as_dict` returned."""
        return cls(np.array(stored["ranking"], np.float64), float(stored["days"]), float(stored["excess"]))


def bulk_excess(ranking: Array, control: Control) -> float:
    """Return how many candidates of the observed counts there are per candidate of the control, in the bulk.

    The bulk is what ranks as high as the first 100 candidates of the control per day, among which true transients are
    few: a transient per day raises the result by 0.01. Where the bulk is small, the result is drawn towards 1; it is
    never below.

    Args:
        ranking: (n,) ranking statistic of the candidates of the observed counts.
        control: of the same search.

    Example:
        >>> control = Control(np.arange(1000.0), days=10.0)
        >>> round(bulk_excess(np.arange(0.0, 1000.0, 0.5), control), 2)
        1.95
    """
    count = min(round(_BULK * control.days), len(control.ranking))
    if not count:
        return 1.0
    observed = int((ranking >= control.ranking[-count]).sum())
    return max(1.0, (observed + _PRIOR) / (count + _PRIOR))


def probability(ranking: Array, control: Control, days: float) -> Array:
    """Return the probability that each candidate of a search is not a false alarm.

    As for ``p_astro`` of gravitational-wave catalogues (Farr et al. 2015), the density of candidates at a ranking is
    that of true ones plus that of false ones, which is the density of the control: ``p = 1 - false / all``. The ratio
    is estimated by isotonic regression, as the posterior error probability of target-decoy searches (Käll et al. 2008),
    and can only fall with the ranking. One more candidate above all others is added to the control to allow for its
    limited size.

    Args:
        ranking: (n,) ranking statistic of all candidates of the search.
        control: of the same search.
        days: live time searched, days.

    Returns:
        (n,) from 0 to 1.

    Example:
        >>> control = Control(np.array([1.0, 2.0]), days=1.0)
        >>> probability(np.array([1.0, 1.5, 2.5, 3.0, 4.0, 5.0]), control, days=1.0).round(2).tolist()
        [0.5, 0.5, 0.75, 0.75, 0.75, 0.75]
    """
    from scipy.optimize import isotonic_regression

    if not len(ranking):
        return np.zeros(0)
    weight = days * control.least_far
    value = np.concatenate([ranking, control.ranking, [np.inf]])
    false = np.repeat([0.0, 1.0], [len(ranking), len(control.ranking) + 1])
    order = np.lexsort((-false, value))
    weights = np.where(false[order] > 0, weight, 1.0)
    share = isotonic_regression(false[order], weights=weights, increasing=False).x
    share_of_value = np.empty(len(value))
    share_of_value[order] = share
    share = np.minimum(share_of_value[: len(ranking)], 1 - 1e-12)
    # The fit gives false / (false + all); the probability needs false / all.
    return np.asarray(np.clip(1 - share / (1 - share), 0.0, 1.0))
