"""The search at several scales, on Poisson counts with known bursts."""

import numpy as np
import polars as pl
import pytest

from polarbgb.transients.counts import counts_of
from polarbgb.transients.local_baseline import followed
from polarbgb.transients.noise import measure_noise
from polarbgb.transients.windows import find_windows

ROWS, RATE = 20_000, np.array([300.0, 120.0])
BURST, DEFICIT = slice(9000, 9008), slice(15_000, 15_010)
SERIES = ((0,), (1,), (0, 1))


def nominal_sigma(excess, background):
    """Return the significance of an excess over a background, sqrt(2 LLR), sigma."""
    observed = background + excess
    return np.sqrt(2 * (observed * np.log(observed / background) - excess))


def drawn(seed, strength=0.0, bins=(0, 1), rows=BURST):
    """Return Poisson counts, raised by a share in some bins and rows."""
    share = np.ones((ROWS, 2))
    share[rows, list(bins)] += strength
    return np.random.default_rng(seed).poisson(RATE * share)


def search(counts, settings, dispersion=None):
    """Return the windows as a frame; ``last`` is their last row."""
    found = find_windows(counts, dispersion or measure_noise(counts, settings).dispersion, settings, threads=1)
    names = pl.Series(counts.series_names, dtype=pl.String)
    return pl.DataFrame(
        {
            "scale": np.array(settings.scales)[found.scale],
            "series": names.gather(found.series),
            "trigger": found.trigger,
            "first": found.first,
            "last": found.after - 1,
            "significance": found.significance,
        }
    )


def overlapping(windows, rows):
    return windows.filter((pl.col("first") < rows.stop) & (pl.col("last") >= rows.start))


@pytest.fixture(scope="module")
def settings(make_config):
    return make_config(bins=2, trigger={"scales": [2.0, 20.0, 100.0], "threshold": 5.0}).trigger


@pytest.fixture(scope="module")
def both(make_counts, settings):
    """Return the windows of counts with an excess in bin 1 and, later, a deficit in both bins."""
    observed = drawn(1, 0.9, bins=(1,))
    observed[DEFICIT] //= 2
    return search(make_counts(observed, RATE, series=SERIES), settings)


def test_a_burst_is_found_in_its_rows_and_its_bins(both):
    burst = overlapping(both, BURST)
    assert set(burst["series"]) == {"1", "0_1"}
    (whole,) = burst.filter(series="1", scale=20.0).rows(named=True)
    assert whole["first"] == pytest.approx(BURST.start, abs=1)
    assert whole["last"] == pytest.approx(BURST.stop - 1, abs=1)
    assert BURST.start <= whole["trigger"] < BURST.start + 4
    nominal = nominal_sigma(0.9 * 120 * 8, 120 * 8)
    assert whole["significance"] == pytest.approx(nominal, abs=3)
    assert overlapping(both, slice(BURST.stop, BURST.stop + 100)).filter(pl.col("last") > BURST.stop + 20).is_empty()


def test_the_sum_dilutes_what_is_in_one_bin(both):
    (alone,) = overlapping(both, BURST).filter(series="1", scale=20.0).rows(named=True)
    (together,) = overlapping(both, BURST).filter(series="0_1", scale=20.0).rows(named=True)
    assert together["significance"] == pytest.approx(nominal_sigma(0.9 * 120 * 8, 420 * 8), abs=3)
    assert together["significance"] < 0.7 * alone["significance"]


def test_a_deficit_is_not_found(both):
    assert overlapping(both, DEFICIT).is_empty()


def test_nothing_is_found_elsewhere(both):
    # 5 sigma in 20000 rows, three series and three scales: less than 0.1 by chance.
    assert len(both.filter(~pl.col("first").is_between(8990, 9010))) <= 1


def test_windows_are_no_longer_than_their_scale(both):
    length = both["last"] - both["first"] + 1
    assert (length <= both["scale"]).all()
    assert (length >= 1).all()
    burst = overlapping(both, BURST).filter(series="1")
    assert set(burst["scale"]) == {2.0, 20.0, 100.0}
    assert burst.filter(scale=2.0)["significance"].max() < burst.filter(scale=20.0)["significance"].max()


