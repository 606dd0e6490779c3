"""Errors of a prediction, against sums written out by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.calibration import modified_gaussian_fit
from polarbgb.background.metrics import Performance, deviance, noise_deviance, performance, score
from polarbgb.data.count_rates import CountRates


def test_two_rows_by_hand():
    # weights 1 and 1/4; residuals 2 and -2; pulls 2 and -1
    data = CountRates(np.array([[10.0], [20.0]]), np.array([[1.0], [2.0]]), np.ones((2, 1)))
    (one,) = score(data, np.array([[8.0], [22.0]]), np.ones(2, bool), ("rate",), "held out")
    assert one.as_dict() == {
        "part": "held out",
        "bin": "rate",
        "rows": 2,
        "deviance": pytest.approx(10 * np.log(10 / 8) - 2 + 20 * np.log(20 / 22) + 2),
        "noise": pytest.approx(1.02, abs=0.01),  # 1 + 1/(6 m) and smaller terms
        # the best constant is 15
        "constant": pytest.approx(10 * np.log(10 / 15) + 20 * np.log(20 / 15)),
        "weighted_error": pytest.approx((4 + 4 / 4) / 1.25),
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
    scores = score(CountRates(rate, error, rate), predicted, counted, names, "part")
    assert [one.bin for one in scores] == (list(names) if counted.any() else [])
    for b, one in enumerate(scores):
        picked = [(rate[i, b], error[i, b], predicted[i, b]) for i in range(rows) if counted[i]]
        total = sum(1 / e**2 for _, e, _ in picked)
        assert one.rows == len(picked)
        assert one.weighted_error == pytest.approx(sum(((r - p) / e) ** 2 for r, e, p in picked) / total)
        counts = [(r * r, p * r) for r, _, p in picked]  # the rate stands for the exposure as well
        assert one.deviance == pytest.approx(np.mean([2 * (n * np.log(n / m) - n + m) for n, m in counts]))
        mean = sum(n for n, _ in counts) / sum(r for r, *_ in picked)
        constant = [2 * (r * r * np.log(r / mean) - r * r + mean * r) for r, *_ in picked]
        assert one.constant == pytest.approx(np.mean(constant), abs=1e-12)
        assert one.mean_square_pull == pytest.approx(sum(((r - p) / e) ** 2 for r, e, p in picked) / len(picked))
        assert one.bias == pytest.approx(sum((r - p) / e for r, e, p in picked) / len(picked))


def test_no_constant_does_better_than_the_constant_of_the_score():
    rng = np.random.default_rng(0)
    rate, error = rng.uniform(1, 9, (200, 1)), rng.uniform(1, 3, (200, 1))
    data, rows = CountRates(rate, error, rate), np.ones(200, bool)
    tried = [score(data, np.full((200, 1), c), rows, ("r",), "")[0] for c in np.linspace(1, 9, 2001)]
    assert min(one.deviance for one in tried) == pytest.approx(tried[0].constant, rel=1e-4)
    assert min(one.deviance for one in tried) >= tried[0].constant


def test_the_truth_is_left_with_pure_noise():
    rng = np.random.default_rng(0)
    truth, live = rng.uniform(100, 900, (40_000, 1)), rng.uniform(0.5, 2, (40_000, 1))
    error = np.sqrt(truth / live)
    data = CountRates(rng.poisson(truth * live) / live, error, live)
    (one,) = score(data, truth, np.ones(40_000, bool), ("r",), "")
    assert one.over_noise == pytest.approx(1, abs=0.03)
    assert one.mean_square_pull == pytest.approx(1, abs=0.03)
    assert one.bias == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("mean", [0.02, 0.3, 1.0, 4.0, 30.0, 2000.0])
def test_the_deviance_of_noise_is_that_of_counts_drawn_from_the_expectation(mean):
    expected = np.full(200_000, mean)
    drawn = np.random.default_rng(0).poisson(expected).astype(float)
    assert noise_deviance(expected) == pytest.approx(deviance(drawn, expected), rel=0.02)


def test_no_method_gains_by_predicting_too_little_where_counts_are_few():
    """As a weight of 1/error**2 lets it: low counts have small errors."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (50_000, 1)).astype(float)
    data = CountRates(counts, np.sqrt(np.maximum(counts, 1)), np.ones_like(counts))
    rows = np.ones(50_000, bool)
    low, true, high = (score(data, np.full((50_000, 1), level), rows, ("r",), "")[0] for level in (2.0, 3.0, 4.0))
    assert low.weighted_error < true.weighted_error
    assert true.deviance < min(low.deviance, high.deviance)
    assert true.deviance == pytest.approx(true.constant, rel=1e-3)


