"""Bins that the models of another file do not describe are named, with the likely cause."""

import numpy as np
import pytest

from polarbgb.background.transfer import NARROW, WIDE, Pulls, mismatches


def unlike(*, width=1.0, mean=0.0, excess=0.0, fitted=1.0, beyond=0.0):
    pulls = Pulls(np.array([1.0, width]), np.array([0.0, mean]), np.array([0.0, excess]))
    return mismatches(pulls, (1.0, fitted), ("soft", "hard"), beyond=beyond)


@pytest.mark.parametrize(
    "values",
    [{}, {"width": 1.2}, {"width": 0.85}, {"mean": 0.5}, {"width": 0.6, "fitted": 0.62}, {"width": 1, "fitted": 1.7}],
)
def test_pulls_like_those_of_the_fit_are_not_reported(values):
    assert unlike(**values) == ()


@pytest.mark.parametrize(
    ("values", "scatter", "cause"),
    [
        ({"width": 2.0}, 2.0, "features do not tell"),
        ({"width": 0.6}, 0.6, "scatter less than in the fit"),
        ({"mean": 3.0, "excess": 0.12}, np.hypot(1, 3), "12% above the prediction on average: gain"),
        ({"mean": -3.0, "excess": -0.2}, np.hypot(1, 3), "20% below the prediction"),
        ({"width": 2.0, "beyond": 0.4}, 2.0, "40% of the rows lie beyond"),
        ({"width": 1.0, "fitted": 0.6}, 1.0, "features do not tell"),
    ],
)
def test_other_bins_are_named_with_the_likely_cause(values, scatter, cause):
    (found,) = unlike(**values)
    assert (found.bin, found.scatter, found.fitted) == ("hard", pytest.approx(scatter), values.get("fitted", 1.0))
    assert cause in found.cause


def test_limits_are_relative_to_the_fit():
    assert unlike(width=0.5 * WIDE * 1.01, fitted=0.5)
    assert not unlike(width=0.5 * WIDE * 0.99, fitted=0.5)
    assert unlike(width=0.5 * NARROW * 0.99, fitted=0.5)


def test_a_bin_without_pulls_is_not_reported():
    assert unlike(width=np.nan) == ()
