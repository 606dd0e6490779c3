"""The field grid against IGRF computed at the points themselves."""

from datetime import datetime

import numpy as np
import polars as pl
import ppigrf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.field import cutoff_rigidity, igrf, shell
from polarbgb.simulation.orbit import START


@pytest.fixture(scope="module")
def field():
    return igrf(START)


def test_agrees_with_igrf_over_the_whole_orbit(field):
    rng = np.random.default_rng(1)
    glat, glon, altitude = rng.uniform([-43, -180, 368], [43, 180, 392], (500, 3)).T
    want = np.array(ppigrf.igrf_gc(6371.2 + altitude, 90 - glat, glon, datetime(2017, 1, 4, 10, 24)))[:, 0]
    got = field.at(glat, glon, altitude)
    assert np.abs(got - want).max() < 10  # nT


@settings(deadline=None, max_examples=25)
@given(st.floats(-42.8, 42.8), st.floats(368, 392))
def test_is_one_across_the_date_line(field, glat, altitude):
    values = field.at(np.full(2, glat), np.array([-180.0, 180.0]), np.full(2, altitude))
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1)


def test_points_up_north_and_east(field):
    # The magnetic field leaves the Earth in the south and points north everywhere at low latitude.
    north = field.at(np.array([40.0]), np.array([10.0]), np.array([380.0]))
    south = field.at(np.array([-40.0]), np.array([10.0]), np.array([380.0]))
    assert north[0, 0] < 0 < south[0, 0]
    assert north[1, 0] < 0
    assert south[1, 0] < 0


def test_dipole_gives_the_textbook_cutoff_and_shell():
    latitude = np.radians([0.0, 30.0, 60.0])
    dipole = 3e4 * np.stack([-2 * np.sin(latitude), -np.cos(latitude), np.zeros(3)])
    ground = np.zeros(3)
    np.testing.assert_allclose(cutoff_rigidity(dipole, ground), 14.9 * np.cos(latitude) ** 4)
    np.testing.assert_allclose(shell(dipole, ground), 1 / np.cos(latitude) ** 2)
    assert cutoff_rigidity(dipole, np.full(3, 6371.2))[0] == pytest.approx(14.9 / 4)


def test_real_rows_of_many_cosmic_rays_lie_at_low_cutoff(field, real_rows):
    rows = real_rows.filter(pl.col("fe_cosmic") > 500)
    glat, glon = (rows[name].to_numpy() for name in ("glat", "glon"))
    altitude = np.full(len(glat), 380.0)
    cutoff = cutoff_rigidity(field.at(glat, glon, altitude), altitude)
    assert np.corrcoef(np.log(rows["fe_cosmic"].to_numpy()), cutoff)[0, 1] < -0.3
