"""Backgrounds without a model, against polyfit and rates that repeat exactly."""

import numpy as np
import pytest

from polarbgb.background.simple_models import (
    climatology,
    ground_track,
    polynomial,
    same_ground,
    same_ground_revolutions,
)


def test_a_cubic_is_followed_through_its_own_hole():
    time = np.arange(0, 8000, 4.0)
    rate = np.polynomial.Polynomial([900, 0.02, -3e-6, 2e-9])(time - 3000)[:, None]
    found = polynomial(rate, time, np.ones(len(time), bool), gap=150, otherwise=np.zeros_like(rate))
    np.testing.assert_allclose(found, rate, rtol=1e-6)


def test_the_polynomial_is_that_of_polyfit():
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(0, 6000, 3000))
    rate = rng.normal(1000, 30, (3000, 1))
    found = polynomial(rate, time, np.ones(3000, bool), gap=240, otherwise=np.zeros_like(rate))
    for row in (700, 1500, 2400):
        apart = np.abs(time - time[row])
        used = (apart <= 1800) & (apart > 240)
        fit = np.polyfit(time[used] - time[row], rate[used, 0], 3)
        assert found[row, 0] == pytest.approx(fit[-1], rel=1e-6)


def test_a_burst_does_not_lift_the_polynomial_under_it():
    time = np.arange(0, 8000, 4.0)
    rate = np.full((2000, 1), 500.0)
    rate[990:1010] += 1000
    found = polynomial(rate, time, np.ones(2000, bool), gap=150, otherwise=np.zeros_like(rate))
    assert found[1000, 0] == pytest.approx(500)


def test_few_rows_take_what_stands_in():
    otherwise = np.full((50, 2), 7.0)
    found = polynomial(np.ones((50, 2)), np.arange(50.0), np.ones(50, bool), gap=150, otherwise=otherwise)
    np.testing.assert_array_equal(found, otherwise)


T0 = 1_483_525_445.6


def orbiting(days=2.5, period=5760.0):
    """Fifteen revolutions are a day: the ground track repeats exactly."""
    time = np.arange(0, days * 86400, 20.0)
    turn = 2 * np.pi * time / period
    latitude = 40 * np.sin(turn)
    longitude = (np.degrees(turn) - time * 360 / 86400) % 360
    rate = (800 + 5 * latitude + 100 * np.cos(np.radians(longitude)))[:, None]
    return time, latitude, longitude, rate, period


def test_the_same_ground_on_other_days_repeats():
    time, latitude, longitude, rate, period = orbiting()
    track = ground_track(time, np.zeros(len(time), int), latitude, longitude)
    fold = (time // period % 4).astype(int)
    learn = np.ones(len(time), bool)
    found = same_ground(rate, time, track, fold, learn, period=period, otherwise=np.zeros_like(rate))
    some = found[:, 0] > 0
    assert some.mean() > 0.9
    apart = np.abs(found[some] / rate[some] - 1)
    assert (apart < 1e-6).mean() > 0.99  # a fold's last rows have their twins in the next one
    assert apart.max() < 0.04


def test_a_position_noted_twice_does_not_stand_still():
    time, latitude, *_ = orbiting(days=0.2)
    fine = np.arange(0, time[-1], 1.0)
    at = fine // 2 * 2
    twice = ground_track(fine, np.zeros(len(fine), int), np.interp(at, time, latitude), np.zeros(len(fine)))
    speed = np.degrees(np.linalg.norm(twice.velocity, axis=1))
    expected = np.abs(np.gradient(np.interp(fine, time, latitude)))
    np.testing.assert_allclose(speed[60:-60], expected[60:-60], atol=0.003)


@pytest.mark.parametrize("period", [5380.0, 5516.0, 5700.0])
def test_the_nodal_period_is_that_of_the_track(period):
    time = T0 + np.arange(0, 4 * 86400, 20.0)
    turn = 2 * np.pi * (time - T0) / period
    latitude = 43 * np.sin(turn)
    longitude = (np.degrees(turn) - (time - T0) * 360 / 84800) % 360  # the node precesses
    held = (time - T0) % 30_000 < 24_000  # every fifth revolution or so is missing
    track = ground_track(time[held], np.zeros(held.sum(), int), latitude[held], longitude[held])
    nodal, revolutions = same_ground_revolutions(time[held], track, 5535.4)
    assert nodal == pytest.approx(period, abs=0.2)
    shift = [(n * period / 84800 * 360 + 180) % 360 - 180 for n in range(-130, 131)]
    expected = [
        n for n, s in zip(range(-130, 131), shift, strict=True) if n and abs(s) <= 20 and abs(n) * period <= 8 * 86400
    ]
    assert list(revolutions) == expected


def test_the_row_taken_is_the_nearest_on_the_ground():
    rng = np.random.default_rng(3)
    time = np.arange(0, 1.3 * 86400, 10.0)
    turn = 2 * np.pi * time / 5516
    latitude, longitude = (
        np.degrees(np.arcsin(0.68 * np.sin(turn))),
        np.degrees(np.arctan2(0.73 * np.sin(turn), np.cos(turn))) - time * 360 / 84773,
    )
    track = ground_track(time, np.zeros(len(time), int), latitude, longitude)
    fold = (time >= 43_200).astype(int)  # every row has one source at most: a day earlier, or later
    rate = np.arange(len(time), dtype=float)[:, None]
    found = same_ground(
        rate, time, track, fold, np.ones(len(time), bool), period=5535.4, otherwise=np.full_like(rate, np.nan)
    )[:, 0]
    nodal, revolutions = same_ground_revolutions(time, track, 5535.4)
    some = rng.choice(np.flatnonzero(np.isfinite(found)), 50, replace=False)
    for row in some:
        taken = []
        for number in revolutions:
            near = np.flatnonzero((np.abs(time - time[row] - number * nodal) <= 300) & (fold != fold[row]))
            if len(near):
                cosine = track.direction[near] @ track.direction[row]
                taken.append(near[cosine.argmax()])
        assert found[row] == pytest.approx(np.mean(taken), abs=1.0)


def test_a_map_learns_from_other_folds_alone():
    time, latitude, longitude, rate, _ = orbiting(days=4)
    track = ground_track(time, np.zeros(len(time), int), latitude, longitude)
    fold = (time // 86400 % 3).astype(int)  # each ground track comes once a day
    lifted = np.where((fold == 1)[:, None], rate + 1e4, rate)
    learn = np.ones(len(time), bool)
    plain, other = (climatology(r, track, fold, learn) for r in (rate, lifted))
    np.testing.assert_allclose(plain[fold == 1], other[fold == 1], rtol=1e-9)
    assert np.median(np.abs(plain / rate - 1)) < 0.04
