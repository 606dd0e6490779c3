"""Known events and intervals in pairs, against the nearest pair taken out again and again."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.transients.match import known_summary, match_known, match_pairs

T0 = 1.5e9


def nearest_again_and_again(t_start, t_stop, triggers, tolerance):
    """Take the nearest pair of what is left until none is near enough; then the closest start decides."""
    events, known = set(range(len(t_start))), set(range(len(triggers)))
    pairs = set()
    while events and known:

        def rank(pair):
            event, trigger = pair[0], triggers[pair[1]]
            before, after = t_start[event] - trigger, trigger - t_stop[event]
            return max(before, after, 0), abs(before), *pair

        best = min(((event, one) for event in events for one in known), key=rank)
        if rank(best)[0] > tolerance:
            break
        pairs.add(best)
        events.remove(best[0])
        known.remove(best[1])
    return pairs


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 8)), max_size=8),
    st.lists(st.integers(0, 60), max_size=8),
    st.integers(0, 10),
)
def test_pairs_are_the_nearest_taken_out_again_and_again(intervals, triggers, tolerance):
    t_start = np.array([T0 + start for start, _ in intervals], np.float64)
    t_stop = np.array([T0 + start + length for start, length in intervals], np.float64)
    triggers = np.array([T0 + trigger for trigger in triggers], np.float64)
    event, known = match_pairs(t_start, t_stop, triggers, tolerance)
    assert len(set(event.tolist())) == len(event)
    assert len(set(known.tolist())) == len(known)
    pairs = set(zip(event.tolist(), known.tolist(), strict=True))
    assert pairs == nearest_again_and_again(t_start, t_stop, triggers, tolerance)


@pytest.mark.parametrize(
    ("trigger", "matched"), [(5.0, "GRB"), (15.0, "GRB"), (12.0, "GRB"), (4.99, ""), (20.0, "GRB"), (20.01, "")]
)
def test_the_tolerance_reaches_to_both_sides_of_the_interval(trigger, matched):
    names, dt = match_known(np.array([10.0]), np.array([15.0]), ["GRB"], np.array([trigger]), 5.0)
    assert names == [matched]
    assert dt[0] == pytest.approx(10.0 - trigger if matched else np.nan, nan_ok=True)


def test_a_trigger_goes_to_one_event_and_an_event_to_one_trigger():
    start, stop = np.array([0.0, 10.0, 20.0]), np.array([1.0, 11.0, 21.0])
    names, dt = match_known(start, stop, ["A", "B", "C"], np.array([9.0, 8.5, 21.5]), 30.0)
    assert names == ["B", "A", "C"]
    assert dt.tolist() == [-8.5, 1.0, -1.5]


@pytest.mark.parametrize(("events", "known"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_match_is_no_match(events, known):
    names, dt = match_known(np.zeros(events), np.ones(events), ["x"] * known, np.zeros(known), 1.0)
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


def known_at(**times):
    return pl.DataFrame(
        {"name": list(times), "time": [T0 + time for time in times.values()]},
        schema={"name": pl.String, "time": pl.Float64},
    )


def test_the_summary_tells_found_missed_uncovered_and_out_of_range(make_config, make_prediction):
    time = T0 + np.concatenate([np.arange(100.0), np.arange(200.0, 300.0)])
    prediction = make_prediction(np.zeros((200, 1)), time)
    known = known_at(early=-6, first=-5, found=52, missed=70, edge=105, gap=106, reopens=195, last=305, late=306)
    summary = known_summary(
        prediction, events_at((45, 50)), known, make_config(bins=1, known={"file": "known.csv", "match": 5.0})
    )
    assert summary.with_columns(pl.col("time") - T0).rows() == [
        ("first", -5.0, True, None, None),
        ("found", 52.0, True, "EV0", -7.0),
        ("missed", 70.0, True, None, None),
        ("edge", 105.0, True, None, None),
        ("gap", 106.0, False, None, None),
        ("reopens", 195.0, True, None, None),
        ("last", 305.0, True, None, None),
    ]


def test_without_a_tolerance_only_what_data_hold_is_covered(make_config, make_prediction):
    known = known_at(inside=5.5, edge=10, after=10.5)
    summary = known_summary(make_prediction(np.zeros((10, 1))), events_at((4, 5)), known, make_config(bins=1))
    assert summary.select("name", "covered", "event").rows() == [("inside", True, None), ("edge", True, None)]


def test_known_events_of_one_name_are_told_apart_in_the_summary(make_config, make_prediction):
    known = pl.DataFrame({"name": ["flare", "flare"], "time": [T0 + 10, T0 + 50]})
    summary = known_summary(
        make_prediction(np.zeros((100, 1))),
        events_at((49, 52)),
        known,
        make_config(bins=1, known={"file": "known.csv"}),
    )
    assert summary["event"].to_list() == [None, "EV0"]
    assert summary["dt"].to_list() == [None, -1.0]


@pytest.mark.parametrize("rows", [0, 50])
@pytest.mark.parametrize("intervals", [(), ((1, 2),)])
def test_a_summary_without_rows_keeps_its_types(make_config, make_prediction, rows, intervals):
    prediction = make_prediction(np.zeros((rows, 1)))
    summary = known_summary(prediction, events_at(*intervals), known_at(), make_config(bins=1))
    assert summary.is_empty()
    assert summary.schema == {
        "name": pl.String,
        "time": pl.Float64,
        "covered": pl.Boolean,
        "event": pl.String,
        "dt": pl.Float64,
    }
    with_known = known_summary(prediction, events_at(*intervals), known_at(a=20), make_config(bins=1))
    assert with_known.schema == summary.schema
    assert len(with_known) == (rows > 0)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000))
def test_what_was_found_is_covered_and_agrees_with_the_events(make_config, make_prediction, seed):
    rng = np.random.default_rng(seed)
    time = T0 + np.cumsum(rng.choice([1.0, 1.2, 30.0], size=60))
    prediction = make_prediction(np.zeros((60, 1)), time, rng.random(60) < 0.8)
    starts = np.sort(rng.choice(np.flatnonzero(prediction["segment"] >= 0), 5, replace=False))
    start = time[starts]
    events = pl.DataFrame({"name": list("abcde"), "t_start": start, "t_stop": start + 1.0})
    triggers = np.sort(rng.uniform(time[0] - 20, time[-1] + 20, 15))
    known = pl.DataFrame({"name": [f"GRB{number}" for number in range(15)], "time": triggers})
    config = make_config(bins=1, known={"file": "known.csv", "match": 4.0})
    summary = known_summary(prediction, events, known, config)
    found = summary.filter(pl.col("event").is_not_null())
    assert found["covered"].all()
    names, dt = match_known(start, start + 1.0, known["name"].to_list(), triggers, 4.0)
    expected = {one: (name, delta) for one, name, delta in zip("abcde", names, dt, strict=True) if name}
    assert {row["event"]: (row["name"], row["dt"]) for row in found.rows(named=True)} == expected
    rows = prediction.filter(pl.col("segment") >= 0)["unix_time"].to_numpy()
    for row in summary.rows(named=True):
        gap = np.maximum(np.maximum(rows - row["time"], row["time"] - rows - 1.0), 0).min()
        assert row["covered"] == (gap <= 4.0)
