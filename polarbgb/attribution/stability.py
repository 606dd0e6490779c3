"""How far attributions agree: those of the models of one fit, and those of two fits."""

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
    """How far two attributions or more agree.

    Attributes:
        bins: names of the rates.
        correlation: (bins,) Spearman rank correlation of the features' importances; of more than two attributions the
            mean over the pairs.
        change: (bins,) largest change of a feature's share of the bin's importance, from the least to the most.
        feature: (bins,) the feature whose share changes most.
    """

    bins: tuple[str, ...]
    correlation: tuple[float, ...]
    change: tuple[float, ...]
    feature: tuple[str, ...]

    def summary(self) -> dict[str, object]:
        """Return what ``stability.json`` tells; null where there is no number."""
        told = asdict(self)
        for name in ("correlation", "change"):
            told[name] = [value if np.isfinite(value) else None for value in told[name]]
        return told


def shares(importance: Values) -> Values:
    """Return (features, bins) importances as shares of their bin's; 0 in a bin without any."""
    total = importance.sum(axis=0)
    return np.asarray(importance / np.where(total > 0, total, 1.0))


def fold_shares(explanation: Explanation, split: NDArray[np.int64]) -> dict[int, Values]:
    """Return the (features, bins) shares of each split's own rows, which its own models explain.

    Args:
        explanation: of a sample.
        split: (sample,) number of the split that predicted each row.
    """
    return {
        int(which): shares(
            np.column_stack(
                [np.abs(of_bin[split == which]).mean(axis=0, dtype=np.float64) for of_bin in explanation.values]
            )
        )
        for which in np.unique(split)
    }


def compare_attributions(
    attributions: list[Values], names: tuple[str, ...], bins: tuple[str, ...]
) -> AttributionStability:
    """Compare attributions of the same features.

    Args:
        attributions: (features, bins) shares, two or more.
        names: of the features.
        bins: names of the rates.
    """
    stacked = np.stack(attributions)
    change = stacked.max(axis=0) - stacked.min(axis=0)
    return AttributionStability(
        bins,
        tuple(_rank_correlation(stacked[:, :, number]) for number in range(len(bins))),
        tuple(change.max(axis=0).tolist()),
        tuple(names[feature] for feature in change.argmax(axis=0)),
    )


def _rank_correlation(attributions: Values) -> float:
    """Return the mean Spearman correlation over the pairs of (attributions, features) shares."""
    from scipy.stats import spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a bin's trees have no split, all features are alike: NaN says it
        pairs = [float(spearmanr(one, other).statistic) for one, other in combinations(attributions, 2)]
    return float(np.mean(pairs))
