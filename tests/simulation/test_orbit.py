"""The orbit against closed forms, astropy's sky and the first rows of POLAR's own file."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import PrecessedGeocentric, get_sun
from astropy.time import Time
from astropy.utils import iers

from polarbgb.simulation.orbit import (
    EARTH_RADIUS,
    PERIOD,
    START,
    above_horizon,
    angles,
    crab_area,
    detector_axes,
    orbit,
    sidereal_angle,
    sun_direction,
    sunlit,
    unit_vector,
)

TIMES = START + np.arange(0, 3 * 86400, 20.0)


@pytest.fixture(autouse=True)
def _offline():
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        yield


def test_starts_where_the_real_file_does():
    place = orbit(np.array([START, START + 6.0]))
    assert place.glat == pytest.approx([41.2735, 41.3837], abs=0.03)  # rows 0 and, by rate, 6 of the real file
    assert place.glon[0] == pytest.approx(64.930544, abs=1e-6)
    assert place.up[0]


def test_latitude_reaches_the_inclination_and_no_further():
    glat = orbit(TIMES).glat
    assert glat.max() == pytest.approx(42.79, abs=0.01)
    assert glat.min() == pytest.approx(-42.79, abs=0.01)


def test_latitude_repeats_after_a_period_and_is_mirrored_after_half():
    place, whole, half = orbit(TIMES), orbit(TIMES + PERIOD), orbit(TIMES + PERIOD / 2)
    np.testing.assert_allclose(whole.glat, place.glat, atol=1e-6)
    np.testing.assert_allclose(half.glat, -place.glat, atol=1e-6)


def test_track_moves_west_by_the_turn_of_the_earth_and_the_precession_of_the_node():
    # Nodal precession by J2, from the textbook formula with the mean radius of the orbit.
    mean_motion = np.sqrt(398600.44 / 6751.0**3)
    precession = -1.5 * 1.0826e-3 * (6378.137 / 6751.0) ** 2 * mean_motion * np.cos(np.radians(42.79))
    turn = np.degrees(7.2921159e-5 - precession) * PERIOD
    shift = orbit(TIMES + PERIOD).glon - orbit(TIMES).glon
    np.testing.assert_allclose((shift + 180) % 360 - 180, -turn, atol=0.01)


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


def test_altitude_stays_within_the_real_file_for_its_72_days():
    altitude = orbit(START + np.arange(0, 72 * 86400, 60.0)).altitude
    assert 369 < altitude.min() < 373
    assert 386 < altitude.max() < 391.5


def test_zenith_at_greenwich_agrees_with_sidereal_time_of_astropy():
    time = Time(TIMES[::500], format="unix")
    want = time.sidereal_time("mean", "greenwich").deg
    away = (sidereal_angle(TIMES[::500]) - want + 180) % 360 - 180
    np.testing.assert_allclose(away, 0, atol=0.01)
    place = orbit(TIMES[::500])
    right_ascension, declination = angles(place.zenith)
    np.testing.assert_allclose((right_ascension - want - place.glon + 180) % 360 - 180, 0, atol=0.01)
    np.testing.assert_allclose(declination, place.glat, atol=1e-9)


def test_sun_stands_where_astropy_says():
    times = START + np.linspace(0, 365 * 86400, 40)
    moment = Time(times, format="unix")
    # The almanac's formula is of date: left in the frame of J2000 it would be .24 degrees off.
    sun = get_sun(moment).transform_to(PrecessedGeocentric(equinox=moment, obstime=moment))
    want = sun.cartesian.xyz.to_value(u.AU).T
    want /= np.linalg.norm(want, axis=1)[:, None]
    apart = np.degrees(np.arccos(np.clip((want * sun_direction(times)).sum(axis=1), -1, 1)))
    assert apart.max() < 0.02


def test_sun_is_up_longer_than_half_an_orbit():
    # On a circle, a source in the orbital plane is hidden for the angle the Earth fills: 2 asin(R / (R + h)).
    hidden = 2 * np.arcsin(EARTH_RADIUS / (EARTH_RADIUS + 380)) / (2 * np.pi)
    place = orbit(TIMES)
    assert 1 - hidden < sunlit(place, TIMES).mean() < 1 - 0.5 * hidden


def test_a_source_at_the_nadir_is_hidden_and_one_just_above_the_limb_is_not():
    place = orbit(TIMES[:50])
    dip = np.degrees(np.arccos(EARTH_RADIUS / (EARTH_RADIUS + place.altitude)))
    side = np.cross(place.zenith, place.normal)
    for beyond, seen in ((-0.1, True), (0.1, False)):
        angle = np.radians(dip + beyond)[:, None]
        direction = np.cos(angle) * side - np.sin(angle) * place.zenith
        assert (above_horizon(place, direction) == seen).all()
    assert not above_horizon(place, -place.zenith).any()


def test_axes_are_orthonormal_and_lean_eleven_degrees():
    times = START + np.arange(0, 20 * 86400, 300.0)
    place = orbit(times)
    z, x = detector_axes(place, times)
    for axis in (z, x):
        np.testing.assert_allclose(np.linalg.norm(axis, axis=1), 1)
    np.testing.assert_allclose((z * x).sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose((z * place.zenith).sum(axis=1), np.cos(np.radians(11)))
    declination = angles(z)[1]
    assert declination.max() == pytest.approx(53.79, abs=0.1)  # 42.79 + 11; 53.80 in the real file
    assert declination.min() == pytest.approx(-53.79, abs=0.1)  # while the platform flies turned


def test_crab_is_seen_only_above_the_limb_and_best_near_the_axis():
    place = orbit(TIMES)
    z, _ = detector_axes(place, TIMES)
    crab = unit_vector(83.633, 22.0145)
    area = crab_area(place, z)
    limb = -np.sqrt(1 - (EARTH_RADIUS / (EARTH_RADIUS + place.altitude)) ** 2)
    np.testing.assert_array_equal(area > 0, place.zenith @ crab > limb)
    assert 0.3 < (area == 0).mean() < 0.5
    assert 3.3 < area.max() <= 3.53
    seen = area > 0
    assert np.corrcoef(area[seen], (z @ crab)[seen])[0, 1] == pytest.approx(1)
