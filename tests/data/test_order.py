"""Rows out of order are sorted; of rows that repeat or overlap others, and of stray times, the fewest are dropped."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.data.order import longest_increasing, time_order


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


def ordered(time, live=0.95, cadence=1.0):
    time = np.asarray(time, float)
    return time_order(time, np.broadcast_to(live, time.shape), cadence)


def test_rows_in_order_are_left_as_they_are():
    order = ordered([5, 6, 7, 50, 51])
    assert order.entry.tolist() == [0, 1, 2, 3, 4]
    assert not order.repeated.any()
    assert not order.stray.any()
    assert order.moved == 0


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    seed=st.integers(0, 999),
    live=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_blocks_in_any_order_are_sorted_and_all_kept(sizes, seed, live):
    rng = np.random.default_rng(seed)
    # Two rows at least, and no block far from all others: a row beside no other has a damaged time.
    time = 1.5e9 + np.arange(sum(sizes)) + rng.uniform(-0.05, 0.05, sum(sizes))
    blocks = np.split(np.arange(len(time)), np.cumsum(sizes)[:-1])
    stored = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])
    order = ordered(time[stored], live)
    np.testing.assert_array_equal(stored[order.entry], np.arange(len(time)))
    assert not order.repeated.any()
    assert not order.stray.any()
    in_place = longest_increasing(time[stored]).sum()
    assert order.moved == len(time) - in_place


def test_two_halves_in_the_wrong_order_are_sorted():
    order = ordered([*range(600, 1000), *range(600)])
    assert order.entry.tolist() == [*range(400, 1000), *range(400)]
    assert order.moved == 400


def test_entries_without_a_time_are_not_used():
    order = ordered([np.nan, 2, 1, np.nan])
    assert order.entry.tolist() == [2, 1]
    assert not (order.repeated | order.stray).any()


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6])
def test_a_file_that_overlaps_another_repeats_its_rows(shift):
    """The second file covers the last 50 s of the first again, on a clock that is up to half a second late."""
    time = np.concatenate([np.arange(100.0), np.arange(50.0, 150.0) + shift])
    order = ordered(time)
    kept = time[order.entry]
    assert (np.diff(kept) >= 0.7).all()
    assert order.repeated.sum() in (50, 51)
    # The rows that lie where no other does are all there.
    assert (kept < 50).sum() == 50
    assert (kept >= 100).sum() in (49, 50)
    assert not order.stray.any()


def test_a_copy_of_the_whole_file_is_dropped():
    order = ordered(np.tile(np.arange(50.0), 2))
    assert order.entry.tolist() == list(range(50))
    assert order.repeated.tolist() == [False] * 50 + [True] * 50
    assert order.moved == 0


@pytest.mark.parametrize("live", [0.0, 0.95])
def test_equal_times_repeat_whatever_the_live_time(live):
    order = ordered([1, 2, 2, 3, 3, 3, 4], live)
    assert np.flatnonzero(order.repeated).tolist() == [2, 4, 5]


def test_without_a_live_time_only_equal_times_overlap():
    time = [*np.arange(20.0), 10.0, 10.5]
    assert np.flatnonzero(ordered(time, 0.0).repeated).tolist() == [20]
    assert np.flatnonzero(ordered(time, 0.95).repeated).tolist() == [20, 21]


@pytest.mark.parametrize("stray", [1e9, -1e9, 500.0])
@pytest.mark.parametrize("place", [3, 30, 58])
def test_a_time_far_from_all_others_is_stray(place, stray):
    time = np.concatenate([np.arange(30.0), 1000 + np.arange(30.0)])
    time[place] = stray
    order = ordered(time)
    if np.flatnonzero(~longest_increasing(time)).tolist() == [place]:
        assert np.flatnonzero(order.stray).tolist() == [place]
        assert len(order.entry) == 59
    else:  # it stands where it may
        assert len(order.entry) == 60
    assert (np.diff(time[order.entry]) > 0).all()


def test_a_row_between_missing_ones_moves_with_its_block():
    time = np.array([50, 51, 52, 0, 1, 2, 5, 8, 9, 12, 15.0])
    order = ordered(time)
    np.testing.assert_array_equal(time[order.entry], np.sort(time))
    assert not order.stray.any()


def test_a_lone_row_in_order_is_kept():
    order = ordered([0, 1, 2, 50, 100, 101])
    assert len(order.entry) == 6


def test_jitter_is_no_overlap():
    rng = np.random.default_rng(1)
    order = ordered(np.arange(2000.0) + rng.uniform(-0.1, 0.1, 2000), 1.0)
    assert len(order.entry) == 2000


def test_of_a_row_that_begins_within_another_the_earlier_is_kept():
    order = ordered([0, 1, 2, 3, 3.3, *range(4, 20)], 1.0)
    assert np.flatnonzero(order.repeated).tolist() == [4]


def test_where_most_rows_overlap_the_live_times_are_wrong_and_no_row_is_dropped():
    order = ordered(np.arange(0, 100, 0.5), 1.0)
    assert len(order.entry) == 200
    assert not order.repeated.any()


@settings(deadline=None, max_examples=200)
@given(
    time=st.lists(st.sampled_from([np.nan, *np.arange(0, 12, 0.5).tolist()]), max_size=14),
    live=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_every_entry_has_one_fate_and_kept_ones_are_apart(time, live):
    order = ordered(time, live)
    fate = np.isnan(np.array(time, float)).astype(int) + order.repeated + order.stray
    fate[order.entry] += 1
    assert (fate == 1).all()
    kept = np.array(time, float)[order.entry]
    assert (np.diff(kept) > 0).all()
    assert set(kept) <= {t for t in time if not np.isnan(t)}
    # An instant at which a row begins is covered by a row that is kept, or was stray.
    for t in {time[i] for i in np.flatnonzero(order.repeated)}:
        distance = np.abs(kept - t)
        assert distance.min() < 0.75
