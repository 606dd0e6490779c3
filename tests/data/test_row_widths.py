"""The lengths of rows are checked against cadence and live time, and short rows are combined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.data.row_widths import combined_rows, longest_live_time, require_widths, widths
from polarbgb.errors import InputError


def require(time, live, cadence, *, stated=True):
    time = np.asarray(time, float)
    require_widths(time, np.broadcast_to(np.asarray(live, float), time.shape), cadence, stated=stated, where="m.root")


@pytest.mark.parametrize("rows", [2, 50])
@pytest.mark.parametrize(("apart", "cadence"), [(0.4, 1), (1.6, 1), (4.0, 1), (1.0, 4), (1.9, 4), (6.0, 4), (0.8, 0.5)])
def test_rows_at_another_cadence_are_refused(apart, cadence, rows):
    with pytest.raises(InputError, match=f"m.root: rows are {apart:g} s apart, but input.cadence is {cadence:g} s"):
        require(np.arange(rows) * apart, 0.0, cadence)


@pytest.mark.parametrize(("apart", "cadence"), [(2.0, 4), (3.0, 4), (5.9, 4), (0.25, 0.5), (0.7, 0.5)])
def test_rows_from_half_to_one_and_a_half_cadences_apart_are_accepted(apart, cadence):
    require(np.arange(50) * apart, min(apart, cadence), cadence)


def test_gaps_do_not_make_another_cadence():
    time = np.concatenate([np.arange(30.0), 5000 + np.arange(30.0)])
    for some in (time, time * 1.0001, time[:1], time[:0]):
        require(some, 1.0, 1.0)


@pytest.mark.parametrize("gap", [3, 20, 90, 500])
def test_gaps_that_outlast_the_data_do_not_either(gap):
    """Half a minute of data, as of a satellite that looks at a source between occultations, and a gap, many times."""
    time = (np.arange(30) + (30 + gap) * np.arange(40)[:, None]).ravel()
    require(time, 0.9, 1.0)


def test_rows_of_which_many_are_missing_have_their_cadence():
    rng = np.random.default_rng(0)
    require(np.flatnonzero(rng.random(5000) < 0.6), 0.9, 1.0)


def test_the_usual_length_is_that_of_most_of_the_time_and_not_of_most_rows():
    # 600 short rows take 10 minutes of an hour and a half.
    time = np.concatenate([np.arange(0, 2400, 8.0), 2400 + np.arange(600.0), np.arange(3000, 6000, 8.0)])
    live = np.concatenate([np.full(300, 7.8), np.full(600, 0.98), np.full(375, 7.8)])
    require(time, live, 8.0)
    with pytest.raises(InputError, match="rows are 8 s apart, but input.cadence is 1 s"):
        require(time, live, 1.0)


def test_rows_that_are_alive_for_longer_than_the_cadence_are_refused_with_the_cadence_to_write():
    time = np.concatenate([np.arange(0, 4000, 4.0), np.arange(4000.0, 8001.0)])
    live = np.concatenate([np.full(1000, 3.9), np.ones(4001)])
    with pytest.raises(InputError, match=r"1,000 rows have live times of up to 3.9 s, but input.cadence is 1 s; write"):
        require(time, live, 1.0)


def test_a_clock_that_stumbles_is_no_long_row():
    live = np.ones(1000)
    live[500] = 1.9
    require(np.arange(1000.0), live, 1.0)


def test_a_stated_live_time_beyond_the_length_of_rows_is_refused():
    with pytest.raises(InputError, match=r"the live time is 1000 s \(rates.exposure\), but rows are 1 s apart"):
        require(np.arange(100.0), 1000.0, 1.0)
    require(np.arange(100.0), 1000.0, 1.0, stated=False)


def combined(time, live, cadence=8.0):
    time = np.asarray(time, float)
    return combined_rows(time, np.broadcast_to(np.asarray(live, float), time.shape), cadence).tolist()


def test_rows_of_one_cadence_stay_apart():
    assert combined(np.arange(0, 80, 8), 7.8) == list(range(10))
    assert combined([], 8.0) == []
    assert combined([5.0], 1.0) == [0]


def test_short_rows_are_combined_to_rows_of_one_cadence():
    time = [0, 8, *range(16, 40), 40, 48]
    live = [8, 8, *[1] * 24, 8, 8]
    assert combined(time, live) == [0, 1, *np.repeat([2, 3, 4], 8).tolist(), 5, 6]


def test_a_rest_of_short_rows_is_a_row_of_its_own():
    time = [0, 8, *range(16, 28), 28, 36]
    live = [8, 8, *[1] * 12, 8, 8]
    assert combined(time, live) == [0, 1, *[2] * 8, *[3] * 4, 4, 5]


def test_short_rows_are_not_combined_across_a_gap():
    time = [*range(8), *range(100, 108)]
    assert combined(time, 1.0) == [0] * 8 + [1] * 8


def test_a_row_that_lasts_its_cadence_is_not_combined_although_the_next_comes_early():
    assert combined([0, 8, 12, 20, 28], 7.9) == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=12),
    phase=st.floats(0, 7),
    seed=st.integers(0, 99),
)
def test_cells_of_one_cadence_divided_in_equal_parts_are_put_together_again(parts, phase, seed):
    """Eight-second rows of which each is stored in 1, 2 or 4 parts."""
    start = 1.5e9 + phase + 8.0 * np.arange(len(parts))
    time = np.concatenate([t + 8 / n * np.arange(n) for t, n in zip(start, parts, strict=True)])
    live = np.concatenate([np.full(n, 7.7 / n) for n in parts])
    time += np.random.default_rng(seed).uniform(-1e-3, 1e-3, len(time))
    assert combined(time, live) == np.repeat(np.arange(len(parts)), parts).tolist()


def test_the_width_is_the_time_to_the_next_row_but_the_cadence_before_a_gap():
    found = widths(np.array([0, 1, 2.2, 3, 60]), np.arange(5), 1.0)
    np.testing.assert_allclose(found, [1, 1.2, 0.8, 1, 1])


@pytest.mark.parametrize("gap", [4.0, 40.0])
def test_combined_rows_end_with_their_last_entry(gap):
    """Four rows of 1 s, two of them, a gap, and a row of 4 s."""
    time = np.array([0, 1, 2, 3, 4, 5, 6 + gap])
    assert widths(time, np.array([0, 4, 6]), 4.0).tolist() == [4.0, 2.0, 4.0]


def test_rows_of_a_stretch_are_live_no_longer_than_they_last():
    short = 20.0 + 0.5 * np.arange(16)
    time = np.concatenate([4.0 * np.arange(5), short, 28.0 + 4.0 * np.arange(3), 100.0 + 0.5 * np.arange(4)])
    limit = longest_live_time(time, 4.0)
    assert np.isinf(limit[:5]).all()
    assert (limit[5:21] == 0.5).all()
    assert np.isinf(limit[21:24]).all()
    assert limit[24:].tolist() == [0.5, 0.5, 0.5, np.inf]  # the length of the last one is not known
    order = np.random.default_rng(0).permutation(len(time))
    np.testing.assert_array_equal(longest_live_time(time[order], 4.0), limit[order])


def test_rows_of_two_files_that_overlap_are_no_stretch():
    time = np.sort(np.concatenate([np.arange(50.0), 0.3 + np.arange(50.0)]))
    assert np.isinf(longest_live_time(time, 1.0)).all()
