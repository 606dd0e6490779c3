"""Every row is judged once, by a rule that can be said in a sentence."""

import math
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polarbgb.data.increasing import longest_increasing

from polarbgb.config import validate
from polarbgb.data.quality import DROPPED, Quality, clean
from polarbgb.errors import UserError
from polarbgb.workflow.reading import row_rules

NAN, INF = math.nan, math.inf
COLUMNS = {
    "unix_time": pl.Float64, "rate[0]": pl.Float64, "rate[1]": pl.Float64, "err[0]": pl.Float64, "err[1]": pl.Float64,
    "glat": pl.Float32, "crabarf": pl.Float32,
}  # fmt: skip


def configured(**sections):
    raw = {
        "name": "TOY",
        "input": {"tree": "t"},
        "rates": {"values": ["rate[0:2]"], "errors": ["err[0:2]"]},
        "features": {"columns": ["glat", "crabarf"]},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 1},
    }
    return row_rules(validate(raw | sections, where="x"))


def frame_of(rows=6, **columns):
    """Good rows of 1 s; a column may be given by values, or by values at some rows."""
    values = {
        "unix_time": 1000.0 + np.arange(rows), "rate[0]": np.full(rows, 400.0), "rate[1]": np.full(rows, 900.0),
        "err[0]": np.full(rows, 20.0), "err[1]": np.full(rows, 30.0), "glat": np.linspace(-40, 40, rows),
        "crabarf": np.full(rows, 2.0),
    }  # fmt: skip
    for written, given_values in columns.items():
        name = written.replace("_0", "[0]").replace("_1", "[1]")
        if isinstance(given_values, dict):
            for row, value in given_values.items():
                values[name][row] = value
        else:
            values[name] = np.asarray(given_values, float)
    return pl.DataFrame({n: v.astype(np.float32) if COLUMNS[n] == pl.Float32 else v for n, v in values.items()})


def dropped(dataset):
    return sorted(set(range(len(dataset.time))) - set(dataset.row.tolist()))


def test_the_bits_are_those_that_files_md_tells():
    bits = {flag.name: int(flag).bit_length() - 1 for flag in Quality}
    assert bits == {
        "TIME_INVALID": 0, "TIME_NOT_INCREASING": 1, "RATE_INVALID": 2, "ERROR_NOT_POSITIVE": 3, "EXPOSURE_INVALID": 4,
        "FEATURE_MISSING": 8, "KNOWN_EVENT": 9, "KEPT_OUT": 10, "BEYOND_TRAINING": 11,
    }  # fmt: skip
    assert [bit for bit in range(32) if DROPPED >> bit & 1] == [*range(8), *range(16, 32)]


def test_good_rows_are_all_kept():
    frame = frame_of()
    dataset = clean(frame, configured())
    assert dataset.row.tolist() == list(range(6))
    assert dataset.quality.tolist() == [0] * 6
    assert dataset.reasons == {}
    assert dataset.missing == {}
    assert dataset.exposure is None
    assert not dataset.known.any()
    assert dataset.frame.equals(frame)
    np.testing.assert_array_equal(dataset.time, frame["unix_time"])


@pytest.mark.parametrize(
    ("columns", "bit", "reason"),
    [
        ({"unix_time": {2: NAN}}, Quality.TIME_INVALID, "time is not a number of unix seconds"),
        ({"unix_time": {2: INF}}, Quality.TIME_INVALID, "time is not a number of unix seconds"),
        ({"unix_time": {2: 1e33}}, Quality.TIME_INVALID, "time is not a number of unix seconds"),
        ({"unix_time": {2: 1001.0}}, Quality.TIME_NOT_INCREASING, "time does not increase"),
        ({"unix_time": {2: 3.0}}, Quality.TIME_NOT_INCREASING, "time does not increase"),
        ({"rate_0": {2: NAN}}, Quality.RATE_INVALID, "rate is not a number >= 0"),
        ({"rate_1": {2: -1e-9}}, Quality.RATE_INVALID, "rate is not a number >= 0"),
        ({"rate_1": {2: INF}}, Quality.RATE_INVALID, "rate is not a number >= 0"),
        ({"rate_0": {2: 1e33}}, Quality.RATE_INVALID, "rate is not a number >= 0"),
        ({"err_0": {2: 0.0}}, Quality.ERROR_NOT_POSITIVE, "rate error is not a number > 0"),
        ({"err_1": {2: NAN}}, Quality.ERROR_NOT_POSITIVE, "rate error is not a number > 0"),
        ({"err_1": {2: -20}}, Quality.ERROR_NOT_POSITIVE, "rate error is not a number > 0"),
        ({"rate_0": {2: 0.0}, "err_0": {2: 0.0}}, Quality.ERROR_NOT_POSITIVE, "rate error is not a number > 0"),
    ],
)
def test_an_unusable_row_is_dropped_with_its_reason(columns, bit, reason):
    dataset = clean(frame_of(**columns), configured())
    assert dropped(dataset) == [2]
    assert dataset.reasons == {reason: 1}
    assert dataset.quality.tolist() == [0, 0, int(bit), 0, 0, 0]
    assert len(dataset.frame) == len(dataset.segment) == len(dataset.orbit) == len(dataset.known) == 5
    assert dataset.segment.tolist() == [0, 0, 1, 1, 1]


