"""Agreement of two lists, compared with sets of seconds."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.validation.agreement import agreement, measure_agreement


def events(spans):
    return pl.DataFrame(spans, schema={"t_start": pl.Float64, "t_stop": pl.Float64}, orient="row")


@st.composite
def lists(draw):
    edges = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
    return events([(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=False)])


@settings(deadline=None)
@given(lists(), lists(), st.sets(st.integers(0, 60)))
def test_rows_and_events_are_counted_as_sets_count_them(one, other, gone):
    time = [float(t) for t in range(61) if t not in gone]
    rows = [{t for t in time for a, b in table.iter_rows() if a <= t < b} for table in (one, other)]
    found = agreement(np.array(time), one, other)
    assert found.events == (len(one), len(other))
    union = rows[0] | rows[1]
    assert found.together == pytest.approx(len(rows[0] & rows[1]) / len(union) if union else 1.0)
    for table, theirs, share in ((one, rows[1], found.again[0]), (other, rows[0], found.again[1])):
        met = [any(a <= t < b for t in theirs) for a, b in table.iter_rows()]
        assert share == pytest.approx(np.mean(met) if met else 1.0)


def test_sure_events_are_looked_for_among_all_of_the_other_list(make_settings, make_prediction, monkeypatch):
    first = events([(0.0, 2.0), (4.0, 6.0), (10.0, 12.0)]).with_columns(far_limit=pl.Series([True, True, False]))
    second = events([(1.0, 3.0), (20.0, 22.0), (30.0, 32.0)]).with_columns(far_limit=pl.Series([True, False, True]))
    lists = iter([first, second])
    monkeypatch.setattr(
        "polarbgb.validation.agreement.find_transients", lambda *_, **__: SimpleNamespace(events=next(lists))
    )
    pull = np.zeros((40, 1))
    pull[[7, 8, 35]] = 9.0
    one = make_prediction(pull, np.arange(40.0))
    pull[8] = 0.0
    stable = measure_agreement(one, make_prediction(pull, np.arange(40.0)), make_settings(bins=1, trigger={"far": 3.0}))
    assert stable.listed.events == (3, 3)
    assert stable.listed.together == 1 / 11  # one row is in both lists, and 11 in either
    assert stable.listed.again == (1 / 3, 1 / 3)
    assert stable.sure == (1 / 2, 1 / 2)
    assert (stable.published.events, stable.published.together) == ((2, 2), 2 / 3)
    assert stable.far == 3.0


def test_no_rows_agree():
    assert agreement(np.array([]), events([]), events([])).together == 1.0
