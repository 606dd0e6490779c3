"""False-alarm rate and probability of candidates, from a control in which no transient can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Control:
    """What the same search and the same ranking make of mirrored counts.

    Attributes:
        ranking: (n,) ranking statistic of the control's candidates, increasing.
        days: live time of the control.
    """

    ranking: Array
    days: float

    def count(self, ranking: Array) -> Array:
        """Return how many candidates of the control rank at least as high as each of (m,) values."""
        return np.asarray(len(self.ranking) - np.searchsorted(self.ranking, ranking), np.float64)

    def far(self, ranking: Array) -> Array:
        """Return the (m,) false-alarm rate, 1/day: how often the control ranks as high, but at least once.

        Where nothing in the control ranks as high, one in its whole live time is an upper limit
        (:meth:`is_limit`); the control supports no smaller number.
        """
        return np.asarray(np.maximum(self.count(ranking), 1.0) / self.days)

    def is_limit(self, ranking: Array) -> NDArray[np.bool_]:
        """Say for which of (m,) values the false-alarm rate is an upper limit."""
        return np.asarray(self.count(ranking) == 0)

    def far_error(self, ranking: Array) -> Array:
        """Return the (m,) statistical error of the false-alarm rate, 1/day: the square root of the number counted."""
        return np.asarray(np.sqrt(np.maximum(self.count(ranking), 1.0)) / self.days)

    def selected(self, ranking: Array, far: float) -> NDArray[np.bool_]:
        """Say which of (m,) candidates a list with ``far`` false alarms a day holds.

        A list asked to be purer than the control can tell holds what nothing in the control ranks as high as.
        """
        return np.asarray(self.count(ranking) <= far * self.days)

    def pooled(self, other: Control) -> Control:
        """Return both controls as one."""
        return Control(np.sort(np.concatenate([self.ranking, other.ranking])), self.days + other.days)

    def as_dict(self) -> dict[str, object]:
        """Return it as it is stored."""
        return {"ranking": self.ranking.tolist(), "days": self.days}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Control:
        """Return what :meth:`as_dict` stored."""
        return cls(np.array(stored["ranking"], np.float64), float(stored["days"]))


def probability(ranking: Array, control: Control, days: float) -> Array:
    """Return the probability that each candidate of a search is no false alarm.

    As ``p_astro`` of gravitational-wave catalogues (Farr et al. 2015), the density of all candidates at a ranking is a
    mix of false ones, whose density is that of the control, and true ones: ``p = 1 - false / all``. The
    ratio is estimated by isotonic regression, as the posterior error probability of target-decoy searches (Käll et al.
    2008): it can only fall with the ranking. One more candidate of the control, above all, stands for what it
    is too small to hold.

    Args:
        ranking: (n,) of all candidates of the search.
        control: of the same search.
        days: live time searched.

    Returns:
        (n,) from 0 to 1.

    Example:
        >>> control = Control(np.array([1.0, 2.0]), days=1.0)
        >>> probability(np.array([1.0, 1.5, 2.5, 3.0, 4.0, 5.0]), control, days=1.0).round(2).tolist()
        [0.0, 0.0, 0.75, 0.75, 0.75, 0.75]
    """
    from scipy.optimize import isotonic_regression

    if not len(ranking):
        return np.zeros(0)
    weight = days / control.days
    value = np.concatenate([ranking, control.ranking, [np.inf]])
    false = np.repeat([0.0, 1.0], [len(ranking), len(control.ranking) + 1])
    order = np.lexsort((-false, value))
    weights = np.where(false[order] > 0, weight, 1.0)
    share = isotonic_regression(false[order], weights=weights, increasing=False).x
    told = np.empty(len(value))
    told[order] = share
    of_all = np.minimum(told[: len(ranking)], 1 - 1e-12)
    # The fit gives false / (false + all); what is asked is false / all.
    return np.asarray(np.clip(1 - of_all / (1 - of_all), 0.0, 1.0))