def test_no_counts_in_a_live_row_are_a_rate():
    assert clean(frame_of(rate_0={2: 0.0}), configured()).reasons == {}


def test_of_duplicated_and_reversed_rows_as_many_stay_as_increase():
    time = [10, 11, 11, 12, 9, 10.5, 12, 12.5, NAN, 12.25, 13]
    dataset = clean(frame_of(11, unix_time=time), configured())
    assert dataset.time.tolist() == [10, 11, 12, 12.25, 13]
    assert dataset.row.tolist() == [0, 1, 3, 9, 10]
    assert dataset.reasons == {"time is not a number of unix seconds": 1, "time does not increase": 5}


def test_a_row_with_several_faults_is_counted_by_the_first():
    dataset = clean(frame_of(unix_time={2: NAN}, rate_0={2: NAN, 3: NAN}, err_0={2: NAN, 3: NAN}), configured())
    assert dataset.reasons == {"time is not a number of unix seconds": 1, "rate is not a number >= 0": 1}
    bits = Quality.RATE_INVALID | Quality.ERROR_NOT_POSITIVE
    assert dataset.quality.tolist()[2:4] == [int(bits | Quality.TIME_INVALID), int(bits)]


def test_missing_features_are_kept_and_marked():
    dataset = clean(frame_of(crabarf={1: NAN, 2: 1e33, 3: -1.2e33, 4: INF}, glat={1: NAN}), configured())
    assert dataset.reasons == {}
    assert dataset.frame["crabarf"].to_list() == [2, None, None, None, None, 2]
    assert dataset.frame["glat"].null_count() == 1
    assert dataset.missing == {"crabarf": 4, "glat": 1}
    assert dataset.quality.tolist() == [0, *[int(Quality.FEATURE_MISSING)] * 4, 0]


def test_missing_features_are_counted_among_the_usable_rows_alone():
    dataset = clean(frame_of(crabarf={1: NAN, 2: NAN}, rate_0={1: NAN}), configured())
    assert dataset.missing == {"crabarf": 1}
    assert dataset.quality[1] == Quality.FEATURE_MISSING | Quality.RATE_INVALID
    only_dropped = clean(frame_of(crabarf={1: NAN}, rate_0={1: NAN}), configured())
    assert only_dropped.missing == {}


