"""The usable rows in time order, and what became of each entry of the file."""

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.config import validate
from polarbgb.data.dataset import Entries, clean, unused
from polarbgb.data.order import longest_increasing
from polarbgb.data.quality import DROPPED, Quality
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


def with_rates(**section):
    return {"rates": {"values": ["rate[0:2]"], "errors": ["err[0:2]"]} | section}


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


def both(rows, value):
    """Spoil both bins of some rows."""
    return {"rate_0": dict.fromkeys(rows, value), "rate_1": dict.fromkeys(rows, value)}


def dropped(dataset):
    return np.flatnonzero(dataset.entries.row < 0).tolist()


def test_good_rows_are_all_kept():
    frame = frame_of()
    dataset = clean(frame, configured())
    assert len(dataset) == 6
    assert dataset.entries.row.tolist() == list(range(6))
    assert dataset.quality.tolist() == dataset.entries.quality.tolist() == [0] * 6
    assert dataset.entries.dropped == dataset.entries.masked == dataset.missing == {}
    assert (dataset.entries.moved, dataset.entries.combined, unused(dataset.entries.facts())) == (0, 0, [])
    assert not dataset.known.any()
    assert dataset.frame.equals(frame.select(dataset.frame.columns))
    np.testing.assert_array_equal(dataset.time, frame["unix_time"])
    assert dataset.width.tolist() == [1.0] * 6
    np.testing.assert_allclose(dataset.rates.rate, [[400, 900]] * 6)
    np.testing.assert_allclose(dataset.rates.exposure, 1.0)


@pytest.mark.parametrize("time", [NAN, INF, 1e33, 3.0, 1001.0])
def test_an_entry_whose_time_is_unusable_is_dropped_with_its_reason(time):
    dataset = clean(frame_of(unix_time={2: time}), configured())
    assert dropped(dataset) == [2]
    reason, bit = {
        3.0: ("time is out of order and beside no other row", Quality.TIME_STRAY),
        1001.0: ("time repeats or overlaps that of another row", Quality.TIME_REPEATED),
    }.get(time, ("time is not a number of unix seconds", Quality.TIME_INVALID))
    assert dataset.entries.dropped == {reason: 1}
    assert unused(dataset.entries.facts()) == [f"not used, of 6 rows: 1 ({reason})"]
    assert dataset.entries.quality.tolist() == [0, 0, int(bit), 0, 0, 0]
    assert len(dataset.frame) == len(dataset.segment) == len(dataset.orbit) == len(dataset.known) == 5
    assert dataset.segment.tolist() == [0, 0, 1, 1, 1]
    assert dataset.entries.first_of_rows().tolist() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("columns", "i_bin", "reason"),
    [
        ({"rate_0": {2: NAN}}, 0, "rate is not a number >= 0"),
        ({"rate_1": {2: -1e-9}}, 1, "rate is not a number >= 0"),
        ({"rate_1": {2: INF}}, 1, "rate is not a number >= 0"),
        ({"rate_0": {2: 1e33}}, 0, "rate is not a number >= 0"),
        ({"err_0": {2: 0.0}}, 0, "live time is not known"),
        ({"err_1": {2: NAN}}, 1, "live time is not known"),
        ({"err_1": {2: -20}}, 1, "live time is not known"),
    ],
)
def test_an_unusable_value_masks_its_bin_and_leaves_the_row(columns, i_bin, reason):
    dataset = clean(frame_of(**columns), configured())
    assert dropped(dataset) == []
    assert dataset.entries.dropped == {}
    assert dataset.entries.masked == {f"rate[{i_bin}]": {reason: 1}}
    assert unused(dataset.entries.facts()) == [f"masked: rate[{i_bin}] in 1 rows ({reason})"]
    assert dataset.quality.tolist() == [0, 0, int(Quality.BIN_MASKED), 0, 0, 0]
    masked = np.zeros((6, 2), bool)
    masked[2, i_bin] = True
    np.testing.assert_array_equal(dataset.rates.measured, ~masked)
    np.testing.assert_array_equal(np.isnan(dataset.rates.rate), masked)
    np.testing.assert_array_equal(np.isinf(dataset.rates.error), masked)
    assert dataset.rates.exposure[2, i_bin] == 0
    assert dataset.segment.tolist() == [0] * 6


