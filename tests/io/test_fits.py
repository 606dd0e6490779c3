"""The FITS file of a small prediction, read by astropy."""

import numpy as np
import polars as pl
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from polarbgb.config import Rates
from polarbgb.io.fits import write_fits

PROVENANCE = {"CREATOR": "polarbgb 0", "INSHA256": "f" * 64, "INFILE": "ü.root"}


SETTINGS = {
    "instrument": "TOY",
    "rates": Rates(values=("r[0:2]",), errors=("e[0:2]",), labels=("soft", "hard")),
    "cadence": 2.0,
}


@pytest.fixture
def written(tmp_path, rows, found):
    path = tmp_path / "a.fits"
    told = write_fits(path, rows.lazy(), found, **SETTINGS, provenance=PROVENANCE)
    assert told == {"RATE": 5, "GTI": 3, "EVENTS": 2, "BINS": 2}
    return path


def test_it_is_valid_and_its_checksums_hold(written):
    with fits.open(written, checksum=True) as file:  # a wrong sum warns, and a warning fails
        file.verify("exception")
        assert [hdu.name for hdu in file] == ["PRIMARY", "RATE", "GTI", "EVENTS", "BINS"]
        for hdu in file:
            assert "CHECKSUM" in hdu.header
            assert "DATE" not in hdu.header
        primary = file[0].header
        # FITS knows ASCII alone.
        assert {key: primary[key] for key in PROVENANCE} == {**PROVENANCE, "INFILE": "?.root"}
        assert primary["TELESCOP"] == primary["INSTRUME"] == "TOY"
        assert primary["DATE-OBS"] == "2017-07-14T02:40:00.000"
        assert primary["DATE-END"] == "2017-07-14T02:41:43.500"


def test_the_good_time_intervals_follow_ogip(written):
    header, table = fits.getheader(written, "GTI"), Table.read(written, hdu="GTI")
    assert (header["HDUCLASS"], header["HDUCLAS1"], header["HDUCLAS2"]) == ("OGIP", "GTI", "STANDARD")
    assert table.colnames == ["START", "STOP"]
    assert {column.unit for column in table.itercols()} == {units.s}
    start, stop = np.asarray(table["START"]), np.asarray(table["STOP"])
    # Half-open: to the end of the last row.
    assert (start - 1.5e9).tolist() == [0.0, 6.0, 100.0]
    assert (stop - 1.5e9).tolist() == [4.0, 8.0, 103.5]
    assert (header["TSTART"], header["TSTOP"], header["ONTIME"]) == (1.5e9, 1.5e9 + 103.5, 9.5)
    # The keywords alone give the moment.
    reference = Time(header["MJDREFI"], header["MJDREFF"], format="mjd", scale=header["TIMESYS"].lower())
    days = (reference.jd - Time(start[0], format="unix").jd) * -86_400
    assert days == pytest.approx(start[0], abs=1e-3)


def test_the_light_curve_follows_ogip(written):
    header, table = fits.getheader(written, 1), Table.read(written, hdu=1)
    classes = [header["HDUCLASS"], *(header[f"HDUCLAS{level}"] for level in (1, 2, 3))]
    assert classes == ["OGIP", "LIGHTCURVE", "TOTAL", "RATE"]
    assert (header["TIMEDEL"], header["TIMEPIXR"], header["TIMEUNIT"]) == (2.0, 0.0, "s")
    assert table["RATE"].unit == table["ERROR"].unit == table["BACKV"].unit == units.count / units.s
    assert (np.asarray(table["TIME"]) - 1.5e9).tolist() == [0.0, 2.0, 6.0, 100.0, 101.5]
    masked = np.zeros((5, 2), bool)
    masked[2, 1] = True

    def wanted(values):
        return np.where(masked, np.nan, values)

    np.testing.assert_array_equal(table["RATE"], wanted([100.0, 50.0]))
    # 160 counts in 1.6 s, and 40 in 0.8 s.
    np.testing.assert_allclose(table["ERROR"], wanted([np.sqrt(160) / 1.6, np.sqrt(40) / 0.8]), rtol=1e-6)
    # Where the clock stumbled, the row is 1.5 s long by the times: no row is alive for longer than it lasts.
    dead = [[0.8, 0.4], [0.8, 0.4], [0.8, 0.0], [1.0, 0.8 / 1.5], [0.8, 0.4]]
    np.testing.assert_allclose(table["DEADC"], dead, rtol=1e-6)
    assert np.asarray(table["BACKV"]).tolist() == [[90.0, 45.0]] * 5
    np.testing.assert_array_equal(table["SIGMA"], wanted([8.0, 4.0]))
    np.testing.assert_array_equal(table["PULL"], wanted([1.25, 0.625]))


def test_events_come_with_units_and_without_nulls(written, found):
    table = Table.read(written, hdu="EVENTS")
    assert table.colnames == found.columns
    assert table["t_start"].unit == units.s
    assert table["far"].unit == 1 / units.day
    assert table["counts"].unit == units.count
    header = fits.getheader(written, "EVENTS")
    assert header[f"TCOMM{found.columns.index('far') + 1}"] == "false-alarm rate: false events a day that rank as high"
    assert np.asarray(table["counts"]).tolist() == [[480.0, 100.0], [50.0, 900.0]]
    assert np.asarray(table["fold"]).tolist() == [-1, 4]
    with fits.open(written) as file:
        data = file["EVENTS"].data
        assert data["matched"].tolist() == ["", "GRB ?"]
        np.testing.assert_array_equal(data["matched_dt"], [np.nan, -0.5])
        np.testing.assert_array_equal(data["t90"], [2.0, np.nan])
    bins = Table.read(written, hdu="BINS")
    assert [tuple(map(str, row)) for row in bins] == [("0", "r[0]", "soft"), ("1", "r[1]", "hard")]


def test_no_row_and_no_event_are_empty_tables(tmp_path, rows, found):
    told = write_fits(tmp_path / "a.fits", rows.clear().lazy(), found.clear(), **SETTINGS, provenance={})
    assert told == {"RATE": 0, "GTI": 0, "EVENTS": 0, "BINS": 2}
    with fits.open(tmp_path / "a.fits", checksum=True) as file:
        file.verify("exception")
        assert file["EVENTS"].columns.names == found.columns
        assert "TSTART" not in file["GTI"].header


def test_an_instrument_of_one_bin_has_a_light_curve_of_numbers(tmp_path, rows, found):
    settings = SETTINGS | {"rates": Rates(values=("r",), errors=("e",))}
    arrays = ("rate", "pred", "sigma", "pull", "exposure")
    narrow = rows.with_columns(pl.col(name).arr.to_list().list.head(1).list.to_array(1) for name in arrays)
    write_fits(tmp_path / "a.fits", narrow.lazy(), found, **settings, provenance={})
    assert np.asarray(Table.read(tmp_path / "a.fits", hdu="RATE")["RATE"]).ravel().tolist() == [100.0] * 5
