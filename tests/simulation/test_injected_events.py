"""What events do to rates, against integrals and changes made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from polarbgb.simulation import profiles
from polarbgb.simulation.events import Event
from polarbgb.simulation.rates import CATEGORIES, QUIET, gained, nested

SPECTRUM = QUIET / nested(QUIET)[0]


def _event(profile=None, *, start=1000.0, length=10.0, effect="adds", peak=500.0):
    return Event("burst", start, start + length, profile or profiles.ramp(), effect, peak, SPECTRUM)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(0.1, 300), st.floats(-500, 5000), st.floats(-1, 1))
def test_level_over_bins_adds_up_to_peak_times_integral(seed, length, peak, phase):
    event = _event(profiles.pulses(2, np.random.default_rng(seed)), length=length, peak=peak)
    edges = np.arange(event.start - 3 + phase, event.stop + 5)
    total = (event.level(edges[:-1], edges[1:]) * np.diff(edges)).sum()
    assert total == pytest.approx(peak * length * event.profile.until(np.ones(1))[0])


@settings(deadline=None, max_examples=30)
@given(st.floats(995, 1010), st.floats(0.01, 5))
def test_level_is_the_mean_height_between_two_times(begin, width):
    def height(t):
        return 500 * ((t - 1000) / 10) ** 2 if 1000 < t < 1010 else 0.0

    inner = sorted({1000.0, 1010.0} & {t for t in (1000.0, 1010.0) if begin < t < begin + width})
    want = quad(height, begin, begin + width, points=inner or None)[0] / width
    got = _event().level(np.array([begin]), np.array([begin + width]))[0]
    assert got == pytest.approx(want, abs=0.01)


def test_nothing_lies_outside():
    edges = np.arange(900.0, 1100.0)
    level = _event().level(edges[:-1], edges[1:])
    assert (level[(edges[1:] <= 1000) | (edges[:-1] >= 1010)] == 0).all()
    assert (level[(edges[1:] > 1000) & (edges[:-1] < 1010)] > 0).all()


def test_peak_is_the_highest_rate_of_bin_0():
    event = _event(profiles.pulses(3, np.random.default_rng(4)), length=40.0)
    edges = np.linspace(event.start, event.stop, 4001)
    rate = event.level(edges[:-1], edges[1:])
    assert rate.max() == pytest.approx(500, rel=0.01)
    bins = nested(event.change(np.arange(1000.0, 1040.0), np.zeros((40, CATEGORIES))))
    np.testing.assert_allclose(bins[:, 0], event.level(np.arange(1000.0, 1040.0), np.arange(1001.0, 1041.0)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(0.1, 300))
def test_ninety_percent_of_it_fall_into_t90(seed, length):
    event = _event(profiles.pulses(1, np.random.default_rng(seed)), length=length)
    edges = np.array([event.start, event.t90_start, event.t90_start + event.t90, event.stop])
    parts = event.level(edges[:-1], edges[1:]) * np.diff(edges)
    np.testing.assert_allclose(parts / parts.sum(), [0.05, 0.9, 0.05], atol=1e-6)


def test_what_adds_brings_its_own_spectrum_whatever_the_background():
    begin = np.array([999.0, 1004.5, 1020.0])
    level = [0, 500 * ((0.55**3 - 0.45**3) / 3) * 10, 0]  # the integral of 500 x^2 over a tenth of the length
    for background in (np.zeros((3, CATEGORIES)), np.full((3, CATEGORIES), 70.0)):
        np.testing.assert_allclose(_event().change(begin, background), np.outer(level, SPECTRUM), atol=1e-4)


def test_what_scales_takes_a_share_of_the_background():
    event = _event(profiles.plateau(), effect="scales", peak=-0.3)
    background = np.arange(3.0 * CATEGORIES).reshape(3, CATEGORIES)
    # Fully inside, for the first half of a second only, and not at all.
    change = event.change(np.array([1003.0, 1009.5, 1011.0]), background)
    np.testing.assert_allclose(change, np.array([[-0.3], [-0.15], [0]]) * background, atol=1e-12)


def test_a_gain_moves_counts_over_the_thresholds():
    event = _event(profiles.plateau(), effect="gain", peak=0.04)
    background = np.tile(3000 * QUIET, (3, 1))
    change = event.change(np.array([1003.0, 1009.5, 1011.0]), background)
    np.testing.assert_allclose(change, gained(background, np.array([0.04, 0.02, 0])) - background, atol=1e-9)
    assert (nested(change)[0, :10] > 0).all()  # more of everything over every threshold
    less = replace(event, peak=-0.04).change(np.array([1003.0]), background[:1])
    np.testing.assert_allclose(less[0], -change[0], atol=1e-9)
