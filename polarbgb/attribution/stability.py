"""Stability of attributions: agreement between the models of one fit, or between two fits."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import Explanation

Values = NDArray[np.float64]


@dataclass(frozen=True)
class AttributionStability:
    """Agreement of two or more attributions.

    Attributes:
        bins: names of the rates.
        correlation: (bins,) Spearman rank correlation of the importances of the features; the mean over all pairs of
            attributions if there are more than two.
        change: (bins,) largest difference of the share of a feature in the importance of the bin.
        feature: (bins,) feature with the largest difference.
    """

    bins: tuple[str, ...]
    correlation: tuple[float, ...]
    change: tuple[float, ...]
    feature: tuple[str, ...]

    def summary(self) -> dict[str, object]:
        """Return the content of ``stability.json``; NaN become null."""
        content = asdict(self)
        for name in ("correlation", "change"):
            content[name] = [value if np.isfinite(value) else None for value in content[name]]
        return content


def shares(importance: Values) -> Values:
    """Return (features, bins) importances as shares of the total of each bin; 0 in a bin without any importance."""
    total = importance.sum(axis=0)
    return np.asarray(importance / np.where(total > 0, total, 1.0))


def fold_shares(explanation: Explanation, fold: NDArray[np.int64]) -> dict[int, Values]:
    """Return the (features, bins) shares of importance in the rows of each fold.

    Args:
        explanation: explanation of a sample.
        fold: (sample,) fold whose model predicted each row.
    """
    return {
        int(i_fold): shares(
            np.column_stack(
                [np.abs(of_bin[fold == i_fold]).mean(axis=0, dtype=np.float64) for of_bin in explanation.values]
            )
        )
        for i_fold in np.unique(fold)
    }


def compare_attributions(
    attributions: list[Values], names: tuple[str, ...], bins: tuple[str, ...]
) -> AttributionStability:
    """Compare attributions of the same features.

    Args:
        attributions: two or more arrays of (features, bins) shares.
        names: names of the features.
        bins: names of the rates.
    """
    stacked = np.stack(attributions)
    change = stacked.max(axis=0) - stacked.min(axis=0)
    return AttributionStability(
        bins,
        tuple(_rank_correlation(stacked[:, :, i_bin]) for i_bin in range(len(bins))),
        tuple(change.max(axis=0).tolist()),
        tuple(names[feature] for feature in change.argmax(axis=0)),
    )


def _rank_correlation(attributions: Values) -> float:
    """Return the mean Spearman correlation over the pairs of (attributions, features) shares."""
    from scipy.stats import spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all shares are equal if the trees of a bin have no split: the result is NaN
        pairs = [float(spearmanr(first, second).statistic) for first, second in combinations(attributions, 2)]
    return float(np.mean(pairs))
