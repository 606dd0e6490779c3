"""The list of known events, as users write it."""

import csv
from statistics import median

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import TimeFormat, load, shipped
from polarbgb.data.epochs import doubtful_dates
from polarbgb.data.known_events import known_events, known_events_outside, read_known
from polarbgb.errors import UserError

SCHEMA = {"name": pl.String, "time": pl.Float64, "duration": pl.Float64}


def written(folder, text, name="known.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_events_come_sorted_by_time(tmp_path):
    path = written(
        tmp_path, "extra,name,unix_time\nx,late,1483600000.5\ny,early,1483500000\nz,also late,1483600000.5\n"
    )
    known = read_known(path, "unix_time", "name")
    assert known.rows() == [("early", 1483500000.0, 0.0), ("late", 1483600000.5, 0.0), ("also late", 1483600000.5, 0.0)]
    assert known.schema == SCHEMA


def test_the_shipped_list_holds_the_bursts_of_polar():
    path = shipped("data/grbs.csv")
    known = read_known(path, "unix_time", "GRB_Name")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(known) == len(rows) == 55
    assert dict(known.select("name", "time").iter_rows()) == {row["GRB_Name"]: float(row["unix_time"]) for row in rows}
    assert known["time"].is_sorted()
    # The published trigger of GRB 170206A, 2017-02-06 10:51:57.700 UTC.
    assert known.filter(name="GRB_170206A")["time"].to_list() == [1486378317.7]


def test_the_polar_configuration_reads_its_list():
    config = load("configs/polar.toml")
    section = config.known_events
    known = read_known(section.file, section.time, section.name, duration="t90", unknown_duration=23.0)
    assert len(known) == 55
    assert known_events(config.known_events).equals(known)
    with section.file.open(newline="") as file:
        listed = {row["GRB_Name"]: row["t90"] for row in csv.DictReader(file)}
    assert dict(known.select("name", "duration").iter_rows()) == {n: float(t90 or 23.0) for n, t90 in listed.items()}
    # What stands in for an unknown T90 is the median of those that are known.
    known_t90 = [float(t90) for t90 in listed.values() if t90]
    assert len(known_t90) == 41
    assert median(known_t90) == pytest.approx(23.0, abs=0.1)
    # Published: a short burst (GCN 20616: about 1.2 s) and a long one (GCN 20660: about 79 s).
    assert (float(listed["GRB_170206A"]), float(listed["GRB_170210A"])) == pytest.approx((1.2, 79), rel=0.05)


def test_a_configuration_without_a_list_knows_no_event():
    known = known_events(None)
    assert known.is_empty()
    assert known.schema == SCHEMA


@settings(deadline=None)
@given(times=st.lists(st.floats(-6e10, 2.5e11), max_size=20))
def test_times_are_read_to_the_last_bit_in_order(tmp_path_factory, times):
    path = tmp_path_factory.mktemp("known") / "known.csv"
    path.write_text("t,n\n" + "".join(f"{time!r},{number}\n" for number, time in enumerate(times)))
    known = read_known(path, "t", "n")
    order = sorted(range(len(times)), key=times.__getitem__)
    assert known["time"].to_list() == [times[number] for number in order]
    assert known["name"].to_list() == [str(number) for number in order]


def test_a_header_alone_is_an_empty_list(tmp_path):
    known = read_known(written(tmp_path, "name,unix_time\n"), "unix_time", "name")
    assert known.is_empty()
    assert known.schema == SCHEMA


def test_names_stay_text_and_a_missing_name_is_empty(tmp_path):
    path = written(tmp_path, 'name,t\n0161009651,1\n,2\n"GRB 170206A, bright",3\n')
    assert read_known(path, "t", "name")["name"].to_list() == ["0161009651", "", "GRB 170206A, bright"]


def test_spaces_around_a_time_and_windows_line_ends_do_no_harm(tmp_path):
    path = written(tmp_path, b"name,t\r\nA, 1483500000.25 \r\nB,1e9\r\n")
    assert read_known(path, "t", "name").rows() == [("B", 1e9, 0.0), ("A", 1483500000.25, 0.0)]


@pytest.mark.parametrize("bad", ["2017-02-06T10:51:57", "", "nan", "inf", "-inf", "1,483", "1e18"])
def test_a_time_that_is_no_number_is_told_with_its_line(tmp_path, bad):
    path = written(tmp_path, f'name,t\nA,1\nB,"{bad}"\nC,3\nD,x\n')
    with pytest.raises(UserError) as error:
        read_known(path, "t", "name")
    assert str(error.value) == f"{path}, line 3: 't' is '{bad}', not a number of unix seconds such as 1486378317.7"


def test_the_first_line_may_be_the_wrong_one(tmp_path):
    path = written(tmp_path, "name,t\nA,early\nB,2\n")
    with pytest.raises(UserError, match=r"known\.csv, line 2: 't' is 'early', not"):
        read_known(path, "t", "name")


@pytest.mark.parametrize(("time", "name", "told"), [("unix_tim", "name", "unix_time"), ("unix_time", "nam", "name")])
def test_a_missing_column_is_answered_with_the_nearest(tmp_path, time, name, told):
    path = written(tmp_path, "name,unix_time\nA,1\n")
    with pytest.raises(UserError, match=rf"no column '\w+' \(did you mean '{told}'\?\) \(known_events\.\w+\)$"):
        read_known(path, time, name)


def test_a_missing_file_is_told_with_its_setting(tmp_path):
    with pytest.raises(UserError) as error:
        read_known(tmp_path / "none.csv", "t", "n")
    assert str(error.value) == f"no file {tmp_path / 'none.csv'} of known events (known_events.file)"


@pytest.mark.parametrize("content", [b"", b"name,t\nA,1,2,3\n", b"name,t\n\xff\xfe\x00,1\n"])
def test_what_is_no_table_is_told(tmp_path, content):
    path = written(tmp_path, content)
    with pytest.raises(UserError, match=r"known\.csv: cannot be read as a CSV table of known events"):
        read_known(path, "t", "name")


def test_a_folder_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot be read as a CSV table of known events"):
        read_known(tmp_path, "t", "name")


def test_a_number_is_the_duration_of_every_event(tmp_path):
    path = written(tmp_path, "name,t\nA,1\nB,2\n")
    assert read_known(path, "t", "name", duration=12.5)["duration"].to_list() == [12.5, 12.5]


def test_durations_follow_their_events_and_empty_cells_are_unknown(tmp_path):
    path = written(tmp_path, 'name,t,t90\nlate,3, 1.25 \nearly,1,\nmiddle,2," "\n')
    known = read_known(path, "t", "name", duration="t90", unknown_duration=20.0)
    assert known.rows() == [("early", 1.0, 20.0), ("middle", 2.0, 20.0), ("late", 3.0, 1.25)]
    assert read_known(path, "t", "name", duration="t90")["duration"].to_list() == [0.0, 0.0, 1.25]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.none() | st.floats(0, 1e6)), max_size=20),
    st.floats(0, 1e3),
)
def test_durations_are_read_to_the_last_bit(tmp_path_factory, rows, unknown):
    path = tmp_path_factory.mktemp("known") / "known.csv"
    cells = "".join(f"{time},{n},{'' if t90 is None else repr(t90)}\n" for n, (time, t90) in enumerate(rows))
    path.write_text("t,n,t90\n" + cells)
    known = read_known(path, "t", "n", duration="t90", unknown_duration=unknown)
    assert known.schema == SCHEMA
    expected = {str(n): (time, unknown if t90 is None else t90) for n, (time, t90) in enumerate(rows)}
    assert {name: (time, duration) for name, time, duration in known.iter_rows()} == expected