def test_windows_of_a_series_are_disjoint_and_in_order(make_counts, settings):
    loose = settings.model_copy(update={"threshold": 3.0})
    windows = search(make_counts(drawn(6), RATE, series=SERIES), loose)
    assert len(windows) > 50
    for _, one in windows.group_by("scale", "series"):
        assert (one["first"][1:] > one["last"][:-1]).all()
    assert (windows["significance"] > 3.0).all()


def test_no_window_holds_both_sides_of_a_gap(make_counts, settings):
    time = 1.5e9 + np.arange(ROWS) + np.where(np.arange(ROWS) >= BURST.start + 4, 3.0, 0.0)
    counts = make_counts(drawn(2, 1.0), RATE, time=time, series=SERIES)
    windows = search(counts, settings)
    first, last = windows["first"].to_numpy(), windows["last"].to_numpy()
    np.testing.assert_array_equal(counts.segment[first], counts.segment[last])
    for halves in (slice(BURST.start, BURST.start + 4), slice(BURST.start + 4, BURST.stop)):
        assert set(overlapping(windows, halves).filter(scale=20.0)["series"]) == {"0", "1", "0_1"}


def test_a_slow_drift_is_followed_up_to_the_scale_that_is_asked_for(make_config, make_counts):
    # The background is wrong by up to 15 % over a quarter of an hour.
    drift = 1 + 0.15 * np.sin(2 * np.pi * np.arange(ROWS)[:, None] / 1800)
    drift[BURST] *= 1.3
    counts = make_counts(np.random.default_rng(3).poisson(RATE * drift), RATE)
    nominal = 0.3 * np.sqrt(300 * 8 * drift[BURST.start, 0] / 1.3)
    of_burst = {}
    for longest_followed in (0.0, 60.0):
        trigger = {"scales": [20.0, 100.0], "threshold": 4.0, "longest_followed": longest_followed, "prior_width": 0.1}
        windows = overlapping(search(counts, make_config(bins=2, trigger=trigger).trigger), BURST)
        of_burst[longest_followed] = {
            scale: windows.filter(scale=scale, series="0")["significance"].max() for scale in (20, 100)
        }
    assert of_burst[60.0][20] == pytest.approx(nominal, abs=3)
    assert of_burst[0.0][20] is None or of_burst[0.0][20] < 0.6 * of_burst[60.0][20]
    assert of_burst[60.0][100] == of_burst[0.0][100]  # longer scales do not follow the baseline


def test_the_baseline_followed_is_the_mean_of_the_counts_beside_each_row(make_config, make_counts):
    rng = np.random.default_rng(9)
    counts = make_counts(rng.poisson(1.1 * RATE, (2000, 2)), RATE, quiet=rng.random(2000) < 0.9)
    settings = make_config(bins=2, trigger={"longest_followed": 30.0, "prior_width": 0.5}).trigger
    assert followed(counts, 40.0, settings) is counts.expected
    for scale, width in ((4.0, 60), (30.0, 90)):  # three scales, but at least a minute
        local = followed(counts, scale, settings)
        for row in (0, 700, 1999):
            away = np.abs(np.arange(2000) - row)
            beside = (away > scale) & (away <= scale + width) & counts.quiet
            prior = 1 / 0.5**2
            factor = (counts.observed[beside].sum(axis=0) + prior) / (counts.expected[beside].sum(axis=0) + prior)
            np.testing.assert_allclose(local[row], RATE * factor, rtol=1e-12)


