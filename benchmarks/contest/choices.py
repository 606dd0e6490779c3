"""The choices that are compared: objectives and shapes of the model, and groups of features."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from polarbgb.background.cross_fit import quantise_split
from polarbgb.background.fold_model import train_fold
from polarbgb.background.folds import Split, every
from polarbgb.background.simple_models import climatology, ground_track
from polarbgb.background.targets import Targets
from polarbgb.background.xgboost_backend import shape_parameters
from polarbgb.config import Model
from polarbgb.features.matrix import Matrix
from polarbgb.workflow.preparation import Prepared

Array = NDArray[np.float64]

BINS = (0, 2)
"""The bins compared: rate[0] and rate[5] of POLAR."""
_OWN_TREES = 80
"""Trees of a bin's own, after those that all bins share."""
_NEVER = 1_000_000
"""Trees without gain before training stops."""
_SLOPE = 0.05
"""Residuals of the log rate beyond this count by their size, no longer by its square: about two sigma of the counts."""


@dataclass(frozen=True)
class Case:
    """What a choice is given.

    Attributes:
        prepared: rows, features and rates of the file.
        fold: (rows,) fold that holds each row out.
        split: who is learnt from, thinned, and who is predicted.
        model: the hyperparameters.
        transients: searches for the (rows,) that seem to hold a transient.
    """

    prepared: Prepared
    fold: NDArray[np.int8]
    split: Split
    model: Model
    transients: Callable[[], NDArray[np.bool_]]

    @property
    def rate(self) -> Array:
        """(rows, bins) measured, Hz; none is zero after POLAR's filter."""
        return self.prepared.count_rates.rate

    @property
    def held_out(self) -> NDArray[np.float32]:
        """(predicted rows, features)."""
        return self.prepared.matrix.values[self.split.predicted]


Predict = Callable[[Case], Array]
"""Returns the (predicted rows, len(BINS)) background, Hz."""


def package(case: Case, **settings: object) -> Array:
    """Predict by the package as it is, with other settings of section [model]."""
    model = case.model.model_copy(update=settings)
    training = quantise_split(case.prepared.matrix, case.split, model)
    return train_fold(training, case.prepared.count_rates, case.split, model, bins=BINS).rates(case.held_out)


def squares(case: Case, label: Array, weight: Array, rate: Callable[[Array], Array]) -> Array:
    """Predict by the weighted squared error of a function of the rate.

    Args:
        case: rows and settings.
        label: (rows, len(BINS)) that function of the measured rate.
        weight: (rows, len(BINS)) of each label.
        rate: turns labels into Hz.
    """
    model = case.model.model_copy(update={"objective": "squared"})
    training = quantise_split(case.prepared.matrix, case.split, model)
    predicted = []
    for y, w in zip(label.T, weight.T, strict=True):
        scaled = w / w[case.split.train].mean()
        start = float(np.average(y[case.split.train], weights=w[case.split.train]))
        grow, stop = (
            Targets(y[rows].astype(np.float32), scaled[rows].astype(np.float32), np.full(rows.sum(), start, np.float32))
            for rows in (case.split.train, case.split.validation)
        )
        predicted.append(rate(start + training.train(grow, stop, model).margin(case.held_out)))
    return np.column_stack(predicted)


def published_weight(case: Case) -> Array:
    """Squared error weighted by 1/rate_err**2: a row that fluctuates down weighs more."""
    return squares(case, case.rate[:, BINS], case.prepared.count_rates.error[:, BINS] ** -2, np.array)


def expected_weight(case: Case) -> Array:
    """Squared error weighted by live time over a first prediction of the rate: no row weighs more by its own luck."""
    first = np.exp(np.hstack([margins(case, case.rate[:, [number]]) for number in BINS]))
    return squares(case, case.rate[:, BINS], case.prepared.count_rates.exposure[:, BINS] / first, np.array)


def anscombe(case: Case) -> Array:
    """Squared error of 2 sqrt(N + 3/8), whose variance is 1, over the root of the live time."""
    live = case.prepared.count_rates.exposure[:, BINS]
    return squares(case, 2 * np.sqrt(case.rate[:, BINS] + 0.375 / live), live, lambda root: root**2 / 4)


def log_rate(case: Case) -> Array:
    """Squared error of the log rate."""
    label = np.log(case.rate[:, BINS])
    return squares(case, label, np.ones_like(label), np.exp)