@pytest.mark.parametrize("bad", ["-0.1", "nan", "inf", "about 5", "1,5"])
def test_a_wrong_duration_is_told_with_its_line(tmp_path, bad):
    path = written(tmp_path, f'name,t,t90\nA,1,\nB,2,"{bad}"\nC,3,-1\n')
    with pytest.raises(UserError) as error:
        read_known(path, "t", "name", duration="t90")
    assert str(error.value) == f"{path}, line 3: 't90' is '{bad}', not a number of seconds >= 0"


def test_a_missing_duration_column_is_answered_with_the_nearest(tmp_path):
    path = written(tmp_path, "name,t,t90\nA,1,2\n")
    with pytest.raises(UserError, match=r"no column 'T90' \(did you mean 't90'\?\) \(known_events\.duration\)$"):
        read_known(path, "t", "name", duration="T90")


@pytest.mark.parametrize(
    ("clock", "stored"),
    [
        (TimeFormat("mjd"), "57790.45275115741"),
        (TimeFormat("jd"), "2457790.95275115741"),
        (TimeFormat("gps"), "1170413535.7"),
        (TimeFormat("milliseconds"), "1486378317700"),
        (TimeFormat("met", "tt", "2001-01-01T00:00:00Z"), "508071122.7"),
        (TimeFormat("iso"), "2017-02-06T10:51:57.700"),
    ],
)
def test_times_of_a_list_have_a_format(tmp_path, clock, stored):
    path = written(tmp_path, f"name,t\nGRB_170206A,{stored}\n")
    assert read_known(path, "t", "name", clock=clock)["time"].to_list() == pytest.approx([1486378317.7], abs=5e-5)
    path = written(tmp_path, f"name,t\nA,{stored}\nB,x\n")
    with pytest.raises(UserError, match=r"known\.csv, line 3: 't' is 'x', not a time in " + clock.format):
        read_known(path, "t", "name", clock=clock)


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("2017-02-06T10:51:57", r"holds dates as text.*; set known_events\.time_format = \"iso\""),
        ("1486378317700", r"holds unix milliseconds .*; set known_events\.time_format = \"milliseconds\""),
    ],
)
def test_a_list_in_another_format_is_told_its_setting(tmp_path, stored, told):
    with pytest.raises(UserError, match=told):
        read_known(written(tmp_path, f"name,t\nA,{stored}\nB,{stored}\n"), "t", "name")


