"""Rates, errors and live times per bin, from rates or counts; and the noise that pulls are counted in."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polarbgb.background.calibration import scatter_over_error
from polarbgb.config import Rates
from polarbgb.data.count_rates import (
    CountRates,
    count_rates,
    counting_noise,
    doubtful_live_time,
    masked_by_bin,
    off,
)
from polarbgb.errors import InputError

NAN, INF = np.nan, np.inf
RATES = Rates(values=("a", "b"), errors=("ae", "be"))
CADENCE = 2.0


def frame_of(counts, live):
    """Rates and errors as POLAR's: N/live, sqrt(N)/live."""
    rate, error = counts / live, np.sqrt(counts) / live
    return pl.DataFrame({"a": rate[:, 0], "b": rate[:, 1], "ae": error[:, 0], "be": error[:, 1], "n": counts[:, 0]})


def rates_of(frame, rates=RATES, exposure=None, cadence=CADENCE):
    return count_rates(frame, rates, exposure, cadence, where="m.root")


@given(
    counts=arrays(np.int64, st.tuples(st.integers(1, 20), st.just(2)), elements=st.integers(1, 10**6)),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_rate_times_live_time_is_the_number_of_counts(counts, seed):
    live = np.random.default_rng(seed).uniform(0.1, 2, counts.shape)
    found, masks = rates_of(frame_of(counts, live))
    np.testing.assert_allclose(found.exposure, live, rtol=1e-12)
    np.testing.assert_allclose(found.counts, counts, rtol=1e-12)
    np.testing.assert_allclose(found.error, np.sqrt(counts) / live, rtol=1e-12)
    assert not any(mask.any() for mask in masks.values())


@pytest.mark.parametrize("zero_error", [0.0, NAN, -1.0])
def test_the_live_time_of_no_counts_is_that_of_the_bin_scaled_by_that_of_the_row(zero_error):
    """The dead time of a row is common to its bins, which also differ: the second is live for half of the time."""
    rng = np.random.default_rng(0)
    row = rng.uniform(0.5, 1.0, 400)
    live = np.column_stack([row, 0.5 * row])
    counts = np.column_stack([rng.poisson(500, 400), rng.poisson(0.7, 400)]).astype(float)
    frame = frame_of(counts, live).with_columns(be=pl.when(pl.col("b") > 0).then("be").otherwise(zero_error))
    found, masks = rates_of(frame)
    assert found.measured.all()
    assert not any(mask.any() for mask in masks.values())
    # Up to the sampling error of the median over the rows that have counts.
    np.testing.assert_allclose(found.exposure[counts > 0], live[counts > 0], rtol=1e-12)
    np.testing.assert_allclose(found.exposure, live, rtol=0.1)
    np.testing.assert_allclose(found.counts, counts, atol=1e-9)


def test_mean_rates_of_few_counts_are_not_biased():
    rng = np.random.default_rng(1)
    counts = rng.poisson([400, 1.2], (20_000, 2)).astype(float)
    found, _ = rates_of(frame_of(counts, np.full(counts.shape, 2.0)))
    assert (counts[:, 1] == 0).mean() > 0.25
    np.testing.assert_allclose(found.counts.sum(axis=0) / found.exposure.sum(axis=0), [200, 0.6], rtol=0.02)


def test_a_file_without_any_counts_is_live_for_the_cadence():
    found, _ = rates_of(frame_of(np.zeros((3, 2)), np.ones((3, 2))))
    np.testing.assert_array_equal(found.exposure, CADENCE)
    np.testing.assert_array_equal(found.rate, 0.0)
    np.testing.assert_array_equal(found.error, 1 / CADENCE)  # one count


def test_a_stated_live_time_is_that_of_all_bins():
    counts = np.array([[0, 4], [9, 1]])
    found, _ = rates_of(frame_of(counts, np.ones((2, 2))), exposure=np.array([0.5, 1.5]))
    np.testing.assert_array_equal(found.exposure, [[0.5, 0.5], [1.5, 1.5]])


@pytest.mark.parametrize("exposure", [None, 0.8])
def test_counts_give_rates_and_poisson_errors(exposure):
    counts = np.array([[0, 4], [9, 1], [100, 25]])
    frame = pl.DataFrame({"c[0]": counts[:, 0], "c[1]": counts[:, 1].astype(np.uint16)})
    given = None if exposure is None else np.full(3, exposure)
    found, masks = rates_of(frame, Rates(counts=("c[0:2]",)), given)
    live = exposure or CADENCE
    np.testing.assert_array_equal(found.exposure, live)
    np.testing.assert_allclose(found.rate, counts / live)
    np.testing.assert_allclose(found.counts, counts)
    np.testing.assert_allclose(found.error, np.sqrt(np.maximum(counts, 1)) / live)
    assert not any(mask.any() for mask in masks.values())


def test_counts_equal_the_rates_made_of_them():
    rng = np.random.default_rng(2)
    counts, live = rng.poisson(30, (50, 2)), rng.uniform(0.5, 1, 50)
    frame = frame_of(counts, live[:, None]).with_columns(pl.Series("m", counts[:, 1]))
    of_counts, _ = rates_of(frame, Rates(counts=("n", "m")), live)
    of_rates, _ = rates_of(frame)
    for name in ("rate", "error", "exposure"):
        np.testing.assert_allclose(getattr(of_counts, name), getattr(of_rates, name))


def test_rates_without_errors_are_live_for_the_cadence_or_as_stated():
    frame = pl.DataFrame({"a": [0.0, 3.0], "b": [8.0, 2.0]})
    found, _ = rates_of(frame, Rates(values=("a", "b")))
    np.testing.assert_array_equal(found.exposure, CADENCE)
    np.testing.assert_allclose(found.error, np.sqrt([[1, 16], [6, 4]]) / CADENCE)
    found, _ = rates_of(frame, Rates(values=("a", "b")), np.array([0.5, 1.0]))
    np.testing.assert_allclose(found.error, np.sqrt([[1, 4], [3, 2]]) / [[0.5], [1.0]])


def test_stated_errors_are_kept_and_those_that_are_no_numbers_above_zero_are_of_the_counts():
    frame = pl.DataFrame({"a": [9.0] * 5, "b": [4.0] * 5, "ae": [7.0, 0.0, NAN, -3.0, INF], "be": [5.0] * 5})
    found, _ = rates_of(frame, exposure=np.ones(5))
    assert found.error[:, 0].tolist() == [7, 3, 3, 3, 3]
    assert found.error[:, 1].tolist() == [5] * 5
    assert found.measured.all()


@pytest.mark.parametrize("value", [NAN, INF, -INF, -1.0, -1e-9, 1e33, -1.2e33])
@pytest.mark.parametrize("exposure", [None, np.full(20, 1.0)])
def test_an_unusable_rate_masks_its_bin_alone(value, exposure):
    counts = np.full((20, 2), 16)
    frame = frame_of(counts, np.ones((20, 2)))
    frame = frame.with_columns(a=pl.Series([value, *frame["a"][1:]]))
    found, masks = rates_of(frame, exposure=exposure)
    assert np.argwhere(~found.measured).tolist() == [[0, 0]]
    assert np.isnan(found.rate[0, 0])
    assert found.error[0, 0] == INF
    assert found.exposure[0, 0] == found.counts[0, 0] == 0
    assert masked_by_bin(masks, RATES.names) == {"a": {"rate is not a number >= 0": 1}}


def test_counts_are_masked_where_they_are_missing():
    frame = pl.DataFrame({"n": [5, None, 7], "m": [1.0, 2.0, NAN]})
    found, masks = rates_of(frame, Rates(counts=("n", "m")))
    assert np.argwhere(~found.measured).tolist() == [[1, 0], [2, 1]]
    assert masked_by_bin(masks, ("n", "m")) == {name: {"rate is not a number >= 0": 1} for name in ("n", "m")}


@pytest.mark.parametrize("error", [0.0, NAN, -1.0, INF, 1e-200])
def test_a_rate_whose_live_time_is_not_known_is_masked(error):
    frame = frame_of(np.full((20, 2), 16), np.ones((20, 2)))
    frame = frame.with_columns(be=pl.Series([error, *frame["be"][1:]]))
    found, masks = rates_of(frame)
    assert np.argwhere(~found.measured).tolist() == [[0, 1]]
    assert masked_by_bin(masks, RATES.names) == {"b": {"live time is not known": 1}}


def test_a_stated_live_time_that_is_no_number_above_zero_masks_all_bins():
    frame = frame_of(np.full((5, 2), 16), np.ones((5, 2)))
    found, masks = rates_of(frame, exposure=np.array([1.0, 0.0, -1.0, NAN, INF]))
    assert found.measured.all(axis=1).tolist() == [True, False, False, False, False]
    assert masked_by_bin(masks, RATES.names) == {name: {"exposure is not a number > 0": 4} for name in "ab"}


def test_rates_with_the_background_subtracted_are_refused():
    rng = np.random.default_rng(0)
    frame = frame_of(rng.poisson(100, (500, 2)), np.ones((500, 2))).with_columns(b=pl.col("b") - 99.5)
    with pytest.raises(
        InputError, match=r"m.root: 'b' is negative in \d+% of the rows, as if a background had been su"
    ):
        rates_of(frame)


@pytest.mark.parametrize("mark", [-1.0, -999.0])
def test_a_number_that_marks_what_is_missing_is_no_subtracted_background(mark):
    frame = frame_of(np.full((500, 2), 100), np.ones((500, 2)))
    frame = frame.with_columns(b=pl.Series([mark] * 200 + [100.0] * 300))
    found, masks = rates_of(frame)
    assert (~found.measured[:, 1]).sum() == 200
    assert masked_by_bin(masks, RATES.names) == {"b": {"rate is not a number >= 0": 200}}


def test_a_few_negative_values_are_faults_of_single_rows():
    frame = frame_of(np.full((20, 2), 100), np.ones((20, 2)))
    found, _ = rates_of(frame.with_columns(b=pl.Series([-0.25, -1.5, -3.5, *[100.0] * 17])))
    assert (~found.measured[:, 1]).sum() == 3


def masked_rates(rows=40, seed=0):
    """Poisson rates of two bins with a fifth masked, and their counts and live times."""
    rng = np.random.default_rng(seed)
    live = rng.uniform(0.5, 1, (rows, 2)) * (rng.random((rows, 2)) > 0.2)
    counts = rng.poisson(20 * live).astype(float)
    return CountRates.of_sums(counts, np.maximum(counts, 1), live), counts, live


def test_masked_bins_have_no_counts_no_live_time_and_no_weight():
    rates, counts, live = masked_rates()
    masked = live == 0
    assert 0 < masked.sum() < 40
    np.testing.assert_array_equal(rates.measured, ~masked)
    np.testing.assert_array_equal(np.isnan(rates.rate), masked)
    np.testing.assert_array_equal(np.isinf(rates.error), masked)
    np.testing.assert_array_equal(rates.exposure, live)
    np.testing.assert_allclose(rates.counts, counts)


def test_some_rows_and_bins_are_theirs():
    rates, counts, _ = masked_rates()
    chosen = np.arange(40) % 3 == 0
    np.testing.assert_allclose(rates.of(chosen).counts, counts[chosen])
    np.testing.assert_allclose(rates.of(np.array([7, 3]), [1]).counts, counts[[7, 3], 1:])
    np.testing.assert_allclose(rates.of(slice(5, 9)).counts, counts[5:9])


def test_combined_rows_have_all_counts_over_all_live_time():
    rates, counts, live = masked_rates()
    first = np.array([0, 1, 5, 20, 39])
    found = rates.combined(first)
    for i_row, rows in enumerate(np.split(np.arange(40), first[1:])):
        for i_bin in range(2):
            total = live[rows, i_bin].sum()
            if total == 0:
                assert not found.measured[i_row, i_bin]
                continue
            assert found.exposure[i_row, i_bin] == pytest.approx(total)
            assert found.rate[i_row, i_bin] == pytest.approx(counts[rows, i_bin].sum() / total)
            variance = np.maximum(counts[rows, i_bin], 1)[live[rows, i_bin] > 0].sum()
            assert found.error[i_row, i_bin] == pytest.approx(np.sqrt(variance) / total)


def runs_off(counts, live, segment):
    """Bin by bin, row by row: runs of zeros where a tenth of the usual rate would have given 30 counts."""
    result = np.zeros(counts.shape, bool)
    for i_bin in range(counts.shape[1]):
        measured = live[:, i_bin] > 0
        parts = [
            np.flatnonzero((np.arange(len(counts)) * 100 // len(counts) == part) & measured) for part in range(100)
        ]
        sums = [(counts[rows, i_bin].sum(), live[rows, i_bin].sum()) for rows in parts]
        usual = [counted / lived for counted, lived in sums if counted > 0]
        mean = np.median(usual) if usual else 0.0
        run = []
        for row in [*range(len(counts)), None]:
            zero = row is not None and measured[row] and counts[row, i_bin] == 0
            if run and not (zero and segment[row] == segment[run[-1]]):
                result[run, i_bin] = live[run, i_bin].sum() * mean / 10 > 30
                run = []
            if zero:
                run.append(row)
    return result


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 9999), level=st.sampled_from([0.5, 20.0, 200.0]))
def test_a_bin_was_off_where_rows_on_end_lack_the_counts_that_many_would_show(seed, level):
    rng = np.random.default_rng(seed)
    live = rng.uniform(0.5, 1, (120, 2)) * (rng.random((120, 2)) > 0.05)
    counts = rng.poisson(level * live).astype(float)
    for _ in range(4):
        start, length = rng.integers(0, 120), rng.integers(1, 30)
        counts[start : start + length, rng.integers(0, 2)] = 0
    segment = np.cumsum(rng.random(120) < 0.03).astype(np.int32)
    rates = CountRates.of_sums(counts, np.maximum(counts, 1), live)
    np.testing.assert_array_equal(off(rates, segment), runs_off(counts, live, segment))


def test_few_counts_are_never_off():
    counts = np.random.default_rng(0).poisson(0.1, (50_000, 1)).astype(float)
    rates = CountRates.of_sums(counts, np.maximum(counts, 1), np.ones((50_000, 1)))
    assert not off(rates, np.zeros(50_000, np.int32)).any()


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


def test_predicted_noise_of_a_masked_bin_is_infinite():
    data = CountRates(np.array([[1.0, NAN]]), np.array([[1.0, INF]]), np.array([[1.0, 0.0]]))
    assert counting_noise(data, np.full((1, 2), 4.0)).tolist() == [[2.0, INF]]


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3])
def test_stated_errors_are_compared_with_the_scatter_from_row_to_row(factor):
    """Whatever the slow background does; a gap, spikes, masked rows and bins of few counts are left out."""
    rng = np.random.default_rng(0)
    expected = np.column_stack([1000 * np.exp(np.sin(np.arange(40_000) / 900)), np.full(40_000, 2.0)])
    expected[20_000:, 0] += 5000
    counts = rng.poisson(expected).astype(float)
    counts[100:120] *= 20
    error = np.sqrt(np.maximum(counts, 1)) / factor
    segment = np.repeat([0, 1], 20_000)
    masked = np.broadcast_to(np.arange(40_000)[:, None] % 7 == 0, counts.shape)
    rates = CountRates(counts, error, counts**0).without(masked)
    found = scatter_over_error(rates, expected, segment, np.ones(40_000, bool))
    assert found[0] == pytest.approx(factor, rel=0.02)
    assert np.isnan(found[1])


