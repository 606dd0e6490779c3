"""Regimes share out the rows that count, and an edge of the SAA is where it was put."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.regimes import ALL, regimes, saa_edges, thirds


def brute_edges(time, cadence):
    edge = [False] * len(time)
    for i, (end, start) in enumerate(zip(time[:-1], time[1:], strict=True)):
        if 180 <= start - end - cadence <= 2400:
            for j, t in enumerate(time):
                edge[j] |= (j <= i and end - t <= 600) or (j > i and t - start <= 600)
    return edge


@given(steps=st.lists(st.sampled_from([1.0, 60.0, 180.0, 181.0, 599.0, 2401.0, 2402.0, 6000.0]), max_size=40))
@settings(deadline=None, max_examples=100)
def test_edges_are_those_of_brute_force(steps):
    time = np.cumsum([1.5e9, *steps])
    assert saa_edges(time, 1.0).tolist() == brute_edges(time, 1.0)


def test_no_row_and_one_row_have_no_edge():
    assert saa_edges(np.empty(0), 1.0).tolist() == []
    assert saa_edges(np.array([1.5e9]), 1.0).tolist() == [False]


@given(seed=st.integers(0, 9999), rows=st.integers(0, 60))
@settings(deadline=None, max_examples=50)
def test_every_division_shares_out_the_rows_that_count(seed, rows):
    rng = np.random.default_rng(seed)
    rate, latitude = rng.uniform(1, 9, rows), rng.uniform(-42, 42, rows)
    near, counted = rng.random(rows) < 0.3, rng.random(rows) < 0.7
    found = regimes(rate, near, latitude, counted)
    np.testing.assert_array_equal(found[ALL], counted)
    for name, values in (("rate", rate), ("|latitude|", np.abs(latitude))):
        parts = [found[f"{name} {third}"] for third in ("low", "middle", "high")]
        np.testing.assert_array_equal(np.sum(parts, axis=0), counted)
        sizes = [int(part.sum()) for part in parts]
        assert max(sizes) - min(sizes) <= 2
        for below, above in zip(parts[:-1], parts[1:], strict=True):
            if below.any() and above.any():
                assert values[below].max() < values[above].min()
    np.testing.assert_array_equal(found["SAA edge"], counted & near)
    np.testing.assert_array_equal(found["SAA edge"] ^ found["SAA away"], counted)


def test_equal_values_share_a_third_and_what_is_unknown_has_none():
    found = thirds("x", np.array([2.0, 2.0, np.nan, 2.0]), np.array([True, True, True, False]))
    assert [mask.tolist() for mask in found.values()] == [[True, True, False, False], [False] * 4, [False] * 4]


def test_without_a_place_there_is_no_latitude():
    found = regimes(np.ones(3), np.zeros(3, bool), None, np.ones(3, bool))
    assert not any("latitude" in name for name in found)
