"""Light curves against integrals of their shapes, and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, trapezoid
from scipy.optimize import curve_fit

from polarbgb.simulation import profiles

X = np.linspace(0, 1, 4001)
MIDDLE = (X[1:] + X[:-1]) / 2

seeds = st.integers(0, 10**6)


def _height(profile):
    """Return the light curve between neighbours of the grid, from its integral."""
    return np.diff(profile.until(X)) / np.diff(X)


@st.composite
def _any_profile(draw):
    rng = np.random.default_rng(draw(seeds))
    kinds = {
        "pulse": lambda: profiles.pulses(1, rng),
        "pulses": lambda: profiles.pulses(draw(st.integers(2, 8)), rng),
        "flare": lambda: profiles.flare(rng),
        "ragged": lambda: profiles.ragged(rng),
        "ramp": profiles.ramp,
        "plateau": profiles.plateau,
        "sampled": lambda: profiles.sampled(rng.uniform(0.1, 5, draw(st.integers(2, 100)))),
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))]()


@settings(deadline=None, max_examples=30)
@given(_any_profile(), st.lists(st.floats(-2, 3), min_size=2, max_size=20))
def test_integral_never_falls_and_is_constant_outside(profile, points):
    values = profile.until(np.sort(points))
    assert (np.diff(values) >= 0).all()
    low, start, end, high = profile.until(np.array([-5.0, 0.0, 1.0, 7.0]))
    assert low == start == 0
    assert high == end > 0


@settings(deadline=None, max_examples=30)
@given(_any_profile())
def test_height_is_one_at_the_highest_and_nowhere_negative(profile):
    height = _height(profile)
    assert height.min() >= 0
    # Between two points of the grid a pulse of a thousandth would lose some of its tip.
    assert 0.95 < height.max() <= 1 + 1e-9


@settings(deadline=None, max_examples=30)
@given(_any_profile())
def test_t90_is_the_time_between_five_and_ninety_five_percent(profile):
    fine = np.linspace(0, 1, 200_001)
    part = profile.until(fine) / profile.until(np.ones(1))
    start, stop = fine[np.argmax(part >= 0.05)], fine[np.argmax(part >= 0.95)]
    assert profile.t90 == pytest.approx(stop - start, abs=1e-5)
    assert 0 < profile.t90 < 1


@settings(deadline=None, max_examples=30)
@given(_any_profile(), st.floats(0.01, 0.99))
def test_reaches_undoes_the_integral(profile, fraction):
    x = profile.reaches(fraction)
    assert profile.until(np.array([x]))[0] == pytest.approx(fraction * profile.until(np.ones(1))[0], abs=1e-12)


def test_ramp_grows_as_the_square_and_ends_at_its_highest():
    ends = np.linspace(0, 1, 11)
    want = [quad(lambda x: x**2, 0, end)[0] for end in ends]
    np.testing.assert_allclose(profiles.ramp().until(ends), want, atol=1e-7)
    assert profiles.ramp().t90 == pytest.approx(0.95 ** (1 / 3) - 0.05 ** (1 / 3), abs=1e-4)


def test_plateau_stays_at_one_height():
    np.testing.assert_allclose(profiles.plateau().until(X), X, atol=1e-12)
    assert profiles.plateau().t90 == pytest.approx(0.9)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=41).filter(lambda values: max(values) > 0.1))
def test_sampled_follows_its_values(values):
    at = np.linspace(0, 1, len(values))
    height = np.array(values) / max(values)
    whole = trapezoid(height, at)
    assert profiles.sampled(np.array(values)).until(np.ones(1))[0] == pytest.approx(whole, abs=2e-3)
    knots = profiles.sampled(np.array(values)).until(at)
    want = [trapezoid(height[: n + 1], at[: n + 1]) for n in range(len(at))]
    np.testing.assert_allclose(knots, want, atol=2e-3)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_a_single_pulse_is_one_of_norris(seed):
    profile = profiles.pulses(1, np.random.default_rng(seed))
    height = _height(profile)
    bright = height > 0.01

    # exp(-a/x - x/b) has a logarithm that is linear in 1/x and x.
    base = np.stack([np.ones(bright.sum()), 1 / MIDDLE[bright], MIDDLE[bright]], axis=1)
    (level, rise, decay), *_ = np.linalg.lstsq(base, np.log(height[bright]), rcond=None)
    assert rise < 0
    assert decay < 0

    def pulse(x):
        return np.exp(level + rise / x + decay * x)

    for x in (0.1, 0.3, 1.0):
        # The tip lies at sqrt(a b): there the integral has its sharpest feature.
        want = quad(pulse, 1e-6, x, points=[min(np.sqrt(rise / decay), 0.99 * x)])[0]
        assert profile.until(np.array([x]))[0] == pytest.approx(want, rel=2e-3)


def test_bursts_of_several_pulses_are_longer_and_have_several_tips():
    def tips(number):
        found = []
        for seed in range(50):
            height = _height(profiles.pulses(number, np.random.default_rng(seed)))
            found.append(((height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:])).sum())
        return np.array(found)

    assert (tips(1) == 1).all()
    many = tips(6)
    assert many.max() <= 6
    assert np.median(many) >= 2


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_a_flare_rises_as_half_a_gaussian_and_decays_as_two_exponentials(seed):
    height = _height(profiles.flare(np.random.default_rng(seed)))
    tip = np.argmax(height)
    assert (np.diff(height[: tip + 1]) > 0).all()
    assert (np.diff(height[tip:]) < 0).all()
    # The logarithm of a Gaussian is a parabola, whose vertex is the tip.
    parabola = np.polyfit(MIDDLE[: tip - 1], np.log(height[: tip - 1]), 2)
    np.testing.assert_allclose(np.polyval(parabola, MIDDLE[: tip - 1]), np.log(height[: tip - 1]), atol=0.01)
    assert -parabola[1] / (2 * parabola[0]) == pytest.approx(MIDDLE[tip], abs=1e-3)

    def decay(x, first, one, second, other):
        return first * np.exp(-x / one) + second * np.exp(-x / other)

    after = MIDDLE[tip + 2 :] - MIDDLE[tip]
    (first, one, second, other), _ = curve_fit(decay, after, height[tip + 2 :], p0=(0.5, 0.1, 0.5, 0.4))
    np.testing.assert_allclose(decay(after, first, one, second, other), height[tip + 2 :], atol=1e-3)
    assert min(one, other) > 0
    # Solar flares fade more slowly than they rise.
    assert height[:tip].sum() < height[tip:].sum()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_bunches_begin_and_end_with_nothing_and_are_ragged(seed):
    height = _height(profiles.ragged(np.random.default_rng(seed)))
    assert height[0] < 0.05
    assert height[-1] < 0.05
    turns = np.diff(np.sign(np.diff(height)))
    assert (turns != 0).sum() >= 2


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_the_same_seed_gives_the_same_curve_and_another_a_different_one(seed):
    for draw in (lambda rng: profiles.pulses(2, rng), profiles.flare, profiles.ragged):
        one, again, other = (draw(np.random.default_rng(n)).until(X) for n in (seed, seed, seed + 1))
        np.testing.assert_array_equal(one, again)
        assert np.abs(one - other).max() > 1e-6
