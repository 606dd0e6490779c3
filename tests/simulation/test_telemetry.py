"""The clock, the gaps and the slips against what the real file is known for, and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation import telemetry

START = 1483525445.6197348
DAY = 86400.0
ROWS = 3_956_646  # of the real file

seeds = st.integers(0, 10**6)


# The clock.


def test_bins_open_just_over_a_second_apart():
    time, beyond = telemetry.clock(START, START + DAY, np.random.default_rng(0), steady=False)
    steps = np.diff(time)
    regular = steps[steps < 1.5]
    assert regular.mean() - 1 == pytest.approx(1e-4, rel=0.05)
    assert regular.std() == pytest.approx(1e-4, rel=0.05)  # exponential: width equals mean
    assert beyond >= START + DAY > time[-1]


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([0.0, START]), st.floats(1.0, 5000.0), seeds, st.booleans())
def test_clock_fills_any_stretch_and_never_runs_fast(first, length, seed, steady):
    time, beyond = telemetry.clock(first, first + length, np.random.default_rng(seed), steady=steady)
    assert time[0] == first
    # Doubles of this size are 2.4e-7 apart.
    assert np.diff(np.append(time, beyond)).min() >= 1 - 3e-7
    assert time[-1] < first + length <= beyond


def test_fraction_of_the_second_drifts():
    rng, opening, fractions = np.random.default_rng(1), START, []
    for day in range(5):
        time, opening = telemetry.clock(opening, START + (day + 1) * DAY, rng, steady=False)
        fractions.append(time % 1)
    # It is spread evenly over [0, 1) after many turns of 8.6 seconds a day.
    assert np.concatenate(fractions).std() == pytest.approx(1 / np.sqrt(12), rel=0.03)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 5000))
def test_a_steady_clock_is_exact(length):
    time, beyond = telemetry.clock(START, START + length, np.random.default_rng(0), steady=True)
    np.testing.assert_array_equal(np.append(time, beyond), START + np.arange(length + 1.0))


def test_hiccups_come_in_the_three_families_of_the_real_file():
    rng = np.random.default_rng(1)
    lost = np.concatenate([np.diff(telemetry.clock(0.0, DAY, rng, steady=False)[0]) - 1 for _ in range(60)])
    lost = lost[lost > 0.5]
    families = [((lost > low) & (lost < high)).sum() / 60 for low, high in ((0.99, 1.41), (7.9, 12.1), (59, 71))]
    assert sum(families) == pytest.approx(len(lost) / 60)
    assert min(families) > 0.5
    # The file has 812 breaks or more in 72 days, of which some ten a day are passes of the anomaly.
    assert 1 < sum(families) < 12


# The holes.


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 90), st.lists(st.floats(0, 90), max_size=30))
def test_holes_are_in_order_and_apart_and_none_drawn_hides_a_known_trigger(seed, days, known):
    triggers = [START + DAY * day for day in known]
    holes = telemetry.holes(START, days, triggers, np.random.default_rng(seed))
    assert (holes[:, 0] < holes[:, 1]).all()
    assert (holes[1:, 0] > holes[:-1, 1]).all()
    fixed = telemetry.LONG_HOLES
    for trigger in triggers:
        if not any(start <= trigger <= stop for start, stop in fixed):
            assert not ((holes[:, 0] <= trigger) & (trigger <= holes[:, 1])).any()


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 40), st.integers(1, 30))
def test_a_longer_mission_begins_with_the_holes_of_the_shorter(seed, days, more):
    short, long = (telemetry.holes(START, n, [], np.random.default_rng(seed)) for n in (days, days + more))
    times = START + np.arange(0, days * DAY, 300.0)
    np.testing.assert_array_equal(telemetry.within(times, long), telemetry.within(times, short))


def test_a_mission_begins_with_hours_of_data():
    begins = [telemetry.holes(START, 1, [], np.random.default_rng(seed))[0, 0] for seed in range(100)]
    assert min(begins) - START > 6 * 3600


def test_the_two_holes_of_days_are_those_of_the_real_file():
    holes = telemetry.holes(START, 72, [], np.random.default_rng(0))
    begin = np.array([np.datetime64("2017-01-10"), np.datetime64("2017-03-06")]).astype("datetime64[s]").astype(float)
    for day, length in zip(begin, (1.99, 6.60), strict=True):
        there = (holes[:, 0] < day + DAY) & (holes[:, 1] > day)
        assert (np.diff(holes[there])[:, 0] >= (length - 0.01) * DAY).any()
    lengths = np.diff(telemetry.LONG_HOLES)[:, 0] / DAY
    np.testing.assert_allclose(lengths, [1.99, 6.60], atol=0.01)


def test_other_holes_are_of_hours():
    lengths = np.diff(telemetry.holes(2e9, 2000, [], np.random.default_rng(1)))[:, 0] / 3600
    assert len(lengths) > 500
    assert lengths.min() > 1
    assert np.quantile(lengths, 0.9) < 24  # some that overlap are one


def test_holes_before_the_start_are_left_out():
    assert (telemetry.holes(2e9, 30, [], np.random.default_rng(0)) >= 2e9).all()


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 40), max_size=10, unique=True).map(sorted),
    st.lists(st.integers(-5, 45), max_size=30),
)
def test_within_agrees_with_every_span_by_itself(edges, times):
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    want = [any(start <= time < stop for start, stop in spans) for time in times]
    got = telemetry.within(np.array(times, float), np.array(spans, float).reshape(-1, 2))
    assert got.tolist() == want


# The slips.


def test_slips_spoil_the_shares_of_rows_of_the_real_file():
    rows = 1_000_000
    live = telemetry.live_time_faults(np.full(rows, 0.95), np.full(rows, 700.0), np.random.default_rng(3))
    assert (live == 0).mean() == pytest.approx(1109 / ROWS, rel=0.2)
    short = (live > 0) & (live < 0.95)
    assert short.mean() == pytest.approx(700 / ROWS, rel=0.25)
    # The published filter asks for rate / error = sqrt(N) > 20.
    assert (live[short] * 700 < 20**2).all()
    assert (live[(live > 0) & ~short] == 0.95).all()


@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(0, 1))
def test_slips_never_lengthen_the_live_time(seed, live):
    spoilt = telemetry.live_time_faults(np.full(20_000, live), np.full(20_000, 0.0), np.random.default_rng(seed))
    assert spoilt.min() >= 0
    assert spoilt.max() <= live


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([1.0, 2.0, 3.4, 9.0, 600.0]), min_size=4, max_size=30))
def test_counter_starts_low_on_two_readings_after_an_interruption_and_only_there(steps):
    time = np.cumsum([0.0, 2, 2, *steps])
    counter = np.full(len(time), 1000.0)
    telemetry.ramp(counter, time, time[0] - 2)
    late = {n + k for n in range(1, len(time)) if time[n] - time[n - 1] > 6 for k in (0, 1)}
    for number in range(len(time)):
        assert (counter[number] < 500) == (number in late)
        assert number in late or counter[number] == 1000
    assert (counter == np.round(counter)).all()
    assert (counter > 0).all()


def test_counter_rises_from_the_first_reading_to_the_second():
    counter = np.full(8, 5000.0)
    telemetry.ramp(counter, np.array([0.0, 2, 4, 6, 900, 902, 904, 906]), -2.0)
    assert 0 < counter[4] < counter[5] < counter[6] == counter[7] == 5000


def test_ramp_takes_no_readings_and_one():
    telemetry.ramp(np.empty(0), np.empty(0), 0.0)
    one = np.array([7.0])
    telemetry.ramp(one, np.array([100.0]), -np.inf)
    assert 0 <= one[0] <= 7


def test_crab_values_spoiled_are_nan_or_absurd():
    area = np.ones((40, 43200))
    rng = np.random.default_rng(4)
    for day in area:
        telemetry.spoil_crab(day, rng)
    spoiled = ~(area == 1)
    assert 10 < spoiled.any(axis=1).sum() < 30  # one day in two
    # 19,326 of the older file's rows, which are held in pairs.
    assert np.isnan(area).mean() == pytest.approx(19_326 / ROWS, rel=0.5)
    assert (area[spoiled & ~np.isnan(area)] == -1.2e33).all()
    assert (area == -1.2e33).any()


def test_a_stuck_angle_holds_one_value_for_a_stretch():
    rng = np.random.default_rng(6)
    days = np.tile(np.arange(43200.0), (200, 1))
    for day in days:
        telemetry.stick(day, rng)
    moved = days != np.arange(43200.0)
    stuck = moved.any(axis=1)
    assert 0.05 < stuck.mean() < 0.17  # one day in ten
    for day, rows in zip(days[stuck], moved[stuck], strict=True):
        held = np.flatnonzero(rows)
        assert np.ptp(held) + 1 == len(held)  # one stretch
        assert (day[held] == held[0] - 1).all()  # at its first value
        assert 0.25 < 2 * len(held) / 3600 < 3  # hours; a reading is 2 s


def test_few_points_are_left_alone():
    for spoil in (telemetry.spoil_crab, telemetry.stick):
        few = np.arange(10.0)
        for seed in range(20):
            spoil(few, np.random.default_rng(seed))
        np.testing.assert_array_equal(few, np.arange(10.0))
