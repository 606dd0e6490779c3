"""Red noise against its own recursion, and its variance against the closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation.red_noise import red_noise


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.floats(0, 0.999), st.booleans())
def test_each_step_keeps_a_part_of_the_last(steps, keep, stationary):
    white = np.random.default_rng(steps).standard_normal((steps, 2))
    walk = red_noise(white.copy(), keep, stationary=stationary)
    last = np.zeros(2)
    for n in range(steps):
        fresh = 1.0 if stationary and n == 0 else np.sqrt(1 - keep**2)
        last = keep * last + fresh * white[n]
        np.testing.assert_allclose(walk[n], last, rtol=1e-9, atol=1e-12)
    assert walk.shape == (steps, 2)


@pytest.mark.parametrize(("stationary", "first"), [(True, 1.0), (False, 1 - 0.9**2)])
def test_variance_is_that_of_the_white_noise_from_the_first_step_on_or_grows_to_it(stationary, first):
    walk = red_noise(np.random.default_rng(1).standard_normal((60, 20_000)), 0.9, stationary=stationary)
    assert walk[0].var() == pytest.approx(first, rel=0.04)
    assert walk[-1].var() == pytest.approx(1, rel=0.04)
    assert np.corrcoef(walk[-1], walk[-2])[0, 1] == pytest.approx(0.9, abs=0.01)
