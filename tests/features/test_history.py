"""The past of a column against a walk through the rows: never across a gap."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.features.history import SEGMENT, Difference, Lag, Mean, plain

CADENCE = 4.0


def ago(values, segment, row, rows):
    """The value so many rows before a row, or None where the row's segment had not begun or the value is missing."""
    there = row - rows
    return values[there] if there >= 0 and segment[there] == segment[row] else None


def walked_lag(values, segment, rows):
    return [ago(values, segment, row, rows) for row in range(len(values))]


def walked_difference(values, segment, rows, guard):
    pairs = [(ago(values, segment, r, guard), ago(values, segment, r, guard + rows)) for r in range(len(values))]
    return [None if None in pair else pair[0] - pair[1] for pair in pairs]


def walked_mean(values, segment, rows, guard):
    means = []
    for row in range(len(values)):
        window = [ago(values, segment, row, guard + back) for back in range(rows)]
        means.append(None if None in window else sum(window) / rows)
    return means


def computed(feature, values, segment, dtype=pl.Float32, cadence=CADENCE):
    frame = pl.DataFrame(
        {"x": pl.Series(values, dtype=dtype), SEGMENT: pl.Series(segment, dtype=pl.Int32)},
    )
    return frame.select(feature.expression(cadence).alias("y"))["y"].to_list()


def close(got, wanted):
    assert len(got) == len(wanted)
    for mine, truth in zip(got, wanted, strict=True):
        if truth is None:
            assert mine is None
        else:
            assert mine == pytest.approx(truth, rel=1e-9, abs=1e-9)


# Eighths: their sums and differences are exact in float32. Some are missing, some rows begin a new segment.
tables = st.lists(
    st.tuples(st.none() | st.integers(-4000, 4000).map(lambda n: n / 8), st.sampled_from([0, 0, 0, 0, 0, 1])),
    max_size=40,
).map(lambda rows: ([v for v, _ in rows], np.cumsum([b for _, b in rows], dtype=int).tolist()))
few = st.integers(1, 8)
guards = st.integers(0, 5)


@settings(deadline=None, max_examples=200)
@given(table=tables, rows=few)
def test_a_lag_is_the_value_so_long_ago(table, rows):
    close(computed(Lag("x", rows * CADENCE), *table), walked_lag(*table, rows))


@settings(deadline=None, max_examples=200)
@given(table=tables, rows=few, guard=guards)
def test_a_difference_is_the_change_up_to_the_guard(table, rows, guard):
    got = computed(Difference("x", rows * CADENCE, guard * CADENCE), *table)
    close(got, walked_difference(*table, rows, guard))


@settings(deadline=None, max_examples=200)
@given(table=tables, rows=few, guard=guards)
def test_a_mean_is_of_all_the_rows_up_to_the_guard(table, rows, guard):
    close(computed(Mean("x", rows * CADENCE, guard * CADENCE), *table), walked_mean(*table, rows, guard))


FEATURES = [Lag("x", 8.0), Difference("x", 8.0), Difference("x", 4.0, 4.0), Mean("x", 12.0), Mean("x", 8.0, 4.0)]
"""Each looks back two rows of 4 s."""


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_the_first_rows_after_a_gap_know_nothing(feature):
    got = computed(feature, np.arange(12.0), [0] * 6 + [1] * 6)
    assert [value is None for value in got] == [True, True, *[False] * 4] * 2


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_nothing_that_comes_later_or_lies_beyond_a_gap_matters(feature):
    rng = np.random.default_rng(2)
    values, segment = rng.normal(size=30), np.repeat([0, 1, 2], 10)
    before = computed(feature, values, segment)
    values[15:] += 100  # later than row 14
    values[:10] += 100  # before the gap
    assert computed(feature, values, segment)[10:15] == before[10:15]


