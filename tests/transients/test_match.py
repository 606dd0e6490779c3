"""Pairs of known events and intervals, compared with the best of all possible pairings."""

from itertools import combinations, permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.transients.match import known_summary, match_known, match_pairs

T0 = 1.5e9

INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 8)), max_size=4)
SPANS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0, 1, 5, 30])), max_size=4)


def paired(intervals, spans, slack):
    """Return the pairs of (start, length) and (trigger, duration), seconds after T0."""
    (start, length), (trigger, duration) = (
        np.array(pairs, np.float64).reshape(-1, 2).T for pairs in (intervals, spans)
    )
    event, known = match_pairs(T0 + start, T0 + start + length, T0 + trigger, duration, slack)
    return list(zip(event.tolist(), known.tolist(), strict=True))


def rank(interval, span):
    """Return distance, negative overlap and offset of the start of a pair, s."""
    (start, length), (trigger, duration) = interval, span
    shared = min(start + length, trigger + duration) - max(start, trigger)
    return max(-shared, 0), -max(shared, 0), abs(start - trigger)


def best(intervals, spans, slack):
    """Return the best of all one-to-one pairings: nearest first pair, then nearest second pair, and so on."""
    ways = [[]]
    for size in range(1, min(len(intervals), len(spans)) + 1):
        for events in combinations(range(len(intervals)), size):
            ways += [list(zip(events, known, strict=True)) for known in permutations(range(len(spans)), size)]

    def ranks(way):
        return sorted((*rank(intervals[event], spans[known]), event, known) for event, known in way)

    allowed = [way for way in ways if all(first[0] <= slack for first in ranks(way))]
    return set(min(allowed, key=lambda way: [*ranks(way), (np.inf,)]))


@settings(deadline=None, max_examples=300)
@given(INTERVALS, SPANS, st.integers(0, 10))
def test_pairs_are_the_best_of_all_ways_to_pair(intervals, spans, slack):
    assert set(paired(intervals, spans, slack)) == best(intervals, spans, slack)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 20)), max_size=30),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 90)), max_size=30),
    st.integers(0, 30),
)
def test_pairs_are_one_to_one_and_none_that_is_near_enough_is_left(intervals, spans, slack):
    pairs = paired(intervals, spans, slack)
    events, known = ({pair[side] for pair in pairs} for side in (0, 1))
    assert len(events) == len(known) == len(pairs)
    assert all(rank(intervals[event], spans[span])[0] <= slack for event, span in pairs)
    free = [(i, j) for i in range(len(intervals)) for j in range(len(spans)) if i not in events and j not in known]
    assert all(rank(intervals[event], spans[span])[0] > slack for event, span in free)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.1, 300), st.floats(0.1, 60), st.floats(0, 10))
def test_an_event_that_starts_within_the_duration_matches(share, duration, length, slack):
    start = T0 + share * duration
    known = pl.DataFrame({"name": ["GRB"], "time": [T0], "duration": [duration]})
    names, dt = match_known(np.array([start]), np.array([start + length]), known, slack)
    assert names == ["GRB"]
    assert dt.tolist() == [start - T0]


def test_a_long_burst_is_found_where_it_is_bright():
    # The list gives 23 s for the unknown T90 of GRB 170105A; the event starts 16 s after the trigger.
    known = pl.DataFrame({"name": ["GRB_170105A"], "time": [1483596847.0], "duration": [23.0]})
    names, dt = match_known(np.array([1483596863.0]), np.array([1483596870.0]), known, 5.0)
    assert (names, dt.tolist()) == (["GRB_170105A"], [16.0])


@pytest.mark.parametrize("duration", [0.0, 2.5, 30.0])
@pytest.mark.parametrize(
    ("before", "after", "matched"),
    [(5.0, None, True), (5.01, None, False), (None, 5.0, True), (None, 5.01, False)],
)
def test_the_slack_reaches_to_both_sides_of_the_span(duration, before, after, matched):
    # An event of 5 s that stops a number of seconds before the trigger, or starts after the end.
    start = 100.0 - before - 5.0 if before else 100.0 + duration + after
    known = pl.DataFrame({"name": ["GRB"], "time": [100.0], "duration": [duration]})
    names, dt = match_known(np.array([start]), np.array([start + 5.0]), known, 5.0)
    assert names == ["GRB" if matched else ""]
    assert dt[0] == pytest.approx(start - 100.0 if matched else np.nan, nan_ok=True)


def test_the_longest_overlap_comes_before_the_closest_start():
    events = [(10, 2), (20, 8)]
    assert paired(events, [(10, 30)], 0) == [(1, 0)]
    assert paired(events, [(10, 0)], 20) == [(0, 0)]  # no duration, no overlap
    assert paired([(10, 8), (20, 8)], [(10, 30)], 0) == [(0, 0)]  # equal overlaps: the closest start
    assert paired([(4, 2), (20, 1)], [(10, 30)], 5) == [(1, 0)]  # any overlap before any distance


def test_a_known_event_goes_to_one_event_and_an_event_to_one_known():
    start, stop = np.array([0.0, 10.0, 20.0]), np.array([1.0, 11.0, 21.0])
    known = pl.DataFrame({"name": ["A", "B", "C"], "time": [9.0, 8.5, 21.5], "duration": [0.0, 0.0, 0.0]})
    names, dt = match_known(start, stop, known, 30.0)
    assert names == ["B", "A", "C"]
    assert dt.tolist() == [-8.5, 1.0, -1.5]


