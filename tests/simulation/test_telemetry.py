"""The clock and the slips against what the real file is known for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.simulation import telemetry


def test_bins_open_just_over_a_second_apart():
    time, beyond = telemetry.clock(1e9, 1e9 + 86400, np.random.default_rng(0))
    steps = np.diff(time)
    regular = steps[steps < 1.5]
    assert regular.min() > 0.9999999
    assert regular.mean() - 1 == pytest.approx(1e-4, rel=0.05)
    assert regular.std() == pytest.approx(1e-4, rel=0.05)  # exponential: width equals mean
    assert beyond >= 1e9 + 86400 > time[-1]


@settings(deadline=None, max_examples=30)
@given(st.floats(1.0, 5000.0), st.integers(0, 100))
def test_clock_fills_any_stretch(length, seed):
    time, beyond = telemetry.clock(0.0, length, np.random.default_rng(seed))
    assert time[0] == 0
    assert (np.diff(np.append(time, beyond)) >= 1).all()
    assert time[-1] < length <= beyond


def test_hiccups_come_in_three_families():
    rng = np.random.default_rng(1)
    lost = np.concatenate([np.diff(telemetry.clock(0.0, 86400.0, rng)[0]) - 1 for _ in range(40)])
    lost = lost[lost > 0.5]
    known = ((lost > 0.99) & (lost < 1.41)) | ((lost > 7.9) & (lost < 12.1)) | ((lost > 59) & (lost < 71))
    assert known.all()
    assert len(lost) / 40 == pytest.approx(3.7, abs=1.2)


def test_holes_lie_in_their_day_and_spare_the_first_hours():
    rng = np.random.default_rng(2)
    holes = np.array([telemetry.hole(0.0, first_day=n % 2 == 0, rng=rng) for n in range(200)])
    assert holes.min() >= 0
    assert holes.max() <= 86400
    assert holes[::2, 0].min() >= 0.4 * 86400
    assert (holes[:, 1] - holes[:, 0]).mean() / 86400 == pytest.approx(0.26, abs=0.02)


def test_slips_spoil_the_known_fractions_of_rows():
    rows = 1_000_000
    quiet = np.full(rows, 700.0)
    live = telemetry.slips(np.full(rows, 0.95), quiet, np.random.default_rng(3))
    assert (live == 0).mean() == pytest.approx(3e-4, rel=0.2)
    short = (live > 0) & (live < 0.95)
    assert short.mean() == pytest.approx(2e-4, rel=0.25)
    assert (live[short] * 700 < 330).all()  # counts, so that rate / error = sqrt(N) < 20


def test_crab_values_spoiled_are_nan_or_absurd():
    area = np.ones((20, 43200))
    rng = np.random.default_rng(4)
    for day in area:
        telemetry.spoil_crab(day, rng)
    spoiled = ~(area == 1)
    assert 0 < spoiled.mean() < 0.01
    assert np.isnan(area).any()
    assert (area[spoiled & ~np.isnan(area)] == -1.2e33).all()


def test_a_stuck_angle_holds_one_value_for_a_stretch():
    rng = np.random.default_rng(6)
    days = np.tile(np.arange(43200.0), (60, 1))
    for day in days:
        telemetry.stick(day, rng)
    held = (np.diff(days, axis=1) == 0).sum(axis=1)
    assert 1 <= (held > 0).sum() <= 15
    assert held[held > 0].min() >= 999


def test_few_points_are_left_alone():
    for spoil in (telemetry.spoil_crab, telemetry.stick):
        few = np.arange(10.0)
        for seed in range(20):
            spoil(few, np.random.default_rng(seed))
        np.testing.assert_array_equal(few, np.arange(10.0))
