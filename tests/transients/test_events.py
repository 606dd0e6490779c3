"""Descriptions of events, compared with sums row by row and with dates of the standard library."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.errors import UserError
from polarbgb.transients.events import describe_events, find_events, highest_ranked
from polarbgb.transients.published import find_clusters, more_than_name
from polarbgb.workflow.search_settings import search_settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2017, 2, 6, 12, tzinfo=UTC).timestamp()


def events_of(prediction, config):
    return find_events(prediction, find_clusters(prediction, config.intervals), search_settings(config))


def random_prediction(make_prediction, seed, rows=300, bins=3):
    rng = np.random.default_rng(seed)
    pull = rng.normal(scale=2.5, size=(rows, bins)) + rng.normal(scale=4, size=(rows, 1))
    time = 1.5e9 + np.cumsum(rng.choice([1.0, 1.0001, 1.4, 7.0], p=[0.5, 0.4, 0.08, 0.02], size=rows))
    return make_prediction(
        pull,
        time,
        rng.random(rows) < 0.97,
        pred=rng.uniform(50, 500, (rows, bins)),
        sigma=rng.uniform(5, 20, (rows, bins)),
        exposure=rng.uniform(0.5, 1, (rows, bins)),
        glat=rng.uniform(-43, 43, rows),
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000))
def test_numbers_of_events_are_those_summed_row_by_row(make_config, make_prediction, seed):
    config = make_config(more_than=1, discard=5.0, context=["glat"])
    prediction = random_prediction(make_prediction, seed)
    clusters = find_clusters(prediction, config.intervals)
    chosen = clusters.filter(sign=1, kind="more", name=more_than_name(1))
    events = find_events(prediction, clusters, search_settings(config))
    assert len(events) == len(chosen)
    for number, (event, cluster) in enumerate(zip(events.rows(named=True), chosen.rows(named=True), strict=True)):
        rows = prediction.filter(pl.col("row").is_between(cluster["first"], cluster["last"])).rows(named=True)
        segment = prediction.filter(segment=rows[0]["segment"])["unix_time"]
        assert event["id"] == number
        assert event["rows"] == len(rows) == cluster["rows"]
        assert event["t_start"] == rows[0]["unix_time"]
        assert event["t_stop"] == rows[-1]["unix_time"] + 1.0
        assert event["duration"] == event["t_stop"] - event["t_start"]
        assert event["time_to_gap_before"] == event["t_start"] - segment.min()
        assert event["time_to_gap_after"] == pytest.approx(segment.max() + 1.0 - event["t_stop"], abs=1e-6)
        peak = max(rows, key=lambda row: sum(row["pull"]))
        assert event["t_peak"] == peak["unix_time"]
        assert event["glat"] == peak["glat"]
        significances = []
        for of_bin in range(3):
            counts = sum(row["rate"][of_bin] * row["exposure"][of_bin] for row in rows)
            background = sum(row["pred"][of_bin] * row["exposure"][of_bin] for row in rows)
            variance = sum((row["sigma"][of_bin] * row["exposure"][of_bin]) ** 2 for row in rows)
            significances.append((counts - background) / variance**0.5)
            assert event["counts"][of_bin] == pytest.approx(counts)
            assert event["background"][of_bin] == pytest.approx(background)
        assert list(event["significance_bin"]) == pytest.approx(significances)
        assert event["significance"] == pytest.approx(max(significances))


def test_significance_of_equal_pulls_grows_with_the_root_of_their_number(make_config, make_prediction):
    pull = np.zeros((20, 2))
    pull[5:9] = [6.0, 7.0]
    (event,) = events_of(make_prediction(pull), make_config(bins=2, more_than=1)).rows(named=True)
    assert list(event["significance_bin"]) == [12.0, 14.0]
    assert event["significance"] == 14.0


def test_exposure_turns_rates_into_counts(make_config, make_prediction):
    pull = np.zeros((20, 1))
    pull[5:9] = 6.0  # rate 160 Hz over a background of 100 Hz
    prediction = make_prediction(pull, exposure=np.full((20, 1), 0.5))
    (event,) = events_of(prediction, make_config(bins=1)).rows(named=True)
    assert (event["counts"], event["background"]) == ([320.0], [200.0])
    assert event["significance"] == 12.0


def test_rows_dropped_inside_the_file_do_not_shift_events(make_config, make_prediction):
    pull = np.zeros((30, 1))
    pull[20] = 8.0
    prediction = make_prediction(pull, usable=np.arange(30) % 10 != 3, glat=np.arange(30.0))
    config = make_config(bins=1, context=["glat"])
    (event,) = events_of(prediction, config).rows(named=True)
    assert event["glat"] == 20.0
    assert (event["time_to_gap_before"], event["time_to_gap_after"]) == (6.0, 2.0)
    (again,) = events_of(prediction.tail(15), config).rows(named=True)
    assert again["t_start"] == event["t_start"]
    assert again["counts"] == event["counts"]


def test_an_event_names_the_bins_flagged_in_any_of_its_rows(make_config, make_prediction):
    pull = np.zeros((100, 12))
    pull[40:45, [0, 1]] = pull[42:48, [1, 10]] = 9.0
    pull[48, 2] = 9.0  # flagged in this bin alone: not a row of the event
    pull[5:50, 11] = 9.0  # discarded: it begins too early
    pull[70:72, [3, 4]] = 9.0
    events = events_of(make_prediction(pull), make_config(bins=12, more_than=1, discard=20.0))
    assert events["bins_flagged"].to_list() == ["0_1_10", "3_4"]
    assert events["rows"].to_list() == [8, 2]


def test_deficits_and_other_sets_make_no_events(make_config, make_prediction):
    pull = np.zeros((50, 2))
    pull[10] = -9.0
    pull[20, 0] = 9.0
    assert events_of(make_prediction(pull), make_config(bins=2, more_than=1)).is_empty()


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 4e9), st.floats(1, 200_000))
def test_dates_and_names_are_those_of_the_standard_library(make_config, make_prediction, one, later):
    time = np.array([one, one + 1 + later])
    events = events_of(make_prediction([[9.0], [9.0]], time), make_config(bins=1))
    # Names and utc are rounded to the nearest ms.
    stamps = [EPOCH + timedelta(milliseconds=round(second * 1000)) for second in time.tolist()]
    assert [datetime.fromisoformat(utc) for utc in events["utc"]] == stamps
    stems = []
    for stamp in stamps:
        since_midnight = stamp - stamp.replace(hour=0, minute=0, second=0, microsecond=0)
        stems.append(f"EV{stamp:%y%m%d}.{int(since_midnight / timedelta(days=1) * 1000 + 1e-7):03d}")
    if stems[0] == stems[1]:
        stems = [stems[0] + "A", stems[1] + "B"]
    assert events["name"].to_list() == stems


def test_an_event_is_named_by_date_and_thousandth_of_the_day(make_config, make_prediction):
    events = events_of(make_prediction([[9.0]], [NOON + 0.25]), make_config(bins=1))
    assert events.select("name", "utc").rows() == [("EV170206.500", "2017-02-06T12:00:00.250Z")]


def test_events_that_share_a_name_get_letters_and_stay_unique(make_config, make_prediction):
    time = NOON + np.arange(60) * 2.0  # two seconds apart: each row is an interval, 44 start in 86.4 s
    names = events_of(make_prediction(np.full((60, 1), 9.0), time), make_config(bins=1))["name"].to_list()
    assert names[0] == "EV170206.500A"
    assert names[25:28] == ["EV170206.500Z", "EV170206.500AA", "EV170206.500AB"]
    assert names[44] == "EV170206.501A"
    assert len(set(names)) == 60


def test_known_events_give_their_names_to_the_nearest_event(make_config, make_prediction, tmp_path):
    pull = np.zeros((200, 1))
    pull[50:60] = pull[70:75] = pull[150] = 9.0
    (tmp_path / "known.csv").write_text("name,unix_time\nGRB A,1500000062.5\nGRB B,1500000100\nGRB C,1500000150.5\n")
    known = {"file": str(tmp_path / "known.csv"), "match": 8.0}
    events = events_of(make_prediction(pull), make_config(bins=1, known=known))
    assert events["matched"].to_list() == ["GRB A", "", "GRB C"]
    assert events["matched_dt"].to_list() == [-12.5, None, -0.5]


def test_a_missing_list_of_known_events_is_an_error(make_config, make_prediction, tmp_path):
    config = make_config(bins=1, known={"file": str(tmp_path / "none.csv")})
    with pytest.raises(UserError, match=r"no file .*none\.csv of known events"):
        events_of(make_prediction([[9.0]]), config)


def test_a_frame_without_events_has_the_types_of_one_with_events(make_config, make_prediction, tmp_path):
    (tmp_path / "known.csv").write_text("name,unix_time\nGRB,1500000000\n")
    config = make_config(bins=2, known={"file": str(tmp_path / "known.csv")}, context=["glat"])
    full = events_of(make_prediction([[9.0, 9.0]], glat=np.zeros(1)), config)
    none = events_of(make_prediction([[0.0, 0.0]], glat=np.zeros(1)), config)
    empty = events_of(make_prediction(np.empty((0, 2)), glat=np.empty(0)), config)
    assert len(full) == 1
    assert none.is_empty()
    assert empty.is_empty()
    assert full.schema == none.schema == empty.schema
    assert full.schema == {
        "id": pl.Int64,
        "name": pl.String,
        "utc": pl.String,
        "t_start": pl.Float64,
        "t_stop": pl.Float64,
        "t_peak": pl.Float64,
        "duration": pl.Float64,
        "t90": pl.Float64,
        "rows": pl.Int64,
        "significance": pl.Float64,
        "counts": pl.Array(pl.Float64, 2),
        "background": pl.Array(pl.Float64, 2),
        "significance_bin": pl.Array(pl.Float64, 2),
        "time_to_gap_before": pl.Float64,
        "time_to_gap_after": pl.Float64,
        "level": pl.Float64,
        "level_before": pl.Float64,
        "level_after": pl.Float64,
        "fold": pl.Int8,
        "glat": pl.Float64,
        "matched": pl.String,
        "matched_dt": pl.Float64,
        "bins_flagged": pl.String,
    }


def stretches(prediction, config, *pairs):
    first, last = np.array(pairs).T
    return describe_events(prediction, first, last, search_settings(config))


@pytest.mark.parametrize(("rows", "t90"), [(1, 1.0), (2, 2.0), (7, 7.0), (10, 10.0), (50, 46.0), (210, 190.0)])
def test_t90_of_a_box_is_nine_tenths_of_it(make_config, make_prediction, rows, t90):
    # From the row in which 5 % of the box is reached to that in which 95 % is: of 50 rows, the 3rd to the 48th.
    pull = np.zeros((400, 2))
    pull[100 : 100 + rows, 1] = 8.0
    pull[100 : 100 + rows, 0] = np.linspace(4.0, 0.0, rows)  # the fainter bin has no influence
    prediction = make_prediction(pull)
    wide = stretches(prediction, make_config(bins=2), (100, 99 + rows), (60, 350))
    exact, padded = wide["t90"].to_list()
    assert exact == padded == t90
    assert wide["duration"][0] == rows


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000))
def test_levels_are_mean_pulls_of_the_best_bin_in_and_beside_an_event(make_config, make_prediction, seed):
    rng = np.random.default_rng(seed)
    prediction = random_prediction(make_prediction, seed)
    segment = prediction["segment"].to_numpy()
    stretch = [np.flatnonzero(segment == number) for number in np.unique(segment[segment >= 0])]
    pairs = [tuple(sorted(rng.choice(rows, 2))) for rows in stretch]
    events = stretches(prediction, make_config(), *pairs)
    pull = prediction["pull"].to_numpy().astype(float)
    for rows, (first, last), event in zip(stretch, pairs, events.rows(named=True), strict=True):
        of_best = pull[:, int(np.argmax(event["significance_bin"]))]
        inside, before, after = rows[(rows >= first) & (rows <= last)], rows[rows < first], rows[rows > last]
        for name, some in (("level", inside), ("level_before", before[-30:]), ("level_after", after[:30])):
            assert event[name] == pytest.approx(of_best[some].mean() if len(some) else 0.0, abs=1e-6)


def test_thirty_seconds_beside_an_event_are_fewer_rows_where_rows_are_longer(make_config, make_prediction):
    pull = np.arange(40.0)[:, None]
    prediction = make_prediction(pull, cadence=10.0)
    (event,) = stretches(prediction, make_config(bins=1, cadence=10.0), (20, 22)).rows(named=True)
    assert (event["level_before"], event["level"], event["level_after"]) == (18.0, 21.0, 24.0)


def test_the_highest_events_are_those_of_the_highest_ranking_or_the_most_significant():
    events = pl.DataFrame(
        {"id": range(5), "significance": [5.0, 9.0, 7.0, 6.0, None], "ranking": [2.0, -1.0, 2.0, None, 0.5]}
    )
    assert highest_ranked(events, 4)["id"].to_list() == [0, 2, 4, 1]
    assert highest_ranked(events.drop("ranking"), 4)["id"].to_list() == [1, 2, 3, 0]
    assert highest_ranked(events, 9)["id"].to_list() == [0, 2, 4, 1, 3]
