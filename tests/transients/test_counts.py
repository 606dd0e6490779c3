"""Counts of a prediction, with transients added, and reflected about the background."""

from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from polarbgb.transients.counts import counts_of, mirrored, with_added
from polarbgb.transients.events import describe_events

EXACT_BELOW = 20.0
"""Expected counts below which the reflection is exact."""


def reflected(make_counts, observed, expected, seed=0):
    return mirrored(make_counts(np.atleast_2d(np.asarray(observed, float).T).T, expected), seed=seed).observed


@pytest.mark.parametrize("background", [0.3, 2.0, 19.9, 27.0, 700.0])
def test_poisson_counts_are_poisson_after_the_reflection(make_counts, background):
    number = 40_000
    observed = np.random.default_rng(1).poisson(background, number)
    image = reflected(make_counts, observed, background)[:, 0]
    if background < EXACT_BELOW:
        np.testing.assert_array_equal(image, np.rint(image))
        limits = np.unique(stats.poisson.ppf(np.linspace(0.0, 1.0, 12)[1:-1], background))
        edges = np.concatenate([[-np.inf], limits, [np.inf]])
        due = number * np.diff(stats.poisson.cdf(edges, background))
        counted = np.histogram(image, edges + 0.5)[0]
        assert stats.chisquare(counted, due).pvalue > 1e-3
    else:
        # The expansion does not give whole numbers: both are spread over one count to compare them.
        rng = np.random.default_rng(2)
        other = rng.poisson(background, number) + rng.uniform(-0.5, 0.5, number)
        assert stats.ks_2samp(image + rng.uniform(-0.5, 0.5, number), other).pvalue > 1e-3


@pytest.mark.parametrize("background", [0.3, 2.0, 19.9, 20.1, 27.0, 700.0])
def test_the_moments_of_windows_are_kept(make_counts, background):
    # Candidates are sums over rows, which must keep their mean, width and skewness.
    observed = np.random.default_rng(3).poisson(background, (50_000, 5))
    image = mirrored(make_counts(observed, background), seed=1).observed
    rng = np.random.default_rng(4)
    image = np.array([rng.permutation(column) for column in image.T]).sum(axis=0)  # the bins of a row share a draw
    mean = 5 * background
    error = np.sqrt(mean / len(image))
    assert image.mean() == pytest.approx(mean, abs=4 * error)
    assert image.var() == pytest.approx(mean, rel=0.04)
    assert stats.skew(image) == pytest.approx(mean**-0.5, abs=4 * np.sqrt(6 / len(image)))


@pytest.mark.parametrize("background", [20.1, 27.0, 50.0, 100.0, 700.0])
@pytest.mark.parametrize(("probability", "off"), [(1e-2, 0.1), (1e-3, 0.2), (1e-4, 0.25), (1e-5, 0.55)])
def test_the_tail_of_excesses_is_as_long_as_that_of_poisson_counts(make_counts, background, probability, off):
    # Each number of counts is spread over one count, because its reflection is not a whole number.
    number = np.arange(background + 15 * np.sqrt(background))
    image = reflected(make_counts, number, background)[:, 0]
    limit = stats.poisson.isf(probability, background)
    tail = stats.poisson.pmf(number, background) @ np.clip(image - limit, 0.0, 1.0)
    assert tail == pytest.approx(stats.poisson.sf(limit, background), rel=off)


def test_the_tail_of_few_counts_is_exact(make_counts):
    observed = np.random.default_rng(5).poisson(2.0, 300_000)
    image = reflected(make_counts, observed, 2.0)[:, 0]
    due = len(image) * stats.poisson.sf(7, 2.0)
    assert (image > 7).sum() == pytest.approx(due, abs=4 * np.sqrt(due))


@pytest.mark.parametrize("background", [0.3, 2.0, 15.0, 27.0, 700.0])
def test_an_excess_becomes_a_deficit_and_a_deficit_an_excess(make_counts, background):
    bright = background + 8 * np.sqrt(background) + 3
    assert reflected(make_counts, [np.rint(bright)], background).item() <= background - min(background, 1.0)
    dim = np.floor(max(0.0, background - 3 * np.sqrt(background)))
    assert reflected(make_counts, [dim] * 20, background).mean() >= background


def test_reflected_twice_they_are_the_counts_again(make_counts):
    observed = np.random.default_rng(6).poisson(700.0, (2000, 1))
    counts = make_counts(observed, 700.0)
    again = mirrored(mirrored(counts, seed=0), seed=0).observed
    assert np.abs(again - observed).max() < 0.6  # of 26 that they scatter by
    few = make_counts(np.zeros((1, 1)), 0.1)
    assert mirrored(few, seed=0).observed.item() in {0.0, 1.0, 2.0}


def test_reflected_counts_are_not_below_none(make_counts):
    expected = np.array([0.01, 1.0, 15.0, 25.0, 500.0])
    observed = np.array([[0.0, 0, 0, 0, 0], [9, 90, 200, 400, 9000], [1e6, 1e6, 1e6, 1e6, 1e6]])
    image = mirrored(make_counts(observed, expected), seed=0).observed
    assert (image >= 0).all()
    assert np.isfinite(image).all()


