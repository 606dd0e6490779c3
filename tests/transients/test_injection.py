"""Injected transients lie in free rows, have the requested properties, and follow the hit patterns."""

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from polarbgb.data.quality import Quality
from polarbgb.transients.hit_patterns import find_hit_patterns
from polarbgb.transients.injection import (
    _APART,
    BOX,
    FRED,
    PULSES,
    Population,
    broad_population,
    configured_population,
    cumulative_profile,
    cumulative_pulses,
    draw,
    injected,
    injection_site,
    oracle,
    spectra_of,
)

MEMBER = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 1]], bool)
"""Hit patterns: bins 0 and 1 overlap, both lie within bin 2."""
MEAN = np.array([60.0, 90.0, 40.0, 25.0])


def nested(rows, rng):
    return rng.poisson(MEAN, (rows, 4)) @ MEMBER.astype(int)


@pytest.fixture(scope="module")
def settings(make_settings):
    return make_settings(bins=3)


@pytest.fixture(scope="module")
def prediction(make_prediction):
    """Return 12 hours with two gaps, a known event and rows kept out of training; bins share counts."""
    time = 1.5e9 + np.setdiff1d(np.arange(43_200), [*range(9_000, 9_500), *range(30_000, 30_002)]) + 0.25
    observed, expected = nested(len(time), np.random.default_rng(1)), MEAN @ MEMBER
    quality = np.zeros(len(time), np.uint32)
    quality[20_000:20_200], quality[35_000] = Quality.KNOWN_EVENT, Quality.KEPT_OUT
    return make_prediction(
        (observed - expected) / np.sqrt(expected),
        time=time,
        pred=np.broadcast_to(expected, observed.shape),
        sigma=np.broadcast_to(np.sqrt(expected), observed.shape),
        orbit=(np.arange(len(time)) // 5500).astype(np.int32),
        quality=quality,
        l_shell=np.full(len(time), 4.0),
    )


@pytest.fixture(scope="module")
def site(prediction, settings):
    return injection_site(prediction, settings)


@pytest.fixture(scope="module")
def population(site, settings):
    return configured_population(site, settings.inject)


@pytest.fixture(scope="module")
def drawn(site, population):
    return [draw(site, population, number=25, rng=np.random.default_rng(seed)) for seed in range(8)]


def test_the_oracle_of_a_box_is_its_signal_over_the_root_of_its_background():
    rows, bins = np.full((40, 2), 3.0), np.array([9.0, 25.0])
    assert oracle(rows, np.broadcast_to(bins, rows.shape)) == pytest.approx(40 * 3 / np.sqrt(40 * 9))


def test_the_oracle_is_the_best_of_all_windows_and_bins():
    rng = np.random.default_rng(0)
    signal, background = rng.exponential(5, (12, 3)), rng.uniform(5, 50, (12, 3))
    best = max(
        signal[a:b, k].sum() / np.sqrt(background[a:b, k].sum())
        for a, b in itertools.combinations(range(13), 2)
        for k in range(3)
    )
    assert oracle(signal, background) == pytest.approx(best)


def test_profiles_come_whole_and_as_their_formula_says():
    x = np.linspace(0, 1, 20_001)
    rate = x / 0.15 * np.exp(-x / 0.15)
    come = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
    np.testing.assert_allclose(cumulative_profile(FRED, x), come / come[-1], atol=1e-6)
    np.testing.assert_array_equal(cumulative_profile(BOX, np.array([-1, 0, 0.3, 1, 9.0])), [0, 0, 0.3, 1, 1])
    np.testing.assert_array_equal(cumulative_profile(FRED, np.array([-1.0, 2.0])), [0, 1])


def test_what_bins_share_is_read_off_the_counts(make_counts):
    counts = make_counts(nested(100_000, np.random.default_rng(2)), MEAN @ MEMBER)
    patterns = find_hit_patterns(counts)
    np.testing.assert_allclose(patterns.background, MEAN @ MEMBER, rtol=1e-3)
    truth, found = ((m.T * mean) @ m.astype(float) for m, mean in ((MEMBER, MEAN), (patterns.member, patterns.mean)))
    np.testing.assert_allclose(found, truth, atol=2.0)


def test_what_bins_share_is_read_off_rows_in_which_all_are_measured(make_counts):
    observed = nested(100_000, np.random.default_rng(2)).astype(float)
    expected = np.tile(MEAN @ MEMBER, (len(observed), 1))
    masked = np.zeros(expected.shape, bool)
    masked[:60_000, 0] = True
    counts = make_counts(np.where(masked, 0.0, observed), np.where(masked, 1e-6, expected))
    patterns = find_hit_patterns(counts)
    wanted = find_hit_patterns(make_counts(observed[60_000:], expected[60_000:]))
    correlation = []
    for one in (patterns, wanted):
        common = (one.member.T * one.mean) @ one.member.astype(float)
        correlation.append(common / np.sqrt(np.outer(one.background, one.background)))
    np.testing.assert_allclose(*correlation, atol=0.05)
    dead = find_hit_patterns(
        make_counts(
            observed * (np.arange(expected.shape[1]) > 0), np.where(np.arange(expected.shape[1]) > 0, expected, 1e-6)
        )
    )
    assert not dead.member[:, 0].any()
    np.testing.assert_allclose(dead.background[1:], (MEAN @ MEMBER)[1:], rtol=1e-2)


def test_bins_that_share_nothing_are_drawn_apart(make_counts):
    found = np.random.default_rng(3).poisson(50.0, (50_000, 3))
    patterns = find_hit_patterns(make_counts(found, np.full(3, 50.0)))
    common = (patterns.member.T * patterns.mean) @ patterns.member.astype(float)
    assert np.abs(common - np.diag(np.diag(common))).max() < 1.0


def test_what_bins_share_is_read_off_quiet_rows_and_not_off_the_background(make_counts):
    rng = np.random.default_rng(8)
    rows = 50_000
    expected = np.repeat(
        rng.uniform(20.0, 80.0, rows)[:, None], 3, axis=1
    )  # the same in all bins, different in each row
    loud = np.arange(rows) % 2 == 0
    loud[: rows // 2] = False
    found = rng.poisson(expected) + np.where(loud, rng.normal(0, 15, rows), 0.0)[:, None]
    patterns = find_hit_patterns(replace(make_counts(found, expected), quiet=~loud))
    common = (patterns.member.T * patterns.mean) @ patterns.member.astype(float)
    assert np.abs(common - np.diag(np.diag(common))).max() < 2.0


def test_few_rows_or_one_bin_tell_nothing(make_counts):
    for found in (nested(50, np.random.default_rng(4)), np.full((5000, 1), 9)):
        patterns = find_hit_patterns(make_counts(found, np.full(found.shape[1], 9.0)))
        np.testing.assert_array_equal(patterns.member, np.eye(found.shape[1], dtype=bool))


def test_a_spectrum_adds_what_it_says(make_counts):
    patterns = find_hit_patterns(make_counts(nested(100_000, np.random.default_rng(5)), MEAN @ MEMBER))
    for shares in ([1, 1, 1], [2.0, 0.8, 1.0], [0.3, 0.0, 0.5]):
        of_patterns = patterns.spectrum(np.array(shares))
        assert (of_patterns >= 0).all()
        np.testing.assert_allclose(of_patterns @ patterns.member, shares * patterns.background, rtol=1e-6, atol=1e-6)


def test_bursts_lie_apart_in_unbroken_rows_that_are_free(drawn, prediction):
    time, segment, quality = (prediction[name].to_numpy() for name in ("unix_time", "segment", "quality"))
    held = time[(quality & np.uint32(Quality.KNOWN_EVENT)) != 0]
    for bursts in drawn:
        assert len(bursts) > 15
        for one in bursts:
            inside = time[one.rows]
            assert inside[0] <= one.start < inside[0] + 1
            assert inside[-1] < one.start + one.duration <= inside[-1] + 1
            assert len(set(segment[one.rows])) == 1
            assert not ((held >= inside[0] - 30) & (held <= inside[-1] + 30)).any()
        for a, b in itertools.pairwise(bursts):
            assert b.start - (a.start + a.duration) >= _APART


def test_bursts_have_the_oracle_that_was_asked_for(drawn, site, settings):
    low, high = settings.inject.oracle
    for one in itertools.chain(*drawn):
        assert low <= one.oracle <= high
        assert oracle(one.expected, site.counts.expected[one.rows]) == pytest.approx(one.oracle)


def test_counts_drawn_are_those_expected_and_shared_as_the_background_is(drawn):
    bursts = list(itertools.chain(*drawn))
    counts, expected = (np.array([getattr(one, name).sum(axis=0) for one in bursts]) for name in ("counts", "expected"))
    pull = (counts - expected) / np.sqrt(expected)
    assert np.abs(pull.mean(axis=0)).max() < 4 / np.sqrt(len(bursts))
    assert np.abs(pull.std(axis=0) - 1).max() < 0.25
    # Bin 2 holds all counts of bins 0 and 1; drawn independently, it would often have fewer.
    within = counts[:, 2] - np.maximum(counts[:, 0], counts[:, 1])
    assert (within >= -0.02 * counts[:, 2] - 2).all()
    assert np.corrcoef(pull.T)[0, 2] > 0.5


def test_the_rates_change_by_the_counts_and_the_pulls_with_them(drawn, prediction):
    after = injected(prediction, drawn[0])
    change = np.zeros((len(prediction), 3))
    for one in drawn[0]:
        change[one.rows] += one.counts
    before, now = (frame["rate"].to_numpy() for frame in (prediction, after))
    np.testing.assert_allclose(now - before, change, atol=2e-4)
    pred, sigma = (prediction[name].to_numpy() for name in ("pred", "sigma"))
    np.testing.assert_allclose(after["pull"].to_numpy(), (now - pred) / sigma, atol=1e-4)
    same = [name for name in prediction.columns if name not in {"rate", "pull"}]
    assert after.select(same).equals(prediction.select(same))
    assert injected(prediction, []).equals(prediction)


def test_dead_time_takes_its_part(prediction, settings):
    half = prediction.with_columns(exposure=(prediction["exposure"] * 0.5).cast(prediction["exposure"].dtype))
    assert injection_site(half, settings).live == pytest.approx(0.5)
    (one,) = draw(
        injection_site(half, settings),
        configured_population(injection_site(half, settings), settings.inject),
        number=1,
        rng=np.random.default_rng(0),
    )
    kept = injected(half, [one])["rate"].to_numpy() - half["rate"].to_numpy()
    np.testing.assert_allclose((kept * 0.5).sum(axis=0), one.counts.sum(axis=0), rtol=1e-5)


def test_latitude_is_that_of_the_shell(site, prediction, settings):
    assert site.latitude == pytest.approx(60.0)  # L = 4
    low = prediction.with_columns(l_shell=pl.lit(4 / 3), quality=pl.lit(0, pl.UInt32))
    assert injection_site(low, settings).latitude == pytest.approx(30.0)
    assert np.isnan(injection_site(prediction.drop("l_shell"), settings).latitude).all()


def test_a_place_that_is_not_free_takes_no_burst(prediction, settings):
    for bit, number in ((Quality.KNOWN_EVENT, 0), (Quality.KEPT_OUT, 3)):  # the second is no known event
        site = injection_site(prediction.with_columns(quality=pl.lit(int(bit), pl.UInt32)), settings)
        bursts = draw(site, configured_population(site, settings.inject), number=3, rng=np.random.default_rng(0))
        assert len(bursts) == number


def test_a_burst_that_fits_nowhere_is_left_out_and_the_next_is_drawn(prediction, settings):
    varied = replace(settings, inject=settings.inject.model_copy(update={"durations": (1.0, 1e9)}))
    site = injection_site(prediction.head(8000), varied)
    bursts = draw(site, configured_population(site, varied.inject), number=60, rng=np.random.default_rng(1))
    assert 3 < len(bursts) < 60
    assert max(one.duration for one in bursts) < 8000


def test_without_a_list_the_only_spectrum_is_that_of_the_background(settings):
    assert spectra_of(settings.inject, 3) == {"background": (1.0, 1.0, 1.0)}


def test_the_configured_population_is_what_the_section_says(site, settings):
    section = {"spectra": {"hard": (0.2, 0.5, 1.0)}, "durations": (3.0, 4.0), "oracle": (7.0, 8.0)}
    varied = replace(settings, inject=settings.inject.model_copy(update=section))
    population = configured_population(site, varied.inject)
    assert (population.durations, population.oracle, population.profiles) == ((3.0, 4.0), (7.0, 8.0), (BOX, FRED))
    shares = population.spectra["hard"] @ site.hit_patterns.member / site.hit_patterns.background
    np.testing.assert_allclose(shares, (0.2, 0.5, 1.0), rtol=0.02)
    bursts = draw(site, population, number=10, rng=np.random.default_rng(0))
    assert {one.spectrum for one in bursts} == {"hard"}
    assert all(3.0 <= one.duration <= 4.0 and 7.0 <= one.oracle <= 8.0 for one in bursts)


def test_a_broad_population_has_spectra_of_all_kinds_and_none_is_another(site, settings):
    population = broad_population(site, settings.inject, np.random.default_rng(0))
    shares = np.array(
        [spectrum @ site.hit_patterns.member / site.hit_patterns.background for spectrum in population.spectra.values()]
    )
    assert len(shares) == len(np.unique(shares.round(6), axis=0)) >= 30
    assert (shares > 0).all()
    hardness = shares[:, 2] / shares[:, 0]
    assert hardness.min() < 0.7
    assert hardness.max() > 1.4
    assert set(population.profiles) == {BOX, FRED, PULSES}
    assert population.durations == settings.inject.durations
    again = broad_population(site, settings.inject, np.random.default_rng(0))
    for name, spectrum in population.spectra.items():
        np.testing.assert_array_equal(again.spectra[name], spectrum)


def test_a_broad_population_varies_the_spectra_that_the_configuration_names(site, settings):
    section = {"spectra": {"only the last": (0.0, 0.0, 1.0)}}
    varied = replace(settings, inject=settings.inject.model_copy(update=section))
    spectra = broad_population(site, varied.inject, np.random.default_rng(0)).spectra
    shares = np.array(
        [spectrum @ site.hit_patterns.member / site.hit_patterns.background for spectrum in spectra.values()]
    )
    alone = shares[:, 0] < 0.05 * shares[:, 2]
    assert 0.4 < alone.mean() < 0.6  # the others vary the spectrum of the background


def test_pulses_come_whole_and_never_go_back():
    x = np.linspace(-0.2, 1.2, 1401)
    peaks = []
    for seed in range(40):
        come = cumulative_pulses(x, np.random.default_rng(seed))
        assert (come[x <= 0] == 0).all()
        np.testing.assert_allclose(come[x >= 1], 1.0)
        assert (np.diff(come) >= -1e-12).all()
        rate = np.diff(come)
        peaks.append(int(np.sum((rate[1:-1] > rate[:-2]) & (rate[1:-1] >= rate[2:]) & (rate[1:-1] > 0.1 * rate.max()))))
    assert min(peaks) >= 1
    assert np.mean(np.array(peaks) >= 2) > 0.5
    np.testing.assert_array_equal(
        cumulative_pulses(x, np.random.default_rng(1)), cumulative_pulses(x, np.random.default_rng(1))
    )


def test_bursts_of_pulses_have_the_oracle_that_was_asked_for_too(site):
    population = Population({"flat": site.hit_patterns.mean}, (20.0, 100.0), (10.0, 11.0), (PULSES,))
    bursts = draw(site, population, number=10, rng=np.random.default_rng(3))
    assert len(bursts) > 5
    for one in bursts:
        assert one.profile == PULSES
        assert oracle(one.expected, site.counts.expected[one.rows]) == pytest.approx(one.oracle)


def test_spectra_profiles_and_brightness_are_drawn_evenly(site, settings):
    population = configured_population(site, settings.inject)
    population = Population(population.spectra, (0.5, 50.0), (2.0, 50.0))
    bursts = [one for seed in range(12) for one in draw(site, population, number=25, rng=np.random.default_rng(seed))]
    number = len(bursts)
    assert sum(one.profile == BOX for one in bursts) == pytest.approx(number / 2, abs=2 * number**0.5)
    for values, (low, high) in (([b.duration for b in bursts], (0.5, 50)), ([b.oracle for b in bursts], (2, 50))):
        place = np.log(np.array(values) / low) / np.log(high / low)
        assert ((place >= 0) & (place <= 1)).all()
        assert place.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * number))