def test_a_row_without_any_usable_bin_is_dropped():
    dataset = clean(frame_of(**both([2], NAN)), configured())
    assert dropped(dataset) == [2]
    assert dataset.entries.dropped == {"no bin has a usable rate: rate is not a number >= 0": 1}
    assert dataset.entries.masked == {}
    assert dataset.entries.quality.tolist() == [0, 0, int(Quality.RATE_INVALID), 0, 0, 0]


def test_no_counts_in_a_live_row_are_a_rate():
    few = {"rate_0": [2, 1, 0, 3, 1, 0], "err_0": [2**0.5, 1, 0, 3**0.5, 1, 0]}
    dataset = clean(frame_of(**few), configured())
    assert dataset.entries.masked == {}
    assert dataset.rates.rate[:, 0].tolist() == [2, 1, 0, 3, 1, 0]
    np.testing.assert_allclose(dataset.rates.exposure, 1.0)


def test_a_bin_that_was_off_is_masked_and_the_row_stays():
    off = dict.fromkeys(range(20, 30), 0.0)
    dataset = clean(frame_of(50, rate_1=off, err_1=off), configured())
    assert len(dataset) == 50
    reason = "the bin was off: not one count where many are expected"
    assert dataset.entries.masked == {"rate[1]": {reason: 10}}
    assert (~dataset.rates.measured).sum(axis=0).tolist() == [0, 10]


def test_a_detector_that_was_off_is_dropped():
    off = dict.fromkeys(range(20, 30), 0.0)
    dataset = clean(frame_of(50, rate_0=off, rate_1=off), configured(**with_rates(exposure=1)))
    assert dropped(dataset) == list(range(20, 30))
    assert dataset.entries.dropped == {
        "no bin has a usable rate: the bin was off: not one count where many are expected": 10
    }
    assert dataset.segment.tolist() == [0] * 20 + [1] * 20


def test_entries_out_of_order_are_sorted_with_all_their_columns():
    frame = frame_of(40, rate_0=np.arange(40) + 100, err_0=np.sqrt(np.arange(40) + 100), rate_1={3: NAN})
    stored = np.concatenate([np.arange(25, 40), np.arange(10, 25), np.arange(10)])
    dataset, plain = clean(frame[stored], configured()), clean(frame, configured())
    assert dataset.frame.equals(plain.frame)
    for name in ("time", "width", "segment", "orbit", "known", "quality"):
        np.testing.assert_array_equal(getattr(dataset, name), getattr(plain, name))
    for name in ("rate", "error", "exposure"):
        np.testing.assert_array_equal(getattr(dataset.rates, name), getattr(plain.rates, name))
    assert dataset.entries.masked == plain.entries.masked == {"rate[1]": {"rate is not a number >= 0": 1}}
    np.testing.assert_array_equal(dataset.entries.row, stored)
    np.testing.assert_array_equal(stored[dataset.entries.first_of_rows()], np.arange(40))
    assert dataset.entries.moved == 25
    assert "25 rows were out of order and were sorted by time" in unused(dataset.entries.facts())
    np.testing.assert_array_equal(dataset.entries.time, frame["unix_time"].to_numpy()[stored])


