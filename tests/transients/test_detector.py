"""On Poisson counts, the detector finds injected transients and lists no more false alarms than requested."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from polarbgb.background.cleaning import with_margin
from polarbgb.transients.candidates import disjoint
from polarbgb.transients.counts import counts_of
from polarbgb.transients.detector import Detector, learn_detector, measure_control, search
from polarbgb.transients.false_alarms import Control
from polarbgb.transients.hit_patterns import find_hit_patterns
from polarbgb.transients.injection import InjectionSite
from polarbgb.transients.noise import measure_noise
from polarbgb.transients.ranking import Ranking
from polarbgb.transients.search import find_transients, search_again, train_detector

pytestmark = pytest.mark.usefixtures("fewer_injections")

CADENCE, ORBIT, ORBITS, BINS = 10.0, 5500.0, 64, 3
BURSTS = ((5, 1200.0, 1, 0.6), (23, 3000.0, 4, 0.5), (40, 2000.0, 15, 0.3))
"""Orbit, start in it (s), number of rows, excess as a share of the background."""


def made(seed, bursts=(), orbits=ORBITS):
    """Return counts, background and time of three bins in orbits of which a sixth is missing."""
    time = np.arange(0.0, orbits * ORBIT, CADENCE)
    time = time[time % ORBIT < 4600]
    phase = 2 * np.pi * time / ORBIT
    expected = np.column_stack([400 + 120 * np.cos(phase), 200 + 24 * np.cos(phase), 100 + 10 * np.sin(phase)])
    factor = np.ones(len(time))
    for orbit, begin, rows, share in bursts:
        first = np.searchsorted(time, orbit * ORBIT + begin)
        factor[first : first + rows] += share
    return np.random.default_rng(seed).poisson(expected * factor[:, None]), expected, 1.5e9 + time


@pytest.fixture(scope="module")
def settings(make_settings):
    trigger = {"far": 3.0, "scales": [10.0, 40.0, 200.0], "sums": [[0, 1, 2]]}
    return make_settings(bins=BINS, cadence=CADENCE, trigger=trigger)


@pytest.fixture(scope="module")
def predicted(make_observed):
    """Return simulated counts as a prediction."""

    def lay_out(*args, **kwargs):
        return make_observed(*made(*args, **kwargs), cadence=CADENCE)

    return lay_out


@pytest.fixture(scope="module")
def trained(predicted, settings):
    """Return predictions of pure noise, and the detectors that were learned from them."""
    predictions = [predicted(seed) for seed in (1, 2)]
    return [(prediction, train_detector(prediction, settings)) for prediction in predictions]


def at(events, burst):
    orbit, begin, rows, _ = burst
    start = 1.5e9 + orbit * ORBIT + begin
    return events.filter(pl.col("t_start") < start + rows * CADENCE, pl.col("t_stop") > start)


def allowed(number):
    """Return three sigma of the difference of two counts, of the search and of the control."""
    return 3 * np.sqrt(2 * number)


@pytest.mark.parametrize("far", [1.0, 3.0, 10.0])
def test_of_noise_alone_as_many_are_listed_as_was_asked_for(trained, settings, far):
    asked = replace(settings, trigger=settings.trigger.model_copy(update={"far": far}))
    found = [search_again(prediction, asked, one) for prediction, one in trained]
    assert all(one.detector.ranking.learned for one in found)
    expected = far * sum(one.days for one in found)
    assert sum(len(one.events) for one in found) == pytest.approx(expected, abs=allowed(expected))
    for one in found:
        assert one.days == pytest.approx(ORBITS * 4600 / 86_400)
        assert len(one.events) == pytest.approx(far * one.days, abs=1.5 * allowed(far * one.days))
        assert (one.events["far"] <= far * (1 + 1e-9)).all()
        if far == 10.0:
            assert one.events["probability"].mean() < 0.5


def test_what_is_found_in_noise_ranks_as_high_as_its_control(trained, settings):
    found, control = [], []
    for prediction, one in trained:
        score = one.detector.ranking.score(one.sample.features, one.sample.orbit)
        found.append(score[disjoint(one.sample.candidates, score, counts_of(prediction, settings), settings.trigger)])
        control.append(one.detector.control.ranking)
    found, control = map(np.concatenate, (found, control))
    assert len(found) == pytest.approx(len(control), abs=allowed(len(found)))
    assert stats.ks_2samp(found, control).pvalue > 1e-3


def test_bright_transients_are_found_where_they_are(predicted, settings):
    found = find_transients(predicted(4, bursts=BURSTS), settings)
    assert found.detector.injected > 300
    for burst in BURSTS:
        orbit, begin, rows, share = burst
        (event,) = at(found.events, burst).rows(named=True)
        start = 1.5e9 + orbit * ORBIT + begin
        assert event["t_start"] == pytest.approx(start, abs=CADENCE * (1 + rows // 10))
        assert event["t_stop"] == pytest.approx(start + rows * CADENCE, abs=CADENCE * (1 + rows // 10))
        assert event["far_limit"]
        assert event["far"] == pytest.approx(1 / found.days)
        assert event["probability"] >= 0.66  # one more of the control would lie above all three
        excess, background = sum(event["counts"]) - sum(event["background"]), sum(event["background"])
        assert excess / background == pytest.approx(share, rel=0.25)
    listed = sum(len(at(found.events, burst)) for burst in BURSTS)
    others = len(found.events) - listed
    assert others == pytest.approx(3.0 * found.days, abs=allowed(3.0 * found.days))


def test_transients_that_are_added_are_found_by_a_detector_that_did_not_see_them(trained, settings, make_counts):
    prediction, one = trained[0]
    observed, expected, time = made(1, bursts=BURSTS)
    added = np.rint(observed - made(1)[0]).clip(0)
    counts = make_counts(made(1)[0] + added, expected, time, cadence=CADENCE, series=((0,), (1,), (2,), (0, 1, 2)))
    seen = search_again(prediction, settings, one, counts=counts)
    for burst in BURSTS:
        assert len(at(seen.events, burst)) == 1
    assert seen.detector is one.detector
    before = search_again(prediction, settings, one)
    assert all(at(before.events, burst).is_empty() for burst in BURSTS)


def test_a_stored_detector_ranks_another_file(trained, predicted, settings):
    detector = Detector.from_dict(trained[0][1].detector.as_dict())
    assert detector.ranking == trained[0][1].detector.ranking
    other = find_transients(predicted(7, bursts=BURSTS), settings, detector=detector)
    assert other.detector.ranking == detector.ranking
    for burst in BURSTS:
        (event,) = at(other.events, burst).rows(named=True)
        assert event["far_limit"]
    # The controls are pooled, so that the least rate is one in the live time of both.
    days = trained[0][1].detector.control.days + other.days
    assert other.detector.control.days == pytest.approx(days)
    assert other.events["far"].min() == pytest.approx(1 / days)
    expected = 3.0 * other.days
    assert len(other.events) - len(BURSTS) == pytest.approx(expected, abs=allowed(expected))


def test_a_detector_is_read_as_it_was_stored():
    detector = Detector(Ranking(("a", "b"), ("text",) * 5, 3.5), Control(np.array([1.0, 2.0]), 3.0), 17)
    again = Detector.from_dict(detector.as_dict())
    assert again.ranking == detector.ranking
    assert again.control.ranking.tolist() == [1.0, 2.0]
    assert (again.control.days, again.injected) == (3.0, 17)


def test_the_control_holds_no_transient(make_counts, settings):
    # Reflected transients are deficits, however bright they are.
    series = ((0,), (1,), (2,), (0, 1, 2))
    highest = []
    for bursts in ((), [(*burst[:3], 9.0) for burst in BURSTS]):
        observed, expected, time = made(5, bursts)
        loud = (observed > 2 * expected).all(axis=1)
        counts = make_counts(
            observed, expected, time, cadence=CADENCE, series=series, quiet=~with_margin(loud, time, 60.0)
        )
        noise = measure_noise(counts, settings.trigger)
        found = search(counts, noise, settings.trigger, threads=1)
        by_significance = Ranking(tuple(found.features), (), counts.days)
        control = measure_control(counts, noise, found, by_significance, settings.trigger, threads=1)
        assert (np.diff(control.ranking) >= 0).all()
        assert control.days == counts.days
        highest.append(control.ranking[-1])
        assert found.candidates.significance.max() > (50 if bursts else 3)
    assert highest[1] == pytest.approx(highest[0], abs=1.0)


def test_with_few_orbits_nothing_is_injected_and_the_significance_ranks(make_counts, settings, monkeypatch):
    observed, expected, time = made(6, orbits=10)
    counts = make_counts(observed, expected, time, cadence=CADENCE, series=((0,), (1,), (2,), (0, 1, 2)))
    site = InjectionSite(
        counts, np.ones(len(time)), np.ones(len(time), bool), np.full(len(time), np.nan), find_hit_patterns(counts)
    )
    noise = measure_noise(counts, settings.trigger)
    found = search(counts, noise, settings.trigger, threads=1)
    monkeypatch.setattr("polarbgb.transients.detector.draw", None)  # it would fail
    detector = learn_detector(site, noise, found, settings)
    assert (detector.injected, detector.ranking.learned) == (0, False)
    # At the scale of 10 s the noise is known from thousands of rows, at that of 200 s from 250 windows.
    assert detector.ranking.days == counts.days
    score, significance = detector.ranking.score(found.features, found.orbit), found.candidates.significance
    assert (score <= significance + 1e-6).all()
    np.testing.assert_allclose(score, significance, rtol=0.1)
    assert detector.control.days == counts.days
