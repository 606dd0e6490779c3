"""Candidates, compared with groups, intervals and features computed one by one in plain Python."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.transients.candidates import describe_candidates, disjoint, group_windows, merge_candidates
from polarbgb.transients.noise import measure_noise
from polarbgb.transients.windows import Windows, find_windows

ROWS, MERGE, OCTAVES = 300, 4, 8.0


def windows_of(spans, strength):
    """Return windows of intervals of rows (first, after)."""
    first, after = np.array(spans, np.int64).reshape(-1, 2).T
    number, strength = np.arange(len(first)), np.array(strength, np.float64)
    return Windows(number % 2, number % 3, first.copy(), first.copy(), after.copy(), strength)


@st.composite
def cases(draw):
    """Draw windows in segments of rows; their significances are often equal."""
    borders = sorted(draw(st.sets(st.integers(1, ROWS - 1), max_size=6)))
    edges = [0, *borders, ROWS]
    segment = np.searchsorted(borders, np.arange(ROWS), side="right").astype(np.int32)
    spans = []
    for _ in range(draw(st.integers(0, 25))):
        first = draw(st.integers(0, ROWS - 1))
        end = edges[segment[first] + 1]
        spans.append((first, min(end, first + draw(st.sampled_from([1, 2, 5, 7, 8, 9, 30, 63, 64, 70, 200])))))
    strength = [draw(st.integers(4, 12)) for _ in spans]
    return segment, windows_of(spans, strength)


@pytest.fixture(scope="module")
def section(make_config):
    return make_config(trigger={"merge": float(MERGE), "scales": [5.0, 50.0]}).trigger


@pytest.fixture(scope="module")
def lay_out(make_counts):
    """Make counts of three bins with given segments."""

    def make(segment):
        return make_counts(np.ones((len(segment), 3)), 1.0, segment=segment)

    return make


def level_of(first, after):
    return math.floor(math.log(after - first) / math.log(OCTAVES) + 1e-12)


def gap_between(one, other):
    """Return the number of rows between two intervals, negative where they overlap."""
    return max(one[0], other[0]) - min(one[1], other[1])


def slow_groups(windows, segment):
    """Process windows in decreasing order of significance; return the core of the candidate of each window."""
    spans = list(zip(windows.first.tolist(), windows.after.tolist(), strict=True))
    order = sorted(range(len(spans)), key=lambda i: (-windows.significance[i], spans[i][1] - spans[i][0], spans[i][0]))
    cores, owner = [], {}
    for i in order:
        for core in cores:  # the strongest first
            alike = abs(level_of(*spans[i]) - level_of(*spans[core])) <= 1
            near = gap_between(spans[i], spans[core]) < MERGE
            if alike and near and segment[spans[i][0]] == segment[spans[core][0]]:
                owner[i] = core
                break
        else:
            cores.append(i)
            owner[i] = i
    return owner


@settings(deadline=None, max_examples=200)
@given(case=cases())
def test_groups_are_those_made_one_window_at_a_time(lay_out, section, case):
    segment, windows = case
    candidates = group_windows(windows, lay_out(segment), section)
    owner = slow_groups(windows, segment)
    assert {i: candidates.core[candidates.member[i]] for i in owner} == owner
    assert sorted(candidates.core) == sorted(set(owner.values()))
    assert (np.diff(candidates.first) >= 0).all()
    for mine, theirs in (("first", "first"), ("after", "after"), ("significance", "significance")):
        np.testing.assert_array_equal(getattr(candidates, mine), getattr(windows, theirs)[candidates.core])


@settings(deadline=None, max_examples=100)
@given(case=cases())
def test_no_candidate_crosses_a_gap_and_cores_of_like_length_are_disjoint(lay_out, section, case):
    segment, windows = case
    candidates = group_windows(windows, lay_out(segment), section)
    np.testing.assert_array_equal(segment[windows.first], segment[candidates.first[candidates.member]])
    spans = list(zip(candidates.first, candidates.after, strict=True))
    for i, one in enumerate(spans):
        for other in spans[:i]:
            if abs(level_of(*one) - level_of(*other)) <= 1 and segment[one[0]] == segment[other[0]]:
                assert gap_between(one, other) >= MERGE
    # A candidate is as significant as the strongest of its windows.
    for number in range(len(candidates)):
        assert candidates.significance[number] == windows.significance[candidates.member == number].max()


def test_a_spike_on_a_slow_rise_is_a_candidate_of_its_own(lay_out, section):
    counts = lay_out(np.zeros(ROWS, np.int32))
    spike, rise = (100, 102), (20, 220)
    assert len(group_windows(windows_of([spike, rise], [9.0, 8.0]), counts, section)) == 2
    assert len(group_windows(windows_of([spike, (98, 110)], [9.0, 8.0]), counts, section)) == 1


@pytest.mark.parametrize("cadence", [1.0, 2.0])
def test_windows_within_the_merging_distance_are_one_candidate(make_counts, section, cadence):
    counts = make_counts(np.ones((100, 3)), 1.0, cadence=cadence)
    reach = MERGE / cadence
    for between, number in ((reach - 1, 1), (reach + 1, 2)):
        windows = windows_of([(10, 20), (20 + between, 30 + between)], [6.0, 5.0])
        assert len(group_windows(windows, counts, section)) == number


@settings(deadline=None, max_examples=150)
@given(case=cases(), seed=st.integers(0, 999))
def test_disjoint_keeps_the_best_and_all_that_are_away_from_it(lay_out, section, case, seed):
    segment, windows = case
    counts = lay_out(segment)
    candidates = group_windows(windows, counts, section)
    ranking = np.random.default_rng(seed).integers(0, 5, len(candidates)).astype(float)
    kept = disjoint(candidates, ranking, counts, section)
    spans = list(zip(candidates.first.tolist(), candidates.after.tolist(), strict=True))
    wanted = []
    for i in sorted(range(len(spans)), key=lambda i: (-ranking[i], i)):
        same = [j for j in wanted if segment[spans[j][0]] == segment[spans[i][0]]]
        if all(gap_between(spans[i], spans[j]) >= MERGE for j in same):
            wanted.append(i)
    assert np.flatnonzero(kept).tolist() == sorted(wanted)


@settings(deadline=None, max_examples=150)
@given(case=cases(), seed=st.integers(0, 999))
def test_candidates_are_joined_where_their_windows_bridge_them(lay_out, section, case, seed):
    segment, windows = case
    counts, rng = lay_out(segment), np.random.default_rng(seed)
    candidates = group_windows(windows, counts, section)
    ranking = rng.permutation(len(candidates)).astype(float)
    chosen = np.flatnonzero(rng.random(len(candidates)) < 0.7)
    first, after, best = merge_candidates(candidates, chosen, ranking, counts, section)

    reach, lasts = {}, {}
    for number in chosen.tolist():
        of_it = candidates.member == number
        strong = of_it & (windows.significance >= candidates.significance[number] / 2)
        reach[number] = (int(windows.first[of_it].min()), int(windows.after[of_it].max()))
        lasts[number] = (int(windows.first[strong].min()), int(windows.after[strong].max()))
    # Events are the connected components of the graph of candidates that are close to each other.
    left, events = set(reach), []
    while left:
        event, new = set(), {left.pop()}
        while new:
            event |= new
            near = {
                i
                for i in left
                for j in new
                if gap_between(reach[i], reach[j]) <= MERGE and segment[reach[i][0]] == segment[reach[j][0]]
            }
            left -= near
            new = near
        events.append(sorted(event))
    wanted = sorted(
        (min(lasts[i][0] for i in event), max(lasts[i][1] for i in event), max(event, key=lambda i: ranking[i]))
        for event in events
    )
    assert sorted(zip(first.tolist(), after.tolist(), best.tolist(), strict=True)) == wanted
    assert (np.diff(first) > 0).all()
    assert (first[1:] >= after[:-1]).all()
    np.testing.assert_array_equal(segment[first], segment[after - 1])


def toy(make_counts, rng, bins=3):
    """Return counts of three orbits, each with a gap, with two bursts and an auxiliary column."""
    time = np.arange(16_500)
    time = time[time % 5500 < 4600]
    expected = np.column_stack([60 + 20 * np.cos(2 * np.pi * time / 5500 + i) for i in range(bins)])
    observed = rng.poisson(expected).astype(float)
    observed[1000:1010] *= 2
    observed[6000:6003, 1:] *= 4
    context = np.column_stack([np.cos(time / 900), time / 1e4]).astype(np.float32)
    series = (*((i,) for i in range(bins)), tuple(range(bins)))
    return make_counts(
        observed, expected, 1.5e9 + time, context=context, context_names=("l_shell", "field_strength"), series=series
    )


@pytest.fixture(scope="module")
def described(make_config, make_counts):
    """Return counts, candidates, features and settings."""
    section = make_config(trigger={"scales": [2.0, 20.0, 200.0], "threshold": 3.2}).trigger
    counts = toy(make_counts, np.random.default_rng(0))
    noise = measure_noise(counts, section)
    candidates = group_windows(find_windows(counts, noise.dispersion, section, threads=1), counts, section)
    assert len(candidates) > 20
    return counts, candidates, describe_candidates(candidates, counts, noise, section), section


def test_features_are_numbers_where_there_are_data(described):
    counts, candidates, features, _ = described
    first, after = counts.borders()
    inside = (candidates.first - first[candidates.first] > 900) & (after[candidates.first] - candidates.after > 900)
    assert inside.sum() > 5
    for name, values in features.items():
        assert values.shape == (len(candidates),), name
        assert values.dtype == np.float32, name
        assert np.isfinite(values[inside]).all(), name
        assert not np.isinf(values).any(), name


def test_the_bright_bursts_stand_out_in_their_features(described):
    counts, candidates, features, _ = described
    for rows, bins in ((slice(1000, 1010), 3), (slice(6000, 6003), 2)):
        at = np.flatnonzero((candidates.first < rows.stop) & (candidates.after > rows.start))
        best = at[np.argmax(candidates.significance[at])]
        length = rows.stop - rows.start
        assert (candidates.first[best], candidates.after[best]) == pytest.approx((rows.start, rows.stop), abs=1)
        assert features["length"][best] == pytest.approx(length, abs=2)
        series = counts.series[candidates.series[best]]
        assert len(series) in {1, bins, 3}
        inside = slice(candidates.first[best], candidates.after[best])
        due = counts.expected[inside][:, series].sum()
        excess = counts.observed[inside][:, series].sum() - due
        for name in ("near", "far"):
            # Except for counting noise, the local baseline is the background.
            assert features[f"amplitude_{name}"][best] == pytest.approx(excess / due, rel=0.1)
            assert features[f"excess_{name}"][best] == pytest.approx(excess / np.sqrt(due), rel=0.15)
            assert features[f"first_half_{name}"][best] == pytest.approx(0.5, abs=0.25)
            assert abs(features[f"step_{name}"][best]) < 5
        assert features["log_expected"][best] == pytest.approx(np.log(due / (inside.stop - inside.start)), abs=1e-4)
        assert features["significance"][best] == pytest.approx(candidates.significance[best])


def test_features_by_scale_are_the_largest_of_the_windows(described):
    _, candidates, features, section = described
    windows = candidates.windows
    for number in range(len(candidates)):
        mine = candidates.member == number
        for i_scale, scale in enumerate(section.scales):
            at = mine & (windows.scale == i_scale)
            largest = max(windows.significance[at], default=0.0)
            assert features[f"significance_{scale:g}s"][number] == pytest.approx(largest, rel=1e-6)
        assert features["n_windows"][number] == mine.sum()
        assert features["n_series"][number] == len(set(windows.series[mine]))
        assert features["n_scales"][number] == len(set(windows.scale[mine]))


def test_gaps_and_place_are_those_of_the_candidate(described):
    counts, candidates, features, _ = described
    for number in range(len(candidates)):
        first, last = candidates.first[number], candidates.after[number] - 1
        time = counts.time[counts.segment == counts.segment[first]]
        assert features["gap_before"][number] == min(counts.time[first] - time[0], 900)
        assert features["gap_after"][number] == min(time[-1] - counts.time[last], 900)
        assert features["l_shell"][number] == counts.context[(first + last) // 2, 0]


def test_variability_is_one_in_counting_noise_and_more_where_counts_flicker(make_counts, make_config):
    section = make_config(trigger={"scales": [20.0]}).trigger
    rng = np.random.default_rng(2)
    observed = rng.poisson(100.0, (42_000, 1)).astype(float)
    observed[40_000:] *= np.repeat(1 + 0.2 * rng.normal(size=200), 10)[:, None]
    counts = make_counts(observed, 100.0)
    spans = [(first, first + 5) for first in (*range(1000, 39_000, 1000), 41_000)]
    windows = replace(windows_of(spans, [5.0] * len(spans)), series=np.zeros(len(spans), int))
    noise = measure_noise(counts, section)
    features = describe_candidates(group_windows(windows, counts, section), counts, noise, section)
    for side in ("before", "after"):
        for length in (3, 10, 30):
            flicker = features[f"flicker_{length}s_{side}"]
            assert flicker[:-1].mean() == pytest.approx(1.0, abs=0.25)
            assert flicker[-1] > (1.5 if length == 3 else 3)  # counts vary in steps of 10 s


def test_a_step_differs_from_a_burst(make_counts, make_config):
    section = make_config(trigger={"scales": [20.0]}).trigger
    observed = np.full((4000, 1), 400.0)
    observed[1000:1010] += 100.0  # a burst
    observed[3000:] += 100.0  # a step
    counts = make_counts(observed, 400.0)
    spans = replace(windows_of([(1000, 1010), (3000, 3010)], [9.0, 8.0]), series=np.zeros(2, int))
    noise = measure_noise(counts, section)
    features = describe_candidates(group_windows(spans, counts, section), counts, noise, section)
    burst, step = features["step_near"]
    assert abs(burst) < 0.5
    assert step == pytest.approx(100 * np.sqrt(60 / 400), rel=0.01)
    assert features["after_near"][1] == pytest.approx(step, rel=0.01)
    assert features["before_near"][1] == 0


def test_which_bins_hold_an_excess_makes_no_difference(described, make_counts):
    counts, candidates, features, section = described
    order = np.array([2, 0, 1])
    place = np.argsort(order)
    turned = replace(
        counts,
        observed=counts.observed[:, order],
        expected=counts.expected[:, order],
        noise=counts.noise[:, order],
        series=tuple(tuple(int(place[i_bin]) for i_bin in bins) for bins in counts.series),
    )
    noise = measure_noise(turned, section)
    again = group_windows(find_windows(turned, noise.dispersion, section, threads=1), turned, section)
    np.testing.assert_array_equal(again.first, candidates.first)
    after = describe_candidates(again, turned, noise, section)
    assert after.keys() == features.keys()
    for name, values in features.items():
        np.testing.assert_allclose(after[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_no_candidates_have_features_too(make_counts, make_config):
    section = make_config(trigger={"scales": [2.0, 20.0]}).trigger
    for rows in (0, 5, 500):
        counts = make_counts(np.full((rows, 3), 9.0), 9.0)
        none = group_windows(windows_of([], []), counts, section)
        assert len(none) == 0
        features = describe_candidates(none, counts, measure_noise(counts, section), section)
        assert all(values.shape == (0,) for values in features.values())
        first, after, best = merge_candidates(none, np.zeros(0, int), np.zeros(0), counts, section)
        assert len(first) == len(after) == len(best) == 0
        assert disjoint(none, np.zeros(0), counts, section).shape == (0,)
