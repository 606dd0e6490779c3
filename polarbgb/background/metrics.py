"""Metrics of a prediction on rows that its model never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import poisson

from polarbgb.background.calibration import modified_gaussian_fit
from polarbgb.data.count_rates import CountRates

LAGS = (1, 10, 100)
"""Distances, in rows, at which the autocorrelation of pulls is computed."""

_LEAST_COUNTS = 1e-6
"""Smallest predicted counts; below, the likelihood of any count would vanish."""


@dataclass(frozen=True)
class Score:
    """The error of one bin over some rows.

    Methods are compared by the Poisson deviance of the counts, which no method can lower by predicting too little or
    too much. A weight of 1/error**2 can be: errors of observed counts are small where the counts happen to be low.

    Attributes:
        part: name of the rows, such as "held out" or "validation".
        bin: name of the rate's column.
        rows: number of rows.
        deviance: mean Poisson deviance per row, counts against predicted counts.
        noise: the same if counts were drawn from the prediction; close to 1 unless few are expected.
        constant: the deviance of the best constant rate.
        weighted_error: sum(w r^2) / sum(w) with w = 1/error^2 and r = rate - prediction, Hz^2: the published WMSE.
        bias: mean of r/error.
        mean_square_pull: mean of (r/error)^2; 1 if nothing but the stated errors is left.
    """

    part: str
    bin: str
    rows: int
    deviance: float
    noise: float
    constant: float
    weighted_error: float
    bias: float
    mean_square_pull: float

    @property
    def over_noise(self) -> float:
        """Return the deviance in units of that of pure counting noise."""
        return self.deviance / self.noise

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values; None for the errors of a bin without rows."""
        return {name: None if value != value else value for name, value in asdict(self).items()}  # noqa: PLR0124 - NaN

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return what :meth:`as_dict` was made from."""
        return cls(**{field.name: _or_nan(plain[field.name]) for field in fields(cls)})


def score(
    count_rates: CountRates,
    prediction: NDArray[np.float64],
    rows: NDArray[np.bool_],
    names: tuple[str, ...],
    part: str,
) -> list[Score]:
    """Score a prediction bin by bin.

    Args:
        count_rates: rates and errors.
        prediction: (rows, bins) Hz.
        rows: (rows,) rows that are used.
        names: (bins,) names of the rates.
        part: name of these rows.

    Returns:
        One score per bin; empty if no row is used.
    """
    if not rows.any():
        return []
    # Bin by bin: copies of all bins of a long mission would stand in memory together.
    used = (rows & (count_rates.exposure[:, i_bin] > 0) for i_bin in range(len(names)))
    return [
        _score_bin(part, name, count_rates, prediction, i_bin=i_bin, rows=of_bin)
        for i_bin, (name, of_bin) in enumerate(zip(names, used, strict=True))
    ]


def _score_bin(
    part: str,
    name: str,
    count_rates: CountRates,
    prediction: NDArray[np.float64],
    *,
    i_bin: int,
    rows: NDArray[np.bool_],
) -> Score:
    """Score one bin over its measured rows; NaN if there is none."""
    rate, error, exposure, predicted = (
        values[rows, i_bin] for values in (count_rates.rate, count_rates.error, count_rates.exposure, prediction)
    )
    if not len(rate):
        return Score(part, name, 0, *(np.nan,) * 6)
    pull = (rate - predicted) / error
    counts, expected = rate * exposure, predicted * exposure
    return Score(
        part=part,
        bin=name,
        rows=len(rate),
        deviance=deviance(counts, expected),
        noise=noise_deviance(expected),
        constant=deviance(counts, exposure * (counts.sum() / exposure.sum())),
        weighted_error=float((pull**2).sum() / (1.0 / error**2).sum()),
        bias=float(pull.mean()),
        mean_square_pull=float((pull**2).mean()),
    )


@dataclass(frozen=True)
class Performance:
    """Further measures of the error of one bin over some rows.

    Attributes:
        score: the score over the same rows.
        absolute_error: mean |rate - prediction|, Hz.
        relative_bias: mean of rate - prediction, over the mean rate; None if that is 0.
        pull_width: width of the calibrated pulls by the modified Gaussian fit.
        pull_mean: mean of the calibrated pulls.
        autocorrelation: of the calibrated pulls at the distances :data:`LAGS` within a segment; None without pairs.
        orbit_rms: root of the mean, over orbits, of the squared mean pull of an orbit.
    """

    score: Score
    absolute_error: float
    relative_bias: float | None
    pull_width: float
    pull_mean: float
    autocorrelation: tuple[float | None, ...]
    orbit_rms: float

    def as_dict(self) -> dict[str, object]:
        """Return the plain values, including those of the score."""
        own = {name: value for name, value in asdict(self).items() if name != "score"}
        return {**self.score.as_dict(), **{name: None if value != value else value for name, value in own.items()}}  # noqa: PLR0124 - NaN

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return what :meth:`as_dict` was made from."""
        names = {field.name for field in fields(Score)}
        own = {name: value if name in _OPTIONAL else _or_nan(value) for name, value in plain.items()}
        return cls(Score.from_dict(plain), **{name: value for name, value in own.items() if name not in names})


