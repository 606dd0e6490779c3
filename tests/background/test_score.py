"""Errors of a prediction, against sums written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.measured import Measured
from polarbgb.background.score import score


def test_two_rows_by_hand():
    # weights 1 and 1/4; residuals 2 and -2; pulls 2 and -1
    data = Measured(np.array([[10.0], [20.0]]), np.array([[1.0], [2.0]]), np.ones((2, 1)))
    (one,) = score(data, np.array([[8.0], [22.0]]), np.ones(2, bool), ("rate",), "held out")
    assert one.as_dict() == {
        "part": "held out",
        "bin": "rate",
        "rows": 2,
        "weighted_error": pytest.approx((4 + 4 / 4) / 1.25),
        "noise": pytest.approx(2 / 1.25),
        # the best constant is (10 + 20/4)/1.25 = 12
        "constant": pytest.approx((4 + 64 / 4) / 1.25),
        "bias": pytest.approx(0.5),
        "mean_square_pull": pytest.approx(2.5),
    }


@given(seed=st.integers(0, 9999), rows=st.integers(1, 40), bins=st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_bins_and_rows_are_scored_apart(seed, rows, bins):
    rng = np.random.default_rng(seed)
    rate, error, predicted = (rng.uniform(1, 9, (rows, bins)) for _ in range(3))
    counted = rng.random(rows) < 0.6
    names = tuple(f"rate[{b}]" for b in range(bins))
    scores = score(Measured(rate, error, rate), predicted, counted, names, "part")
    assert [one.bin for one in scores] == (list(names) if counted.any() else [])
    for b, one in enumerate(scores):
        picked = [(rate[i, b], error[i, b], predicted[i, b]) for i in range(rows) if counted[i]]
        total = sum(1 / e**2 for _, e, _ in picked)
        assert one.rows == len(picked)
        assert one.weighted_error == pytest.approx(sum(((r - p) / e) ** 2 for r, e, p in picked) / total)
        assert one.noise == pytest.approx(len(picked) / total)
        mean = sum(r / e**2 for r, e, _ in picked) / total
        assert one.constant == pytest.approx(sum(((r - mean) / e) ** 2 for r, e, _ in picked) / total)
        assert one.mean_square_pull == pytest.approx(sum(((r - p) / e) ** 2 for r, e, p in picked) / len(picked))
        assert one.bias == pytest.approx(sum((r - p) / e for r, e, p in picked) / len(picked))


def test_no_constant_does_better_than_the_constant_of_the_score():
    rng = np.random.default_rng(0)
    rate, error = rng.uniform(1, 9, (200, 1)), rng.uniform(1, 3, (200, 1))
    data, rows = Measured(rate, error, rate), np.ones(200, bool)
    tried = [score(data, np.full((200, 1), c), rows, ("r",), "")[0] for c in np.linspace(1, 9, 2001)]
    assert min(one.weighted_error for one in tried) == pytest.approx(tried[0].constant, rel=1e-4)
    assert min(one.weighted_error for one in tried) >= tried[0].constant


def test_the_truth_is_left_with_pure_noise():
    rng = np.random.default_rng(0)
    truth, error = rng.uniform(100, 900, (40_000, 1)), rng.uniform(5, 30, (40_000, 1))
    data = Measured(rng.normal(truth, error), error, truth)
    (one,) = score(data, truth, np.ones(40_000, bool), ("r",), "")
    assert one.weighted_error == pytest.approx(one.noise, rel=0.05)
    assert one.mean_square_pull == pytest.approx(1, abs=0.03)
    assert one.bias == pytest.approx(0, abs=0.02)
