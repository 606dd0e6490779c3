"""Features of the place, against closed forms, IGRF's dipole and the simulation's own Sun."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import Position
from polarbgb.features.position import magnetic, position_features, position_names
from polarbgb.simulation.sky import sun_direction

PLACE = Position(latitude="glat", longitude="glon")
JANUARY = 1_483_525_445.0


def features(glat, glon, time, segment=None):
    frame = pl.DataFrame({"glat": np.asarray(glat, float), "glon": np.asarray(glon, float)})
    segment = np.zeros(len(frame), np.int32) if segment is None else np.asarray(segment, np.int32)
    made = position_features(frame, np.asarray(time, float), segment, PLACE)
    return dict(zip(position_names(PLACE), made, strict=True))


@settings(deadline=None)
@given(st.floats(-75, 75), st.floats(1.0, 6.0))
def test_a_dipole_field_gives_back_its_latitude_and_shell(latitude, shell):
    angle = np.radians(latitude)
    distance = shell * np.cos(angle) ** 2
    radial, south = -2 * 29900 * np.sin(angle) / distance**3, -29900 * np.cos(angle) / distance**3
    strength, found, l_shell = magnetic(np.array([radial]), np.array([south]))
    assert strength[0] == pytest.approx(np.hypot(radial, south))
    assert found[0] == pytest.approx(latitude, abs=1e-9)
    assert l_shell[0] == pytest.approx(shell)


def test_the_phase_is_the_argument_of_latitude_on_a_circular_orbit():
    time = np.arange(0, 11000, 1.0)
    argument = 2 * np.pi * time / 5500 - np.pi / 2
    made = features(np.degrees(np.arcsin(np.sin(np.radians(42.8)) * np.sin(argument))), np.zeros(len(time)), time)
    phase = made["orbital_phase"]
    # Latitude over the largest one stands for the ratio of the sines: 3 degrees off at most at this inclination.
    exact = (np.degrees(argument) + 90) % 360 - 90
    apart = (phase - exact + 180) % 360 - 180
    assert np.abs(apart).max() < 3.5
    assert phase.min() >= -90
    assert phase.max() <= 270


def test_a_held_latitude_keeps_its_direction():
    made = features([1, 1, 2, 2, 3, 3], np.zeros(6), np.arange(6))
    assert (made["orbital_phase"] <= 90).all()
    made = features([3, 3, 2, 2, 1, 1], np.zeros(6), np.arange(6))
    assert (made["orbital_phase"] >= 90).all()


def test_a_gap_tells_nothing_of_the_direction():
    latitude, time, segment = np.array([30, 2, 1, 20, 19, 18]), [0, 1, 2, 900, 901, 902], [0, 0, 0, 1, 1, 1]
    south = features(latitude, np.zeros(6), time, segment)["orbital_phase"]
    assert (south >= 90).all()
    north = features(-latitude, np.zeros(6), time, segment)["orbital_phase"]
    np.testing.assert_allclose(north, south - 180)


def test_the_phase_of_an_orbit_along_the_equator_is_as_good_as_any():
    latitude, time = np.sin(np.linspace(0, 12, 500)), np.arange(500)
    steep, flat = (features(top * latitude, np.zeros(500), time)["orbital_phase"] for top in (60.0, 0.5))
    np.testing.assert_allclose(flat, steep, atol=1e-6)


def test_noon_is_where_the_sun_is_highest():
    glon = np.linspace(-180, 180, 721)
    made = features(np.zeros(721), glon, np.full(721, JANUARY))
    highest = np.argmax(made["sun_elevation"])
    # The equation of time is 5 minutes in early January: mean noon comes before true noon.
    assert made["local_time"][highest] == pytest.approx(12 + 5 / 60, abs=0.05)


def test_the_elevation_is_that_of_another_formula_for_the_sun():
    time = JANUARY + np.linspace(0, 5e6, 400)
    glat, glon = 40 * np.sin(time), (time % 360) - 180
    sidereal = np.radians((280.46061837 + 360.98564736629 * (time / 86400 + 2440587.5 - 2451545.0)) % 360 + glon)
    north = np.radians(glat)
    zenith = np.stack([np.cos(north) * np.cos(sidereal), np.cos(north) * np.sin(sidereal), np.sin(north)], axis=1)
    wanted = np.degrees(np.arcsin((zenith * sun_direction(time)).sum(axis=1)))
    np.testing.assert_allclose(features(glat, glon, time)["sun_elevation"], wanted, atol=0.4)  # precession since 2000


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row_have_a_place(rows):
    made = features([10.0] * rows, [20.0] * rows, [JANUARY] * rows)
    assert all(len(values) == rows for values in made.values())


def test_a_missing_latitude_is_a_missing_feature():
    made = features([1.0, np.nan, 3.0], [0, 0, 0], [JANUARY, JANUARY + 1, JANUARY + 2])
    assert np.isnan(made["orbital_phase"]).tolist() == [False, True, False]
    assert np.isnan(made["sun_elevation"]).tolist() == [False, True, False]
