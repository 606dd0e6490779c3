"""A stretch of the orbit against its parts, gone through point by point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.field import cutoff_rigidity, shell
from polarbgb.simulation.orbit import START, orbit
from polarbgb.simulation.saa import EDGE, RIM
from polarbgb.simulation.trajectory import Past, follow, past

DAY = 86400.0
NONE = np.empty((0, 2))
HOLES = START + np.array([[9000.0, 12_000.0], [30_000.0, 30_010.0]])


@pytest.fixture(scope="module")
def day(field):
    return follow(field, START + np.arange(0, DAY, 4.0), holes=HOLES, before=Past())


def test_field_is_that_at_the_place(field, day):
    place = orbit(day.time)
    vector = field.at(place.glat, place.glon, place.altitude)
    np.testing.assert_array_equal(day.field, vector)
    np.testing.assert_allclose(day.strength, np.sqrt((vector**2).sum(axis=0)))
    np.testing.assert_array_equal(day.cutoff, cutoff_rigidity(vector, place.altitude))
    np.testing.assert_array_equal(day.shell, shell(vector, place.altitude))


def test_cutoff_and_shell_are_in_the_range_of_low_orbits(day):
    assert 0.5 < day.cutoff.min() < 3
    assert 12 < day.cutoff.max() < 18
    assert 1 < day.shell.min() < 1.1
    assert 2.5 < day.shell.max() < 6


def test_data_are_taken_outside_the_anomaly_and_the_holes(day):
    for n in range(0, len(day.time), 7):
        blind = any(start <= day.time[n] < stop for start, stop in HOLES)
        assert day.blind[n] == blind
        assert day.taken[n] == (day.strength[n] >= EDGE and not blind)


def test_revolutions_are_counted_from_the_start_as_the_file_does(day):
    assert day.revolution[0] == 0
    np.testing.assert_allclose(np.diff(day.revolution) * 5535.4, 4, atol=1e-6)


def test_time_since_data_are_taken_again_by_going_through_them(day):
    last = -np.inf
    for time, taken, since in zip(day.time, day.taken, day.since_on, strict=True):
        last = last if taken else time
        assert since == time - last


def test_time_since_data_are_taken_again_is_large_where_they_were_never_missing(day):
    first = np.argmin(day.taken)
    assert first > 100
    assert (day.since_on[:first] > DAY).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(2, 21_500))
def test_two_stretches_are_as_good_as_one(field, day, cut):
    first = follow(field, day.time[:cut], holes=HOLES, before=Past())
    second = follow(field, day.time[cut:], holes=HOLES, before=first.after)
    for name in ("off", "since", "activation"):
        both = np.concatenate([getattr(part.anomaly, name) for part in (first, second)])
        np.testing.assert_allclose(both, getattr(day.anomaly, name), atol=1e-6)
    for name in ("taken", "since_on"):
        both = np.concatenate([getattr(part, name) for part in (first, second)])
        np.testing.assert_array_equal(both, getattr(day, name))


def test_a_restart_on_the_seam_of_two_stretches_is_one(field):
    time = START + np.arange(0, DAY / 2, 4.0)
    whole = follow(field, time, holes=NONE, before=Past())
    at = np.flatnonzero((whole.anomaly.since > 400) & (whole.strength > RIM + 5000))[0]
    first = follow(field, time[:at], holes=NONE, before=Past())
    second = follow(field, time[at:] + 65, holes=NONE, before=first.after)
    assert first.anomaly.since[-1] > 0
    assert (second.anomaly.since[:50] == 0).all()


@pytest.mark.parametrize(("lost", "forgets"), [(12.0, False), (65.0, True)])
def test_only_a_long_interruption_of_the_clock_is_a_restart(field, lost, forgets):
    time = START + np.arange(0, DAY / 2, 4.0)
    whole = follow(field, time, holes=NONE, before=Past())
    # Well after a pass, where the next is not yet near.
    at = np.flatnonzero((whole.anomaly.since > 400) & (whole.strength > RIM + 5000))[0]
    broken = np.concatenate([time[:at], time[at:] + lost])
    since = follow(field, broken, holes=NONE, before=Past()).anomaly.since
    assert since[at - 1] == whole.anomaly.since[at - 1] > 0
    if forgets:
        assert (since[at : at + 50] == 0).all()
        assert since[-1] > 0  # from the next pass on it is known again
    else:
        np.testing.assert_allclose(since[at : at + 50], whole.anomaly.since[at : at + 50] + lost)


def test_past_activates_but_is_not_known_to_the_file(field):
    memory = past(field).anomaly
    assert memory.exit == -np.inf
    assert min(memory.activation) > 0
    # Going on for three days more changes no more of it than the places of the passes do.
    before = follow(field, START + np.arange(-6 * DAY, -3 * DAY, 4.0), holes=NONE, before=Past())
    longer = follow(field, START + np.arange(-3 * DAY, 0, 4.0), holes=NONE, before=before.after)
    np.testing.assert_allclose(memory.activation, longer.anomaly.memory.activation, rtol=0.02)
    assert memory.inside == longer.anomaly.memory.inside
