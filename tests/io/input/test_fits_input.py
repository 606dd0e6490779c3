"""FITS tables are read with their scales, gaps and times."""

import numpy as np
import pytest
from astropy.io import fits

from polarbgb.errors import UserError
from polarbgb.io.input import (
    TimeKeywords,
    good_times,
    list_branches,
    list_trees,
    read_columns,
    time_keywords,
    tree_name,
)

ROWS = 20


def table(name=None, columns=(), **cards):
    time = fits.Column("TIME", "D", array=np.arange(float(ROWS)), unit="s")
    hdu = fits.BinTableHDU.from_columns([time, *columns], name=name)
    hdu.header.update(cards)
    return hdu


def gti(start, stop, name="GTI", **cards):
    columns = [fits.Column("START", "D", array=start), fits.Column("STOP", "D", array=stop)]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(cards)
    return hdu


def written(path, *hdus, **primary):
    first = fits.PrimaryHDU()
    first.header.update(primary)
    fits.HDUList([first, *hdus]).writeto(path)
    return path


@pytest.mark.parametrize("name", ["t.fits", "t.fits.gz", "t.lc", "T.FIT", "t.pha", "t.evt.gz"])
def test_columns_of_every_format_are_read(tmp_path, name):
    count = np.arange(ROWS)
    columns = [
        fits.Column("RATE", "3E", array=np.outer(count, [1, 2, 3])),
        fits.Column("GRID", "6I", array=count[:, None] + np.arange(6), dim="(3,2)"),
        fits.Column("GAPS", "J", array=np.where(count == 4, -9, count), null=-9),
        fits.Column("UNSIGNED", "I", array=(count + 65000).astype("u2"), bzero=32768),
        fits.Column("LARGE", "K", array=count.astype("u8") + 5, bzero=2**63),
        fits.Column("BYTE", "B", array=count.astype("u1")),
        fits.Column("GOOD", "L", array=count % 2 == 0),
        fits.Column("BITS", "11X", array=(count[:, None] >> np.arange(11)) & 1 == 1),
        fits.Column("VARIABLE", "PE()", array=np.array([np.full(2, i, "f4") for i in count] + [None], object)[:-1]),
        fits.Column("LABEL", "4A", array=["text"] * ROWS),
    ]
    path = written(tmp_path / name, table("RATES", columns))
    shapes = {branch.name: branch.shape for branch in list_branches(path, None)[1]}
    assert shapes == {
        "TIME": (), "RATE": (3,), "GRID": (2, 3), "GAPS": (), "UNSIGNED": (), "LARGE": (), "BYTE": (), "GOOD": (),
        "BITS": (11,), "VARIABLE": (2,), "LABEL": None,
    }  # fmt: skip
    wanted = {
        "TIME": count, "RATE[2]": 3 * count, "GRID[1][2]": count + 5, "UNSIGNED": count + 65000, "LARGE": count + 5,
        "GAPS": np.where(count == 4, np.nan, count), "BYTE": count, "GOOD": count % 2 == 0, "BITS[1]": count >> 1 & 1,
        "VARIABLE[1]": count,
    }  # fmt: skip
    frame = read_columns(path, "RATES", list(wanted), exact=list(wanted))
    for column, values in wanted.items():
        np.testing.assert_array_equal(frame[column].to_numpy(), values, column)
    with pytest.raises(UserError, match="column 'LABEL' is a 4A, not a number"):
        read_columns(path, None, ["LABEL"])


def test_scaled_numbers_and_gaps_among_them_are_honoured(tmp_path):
    hdu = table("RATES", [fits.Column("HV", "I", array=np.where(np.arange(ROWS) == 2, -1, np.arange(ROWS)))])
    hdu.header.update({"TSCAL2": 0.5, "TZERO2": 100.0, "TNULL2": -1})
    path = written(tmp_path / "t.fits", hdu)
    expected = np.where(np.arange(ROWS) == 2, np.nan, 100 + 0.5 * np.arange(ROWS))
    np.testing.assert_array_equal(read_columns(path, None, ["HV"], exact=["HV"])["HV"], expected)


def test_names_are_equal_whatever_their_case_and_kept_as_asked(tmp_path):
    path = written(tmp_path / "t.fits", table("RATES", [fits.Column("Rate", "2D", array=np.ones((ROWS, 2)))]))
    assert read_columns(path, "rates", ["time", "rate[1]"]).columns == ["rate[1]", "time"]
    with pytest.raises(UserError, match=r"table 'RATES' has no column 'TIMES' \(did you mean 'TIME'\?\)"):
        read_columns(path, None, ["TIMES"])


def test_a_table_is_chosen_by_name_or_number_or_by_its_times(tmp_path):
    bins = fits.BinTableHDU.from_columns([fits.Column("E_MIN", "D", array=[1.0])], name="EBOUNDS")
    other = table("OTHER")
    path = written(tmp_path / "t.pha", gti([0], [1]), bins, table("SPECTRUM"), other, table("OTHER"), table())
    assert tree_name(path, None) == "SPECTRUM"
    assert list_trees(path) == ["EBOUNDS", "SPECTRUM", "OTHER", "5", "6"]
    assert list_branches(path, None)[0] == ROWS
    assert list_branches(path, "ebounds")[0] == list_branches(path, "2")[0] == 1
    with pytest.raises(UserError, match=r"no table 'SPECTRA' \(did you mean 'SPECTRUM'\?\); the file holds GTI, "):
        list_branches(path, "SPECTRA")
    for hdus in ([], [gti([0], [1])]):
        alone = written(tmp_path / f"alone{len(hdus)}.fits", *hdus)
        with pytest.raises(UserError, match="no table besides good time intervals"):
            list_branches(alone, None)


