"""Sun and horizon against astropy, closed forms and rays that are followed to the Earth."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import PrecessedGeocentric, get_sun
from astropy.time import Time
from astropy.utils import iers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polarbgb.simulation.orbit import START, Orbit, orbit, unit_vector
from polarbgb.simulation.sky import above_horizon, sun_direction, sunlit

TIMES = START + np.arange(0, 3 * 86400, 20.0)
RADIUS = 6371.2  # km


def _at(zenith, altitude):
    """Place the platform over one point."""
    none = np.zeros(1)
    return Orbit(none, none, np.array([altitude]), none > 0, zenith[None], np.zeros((1, 3)))


def test_sun_stands_where_astropy_says():
    times = START + np.linspace(0, 365 * 86400, 40)
    moment = Time(times, format="unix")
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        # The almanac's formula is of date: left in the frame of J2000 it would be .24 degrees off.
        sun = get_sun(moment).transform_to(PrecessedGeocentric(equinox=moment, obstime=moment))
    want = sun.cartesian.xyz.to_value(u.AU).T
    want /= np.linalg.norm(want, axis=1)[:, None]
    apart = np.degrees(np.arccos(np.clip((want * sun_direction(times)).sum(axis=1), -1, 1)))
    assert apart.max() < 0.02


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 360), st.floats(-90, 90), st.floats(1, 36000), st.floats(0, 180), st.floats(0, 360))
def test_a_direction_is_hidden_where_its_ray_meets_the_earth(longitude, latitude, altitude, angle, azimuth):
    zenith = unit_vector(longitude, latitude)
    east, north = unit_vector(longitude + 90, 0.0), unit_vector(longitude, latitude + 90)
    side = np.cos(np.radians(azimuth)) * north + np.sin(np.radians(azimuth)) * east
    direction = np.cos(np.radians(angle)) * zenith + np.sin(np.radians(angle)) * side
    # The ray's nearest point to the centre of the Earth, by steps along it: 3 km of step leave 1 km of doubt.
    along = np.arange(0, 2 * (RADIUS + altitude), 3.0)
    points = (RADIUS + altitude) * zenith + along[:, None] * direction
    nearest = np.linalg.norm(points, axis=1).min()
    assume(abs(nearest - RADIUS) > 1)
    assert above_horizon(_at(zenith, altitude), direction)[0] == (nearest > RADIUS)


@settings(deadline=None, max_examples=30)
@given(st.floats(300, 1000), st.sampled_from([-0.01, 0.01]))
def test_the_limb_lies_as_far_below_the_horizontal_as_the_tangent_does(altitude, beyond):
    zenith, side = np.eye(3)[:2]
    dip = np.radians(np.degrees(np.arccos(RADIUS / (RADIUS + altitude))) + beyond)
    seen = above_horizon(_at(zenith, altitude), np.cos(dip) * side - np.sin(dip) * zenith)
    assert seen[0] == (beyond < 0)


def test_what_is_overhead_is_seen_and_what_is_underfoot_is_not():
    place = orbit(TIMES[:50])
    assert above_horizon(place, place.zenith).all()
    assert not above_horizon(place, -place.zenith).any()


def test_sun_is_hidden_from_those_in_the_shadow_of_the_earth():
    place = orbit(TIMES)
    where = (RADIUS + place.altitude)[:, None] * place.zenith
    # The shadow is a cylinder behind the Earth, away from the Sun.
    behind = (where * sun_direction(TIMES)).sum(axis=1)
    off_axis = np.linalg.norm(where - behind[:, None] * sun_direction(TIMES), axis=1)
    np.testing.assert_array_equal(sunlit(place, TIMES), (behind > 0) | (off_axis > RADIUS))


def test_a_source_in_the_plane_of_the_orbit_is_hidden_for_the_angle_the_earth_fills():
    times = START + np.arange(0, 5535.4, 5.0)
    place = orbit(times)
    filled = 2 * np.arcsin(RADIUS / (RADIUS + place.altitude.mean())) / (2 * np.pi)
    assert 1 - above_horizon(place, place.zenith[0]).mean() == pytest.approx(filled, abs=0.01)
