"""The search at several scales: what was put into Poisson counts is found where it was put."""

import numpy as np
import polars as pl
import pytest

from polarbgb.transients.counts import counts_of
from polarbgb.transients.search import find_windows

ROWS, RATE = 20_000, np.array([300.0, 120.0])
BURST = slice(9000, 9008)


def nominal_sigma(excess, background):
    """Sigma of so many counts over a background: sqrt(2 LLR), written out."""
    found = background + excess
    return np.sqrt(2 * (found * np.log(found / background) - excess))


@pytest.fixture(scope="module")
def config(make_config):
    return make_config(bins=2, trigger={"scales": [2.0, 20.0, 100.0], "sums": [[0, 1]], "threshold": 5.0})


def drawn(seed, strength=0.0, bins=(0, 1), rows=BURST):
    """Poisson counts, by a share stronger in some bins and rows."""
    share = np.ones((ROWS, 2))
    share[rows, list(bins)] += strength
    return np.random.default_rng(seed).poisson(RATE * share)


def overlapping(windows, rows):
    return windows.filter((pl.col("first") < rows.stop) & (pl.col("last") >= rows.start))


@pytest.fixture(scope="module")
def both(make_counts, config):
    """Windows of counts with an excess in bin 1 and, later, a deficit in both."""
    found = drawn(1, 0.9, bins=(1,))
    found[15_000:15_010] //= 2
    return find_windows(make_counts(found, RATE), config).windows


def test_a_burst_is_found_in_its_rows_its_bins_and_its_sign(both):
    burst = overlapping(both, BURST)
    assert set(burst["sign"]) == {1}
    assert set(burst["series"]) == {"1", "0_1"}
    (whole,) = burst.filter(series="1", scale=20.0).rows(named=True)
    assert whole["first"] == pytest.approx(BURST.start, abs=1)
    assert whole["last"] == pytest.approx(BURST.stop - 1, abs=1)
    assert BURST.start <= whole["trigger"] < BURST.start + 4
    nominal = nominal_sigma(0.9 * 120 * 8, 120 * 8)
    assert whole["significance"] == pytest.approx(nominal, abs=3)
    assert whole["strength"] == pytest.approx(nominal, abs=3)  # bin 0 adds nearly nothing
    assert overlapping(both, slice(BURST.stop, BURST.stop + 100)).filter(pl.col("last") > BURST.stop + 20).is_empty()


def test_the_sum_dilutes_what_is_in_one_bin(both):
    (alone,) = overlapping(both, BURST).filter(series="1", scale=20.0)["significance"]
    (together,) = overlapping(both, BURST).filter(series="0_1", scale=20.0)["significance"]
    assert together == pytest.approx(nominal_sigma(0.9 * 120 * 8, 420 * 8), abs=3)
    assert together < 0.7 * alone


def test_a_deficit_is_found_with_its_sign(both):
    deficit = overlapping(both, slice(15_000, 15_010)).filter(scale=20.0)
    assert set(deficit["sign"]) == {-1}
    assert set(deficit["series"]) == {"0", "1", "0_1"}
    assert deficit["first"].to_list() == pytest.approx([15_000] * 3, abs=1)
    assert deficit["last"].to_list() == pytest.approx([15_009] * 3, abs=1)
    assert (deficit["significance"] > 0).all()


def test_nothing_is_found_elsewhere(both):
    # 5 sigma in 20000 rows, three series, three scales and two signs: about 0.1 by chance.
    elsewhere = both.filter(~pl.col("first").is_between(8990, 9010) & ~pl.col("first").is_between(14_980, 15_020))
    assert len(elsewhere) <= 2


def test_windows_are_no_longer_than_their_scale(both):
    length = both["last"] - both["first"] + 1
    assert (length <= both["scale"]).all()
    assert (length >= 1).all()
    burst = overlapping(both, BURST).filter(series="1")
    assert set(burst["scale"]) == {2.0, 20.0, 100.0}
    assert burst.filter(scale=2.0)["significance"].max() < burst.filter(scale=20.0)["significance"].max()


def test_windows_of_a_series_are_disjoint_and_in_order(both):
    for _, one in both.group_by("sign", "scale", "series"):
        assert (one["first"][1:] > one["last"][:-1]).all()


def test_no_window_holds_both_sides_of_a_gap(make_counts, config):
    time = 1.5e9 + np.arange(ROWS) + np.where(np.arange(ROWS) >= BURST.start + 4, 3.0, 0.0)
    counts = make_counts(drawn(2, 1.0), RATE, time=time)
    windows = find_windows(counts, config).windows
    first, last = windows["first"].to_numpy(), windows["last"].to_numpy()
    np.testing.assert_array_equal(counts.segment[first], counts.segment[last])
    for halves in (slice(BURST.start, BURST.start + 4), slice(BURST.start + 4, BURST.stop)):
        assert set(overlapping(windows, halves).filter(scale=20.0)["series"]) == {"0", "1", "0_1"}


