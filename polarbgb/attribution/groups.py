"""SHAP by physics: what the orbit, the field, the anomaly and so on move the background together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from polarbgb.attribution.shap_values import Explanation
from polarbgb.config import Config
from polarbgb.features.matrix import feature_names, source_columns
from polarbgb.features.passages import PASSAGE_GROUPS
from polarbgb.features.position import POSITION_GROUPS
from polarbgb.memory import empty

OTHER = "other"
"""The group of the features that are in none."""


def feature_groups(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the features of each group that has any: the configuration's groups first, in its order.

    A feature made from a column is in the group of its column; one that comes by itself is where ``explain.groups``
    names it, else in its own group.
    """
    named = {member: group for group, members in config.explain.groups.items() for member in members}
    own = POSITION_GROUPS | PASSAGE_GROUPS
    column = source_columns(config)
    group_of = {name: named.get(column.get(name, name), own.get(name, OTHER)) for name in feature_names(config)}
    met = set(group_of.values())
    return {
        group: tuple(name for name, its in group_of.items() if its == group)
        for group in dict.fromkeys([*config.explain.groups, *own.values(), OTHER])
        if group in met
    }


def in_groups(
    explanation: Explanation, names: tuple[str, ...], groups: Mapping[str, Collection[str]], *, on_disk: bool = False
) -> Explanation:
    """Sum the SHAP values of each group: SHAP is additive, so what is left is an explanation by groups.

    Features of a group that pull against each other cancel in a row before sizes are taken: the importance of a group
    is mean |sum|, at most the sum of its features' importances.

    Args:
        explanation: by features.
        names: (features,) of its last axis.
        groups: the features of each group, every one in one group.
        on_disk: keep the values in a temporary file.

    Returns:
        The same with groups, in their order, in the place of features.
    """
    member = np.array([[name in members for members in groups.values()] for name in names], np.float32)
    values = empty((*explanation.values.shape[:2], len(groups)), on_disk=on_disk)
    for number, of_bin in enumerate(explanation.values):
        np.matmul(of_bin, member, out=values[number])
    return Explanation(explanation.rows, values, explanation.base, explanation.residue)