def margins(
    case: Case, label: Array, base: Array | None = None, *, trees: int | None = None, **parameters: object
) -> Array:
    """Train one booster by XGBoost itself, for what the package does not offer; gamma if nothing else is asked.

    Args:
        case: rows and settings.
        label: (rows, outputs).
        base: (rows, outputs) margins to start from; the mean where None.
        trees: largest number of trees; that of the configuration where None.
        parameters: of XGBoost, over those of the package.

    Returns:
        (rows, outputs) margins of the rows of the split; NaN elsewhere.
    """
    import xgboost

    model, split = case.model, case.split
    asked = {"objective": "reg:gamma"} | shape_parameters(model) | parameters
    if base is None:
        start = label[split.train].mean(axis=0)
        base = np.broadcast_to(np.log(start) if asked["objective"] == "reg:gamma" else start, label.shape)
    values = case.prepared.matrix.values
    shape = {"max_bin": model.max_bin, "nthread": model.threads, "feature_names": list(case.prepared.matrix.names)}
    grow, stop = (
        {"data": values[rows], "label": label[rows], "base_margin": base[rows]}
        for rows in (split.train, split.validation)
    )
    training = xgboost.QuantileDMatrix(**grow, **shape)
    stopping = xgboost.QuantileDMatrix(**stop, **shape, ref=training)
    booster = xgboost.train(
        asked,
        training,
        trees or model.n_estimators,
        evals=[(stopping, "stop")],
        early_stopping_rounds=model.early_stopping_rounds,
        verbose_eval=False,
    )
    rows = split.train | split.validation | split.predicted
    out = np.full(label.shape, np.nan)
    told = booster[: booster.best_iteration + 1].predict(
        xgboost.DMatrix(values[rows], base_margin=base[rows], feature_names=shape["feature_names"]), output_margin=True
    )
    out[rows] = told.reshape(out[rows].shape)
    return out


def bin_by_bin(
    case: Case, label: Array, base: Array | None = None, *, trees: int | None = None, **parameters: object
) -> Array:
    """Return the (predicted rows, len(BINS)) rate, Hz, of :func:`margins` that are log rates."""
    found = [
        margins(case, label[:, [number]], None if base is None else base[:, [number]], trees=trees, **parameters)
        for number in BINS
    ]
    return np.exp(np.hstack(found)[case.split.predicted])


def robust(case: Case) -> Array:
    """Pseudo-Huber error of the log rate: a spike of particles pulls as its size, not as its square."""
    return bin_by_bin(case, np.log(case.rate), objective="reg:pseudohubererror", huber_slope=_SLOPE)


def together(case: Case) -> Array:
    """One booster whose leaves hold the log rates of all bins."""
    label = np.log(case.rate)
    found = margins(case, label, objective="reg:squarederror", multi_strategy="multi_output_tree")
    return np.asarray(np.exp(found[case.split.predicted][:, BINS]))


def over_climatology(case: Case) -> Array:
    """Gamma, starting from the map of mean rates, which sees neither held-out rows nor the row's own fold."""
    dataset = case.prepared.dataset
    latitude, longitude = (dataset.frame[name].to_numpy() for name in ("glat", "glon"))
    track = ground_track(dataset.time, dataset.segment, latitude, longitude)
    learn = ~dataset.known & ~case.split.predicted
    return bin_by_bin(case, case.rate, np.log(climatology(case.rate, track, case.fold, learn)))


def shared_then_own(case: Case) -> Array:
    """One booster of the summed rate, then a few trees for what sets a bin apart."""
    total = case.rate.sum(axis=1, keepdims=True)
    share = case.rate[case.split.train].mean(axis=0) / total[case.split.train].mean()
    return bin_by_bin(case, case.rate, margins(case, total) + np.log(share), trees=_OWN_TREES)


def rising(case: Case, names: str) -> Array:
    """Gamma with rates that never fall while a feature whose name matches ``names`` rises."""
    limits = tuple(int(re.match(names, name) is not None) for name in case.prepared.matrix.names)
    return bin_by_bin(case, case.rate, monotone_constraints=limits)


def all_orbits(case: Case, **settings: object) -> Array:
    """Gamma with all trees that are allowed, grown by the orbits that else decide when to stop as well."""
    split = replace(case.split, train=case.split.train | case.split.validation)
    return package(replace(case, split=split), patience=_NEVER, **settings)


def cleaned(case: Case) -> Array:
    """Gamma that learns from no row that seems to hold a transient, as `polarbgb fit` does it."""
    found = case.transients()
    split = replace(case.split, train=case.split.train & ~found, validation=case.split.validation & ~found)
    return package(replace(case, split=split))


def fewer_rows(case: Case, step: int) -> Array:
    """Learn from every ``step``-th of the rows alone."""
    return package(replace(case, split=replace(case.split, train=every(case.split.train, step))))


def mean(case: Case, predict: Callable[..., Array], seeds: int) -> Array:
    """Mean of predictions that differ by their seed."""
    return np.asarray(np.mean([predict(case, seed=seed) for seed in range(seeds)], axis=0))


def parts_of_orbits(case: Case, parts: int) -> Array:
    """Mean of boosters of which each lacks another part of the training orbits."""
    orbit = case.prepared.dataset.orbit - case.prepared.dataset.orbit.min()
    part = np.random.default_rng(0).integers(parts, size=int(orbit.max()) + 1)[orbit]
    lacking = (
        replace(case, split=replace(case.split, train=case.split.train & (part != left_out)))
        for left_out in range(parts)
    )
    return np.asarray(np.mean([package(one) for one in lacking], axis=0))


def without(case: Case, names: str) -> Array:
    """The default without the features whose names match."""
    matrix = case.prepared.matrix
    keep = [number for number, name in enumerate(matrix.names) if not re.match(names, name)]
    fewer = Matrix(matrix.values[:, keep], tuple(matrix.names[number] for number in keep))
    return package(replace(case, prepared=replace(case.prepared, matrix=fewer)))