def short_rows():
    """Three rows of 4 s, the second stored as four rows of 1 s of which one has a dead bin; then three more."""
    time = 1000.0 + np.array([0, 4, 5, 6, 7, 8, 12, 16, 20])
    counts = np.array([[40, 80], [9, 20], [10, 21], [11, 0], [12, 19], [40, 80], [41, 79], [42, 78], [43, 77]])
    live = np.array([3.6, 0.9, 0.8, 0.9, 0.9, 3.6, 3.6, 3.6, 3.6])
    return {
        "unix_time": time, "rate_0": counts[:, 0] / live, "rate_1": np.where(counts[:, 1], counts[:, 1] / live, NAN),
        "err_0": np.sqrt(counts[:, 0]) / live, "err_1": np.sqrt(counts[:, 1]) / live,
        "glat": [0, 1, 2, 3, 4, 5, 6, 7, 8], "crabarf": np.full(9, 2.0),
    }, counts  # fmt: skip


@pytest.mark.parametrize("stored", [range(9), [6, 7, 8, 0, 1, 2, 3, 4, 5], [3, 4, 5, 6, 7, 8, 0, 1, 2]])
def test_short_entries_are_combined_their_counts_and_live_times_added(stored):
    columns, counts = short_rows()
    stored = list(stored)
    dataset = clean(frame_of(9, **columns)[stored], configured(input={"tree": "t", "cadence": 4.0}))
    assert dataset.time.tolist() == [1000, 1004, 1008, 1012, 1016, 1020]
    assert dataset.width.tolist() == [4.0] * 6
    assert dataset.frame["glat"].to_list() == [0, 1, 5, 6, 7, 8]  # those of the first entry
    assert dataset.entries.row.tolist() == np.array([0, 1, 1, 1, 1, 2, 3, 4, 5])[stored].tolist()
    np.testing.assert_allclose(dataset.rates.counts[1], [42, 60])
    np.testing.assert_allclose(dataset.rates.exposure[1], [3.5, 2.6])
    np.testing.assert_allclose(dataset.rates.rate[1], [42 / 3.5, 60 / 2.6])
    np.testing.assert_allclose(dataset.rates.error[1], np.sqrt([42, 60]) / [3.5, 2.6])
    np.testing.assert_allclose(dataset.rates.counts.sum(axis=0), counts.sum(axis=0))
    assert dataset.entries.combined == 4
    assert "4 rows shorter than input.cadence were combined" in unused(dataset.entries.facts())
    combined = (dataset.entries.quality & Quality.COMBINED) != 0
    np.testing.assert_array_equal(combined, dataset.entries.row == 1)
    assert dataset.quality[1] == Quality.COMBINED | Quality.BIN_MASKED
    first = [stored.index(entry) for entry in (0, 5, 6, 7, 8)]
    assert dataset.entries.first_of_rows()[[0, 2, 3, 4, 5]].tolist() == first
    assert dataset.entries.first_of_rows()[1] == min(stored.index(entry) for entry in (1, 2, 3, 4))


def test_all_entries_of_a_combined_row_are_marked():
    columns, _ = short_rows()
    dataset = clean(frame_of(9, **columns), configured(input={"tree": "t", "cadence": 4.0}))
    marked = dataset.marked(np.array([False, True, False, False, False, True]), Quality.KEPT_OUT)
    assert np.flatnonzero(marked.entries.quality & Quality.KEPT_OUT).tolist() == [1, 2, 3, 4, 8]
    assert np.flatnonzero(marked.quality & Quality.KEPT_OUT).tolist() == [1, 5]
    assert not (dataset.entries.quality & Quality.KEPT_OUT).any()


def test_an_entry_with_several_faults_is_counted_by_the_first():
    dataset = clean(frame_of(12, unix_time={2: NAN}, **both([2, 3], NAN)), configured())
    assert dataset.entries.dropped == {
        "time is not a number of unix seconds": 1,
        "no bin has a usable rate: rate is not a number >= 0": 1,
    }
    bits = Quality.RATE_INVALID
    assert dataset.entries.quality.tolist()[2:4] == [int(bits | Quality.TIME_INVALID), int(bits)]


