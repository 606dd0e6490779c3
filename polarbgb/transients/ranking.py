"""The ranking statistic: boosted trees that tell injected transients from what noise and the background make."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = Mapping[str, NDArray[np.float32]]

PARTS, TOGETHER = 5, 3
"""Orbits are dealt out in threes to so many parts; candidates of a part are ranked by trees that never saw it."""

FEWEST_ORBITS, FEWEST_CANDIDATES = 32, 60
"""Orbits (two days) and candidates below which there is too little to learn from."""

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
"""Weight of a candidate of mirrored counts beside one of the data."""

_RISING = ("significance", "distance", "excess")
"""Beginnings of the names of features with which the ranking statistic may only rise: all else equal, a brighter
excess never ranks lower. So transients that are in the data used as noise do not teach it that bright is common."""


@dataclass(frozen=True)
class Ranking:
    """Trees that rank candidates; without any, the ranking statistic is the significance.

    Attributes:
        names: of the features, in the trees' order.
        models: one LightGBM model per part of the orbits, as text; empty where there was too little to learn from.
    """

    names: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def learned(self) -> bool:
        """Whether there are trees."""
        return bool(self.models)

    def score(self, features: Features, orbit: NDArray[np.integer], *, held_out: bool = True) -> Array:
        """Return the ranking statistic of candidates: the log odds of the trees, or the significance.

        Args:
            features: from :func:`polarbgb.transients.candidates.describe_candidates`.
            orbit: (candidates,) number of the orbit.
            held_out: the candidates lie in the orbits that the trees were trained on: each is ranked by those that
                never saw its orbit. Otherwise by the mean of all.
        """
        if not self.learned:
            return np.asarray(features["significance"], np.float64)
        return self._by_part(_matrix(features, self.names), orbit, held_out, contributions=False)[:, 0]

    def explain(self, features: Features, orbit: NDArray[np.integer], *, held_out: bool = True) -> Array:
        """Return the (candidates, features) SHAP values of the ranking statistic; arguments as in :meth:`score`.

        Tree SHAP (Lundberg et al. 2020) as LightGBM computes it. Without trees all are 0.
        """
        if not self.learned:
            return np.zeros((len(orbit), len(self.names)))
        return self._by_part(_matrix(features, self.names), orbit, held_out, contributions=True)[:, :-1]

    def _by_part(
        self, values: NDArray[np.float32], orbit: NDArray[np.integer], held_out: bool, *, contributions: bool
    ) -> Array:
        import lightgbm

        total = np.zeros((len(values), values.shape[1] + 1 if contributions else 1))
        part = parts_of(orbit)
        for i_part, text in enumerate(self.models):
            rows = part == i_part if held_out else np.ones(len(values), bool)
            if not rows.any():
                continue
            model = lightgbm.Booster(model_str=text)
            options = {"pred_contrib": True} if contributions else {"raw_score": True}
            told = np.asarray(model.predict(values[rows], num_threads=1, **options))
            total[rows] += told.reshape(int(rows.sum()), -1) / (1 if held_out else len(self.models))
        return total

    def as_dict(self) -> dict[str, object]:
        """Return it as it is stored."""
        return {"features": list(self.names), "models": list(self.models)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Ranking:
        """Return what :meth:`as_dict` stored."""
        return cls(tuple(stored["features"]), tuple(stored["models"]))


def parts_of(orbit: NDArray[np.integer]) -> NDArray[np.int64]:
    """Deal orbits out to :data:`PARTS` parts, :data:`TOGETHER` neighbours to the same."""
    return np.asarray(orbit.astype(np.int64) // TOGETHER % PARTS)


def enough_to_learn(*sets: tuple[Features, NDArray[np.integer]]) -> bool:
    """Say whether sets of candidates are large enough to learn a ranking from.

    Args:
        sets: features of candidates and the number of their orbit; the first holds those of the data themselves.

    Returns:
        False where there are fewer than :data:`FEWEST_ORBITS` orbits or :data:`FEWEST_CANDIDATES` candidates, or a part
        of the orbits has none.
    """
    if min(len(orbit) for _, orbit in sets) < FEWEST_CANDIDATES or len(np.unique(sets[0][1])) < FEWEST_ORBITS:
        return False
    return all(np.bincount(parts_of(orbit), minlength=PARTS).min() > 0 for _, orbit in sets)


def train_ranking(
    own: tuple[Features, NDArray[np.integer]],
    mirrored: tuple[Features, NDArray[np.integer]],
    injected: tuple[Features, NDArray[np.integer]],
    *,
    seed: int,
    threads: int = 0,
) -> Ranking:
    """Train the ranking, part by part of the orbits: injected transients against noise.

    Noise is what mirrored counts make, and, with less weight, what the data make themselves. The first holds no
    transient, but no noise that is an excess alone either, such as spikes of particles; the second holds both.

    Args:
        own: features of the candidates of the counts as observed, and the number of their orbit.
        mirrored: the same of mirrored counts.
        injected: the same of injected transients.
        seed: of the rows and features that trees draw.
        threads: 0 for all cores.

    Returns:
        The ranking; one without trees where there is too little to learn from (:func:`enough_to_learn`).
    """
    import lightgbm

    sets = (own, mirrored, injected)
    names = tuple(sorted(own[0]))
    if not enough_to_learn(*sets):
        return Ranking(names, ())
    parts = [parts_of(orbit) for _, orbit in sets]
    values = np.vstack([_matrix(features, names) for features, _ in sets])
    sizes = [len(part) for part in parts]
    label, prior = (np.repeat(of_set, sizes) for of_set in ([0.0, 0.0, 1.0], [1.0, _MIRRORED, 1.0]))
    part = np.concatenate(parts)
    monotone = [int(name.startswith(_RISING)) for name in names]
    settings = _SETTINGS | {"seed": seed, "monotone_constraints": monotone}

    def train(i_part: int) -> str:
        rows = part != i_part
        is_noise = label[rows] == 0
        weight = prior[rows].copy()
        weight[is_noise] *= weight[~is_noise].sum() / weight[is_noise].sum()
        data = lightgbm.Dataset(values[rows], label[rows], weight=weight, feature_name=list(names))
        return str(lightgbm.train(settings, data, _TREES).model_to_string())

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:  # small sets: one thread for each is fastest
        return Ranking(names, tuple(pool.map(train, range(PARTS))))


def _matrix(features: Features, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the (candidates, features) matrix in the order of the names; NaN where a feature is not known."""
    number = len(next(iter(features.values())))
    unknown = np.full(number, np.nan, np.float32)
    return np.column_stack([features.get(name, unknown) for name in names]).astype(np.float32)
