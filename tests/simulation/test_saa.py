"""The anomaly and its activation against a solver of differential equations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from polarbgb.simulation.saa import _GAINS, DECAYS, EDGE, Memory, passes

TIME = np.arange(0, 20000, 2.0)


def _pass(time, centre=4000.0):
    return EDGE + 1500 - 5000 * np.exp(-(((time - centre) / 400) ** 2))


def test_activation_follows_its_differential_equation():
    def slope(t, level):
        depth = max(EDGE - _pass(t), 0) / 1000
        return [gain * depth - a / life for gain, a, life in zip(_GAINS, level, DECAYS, strict=True)]

    solved = solve_ivp(slope, (-2.0, TIME[-1]), [30.0, 5.0], t_eval=TIME, max_step=20, rtol=1e-6)
    got = passes(TIME, _pass(TIME), Memory(activation=(30.0, 5.0))).activation
    np.testing.assert_allclose(got, solved.y.sum(axis=0), atol=2.5)  # of up to some 500 Hz: half a step
    assert 200 < got.max() < 900


def test_time_since_counts_from_the_end_of_the_pass_and_is_zero_before_the_first():
    found = passes(TIME, _pass(TIME), Memory())
    end = TIME[found.inside].max()
    after = end + 2 < TIME
    np.testing.assert_allclose(found.since[after], TIME[after] - end - 2)
    assert (found.since[end >= TIME] == 0).all()


def test_time_since_goes_on_from_an_earlier_pass_and_is_zero_inside():
    found = passes(TIME, _pass(TIME), Memory(exit=-500.0))
    before = np.arange(len(TIME)) < np.argmax(found.inside)
    np.testing.assert_allclose(found.since[before], TIME[before] + 500)
    assert (found.since[found.inside] == 0).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, len(TIME) - 2))
def test_two_parts_are_as_good_as_the_whole(cut):
    strength = _pass(TIME)
    whole = passes(TIME, strength, Memory())
    first = passes(TIME[:cut], strength[:cut], Memory())
    second = passes(TIME[cut:], strength[cut:], first.memory)
    np.testing.assert_array_equal(np.concatenate([first.since, second.since]), whole.since)
    np.testing.assert_allclose(np.concatenate([first.activation, second.activation]), whole.activation)
    assert second.memory.exit == whole.memory.exit


def test_no_pass_leaves_nothing():
    found = passes(TIME, np.full(len(TIME), EDGE + 1), Memory())
    assert not found.inside.any()
    assert (found.activation == 0).all()
    assert np.isnan(found.memory.exit)
    assert found.memory.activation == pytest.approx((0, 0))