@pytest.mark.parametrize(("guard", "blind"), [(0.0, 0), (4.0, 1), (20.0, 5)])
def test_nothing_younger_than_the_guard_matters(guard, blind):
    values = np.zeros(30)
    values[20] = 1.0
    for feature in (Difference("x", 8.0, guard), Mean("x", 8.0, guard)):
        seen = [row for row, value in enumerate(computed(feature, values, [0] * 30)) if value]
        assert min(seen) == 20 + blind


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_few_rows_have_no_past(feature, size):
    assert computed(feature, np.ones(size), [0] * size) == [None] * size


@pytest.mark.parametrize(
    ("seconds", "cadence", "rows"), [(60, 1, 60), (60, 4, 15), (10, 4, 3), (1, 4, 1), (0.3, 0.1, 3), (7, 4, 2)]
)
def test_seconds_are_rounded_up_to_rows(seconds, cadence, rows):
    got = computed(Lag("x", seconds), np.arange(100.0), [0] * 100, cadence=cadence)
    assert got.index(0.0) == rows


def test_integer_columns_have_a_past_too():
    assert computed(Difference("x", 4.0), [1, 5, 2], [0, 0, 0], dtype=pl.Int32) == [None, 4, -3]
    assert computed(Mean("x", 8.0), [1, 4, 2], [0, 0, 0], dtype=pl.Int32) == [None, 2.5, 3.0]


def test_a_running_mean_does_not_drift():
    # A float32 running sum would be off by several Hz after 300,000 rows of this size.
    values = np.random.default_rng(4).uniform(0, 25630, 300_000).astype(np.float32)
    values[1000] = 1e29  # below what counts as absurd
    got = np.array(computed(Mean("x", 300.0), values, np.zeros(len(values), int), cadence=1.0)[-1000:])
    wanted = [values[stop - 300 : stop].astype(float).mean() for stop in range(len(values) - 999, len(values) + 1)]
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        (Lag("fe_cosmic", 60), "fe_cosmic_lag_60s"),
        (Lag("fe_cosmic", 0.5), "fe_cosmic_lag_0.5s"),
        (Lag("rate[3]", 600.0), "rate_3_lag_600s"),
        (Difference("B_r", 60), "B_r_change_60s"),
        (Difference("rate[0]", 60, 400), "rate_0_change_60s_guard_400s"),
        (Mean("temperature", 600), "temperature_mean_600s"),
        (Mean("rate[12]", 600, 400.0), "rate_12_mean_600s_guard_400s"),
    ],
)
def test_a_feature_names_itself(feature, name):
    assert feature.name == name


def test_names_differ_wherever_features_do():
    columns, times = ["x", "x[1]", "y"], [0.5, 1.0, 20.0, 86400.0]
    features = [Lag(c, s) for c in columns for s in times]
    features += [kind(c, s, g) for kind in (Difference, Mean) for c in columns for s in times for g in (0.0, 400.0)]
    assert len({feature.name for feature in features}) == len(features) == len(set(features))


@pytest.mark.parametrize(
    ("column", "name"), [("rate[3]", "rate_3"), ("glat", "glat"), ("rate[12]", "rate_12"), ("a_1", "a_1")]
)
def test_a_plain_name_holds_no_bracket(column, name):
    assert plain(column) == name


def test_missing_values_are_missing_and_not_undefined():
    # NaN would pass the null check of the mean and poison every later window.
    got = computed(Mean("x", 8.0), [1.0, None, 3.0, 5.0], [0, 0, 0, 0])
    assert got == [None, None, None, 4.0]
    assert not any(math.isnan(value) for value in got if value is not None)


@pytest.mark.parametrize("cadence", [4.0, 60.0, 250.0])
def test_a_guard_is_never_shorter_than_asked(cadence):
    got = computed(Mean("x", cadence, guard=301.0), np.arange(100.0), [0] * 100, cadence=cadence)
    assert 301 <= (99 - got[99]) * cadence < 301 + cadence
