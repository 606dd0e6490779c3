"""Baselines against means by hand, numpy.polyfit, searches without any trick, and rates known beforehand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.baselines import climatology, fold_means, ground_track, polynomial, same_ground

T0 = 1_474_004_182.0
PERIOD = 5535.4
DAY = 86164.0


def orbit(time, inclination=42.8):
    """Ground position of a circular orbit above a turning Earth, degrees."""
    u, tilt = 2 * np.pi * (time - T0) / PERIOD, np.radians(inclination)
    latitude = np.degrees(np.arcsin(np.sin(tilt) * np.sin(u)))
    longitude = np.degrees(np.arctan2(np.cos(tilt) * np.sin(u), np.cos(u))) - 360 * (time - T0) / DAY
    return latitude, (longitude + 180) % 360 - 180


def one_segment(time):
    return np.zeros(len(time), np.int32)


@pytest.fixture(scope="module")
def three_days():
    time = T0 + np.arange(0.0, 3 * 86400, 10.0)
    latitude, longitude = orbit(time)
    fold = (np.floor((time - T0) / PERIOD) % 3).astype(np.int8)
    return time, latitude, longitude, fold


# fold means and the map


def test_means_come_from_other_folds_and_rows_to_learn_from():
    rate = np.array([[1.0], [2.0], [4.0], [8.0], [100.0]])
    fold = np.array([0, 0, 1, 2, 2])
    learn = np.array([True, True, True, True, False])
    found = fold_means(rate, fold, learn)[:, 0]
    np.testing.assert_allclose(found, [6, 6, 11 / 3, 7 / 3, 7 / 3])
    assert np.isnan(fold_means(rate, np.zeros(5, int), learn)).all()


def test_cells_coarser_cells_and_the_mean_of_all_by_hand():
    # two rows a segment, so that each has a direction; all travel north but the last segment
    lat = np.array([1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 61.0, 61.1, 1.1, 1.0])
    lon = np.array([1.0, 1.0, 361.0, 1.0, 12.0, 12.0, 1.0, 1.0, 1.0, 1.0])
    fold = np.repeat([0, 1, 2, 2, 3], 2)
    rate = np.array([1.0, 3.0, 5.0, 7.0, 20.0, 22.0, 90.0, 92.0, 40.0, 44.0])[:, None]
    track = ground_track(np.arange(10.0), np.repeat(np.arange(5), 2), lat, lon)
    assert track.north.tolist() == [True] * 8 + [False] * 2
    found = climatology(rate, track, fold, np.ones(10, bool))[:, 0]
    np.testing.assert_allclose(found[0:2], 6)  # the same cell, other fold
    np.testing.assert_allclose(found[2:4], 2)
    np.testing.assert_allclose(found[4:6], 4)  # its own cell is empty; the one of 6 x 15 degrees is not
    np.testing.assert_allclose(found[6:8], (1 + 3 + 5 + 7 + 40 + 44) / 6)  # nothing there: all of other folds
    np.testing.assert_allclose(found[8:10], rate[:8].mean())  # nothing southward


def test_a_row_of_unknown_place_gets_the_mean_of_all():
    track = ground_track(np.arange(3.0), np.zeros(3, int), np.array([1.0, np.nan, 99.0]), np.zeros(3))
    rate, fold, learn = np.array([[1.0], [2.0], [6.0]]), np.array([0, 1, 2]), np.ones(3, bool)
    np.testing.assert_array_equal(climatology(rate, track, fold, learn)[1:], fold_means(rate, fold, learn)[1:])


def test_a_rate_of_place_alone_is_found_on_the_map(three_days):
    time, latitude, longitude, fold = three_days
    rate = (1000 + 5 * latitude)[:, None]
    track = ground_track(time, one_segment(time), latitude, longitude)
    found = climatology(rate, track, fold, np.ones(len(time), bool))
    # at most a cell of 6 degrees
    assert np.abs(found - rate).max() <= 5 * 6
    assert np.sqrt(np.mean((found - rate) ** 2)) < 5 * 2


def test_a_burst_that_is_not_learnt_from_changes_nothing(three_days):
    time, latitude, longitude, fold = three_days
    learn = np.ones(len(time), bool)
    learn[5000:5100] = False
    quiet = np.full((len(time), 1), 100.0)
    burst = quiet.copy()
    burst[5000:5100] = 1e6
    track = ground_track(time, one_segment(time), latitude, longitude)

    def all_of(rate):
        mapped = climatology(rate, track, fold, learn)
        ground = same_ground(rate, time, track, fold=fold, learn=learn, period=PERIOD, otherwise=mapped)
        return mapped, ground, polynomial(rate, time, learn, mapped)

    for one, other in zip(all_of(quiet), all_of(burst), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


# the ground track


def test_the_row_taken_is_the_nearest_of_brute_force(three_days):
    time, latitude, longitude, fold = three_days
    kept = np.ones(len(time), bool)
    kept[9000:9200] = kept[16000:16009] = False  # gaps
    time, latitude, longitude, fold = time[kept], latitude[kept], longitude[kept], fold[kept]
    segment = np.cumsum(np.diff(time, prepend=time[0]) > 15)
    track = ground_track(time, segment, latitude, longitude)
    learn = np.random.default_rng(0).random(len(time)) < 0.9
    otherwise = np.full((len(time), 3), -9.0)
    # the rate is the place: what comes back is the mean place of the rows that were taken
    found = same_ground(track.place, time, track, fold=fold, learn=learn, period=PERIOD, otherwise=otherwise)
    for row in np.random.default_rng(1).integers(0, len(time), 300):
        taken = []
        for revolutions in (-16, -15, 15, 16):
            near = np.abs(time - time[row] - revolutions * PERIOD) <= 120
            rows = np.flatnonzero(near & learn & (fold != fold[row]))
            if len(rows):
                distance = np.linalg.norm(track.place[rows] - track.place[row], axis=1)
                taken.append(track.place[rows[distance.argmin()]])
        expected = np.mean(taken, axis=0) if taken else otherwise[row]
        # a row of 10 s is 0.011 of the Earth's radius; two rows may be all but equally near
        np.testing.assert_allclose(found[row], expected, atol=0.012)


def test_a_rate_periodic_in_a_day_of_whole_revolutions_is_found_again():
    period = 100.0  # 16 of them, and 15, come back to the same rate
    time = np.arange(0.0, 6000.0)
    rate = (100 + 10 * np.sin(2 * np.pi * time / period))[:, None]
    place = np.full(len(time), 5.0)  # it does not move: there is nothing to search
    track = ground_track(time, one_segment(time), place, place)
    otherwise = np.full_like(rate, np.nan)
    fold = (time // period % 7).astype(int)
    found = same_ground(rate, time, track, fold=fold, learn=np.ones(6000, bool), period=period, otherwise=otherwise)
    np.testing.assert_allclose(found[1600:-1600], rate[1600:-1600], rtol=1e-9)


@given(seed=st.integers(0, 999), rows=st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_few_rows_and_gaps_fall_back(seed, rows):
    rng = np.random.default_rng(seed)
    time = T0 + np.sort(rng.uniform(0, 4000, rows))
    rate, fold, learn = rng.uniform(1, 9, (rows, 2)), rng.integers(0, 3, rows), rng.random(rows) < 0.7
    track = ground_track(time, np.arange(rows) // 3, *orbit(time))
    mapped = climatology(rate, track, fold, learn)
    others = np.array([(learn & (fold != own)).any() for own in fold])
    np.testing.assert_array_equal(np.isfinite(mapped).all(axis=1), others)
    ground = same_ground(rate, time, track, fold=fold, learn=learn, period=PERIOD, otherwise=mapped)
    np.testing.assert_array_equal(ground, mapped)  # a mission shorter than 15 revolutions
    np.testing.assert_array_equal(polynomial(rate, time, learn, mapped), mapped)


# the polynomial


@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=15)
def test_it_is_the_cubic_of_polyfit(seed):
    rng = np.random.default_rng(seed)
    time = T0 + np.arange(0.0, 9000.0, 2.0)
    first, length = rng.integers(0, 4000), rng.integers(1, 1500)
    time = np.delete(time, np.arange(first, min(first + length, 4500)))
    rate = rng.uniform(0, 900, (len(time), 2))
    learn = rng.random(len(time)) < 0.8
    otherwise = np.full_like(rate, -1.0)
    found = polynomial(rate, time, learn, otherwise)
    for row in rng.integers(0, len(time), 25):
        away = np.abs(time - time[row])
        used = learn & (away > 150) & (away <= 1800)
        if used.sum() < 300:
            np.testing.assert_array_equal(found[row], -1.0)
            continue
        x = (time[used] - time[row]) / 1800
        expected = [np.polyfit(x, rate[used, b], 3)[-1] for b in range(2)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-4)


def test_a_cubic_months_after_the_first_row_is_found_exactly():
    late = 1e7  # s: an hour's worth of powers of this would drown
    time = T0 + np.concatenate([np.arange(3000.0), late + np.arange(6000.0)])
    x = (time - T0 - late) / 6000
    rate = (500 + 300 * x - 200 * x**2 + 90 * x**3)[:, None]
    found = polynomial(rate, time, np.ones(9000, bool), np.zeros_like(rate))
    np.testing.assert_allclose(found[3000:], rate[3000:], rtol=1e-8)


def test_what_happens_within_the_hole_is_not_seen():
    time = T0 + np.arange(6000.0)
    rate = np.full((6000, 1), 50.0)
    rate[2900:3101] = 1e5
    found = polynomial(rate, time, np.ones(6000, bool), np.zeros_like(rate))
    np.testing.assert_allclose(found[2951:3050], 50.0, rtol=1e-9)
    assert abs(found[3300, 0] - 50) > 100
