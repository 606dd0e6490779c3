"""Groups of features: who is in which, and that their values are sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polarbgb.attribution.groups import OTHER, feature_groups, in_groups
from polarbgb.attribution.shap_values import Explanation
from polarbgb.config import load
from polarbgb.features.matrix import feature_names


def groups_of(config):
    return feature_groups(config.features, config.position, config.explain.groups)


@pytest.mark.parametrize("instrument", ["polar", "rhessi"])
def test_every_feature_of_a_shipped_instrument_is_in_one_group(instrument):
    config = load(f"configs/{instrument}.toml")
    groups = groups_of(config)
    members = [name for names in groups.values() for name in names]
    assert sorted(members) == sorted(feature_names(config.features, config.position))
    assert OTHER not in groups
    assert list(groups)[: len(config.explain.groups)] == [*config.explain.groups]  # in the configuration's order


def test_the_past_of_a_column_follows_it_and_others_know_their_own():
    groups = groups_of(load("configs/polar.toml"))
    assert {"B_r", "B_r_lag_300s", "l_shell", "magnetic_latitude"} <= set(groups["field"])
    assert {name.removeprefix("fe_cosmic") for name in groups["detector"]} == {
        "",
        *(f"_{kind}_{seconds}s" for kind in ("lag", "change", "mean") for seconds in (60, 300)),
        "_mean_20s",
    }
    assert {"time_since_saa", "since_switch_on", "activation_300s"} <= set(groups["SAA"])
    assert "orbital_phase" in groups["orbit"]
    assert "sun_elevation" in groups["Sun and Crab"]


def test_without_a_table_the_columns_are_other_and_the_rest_know_their_own():
    config = load("configs/polar.toml", ["explain.groups={}"])
    groups = groups_of(config)
    assert list(groups) == ["orbit", "Sun", "field", "SAA", OTHER]
    assert "glat" in groups[OTHER]
    assert groups["orbit"] == ("orbital_phase",)


def test_columns_that_are_no_features_are_passed_over():
    config = load("configs/polar.toml", ['explain.groups={"here" = ["glat"], "nowhere" = ["no_such_column"]}'])
    assert groups_of(config)["here"] == ("glat",)
    assert "nowhere" not in groups_of(config)


@given(seed=st.integers(0, 99), rows=st.integers(1, 40), on_disk=st.booleans())
def test_values_of_a_group_are_the_sums_of_its_features(seed, rows, on_disk):
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c", "d")
    values = rng.normal(size=(2, rows, 4)).astype(np.float32)
    explanation = Explanation(np.arange(rows), values, np.zeros((2, rows)), 0.0)
    found = in_groups(explanation, names, {"first": ("d", "a"), "second": ("b", "c")}, on_disk=on_disk)
    np.testing.assert_allclose(found.values[:, :, 0], values[:, :, 3] + values[:, :, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.values[:, :, 1], values[:, :, 1] + values[:, :, 2], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.rows, explanation.rows)
    by_features = explanation.importance()
    assert (found.importance()[0] <= by_features[0] + by_features[3] + 1e-6).all()  # they may cancel
