"""The events of a day: their numbers, and whether they happen where and when they can."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.attitude import detector_axes
from polarbgb.simulation.orbit import START, orbit
from polarbgb.simulation.population import PUBLISHED, Occasions, events_of_day, known_bursts, occasions
from polarbgb.simulation.rates import nested
from polarbgb.simulation.recipe import Recipe
from polarbgb.simulation.saa import EDGE
from polarbgb.simulation.sky import sunlit
from polarbgb.simulation.sources import CRAB

DAY = 86400.0
KINDS = {
    "long_bursts": "burst",
    "short_bursts": "short_burst",
    "flares": "flare",
    "particles": "particles",
    "saa_edges": "saa_edge",
    "sags": "sag",
    "gain_steps": "gain_step",
    "telemetry_spikes": "telemetry_spike",
    "crab_steps": "crab_step",
}
DAYS, RATE = 800, 0.5
# Of the mission's equinox, as the orbit is.
_CRAB = SkyCoord("05h34m31.95s +22d00m52.2s").transform_to(FK5(equinox=Time(START, format="unix"))).cartesian.xyz.value


def _recipe(rate=0.0, **others):
    return Recipe(**(dict.fromkeys(KINDS, rate) | others))


def _seed(day):
    return np.random.default_rng([7, day])


@pytest.fixture(scope="module")
def when(field):
    return occasions(field, START, START + DAY)


@pytest.fixture(scope="module")
def days(when):
    """The events of many days of which all have the same occasions."""
    return [events_of_day(_recipe(RATE), day, when, _seed(day)) for day in range(DAYS)]


@pytest.fixture(scope="module")
def by_kind(days):
    return {kind: [event for day in days for event in day if event.kind == kind] for kind in KINDS.values()}


# The occasions themselves.


def test_occasions_are_those_of_the_orbit(field, when):
    np.testing.assert_allclose(np.diff(when.time), 4)
    place = orbit(when.time)
    strength = np.linalg.norm(field.at(place.glat, place.glon, place.altitude), axis=0)
    np.testing.assert_array_equal(when.off, strength < EDGE)
    np.testing.assert_array_equal(when.sun, sunlit(place, when.time))
    dip = np.sqrt(1 - (6371.2 / (6371.2 + place.altitude)) ** 2)
    np.testing.assert_array_equal(when.crab, place.zenith @ _CRAB > -dip)


_bools = st.lists(st.booleans(), min_size=2, max_size=40)


@settings(deadline=None, max_examples=30)
@given(_bools)
def test_entries_exits_and_passages_by_going_through_them(flags):
    time = 4.0 * np.arange(len(flags))
    flag = np.array(flags)
    made = Occasions(time, flag, flag, flag)
    entries, exits, passages, rise = [], [], [], None
    for before, here, now in zip(flags, flags[1:], range(1, len(flags)), strict=False):
        if here and not before:
            entries.append(time[now - 1])
            rise = time[now]
        if before and not here:
            exits.append(time[now])
            if rise is not None:
                passages.append((rise, time[now]))
    assert made.entries.tolist() == entries
    assert made.exits.tolist() == exits
    assert [tuple(one) for one in made.crab_passages.tolist()] == passages


# Numbers and names.


@pytest.mark.parametrize("setting", KINDS)
def test_numbers_a_day_are_poisson_around_the_recipe(days, setting):
    counts = np.array([sum(event.kind == KINDS[setting] for event in day) for day in days])
    # Of two at the same time one is left out: that counts for what lasts for hours.
    lost = 0.1 if setting == "gain_steps" else 0.03
    assert (1 - lost) * RATE * DAYS - 80 < counts.sum() < RATE * DAYS + 80  # four deviations of 20
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.2)


def test_a_rate_of_zero_gives_none(when):
    assert [events_of_day(_recipe(), day, when, _seed(day)) for day in range(50)] == [[]] * 50


@pytest.mark.parametrize("setting", KINDS)
def test_a_setting_gives_events_of_its_own_kind_alone(when, setting):
    drawn = [event for day in range(5) for event in events_of_day(_recipe(**{setting: 2}), day, when, _seed(day))]
    assert {event.kind for event in drawn} == {KINDS[setting]}


@pytest.mark.parametrize("setting", KINDS)
def test_the_rate_of_one_kind_does_not_disturb_the_others(when, setting):
    def others(recipe):
        drawn = [event for day in range(8) for event in events_of_day(recipe, day, when, _seed(day))]
        return [(event.name, event.start, event.stop, event.peak) for event in drawn if event.kind != KINDS[setting]]

    kept = others(_recipe(1.0))
    assert len(kept) > 20
    assert others(_recipe(1.0, **{setting: 4.0})) == kept


def test_names_are_unique_and_tell_kind_and_day(days):
    names = [event.name for day in days for event in day]
    assert len(set(names)) == len(names)
    for number, day in enumerate(days[:100]):
        assert all(event.name.startswith(f"{event.kind}_{number:04d}_") for event in day)


def test_two_of_a_kind_do_not_overlap_on_a_day(when):
    for day in range(20):
        drawn = events_of_day(_recipe(6.0), day, when, _seed(day))
        for kind in KINDS.values():
            spans = sorted((event.start, event.stop) for event in drawn if event.kind == kind)
            assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_kinds_are_drawn_apart(days):
    counts = np.array([[sum(event.kind == kind for event in day) for kind in KINDS.values()] for day in days])
    # Of 800 days chance correlations are known to .035.
    assert np.abs(np.corrcoef(counts.T) - np.eye(len(KINDS))).max() < 0.15


# What happens where.


@pytest.mark.parametrize("kind", ["burst", "short_burst", "flare", "particles", "gain_step", "telemetry_spike"])
def test_events_begin_in_their_day_at_any_time(by_kind, when, kind):
    starts = (np.array([event.start for event in by_kind[kind]]) - START) / DAY
    assert 0 <= starts.min() < 0.1
    assert 0.9 < starts.max() <= 1
    assert starts.mean() == pytest.approx(0.5, abs=0.08)  # the mean of 400 is known to .015


def test_flares_start_in_sunlight(by_kind):
    starts = np.array([event.start for event in by_kind["flare"]])
    # Occasions are read every 4 s, by which one may begin just after sunset.
    lit = sunlit(orbit(starts), starts) | sunlit(orbit(starts - 4), starts - 4)
    assert lit.all()
    assert sunlit(orbit(starts), starts).mean() > 0.98


def test_sags_sink_until_the_detector_is_switched_off(by_kind, when):
    for event in by_kind["sag"]:
        at = int(np.argmin(np.abs(when.time - event.stop)))
        assert when.time[at] == pytest.approx(event.stop)
        assert when.off[at]
        assert not when.off[at - 1]
        assert event.effect == "scales"
        assert -1 < event.peak < 0
        edges = np.linspace(event.start, event.stop, 20)
        assert (np.diff(event.level(edges[:-1], edges[1:])) < 0).all()


def test_edges_lie_outside_the_anomaly_and_within_minutes_of_it(by_kind, when):
    signs = set()
    for event in by_kind["saa_edge"]:
        after = event.start - when.exits[when.exits <= event.start]
        before = when.entries[when.entries >= event.stop] - event.stop
        assert min([*after, *before]) <= 180
        inside = (when.time > event.start) & (when.time < event.stop)
        assert not when.off[inside].any()
        signs.add((event.effect, bool(event.peak > 0)))
    assert signs == {("adds", True), ("scales", False)}


def test_crab_steps_last_from_rising_to_setting(by_kind):
    crab = _CRAB
    for event in by_kind["crab_step"][:100]:
        time = np.concatenate([[event.start - 4], np.arange(event.start, event.stop, 4.0), [event.stop]])
        place = orbit(time)
        up = place.zenith @ crab > -np.sqrt(1 - (6371.2 / (6371.2 + place.altitude)) ** 2)
        np.testing.assert_array_equal(up, [False, *[True] * (len(time) - 2), False])


def test_crab_steps_add_what_the_detector_sees_of_the_crab(by_kind):
    event = by_kind["crab_step"][0]
    time = np.linspace(event.start + 10, event.stop - 10, 50)
    place = orbit(time)
    want = CRAB.rate * CRAB.exposure(place, detector_axes(place, time)[0]) * nested(CRAB.shares)[0]
    np.testing.assert_allclose(event.level(time, time + 1), want, atol=0.03 * want.max())


def test_without_sun_anomaly_or_crab_there_are_no_events_that_need_them(when):
    never = np.zeros(len(when.time), bool)
    dark = Occasions(when.time, never, never, never)
    kinds = {event.kind for day in range(20) for event in events_of_day(_recipe(2.0), day, dark, _seed(day))}
    assert kinds == set(KINDS.values()) - {"flare", "saa_edge", "sag", "crab_step"}


# What they are like.


def test_peaks_are_told_in_bin_0_and_only_what_adds_has_a_spectrum(by_kind):
    for events in by_kind.values():
        for event in events:
            assert nested(event.spectrum)[0] == pytest.approx(1 if event.effect == "adds" else 0)
            assert event.spectrum.min() >= 0
            assert event.stop > event.start


@pytest.mark.parametrize(
    ("kind", "shortest", "longest"),
    [("short_burst", 0.05, 2.0), ("burst", 2.0, 200.0), ("flare", 1.0, 3600.0), ("telemetry_spike", 0.5, 3.0)],
)
def test_events_last_as_long_as_their_kind_does(by_kind, kind, shortest, longest):
    # Night ends a flare early, now and then within seconds.
    lengths = np.array([event.t90 for event in by_kind[kind]])
    assert shortest < lengths.min() < np.median(lengths) < lengths.max() <= longest


def test_number_of_long_bursts_falls_as_a_power_of_their_peak(by_kind):
    peaks = np.array([event.peak for event in by_kind["burst"]])
    brighter = [(peaks > limit).sum() for limit in (80, 160, 320)]
    # N(> P) ~ P^-1.3; of some 270 and 110 bursts the ratios are known to .03 and .05.
    assert brighter[1] / brighter[0] == pytest.approx(2**-1.3, abs=0.1)
    assert brighter[2] / brighter[1] == pytest.approx(2**-1.3, abs=0.15)


def test_flares_are_softer_than_bursts_and_short_bursts_harder(by_kind):
    def hardness(kind):
        bins = np.array([nested(event.spectrum) for event in by_kind[kind]])
        return np.median(bins[:, 8] / bins[:, 5])

    assert hardness("flare") < hardness("burst") < hardness("short_burst")


def test_gain_is_off_by_percents_in_both_directions(by_kind):
    peaks = np.array([event.peak for event in by_kind["gain_step"]])
    assert {event.effect for event in by_kind["gain_step"]} == {"gain"}
    assert 0.001 < np.abs(peaks).min() < np.abs(peaks).max() < 0.1
    assert 0.4 < (peaks > 0).mean() < 0.6


def test_the_front_end_sees_of_bursts_what_leaks_and_of_others_what_they_bring(when):
    def drawn(leak):
        return [e for day in range(20) for e in events_of_day(_recipe(1.0, leak=leak), day, when, _seed(day))]

    for none, half in zip(drawn(0), drawn(0.5), strict=True):
        assert none.name == half.name
        if none.kind in {"burst", "short_burst"}:
            assert (none.cosmic, half.cosmic) == (0, 0.5)
        else:
            assert none.cosmic == half.cosmic
            assert (none.cosmic > 0) == (none.effect == "adds" and none.kind in {"particles", "saa_edge"})


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_the_same_seed_gives_the_same_day(when, seed):
    one, again = (events_of_day(_recipe(1.0), 3, when, np.random.default_rng(seed)) for _ in range(2))
    assert [(e.name, e.start, e.peak) for e in one] == [(e.name, e.start, e.peak) for e in again]


# Known bursts.

KNOWN = [("early", START - 5), ("GRB_170207A", START + 100), ("other", START + 200)]


def _known(known=KNOWN, start=START, leak=0.02):
    return known_bursts(known, start=start, leak=leak, rng=np.random.default_rng(0))


def test_known_bursts_begin_at_their_trigger_and_earlier_ones_are_left_out():
    events = _known()
    assert [event.name for event in events] == ["GRB_170207A", "other"]
    for event, (_, trigger) in zip(events, KNOWN[1:], strict=True):
        assert event.t90_start == pytest.approx(trigger, abs=1e-3)
        assert event.kind == "known"
        assert event.cosmic == 0.02
        assert nested(event.spectrum)[0] == pytest.approx(1)


def test_known_bursts_have_the_brightness_of_the_published_light_curves():
    # From one level to another in rate[0], Hz.
    steps = {"GRB_170206A": (740, 1900), "GRB_170114A": (1000, 1650), "GRB_170207A": (750, 1370)}
    steps |= {"GRB_170202B": (700, 1150), "GRB_170210A": (830, 1480)}
    events = _known([(name, START + 1000.0 * n) for n, name in enumerate(steps)])
    for event, (before, peak) in zip(events, steps.values(), strict=True):
        # In the second that holds most of it, gone through in steps of a twentieth.
        begin = np.arange(event.start - 1, event.stop, 0.05)
        assert event.level(begin, begin + 1).max() == pytest.approx(peak - before, rel=0.02)
    durations = {event.name: event.t90 for event in events}
    assert durations["GRB_170206A"] < 2
    assert [durations[name] for name in ("GRB_170207A", "GRB_170202B", "GRB_170210A")] == pytest.approx([45, 25, 40])


def test_published_bursts_are_in_the_list_of_known_ones():
    path = Path(__file__).resolve().parents[2] / "data/grbs.csv"
    with path.open(newline="") as table:
        assert set(PUBLISHED) <= {row["GRB_Name"] for row in csv.DictReader(table)}


def test_a_later_start_leaves_the_remaining_known_bursts_as_they_are():
    all_, later = _known(), _known(start=START + 150)
    assert [(e.name, e.start, e.stop, e.peak) for e in later] == [(e.name, e.start, e.stop, e.peak) for e in all_[1:]]


def test_unpublished_bursts_are_faint():
    events = _known([(f"GRB_{n}", START + n) for n in range(100)])
    # Most of POLAR's stayed below 1.3 times a background of some 700 Hz.
    peaks = np.array([event.peak for event in events])
    assert 0 < peaks.min() < np.median(peaks) < 0.3 * 750
    assert peaks.max() < 450
