"""The tally of injected events against hand-made counts, the significance against Poisson tails."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from polarbgb.simulation import profiles
from polarbgb.simulation.events import Event
from polarbgb.simulation.rates import QUIET, nested
from polarbgb.simulation.truth import MODELLED, Tally, significance


@pytest.mark.parametrize(("counts", "background"), [(130, 100), (1150, 1000), (10300, 10000)])
def test_significance_is_that_of_the_poisson_tail(counts, background):
    want = norm.isf(poisson.sf(counts - 1, background))
    got = significance(np.array([float(counts)]), np.array([float(background)]))[0]
    assert got == pytest.approx(want, abs=0.1)


def test_significance_of_a_lack_is_that_of_the_lower_tail():
    want = norm.ppf(poisson.cdf(9_700, 10_000))
    assert significance(np.array([9700.0]), np.array([10_000.0]))[0] == pytest.approx(want, abs=0.1)


@settings(deadline=None, max_examples=30)
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


def _event(name="a", start=1000.0, length=60.0, *, effect="adds", peak=500.0):
    return Event(
        "burst", start, start + length, profiles.ramp(), effect, peak, QUIET / nested(QUIET)[0], cosmic=0.1, name=name
    )


@pytest.mark.parametrize("cut", [0, 12, 40])
def test_parts_add_up_and_significance_is_taken_in_t90(cut):
    event = _event()
    tally = Tally([event])
    time = np.arange(995.0, 1070.0)
    # A ramp x^2 reaches 5 % at the cube root of .05, and 95 % at that of .95.
    begin, end = 1000 + 60 * np.cbrt([0.05, 0.95])
    inside = (time + 1 > begin) & (time < end)
    expected = np.tile(np.arange(100.0, 113.0), (len(time), 1))
    injected = np.where(inside, 50.0, 1.0)[:, None] * np.ones(13)
    for part in (slice(0, cut), slice(cut, None)):
        tally.add(
            0,
            time[part],
            change=injected[part] / 0.9,
            injected=injected[part],
            counts=expected[part] + injected[part],
            expected=expected[part],
        )
    row = tally.table().to_dicts()[0]
    assert row["rows"] == 75
    assert row["seen"] == pytest.approx(1)
    assert row["peak_rate"] == pytest.approx(50 / 0.9)
    for number in MODELLED:
        assert row[f"counts_{number}"] == injected[:, 0].sum()
        assert row[f"t90_counts_{number}"] == inside.sum() * (150 + number)
        assert row[f"t90_expected_{number}"] == inside.sum() * (100 + number)
        n, b = inside.sum() * (150.0 + number), inside.sum() * (100.0 + number)
        assert row[f"significance_{number}"] == pytest.approx(np.sqrt(2 * (n * np.log(n / b) - n + b)))


def test_counts_that_were_taken_away_are_negative():
    tally = Tally([_event(effect="scales", peak=-0.3)])
    time = np.arange(1000.0, 1060.0)
    expected, lost = np.full((60, 13), 1000.0), np.full((60, 13), -300.0)
    tally.add(0, time, change=lost / 0.9, injected=lost, counts=expected + lost, expected=expected)
    row = tally.table().to_dicts()[0]
    assert row["counts_0"] == -18_000
    assert row["peak_rate"] == pytest.approx(-300 / 0.9)  # in Hz, as of what adds
    assert row["significance_0"] < -50


def test_table_tells_what_the_events_were():
    event = _event(name="b", start=2000.0)
    tally = Tally([event])
    one = np.ones((1, 13))
    tally.add(0, np.array([2010.0]), change=500 * one, injected=one, counts=one, expected=one)
    row = tally.table().to_dicts()[0]
    assert row["seen"] == pytest.approx((11**3 - 10**3) / 60**3, rel=0.01)  # of a ramp x^2 over a minute, a second
    begin, end = 2000 + 60 * np.cbrt([0.05, 0.95])
    told = {key: row[key] for key in ("kind", "name", "start", "stop", "peak_rate")}
    assert told == {"kind": "burst", "name": "b", "start": 2000.0, "stop": 2060.0, "peak_rate": 500.0}
    assert (row["t90_start"], row["t90"]) == pytest.approx((begin, end - begin), abs=0.01)


def test_table_is_in_order_of_time_and_leaves_out_what_no_row_saw():
    tally = Tally([_event("late", 2000.0), _event("unseen", 1500.0), _event("early", 1000.0)])
    one = np.ones((1, 13))
    for number, start in ((0, 2000.0), (2, 1000.0)):
        tally.add(number, np.array([start]), change=one, injected=one, counts=2 * one, expected=one)
    assert tally.table()["name"].to_list() == ["early", "late"]


def test_table_without_events_has_its_columns():
    table = Tally([]).table()
    assert table.height == 0
    assert table.schema["start"] == pl.Float64
    assert {f"counts_{b}" for b in MODELLED} | {f"significance_{b}" for b in MODELLED} <= set(table.columns)


def test_bins_are_those_of_the_published_work():
    assert MODELLED == (0, 1, 5, 6, 10, 12)
