"""How good a prediction is on rows that its model never saw."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.measured import Measured


@dataclass(frozen=True)
class Score:
    """The error of one bin over some rows.

    Attributes:
        part: which rows, such as "held out" or "validation".
        bin: name of the rate's column.
        rows: their number.
        weighted_error: sum(w r^2) / sum(w) with w = 1/error^2 and r = rate - prediction, Hz^2: the published WMSE.
        noise: the same if r were pure counting noise of the stated errors, rows / sum(w), Hz^2.
        constant: the weighted error of the best constant, Hz^2.
        bias: mean of r/error.
        mean_square_pull: mean of (r/error)^2; 1 if nothing but the stated errors is left.
    """

    part: str
    bin: str
    rows: int
    weighted_error: float
    noise: float
    constant: float
    bias: float
    mean_square_pull: float

    def as_dict(self) -> dict[str, str | int | float]:
        """Return the plain values."""
        return asdict(self)


def score(
    measured: Measured,
    prediction: NDArray[np.float64],
    rows: NDArray[np.bool_],
    names: tuple[str, ...],
    part: str,
) -> list[Score]:
    """Score a prediction bin by bin.

    Args:
        measured: rates and errors.
        prediction: (rows, bins) Hz.
        rows: (rows,) the rows that count.
        names: (bins,) names of the rates.
        part: what to call these rows.

    Returns:
        One score a bin; none where no row counts.
    """
    if not rows.any():
        return []
    rate, error, predicted = measured.rate[rows], measured.error[rows], prediction[rows]
    weight = 1.0 / error**2
    total = weight.sum(axis=0)
    pull = (rate - predicted) / error
    weighted = (pull**2).sum(axis=0) / total
    mean = (weight * rate).sum(axis=0) / total
    constant = (weight * (rate - mean) ** 2).sum(axis=0) / total
    return [
        Score(
            part=part,
            bin=name,
            rows=int(rows.sum()),
            weighted_error=float(weighted[b]),
            noise=float(len(rate) / total[b]),
            constant=float(constant[b]),
            bias=float(pull[:, b].mean()),
            mean_square_pull=float((pull[:, b] ** 2).mean()),
        )
        for b, name in enumerate(names)
    ]