BURST = 1486378317.7


def listed(*times, duration=0.0):
    return pl.DataFrame({"name": ["A"] * len(times), "time": list(times), "duration": [duration] * len(times)})


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (listed(BURST + 1e6, BURST + 1e7), "correct known_events.file or known_events.time_format if they should"),
        (
            listed(57790.45),
            "look like Modified Julian Dates (57790.45 is 2017-02-06 10:48:00 UTC); set known_events.time_",
        ),
        (listed(BURST - 315964800 + 18), 'known_events.time_format = "gps"'),
        (
            listed(BURST - 978307200 + 5),
            'known_events.time_format = "met" and known_events.time_reference = "2001-01-01"',
        ),
        (listed(BURST + 1262304000), 'input.time_format = "met" and input.time_reference = "2010-01-01"'),
    ],
)
def test_a_list_outside_the_data_is_remarked_on(known, hint):
    remark = known_events_outside(known, BURST - 1000, BURST + 1000)
    assert remark.startswith(f"no known event ({len(known)} listed, ")
    assert "lies in the data (2017-02-06 10:35:17 to 2017-02-06 11:08:37 UTC); " in remark
    assert hint in remark


def test_one_event_in_the_data_is_enough():
    assert known_events_outside(listed(5.0, BURST), BURST - 1000, BURST + 1000) is None
    assert known_events_outside(listed(BURST - 1010, duration=20.0), BURST - 1000, BURST + 1000) is None
    assert known_events_outside(known_events(None), 0.0, 1.0) is None


def test_dates_of_another_epoch_are_doubtful():
    assert "2001-01-01 (Fermi, Swift)" in doubtful_dates(4e8, 4.1e8)
    assert "1904-01-01" in doubtful_dates(3.7e9, 3.71e9)
    assert doubtful_dates(7e8, 7.1e8) is None