DEFAULT = "gamma, as in the configuration"

MODELS: dict[str, Predict] = {
    DEFAULT: package,
    "another seed": partial(package, seed=1),
    "mean of 3 seeds": partial(mean, predict=package, seeds=3),
    "mean of 3, each of two thirds of the orbits": partial(parts_of_orbits, parts=3),
    "Poisson": partial(package, objective="poisson"),
    "squared, weight 1/rate_err^2": published_weight,
    "squared, weight live/first prediction": expected_weight,
    "squared, of 2 sqrt(N + 3/8)": anscombe,
    "squared, of the log rate": log_rate,
    "pseudo-Huber, of the log rate": robust,
    "squared, of six log rates in one booster": together,
    "ratio to climatology": over_climatology,
    "shared trees, then 80 of its own": shared_then_own,
    "rising with fe_cosmic": partial(rising, names=r"fe_cosmic(_mean_\d+s)?$"),
    "rising with fe_cosmic, l_shell, activation": partial(
        rising, names=r"(fe_cosmic(_mean_\d+s)?|l_shell|activation_\d+s)$"
    ),
    "depth 5": partial(package, depth=5),
    "depth 9": partial(package, depth=9),
    "twice the learning rate, half the trees": lambda case: package(
        case, learning_rate=2 * case.model.learning_rate, n_estimators=case.model.n_estimators // 2
    ),
    "half the learning rate, twice the trees": lambda case: package(
        case, learning_rate=case.model.learning_rate / 2, n_estimators=2 * case.model.n_estimators
    ),
    "twice the trees, stopped after 100 without gain": lambda case: package(
        case, n_estimators=2 * case.model.n_estimators, early_stopping_rounds=100
    ),
    "stopped after 100 trees without gain": partial(package, early_stopping_rounds=100),
    "all trees, and no orbits kept to stop": all_orbits,
    "the same, mean of 3 seeds": partial(mean, predict=all_orbits, seeds=3),
    "half the rate, all of twice the trees, no orbits kept": lambda case: all_orbits(
        case, learning_rate=case.model.learning_rate / 2, n_estimators=2 * case.model.n_estimators
    ),
    "leaves of 20 rows": partial(package, min_child_weight=20.0),
    "leaves of 200 rows": partial(package, min_child_weight=200.0),
    "a fifth of the features a tree": partial(package, colsample_bytree=0.2),
    "seven tenths of the features a tree": partial(package, colsample_bytree=0.7),
    "rows that hold a transient left out": cleaned,
    "LightGBM": partial(package, backend="lightgbm"),
}
"""Objectives and shapes, all with all features."""

SPEED: dict[str, Predict] = {
    DEFAULT: package,
    "127 quantiles a feature": partial(package, bins=127),
    "63 quantiles a feature": partial(package, bins=63),
    "31 quantiles a feature": partial(package, bins=31),
    "all rows for every tree": partial(package, subsample=1.0),
    "a fifth of the rows for every tree": partial(package, subsample=0.2),
    "half of the rows": partial(fewer_rows, step=2),
    "a quarter of the rows": partial(fewer_rows, step=4),
    "stopped after 20 trees without gain": partial(package, early_stopping_rounds=20),
    "twice the learning rate, half the trees": lambda case: package(
        case, learning_rate=2 * case.model.learning_rate, n_estimators=case.model.n_estimators // 2
    ),
    "four times the learning rate, a quarter of the trees": lambda case: package(
        case, learning_rate=4 * case.model.learning_rate, n_estimators=case.model.n_estimators // 4
    ),
    "depth 6": partial(package, depth=6),
    "LightGBM": partial(package, backend="lightgbm"),
    "LightGBM, 63 quantiles a feature": partial(package, backend="lightgbm", bins=63),
}
"""What may save time, all with all features; one booster of all bins stands among the models."""

GROUPS = {
    "history of fe_cosmic": r"fe_cosmic_",
    "fe_cosmic at all": r"fe_cosmic",
    "history of temperature": r"temperature_",
    "history of B": r"B_(r|theta|phi)_",
    "orbital_phase, local_time, sun_elevation": r"(orbital_phase|local_time|sun_elevation)$",
    "field_strength, magnetic_latitude, l_shell": r"(field_strength|magnetic_latitude|l_shell)$",
    "since_switch_on, until_switch_off, last_passage": r"(since_switch_on|until_switch_off|last_passage)$",
    "activation": r"activation_",
    "crabarf and pointing": r"(crabarf|raz|decz|rax|decx)$",
    "sun, sun_spot": r"sun(_spot)?$",
    "revolution": r"revolution$",
    "neighbouring orbits": r"neighbour",
}
"""Groups of features by the beginning of their names."""

CALENDAR = r"(revolution|sun|sun_spot)$"
"""Features that have one value at a time of the mission, and another ever after."""


def only(names: tuple[str, ...]) -> str:
    """Return the pattern of every name but these."""
    return rf"(?!({'|'.join(map(re.escape, names))})$)"
