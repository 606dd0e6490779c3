"""Backgrounds without a model, against polyfit and rates that repeat exactly."""

import numpy as np
import pytest

from polarbgb.background.baselines import climatology, ground_track, polynomial, same_ground


def test_a_cubic_is_followed_through_its_own_hole():
    time = np.arange(0, 8000, 4.0)
    rate = np.polynomial.Polynomial([900, 0.02, -3e-6, 2e-9])(time - 3000)[:, None]
    found = polynomial(rate, time, np.ones(len(time), bool), np.zeros_like(rate))
    np.testing.assert_allclose(found, rate, rtol=1e-6)


def test_the_polynomial_is_that_of_polyfit():
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(0, 6000, 3000))
    rate = rng.normal(1000, 30, (3000, 1))
    found = polynomial(rate, time, np.ones(3000, bool), np.zeros_like(rate))
    for row in (700, 1500, 2400):
        apart = np.abs(time - time[row])
        used = (apart <= 1800) & (apart > 150)
        fit = np.polyfit(time[used] - time[row], rate[used, 0], 3)
        assert found[row, 0] == pytest.approx(fit[-1], rel=1e-6)


def test_a_burst_does_not_lift_the_polynomial_under_it():
    time = np.arange(0, 8000, 4.0)
    rate = np.full((2000, 1), 500.0)
    rate[990:1010] += 1000
    found = polynomial(rate, time, np.ones(2000, bool), np.zeros_like(rate))
    assert found[1000, 0] == pytest.approx(500)


def test_few_rows_take_what_stands_in():
    otherwise = np.full((50, 2), 7.0)
    found = polynomial(np.ones((50, 2)), np.arange(50.0), np.ones(50, bool), otherwise)
    np.testing.assert_array_equal(found, otherwise)


def orbiting(days=2.5, period=5760.0):
    """Fifteen revolutions are a day: the ground track repeats exactly."""
    time = np.arange(0, days * 86400, 20.0)
    turn = 2 * np.pi * time / period
    latitude = 40 * np.sin(turn)
    longitude = (np.degrees(turn) - time * 360 / 86400) % 360
    rate = (800 + 5 * latitude + 100 * np.cos(np.radians(longitude)))[:, None]
    return time, latitude, longitude, rate, period


def test_the_same_ground_a_day_apart_repeats():
    time, latitude, longitude, rate, period = orbiting()
    track = ground_track(time, np.zeros(len(time), int), latitude, longitude)
    fold = (time // period % 4).astype(int)
    learn = np.ones(len(time), bool)
    found = same_ground(rate, time, track, fold, learn, period=period, otherwise=np.zeros_like(rate))
    some = found[:, 0] > 0
    assert some.mean() > 0.5
    assert np.abs(found[some] / rate[some] - 1).max() < 0.25
    assert np.median(np.abs(found[some] / rate[some] - 1)) < 0.02


def test_a_map_learns_from_other_folds_alone():
    time, latitude, longitude, rate, _ = orbiting(days=4)
    track = ground_track(time, np.zeros(len(time), int), latitude, longitude)
    fold = (time // 86400 % 3).astype(int)  # each ground track comes once a day
    lifted = np.where((fold == 1)[:, None], rate + 1e4, rate)
    learn = np.ones(len(time), bool)
    plain, other = (climatology(r, track, fold, learn) for r in (rate, lifted))
    np.testing.assert_allclose(plain[fold == 1], other[fold == 1], rtol=1e-9)
    assert np.median(np.abs(plain / rate - 1)) < 0.02