def test_missing_features_are_kept_and_marked():
    dataset = clean(frame_of(crabarf={1: NAN, 2: 1e33, 3: -1.2e33, 4: INF}, glat={1: NAN}), configured())
    assert dataset.entries.dropped == {}
    assert dataset.frame["crabarf"].to_list() == [2, None, None, None, None, 2]
    assert dataset.frame["glat"].null_count() == 1
    assert dataset.missing == {"crabarf": 4, "glat": 1}
    assert dataset.quality.tolist() == [0, *[int(Quality.FEATURE_MISSING)] * 4, 0]


def test_missing_features_are_counted_among_the_usable_rows_alone():
    dataset = clean(frame_of(crabarf={1: NAN, 2: NAN}, **both([1], NAN)), configured())
    assert dataset.missing == {"crabarf": 1}
    assert dataset.entries.quality[1] == Quality.FEATURE_MISSING | Quality.RATE_INVALID
    only_dropped = clean(frame_of(crabarf={1: NAN}, **both([1], NAN)), configured())
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


def test_rows_are_numbered_by_segment_and_orbit():
    config = configured(orbit={"period": 400.0, "epoch": 900.0, "first": 5})
    frame = frame_of(9, unix_time=[1000, 1001, 1002, 1005, 1006, 1298, 1299, 1300, 1301], **both([0], NAN))
    dataset = clean(frame, config)
    assert dataset.time.tolist() == [1001, 1002, 1005, 1006, 1298, 1299, 1300, 1301]
    assert dataset.segment.tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert dataset.orbit.tolist() == [5, 5, 5, 5, 5, 5, 6, 6]


def test_each_filter_has_its_bit_and_its_reason():
    config = configured(filters={"bright": "rate[0]/err[0] > 20", "north": "glat > 0"})
    # rate/err is 20 in all rows but 4 and 5.
    dataset = clean(frame_of(err_0={4: 19.0, 5: 19.0}, unix_time={0: NAN}), config)
    assert dropped(dataset) == [0, 1, 2, 3]
    north, bright = 1 << 17, 1 << 16
    wanted = [int(Quality.TIME_INVALID) | bright | north, bright | north, bright | north, bright, 0, 0]
    assert dataset.entries.quality.tolist() == wanted
    assert dataset.entries.dropped == {
        "time is not a number of unix seconds": 1,
        "filter bright: not rate[0]/err[0] > 20": 3,
    }


def test_the_sixteenth_filter_still_drops():
    config = configured(filters={f"f{n}": "glat > -100" for n in range(15)} | {"last": "glat < 0"})
    dataset = clean(frame_of(), config)
    assert dropped(dataset) == [3, 4, 5]
    assert dataset.entries.quality[3] == 1 << 31
    assert dataset.entries.dropped == {"filter last: not glat < 0": 3}


def test_a_filter_that_reads_no_column_keeps_all_or_none():
    assert len(clean(frame_of(), configured(filters={"yes": "1 > 0"}))) == 6
    with pytest.raises(UserError, match="6 rows: filter no: not 1 < 0"):
        clean(frame_of(), configured(filters={"no": "1 < 0"}))


def test_the_exposure_is_a_number_or_an_expression_and_is_judged():
    assert clean(frame_of(), configured(**with_rates(exposure=0.5))).rates.exposure.tolist() == [[0.5, 0.5]] * 6
    frame = frame_of(16).with_columns(pl.Series("live", [0.9, 0.0, -1.0, NAN, INF, *[0.8] * 11]))
    dataset = clean(frame, configured(**with_rates(exposure="live/2")))
    assert dataset.rates.exposure.tolist() == [[0.45, 0.45], *[[0.4, 0.4]] * 11]
    assert dropped(dataset) == [1, 2, 3, 4]
    assert dataset.entries.dropped == {"no bin has a usable rate: exposure is not a number > 0": 4}


def test_an_exposure_beyond_the_length_of_the_rows_is_refused():
    with pytest.raises(UserError, match=r"the live time is 4 s \(rates.exposure\), but rows are 1 s apart"):
        clean(frame_of(), configured(**with_rates(exposure=4)))


