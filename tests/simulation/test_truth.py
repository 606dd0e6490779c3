"""The tally of injected events against hand-made counts, the significance against Poisson tails."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from polarbgb.simulation.bursts import HARD, Event
from polarbgb.simulation.truth import BINS, Tally, significance


@pytest.mark.parametrize(("counts", "background"), [(130, 100), (1150, 1000), (10300, 10000)])
def test_significance_is_that_of_the_poisson_tail(counts, background):
    want = norm.isf(poisson.sf(counts - 1, background))
    got = significance(np.array([float(counts)]), np.array([float(background)]))[0]
    assert got == pytest.approx(want, abs=0.1)


@settings(deadline=None)
@given(st.integers(0, 10**7), st.just(0.0) | st.floats(1e-6, 1e7))
def test_significance_is_finite_and_has_the_sign_of_the_excess(counts, background):
    got = significance(np.array([float(counts)]), np.array([background]))[0]
    assert np.isfinite(got)
    if background == 0:
        assert got == 0
    elif abs(counts - background) > 0.01 * background:
        assert np.sign(got) == np.sign(counts - background)


def test_significance_without_counts_is_that_of_an_empty_bin():
    assert significance(np.zeros(1), np.array([8.0]))[0] == pytest.approx(-4)  # sqrt(2 B)


def _event(name, start):
    return Event("burst", name, start, 10.0, 500.0, HARD)


def test_parts_add_up_and_significance_is_taken_in_t90():
    event = Event("burst", "a", 1000.0, 60.0, 500.0, HARD)
    tally = Tally([event])
    time = np.arange(995.0, 1200.0)
    inside = (time + 1 > event.t90_start) & (time < event.t90_start + 60)
    expected = np.tile(np.arange(100.0, 113.0), (len(time), 1))
    injected = np.where(inside, 50.0, 1.0)[:, None] * np.ones(13)
    for part in (slice(0, 12), slice(12, None)):
        tally.add(0, time[part], injected[part], expected[part] + injected[part], expected[part])
    row = tally.table().to_dicts()[0]
    assert row["rows"] == 205
    for number in BINS:
        assert row[f"counts_{number}"] == injected[:, 0].sum()
        n, b = inside.sum() * (150.0 + number), inside.sum() * (100.0 + number)
        assert row[f"significance_{number}"] == pytest.approx(np.sqrt(2 * (n * np.log(n / b) - n + b)))


def test_table_is_in_order_of_time_and_leaves_out_what_no_row_saw():
    tally = Tally([_event("late", 2000.0), _event("unseen", 1500.0), _event("early", 1000.0)])
    one = np.ones((1, 13))
    for number, start in ((0, 2000.0), (2, 1000.0)):
        tally.add(number, np.array([start]), one, 2 * one, one)
    assert tally.table()["name"].to_list() == ["early", "late"]


def test_table_without_events_has_its_columns():
    table = Tally([]).table()
    assert table.height == 0
    assert table.schema["start"] == pl.Float64
    assert {f"counts_{b}" for b in BINS} | {f"significance_{b}" for b in BINS} <= set(table.columns)
