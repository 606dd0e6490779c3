"""Times become unix seconds, against astropy's own scales and calendar."""

import warnings
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from astropy.time import Time, TimeDelta
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import TimeFormat
from polarbgb.data.time_format import from_fits_keywords, to_unix
from polarbgb.errors import InputError

LEAPS = [f"{date}T23:59:{second}" for date in ("2015-06-30", "2016-12-31") for second in ("58.25", "59.5", "60.75")]
MICROSECOND = 1.5e-6
SCALES = ["utc", "tt", "tai", "tdb"]
MOMENTS = st.lists(st.floats(6.4e7, 4e9), min_size=1, max_size=30)


def posix(times):
    """Unix seconds by the calendar: astropy's own ``unix`` stretches the days that have a leap second."""
    utc = times.utc.ymdhms
    days = [datetime(*day, tzinfo=UTC).timestamp() for day in zip(utc["year"], utc["month"], utc["day"], strict=True)]
    return np.array(days) + utc["hour"] * 3600.0 + utc["minute"] * 60.0 + utc["second"]


def moments(unix):
    """Times as astropy has them, near leap seconds and elsewhere; for years to come it warns, and knows no better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calendar = [datetime.fromtimestamp(round(second), UTC).strftime("%Y-%m-%dT%H:%M:%S.5") for second in unix]
        return Time([*LEAPS, *calendar], scale="utc")


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="ERFA function")  # dates beyond the table of leap seconds
        yield


@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize("form", ["mjd", "jd", "iso"])
@settings(deadline=None, max_examples=20)
@given(unix=MOMENTS)
def test_dates_in_a_scale_are_those_of_astropy(form, scale, unix):
    times = moments(unix)
    scaled = getattr(times, scale)
    scaled.precision = 9
    stored = scaled.isot if form == "iso" else getattr(scaled, form)
    # A double holds a Julian Date to 40 us.
    within = 5e-5 if form == "jd" else MICROSECOND
    np.testing.assert_allclose(to_unix(stored, TimeFormat(form, scale)), posix(times), rtol=0, atol=within)


@settings(deadline=None, max_examples=50)
@given(unix=MOMENTS)
def test_days_of_utc_have_86400_seconds(unix):
    unix = np.array(unix)
    np.testing.assert_allclose(to_unix(unix / 86400 + 40587, TimeFormat("mjd")), unix, rtol=0, atol=MICROSECOND)
    assert to_unix(unix * 1000, TimeFormat("milliseconds")) == pytest.approx(unix, abs=MICROSECOND)
    np.testing.assert_array_equal(to_unix(unix, TimeFormat()), unix)


@settings(deadline=None, max_examples=20)
@given(unix=MOMENTS)
def test_gps_seconds_are_those_of_astropy(unix):
    times = moments(unix)
    np.testing.assert_allclose(to_unix(times.gps, TimeFormat("gps")), posix(times), rtol=0, atol=MICROSECOND)


@pytest.mark.parametrize("scale", SCALES)
@settings(deadline=None, max_examples=20)
@given(unix=MOMENTS, reference=st.sampled_from(["1979-01-01", "2001-01-01T00:00:00", "2016-12-31T12:00:00"]))
def test_mission_elapsed_time_counts_leap_seconds(scale, unix, reference):
    times = moments(unix)
    zero = Time(reference, scale=scale)
    elapsed = (times - zero).sec if scale == "utc" else (getattr(times, scale) - zero).sec
    got = to_unix(elapsed, TimeFormat("met", scale, reference))
    np.testing.assert_allclose(got, posix(times), rtol=0, atol=MICROSECOND)
    mjd = TimeFormat("met", scale, (float(int(zero.mjd)), float(zero.mjd % 1)))
    if not (scale == "utc" and reference.startswith("2016")):  # astropy stretches that day
        np.testing.assert_allclose(to_unix(elapsed, mjd), posix(times), rtol=0, atol=MICROSECOND)


def test_a_reference_that_ends_with_z_is_in_utc_whatever_the_scale():
    # The zero of Fermi, 2001-01-01 UTC, is 64.184 s later in TT.
    by_date = to_unix([1e8], TimeFormat("met", "tt", "2001-01-01T00:00:00Z"))
    by_mjd = to_unix([1e8], TimeFormat("met", "tt", 51910 + 7.428703703703703e-4))
    np.testing.assert_allclose(by_date, by_mjd, rtol=0, atol=MICROSECOND)


@pytest.mark.parametrize(("scale", "named"), [("utc", "UTC"), ("tt", "TT(TAI)"), ("tai", "tai"), ("tdb", "TDB")])
@pytest.mark.parametrize(("unit", "seconds"), [("s", 1.0), ("d", 86400.0), ("ms", 1e-3)])
@pytest.mark.parametrize("zero", [0.0, 5e8])
def test_the_keywords_of_fits_tables_say_when(scale, named, unit, seconds, zero):
    reference = Time(51910, 7.428703703703703e-4, format="mjd", scale=scale)
    elapsed = np.array([0.0, 4.2e8, 5.05e8])
    wanted = reference + TimeDelta(zero + elapsed, format="sec")
    keywords = from_fits_keywords((51910, 7.428703703703703e-4), zero=zero / seconds, scale=named, unit=unit)
    np.testing.assert_allclose(to_unix(elapsed / seconds, keywords), posix(wanted), rtol=0, atol=MICROSECOND)


def test_utc_since_1970_in_fits_is_what_unix_time_is():
    assert from_fits_keywords((40587, 0.0)) == TimeFormat()


@pytest.mark.parametrize("wrong", [{"scale": "LOCAL"}, {"unit": "yr"}])
def test_unknown_keywords_of_fits_are_refused(wrong):
    with pytest.raises(InputError, match=f"'{next(iter(wrong.values()))}' is not"):
        from_fits_keywords((51910, 0.0), **wrong)


def test_dates_as_text_may_state_their_zone():
    texts = [
        "2017-02-06T10:51:57.7",
        "2017-02-06 10:51:57.7Z",
        "2017-02-06T12:51:57.7+02:00",
        "2017-02-06T05:21:57.7-0530",
    ]
    np.testing.assert_allclose(to_unix(texts, TimeFormat("iso")), 1486378317.7, rtol=0, atol=1e-6)
    # A zone says UTC, and the scale does not matter.
    np.testing.assert_allclose(to_unix(texts[1:], TimeFormat("iso", "tt")), 1486378317.7, rtol=0, atol=1e-6)
    assert to_unix(["2017-02-06", "2017-02-06T10:51"], TimeFormat("iso")).tolist() == [1486339200, 1486378260]
    wrong = ["2017-02-30", "06/02/2017", "", "2017-02-06T25:00:00", "noon"]
    assert np.isnan(to_unix([*wrong, texts[0]], TimeFormat("iso"))).tolist() == [True] * 5 + [False]


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_column_of_dates_needs_no_format(zone):
    moment = datetime(2017, 2, 6, 10, 51, 57, 700_000, UTC if zone else None)
    column = pl.Series([moment, None], dtype=pl.Datetime("us", zone))
    assert to_unix(column, TimeFormat()).tolist() == pytest.approx([1486378317.7, np.nan], nan_ok=True)


@pytest.mark.parametrize("form", ["unix", "milliseconds", "mjd", "jd", "gps"])
def test_what_is_not_a_number_stays_so(form):
    recent = {"unix": 1.6e9, "milliseconds": 1.6e12, "mjd": 59000.0, "jd": 2459000.0, "gps": 1.3e9}[form]
    got = to_unix([np.nan, recent, np.nan], TimeFormat(form))
    assert np.isnan(got).tolist() == [True, False, True]
    assert np.isnan(to_unix(pl.Series(["x", str(recent)]), TimeFormat(form))).tolist() == [True, False]
    assert np.isnan(to_unix([np.nan], TimeFormat(form))).all()


@pytest.mark.parametrize("scale", SCALES)
def test_times_before_1972_are_refused_together_and_else_have_no_value(scale):
    with pytest.raises(InputError, match=rf"^a.root: read as mjd \({scale.upper()}\), every time lies before 1972"):
        to_unix([41316.9, 0.0, np.nan], TimeFormat("mjd", scale), where="a.root")
    assert np.isnan(to_unix([0.0, 41318.0], TimeFormat("mjd", scale))).tolist() == [True, False]


def test_a_reference_in_utc_before_1972_is_refused():
    with pytest.raises(InputError, match="reference of the times lies before 1972"):
        to_unix([1e9], TimeFormat("met", "utc", "1970-01-01"))
