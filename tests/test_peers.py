"""When the trees of benchmarks/peers.py reach the error of a peer."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from contenders import Look, Report
from peers import lines, seconds_an_epoch, seconds_to_reach


def look(seconds, error, steps=1):
    return Look(seconds, [error - 1, error, error + 1], 0.1, steps)


CURVE = [look(10, 16), look(20, 4), look(40, 2), look(80, 3)]


def report(*, looks=None, batch=None):
    return Report(18, 1000, 100, ("a", "b", "c"), 1.0, looks or {}, batch or {})


def test_error_falls_evenly_in_the_logarithm_between_two_looks():
    assert seconds_to_reach(CURVE, 8) == (pytest.approx(15), False)
    assert seconds_to_reach(CURVE, 4) == (pytest.approx(20), False)


def test_first_look_that_is_better_already_gives_an_upper_bound():
    assert seconds_to_reach(CURVE, 17) == (10, True)


def test_an_error_that_is_never_reached_has_no_time():
    assert seconds_to_reach(CURVE, 1.9) is None


def test_published_training_is_extrapolated_from_its_faster_loader():
    assert seconds_an_epoch(report(batch={0: 0.5, 4: 0.25})) == pytest.approx(4 * 0.25)


def test_published_training_is_given_the_errors_of_the_sliced_network():
    reports = {
        "trees": report(looks={"configured": [look(30, 3)], "curve": CURVE}),
        "loader": report(batch={0: 0.5}),
        "sliced": report(looks={"sliced": [look(5, 8, 10), look(9, 17, 20)]}),
        "batched": report(looks={"1 min": [look(60, 1.5)]}),
        "plain": report(looks={"100": [look(45, 8)]}),
    }
    own, whole, stopped, sliced, batched, plain = lines(reports)
    assert own.same == (30, False)
    assert (whole.seconds, whole.extrapolated, whole.same) == (200 * 4 * 0.5, True, (10, True))
    assert (stopped.seconds, stopped.extrapolated, stopped.same) == (10 * 4 * 0.5, True, (pytest.approx(15), False))
    assert (sliced.seconds, sliced.extrapolated, batched.same) == (5, False, None)
    assert plain.written().endswith("| 45.0 | measured | 8.00 | 7.00 | 9.00 | 15.0 | 3 |")
