"""The orbit against SGP4, Kepler's law, astropy's sidereal time, and the rows of POLAR's own file."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SphericalRepresentation
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sgp4.api import WGS72, Satrec

from polarbgb.simulation.orbit import START, days_since_2000, orbit, sidereal_angle, unit_vector
from polarbgb.simulation.telemetry import LONG_HOLES, within

DAY = 86400.0
TIMES = START + np.arange(0, 3 * DAY, 20.0)
INCLINATION = np.radians(42.79)
LAST = 1489744798.8  # of the real file


@pytest.fixture(autouse=True)
def _offline():
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        yield


def _wrapped(degrees):
    return (degrees + 180) % 360 - 180


def _period(day):
    """Return the mean nodal period (s) around a day: the time between ascending crossings of the equator."""
    coarse = START + day * DAY + np.arange(-DAY, DAY, 60.0)
    glat = orbit(coarse).glat
    rising = np.flatnonzero((glat[:-1] < 0) & (glat[1:] >= 0))
    first, last = (
        brentq(lambda t: orbit(np.array([t])).glat[0], coarse[n], coarse[n + 1]) for n in (rising[0], rising[-1])
    )
    return (last - first) / (len(rising) - 1)


def _satellite(mean_motion, argument=0.0, node=0.0):
    """Set up SGP4 without drag on a nearly circular orbit; radians and minutes."""
    satellite = Satrec()
    epoch = START / DAY + 7306  # days since the end of 1949
    satellite.sgp4init(
        WGS72, "i", 1, epoch, 0.0, 0.0, 0.0, 1e-4, 0.0, INCLINATION, argument, mean_motion, node % (2 * np.pi)
    )
    return satellite


def _geocentric(satellite, time):
    """Return latitude and longitude (degrees), and the radius (km)."""
    failed, place, _ = satellite.sgp4_array(np.full(len(time), 2440587.5), time / DAY)
    assert not failed.any()
    turned = Time(time, format="unix").sidereal_time("mean", "greenwich", model="IAU1982").deg
    radius = np.linalg.norm(place, axis=1)
    longitude = np.degrees(np.arctan2(place[:, 1], place[:, 0])) - turned
    return np.degrees(np.arcsin(place[:, 2] / radius)), _wrapped(longitude), radius


@pytest.fixture(scope="module")
def sgp4():
    """A satellite of the first days' nodal period that starts over the place of the real file's first row."""
    minutes = _period(1.5) / 60

    def beyond(mean_motion):
        made = _satellite(mean_motion)
        return made.mdot + made.argpdot - 2 * np.pi / minutes

    mean_motion = brentq(beyond, 0.06, 0.08, xtol=1e-14)
    argument = np.arcsin(np.sin(np.radians(41.273513)) / np.sin(INCLINATION))  # the latitude grows there
    east = _geocentric(_satellite(mean_motion, argument), np.array([START]))[1][0]
    return _satellite(mean_motion, argument, np.radians(64.930544 - east))


def test_track_stays_with_that_of_sgp4_for_three_days(sgp4):
    latitude, longitude, _ = _geocentric(sgp4, TIMES)
    place = orbit(TIMES)
    # Decay makes some hundredths of a degree in half of this time, SGP4's short-period terms as much.
    np.testing.assert_allclose(place.glat, latitude, atol=0.25)
    np.testing.assert_allclose(_wrapped(place.glon - longitude), 0, atol=0.5)


def test_direction_of_flight_is_that_of_sgp4(sgp4):
    _, place, speed = sgp4.sgp4_array(np.full(len(TIMES), 2440587.5), TIMES / DAY)
    # TEME's equinox and that of date differ by the equation of the equinoxes, .005 degrees.
    momentum = np.cross(place, speed)
    momentum /= np.linalg.norm(momentum, axis=1)[:, None]
    apart = np.arccos(np.clip((momentum * orbit(TIMES).normal).sum(axis=1), -1, 1))
    assert np.degrees(apart).max() < 0.2
    turning = np.abs(speed[:, 2]) < 0.1  # km/s, of 5.2 at the equator
    np.testing.assert_array_equal(orbit(TIMES).up[~turning], speed[~turning, 2] > 0)


def _node_drift(day):
    """Return the drift of the ascending node, degrees a day, as the orbit's normal shows it."""
    normal = orbit(START + day * DAY + np.array([0.0, 10 * DAY])).normal
    node = np.degrees(np.arctan2(normal[:, 0], -normal[:, 1]))
    return _wrapped(node[1] - node[0]) / 10


