"""Rows that hold a transient are found and left out; rows that are common where they lie are not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polarbgb.background.purify import Round, rare_rows, rows_beyond, with_margin


def test_a_row_counts_where_enough_bins_agree_in_sign():
    pull = np.array([[6, 6, 6], [6, 6, 0], [-6, -6, -6], [6, -6, -6], [5, 5, 5]], float)
    assert rows_beyond(pull, sigma=5.0, more_than=1).tolist() == [True, True, True, True, False]
    assert rows_beyond(pull, sigma=5.0, more_than=2).tolist() == [True, False, True, False, False]


def test_what_comes_orbit_after_orbit_stays():
    orbit = np.repeat(np.arange(20), 10)
    cell = np.tile(np.repeat([0, 1], 5), 20)[:, None]  # every orbit meets both
    beyond = np.zeros(200, bool)
    beyond[3] = beyond[4] = True  # orbit 0 alone, in cell 0
    beyond[[5, 15, 25]] = True  # orbits 0, 1 and 2, in cell 1
    assert np.flatnonzero(rare_rows(beyond, cell, orbit, often=0.1)).tolist() == [3, 4]
    assert rare_rows(beyond, cell, orbit, often=0.15).sum() == 5
    assert rare_rows(beyond, cell, orbit + 1000, often=0.01).sum() == 2  # once is rare, however few the orbits


def test_a_row_common_in_any_bins_regime_stays():
    orbit = np.arange(40)
    beyond = np.zeros(40, bool)
    beyond[:2] = True
    apart = np.zeros(40, np.int64)
    apart[:4] = 1  # by the second bin's regimes, two of the four orbits that meet one
    cell = np.column_stack([np.zeros(40, np.int64), apart])
    assert rare_rows(beyond, cell[:, :1], orbit, often=0.1).sum() == 2
    assert not rare_rows(beyond, cell, orbit, often=0.1).any()


@given(
    st.lists(st.floats(0, 1000), unique=True, max_size=60),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1.0, 30.0, 500.0]),
)
def test_the_margin_is_that_of_every_pair_of_rows(times, seed, margin):
    time = np.sort(np.array(times, float))
    rows = np.random.default_rng(seed).random(len(time)) < 0.2
    near = (time[:, None] >= time[rows] - margin) & (time[:, None] <= time[rows] + margin)
    np.testing.assert_array_equal(with_margin(rows, time, margin), near.any(axis=1))


def test_the_list_is_stable_when_hardly_a_row_changes():
    assert Round(rows=0, new=0, gone=0, common=5).stable
    assert Round(rows=1000, new=5, gone=5, common=0).stable
    assert not Round(rows=1000, new=11, gone=0, common=0).stable
    assert not Round(rows=0, new=0, gone=3, common=0).stable
