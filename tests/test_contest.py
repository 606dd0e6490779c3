"""The verdict of benchmarks/contest."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks/contest"))
from verdict import compare, tally

ORBIT = np.repeat(np.arange(50), 400)


def test_verdict_measures_mean_square_core_and_bias():
    pull = np.random.default_rng(0).normal(0.1, 1.5, len(ORBIT))
    spiky = np.where(np.arange(len(pull)) % 400 == 0, 40.0, pull)
    one = compare(tally(pull, ORBIT), tally(pull, ORBIT))
    assert one.mean_square == pytest.approx(np.mean(pull**2))
    assert one.core == pytest.approx((np.median(np.abs(pull)) / 0.67449) ** 2, rel=1e-3)
    assert one.bias == pytest.approx(np.mean(pull))
    assert one.mean_square_change == one.mean_square_error == one.core_error == 0
    other = compare(tally(spiky, ORBIT), tally(pull, ORBIT))
    assert other.mean_square_change == pytest.approx(np.mean(spiky**2) - np.mean(pull**2))
    assert other.core == pytest.approx(one.core, rel=0.02)


def test_errors_are_those_of_independent_orbits():
    rng = np.random.default_rng(1)
    pull = rng.normal(size=len(ORBIT))
    offset = np.repeat(rng.normal(0, 0.5, 50), 400)  # what is wrong with an orbit is wrong with all of its rows
    verdict = compare(tally(pull + offset, ORBIT), tally(pull, ORBIT))
    by_orbit = ((pull + offset) ** 2 - pull**2).reshape(50, 400).mean(axis=1)
    assert verdict.mean_square_error == pytest.approx(by_orbit.std() / np.sqrt(50), rel=0.1)