@pytest.mark.parametrize("day", [0, 30, 68])
def test_node_drifts_as_with_sgp4(sgp4, day):
    assert _node_drift(day) == pytest.approx(np.degrees(sgp4.nodedot) * 1440, abs=0.04)


def test_node_drifts_as_the_oblate_earth_makes_it():
    # J2's textbook formula for a circle of the file's mean altitude; 20 km more or less make .06 of a difference.
    radius = 6371.2 + 379.76
    mean_motion = np.sqrt(398600.44 / radius**3)
    drift = -1.5 * 1.0826e-3 * (6378.137 / radius) ** 2 * mean_motion * np.cos(INCLINATION)
    assert _node_drift(0) == pytest.approx(np.degrees(drift) * DAY, abs=0.04)


def test_altitude_swings_twice_an_orbit_as_height_over_the_oblate_earth_does(sgp4):
    latitude, longitude, radius = _geocentric(sgp4, TIMES)
    there = EarthLocation.from_geocentric(*(radius[:, None] * unit_vector(longitude, latitude)).T, unit=u.km)
    north = np.clip(latitude / 42.79, -1, 1)
    base = np.stack([np.ones(len(TIMES)), TIMES - START, north, north**2], axis=1)
    theirs, ours = (
        np.linalg.lstsq(base, height, rcond=None)[0]
        for height in (there.geodetic.height.to_value(u.km), orbit(TIMES).altitude)
    )
    assert ours[3] == pytest.approx(theirs[3], abs=0.5)  # km from the equator to the turning points


def _data():
    """Return a minute's grid over the real file, without its two long holes."""
    times = np.arange(START, LAST, 60.0)
    return times[~within(times, np.array(LONG_HOLES))]


def test_altitude_has_the_quartiles_and_the_range_of_the_real_file():
    altitude = orbit(_data()).altitude
    np.testing.assert_allclose(np.quantile(altitude, [0.25, 0.5, 0.75]), [376.0, 380.1, 383.5], atol=1.1)
    assert altitude.std() == pytest.approx(4.81, abs=0.25)
    assert altitude.min() == pytest.approx(369.4, abs=1)
    assert altitude.max() == pytest.approx(391.0, abs=3)


@pytest.mark.parametrize(("one", "other"), [(5, 55), (55, 80), (80, 120)])
def test_mean_altitude_follows_the_period_by_keplers_law(one, other):
    # Over whole orbits the eccentricity averages out.
    span = np.arange(-4 * DAY, 4 * DAY, 60.0)
    heights = [orbit(START + day * DAY + span).altitude.mean() for day in (one, other)]
    axes = [(398600.44 * (_period(day) / (2 * np.pi)) ** 2) ** (1 / 3) for day in (one, other)]
    assert heights[1] - heights[0] == pytest.approx(axes[1] - axes[0], abs=0.3)  # km


def test_orbit_decays_but_for_the_hole_in_which_it_was_raised():
    periods = np.array([_period(day) for day in (2, 20, 40, 58, 70)])
    assert (np.diff(periods)[:3] < 0).all()
    assert periods[4] > periods[3]
    assert 5500 < periods.min() < periods.max() < 5550  # 92 minutes, at 370 to 390 km


def test_track_never_jumps():
    # Not at the seams of the legs either: half a minute is 1.96 degrees on any orbit of this height.
    place = orbit(START + np.arange(-5 * DAY, 200 * DAY, 30.0)).zenith
    step = np.degrees(np.arccos((place[1:] * place[:-1]).sum(axis=1)))
    np.testing.assert_allclose(step, 360 * 30 / 5520, atol=0.02)


def test_altitude_stays_that_of_an_orbit_for_years():
    altitude = orbit(START + np.arange(0, 3650 * DAY, 3571.0)).altitude
    assert 350 < altitude.min() < altitude.max() < 410