def test_the_common_error_of_the_background_is_no_excess(make_counts, settings):
    rng = np.random.default_rng(4)
    wrong = 1 + 0.15 * np.repeat(rng.normal(size=ROWS // 20), 20)[:, None]
    windows = search(make_counts(rng.poisson(RATE * wrong), RATE), settings)
    # 0.15 of 6000 counts are 12 sigma of counting noise: most of the 1000 intervals of 20 s would exceed the threshold.
    assert len(windows.filter(scale=20.0, series="0")) < 100


@pytest.mark.parametrize("cadence", [4.0, 0.25])
def test_scales_are_seconds_whatever_the_cadence(make_config, make_counts, cadence):
    config = make_config(bins=2, cadence=cadence, trigger={"scales": [2.0, 6.0, 20.0], "threshold": 5.0})
    windows = search(make_counts(drawn(5, 0.7), RATE, cadence=cadence), config.trigger)
    length = (windows["last"] - windows["first"] + 1) * cadence
    assert (length <= np.maximum(windows["scale"].to_numpy(), cadence) + cadence / 2).all()
    burst = overlapping(windows, BURST).filter(series="0")
    longest = dict(burst.group_by("scale").agg((pl.col("last") - pl.col("first")).max() + 1).iter_rows())
    rows = {4.0: {2.0: 1, 6.0: 2, 20.0: 5}, 0.25: {2.0: 8, 6.0: 8, 20.0: 8}}
    assert longest == rows[cadence]


def test_significance_is_that_of_counts_divided_by_their_dispersion(make_config, make_counts):
    # A dispersion of 9 is three times the width of counting noise, and the significance is a third.
    observed = np.full((500, 1), 400.0)
    observed[200:204] += 300.0
    counts = make_counts(observed, 400.0)
    settings = make_config(bins=1, trigger={"scales": [4.0], "threshold": 3.0, "longest_followed": 0.0}).trigger
    (window,) = search(counts, settings, {4.0: np.array([9.0])}).rows(named=True)
    assert (window["first"], window["last"]) == (200, 203)
    assert window["significance"] == pytest.approx(nominal_sigma(1200, 1600) / 3)


def test_the_number_of_threads_changes_nothing(make_counts, settings):
    counts = make_counts(drawn(1, 0.9, bins=(1,)), RATE, series=SERIES)
    dispersion = measure_noise(counts, settings).dispersion
    one, more = (find_windows(counts, dispersion, settings, threads=threads) for threads in (1, 3))
    for name in ("scale", "series", "trigger", "first", "after", "significance"):
        np.testing.assert_array_equal(getattr(one, name), getattr(more, name))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_hold_no_windows_and_one_may(make_settings, make_observed, rows):
    settings = make_settings(bins=2)
    counts = counts_of(make_observed(np.full((rows, 2), 900.0), np.full((rows, 2), 400.0)), settings)
    assert counts.observed.shape == counts.expected.shape == (rows, 2)
    windows = search(counts, settings.trigger)
    assert len(windows) == rows * 2 * len(settings.trigger.scales)
    if rows:
        assert windows.select("first", "last", "trigger").unique().rows() == [(0, 0, 0)]
        assert windows["significance"].to_list() == pytest.approx([nominal_sigma(500, 400)] * len(windows))


def test_a_bin_that_expects_next_to_nothing_is_searched(make_settings, make_prediction):
    pred = np.tile([100.0, 0.0], (200, 1))
    prediction = make_prediction(np.zeros((200, 2)), pred=pred, orbit=np.zeros(200, np.int32))
    settings = make_settings(bins=2)
    assert np.isfinite(search(counts_of(prediction, settings), settings.trigger)["significance"].to_numpy()).all()


def test_a_masked_bin_is_not_searched_and_its_return_is_no_excess(make_settings, make_observed):
    """Off for a while, in a file where a burst lies in the other bins meanwhile."""
    rng = np.random.default_rng(4)
    expected = np.full((4000, 3), 60.0)
    observed, live = rng.poisson(expected).astype(float), np.ones((4000, 3))
    live[1000:2000, 0] = 0
    observed[1500:1510] += 80
    settings = make_settings(bins=3, trigger={"sums": [[0, 1, 2]]})
    counts = counts_of(make_observed(observed, expected, exposure=live), settings)
    ones = {scale: np.ones(len(counts.series)) for scale in settings.trigger.scales}
    found = find_windows(counts, ones, settings.trigger, threads=1)
    bright = found.significance > 8
    assert {counts.series[i] for i in found.series[bright]} == {(1,), (2,), (0, 1, 2)}
    assert ((found.first[bright] <= 1510) & (found.after[bright] >= 1500)).all()
    in_masked = found.series == 0
    assert not (
        (found.after[in_masked] > 1000) & (found.first[in_masked] < 2000) & (found.significance[in_masked] > 6)
    ).any()
