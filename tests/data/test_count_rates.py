"""Live time from rates and errors, and the noise that pulls are counted in."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polarbgb.background.calibration import scatter_over_error
from polarbgb.config import validate
from polarbgb.data.count_rates import CountRates, count_rates, counting_noise
from polarbgb.data.quality import clean
from polarbgb.workflow.reading import row_rules


def make_config(**sections):
    raw = {
        "name": "TOY",
        "input": {"tree": "t", "cadence": 2.0},
        "rates": {"values": ["a", "b"], "errors": ["ae", "be"]},
        "features": {"columns": ["glat"]},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 0},
    }
    return validate(raw | sections, where="test")


def make_frame(counts, live):
    rate = counts / live
    error = np.sqrt(np.maximum(counts, 1)) / live
    columns = {"a": rate[:, 0], "b": rate[:, 1], "ae": error[:, 0], "be": error[:, 1]}
    rows = np.arange(len(counts), dtype=float)
    return pl.DataFrame({"unix_time": 1e9 + 2 * rows, "glat": rows, "live": live[:, 0], **columns})


def rates_of(frame, config):
    return count_rates(clean(frame, row_rules(config)), config.rates, config.input.cadence)


@given(
    counts=arrays(np.int64, st.tuples(st.integers(1, 20), st.just(2)), elements=st.integers(1, 10**6)),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_rate_times_live_time_is_the_number_of_counts(counts, seed):
    live = np.random.default_rng(seed).uniform(0.1, 2, counts.shape)
    config = make_config()
    found = rates_of(make_frame(counts, live), config)
    np.testing.assert_allclose(found.exposure, live, rtol=1e-12)
    np.testing.assert_allclose(found.rate * found.exposure, counts, rtol=1e-12)


def test_a_rate_of_zero_is_given_the_cadence_as_live_time():
    config = make_config()
    counts = np.array([[0, 4], [9, 0]])
    found = rates_of(make_frame(counts, np.full((2, 2), 0.5)), config)
    np.testing.assert_allclose(found.exposure, [[2.0, 0.5], [0.5, 2.0]])


def test_the_live_time_asked_for_is_shared_by_all_bins():
    config = make_config(rates={"values": ["a", "b"], "errors": ["ae", "be"], "exposure": "live / 2"})
    live = np.array([[1.0, 1.0], [3.0, 3.0]])
    found = rates_of(make_frame(np.array([[0, 4], [9, 1]]), live), config)
    np.testing.assert_array_equal(found.exposure, [[0.5, 0.5], [1.5, 1.5]])


def test_dropped_rows_are_left_out():
    config = make_config()
    counts = np.arange(2, 12).reshape(5, 2)
    frame = make_frame(counts, np.ones((5, 2))).with_columns(ae=pl.Series([np.nan, *np.sqrt(counts[1:, 0]).tolist()]))
    np.testing.assert_allclose(rates_of(frame, config).rate, counts[1:])


def test_predicted_noise_is_the_spread_of_simulated_counts():
    rng = np.random.default_rng(0)
    background, live = np.array([[40.0, 700.0]]), np.array([[0.5, 0.9]])
    spread = (rng.poisson(background * live, (200_000, 2)) / live).std(axis=0)
    data = CountRates(background * 3, background, live)
    np.testing.assert_allclose(counting_noise(data, background)[0], spread, rtol=0.01)


@pytest.mark.parametrize("background", [-5.0, 0.0, 0.3])
def test_predicted_noise_is_never_below_one_count(background):
    data = CountRates(np.ones((1, 1)), np.ones((1, 1)), np.full((1, 1), 0.5))
    assert counting_noise(data, np.full((1, 1), background)).item() == pytest.approx(1 / 0.5)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3])
def test_stated_errors_are_compared_with_the_scatter_from_row_to_row(factor):
    """Whatever the slow background does; a gap, spikes and bins of few counts are left out."""
    rng = np.random.default_rng(0)
    expected = np.column_stack([1000 * np.exp(np.sin(np.arange(40_000) / 900)), np.full(40_000, 2.0)])
    expected[20_000:, 0] += 5000
    counts = rng.poisson(expected).astype(float)
    counts[100:120] *= 20
    error = np.sqrt(np.maximum(counts, 1)) / factor
    segment = np.repeat([0, 1], 20_000)
    found = scatter_over_error(CountRates(counts, error, counts**0), expected, segment, np.ones(40_000, bool))
    assert found[0] == pytest.approx(factor, rel=0.02)
    assert np.isnan(found[1])