@pytest.fixture
def half_masked():
    """Counts of two bins of which a third is masked, bin by bin; a prediction, pulls, segments and orbits."""
    rng = np.random.default_rng(7)
    rows = 3000
    live = rng.uniform(0.5, 1, (rows, 2)) * (rng.random((rows, 2)) > 1 / 3)
    counts = rng.poisson(30 * live).astype(float)
    prediction = rng.uniform(28, 32, (rows, 2))
    rates = CountRates.of_sums(counts, np.maximum(counts, 1), live)
    pull = np.where(live > 0, (rates.rate - prediction) / 6, np.nan)
    return rates, prediction, pull, np.arange(rows) // 700, np.arange(rows) // 500


def test_a_masked_bin_is_scored_as_if_those_rows_were_not_there(half_masked):
    rates, prediction, *_ = half_masked
    used = np.arange(len(prediction)) % 5 > 0
    scores = score(rates, prediction, used, ("a", "b"), "part")
    for i_bin, one in enumerate(scores):
        rows = np.flatnonzero(used & rates.measured[:, i_bin])
        (alone,) = score(
            rates.of(rows, [i_bin]), prediction[rows, i_bin : i_bin + 1], np.ones(len(rows), bool), ("a",), ""
        )
        for name in ("rows", "deviance", "noise", "constant", "weighted_error", "bias", "mean_square_pull"):
            assert getattr(one, name) == pytest.approx(getattr(alone, name), rel=1e-12), name


def test_a_masked_bin_performs_as_if_those_rows_were_not_there(half_masked):
    rates, prediction, pull, segment, orbit = half_masked
    used = np.arange(len(prediction)) % 5 > 0
    found = performance(rates, prediction, pull, segment=segment, orbit=orbit, rows=used, names=("a", "b"), part="part")
    for i_bin, one in enumerate(found):
        rows = np.flatnonzero(used & rates.measured[:, i_bin])
        rate, predicted, pulls = rates.rate[rows, i_bin], prediction[rows, i_bin], pull[rows, i_bin]
        assert one.absolute_error == pytest.approx(np.abs(rate - predicted).mean())
        assert one.relative_bias == pytest.approx((rate - predicted).mean() / rate.mean())
        core = modified_gaussian_fit(pulls)
        assert (one.pull_mean, one.pull_width) == (core.mean, core.sigma)
        means = [pulls[orbit[rows] == o].mean() for o in np.unique(orbit[rows])]
        assert one.orbit_rms == pytest.approx(np.sqrt(np.mean(np.square(means))))
        place = {row: n for n, row in enumerate(rows)}
        pairs = [(place[r], place[r + 1]) for r in rows if r + 1 in place and segment[r] == segment[r + 1]]
        first, second = np.array(pairs).T
        centred = pulls - pulls.mean()
        assert one.autocorrelation[0] == pytest.approx((centred[first] * centred[second]).mean() / pulls.var())


def test_a_bin_that_is_masked_throughout_performs_as_nothing(half_masked):
    rates, prediction, pull, segment, orbit = half_masked
    dead = rates.without(np.broadcast_to([False, True], prediction.shape))
    used = np.ones(len(prediction), bool)
    scores = score(dead, prediction, used, ("a", "b"), "part")
    assert scores[1].rows == 0
    assert np.isnan(scores[1].deviance)
    found = performance(dead, prediction, pull, segment=segment, orbit=orbit, rows=used, names=("a", "b"), part="part")
    assert [one.score.bin for one in found] == ["a", "b"]
    assert np.isnan(found[1].pull_width)
    plain = json.loads(json.dumps([one.as_dict() for one in found], allow_nan=False))
    assert plain[1]["deviance"] is None
    for one, stored in zip(found, plain, strict=True):
        back = Performance.from_dict(stored | {"autocorrelation": tuple(stored["autocorrelation"])})
        np.testing.assert_equal(asdict(back), asdict(one))