def test_rows_near_known_events_are_marked_and_kept(tmp_path):
    (tmp_path / "known.csv").write_text("t,id\n1003,GRB A\n5000,GRB B\n1001.5,GRB C\n")
    section = {"file": str(tmp_path / "known.csv"), "time": "t", "name": "id", "before": 1, "after": 2}
    dataset = clean(frame_of(10, **both([4], NAN)), configured(known_events=section))
    # From 1002 to 1005 about the first, from 1000.5 to 1003.5 about the third.
    assert dataset.time[dataset.known].tolist() == [1001, 1002, 1003]
    assert (dataset.entries.quality[[1, 2, 3]] == Quality.KNOWN_EVENT).all()
    assert dataset.entries.quality[4] == Quality.RATE_INVALID
    assert dataset.entries.dropped == {"no bin has a usable rate: rate is not a number >= 0": 1}


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
    dataset = clean(frame_of(4, crabarf={2: NAN}, **both([0], NAN)), configured())
    marked = dataset.marked(np.array([False, True, True]), Quality.KEPT_OUT)
    assert marked.entries.quality.tolist() == [1 << 2, 0, 1 << 8 | 1 << 10, 1 << 10]
    assert marked.quality.tolist() == [0, 1 << 8 | 1 << 10, 1 << 10]
    assert dataset.entries.quality.tolist() == [1 << 2, 0, 1 << 8, 0]
    assert marked.rates is dataset.rates


def test_the_entries_as_a_table_hold_time_quality_and_row():
    entries = clean(frame_of(3, unix_time={1: NAN}), configured(input={"tree": "t", "cadence": 2.0})).entries.frame()
    assert entries.schema == {"unix_time": pl.Float64, "quality": pl.UInt32, "row": pl.Int64}
    assert entries["row"].to_list() == [0, -1, 1]
    assert entries["quality"].to_list() == [0, 1, 0]
    np.testing.assert_array_equal(entries["unix_time"].to_numpy(), [1000, NAN, 1002])


def test_many_bins_with_the_same_fault_are_one_line():
    entries = Entries(
        time=np.arange(3.0),
        quality=np.zeros(3, np.uint32),
        row=np.arange(3),
        dropped={},
        masked={f"c[{n}]": {"off": 2} for n in range(5)} | {"d": {"off": 1}},
        moved=0,
        combined=0,
    )
    assert unused(entries.facts()) == ["masked: c[0], c[1], c[2] and 2 more bins in 2 rows (off), d in 1 rows (off)"]


def test_where_no_row_is_left_the_reasons_are_told():
    frame = frame_of(4, unix_time={0: NAN, 2: 1001.0}, rate_0={1: NAN, 3: -1.0}, err_1={1: 0.0, 3: 0.0})
    with pytest.raises(UserError) as refused:
        clean(frame, configured(filters={"north": "glat < 0"}))
    assert str(refused.value) == (
        "the file: no usable row among 4 (1 rows: time is not a number of unix seconds, "
        "1 rows: time repeats or overlaps that of another row, 2 rows: no bin has a usable rate: "
        "rate is not a number >= 0 or live time is not known); "
        "correct the file or the configuration"
    )


def test_one_row_is_enough_and_none_is_told():
    dataset = clean(frame_of(1), configured())
    assert (len(dataset), dataset.segment.tolist(), dataset.orbit.tolist()) == (1, [0], [0])
    with pytest.raises(UserError, match="no usable row among 0"):
        clean(frame_of(1).head(0), configured())


def test_a_guarded_rate_keeps_its_values():
    history = [{"columns": ["rate[0]", "crabarf"], "means": [20], "guard": 400}]
    config = configured(features={"columns": ["glat"], "history": history})
    dataset = clean(frame_of(unix_time={2: NAN}, crabarf={1: NAN}), config)
    assert dataset.missing == {"crabarf": 1}
    assert dataset.frame["rate[0]"].to_list() == [400.0] * 5