def test_a_slow_drift_is_followed_up_to_the_scale_that_is_asked_for(make_config, make_counts):
    # The background is wrong by up to 15 % over a quarter of an hour.
    drift = 1 + 0.15 * np.sin(2 * np.pi * np.arange(ROWS)[:, None] / 1800)
    drift[BURST] *= 1.3
    found = np.random.default_rng(3).poisson(RATE * drift)
    nominal = 0.3 * np.sqrt(300 * 8 * drift[BURST.start, 0] / 1.3)
    of_burst = {}
    for follow in (0.0, 60.0):
        config = make_config(
            bins=2, trigger={"scales": [20.0, 100.0], "threshold": 4.0, "follow": follow, "trust": 0.1}
        )
        windows = overlapping(find_windows(make_counts(found, RATE), config).windows, BURST).filter(pl.col("sign") > 0)
        of_burst[follow] = {scale: windows.filter(scale=scale, series="0")["significance"].max() for scale in (20, 100)}
    assert of_burst[60.0][20] == pytest.approx(nominal, abs=3)
    assert of_burst[0.0][20] is None or of_burst[0.0][20] < 0.6 * of_burst[60.0][20]
    assert of_burst[60.0][100] == of_burst[0.0][100]  # a scale beyond it is searched as it is


def test_the_common_error_of_the_background_is_no_excess(make_counts, config):
    rng = np.random.default_rng(4)
    wrong = 1 + 0.15 * np.repeat(rng.normal(size=ROWS // 20), 20)[:, None]
    windows = find_windows(make_counts(rng.poisson(RATE * wrong), RATE), config).windows
    # 0.15 of 6000 counts are 12 sigma of counting: most of the 1000 stretches of 20 s would be beyond the threshold.
    assert len(windows.filter(scale=20.0, series="0")) < 100


@pytest.mark.parametrize("cadence", [4.0, 0.25])
def test_scales_are_seconds_whatever_the_cadence(make_config, make_counts, cadence):
    config = make_config(bins=2, cadence=cadence, trigger={"scales": [2.0, 6.0, 20.0], "threshold": 5.0})
    windows = find_windows(make_counts(drawn(5, 0.7), RATE, cadence=cadence), config).windows
    length = (windows["last"] - windows["first"] + 1) * cadence
    assert (length <= np.maximum(windows["scale"].to_numpy(), cadence) + cadence / 2).all()
    burst = overlapping(windows, BURST).filter(series="0")
    longest = dict(burst.group_by("scale").agg((pl.col("last") - pl.col("first")).max() + 1).iter_rows())
    rows = {4.0: {2.0: 1, 6.0: 2, 20.0: 5}, 0.25: {2.0: 8, 6.0: 8, 20.0: 8}}
    assert longest == rows[cadence]


@pytest.mark.parametrize("cadence", [4.0, 0.25])
def test_the_live_time_of_each_scale_is_that_of_the_rows(make_config, make_counts, cadence):
    config = make_config(bins=2, cadence=cadence, trigger={"scales": [2.0, 20.0]})
    days = find_windows(make_counts(drawn(7), RATE, cadence=cadence), config).days
    assert {scale: live.sum() for scale, live in days.items()} == pytest.approx(
        dict.fromkeys((2.0, 20.0), ROWS * cadence / 86_400)
    )
    assert {len(live) for live in days.values()} == {4}


@pytest.mark.parametrize(("expected", "found"), [(31.0, False), (33.0, True)])
def test_windows_that_expect_fewer_counts_than_a_deficit_needs_are_left_out(make_config, make_counts, expected, found):
    config = make_config(bins=1, trigger={"scales": [1.0], "threshold": 4.0, "follow": 0.0})
    counts = expected + 5.0 * (-1) ** np.arange(500)[:, None]
    counts[300] *= 4  # in one row; 2 threshold**2 are 32
    windows = find_windows(make_counts(counts, expected), config).windows
    assert windows["first"].to_list() == [300] * found


def test_the_strength_is_measured_by_the_spread_of_the_place_of_the_window(make_config, make_counts):
    rng = np.random.default_rng(8)
    place = np.arange(ROWS) * 2 // ROWS  # counts stray three times as far in the second half
    error = np.where(place == 1, np.repeat(rng.normal(size=ROWS // 20), 20) * np.sqrt(8 / 20 / 400), 0.0)
    found = rng.poisson(400.0 * (1 + error), (1, ROWS)).T
    found[12_000:12_020] += 200
    config = make_config(bins=1, trigger={"scales": [20.0], "threshold": 4.0, "follow": 0.0})
    counts = make_counts(found, 400.0, place=place, orbit=np.zeros(ROWS, np.int32))
    (burst,) = (
        overlapping(find_windows(counts, config).windows, slice(12_000, 12_020))
        .filter(pl.col("sign") > 0)
        .rows(named=True)
    )
    assert burst["strength"] == pytest.approx(nominal_sigma(4000, 8000) / 3, rel=0.1)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_hold_no_windows_and_one_may(make_config, make_observed, rows):
    config = make_config(bins=2)
    counts = counts_of(make_observed(np.full((rows, 2), 900.0), np.full((rows, 2), 400.0)), config)
    assert counts.found.shape == counts.expected.shape == (rows, 2)
    windows = find_windows(counts, config).windows
    assert windows["sign"].dtype == pl.Int8
    assert len(windows) == rows * 2 * len(config.trigger.scales)
    if rows:
        assert windows.select("first", "last", "trigger").unique().rows() == [(0, 0, 0)]
        assert windows["significance"].to_list() == pytest.approx([nominal_sigma(500, 400)] * len(windows))
        assert windows["strength"].to_list() == pytest.approx([nominal_sigma(500, 400) * np.sqrt(2)] * len(windows))


def test_counts_are_rate_times_live_time_of_the_usable_rows(make_config, make_prediction):
    rng = np.random.default_rng(6)
    usable = rng.random(50) < 0.8
    live = rng.uniform(0.5, 1.0, (50, 2))
    prediction = make_prediction(rng.normal(size=(50, 2)), usable=usable, exposure=live, orbit=np.arange(50) // 9)
    counts = counts_of(prediction, make_config(bins=2))
    np.testing.assert_array_equal(counts.row, np.flatnonzero(usable))
    np.testing.assert_allclose(counts.expected, 100.0 * live[usable], rtol=1e-6)
    np.testing.assert_allclose(counts.found, prediction["rate"].to_numpy()[usable] * live[usable], rtol=1e-6)
    np.testing.assert_array_equal(counts.orbit, np.flatnonzero(usable) // 9)
    assert counts.bins == 2


def test_a_prediction_below_zero_is_searched_as_very_few_counts(make_config, make_prediction):
    # As a squared-error model may give.
    pred = np.full((200, 2), 100.0)
    pred[50, 1], pred[60, 0] = -3.0, 0.0
    pull = (np.maximum(pred, 2.0) - pred) / 10.0
    prediction = make_prediction(pull, pred=pred, orbit=np.zeros(200, np.int32))
    counts = counts_of(prediction, make_config(bins=2))
    assert counts.expected[50, 1] == pytest.approx(0.01 * pred[:, 1].mean())
    assert counts.expected[60, 0] == pytest.approx(0.01 * pred[:, 0].mean())
    np.testing.assert_array_equal(counts.expected[pred > 0], 100.0)
    assert np.isfinite(find_windows(counts, make_config(bins=2)).windows["strength"].to_numpy()).all()


def test_of_a_bin_that_expects_nothing_a_millionth_of_a_count_is_expected(make_config, make_prediction):
    pred = np.tile([100.0, 0.0], (50, 1))
    counts = counts_of(make_prediction(np.zeros((50, 2)), pred=pred, orbit=np.zeros(50, np.int32)), make_config(bins=2))
    assert counts.expected[0].tolist() == [100.0, 1e-6]


def test_counts_carry_what_the_prediction_notes_of_the_place(make_config, make_prediction):
    columns = {"orbit": np.zeros(50, np.int32), "l_shell": np.linspace(1, 6, 50)}
    usable = np.arange(50) % 7 > 0
    counts, bare = (
        counts_of(
            make_prediction(np.zeros((50, 2)), usable=usable, **{n: columns[n] for n in names}), make_config(bins=2)
        )
        for names in (("orbit", "l_shell"), ("orbit",))
    )
    np.testing.assert_array_equal(counts.noted, columns["l_shell"][usable, None].astype(np.float32))
    assert bare.noted.shape == (usable.sum(), 0)


def test_rows_near_a_rare_excess_are_not_quiet(make_config, make_prediction):
    pull = np.zeros((3000, 2))
    pull[1000] = 9.0
    prediction = make_prediction(pull, orbit=np.arange(3000) // 300)
    quiet = counts_of(prediction, make_config(bins=2, more_than=1)).quiet
    np.testing.assert_array_equal(np.flatnonzero(~quiet), np.arange(970, 1031))  # purify.margin is 30 s
