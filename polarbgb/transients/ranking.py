"""The ranking statistic: boosted trees that tell injected transients from noise and errors of the background."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = Mapping[str, NDArray[np.float32]]

N_FOLDS, ORBITS_PER_BLOCK = 5, 3
"""Blocks of neighbouring orbits are dealt out to folds; candidates of a fold are ranked by trees that never saw it."""

FEWEST_ORBITS, FEWEST_CANDIDATES = 32, 60
"""Numbers of orbits (two days) and candidates below which no ranking is learned."""

_TREES = 300
_SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}

_MIRRORED = 30.0
"""Weight of a candidate of mirrored counts relative to one of the data."""

_DAY = 86_400.0
_SCALE = re.compile(r"significance_(.+)s")
"""Names of the features that hold the largest significance at a scale, s."""

_RISING = ("significance", "distance", "excess")
"""Beginnings of the names of features with which the ranking statistic may only rise. All else equal, a brighter excess
never ranks lower, although the data that are used as noise hold bright transients."""


@dataclass(frozen=True)
class Ranking:
    """Trees that rank candidates; without trees, the ranking statistic is the significance.

    Attributes:
        names: names of the features, in the order of the trees.
        models: one LightGBM model per fold, as text; empty where there was too little to learn from.
        days: live time of the file, which limits how well the noise of long windows is known.
    """

    names: tuple[str, ...]
    models: tuple[str, ...]
    days: float

    @property
    def learned(self) -> bool:
        """Whether there are trees."""
        return bool(self.models)

    def score(self, features: Features, orbit: NDArray[np.integer], *, held_out: bool = True) -> Array:
        """Return the (candidates,) ranking statistic: the log odds of the trees, or the largest significance.

        Without trees, the significance at each scale is that of Student's distribution, by
        :func:`gaussian_equivalent`, because the noise of a scale is measured from as many samples as the file has.

        Args:
            features: from :func:`polarbgb.transients.candidates.describe_candidates`.
            orbit: (candidates,) number of the orbit.
            held_out: whether the candidates lie in orbits that the trees were trained on. If so, each is ranked by the
                trees that never saw its orbit, otherwise by the mean of all.
        """
        if not self.learned:
            scales = {name: _SCALE.fullmatch(name) for name in features}
            by_scale = np.stack(
                [
                    gaussian_equivalent(features[name].astype(np.float64), self.days * _DAY / float(scale[1]))
                    for name, scale in scales.items()
                    if scale is not None
                ]
            )
            return np.asarray(by_scale.max(axis=0))
        return self._predicted(features, orbit, held_out, contributions=False)[:, 0]

    def explain(self, features: Features, orbit: NDArray[np.integer], *, held_out: bool = True) -> Array:
        """Return the (candidates, features) SHAP values of the ranking statistic; arguments as in :meth:`score`.

        Tree SHAP (Lundberg et al. 2020) as LightGBM computes it. Without trees all are 0.
        """
        if not self.learned:
            return np.zeros((len(orbit), len(self.names)))
        return self._predicted(features, orbit, held_out, contributions=True)[:, :-1]

    def _predicted(
        self, features: Features, orbit: NDArray[np.integer], held_out: bool, *, contributions: bool
    ) -> Array:
        import lightgbm

        values = _matrix(features, self.names)
        total = np.zeros((len(values), values.shape[1] + 1 if contributions else 1))
        fold = fold_of_orbit(orbit)
        for i_fold, text in enumerate(self.models):
            rows = fold == i_fold if held_out else np.ones(len(values), bool)
            if not rows.any():
                continue
            model = lightgbm.Booster(model_str=text)
            options = {"pred_contrib": True} if contributions else {"raw_score": True}
            predicted = np.asarray(model.predict(values[rows], num_threads=1, **options))
            total[rows] += predicted.reshape(int(rows.sum()), -1) / (1 if held_out else len(self.models))
        return total

    def as_dict(self) -> dict[str, object]:
        """Return the ranking in the form in which it is stored."""
        return {"features": list(self.names), "models": list(self.models), "days": self.days}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Ranking:
        """Return the ranking from what :meth:`as_dict` returned."""
        return cls(tuple(stored["features"]), tuple(stored["models"]), float(stored["days"]))


def gaussian_equivalent(significance: Array, degrees: float) -> Array:
    """Return the Gaussian significance of a deviation in units of a noise that was measured from few samples.

    Such a deviation follows Student's distribution, whose tails are long: in a file of nine hours, ten times the noise
    of hour-long sums is no rarity. The normal score is that of Wallace (1959, Ann. Math. Stat. 30, 1121):
    ``sqrt(d log(1 + t**2 / d)) (8 d + 1) / (8 d + 3)``.

    Args:
        significance: (n,) deviation t.
        degrees: number of independent samples d, as the live time over the time scale.

    Example:
        >>> gaussian_equivalent(np.array([5.0, 10.0]), 1e6).round(2).tolist()
        [5.0, 10.0]
        >>> gaussian_equivalent(np.array([5.0, 10.0]), 9.0).round(2).tolist()
        [3.37, 4.61]
    """
    normal = np.sqrt(degrees * np.log1p(significance**2 / degrees))
    return np.asarray(normal * (8 * degrees + 1) / (8 * degrees + 3))


def fold_of_orbit(orbit: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the (n,) fold of (n,) orbits; :data:`ORBITS_PER_BLOCK` neighbours share a fold."""
    return np.asarray(orbit.astype(np.int64) // ORBITS_PER_BLOCK % N_FOLDS)


def enough_to_learn(*sets: tuple[Features, NDArray[np.integer]]) -> bool:
    """Return whether sets of candidates are large enough to learn a ranking from.

    Args:
        sets: features of candidates and their orbits; the first set is that of the observed counts.

    Returns:
        False with fewer than :data:`FEWEST_ORBITS` orbits or :data:`FEWEST_CANDIDATES` candidates, or with a fold
        without candidates.
    """
    if min(len(orbit) for _, orbit in sets) < FEWEST_CANDIDATES or len(np.unique(sets[0][1])) < FEWEST_ORBITS:
        return False
    return all(np.bincount(fold_of_orbit(orbit), minlength=N_FOLDS).min() > 0 for _, orbit in sets)


def train_ranking(
    observed: tuple[Features, NDArray[np.integer]],
    mirrored: tuple[Features, NDArray[np.integer]],
    injected: tuple[Features, NDArray[np.integer]],
    *,
    days: float,
    seed: int,
    threads: int = 0,
) -> Ranking:
    """Train the ranking fold by fold: injected transients against noise.

    Noise is represented by the candidates of mirrored counts and, with less weight, by those of the observed counts.
    Mirrored counts hold no transients, but no noise that occurs as an excess only either, such as particle spikes;
    observed counts hold both.

    Args:
        observed: features of the candidates of the observed counts, and their orbits.
        mirrored: the same for mirrored counts.
        injected: the same for injected transients.
        days: live time of the file.
        seed: of the rows and features that trees draw.
        threads: number of threads; 0 for all cores.

    Returns:
        The ranking, without trees where there is too little to learn from (:func:`enough_to_learn`).
    """
    import lightgbm

    sets = (observed, mirrored, injected)
    names = tuple(sorted(observed[0]))
    if not enough_to_learn(*sets):
        return Ranking(names, (), days)
    values = np.vstack([_matrix(features, names) for features, _ in sets])
    sizes = [len(orbit) for _, orbit in sets]
    label, prior = (np.repeat(of_set, sizes) for of_set in ([0.0, 0.0, 1.0], [1.0, _MIRRORED, 1.0]))
    fold = fold_of_orbit(np.concatenate([orbit for _, orbit in sets]))
    monotone = [int(name.startswith(_RISING)) for name in names]
    settings = _SETTINGS | {"seed": seed, "monotone_constraints": monotone}

    def train(i_fold: int) -> str:
        rows = fold != i_fold
        is_noise = label[rows] == 0
        weight = prior[rows].copy()
        weight[is_noise] *= weight[~is_noise].sum() / weight[is_noise].sum()
        data = lightgbm.Dataset(values[rows], label[rows], weight=weight, feature_name=list(names))
        return str(lightgbm.train(settings, data, _TREES).model_to_string())

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:  # one thread per fold is fastest for small sets
        return Ranking(names, tuple(pool.map(train, range(N_FOLDS))), days)


def _matrix(features: Features, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the (candidates, features) matrix in the order of the names; NaN where a feature is not known."""
    unknown = np.full(len(next(iter(features.values()))), np.nan, np.float32)
    return np.column_stack([features.get(name, unknown) for name in names]).astype(np.float32)