def test_derived_features_are_computed_and_judged():
    config = configured(
        derived={"phase": "unix_time - 1000", "slope": "1/phase"}, features={"columns": ["slope", "phase"]}
    )
    dataset = clean(frame_of(), config)
    assert dataset.frame["phase"].to_list() == [0, 1, 2, 3, 4, 5]
    assert dataset.frame["slope"].to_list() == [None, 1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert dataset.missing == {"slope": 1}


def test_the_time_may_be_derived():
    frame = frame_of().rename({"unix_time": "ms"}).with_columns(pl.col("ms") * 1000)
    dataset = clean(frame, configured(derived={"unix_time": "ms/1000"}))
    assert dataset.time.tolist() == [1000, 1001, 1002, 1003, 1004, 1005]


def test_kept_rows_are_numbered_by_segment_and_orbit():
    config = configured(orbit={"period": 400.0, "epoch": 900.0, "first": 5})
    dataset = clean(frame_of(unix_time=[1000, 1001, 1010, 1299, 1300, 1301], rate_1={0: NAN}), config)
    assert dataset.time.tolist() == [1001, 1010, 1299, 1300, 1301]
    assert dataset.segment.tolist() == [0, 1, 2, 2, 2]
    assert dataset.orbit.tolist() == [5, 5, 5, 6, 6]


def test_each_filter_has_its_bit_and_its_reason():
    config = configured(filters={"bright": "rate[0]/err[0] > 20", "north": "glat > 0"})
    # rate/err is 20 in all rows but 4 and 5.
    dataset = clean(frame_of(err_0={4: 19.0, 5: 19.0, 0: NAN}), config)
    assert dataset.row.tolist() == [4, 5]
    north, bright = 1 << 17, 1 << 16
    wanted = [int(Quality.ERROR_NOT_POSITIVE) | bright | north, bright | north, bright | north, bright, 0, 0]
    assert dataset.quality.tolist() == wanted
    assert dataset.reasons == {"rate error is not a number > 0": 1, "filter bright: not rate[0]/err[0] > 20": 3}


def test_the_sixteenth_filter_still_drops():
    config = configured(filters={f"f{n}": "glat > -100" for n in range(15)} | {"last": "glat < 0"})
    dataset = clean(frame_of(), config)
    assert dataset.row.tolist() == [0, 1, 2]
    assert dataset.quality[3] == 1 << 31
    assert dataset.reasons == {"filter last: not glat < 0": 3}


def test_a_filter_that_reads_no_column_keeps_all_or_none():
    assert len(clean(frame_of(), configured(filters={"yes": "1 > 0"})).row) == 6
    with pytest.raises(UserError, match="6 rows: filter no: not 1 < 0"):
        clean(frame_of(), configured(filters={"no": "1 < 0"}))


def rates(exposure):
    return {"rates": {"values": ["rate[0:2]"], "errors": ["err[0:2]"], "exposure": exposure}}


def test_the_exposure_is_a_number_or_an_expression_and_is_judged():
    assert clean(frame_of(), configured(**rates(4))).exposure.tolist() == [4.0] * 6
    frame = frame_of().with_columns(pl.Series("live", [0.9, 0.0, -1.0, NAN, INF, 0.8]))
    assert clean(frame, configured(**rates("live/8"))).exposure.tolist() == [0.9 / 8, 0.1]
    dataset = clean(frame, configured(**rates("live*2")))
    assert dataset.exposure.tolist() == [1.8, 1.6]
    assert dataset.row.tolist() == [0, 5]
    assert dataset.reasons == {"exposure is not a number > 0": 4}
    assert (dataset.quality[1:5] == Quality.EXPOSURE_INVALID).all()


def test_rows_near_known_events_are_marked_and_kept(tmp_path):
    (tmp_path / "known.csv").write_text("t,id\n1003,GRB A\n5000,GRB B\n1001.5,GRB C\n")
    section = {"file": str(tmp_path / "known.csv"), "time": "t", "name": "id", "before": 1, "after": 2}
    dataset = clean(frame_of(10, rate_0={4: NAN}), configured(known_events=section))
    # From 1002 to 1005 about the first, from 1000.5 to 1003.5 about the third.
    assert dataset.time[dataset.known].tolist() == [1001, 1002, 1003]
    assert (dataset.quality[[1, 2, 3]] == Quality.KNOWN_EVENT).all()
    assert dataset.quality[4] == Quality.RATE_INVALID
    assert dataset.reasons == {"rate is not a number >= 0": 1}


def test_rows_within_the_duration_of_a_known_event_are_near_it(tmp_path):
    (tmp_path / "known.csv").write_text("t,id,t90\n1002,long,4\n1012,unknown,\n")
    section = {
        "file": str(tmp_path / "known.csv"),
        "time": "t",
        "name": "id",
        "duration": "t90",
        "before": 1,
        "after": 2,
    }
    dataset = clean(frame_of(20), configured(known_events=section | {"unknown_duration": 1.0}))
    # From 1001 to 1008 about the long one, from 1011 to 1015 about the other.
    assert dataset.time[dataset.known].tolist() == [*range(1001, 1008), *range(1011, 1015)]


def test_rows_kept_out_of_training_are_marked_in_a_copy():
    dataset = clean(frame_of(4, rate_0={0: NAN}, crabarf={2: NAN}), configured())
    marked = dataset.marked(np.array([False, True, True]), Quality.KEPT_OUT)
    assert marked.quality.tolist() == [1 << 2, 0, 1 << 8 | 1 << 10, 1 << 10]
    assert dataset.quality.tolist() == [1 << 2, 0, 1 << 8, 0]
    assert marked.row is dataset.row


def test_where_no_row_is_left_the_reasons_are_told():
    frame = frame_of(4, unix_time={0: NAN, 2: 1001.0}, rate_0={1: -1.0}, err_0={3: 0.0})
    with pytest.raises(UserError) as refused:
        clean(frame, configured())
    assert str(refused.value) == (
        "the file: no usable row among 4 (1 rows: time is not a number of unix seconds, "
        "1 rows: time does not increase, 1 rows: rate is not a number >= 0, "
        "1 rows: rate error is not a number > 0); correct the file or the configuration"
    )


def test_one_row_is_enough_and_none_is_told():
    dataset = clean(frame_of(1), configured())
    assert (dataset.row.tolist(), dataset.segment.tolist(), dataset.orbit.tolist()) == ([0], [0], [0])
    with pytest.raises(UserError, match="no usable row among 0"):
        clean(frame_of(1).head(0), configured())


def test_a_guarded_rate_keeps_its_values():
    history = [{"columns": ["rate[0]", "crabarf"], "means": [20], "guard": 400}]
    config = configured(features={"columns": ["glat"], "history": history})
    dataset = clean(frame_of(rate_0={2: NAN}, crabarf={1: NAN}), config)
    assert dataset.missing == {"crabarf": 1}
    assert dataset.frame["rate[0]"].to_list() == [400.0] * 5


odd = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, -1.0, 1e33, -1.2e33, 1.0, 25.0, 900.0])
times = st.sampled_from([NAN, INF, 1e33, *np.arange(0, 12, 0.5).tolist()])
tables = st.integers(1, 12).flatmap(
    lambda rows: st.fixed_dictionaries(
        {name: st.lists(times if name == "unix_time" else odd, min_size=rows, max_size=rows) for name in COLUMNS}
    )
)


