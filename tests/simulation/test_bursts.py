"""Pulse shapes against direct integration, and where events fall."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from polarbgb.simulation.bursts import HARD, Event, known_bursts, random_events
from polarbgb.simulation.orbit import START, orbit, sunlit
from polarbgb.simulation.rates import nested


def _event(start=1000.0, t90=10.0, peak=500.0):
    return Event("burst", "x", start, t90, peak, HARD)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.2, 100), st.floats(1, 5000))
def test_fluence_is_the_integral_of_the_norris_pulse(t90, peak):
    event = _event(t90=t90, peak=peak)
    length = event.stop - event.start
    rise, decay = 0.02 * length, 0.12 * length

    def pulse(t):
        return peak * np.exp(2 * np.sqrt(rise / decay) - rise / t - t / decay)

    begin, end = event.start + np.array([0.1, 0.3]) * length
    want = quad(pulse, begin - event.start, end - event.start)[0]
    assert event.fluence(np.array([begin]), np.array([end]))[0] == pytest.approx(want, rel=1e-3)


def test_ninety_percent_of_the_counts_fall_into_t90():
    event = _event()
    edges = np.array([event.start, event.t90_start, event.t90_start + event.t90, event.stop])
    shares = event.fluence(edges[:-1], edges[1:])
    np.testing.assert_allclose(shares / shares.sum(), [0.05, 0.9, 0.05], atol=1e-4)


def test_bins_of_any_width_hold_all_counts_and_none_lie_outside():
    event = _event(t90=0.3)
    edges = np.arange(990.0, 1030.0)
    counts = event.fluence(edges[:-1], edges[1:])
    assert counts.sum() == pytest.approx(event.fluence(np.array([0.0]), np.array([1e9]))[0])
    assert (counts[edges[1:] <= event.start] == 0).all()
    assert (counts[edges[:-1] >= event.stop] == 0).all()


def test_peak_is_the_highest_rate():
    event = _event(t90=40.0)
    edges = np.linspace(event.start, event.stop, 2000)
    rate = event.fluence(edges[:-1], edges[1:]) / np.diff(edges)
    assert rate.max() == pytest.approx(500, rel=1e-3)


def test_known_bursts_keep_their_published_brightness_and_trigger_near_the_onset():
    known = [("early", START - 5), ("GRB_170207A", START + 100), ("other", START + 200)]
    events = known_bursts(known, START, np.random.default_rng(0))
    assert [event.name for event in events] == ["GRB_170207A", "other"]
    assert events[0].peak == 800
    assert all(event.start < trigger < event.stop for event, (_, trigger) in zip(events, known[1:], strict=True))
    assert 70 <= events[1].peak <= 350


def test_events_of_a_day_start_in_it_flares_in_sunlight():
    rng = np.random.default_rng(5)
    events = [e for day in range(60) for e in random_events(START + day * 86400, START + (day + 1) * 86400, day, rng)]
    assert all(START <= event.start < START + 60 * 86400 for event in events)
    assert len({event.name for event in events}) == len(events)
    flares = np.array([event.start for event in events if event.kind == "flare"])
    assert 50 < len(flares) < 140
    assert sunlit(orbit(flares), flares).all()
    bursts = [event for event in events if event.kind == "burst"]
    assert 100 < len(bursts) < 220
    assert min(event.t90 for event in bursts) >= 0.19
    assert max(event.t90 for event in bursts) <= 101
    for event in events:
        assert nested(event.spectrum)[0] == pytest.approx(1)  # peaks are told in bin 0