def test_bins_with_the_same_counts_have_the_same_image(make_counts):
    # As for bins that share all of their counts, which must not differ after the reflection.
    observed = np.random.default_rng(7).poisson(3.0, (5000, 1))
    image = mirrored(make_counts(np.repeat(observed, 2, axis=1), 3.0), seed=4).observed
    np.testing.assert_array_equal(image[:, 0], image[:, 1])


def test_bins_that_share_counts_still_do(make_counts):
    rng = np.random.default_rng(8)
    for common, own in ((3.0, 2.0), (300.0, 200.0)):
        observed = rng.poisson(common, (50_000, 1)) + rng.poisson(own, (50_000, 2))
        image = mirrored(make_counts(observed, common + own), seed=0).observed
        wanted = common / (common + own)
        assert np.corrcoef(image.T)[0, 1] == pytest.approx(wanted, abs=0.1 if common < 10 else 0.02)


def test_the_seed_decides_the_image_of_few_counts(make_counts):
    counts = make_counts(np.random.default_rng(9).poisson(2.0, (500, 2)), 2.0)
    one, same, other = (mirrored(counts, seed=seed).observed for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_reflection_leaves_all_but_the_counts_and_takes_none(make_counts):
    counts = make_counts(np.random.default_rng(0).poisson(5.0, (50, 2)), 5.0)
    before = counts.observed.copy()
    image = mirrored(counts, seed=0)
    np.testing.assert_array_equal(counts.observed, before)
    assert all(
        getattr(image, one.name) is getattr(counts, one.name) for one in fields(counts) if one.name != "observed"
    )
    assert mirrored(make_counts(np.zeros((0, 2)), 5.0), seed=0).observed.shape == (0, 2)


def test_counts_are_rate_times_live_time_of_the_usable_rows(make_settings, make_prediction):
    rng = np.random.default_rng(6)
    usable = rng.random(50) < 0.8
    live = rng.uniform(0.5, 1.0, (50, 2))
    prediction = make_prediction(rng.normal(size=(50, 2)), usable=usable, exposure=live, orbit=np.arange(50) // 9)
    counts = counts_of(prediction, make_settings(bins=2, trigger={"sums": [[0, 1]]}))
    np.testing.assert_array_equal(counts.time, 1.5e9 + np.flatnonzero(usable))
    np.testing.assert_allclose(counts.expected, 100.0 * live[usable], rtol=1e-6)
    np.testing.assert_allclose(counts.observed, prediction["rate"].to_numpy() * live[usable], rtol=1e-6)
    np.testing.assert_allclose(counts.noise, 10.0 * live[usable], rtol=1e-6)
    np.testing.assert_array_equal(counts.orbit, np.flatnonzero(usable) // 9)
    assert counts.n_bins == 2
    assert counts.series == ((0,), (1,), (0, 1))
    assert counts.series_names == ["0", "1", "0_1"]
    assert counts.days == usable.sum() / 86_400


def test_a_prediction_below_zero_is_searched_as_very_few_counts(make_settings, make_prediction):
    # A squared-error model may predict this.
    pred = np.full((200, 2), 100.0)
    pred[50, 1], pred[60, 0] = -3.0, 0.0
    pull = (np.maximum(pred, 2.0) - pred) / 10.0
    prediction = make_prediction(pull, pred=pred, orbit=np.zeros(200, np.int32))
    counts = counts_of(prediction, make_settings(bins=2))
    assert counts.expected[50, 1] == pytest.approx(0.01 * pred[:, 1].mean())
    assert counts.expected[60, 0] == pytest.approx(0.01 * pred[:, 0].mean())
    np.testing.assert_array_equal(counts.expected[pred > 0], 100.0)


def test_of_a_bin_that_expects_nothing_two_millionths_of_a_count_are_expected(make_settings, make_prediction):
    pred = np.tile([100.0, 0.0], (50, 1))
    counts = counts_of(
        make_prediction(np.zeros((50, 2)), pred=pred, orbit=np.zeros(50, np.int32)), make_settings(bins=2)
    )
    assert counts.expected[0].tolist() == [100.0, 2e-6]
    assert counts.measured.all()


def test_counts_carry_what_the_prediction_notes_of_the_place(make_settings, make_prediction):
    columns = {"orbit": np.zeros(50, np.int32), "l_shell": np.linspace(1, 6, 50)}
    usable = np.arange(50) % 7 > 0
    counts, bare = (
        counts_of(
            make_prediction(np.zeros((50, 2)), usable=usable, **{n: columns[n] for n in names}), make_settings(bins=2)
        )
        for names in (("orbit", "l_shell"), ("orbit",))
    )
    np.testing.assert_array_equal(counts.context, columns["l_shell"][usable, None].astype(np.float32))
    assert counts.context_names == ("l_shell",)
    assert (bare.context.shape, bare.context_names) == ((usable.sum(), 0), ())


@pytest.mark.parametrize("sign", [1, -1])
def test_rows_near_an_excess_or_a_deficit_are_not_quiet(make_settings, make_prediction, sign):
    pull = np.zeros((3000, 2))
    pull[1000] = 9.0 * sign
    pull[2000, 0] = 9.0  # in too few bins
    settings = make_settings(bins=2, more_than=1)
    quiet = counts_of(make_prediction(pull, orbit=np.arange(3000) // 300), settings).quiet
    margin = 30  # s
    np.testing.assert_array_equal(np.flatnonzero(~quiet), np.arange(1000 - margin, 1001 + margin))


def test_a_transient_is_added_to_its_rows_and_disturbs_its_neighbourhood(make_config, make_counts):
    intervals = make_config(bins=2, more_than=1).intervals
    counts = make_counts(np.full((1000, 2), 100.0), 100.0, quiet=np.arange(1000) >= 100)
    faint, bright = np.full((3, 2), 10.0), np.array([[60.0, 70.0]])
    after = with_added(counts, [(slice(300, 303), faint), (slice(600, 601), bright)], intervals)
    added = after.observed - counts.observed
    np.testing.assert_array_equal(added[300:303], faint)
    np.testing.assert_array_equal(added[600:601], bright)
    assert np.count_nonzero(added.any(axis=1)) == 4
    margin = 30  # s
    loud = [*range(100), *range(600 - margin, 601 + margin)]
    np.testing.assert_array_equal(np.flatnonzero(~after.quiet), loud)
    assert (counts.observed == 100.0).all()
    assert counts.quiet[600]
    np.testing.assert_array_equal(with_added(counts, [], intervals).observed, counts.observed)


def test_sums_of_series_and_borders_are_those_of_a_loop(make_counts):
    rng = np.random.default_rng(3)
    time = 1.5e9 + np.cumsum(rng.choice([1.0, 7.0], p=[0.9, 0.1], size=80))
    counts = make_counts(rng.poisson(5.0, (80, 3)), 5.0, time, series=((2,), (0, 1)))
    first, after = counts.borders()
    for i_series, bins in enumerate(counts.series):
        of_series = counts.of_series(counts.observed, np.full(80, i_series))
        assert of_series.tolist() == counts.observed[:, bins].sum(axis=1).tolist()
    for row in range(80):
        inside = np.flatnonzero(counts.segment == counts.segment[row])
        assert (first[row], after[row]) == (inside[0], inside[-1] + 1)


def with_masked_bin(make_observed, rows=600, bins=3, seed=0):
    """A prediction in which bin 1 is masked for a while, and the same with its counts that nobody saw."""
    rng = np.random.default_rng(seed)
    live = np.ones((rows, bins))
    live[200:260, 1] = 0
    expected = np.full((rows, bins), 50.0)
    observed = rng.poisson(expected).astype(float)
    return make_observed(observed, expected, exposure=live), observed, live > 0


def test_a_masked_bin_adds_no_counts_and_the_others_theirs(make_settings, make_observed):
    prediction, observed, measured = with_masked_bin(make_observed)
    counts = counts_of(prediction, make_settings(bins=3))
    np.testing.assert_array_equal(counts.measured, measured)
    np.testing.assert_allclose(counts.observed, np.where(measured, observed, 0.0), rtol=1e-5)
    np.testing.assert_allclose(counts.expected[measured], 50.0)
    assert (counts.expected[~measured] < 1e-5).all()
    assert (counts.expected > 0).all()
    assert np.isfinite(counts.noise).all()
    assert (counts.noise > 0).all()


def test_a_masked_bin_stays_empty_in_the_reflection_and_under_a_transient(make_config, make_settings, make_observed):
    prediction, _, measured = with_masked_bin(make_observed)
    counts = counts_of(prediction, make_settings(bins=3))
    assert not mirrored(counts, seed=0).observed[~measured].any()
    added = with_added(counts, [(slice(195, 265), np.full((70, 3), 40.0))], make_config(bins=3).intervals)
    difference = added.observed - counts.observed
    np.testing.assert_allclose(difference[195:265], np.where(measured[195:265], 40.0, 0.0))


def test_an_event_is_described_by_its_measured_bins(make_settings, make_observed):
    rng = np.random.default_rng(1)
    live, expected = np.ones((400, 2)), np.full((400, 2), 100.0)
    live[100:120, 0] = 0
    observed = rng.poisson(expected).astype(float)
    observed[100:120] += 50
    prediction = make_observed(observed, expected, exposure=live)
    settings = make_settings(bins=2)
    event = describe_events(prediction, np.array([98]), np.array([125]), settings).row(0, named=True)
    inside = (np.arange(400) >= 98) & (np.arange(400) < 126)
    for i_bin in range(2):
        rows = inside & (live[:, i_bin] > 0)
        assert event["counts"][i_bin] == pytest.approx(observed[rows, i_bin].sum(), rel=1e-5)
        assert event["background"][i_bin] == pytest.approx(100 * rows.sum(), rel=1e-5)
    dead = make_observed(observed, expected, exposure=np.tile([0.0, 1.0], (400, 1)))
    event = describe_events(dead, np.array([98]), np.array([125]), settings).row(0, named=True)
    assert event["counts"][0] == event["background"][0] == event["significance_bin"][0] == 0
    assert event["significance_bin"][1] > 10