odd = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, -1.0, 1e33, -1.2e33, 1.0, 25.0])
tables = st.integers(1, 9).flatmap(
    lambda rows: st.fixed_dictionaries(
        {"slot": st.permutations(range(rows)), "lost": st.lists(st.booleans(), min_size=rows, max_size=rows)}
        | {name: st.lists(odd, min_size=rows, max_size=rows) for name in COLUMNS if name != "unix_time"}
    )
)


def judged(frame):
    """Judge entry by entry as the docstrings say: the first fault or None, and which bins are masked."""
    time = frame["unix_time"].to_list()
    valid = [entry for entry, t in enumerate(time) if abs(t) < 1e30]
    increasing = {valid[i] for i in np.flatnonzero(longest_increasing(np.array([time[e] for e in valid])))}
    faults, masks = [], []
    for entry, value in enumerate(frame.iter_rows(named=True)):
        sound = {name: abs(x) < 1e30 for name, x in value.items()}
        masks.append([not (sound[f"rate[{i}]"] and value[f"rate[{i}]"] >= 0) for i in range(2)])
        distance = min((abs(time[entry] - time[e]) for e in valid if e != entry), default=INF)
        at = valid.index(entry) if entry in valid else -1
        steps = [time[b] - time[a] for a, b in pairwise(valid[max(at - 1, 0) : at + 2])]
        fault = None
        if not sound["unix_time"]:
            fault = "time is not a number of unix seconds"
        elif entry not in increasing and distance > 1.5 and not any(0 < step < 10 for step in steps):
            fault = "time is out of order and beside no other row"
        elif all(masks[-1]):
            fault = "no bin has a usable rate: rate is not a number >= 0"
        elif not value["crabarf"] > 0.5:
            fault = "filter lit: not crabarf > 0.5"
        faults.append(fault)
    return faults, np.array(masks)


@settings(deadline=None, max_examples=150)
@given(table=tables)
def test_each_entry_is_dropped_by_one_reason_and_each_bin_masked_by_its_own(table):
    slot, lost = np.array(table.pop("slot"), float), table.pop("lost")
    spoiled = pl.DataFrame({"unix_time": np.where(lost, NAN, 1000.0 + slot)} | table, schema=COLUMNS)
    good = frame_of(60, unix_time=1000.0 + len(slot) + np.arange(60), rate_0=np.full(60, 20.0), rate_1=np.full(60, 20))
    frame = pl.concat([spoiled, good])
    faults, masked = judged(frame)
    dataset = clean(frame, configured(filters={"lit": "crabarf > 0.5"}, **with_rates(exposure=1)))
    kept = np.array([fault is None for fault in faults])
    entries = dataset.entries
    assert entries.dropped == {fault: faults.count(fault) for fault in faults if fault}
    np.testing.assert_array_equal((entries.quality & DROPPED) == 0, kept)
    np.testing.assert_array_equal(entries.row >= 0, kept)
    order = np.argsort(frame["unix_time"].to_numpy()[kept], kind="stable")
    np.testing.assert_array_equal(np.flatnonzero(kept)[order], entries.first_of_rows())
    assert (np.diff(dataset.time) > 0).all()
    np.testing.assert_array_equal(~dataset.rates.measured, masked[kept][order])
    number = {f"rate[{i}]": int(masked[kept, i].sum()) for i in range(2)}
    assert entries.masked == {name: {"rate is not a number >= 0": n} for name, n in number.items() if n}
    absent = [not abs(np.float32(x)) < 1e30 for x in frame["glat"]]
    lit = [not abs(np.float32(x)) < 1e30 for x in frame["crabarf"]]
    marked = (entries.quality & Quality.FEATURE_MISSING) != 0
    np.testing.assert_array_equal(marked, np.logical_or(absent, lit))
    np.testing.assert_array_equal(dataset.frame["glat"].is_null(), np.array(absent)[kept][order])
