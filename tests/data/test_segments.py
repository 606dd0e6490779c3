"""Segments, good time intervals and orbits against a walk through the rows."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import Orbit
from polarbgb.data.segments import (
    good_time_intervals,
    orbit_numbers,
    orbit_phase,
    predicted_intervals,
    segment_ids,
    spans_of,
)

# Eighths of a second and powers of two as cadence: every difference and quotient is exact.
CADENCE = st.sampled_from([0.125, 0.5, 1.0, 4.0])
STEPS = st.lists(st.integers(1, 100), max_size=40)


def rows(steps):
    return np.concatenate([[1.5e9], 1.5e9 + np.cumsum(steps) / 8]) if steps is not None else np.empty(0)


def walked(time, cadence):
    """Row by row: a segment ends where the next row starts one and a half cadences later."""
    segment, segments = 0, []
    for number, t in enumerate(time):
        if number and t - time[number - 1] >= 1.5 * cadence:
            segment += 1
        segments.append(segment)
    return segments


@settings(deadline=None)
@given(steps=STEPS, cadence=CADENCE)
def test_segments_break_where_a_row_is_missing(steps, cadence):
    time = rows(steps)
    got = segment_ids(time, cadence)
    assert got.dtype == np.int32
    assert got.tolist() == walked(time, cadence)


@pytest.mark.parametrize(
    ("step", "together"), [(0.5, True), (1.0, True), (1.4, True), (1.5, False), (1.999, False), (2.0, False)]
)
def test_rows_less_than_one_and_a_half_cadences_apart_are_consecutive(step, together):
    for cadence in (1.0, 4.0):
        assert (segment_ids(np.array([0, step * cadence]), cadence)[1] == 0) == together


@pytest.mark.parametrize("cadence", [0.1, 0.3, 0.7, 1.0, 4.096])
@pytest.mark.parametrize("jitter", [0.0, 1e-3, 0.2])
def test_a_missing_row_breaks_whatever_the_jitter(cadence, jitter):
    # A double holds unix seconds of today to 2e-7 s, and clocks are late by some milliseconds.
    late = np.random.default_rng(0).uniform(0, jitter * cadence, 10_000)
    every = 1_483_525_445.62 + cadence * np.arange(10_000) + late
    assert segment_ids(every, cadence)[-1] == 0
    assert segment_ids(every[::2], cadence)[-1] == 4999


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.sampled_from([0.9, 1.0, 1.1, 2.0, 3.0, 60.0]), max_size=40))
def test_for_rows_on_whole_cadences_it_is_the_published_rule(steps):
    time = 1.5e9 + np.cumsum([0.0, *np.round(steps)])
    published = np.concatenate([[0], np.cumsum(np.trunc(np.diff(time)) > 1)])
    assert segment_ids(time, 1.0).tolist() == published.tolist()


@settings(deadline=None)
@given(steps=STEPS, cadence=CADENCE)
def test_intervals_cover_each_segment_and_nothing_else(steps, cadence):
    time = rows(steps)
    segment = segment_ids(time, cadence)
    width = np.random.default_rng(len(steps)).integers(6, 9, len(time)) / 8 * cadence
    intervals = good_time_intervals(time, segment, width)
    assert intervals.shape == (segment[-1] + 1, 2)
    for number, (start, stop) in enumerate(intervals):
        inside = np.flatnonzero(segment == number)
        assert (start, stop) == (time[inside[0]], time[inside[-1]] + width[inside[-1]])
    assert (intervals[1:, 0] >= intervals[:-1, 1]).all()
    # The covered time is all the time less the breaks beyond a row's width.
    last = np.flatnonzero(np.diff(segment))
    breaks = np.diff(time)[last] - width[last]
    assert np.isclose(np.diff(intervals).sum(), time[-1] + width[-1] - time[0] - breaks.sum(), rtol=1e-12)


def test_the_intervals_of_a_prediction_end_where_its_rows_do():
    prediction = pl.DataFrame(
        {"unix_time": [10.0, 12.0, 20.0], "segment": pl.Series([0, 0, 1], dtype=pl.Int32), "width": [2.0, 1.5, 2.0]}
    )
    assert predicted_intervals(prediction).tolist() == [[10.0, 13.5], [20.0, 22.0]]
    assert predicted_intervals(prediction.clear()).shape == (0, 2)


def test_no_rows_make_no_intervals():
    assert segment_ids(np.empty(0), 1.0).tolist() == []
    assert segment_ids(np.empty(0), 1.0).dtype == np.int32
    assert good_time_intervals(np.empty(0), np.empty(0, np.int32), np.empty(0)).shape == (0, 2)


def test_one_row_is_an_interval_of_one_row():
    assert segment_ids(np.array([5.0]), 4.0).tolist() == [0]
    assert good_time_intervals(np.array([5.0]), np.array([0], np.int32), np.array([4.0])).tolist() == [[5.0, 9.0]]


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