def test_a_burst_in_a_quiet_bin_does_not_turn_the_others_off():
    counts = np.zeros((16_800, 1))
    counts[::500] = 1.0
    counts[10_000:10_010] = 800.0
    rates = CountRates(counts / 1.9, np.ones_like(counts), np.full(counts.shape, 1.9))
    assert not off(rates, np.zeros(len(counts), np.int32)).any()


@pytest.mark.parametrize("marks", [(-999.9,), (-1.0, -2.0)])
def test_values_that_come_again_and_again_mark_what_is_missing(marks):
    rng = np.random.default_rng(1)
    values = rng.poisson(200, 3000).astype(float)
    for i_mark, mark in enumerate(marks):
        values[i_mark::5] = mark
    frame = pl.DataFrame(
        {"a": values, "b": np.full(3000, 9.0), "ae": np.sqrt(200.0) + 0 * values, "be": np.full(3000, 3.0)}
    )
    found, _ = count_rates(frame, RATES, np.full(3000, 1.0), 1.0)
    np.testing.assert_array_equal(found.measured[:, 0], values >= 0)


def test_live_times_that_do_not_go_with_the_rows_are_remarked_on():
    rng = np.random.default_rng(2)
    counts = rng.poisson([3.0, 40.0], (5000, 2)).astype(float)
    width = np.full(5000, 2.0)
    columns = {"a": counts[:, 0] / 1.9, "b": counts[:, 1] / 1.9}

    def remark(errors, exposure=None):
        frame = pl.DataFrame(columns | {"ae": errors[:, 0] / 1.9, "be": errors[:, 1] / 1.9})
        found, _ = count_rates(frame, RATES, exposure, CADENCE)
        return doubtful_live_time(found, width, RATES.names, stated=exposure is not None)

    assert remark(np.sqrt(counts)) is None
    assert "the errors are not sqrt(N)/live" in remark(1 + np.sqrt(counts + 0.75))  # Gehrels 1986
    assert remark(1 + np.sqrt(counts + 0.75), np.full(5000, 1.9)) is None
    assert "is rates.exposure in seconds?" in remark(np.sqrt(counts), np.full(5000, 0.0019))
