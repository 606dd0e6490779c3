"""The local baseline follows what is around a row, and nothing of what is in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.local_baseline import local_baseline


@given(rows=st.integers(0, 60), seed=st.integers(0, 9999), gap=st.sampled_from([0.5, 3.0, 7.5]))
@settings(deadline=None, max_examples=60)
def test_it_is_that_of_the_rows_around_one_by_one(rows, seed, gap):
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.choice([1.0, 1.0, 1.25, 30.0], rows)) + 1.5e9
    found = rng.poisson(100, (rows, 2)).astype(float)
    expected = rng.uniform(80, 120, (rows, 2))
    counts = rng.random(rows) < 0.8
    factor = local_baseline(time, found, expected, used=counts, gap=gap, window=10.0, prior_width=0.05)
    for row in range(rows):
        away = np.abs(time - time[row])
        seen = counts & (away > gap) & (away <= gap + 10.0)
        share = (found[seen].sum(axis=0) + 400) / (expected[seen].sum(axis=0) + 400)
        np.testing.assert_allclose(factor[row], share, rtol=1e-9)


def test_an_offset_is_followed_and_a_burst_in_the_gap_is_not():
    rng = np.random.default_rng(1)
    time = 1.5e9 + np.arange(2000.0)
    calm = rng.poisson(1050.0, (2000, 1)).astype(float)
    burst = calm.copy()
    burst[1000:1060] += 500
    options = {"used": np.ones(2000, bool), "gap": 60.0, "window": 120.0, "prior_width": 0.05}
    expected = np.full((2000, 1), 1000.0)
    before = local_baseline(time, calm, expected, **options)
    after = local_baseline(time, burst, expected, **options)
    np.testing.assert_array_equal(before[1000:1060], after[1000:1060])
    assert after[930:940].min() > before[930:940].max()  # what lies beside an unflagged burst sees it
    assert before[200:].mean() == pytest.approx(1.05, rel=0.003)


def test_without_rows_to_look_at_nothing_is_moved():
    factor = local_baseline(
        np.arange(50.0),
        np.full((50, 1), 9.0),
        np.full((50, 1), 3.0),
        used=np.zeros(50, bool),
        gap=5.0,
        window=10.0,
        prior_width=0.03,
    )
    np.testing.assert_array_equal(factor, 1.0)