def test_starts_where_the_real_file_does():
    place = orbit(np.array([START, START + 6.0]))
    assert place.glat == pytest.approx([41.2735, 41.3837], abs=0.03)  # rows 0 and, by rate, 6 of the real file
    assert place.glon[0] == pytest.approx(64.930544, abs=1e-6)
    assert place.up[0]


@pytest.mark.parametrize("row", [0, 1, 2, 3, 4, 524, 528, 2241])
def test_passes_over_the_first_rows_of_the_real_file(real_rows, row):
    found = real_rows.filter(real_rows["display_index"] == row)
    # Rows are a second apart, but for the hiccups before.
    place = orbit(START + row + np.arange(20.0))
    away = np.hypot(place.glat - found["glat"][0], _wrapped(place.glon - found["glon"][0]))
    assert away.min() < 0.1


def test_passes_over_the_rows_behind_the_first_hole_of_the_real_file(real_rows):
    rows = real_rows.filter(real_rows["display_index"].is_between(11_051, 11_195)).sort("display_index")
    number = rows["display_index"].to_numpy()
    # Five hours without data are missing from the count of the rows: how long is not known, but for all alike.
    lost = np.arange(18_000.0, 21_000.0)
    place = orbit(START + (number[:, None] + lost).ravel())
    away = np.hypot(
        place.glat.reshape(len(rows), -1) - rows["glat"].to_numpy()[:, None],
        _wrapped(place.glon.reshape(len(rows), -1) - rows["glon"].to_numpy()[:, None]),
    )
    assert len(rows) > 10
    assert away.min(axis=1).max() < 0.1
    assert np.ptp(lost[away.argmin(axis=1)]) <= 2  # readings are held for 2 s


def test_latitude_reaches_the_inclination_and_no_further():
    glat = orbit(TIMES).glat
    assert glat.max() == pytest.approx(42.79, abs=0.01)
    assert glat.min() == pytest.approx(-42.79, abs=0.01)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 58), st.floats(0, 5520))
def test_latitude_repeats_after_a_period_and_is_mirrored_after_half(day, into):
    # In the two days over which the period is the mean, it changes by a tenth of a second.
    period = _period(day)
    here, half, whole = orbit(START + day * DAY + into + period * np.array([0, 0.5, 1])).glat
    assert whole == pytest.approx(here, abs=0.01)
    assert half == pytest.approx(-here, abs=0.01)


def test_up_is_the_sign_of_the_change_of_latitude():
    later = orbit(TIMES + 0.01).glat - orbit(TIMES).glat
    sure = np.abs(orbit(TIMES).glat) < 42.7
    np.testing.assert_array_equal(orbit(TIMES).up[sure], later[sure] > 0)


def test_normal_is_perpendicular_to_the_path():
    place = orbit(TIMES)
    np.testing.assert_allclose(np.linalg.norm(place.normal, axis=1), 1)
    np.testing.assert_allclose((place.zenith * place.normal).sum(axis=1), 0, atol=1e-9)
    motion = orbit(TIMES + 1).zenith - place.zenith
    assert (np.cross(place.zenith, motion) * place.normal).sum(axis=1).min() > 0


def test_zenith_lies_over_the_place_when_the_earth_has_turned():
    times = TIMES[::500]
    turned = Time(times, format="unix").sidereal_time("mean", "greenwich").deg
    np.testing.assert_allclose(_wrapped(sidereal_angle(times) - turned), 0, atol=0.01)
    place = orbit(times)
    np.testing.assert_allclose(place.zenith, unit_vector(turned + place.glon, place.glat), atol=2e-4)


def test_days_are_counted_from_noon_of_2000():
    times = np.array([0.0, START, 2e9])
    want = Time(times, format="unix").jd - 2451545.0  # days of UTC, as the file's seconds
    np.testing.assert_allclose(days_since_2000(times), want, atol=1e-8)


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 360), st.floats(-90, 90))
def test_unit_vectors_are_those_of_astropy(right_ascension, declination):
    want = SphericalRepresentation(right_ascension * u.deg, declination * u.deg, 1).to_cartesian().xyz.value
    np.testing.assert_allclose(unit_vector(right_ascension, declination), want, atol=1e-12)
