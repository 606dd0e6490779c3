"""The registry of figures, and the axis that leaves out long gaps."""

from fnmatch import fnmatch

import numpy as np
import pytest

from polarbgb.plotting.axes import TimeAxis
from polarbgb.plotting.registry import FIGURES
from polarbgb.runs.stages import STAGES


def test_every_figure_has_a_name_of_its_own_and_a_caption():
    names = [entry.name for entry in FIGURES]
    assert len(set(names)) == len(names)
    assert all(entry.caption.endswith(".") for entry in FIGURES)


def test_a_new_result_of_a_stage_removes_its_figures():
    for entry in FIGURES:
        name = f"{entry.name}0" if entry.per_bin else entry.name
        assert any(fnmatch(name, pattern) for pattern in STAGES[entry.stage].figures), name


def test_gaps_of_months_are_left_out_of_the_axis_of_time():
    day, months = np.arange(0.0, 86_400.0), 100 * 86_400.0
    time = 1.5e9 + np.concatenate([day, day + months, day + 3 * months])
    axis = TimeAxis.of(time, cadence=1.0, period=5500.0)
    assert axis.length == 3 * 86_400
    assert np.array_equal(axis.elapsed(time), np.arange(len(time)))
    assert axis.elapsed(np.array([1.5e9 + months / 2])).item() == 86_400


@pytest.mark.parametrize("gap", [3000.0, 40_000.0])
def test_short_gaps_are_drawn(gap):
    day = np.arange(0.0, 86_400.0)
    time = np.concatenate([day, day + 86_400 + gap])
    axis = TimeAxis.of(time, cadence=1.0, period=5500.0)
    assert axis.length == 2 * 86_400 + gap