@pytest.mark.parametrize(("events", "known"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_match_is_no_match(events, known):
    names, dt = match_known(np.zeros(events), np.ones(events), known_at(**{f"x{n}": 0 for n in range(known)}), 1.0)
    assert names == [""] * events
    assert np.isnan(dt).all()
    assert len(dt) == events


def events_at(*intervals):
    return pl.DataFrame(
        {
            "name": [f"EV{number}" for number in range(len(intervals))],
            "t_start": [T0 + start for start, _ in intervals],
            "t_stop": [T0 + stop for _, stop in intervals],
        },
        schema={"name": pl.String, "t_start": pl.Float64, "t_stop": pl.Float64},
    )


def known_at(duration=0.0, **times):
    return pl.DataFrame(
        {"name": list(times), "time": [T0 + time for time in times.values()], "duration": [duration] * len(times)},
        schema={"name": pl.String, "time": pl.Float64, "duration": pl.Float64},
    )


def test_the_summary_tells_found_missed_uncovered_and_out_of_range(make_prediction):
    time = T0 + np.concatenate([np.arange(100.0), np.arange(200.0, 300.0)])
    prediction = make_prediction(np.zeros((200, 1)), time)
    known = known_at(early=-6, first=-5, found=52, missed=70, edge=105, gap=106, reopens=195, last=305, late=306)
    summary = known_summary(prediction, events_at((45, 50)), known, slack=5.0)
    assert summary.select("name", pl.col("time") - T0, "covered", "event", "dt").rows() == [
        ("first", -5.0, True, None, None),
        ("found", 52.0, True, "EV0", -7.0),
        ("missed", 70.0, True, None, None),
        ("edge", 105.0, True, None, None),
        ("gap", 106.0, False, None, None),
        ("reopens", 195.0, True, None, None),
        ("last", 305.0, True, None, None),
    ]


def test_the_duration_counts_for_what_is_covered_and_found(make_prediction):
    time = T0 + np.concatenate([np.arange(100.0), np.arange(200.0, 300.0)])
    prediction = make_prediction(np.zeros((200, 1)), time)
    known = known_at(20.0, early=-26, ends=-25, found=30, gap=110, reopens=175, last=305, late=306)
    summary = known_summary(prediction, events_at((46, 60)), known, slack=5.0)
    assert summary.select("name", pl.col("time") - T0, "duration", "covered", "event", "dt").rows() == [
        ("ends", -25.0, 20.0, True, None, None),
        ("found", 30.0, 20.0, True, "EV0", 16.0),
        ("gap", 110.0, 20.0, False, None, None),
        ("reopens", 175.0, 20.0, True, None, None),
        ("last", 305.0, 20.0, True, None, None),
    ]


def test_without_slack_or_duration_only_what_data_hold_is_covered(make_prediction):
    known = known_at(inside=5.5, edge=10, after=10.5)
    prediction = make_prediction(np.zeros((10, 1)))
    summary = known_summary(prediction, events_at((4, 5)), known, slack=0.0)
    assert summary.select("name", "covered", "event").rows() == [("inside", True, None), ("edge", True, None)]


def test_known_events_of_the_same_name_are_kept_apart_in_the_summary(make_prediction):
    known = pl.DataFrame({"name": ["flare", "flare"], "time": [T0 + 10, T0 + 50], "duration": [0.0, 0.0]})
    prediction = make_prediction(np.zeros((100, 1)))
    summary = known_summary(prediction, events_at((49, 52)), known, slack=5.0)
    assert summary["event"].to_list() == [None, "EV0"]
    assert summary["dt"].to_list() == [None, -1.0]


@pytest.mark.parametrize("rows", [0, 50])
@pytest.mark.parametrize("intervals", [(), ((1, 2),)])
def test_a_summary_without_rows_keeps_its_types(make_prediction, rows, intervals):
    prediction = make_prediction(np.zeros((rows, 1)))
    summary = known_summary(prediction, events_at(*intervals), known_at(), slack=0.0)
    assert summary.is_empty()
    assert summary.schema == {
        "name": pl.String,
        "time": pl.Float64,
        "duration": pl.Float64,
        "covered": pl.Boolean,
        "event": pl.String,
        "dt": pl.Float64,
    }
    with_known = known_summary(prediction, events_at(*intervals), known_at(a=20), slack=0.0)
    assert with_known.schema == summary.schema
    assert len(with_known) == (rows > 0)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000))
def test_what_was_found_is_covered_and_agrees_with_the_events(make_prediction, seed):
    rng = np.random.default_rng(seed)
    time = T0 + np.cumsum(rng.choice([1.0, 1.2, 30.0], size=60))
    prediction = make_prediction(np.zeros((60, 1)), time, rng.random(60) < 0.8)
    start = prediction["unix_time"].to_numpy()[np.sort(rng.choice(len(prediction), 5, replace=False))]
    events = pl.DataFrame({"name": list("abcde"), "t_start": start, "t_stop": start + 1.0})
    triggers = np.sort(rng.uniform(time[0] - 20, time[-1] + 20, 15))
    durations = rng.choice([0.0, 3.0, 40.0], 15)
    known = pl.DataFrame({"name": [f"GRB{n}" for n in range(15)], "time": triggers, "duration": durations})
    summary = known_summary(prediction, events, known, slack=4.0)
    found = summary.filter(pl.col("event").is_not_null())
    assert found["covered"].all()
    names, dt = match_known(start, start + 1.0, known, 4.0)
    expected = {one: (name, delta) for one, name, delta in zip("abcde", names, dt, strict=True) if name}
    assert {row["event"]: (row["name"], row["dt"]) for row in found.rows(named=True)} == expected
    rows, width = prediction["unix_time"].to_numpy(), prediction["width"].to_numpy()
    for row in summary.rows(named=True):
        gap = np.maximum(np.maximum(rows - row["time"] - row["duration"], row["time"] - rows - width), 0).min()
        assert row["covered"] == (gap <= 4.0)