_OPTIONAL = ("relative_bias", "autocorrelation")
"""Measures that may not exist."""


def _or_nan(value: Any) -> Any:  # noqa: ANN401 - of any type
    return np.nan if value is None else value


def performance(
    count_rates: CountRates,
    prediction: NDArray[np.float64],
    pull: NDArray[np.floating],
    *,
    segment: NDArray[np.integer],
    orbit: NDArray[np.integer],
    rows: NDArray[np.bool_],
    names: tuple[str, ...],
    part: str,
) -> list[Performance]:
    """Measure the performance of a prediction bin by bin.

    Args:
        count_rates: rates, errors and live times.
        prediction: (rows, bins) Hz.
        pull: (rows, bins) calibrated pulls.
        segment: (rows,) number of the segment.
        orbit: (rows,) number of the orbit.
        rows: (rows,) rows that are used.
        names: (bins,) names of the rates.
        part: name of these rows.

    Returns:
        One result per bin, NaN if it has no usable value in these rows; empty if no row is used.
    """
    result = []
    for i_bin, bin_score in enumerate(score(count_rates, prediction, rows, names, part)):
        used = rows & (count_rates.exposure[:, i_bin] > 0)
        if not used.any():
            nothing = (None,) * len(LAGS)
            result.append(Performance(bin_score, np.nan, None, np.nan, np.nan, nothing, np.nan))
            continue
        _, i_orbit = np.unique(orbit[used], return_inverse=True)
        rows_of_orbit = np.bincount(i_orbit)
        rate, predicted = count_rates.rate[used, i_bin], prediction[used, i_bin]
        pulls = pull[used, i_bin].astype(np.float64)
        core = modified_gaussian_fit(pulls)
        mean = float(rate.mean())
        result.append(
            Performance(
                score=bin_score,
                absolute_error=float(np.abs(rate - predicted).mean()),
                relative_bias=float((rate - predicted).mean()) / mean if mean else None,
                pull_width=core.sigma,
                pull_mean=core.mean,
                autocorrelation=tuple(autocorrelation(pull[:, i_bin], segment, used, lag) for lag in LAGS),
                orbit_rms=float(np.sqrt(np.mean((np.bincount(i_orbit, pulls) / rows_of_orbit) ** 2))),
            )
        )
    return result


def deviance(counts: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the mean Poisson deviance 2 (n ln(n/m) - (n - m)) of counts n for predicted counts m.

    Args:
        counts: (n,) counts, 0 or more, at least one row.
        predicted: (n,) expected counts; values below 1e-6 are replaced by 1e-6.
    """
    expected = np.maximum(predicted, _LEAST_COUNTS)
    ratio = np.where(counts > 0, counts, expected) / expected
    return float(2.0 * (counts * np.log(ratio) - (counts - expected)).mean())


def noise_deviance(expected: NDArray[np.float64]) -> float:
    """Return the mean Poisson deviance of counts drawn from the expected ones.

    Args:
        expected: (n,) expected counts, at least one row; values below 1e-6 are replaced by 1e-6.
    """
    means, values = _deviance_of_noise()
    return float(np.interp(np.log(np.maximum(expected, _LEAST_COUNTS)), np.log(means), values).mean())


@cache
def _deviance_of_noise() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return expected counts, increasing, and the mean deviance of Poisson counts around each; 1 for large ones."""
    means = np.geomspace(_LEAST_COUNTS, 1e4, 400)
    values = [
        np.sum(poisson.pmf(counts, mean) * 2 * (xlogy(counts, counts / mean) - counts + mean))
        for mean in means
        for counts in [
            np.arange(max(0.0, np.floor(mean - 12 * np.sqrt(mean))), np.ceil(mean + 12 * np.sqrt(mean)) + 30)
        ]
    ]
    return means, np.array(values)


def autocorrelation(
    pull: NDArray[np.floating], segment: NDArray[np.integer], rows: NDArray[np.bool_], lag: int
) -> float | None:
    """Return the autocorrelation of pulls within segments.

    This is the covariance of all pairs of used rows that lie ``lag`` rows apart in one segment, over the variance of
    all used rows.

    Args:
        pull: (rows,) pulls.
        segment: (rows,) number of the segment, not decreasing.
        rows: (rows,) rows that are used, at least one.
        lag: distance in rows.

    Returns:
        The correlation; None if there is no such pair, or all pulls are equal.
    """
    pairs = np.flatnonzero(rows[:-lag] & rows[lag:] & (segment[:-lag] == segment[lag:]))
    values = pull[rows].astype(np.float64)
    mean = values.mean()
    if len(pairs) == 0 or np.ptp(values) == 0:
        return None
    products = (pull[pairs] - mean) * (pull[pairs + lag] - mean)
    return float(products.mean() / values.var())
