"""Times that cannot be meant as they are read: each cause by its name, and nothing against good ones."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polarbgb.config import TimeFormat
from polarbgb.data.time_problem import read_times, time_problem
from polarbgb.errors import InputError

ROWS = np.arange(2000)
STARTS = st.floats(4e8, 4e9)
CADENCES = st.sampled_from([0.01, 0.1, 0.256, 0.5, 1.0, 2.0, 4.096, 8.0, 60.0])
STORED = {
    "unix": lambda unix: unix,
    "milliseconds": lambda unix: unix * 1e3,
    "mjd": lambda unix: unix / 86400 + 40587,
    "jd": lambda unix: unix / 86400 + 2440587.5,
    "gps": lambda unix: unix - 315964782,
}


def mission(start, cadence, seed):
    """Rows with some jitter, of which some are missing, and with gaps between stretches."""
    rng = np.random.default_rng(seed)
    rows = ROWS[rng.random(len(ROWS)) > 0.1] + np.sort(rng.choice([0, 5000, 90000], len(ROWS)))[: len(ROWS)][0]
    time = start + cadence * (rows + 0.02 * rng.random(len(rows)))
    time[len(time) // 2 :] += 3000 * cadence
    return time


@settings(deadline=None, max_examples=100)
@given(start=STARTS, cadence=CADENCES, form=st.sampled_from(sorted(STORED)), seed=st.integers(0, 99))
def test_good_series_have_no_problem(start, cadence, form, seed):
    assume(form != "jd" or cadence > 0.01)  # a Julian Date is exact to 40 us
    time = STORED[form](mission(start, cadence, seed))
    assert time_problem(time, cadence, TimeFormat(form)) is None
    half = len(time) // 2
    for order in (time[::-1], np.concatenate([time[half:], time[:half]]), np.random.default_rng(1).permutation(time)):
        assert time_problem(order, cadence, TimeFormat(form)) is None
    flawed = time.copy()
    flawed[[3, 50]] = [np.nan, 0.0]
    assert time_problem(flawed, cadence, TimeFormat(form)) is None


@settings(deadline=None, max_examples=50)
@given(start=st.floats(0, 9e8), cadence=st.sampled_from([0.1, 1.0, 2.0, 4.096]), seed=st.integers(0, 99))
def test_seconds_since_any_epoch_have_no_problem(start, cadence, seed):
    time = mission(start, cadence, seed)
    assert time_problem(time, cadence) is None
    assert time_problem(time, cadence, TimeFormat("met", "tt", "2001-01-01")) is None


@settings(deadline=None, max_examples=100)
@given(start=STARTS, cadence=st.sampled_from([0.1, 1.0, 2.0, 8.0]), form=st.sampled_from(["milliseconds", "mjd", "jd"]))
@pytest.mark.parametrize("stated", [True, False])
def test_another_format_is_named_with_its_setting(stated, start, cadence, form):
    time = STORED[form](start + cadence * ROWS)
    told = time_problem(time, cadence if stated else 3.0 * cadence, name="t")
    assert told.startswith("'t' holds ")
    assert f'set input.time_format = "{form}"' in told
    assert ("input.cadence" in told) == (not stated)
    other = {"milliseconds": "mjd", "mjd": "jd", "jd": "mjd"}[form]
    assert f'set input.time_format = "{form}"' in time_problem(time, cadence, TimeFormat(other))
    assert 'set input.time_format = "unix"' in time_problem(start + cadence * ROWS, cadence, TimeFormat(form))


@pytest.mark.parametrize(
    ("time", "words", "formula"),
    [
        (1.6e15 + 2e6 * ROWS, "unix microseconds (1.6e+15 is 2020-09-13 12:26:40 UTC)", "t / 1e6"),
        (1.6e18 + 2e9 * ROWS, "unix nanoseconds", "t / 1e9"),
        (738000 + 2 * ROWS / 86400, "day numbers of MATLAB (738000 is 2020-07-28", "(t - 719529) * 86400"),
        (3000 + 2 * ROWS / 86400, "count days from an epoch of its own", "t * 86400"),
        (2000.0 * ROWS, "count milliseconds from an epoch of its own", "t / 1e3"),
    ],
)
def test_units_without_a_format_are_derived(time, words, formula):
    told = time_problem(time, 2.0, name="t")
    assert words in told
    assert f'derived.seconds = "{formula}"' in told


@settings(deadline=None, max_examples=100)
@given(start=STARTS, cadence=st.floats(0.1, 20.0), form=st.sampled_from(["unix", "milliseconds", "mjd"]))
@pytest.mark.parametrize("stated", [True, False])
def test_32_bit_floats_are_named(stated, start, cadence, form):
    time = STORED[form](start + cadence * np.arange(20_000)).astype(np.float32)
    assume(len(np.unique(time)) > 1)
    told = time_problem(time.astype(float), cadence, TimeFormat(form) if stated else None, name="t")
    assert told.startswith("'t' was stored in 32-bit floats")
    assert "store it in 64-bit floats" in told
    assert "cadence =" not in told


def test_32_bit_floats_are_coarse_by_their_size():
    told = time_problem((1.6e9 + 2 * np.arange(20_000)).astype(np.float32), 2.0)
    assert "are 128 s apart, too coarse for rows of 2 s" in told
    assert "in every row" in time_problem(np.full(100, np.float32(1.6e9)), 2.0)
    # Mission elapsed times of a few days are exact enough in 32 bits.
    assert time_problem(np.arange(20_000, dtype=np.float32) * 2 + 3e5, 2.0) is None


@settings(deadline=None, max_examples=50)
@given(start=STARTS, rows=st.integers(2, 20), form=st.sampled_from(["unix", "milliseconds"]))
def test_whole_seconds_are_named(start, rows, form):
    time = np.floor(start + np.arange(4000) / rows)
    told = time_problem(STORED[form](time), 1 / rows, TimeFormat(form), name="t")
    assert told.startswith("'t' is stored in whole seconds, and each holds the ")
    assert "the fraction was cut off; store it with the fraction" in told
    assert "cadence" not in told


def test_whole_seconds_with_rows_missing_are_too_coarse():
    time = np.floor(1.6e9 + np.arange(4000)[np.random.default_rng(1).random(4000) > 0.4] / 4)
    told = time_problem(time, 0.25)
    assert "is stored in whole seconds, with 2.4 rows each: too coarse for rows of 0.25 s" in told


def test_whole_seconds_are_named_though_the_cadence_is_wrong_too():
    told = time_problem(np.floor(1.6e9 + np.arange(4000) / 2), 2.0)
    assert "is stored in whole seconds, which 2 rows share each; store it with the fraction" in told


@settings(deadline=None, max_examples=50)
@given(start=STARTS, cadence=CADENCES, factor=st.sampled_from([0.1, 0.25, 3.0, 10.0]))
def test_the_cadence_is_blamed_where_rows_are_regular_and_the_right_one_given(start, cadence, factor):
    told = time_problem(start + cadence * ROWS, cadence * factor)
    assert told.endswith(f"input.cadence is {cadence * factor:g} s; set input.cadence = {cadence:.6g}")


def test_the_cadence_is_not_blamed_where_rows_are_not_regular():
    photons = np.sort(np.random.default_rng(1).uniform(1.6e9, 1.6e9 + 5000, 5000))
    told = time_problem(photons, 0.01)
    assert "not regular" in told
    assert "set input.cadence" not in told
    # Rows of two widths, of which the cadence is one.
    two = 1.6e9 + np.cumsum(np.repeat([8.0, 1.0], [500, 1500]))
    assert time_problem(two, 8.0) is None


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["2017-02-06T10:51:57", ""], "holds dates as text, such as '2017-02-06T10:51:57'; set input.time_format"),
        (["noon", "night"], "holds text such as 'noon', neither a number nor a date"),
    ],
)
def test_text_is_named(texts, told):
    assert told in time_problem(pl.Series(texts * 20), 1.0)


def test_few_rows_prove_nothing():
    assert time_problem(59000 + np.arange(5) / 86400, 1.0) is None
    assert time_problem(np.full(100, np.nan), 1.0) is None
    assert time_problem(np.empty(0), 1.0) is None


def test_times_of_a_file_are_read_or_refused_with_its_name():
    unix = 1.6e9 + 2.0 * ROWS
    stored = pl.Series(unix / 86400 + 40587)
    read = read_times(stored, 2.0, TimeFormat("mjd"), name="t", where="a.root")
    np.testing.assert_allclose(read, unix, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"^a\.root: 't' holds Modified Julian Dates"):
        read_times(stored, 2.0, TimeFormat(), name="t", where="a.root")
