"""Rows out of order: the fewest are dropped."""

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from polarbgb.data.increasing import longest_increasing


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 8), max_size=9))
def test_as_many_rows_stay_as_brute_force_finds(times):
    time = np.array(times, float)
    chosen = longest_increasing(time)
    assert (np.diff(time[chosen]) > 0).all()
    most = max(
        size
        for size in range(len(times) + 1)
        for some in combinations(times, size)
        if all(a < b for a, b in pairwise(some))
    )
    assert chosen.sum() == most


def test_one_stray_time_costs_one_row():
    time = np.arange(1000.0)
    for place, stray in ((0, 1e9), (100, 1e9), (100, -5.0), (999, 3.0)):
        spoiled = time.copy()
        spoiled[place] = stray
        assert np.flatnonzero(~longest_increasing(spoiled)).tolist() == [place]


def test_of_equal_times_the_first_stays():
    assert longest_increasing(np.array([1.0, 2.0, 2.0, 2.0, 3.0])).tolist() == [True, True, False, False, True]


def test_a_block_sent_again_is_dropped_once():
    time = np.concatenate([np.arange(100.0), np.arange(60.0, 90.0), np.arange(100.0, 150.0)])
    assert np.flatnonzero(~longest_increasing(time)).tolist() == list(range(100, 130))
