"""The detector's axes against geometry and the table of the real file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.attitude import angles, detector_axes
from polarbgb.simulation.orbit import START, orbit, unit_vector

TIMES = START + np.arange(0, 25 * 86400, 300.0)


@pytest.fixture(scope="module")
def flown():
    place = orbit(TIMES)
    return place, *detector_axes(place, TIMES)


def _apart(one, other):
    return np.degrees(np.arccos(np.clip((one * other).sum(axis=1), -1, 1)))


def test_axes_are_unit_vectors_at_right_angles(flown):
    _, z, x = flown
    for axis in (z, x):
        np.testing.assert_allclose(np.linalg.norm(axis, axis=1), 1)
    np.testing.assert_allclose((z * x).sum(axis=1), 0, atol=1e-9)


def test_axis_leans_by_what_its_declination_exceeds_the_latitude(flown):
    place, z, x = flown
    # Its extreme is 53.80 degrees in the real file, where the latitude's is 42.79.
    np.testing.assert_allclose(_apart(z, place.zenith), 53.80 - 42.79, atol=0.02)
    np.testing.assert_allclose(_apart(x, place.zenith), 90 + 53.80 - 42.79, atol=0.02)
    declination = angles(z)[1]
    assert declination.max() == pytest.approx(53.80, abs=0.1)
    assert declination.min() == pytest.approx(-53.80, abs=0.1)  # while the platform flies turned


def test_axis_leans_straight_to_the_side_of_the_path_but_for_the_turns(flown):
    place, z, x = flown
    forward = np.cross(place.normal, place.zenith)
    straight = np.abs((z * forward).sum(axis=1)) < 1e-6
    assert straight.mean() > 0.98
    np.testing.assert_allclose((x * forward).sum(axis=1)[straight], 0, atol=1e-6)


def test_platform_flies_turned_for_a_day_in_six(flown):
    place, z, x = flown
    to_normal = (z * place.normal).sum(axis=1)
    np.testing.assert_array_equal((x * place.normal).sum(axis=1) > 0, to_normal > 0)
    assert (to_normal < 0).mean() == pytest.approx(1 / 6, abs=0.02)


def test_turns_sweep_and_do_not_jump():
    times = START + np.arange(3.3 * 86400, 4.4 * 86400, 10.0)
    for axis in detector_axes(orbit(times), times):
        # The orbit alone turns an axis by .65 degrees in 10 s.
        assert _apart(axis[1:], axis[:-1]).max() < 5


def test_angles_have_the_moments_of_the_real_file(flown):
    (raz, decz), (_, decx) = angles(flown[1]), angles(flown[2])
    # Within a quarter of the standard deviation: the file lacks the anomaly, and days.
    for values, mean, std in ((raz, 179.91, 105.38), (decx, 27.47, 37.82)):
        assert values.mean() == pytest.approx(mean, abs=std / 4)
        assert values.std() == pytest.approx(std, rel=0.25)
    assert decz.std() == pytest.approx(29.17, rel=0.25)
    assert decx.max() < 90


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 359.999), st.floats(-89.9, 89.9))
def test_angles_undo_unit_vectors(right_ascension, declination):
    found, height = angles(unit_vector(right_ascension, declination)[None])
    assert 0 <= found[0] <= 360
    assert (found[0] - right_ascension + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    assert height[0] == pytest.approx(declination, abs=1e-6)


def test_angles_of_a_pole_are_finite_though_rounding_made_it_too_long():
    assert angles(np.array([[0.0, 0.0, 1 + 1e-15]]))[1][0] == 90