def row_by_row(table):
    """Judge as the docstring says: the first fault of each row, or None."""
    faults = []
    valid = [row for row, time in enumerate(table["unix_time"]) if abs(time) < 1e30]
    # Which rows increase has a test of its own, by brute force.
    increasing = longest_increasing(np.array([table["unix_time"][row] for row in valid], float))
    disordered = {row for row, kept in zip(valid, increasing, strict=True) if not kept}
    for row in range(len(table["unix_time"])):
        value = {
            name: float(np.float32(v[row]) if COLUMNS[name] == pl.Float32 else v[row]) for name, v in table.items()
        }
        sound = {name: abs(x) < 1e30 for name, x in value.items()}
        fault = None
        if not sound["unix_time"]:
            fault = "time is not a number of unix seconds"
        elif row in disordered:
            fault = "time does not increase"
        elif any(not sound[r] or value[r] < 0 for r in ("rate[0]", "rate[1]")):
            fault = "rate is not a number >= 0"
        elif any(not sound[e] or value[e] <= 0 for e in ("err[0]", "err[1]")):
            fault = "rate error is not a number > 0"
        elif not value["crabarf"] > 0.5:
            fault = "filter lit: not crabarf > 0.5"
        faults.append(fault)
    return faults


@settings(deadline=None, max_examples=200)
@given(table=tables)
def test_each_dropped_row_is_counted_once(table):
    config = configured(filters={"lit": "crabarf > 0.5"})
    faults = row_by_row(table)
    frame = pl.DataFrame(table, schema=COLUMNS)
    wanted = {fault: faults.count(fault) for fault in faults if fault}
    if all(faults):
        with pytest.raises(UserError) as refused:
            clean(frame, config)
        told = re.findall(r"(\d+) rows: (.*?)(?:, (?=\d+ rows:)|\);)", str(refused.value))
        assert {reason: int(rows) for rows, reason in told} == wanted
        return
    try:
        dataset = clean(frame, config)
    except UserError as refused:  # a file that is not sorted is no matter of single rows
        assert "goes back and forth" in str(refused)  # noqa: PT017 - it need not be raised
        assert 2 * faults.count("time does not increase") > len(frame)
        return
    assert dataset.row.tolist() == [row for row, fault in enumerate(faults) if fault is None]
    assert dataset.reasons == wanted
    assert sum(dataset.reasons.values()) + len(dataset.row) == len(frame)
    np.testing.assert_array_equal((dataset.quality & DROPPED) == 0, [fault is None for fault in faults])
    assert (np.diff(dataset.time) > 0).all()
    absent = [not abs(np.float32(x)) < 1e30 for x in table["glat"]]
    lit = [not abs(np.float32(x)) < 1e30 for x in table["crabarf"]]
    marked = (dataset.quality & Quality.FEATURE_MISSING) != 0
    np.testing.assert_array_equal(marked, np.logical_or(absent, lit))
    np.testing.assert_array_equal(dataset.frame["glat"].is_null(), np.array(absent)[dataset.row])
