"""Features of the anomaly's passages, against sums over single seconds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.features.passages import LIVES, PASSAGE_NAMES, near_passage, passage_features, passages


def made(time, off):
    return dict(zip(PASSAGE_NAMES, passage_features(np.asarray(time, float), np.asarray(off, float)), strict=True))


def test_short_gaps_and_long_holes_are_no_passages():
    time = np.array([0.0, 1, 60, 61, 961, 962, 9962, 9963])
    assert passages(time, 120, 2700).tolist() == [[61.0, 961.0]]


def test_gaps_as_short_or_as_long_as_a_passage_may_be_are_passages():
    assert passages(np.array([0.0, 120, 2820, 2821]), 120, 2700).tolist() == [[0.0, 120.0], [120.0, 2820.0]]


def test_a_row_as_far_from_a_passage_as_it_reaches_is_not_near():
    near = near_passage(np.array([0.0, 60, 360, 420]), np.array([[60.0, 360.0]]), 60)
    assert near.tolist() == [False, True, True, False]


def test_the_features_are_named_by_their_mean_lives():
    assert PASSAGE_NAMES == (
        "since_switch_on", "until_switch_off", "last_passage",
        "activation_300s", "activation_1800s", "activation_10800s", "activation_54000s",
    )  # fmt: skip


def test_activation_is_the_sum_over_all_past_seconds_in_passages():
    off = [[1000.0, 1900.0], [6500.0, 7700.0], [12000.0, 12300.0]]
    time = np.array([500.0, 1950.0, 5000.0, 7701.0, 14000.0, 60000.0])
    found = made(time, off)
    seconds = np.concatenate([np.arange(a + 0.5, b) for a, b in off])
    for life in LIVES:
        age = time[:, None] - seconds
        wanted = np.where(age > 0, np.exp(-np.maximum(age, 0) / life), 0).sum(axis=1)
        np.testing.assert_allclose(found[f"activation_{life:g}s"], wanted, rtol=1e-5)


def test_times_to_and_since_passages():
    # The last row before a passage is where it begins.
    found = made([100.0, 999, 1000, 1900, 2000, 90000], [[1000.0, 1900.0]])
    assert found["since_switch_on"].tolist() == [21600, 21600, 21600, 0, 100, 21600]
    assert found["until_switch_off"].tolist() == [900, 1, 0, 21600, 21600, 21600]
    assert found["last_passage"].tolist() == [0, 0, 0, 900, 900, 900]


@pytest.mark.parametrize("time", [[], [5.0]])
def test_without_passages_nothing_is_activated(time):
    off = passages(np.array(time), 120, 2700)
    found = made(time, off)
    assert all(len(values) == len(time) for values in found.values())
    assert not any(found[f"activation_{life:g}s"].any() for life in LIVES)
    assert not near_passage(np.array(time), off, 600).any()


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from([1.0, 1.2, 60.0, 300.0, 2000.0, 5000.0]), min_size=1, max_size=30),
    st.floats(1, 3000) | st.sampled_from([60.0, 300.0]),
)
def test_rows_near_a_passage_are_those_of_brute_force(steps, reach):
    time = np.cumsum(steps)
    off = passages(time, 120, 2700)
    wanted = [any(0 <= a - t < reach or 0 <= t - b < reach for a, b in off) for t in time]
    assert near_passage(time, off, reach).tolist() == wanted
