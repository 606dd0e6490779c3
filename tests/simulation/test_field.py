"""The field grid against IGRF computed at the points themselves; the dipole's textbook values."""

from datetime import datetime

import numpy as np
import polars as pl
import ppigrf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.field import cutoff_rigidity, shell
from polarbgb.simulation.orbit import START, orbit

EARTH = 6371.2  # km


def _igrf(glat, glon, altitude):
    """Return (3, n) nT on the first day of the real file."""
    return np.array(ppigrf.igrf_gc(EARTH + altitude, 90 - glat, glon, datetime(2017, 1, 4, 10, 24)))[:, 0]


def _dipole(latitude, altitude):
    """Return the field of a dipole at a magnetic latitude (radians): (2 sin, cos) / r^3, (3, n) nT."""
    strength = 3e4 / (1 + altitude / EARTH) ** 3
    return strength * np.stack([-2 * np.sin(latitude), -np.cos(latitude), np.zeros_like(latitude)])


@settings(deadline=None, max_examples=30)
@given(st.floats(-42.8, 42.8), st.floats(-180, 180), st.floats(368, 392))
def test_agrees_with_igrf_at_any_place(field, glat, glon, altitude):
    place = [np.array([value]) for value in (glat, glon, altitude)]
    np.testing.assert_allclose(field.at(*place), _igrf(*place), atol=12)  # nT


def test_agrees_with_igrf_along_the_orbit(field):
    place = orbit(START + np.arange(0, 86400, 120.0))
    where = place.glat, place.glon, place.altitude
    np.testing.assert_allclose(field.at(*where), _igrf(*where), atol=12)


def test_has_the_range_of_the_real_file(field):
    place = orbit(START + np.arange(0, 10 * 86400, 30.0))
    strength = field.at(place.glat, place.glon, place.altitude)
    # These extremes lie where data are taken; 10 km of altitude make 200 nT.
    assert strength[0].min() == pytest.approx(-42462, abs=400)
    assert strength[0].max() == pytest.approx(50737, abs=400)
    assert strength[1].min() == pytest.approx(-34348, abs=400)


@settings(deadline=None, max_examples=25)
@given(st.floats(-42.8, 42.8), st.floats(368, 392))
def test_is_one_across_the_date_line(field, glat, altitude):
    values = field.at(np.full(2, glat), np.array([-180.0, 180.0]), np.full(2, altitude))
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1)


def test_points_up_in_the_south_and_north_everywhere(field):
    north = field.at(np.array([40.0]), np.array([10.0]), np.array([380.0]))
    south = field.at(np.array([-40.0]), np.array([10.0]), np.array([380.0]))
    assert north[0, 0] < 0 < south[0, 0]
    assert north[1, 0] < 0
    assert south[1, 0] < 0


def test_dipole_gives_the_textbook_cutoff_and_shell():
    latitude = np.radians([0.0, 30.0, 60.0])
    ground = np.zeros(3)
    dipole = _dipole(latitude, ground)
    np.testing.assert_allclose(cutoff_rigidity(dipole, ground), 14.9 * np.cos(latitude) ** 4)
    np.testing.assert_allclose(shell(dipole, ground), 1 / np.cos(latitude) ** 2)
    assert cutoff_rigidity(dipole, np.full(3, EARTH))[0] == pytest.approx(14.9 / 4)


@settings(deadline=None, max_examples=30)
@given(st.floats(-70, 70), st.floats(0, 2000), st.floats(-70, 70), st.floats(-180, 180))
def test_places_on_one_line_of_a_dipole_share_shell_and_invariant_cutoff(here, altitude, there, declination):
    # A line is r = L cos(m)^2; the vertical cutoff on it is 14.9 GV / L^2.
    latitude = np.radians([here, there])
    line = (1 + altitude / EARTH) / np.cos(latitude[0]) ** 2
    heights = EARTH * (line * np.cos(latitude) ** 2 - 1)
    field = _dipole(latitude, heights)
    turn = np.radians(declination)
    field[1:] = field[1] * np.array([[np.cos(turn)], [np.sin(turn)]])  # east or south: the dip is what counts
    np.testing.assert_allclose(shell(field, heights), line)
    np.testing.assert_allclose(cutoff_rigidity(field, heights), 14.9 / line**2)


def test_real_rows_of_many_cosmic_rays_lie_at_low_cutoff(field, real_rows):
    rows = real_rows.filter(pl.col("fe_cosmic") > 500)
    glat, glon = (rows[name].to_numpy() for name in ("glat", "glon"))
    altitude = np.full(len(glat), 380.0)
    cutoff = cutoff_rigidity(field.at(glat, glon, altitude), altitude)
    assert np.corrcoef(np.log(rows["fe_cosmic"].to_numpy()), cutoff)[0, 1] < -0.3
