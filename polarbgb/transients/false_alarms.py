"""False-alarm rate and probability of candidates, from a control that holds no transients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Control:
    """Candidates that the same search and the same ranking find in mirrored counts.

    Attributes:
        ranking: (n,) ranking statistic of the candidates, increasing.
        days: live time of the control, days.
    """

    ranking: Array
    days: float

    def count(self, ranking: Array) -> Array:
        """Return the (m,) number of candidates of the control that rank at least as high as each value."""
        return np.asarray(len(self.ranking) - np.searchsorted(self.ranking, ranking), np.float64)

    def far(self, ranking: Array) -> Array:
        """Return the (m,) false-alarm rate, 1/day: the rate of candidates of the control that rank at least as high.

        Where no candidate of the control does, the rate is one per live time of the control, an upper limit
        (:meth:`is_limit`).
        """
        return np.asarray(np.maximum(self.count(ranking), 1.0) / self.days)

    def is_limit(self, ranking: Array) -> NDArray[np.bool_]:
        """Return the (m,) mask of the values whose false-alarm rate is an upper limit."""
        return np.asarray(self.count(ranking) == 0)

    def far_error(self, ranking: Array) -> Array:
        """Return the (m,) statistical error of the false-alarm rate, 1/day, from the square root of the count."""
        return np.asarray(np.sqrt(np.maximum(self.count(ranking), 1.0)) / self.days)

    def selected(self, ranking: Array, far: float) -> NDArray[np.bool_]:
        """Return the (m,) mask of the candidates in a list with ``far`` false alarms per day.

        If ``far`` is below one per live time of the control, these are the candidates above the whole control.
        """
        return np.asarray(self.count(ranking) <= far * self.days)

    def pooled(self, other: Control) -> Control:
        """Return the control of both together."""
        return Control(np.sort(np.concatenate([self.ranking, other.ranking])), self.days + other.days)

    def as_dict(self) -> dict[str, object]:
        """Return the control in the form in which it is stored."""
        return {"ranking": self.ranking.tolist(), "days": self.days}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Control:
        """Return the control from what :meth:`as_dict` returned."""
        return cls(np.array(stored["ranking"], np.float64), float(stored["days"]))


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
    weight = days / control.days
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
