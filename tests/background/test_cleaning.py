"""Rows that hold a transient are found and left out; rows that recur where they lie, and deficits, are not."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.cleaning import Round, non_recurrent, rows_above, rows_beyond, with_margin
from polarbgb.background.training_set import block_starts, summed_rate
from polarbgb.config import validate
from polarbgb.data.count_rates import CountRates
from polarbgb.features.matrix import Matrix
from polarbgb.workflow.cleaning import clean_training_set

PERIOD, CADENCE, ORBITS = 1000.0, 5.0, 24


def test_a_row_counts_where_enough_bins_agree_in_sign():
    pull = np.array([[6, 6, 6], [6, 6, 0], [-6, -6, -6], [6, -6, -6], [5, 5, 5]], float)
    assert rows_beyond(pull, sigma=5.0, more_than=1).tolist() == [True, True, True, True, False]
    assert rows_beyond(pull, sigma=5.0, more_than=2).tolist() == [True, False, True, False, False]


def above(observed, expected, *, length=4, sigma=3.0, segment=None, cell=None):
    rows = len(observed)
    return rows_above(
        np.asarray(observed, float),
        np.broadcast_to(np.asarray(expected, float), rows),
        segment=np.zeros(rows, np.int32) if segment is None else segment,
        cell=np.zeros(rows, np.int16) if cell is None else cell,
        length=length,
        sigma=sigma,
    )


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 10_000), length=st.integers(1, 12), sigma=st.sampled_from([1.0, 2.0, 3.0]),
    gaps=st.sets(st.integers(1, 119), max_size=5),
)  # fmt: skip
def test_rows_are_the_centres_of_windows_that_rise_above_the_quiet_level(seed, length, sigma, gaps):
    rng = np.random.default_rng(seed)
    expected = rng.uniform(5, 50, 120)
    observed = rng.poisson(expected * (1 + 0.3 * rng.normal(size=120)).clip(0.1)).astype(float)
    segment = np.searchsorted(sorted(gaps), np.arange(120), side="right").astype(np.int32)
    deviation = []
    for row in range(120):
        window = [
            other
            for other in range(row - length // 2, row + (length + 1) // 2)
            if 0 <= other < 120 and segment[other] == segment[row]
        ]
        deviation.append((observed[window].sum() - expected[window].sum()) / expected[window].sum() ** 0.5)
    level = min(0.0, np.median(deviation))
    below = [level - value for value in deviation if value < level]
    limit = level + sigma * (max(1.0, np.median(below) / 0.6745) if below else 1.0)
    found = above(observed, expected, length=length, sigma=sigma, segment=segment)
    near = np.abs(np.array(deviation) - limit) < 1e-9
    np.testing.assert_array_equal(found[~near], (np.array(deviation) > limit)[~near])


def test_noise_alone_rises_as_seldom_as_a_gaussian_does():
    observed = np.random.default_rng(0).poisson(400.0, 200_000)
    assert above(observed, 400.0, sigma=3.0).mean() == pytest.approx(1.35e-3, rel=0.4)


@pytest.mark.parametrize("depth", [0.2, 0.9])
def test_a_deficit_is_never_masked(depth):
    observed = np.random.default_rng(1).poisson(400.0, 5000).astype(float)
    observed[1000:3500] *= 1 - depth
    assert not above(observed, 400.0, sigma=5.0).any()


def test_flares_for_half_of_the_time_are_no_noise():
    observed = np.random.default_rng(2).poisson(400.0, 20_000).astype(float)
    flaring = np.arange(20_000) // 500 % 2 == 1
    observed[flaring] *= 1.3
    found = above(observed, 400.0)
    edge = with_margin(np.diff(flaring, prepend=False), np.arange(20_000.0), 4.0)
    assert found[flaring & ~edge].mean() > 0.999
    assert found[~flaring & ~edge].mean() < 0.01


def test_cells_with_rows_enough_have_a_noise_of_their_own():
    # In cell 1 the background errs by 20 % over every window.
    rng = np.random.default_rng(3)
    cell = (np.arange(40_000) >= 30_000).astype(np.int16)
    wrong = np.where(cell == 1, np.repeat(0.2 * rng.normal(size=10_000), 4), 0.0)
    observed = rng.poisson(400.0 * (1 + wrong))
    shared, own = above(observed, 400.0), above(observed, 400.0, cell=cell)
    assert shared[cell == 1].mean() > 0.1
    assert own[cell == 1].mean() < 0.01
    assert own[cell == 0].mean() == pytest.approx(1.35e-3, rel=0.6)
    few = np.arange(40_000) >= 39_800  # 100 windows below are too few to tell: their noise is that of all rows
    np.testing.assert_array_equal(above(observed, 400.0, cell=np.where(few, 2, 0))[few], shared[few])


def test_no_rows_are_above_nothing():
    assert above([], 1.0).shape == (0,)
    assert above([900.0], 400.0).tolist() == [True]


def test_what_comes_orbit_after_orbit_stays():
    orbit = np.repeat(np.arange(20), 10)
    cell = np.tile(np.repeat([0, 1], 5), 20)[:, None]  # every orbit meets both
    beyond = np.zeros(200, bool)
    beyond[3] = beyond[4] = True  # orbit 0 alone, in cell 0
    beyond[[5, 15, 25]] = True  # orbits 0, 1 and 2, in cell 1
    assert np.flatnonzero(non_recurrent(beyond, cell, orbit, max_recurrence=0.1)).tolist() == [3, 4]
    assert non_recurrent(beyond, cell, orbit, max_recurrence=0.15).sum() == 5
    # Once is no recurrence, however few the orbits.
    assert non_recurrent(beyond, cell, orbit + 1000, max_recurrence=0.01).sum() == 2


def test_a_row_that_recurs_in_the_cells_of_any_bin_stays():
    orbit = np.arange(40)
    beyond = np.zeros(40, bool)
    beyond[:2] = True
    apart = np.zeros(40, np.int64)
    apart[:4] = 1  # by the second bin's cells, two of the four orbits that meet one
    cell = np.column_stack([np.zeros(40, np.int64), apart])
    assert non_recurrent(beyond, cell[:, :1], orbit, max_recurrence=0.1).sum() == 2
    assert not non_recurrent(beyond, cell, orbit, max_recurrence=0.1).any()


@given(
    st.lists(st.floats(0, 1000), unique=True, max_size=60),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1.0, 30.0, 500.0]),
)
def test_the_margin_is_that_of_every_pair_of_rows(times, seed, margin):
    time = np.sort(np.array(times, float))
    rows = np.random.default_rng(seed).random(len(time)) < 0.2
    near = (time[:, None] >= time[rows] - margin) & (time[:, None] <= time[rows] + margin)
    np.testing.assert_array_equal(with_margin(rows, time, margin), near.any(axis=1))


def test_the_mask_is_stable_when_hardly_a_row_is_added():
    assert Round(masked=0, added=0, recurrent=5).stable
    assert Round(masked=1000, added=10, recurrent=0).stable
    assert not Round(masked=1000, added=11, recurrent=0).stable
    assert not Round(masked=3, added=3, recurrent=0).stable


def test_the_summed_rate_is_that_of_the_counts_of_all_chosen_bins():
    rng = np.random.default_rng(4)
    counts, exposure = rng.poisson(50.0, (30, 4)), rng.uniform(0.5, 1.0, (30, 4))
    data = CountRates(counts / exposure, np.sqrt(counts) / exposure, exposure)
    summed = summed_rate(data, (0, 2, 3))
    chosen = counts[:, [0, 2, 3]].sum(axis=1)
    share = (counts.sum(axis=0) / exposure.sum(axis=0))[[0, 2, 3]]  # bins that count more weigh more
    np.testing.assert_allclose(summed.exposure[:, 0], exposure[:, [0, 2, 3]] @ (share / share.sum()))
    np.testing.assert_allclose((summed.rate * summed.exposure)[:, 0], chosen)
    np.testing.assert_allclose((summed.error * summed.exposure)[:, 0], np.sqrt(chosen))
    alone = summed_rate(data, (1,))
    for name in ("rate", "error", "exposure"):
        np.testing.assert_allclose(getattr(alone, name)[:, 0], getattr(data, name)[:, 1])


def test_a_masked_bin_takes_its_share_of_counts_and_exposure_with_it():
    """The rate stays: three bins of 80, 15 and 5 Hz sum to 100 Hz wherever one of them is off."""
    rng = np.random.default_rng(5)
    rate, exposure = np.array([80.0, 15.0, 5.0]), np.full((60_000, 3), 2.0)
    exposure[rng.random(exposure.shape) < 0.3] = 0
    counts = rng.poisson(rate * exposure).astype(float)
    summed = summed_rate(CountRates.of_sums(counts, counts, exposure), (0, 1, 2))
    masks = (exposure > 0) @ [1, 2, 4]
    np.testing.assert_array_equal(summed.measured[:, 0], masks > 0)
    for mask in range(1, 8):
        rows = masks == mask
        live = summed.exposure[rows, 0].sum()
        assert summed.counts[rows, 0].sum() / live == pytest.approx(100, rel=4 / np.sqrt(100 * live) + 0.01)
        share = rate[[mask >> i & 1 == 1 for i in range(3)]].sum() / 100
        assert live / rows.sum() == pytest.approx(2 * share, rel=0.01)
    np.testing.assert_allclose(summed.counts[:, 0], counts.sum(axis=1))
    used = masks > 0
    np.testing.assert_allclose((summed.error[used] * summed.exposure[used])[:, 0] ** 2, counts[used].sum(axis=1))


def toy_mission(*, share=0.0, deficit=False, spikes=False, burst=None, seed=0):
    """Orbits whose background follows one feature: counts, and the rows of flares that fill ``share`` of each orbit."""
    rng = np.random.default_rng(seed)
    time = np.arange(0.0, ORBITS * PERIOD, CADENCE)
    phase = time % PERIOD / PERIOD
    orbit = (time // PERIOD).astype(np.int32)
    background = np.column_stack([60 * (1.5 + np.cos(2 * np.pi * phase)), 40 + 20 * np.sin(2 * np.pi * phase)])
    factor = np.ones(len(time))
    # A flare lasts for so much of an orbit, and begins at another place of it each time.
    begin = rng.uniform(0.0, 1.0, ORBITS)[orbit]
    flaring = (phase - begin) % 1.0 < share
    # As solar flares do, many are faint and a few very bright: a power law from a tenth of the background up.
    bright = 1 + 0.1 * (1 + rng.pareto(1.0, ORBITS)).clip(max=100.0)
    factor[flaring] = bright[orbit][flaring]
    if deficit:
        factor[(orbit == 7) & (phase > 0.5)] = 0.5
    if spikes:
        factor[(phase > 0.3) & (phase < 0.34)] = rng.choice([1.0, 3.0], ORBITS)[orbit][(phase > 0.3) & (phase < 0.34)]
    if burst is not None:
        factor[burst] = 2.0
    counts = rng.poisson(background * factor[:, None] * CADENCE)
    exposure = np.full(counts.shape, CADENCE)
    count_rates = CountRates(counts / exposure, np.sqrt(np.maximum(counts, 1)) / exposure, exposure)
    dataset = SimpleNamespace(
        time=1e9 + time, known=np.zeros(len(time), bool), segment=np.zeros(len(time), np.int32), orbit=orbit
    )
    matrix = Matrix(
        np.column_stack([np.cos(2 * np.pi * phase), np.sin(2 * np.pi * phase)]).astype(np.float32), ("c", "s")
    )
    return SimpleNamespace(dataset=dataset, matrix=matrix, count_rates=count_rates), flaring


def cleaned(prepared, **cleaning):
    raw = {
        "name": "TOY",
        "input": {"tree": "t", "cadence": CADENCE},
        "rates": {"values": ["rate[0:2]"], "errors": ["rate_err[0:2]"]},
        "features": {"columns": ["c", "s"]},
        "orbit": {"period": PERIOD, "epoch": 1e9},
        "intervals": {"more_than": 0},
        "model": {"threads": 1, "n_estimators": 60, "learning_rate": 0.1, "max_depth": 4, "min_child_weight": 20},
        "folds": {"embargo": 0.0, "count": 3},
        "cleaning": {"margin": 20.0} | cleaning,
    }
    return clean_training_set(prepared, validate(raw, where="test"))


@pytest.fixture(scope="module")
def flaring():
    """Flares fill three tenths of the live time: the rows that flare, the mask and the rounds."""
    prepared, rows = toy_mission(share=0.3)
    return rows, *cleaned(prepared, max_recurrence=1.0, sigma=3.0)


def test_most_of_the_flares_that_fill_half_of_the_live_time_are_masked():
    prepared, rows = toy_mission(share=0.5)
    masked, _ = cleaned(prepared, max_recurrence=1.0, sigma=3.0)
    assert rows.mean() == pytest.approx(0.5, abs=0.02)
    assert masked[rows].mean() > 0.65
    assert masked[~rows].mean() < 0.15


def test_flares_that_fill_much_of_the_live_time_are_masked(flaring):
    rows, masked, _ = flaring
    assert rows.mean() == pytest.approx(0.3, abs=0.02)
    assert masked[rows].mean() > 0.97
    # Of the quiet rows, the margins and little else.
    away = ~with_margin(rows, np.arange(len(rows)) * CADENCE, 40.0)
    assert masked[away].mean() < 0.2


def test_it_ends_when_the_mask_is_stable(flaring):
    _, masked, rounds = flaring
    assert 2 < len(rounds) <= 8
    assert rounds[-1].masked == masked.sum()
    assert all(not one.stable for one in rounds[:-1])
    assert rounds[-1].stable or len(rounds) == 8
    total = 0
    for one in rounds:
        assert one.masked == total + one.added  # what is masked stays so
        total = one.masked
    assert rounds[-1].masked > 1.3 * rounds[0].masked  # a single round is not enough


def test_a_deficit_is_learnt_from_and_a_burst_is_not():
    burst = slice(2100, 2110)
    prepared, _ = toy_mission(deficit=True, burst=burst)
    masked, rounds = cleaned(prepared, max_recurrence=1.0, sigma=3.0)
    phase, orbit = prepared.dataset.time % PERIOD / PERIOD, prepared.dataset.orbit
    assert masked[burst].all()
    inside = (orbit == 7) & (phase > 0.55) & (phase < 0.95)
    assert not masked[inside].any()
    assert masked.mean() < 0.1
    assert rounds[-1].recurrent == 0


def test_what_noise_does_by_chance_is_no_recurrence():
    orbits, rows, cells = 100, 4600, 15
    orbit = np.repeat(np.arange(orbits), rows)
    cell = np.tile(np.arange(rows) * cells // rows, orbits)[:, None]
    observed = np.random.default_rng(5).poisson(3000.0, orbits * rows).astype(float)
    burst = slice(40 * rows + 1000, 40 * rows + 1040)
    observed[burst] *= 1.2
    beyond = above(
        observed, 3000.0, length=20, sigma=5.0, segment=orbit.astype(np.int32), cell=cell[:, 0].astype(np.int16)
    )
    assert beyond[burst].mean() > 0.9
    assert non_recurrent(beyond, cell, orbit, max_recurrence=0.07)[burst].mean() > 0.9


def test_spikes_that_come_orbit_after_orbit_are_learnt_from_unless_told_otherwise():
    prepared, _ = toy_mission(spikes=True)
    phase = prepared.dataset.time % PERIOD / PERIOD
    spiky = (phase > 0.3) & (phase < 0.34)
    high = spiky & (prepared.count_rates.rate.sum(axis=1) > 150)
    kept, rounds = cleaned(prepared)
    assert kept[high].mean() < 0.1
    assert rounds[-1].recurrent > 0.5 * high.sum()
    masked, rounds = cleaned(prepared, max_recurrence=1.0, sigma=3.0)
    assert masked[high].mean() > 0.9
    assert all(one.recurrent == 0 for one in rounds)


def test_without_rounds_nothing_is_masked():
    prepared, _ = toy_mission()
    masked, rounds = cleaned(prepared, rounds=0)
    assert not masked.any()
    assert rounds == []


def test_the_same_file_is_cleaned_the_same(flaring):
    prepared, _ = toy_mission(share=0.3)
    masked, rounds = cleaned(prepared, max_recurrence=1.0, sigma=3.0)
    np.testing.assert_array_equal(masked, flaring[1])
    assert rounds == flaring[2]


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), length=st.integers(1, 5))
def test_blocks_hold_every_row_once_and_end_with_their_segment(lengths, length):
    segment = np.repeat(np.arange(len(lengths)), lengths)
    start = block_starts(segment, length)
    blocks = np.split(np.arange(len(segment)), start[1:])
    assert np.concatenate(blocks).tolist() == list(range(len(segment)))
    assert all(len(block) <= length and len(set(segment[block])) == 1 for block in blocks)
    assert len(blocks) == sum(-(-one // length) for one in lengths)


def test_the_rate_of_a_block_is_that_of_its_counts():
    rng = np.random.default_rng(6)
    counts, exposure = rng.poisson(50.0, (7, 2)), rng.uniform(0.5, 1.0, (7, 2))
    data = CountRates(counts / exposure, np.sqrt(counts) / exposure, exposure)
    found = data.combined(np.array([0, 3]))
    together = np.array([counts[:3].sum(axis=0), counts[3:].sum(axis=0)])
    live = np.array([exposure[:3].sum(axis=0), exposure[3:].sum(axis=0)])
    np.testing.assert_allclose(found.exposure, live)
    np.testing.assert_allclose(found.rate, together / live)
    np.testing.assert_allclose(found.error, np.sqrt(together) / live)


def test_blocks_of_rows_find_what_single_rows_find():
    """A window of 80 s in blocks of 20 s, four rows each, finds the same burst and masks as little."""
    burst = slice(2100, 2120)
    prepared, _ = toy_mission(burst=burst)
    masked, _ = cleaned(prepared, max_recurrence=1.0, sigma=5.0, window=80.0)
    assert masked[burst].all()
    assert masked.mean() < 0.06
