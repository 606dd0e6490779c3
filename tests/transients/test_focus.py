"""Poisson-FOCuS, compared with an explicit search of all windows."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import xlogy

from polarbgb.transients import focus
from polarbgb.transients.focus import Series, trace, windows


def ratio_of(counts, background, sign, mu_min):
    """Return the log likelihood ratio of windows with these sums, from the closed form."""
    nearest = mu_min**sign
    intensity = counts / background
    mu = np.maximum(intensity, nearest) if sign > 0 else np.minimum(intensity, nearest)
    return np.maximum(xlogy(counts, mu) - background * (mu - 1), 0)


def all_windows(series, sign, mu_min, longest):
    """Return the (n, n) log likelihood ratio of the window from row i to row j, 0 where no such window exists."""
    rows = len(series.counts)
    start, last = np.indices((rows, rows))
    allowed = (start <= last) & (series.segment[start] == series.segment[last])
    if longest is not None:
        allowed &= last - start < longest
    sums = [np.zeros((rows, rows)), np.zeros((rows, rows))]
    for summed, values in zip(sums, series[:2], strict=True):
        for row in range(rows):  # not as a difference of long sums, which would round
            summed[row, row:] = np.cumsum(values[row:])
    return np.where(allowed, ratio_of(sums[0], np.where(allowed, sums[1], 1), sign, mu_min), 0)


def check_trace(series, *, sign=1, mu_min=1.0, longest=None, threshold=0.0):
    """Compare every row with the best of all windows that end there; ties and rounding may select another start."""
    significance, start = trace(series, sign=sign, mu_min=mu_min, longest=longest, threshold=threshold)
    every = all_windows(series, sign, mu_min, longest)
    best = every.max(axis=0, initial=0)
    # Rounding error of cumulative sums, times the derivative of the ratio.
    total = np.sum(series.counts) + np.sum(series.background)
    error = 1e-14 * total * (1 + np.max(series.counts / series.background, initial=0)) + 1e-9
    shown = significance > 0
    assert np.array_equal(shown, start >= 0)
    assert np.all(significance[shown] >= threshold)
    enough = threshold**2 / 2
    assert np.all(best[~shown] <= enough + error)
    assert np.allclose(significance[shown] ** 2 / 2, best[shown], rtol=1e-9, atol=error)
    assert np.allclose(every[start[shown], np.flatnonzero(shown)], best[shown], rtol=1e-9, atol=error)


def by_rule(series, *, sign=1, mu_min=1.0, longest=None, threshold=5.0):
    """Apply the definition of ``windows`` row by row, with a separate trace for each search."""
    rows, first, found = len(series.counts), 0, []
    while first < rows:
        rest = Series(*(values[first:] for values in series))
        significance, start = trace(rest, sign=sign, mu_min=mu_min, longest=longest, threshold=threshold)
        above = np.flatnonzero(significance)
        if not len(above):
            break
        trigger = best = above[0]
        for row in range(trigger + 1, rows - first):
            length = best + 1 - start[best]
            if rest.segment[row] != rest.segment[trigger] or row - best > length:
                break
            if significance[row] > significance[best]:
                best = row
        found.append((first + trigger, first + start[best], first + best + 1, significance[best]))
        first += best + 1
    return found


def as_rows(found):
    return list(zip(*(values.tolist() for values in found), strict=True))


def make_series(counts, background=1.0, breaks=()):
    counts = np.asarray(counts, np.float64)
    segment = np.zeros(len(counts), np.int32)
    segment[list(breaks)] = 1
    return Series(
        counts, np.broadcast_to(np.float64(background), counts.shape).copy(), np.cumsum(segment, dtype=np.int32)
    )


@st.composite
def any_series(draw, most=40):
    """Draw counts close to a background, far from it, or with few values that make ties."""
    rows = draw(st.integers(1, most))
    levels = draw(st.sampled_from([st.sampled_from([1.0, 2.0]), st.floats(-3, 4).map(lambda power: 10**power)]))
    background = np.array(draw(st.lists(levels, min_size=rows, max_size=rows)))
    intensity = st.sampled_from([0.0, 0.5, 0.9, 1.0, 1.0, 1.1, 1.5, 4.0])
    counts = np.rint(background * draw(st.lists(intensity, min_size=rows, max_size=rows)))
    counts += draw(st.lists(st.sampled_from([0, 0, 0, 1, 7]), min_size=rows, max_size=rows))
    dispersion = draw(st.sampled_from([1.0, 1.0, 1.7, 0.3]))
    breaks = draw(st.lists(st.integers(0, rows - 1), max_size=3))
    return make_series(counts / dispersion, background / dispersion, breaks)


ANY_SEARCH = {
    "sign": st.sampled_from([1, -1]),
    "mu_min": st.sampled_from([1.0, 1.0, 1.01, 1.2, 3.0]),
    "longest": st.sampled_from([None, 1, 2, 3, 7, 39]),
    "threshold": st.sampled_from([0.0, 1.0, 4.0]),
}


@settings(max_examples=400, deadline=None)
@given(any_series(), st.fixed_dictionaries(ANY_SEARCH))
def test_every_row_has_the_best_of_all_windows_that_end_there(series, search):
    check_trace(series, **search)


@settings(max_examples=300, deadline=None)
@given(any_series(), st.fixed_dictionaries(ANY_SEARCH))
def test_windows_are_found_one_after_the_other_as_their_rule_says(series, search):
    assert as_rows(windows(series, **search)) == by_rule(series, **search)


@pytest.mark.parametrize("mu_min", [1.0, 1.05])
@pytest.mark.parametrize("longest", [None, 37, 300])
@pytest.mark.parametrize("sign", [1, -1])
def test_long_noise(sign, longest, mu_min):
    rng = np.random.default_rng(3)
    background = 200 + 100 * np.sin(np.arange(700) / 90)
    series = make_series(rng.poisson(background * (1 + 0.02 * sign)), background, breaks=[600])
    for threshold in (0.0, 3.0):
        search = {"sign": sign, "longest": longest, "mu_min": mu_min, "threshold": threshold}
        check_trace(series, **search)
        assert as_rows(windows(series, **search)) == by_rule(series, **search)


@pytest.mark.parametrize("bend", [1, -1])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("longest", [None, 1, 2, 50, 299, 300, 301])
def test_curves_on_which_each_start_is_a_corner_or_none_is(bend, sign, longest):
    check_trace(make_series(300 + bend * np.linspace(-250, 250, 300), 300.0), sign=sign, longest=longest)


def test_closed_form_is_the_largest_likelihood_over_the_intensities_sought():
    for counts, sign, mu_min in product((0.0, 60.0, 95.0, 101.5, 105.0, 180.0), (1, -1), (1.0, 1.1)):
        bounds = (math.log(mu_min), 3) if sign > 0 else (-30, -math.log(mu_min))
        best = minimize_scalar(
            lambda log_mu, counts=counts: 100 * math.expm1(log_mu) - counts * log_mu,
            bounds=bounds,
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert ratio_of(counts, 100.0, sign, mu_min) == pytest.approx(max(-best.fun, 0), abs=1e-5)


def test_a_burst_has_the_significance_of_its_own_sums():
    counts = np.full(100, 100.0)
    counts[40:44] = 150
    significance, start = trace(make_series(counts, 100.0))
    assert not significance[:40].any()
    assert np.all(start[:40] == -1)
    expected = [math.sqrt(2 * (150 * k * math.log(1.5) - 50 * k)) for k in (1, 2, 3, 4)]
    assert significance[40:44] == pytest.approx(expected)
    assert np.all(start[40:] == 40)  # it stays the best start of all windows that end later
    found = as_rows(windows(make_series(counts, 100.0), threshold=7.0))
    assert found == [(42, 40, 44, pytest.approx(expected[-1]))]


def test_a_loss_of_all_counts():
    counts = np.full(9, 50.0)
    counts[3:5] = 0
    assert as_rows(windows(make_series(counts, 50.0), sign=-1)) == [(3, 3, 5, pytest.approx(math.sqrt(2 * 100)))]
    assert as_rows(windows(make_series(counts, 50.0))) == []


def test_intensities_too_near_to_1_are_fainter_or_not_found():
    # (mu_min - 1) / ln(mu_min) = 1.049 for 1.1
    significance, _ = trace(make_series([1e4 * 1.048, 1e4 * 1.08, 1e4 * 1.2], 1e4), mu_min=1.1, longest=1)
    likelihoods = 1e4 * np.array([0, 1.08 * math.log(1.1) - 0.1, 1.2 * math.log(1.2) - 0.2])
    assert significance == pytest.approx(np.sqrt(2 * likelihoods))


def test_no_window_holds_two_segments():
    counts = np.full(20, 120.0)
    _, start = trace(make_series(counts, 100.0, breaks=[8, 9]))
    assert start.tolist() == [0] * 8 + [8] + [9] * 11
    found = windows(make_series(counts, 100.0, breaks=[8, 9]), threshold=0)
    assert found.start.tolist() == [0, 8, 9]
    assert found.stop.tolist() == [8, 9, 20]


def test_no_window_is_longer_than_the_longest():
    _, start = trace(make_series(np.full(20, 120.0), 100.0), longest=6)
    assert start.tolist() == [0] * 6 + list(range(1, 15))


@pytest.mark.parametrize("search", [trace, windows])
def test_no_rows_and_one(search):
    assert [len(values) for values in search(make_series([]))] == [0] * (2 if search is trace else 4)
    assert search(make_series([9.0], 9.0), threshold=0.0)[0].tolist() == ([0.0] if search is trace else [])
    assert search(make_series([99.0], 9.0))[1].tolist() == [0]


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_arrays_that_are_strided_read_only_or_of_another_type(dtype):
    plain = make_series(np.random.default_rng(1).poisson(20, 200), 20.0)
    wide = np.repeat(plain.counts[:, None], 2, axis=1).astype(dtype)
    wide.flags.writeable = False
    assert trace(plain._replace(counts=wide[:, 1]))[0].tolist() == trace(plain)[0].tolist()
    assert plain.counts.flags.writeable
    assert len(focus._trace.signatures) == 1  # compiled once for all of them


@pytest.mark.parametrize("search", [trace, windows])
@pytest.mark.parametrize(
    "setting",
    [
        {"sign": 0},
        {"sign": 2},
        {"mu_min": 0.9},
        {"mu_min": math.inf},
        {"mu_min": math.nan},
        {"longest": 0},
        {"threshold": -1.0},
        {"threshold": math.inf},
        {"threshold": math.nan},
    ],
    ids=str,
)
def test_settings_out_of_range(search, setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        search(make_series([1.0, 2.0]), **setting)


@pytest.mark.parametrize("search", [trace, windows])
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("counts", [1.0, -1.0], "counts"),
        ("counts", [1.0, math.nan], "counts"),
        ("counts", [1.0, math.inf], "counts"),
        ("counts", [1.0], "length"),
        ("counts", [[1.0, 1.0]], "length"),
        ("background", [1.0, 0.0], "background"),
        ("background", [1.0, math.nan], "background"),
        ("background", [1.0, math.inf], "background"),
        ("background", [1.0, 1e-17], "lost"),
        ("background", [1.0, 1.0, 1.0], "length"),
        ("segment", [0], "length"),
    ],
)
def test_series_that_are_not_as_asked(search, name, values, message):
    series = make_series([1.0, 2.0])
    with pytest.raises(ValueError, match=message):
        search(series._replace(**{name: np.array(values)}))
