"""SHAP by a feature's value, by orbit and by mission: against what a loop over rows gives."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.attribution.dependence import BAND, attribution, dependence
from polarbgb.attribution.shap_values import Explanation


def explanation(values):
    values = np.asarray(values, np.float32)
    return Explanation(np.arange(values.shape[1]), values, np.zeros(values.shape[:2]), 0.0)


def test_a_known_curve_is_found_with_its_band():
    rng = np.random.default_rng(0)
    value = rng.uniform(-2, 2, 20_000).astype(np.float32)
    shap = value**2 + rng.normal(0, 0.1, 20_000)
    table = dependence(explanation([shap[:, None], 3 * shap[:, None]]), value[:, None], ["x"], ["soft", "hard"])
    soft = table.filter(bin="soft")
    assert len(soft) == 24
    assert soft["rows"].sum() == 20_000
    assert soft["value"].is_sorted()
    inner = soft.filter(pl.col("value").abs() < 1.5)  # the curve is steep within the outer cells
    np.testing.assert_allclose(inner["median"], inner["value"].to_numpy() ** 2, atol=0.02)
    flat = soft.filter(pl.col("value").abs() < 0.3)
    np.testing.assert_allclose((flat["high"] - flat["low"]) / 2, 0.1, rtol=0.15)  # one sigma
    np.testing.assert_allclose(table.filter(bin="hard")["median"], 3 * soft["median"].to_numpy(), rtol=1e-5)


@given(
    value=st.lists(st.sampled_from([np.nan, -1.0, 0.0, 0.5, 3.0, 4.0, 5.0, 1e6]), max_size=40),
    cells=st.integers(1, 6),
)
@settings(deadline=None)
def test_every_row_with_a_value_is_in_one_cell(value, cells):
    value = np.array(value, np.float32)
    shap = np.arange(len(value), dtype=np.float32)
    table = dependence(explanation(shap[None, :, None]), value[:, None], ["x"], ["bin"], cells)
    assert table.columns == ["feature", "bin", "value", "low", "median", "high", "rows"]
    assert table["rows"].sum() == np.isfinite(value).sum()
    assert len(table) <= cells
    assert table["value"].is_sorted()
    assert (table["low"] <= table["median"]).all()
    assert (table["median"] <= table["high"]).all()


def test_a_flag_has_a_cell_a_value():
    flag = np.array([0, 1, 1, 0, 1], np.float32)
    shap = np.array([1, 5, 6, 2, 7], np.float32)
    table = dependence(explanation(shap[None, :, None]), flag[:, None], ["up"], ["bin"])
    assert table["value"].to_list() == [0.0, 1.0]
    assert table["median"].to_list() == [1.5, 6.0]
    assert table["low"].to_list() == pytest.approx([np.quantile([1, 2], BAND[0]), np.quantile([5, 6, 7], BAND[0])])


def test_means_along_a_coordinate_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 300, 3))
    position = rng.uniform(-90, 270, 300)
    position[::50] = np.nan
    table = attribution(explanation(values), position, (-90.0, 270.0), groups="abc", bins=["soft", "hard"], cells=9)
    assert table.columns == ["position", "bin", "group", "value"]
    for row in table.iter_rows(named=True):
        inside = np.abs(position - row["position"]) < 20
        own = values[["soft", "hard"].index(row["bin"]), inside, "abc".index(row["group"])]
        assert row["value"] == pytest.approx(own.mean(), abs=1e-5)
    assert len(table) == 9 * 2 * 3


def test_the_ends_belong_to_the_first_and_last_cell_and_empty_ones_are_absent():
    values = np.ones((1, 3, 1))
    table = attribution(explanation(values), np.array([0.0, 0.1, 8.0]), (0.0, 8.0), groups=["g"], bins=["b"], cells=4)
    assert table["position"].to_list() == [1.0, 7.0]
    moment = attribution(explanation(values), np.full(3, 5.0), (5.0, 5.0), groups=["g"], bins=["b"])
    assert moment["value"].to_list() == [1.0]
