"""Segments, good time intervals and orbits against a walk through the rows."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import Orbit
from polarbgb.data.segments import (
    good_time_intervals,
    orbit_numbers,
    orbit_phase,
    require_cadence,
    segment_ids,
    spans_of,
)
from polarbgb.errors import UserError

# Eighths of a second and powers of two as cadence: every difference and quotient is exact.
CADENCE = st.sampled_from([0.125, 0.5, 1.0, 4.0])
STEPS = st.lists(st.integers(1, 100), max_size=40)


def rows(steps):
    return np.concatenate([[1.5e9], 1.5e9 + np.cumsum(steps) / 8]) if steps is not None else np.empty(0)


def walked(time, cadence):
    """The published rule, row by row."""
    segment, segments = 0, []
    for number, t in enumerate(time):
        if number and math.trunc((t - time[number - 1]) / cadence) > 1:
            segment += 1
        segments.append(segment)
    return segments


@settings(deadline=None)
@given(steps=STEPS, cadence=CADENCE)
def test_segments_break_where_the_published_rule_says(steps, cadence):
    time = rows(steps)
    got = segment_ids(time, cadence)
    assert got.dtype == np.int32
    assert got.tolist() == walked(time, cadence)


@pytest.mark.parametrize(
    ("step", "together"), [(0.5, True), (1.0, True), (1.0002, True), (1.999, True), (2.0, False), (60.0, False)]
)
def test_rows_less_than_two_cadences_apart_are_consecutive(step, together):
    for cadence in (1.0, 4.0):
        assert (segment_ids(np.array([0, step * cadence]), cadence)[1] == 0) == together


@pytest.mark.parametrize("cadence", [0.1, 0.3, 0.7, 1.0, 4.096])
def test_a_missing_row_breaks_where_unix_seconds_are_rounded(cadence):
    # A double holds unix seconds of today to 2e-7 s, so that a step of two cadences may come out short of two.
    every, other = (1_483_525_445.62 + cadence * np.arange(0, 10_000, step) for step in (1, 2))
    assert segment_ids(every, cadence)[-1] == 0
    assert segment_ids(other, cadence)[-1] == len(other) - 1


@settings(deadline=None)
@given(steps=STEPS, cadence=CADENCE)
def test_intervals_cover_each_segment_and_nothing_else(steps, cadence):
    time = rows(steps)
    segment = segment_ids(time, cadence)
    intervals = good_time_intervals(time, segment, cadence)
    assert intervals.shape == (segment[-1] + 1, 2)
    for number, (start, stop) in enumerate(intervals):
        inside = [t for t, s in zip(time, segment, strict=True) if s == number]
        assert (start, stop) == (inside[0], inside[-1] + cadence)
    assert (intervals[1:, 0] >= intervals[:-1, 1]).all()
    # The covered time is all the time less the breaks beyond a row's length.
    steps_taken = np.diff(time)
    breaks = steps_taken[np.diff(segment) > 0]
    assert np.isclose(np.diff(intervals).sum(), time[-1] + cadence - time[0] - (breaks - cadence).sum(), rtol=1e-12)


def test_no_rows_make_no_intervals():
    assert segment_ids(np.empty(0), 1.0).tolist() == []
    assert segment_ids(np.empty(0), 1.0).dtype == np.int32
    assert good_time_intervals(np.empty(0), np.empty(0, np.int32), 1.0).shape == (0, 2)


def test_one_row_is_an_interval_of_one_row():
    assert segment_ids(np.array([5.0]), 4.0).tolist() == [0]
    assert good_time_intervals(np.array([5.0]), np.array([0], np.int32), 4.0).tolist() == [[5.0, 9.0]]


POLAR = Orbit(period=5535.4, epoch=1474004181.5460, first=10)


def test_orbits_carry_the_published_revolution_numbers():
    # First and last time of the published file.
    assert orbit_numbers(np.array([1483525445.6197348, 1489744798.8]), POLAR).tolist() == [1730, 2853]


@settings(deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30))
def test_orbits_follow_the_formula(seconds):
    time = 1474004181.5460 + np.array(seconds) + 0.25
    wanted = [int((t - 1474004181.5460) // 5535.4 + 10) for t in time.tolist()]
    got = orbit_numbers(time, POLAR)
    assert got.dtype == np.int32
    assert got.tolist() == wanted


def test_an_orbit_begins_at_a_multiple_of_the_period():
    orbit = Orbit(period=4096.0, epoch=1.0e9, first=3)
    time = 1.0e9 + 4096.0 * np.array([-1, 0, 1, 7])
    assert orbit_numbers(time, orbit).tolist() == [2, 3, 4, 10]
    assert orbit_numbers(time - 0.5, orbit).tolist() == [1, 2, 3, 9]
    np.testing.assert_array_equal(orbit_phase(time + 1024, orbit), [-0.75, 0.25, 1.25, 7.25])


def test_without_an_epoch_the_first_row_begins_the_first_orbit():
    time = np.array([100.0, 199.0, 200.0, 450.0])
    assert orbit_numbers(time, Orbit(period=100.0)).tolist() == [0, 0, 1, 3]
    assert orbit_numbers(time, Orbit(period=100.0, first=7)).tolist() == [7, 7, 8, 10]
    assert orbit_numbers(np.empty(0), Orbit(period=100.0)).tolist() == []


@pytest.mark.parametrize("rows", [2, 50])
@pytest.mark.parametrize(("apart", "cadence"), [(0.4, 1), (1.6, 1), (4.0, 1), (1.0, 4), (1.9, 4), (6.1, 4), (1.0, 0.5)])
def test_rows_at_another_cadence_are_refused(apart, cadence, rows):
    with pytest.raises(UserError, match=f"m.root: rows are {apart:g} s apart, but input.cadence is {cadence:g} s"):
        require_cadence(np.arange(rows) * apart, cadence, "m.root")


@pytest.mark.parametrize(("apart", "cadence"), [(2.0, 4), (3.0, 4), (6.0, 4), (0.25, 0.5), (0.75, 0.5)])
def test_rows_from_half_to_one_and_a_half_cadences_apart_are_accepted(apart, cadence):
    require_cadence(np.arange(50) * apart, cadence, "m.root")


def test_gaps_do_not_make_another_cadence():
    time = np.concatenate([np.arange(30.0), 5000 + np.arange(30.0)])
    for some in (time, time * 1.0001, time[:1], time[:0]):
        require_cadence(some, 1.0, "m.root")


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=20), st.integers(1, 12))
def test_spans_hold_whole_segments_and_every_row_once(lengths, rows):
    segment = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    spans = spans_of(segment, rows)
    assert [row for span in spans for row in range(span.start, span.stop)] == list(range(len(segment)))
    for before, after in pairwise(spans):
        assert segment[before.stop - 1] != segment[after.start]
        assert before.stop - before.start >= rows
        # no more than is needed: without its last segment a span would be too short
        last = segment[before.stop - 1]
        assert int((segment[before.start : before.stop] != last).sum()) < rows
