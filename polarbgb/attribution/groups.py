"""Groups of features, such as orbit, magnetic field and South Atlantic Anomaly, and their SHAP values."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from polarbgb.attribution.shap_values import Explanation
from polarbgb.config import Features, Position
from polarbgb.features.matrix import feature_names, source_columns
from polarbgb.features.passages import PASSAGE_GROUPS
from polarbgb.features.position import POSITION_GROUPS
from polarbgb.memory import empty

OTHER = "other"
"""Group of the features that are in no other group."""


def feature_groups(
    features: Features, position: Position | None, groups: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """Return the features of each group that has any, the configured groups first.

    A feature made from a column is in the group of its column. A feature that is computed automatically is in the
    configured group that names it, else in its default group.

    Args:
        features: section of the configuration.
        position: section of the configuration.
        groups: configured groups: columns and features of each.
    """
    configured = {member: group for group, members in groups.items() for member in members}
    default = POSITION_GROUPS | PASSAGE_GROUPS
    column = source_columns(features)
    names = feature_names(features, position)
    group_of = {name: configured.get(column.get(name, name), default.get(name, OTHER)) for name in names}
    members = {
        group: tuple(name for name in names if group_of[name] == group)
        for group in dict.fromkeys([*groups, *default.values(), OTHER])
    }
    return {group: names for group, names in members.items() if names}


def in_groups(
    explanation: Explanation, names: tuple[str, ...], groups: Mapping[str, Collection[str]], *, on_disk: bool = False
) -> Explanation:
    """Sum the SHAP values of each group, which is again an explanation because SHAP values are additive.

    Opposite values of the features of a group cancel in each row: the importance of a group is mean |sum|, which is at
    most the sum of the importances of its features.

    Args:
        explanation: explanation by features.
        names: (features,) names along its last axis.
        groups: features of each group; every feature is in one group.
        on_disk: keep the values in a temporary file.

    Returns:
        The explanation with groups, in their order, instead of features.
    """
    member = np.array([[name in members for members in groups.values()] for name in names], np.float32)
    values = empty((*explanation.values.shape[:2], len(groups)), on_disk=on_disk)
    for i_bin, of_bin in enumerate(explanation.values):
        np.matmul(of_bin, member, out=values[i_bin])
    return Explanation(explanation.rows, values, explanation.base, explanation.residue)