def test_a_text_table_is_read(tmp_path):
    columns = [fits.Column("A", "E10.4", array=np.arange(3) / 2), fits.Column("N", "I5", array=np.arange(3))]
    path = written(tmp_path / "t.fits", fits.TableHDU.from_columns(columns))
    np.testing.assert_array_equal(read_columns(path, None, ["A", "N"]).to_numpy(), [[0, 0], [0.5, 1], [1, 2]])


def test_variable_lengths_are_named(tmp_path):
    arrays = np.array([np.zeros(1 + i % 3) for i in range(ROWS)], object)
    path = written(tmp_path / "t.fits", table("RATES", [fits.Column("HITS", "PE()", array=arrays)]))
    with pytest.raises(UserError, match=r"column 'HITS' is a PE.* whose length varies from 1 to 3"):
        read_columns(path, None, ["HITS[0]"])


KEYWORDS = {
    "GBM": ({"MJDREFI": 51910, "MJDREFF": 7.5e-4, "TIMESYS": "TT", "TIMEUNIT": "s", "TIMEZERO": 0.0},
            TimeKeywords((51910, 7.5e-4), 0.0, "tt", "s")),
    "one number": ({"MJDREF": 49353.25, "TIMEZERO": 12.5}, TimeKeywords((49353, 0.25), 12.5, "utc", "s")),
    "two zeros": ({"TIMEZERI": 100, "TIMEZERF": 0.5, "TIMESYS": "TDB "}, TimeKeywords(None, 100.5, "tdb", "s")),
    "julian days": ({"JDREFI": 2454833, "JDREFF": 0.0, "TIMEUNIT": "days"}, TimeKeywords((54833, -0.5), 0, "utc", "d")),
    "nothing": ({}, TimeKeywords(None, 0.0, "utc", "s")),
}  # fmt: skip


@pytest.mark.parametrize("where", ["table", "primary"])
@pytest.mark.parametrize("case", KEYWORDS)
def test_the_header_tells_what_the_times_mean(tmp_path, case, where):
    cards, expected = KEYWORDS[case]
    hdus = (table("RATE", **cards),) if where == "table" else (table("RATE"),)
    path = written(tmp_path / "t.fits", *hdus, **({} if where == "table" else cards))
    assert time_keywords(path, None) == time_keywords(path, "RATE") == expected


def test_the_header_of_the_table_comes_before_the_primary_header(tmp_path):
    path = written(tmp_path / "t.fits", table("RATE", TIMEZERO=1.0), TIMEZERO=2.0, TIMESYS="TAI")
    assert time_keywords(path, None) == TimeKeywords(None, 1.0, "tai", "s")


def test_keywords_that_are_not_understood_are_told(tmp_path):
    path = written(tmp_path / "a.fits", table("RATE", TIMEUNIT="yr"))
    with pytest.raises(UserError, match="TIMEUNIT is 'yr'; only s and d are understood"):
        time_keywords(path, None)
    path = written(tmp_path / "b.fits", table("RATE", MJDREF="2001-01-01"))
    with pytest.raises(UserError, match="MJDREF is .*, not a number"):
        time_keywords(path, None)


def test_other_files_have_neither_keywords_nor_intervals(tmp_path):
    (tmp_path / "t.csv").write_text("time\n1\n")
    assert time_keywords(tmp_path / "t.csv", None) is None
    assert good_times(tmp_path / "t.csv") is None
    assert good_times(written(tmp_path / "t.fits", table("RATE"))) is None


@pytest.mark.parametrize("name", ["GTI", "STDGTI", "gti01"])
def test_good_times_are_those_of_the_extension(tmp_path, name):
    path = written(tmp_path / "t.fits", table("RATE"), gti([1.5, 8], [4, 9.25], name))
    np.testing.assert_array_equal(good_times(path), [[1.5, 4], [8, 9.25]])


def test_good_times_are_moved_into_the_time_of_the_table(tmp_path):
    ours = {"MJDREFI": 50000, "MJDREFF": 0.0, "TIMEZERO": 1000.0, "TIMEUNIT": "s"}
    theirs = {"MJDREFI": 50001, "MJDREFF": 0.5, "TIMEZERO": 0.0, "TIMEUNIT": "d", "HDUCLAS1": "GTI"}
    path = written(tmp_path / "t.fits", table("RATE", **ours), gti([0.0, 1.0], [0.5, 2.0], "TIMES", **theirs))
    # 0 d after MJD 50001.5 is 129,600 s after MJD 50000, of which 1000 s are the zero of the table.
    np.testing.assert_array_equal(good_times(path), [[128600, 171800], [215000, 301400]])
    path = written(tmp_path / "u.fits", table("RATE", TIMESYS="TT"), gti([0], [1], TIMESYS="UTC"))
    with pytest.raises(UserError, match="intervals are in UTC, the table in TT"):
        good_times(path)


def test_an_extension_without_intervals_has_none(tmp_path):
    assert good_times(written(tmp_path / "t.fits", table("RATE"), gti([], []))).shape == (0, 2)
