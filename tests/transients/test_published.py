"""Clusters of the published method, compared with their definition row by row and with the published file."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.io.root_export import published_tables
from polarbgb.transients.published import (
    cluster_excess,
    find_clusters,
    more_than_name,
    published_excesses,
)
from polarbgb.transients.rows import segment_borders

PUBLISHED = Path(__file__).parents[3] / "shared/data/published_intervals_seed42.root"


def by_hand(prediction, sigma, discard):
    """Apply the definition row by row; return tuples as the rows of ``find_clusters``."""
    rows = list(prediction.iter_rows(named=True))
    bins = prediction.schema["pull"].shape[0]
    opening, closing = {}, {}
    for row in rows:
        opening.setdefault(row["segment"], row["unix_time"])
        closing[row["segment"]] = row["unix_time"]

    def runs(member):
        found = []
        for number, row in enumerate(rows):
            if not member[number]:
                continue
            if number and member[number - 1] and rows[number - 1]["segment"] == row["segment"]:
                found[-1].append(number)
            else:
                found.append([number])
        return found

    def cluster(sign, kind, name, run):
        first, last = rows[run[0]], rows[run[-1]]
        return (sign, kind, name, first["unix_time"], last["unix_time"], first["row"], last["row"], len(run))

    clusters = []
    for sign in (1, -1):
        flagged = [set() for _ in rows]
        for number in range(bins):
            for run in runs([sign * row["pull"][number] > sigma for row in rows]):
                first, last = rows[run[0]], rows[run[-1]]
                too_early = first["unix_time"] - opening[first["segment"]] < discard
                too_late = closing[last["segment"]] - last["unix_time"] < discard
                if too_early or too_late:
                    continue
                clusters.append(cluster(sign, "bin", str(number), run))
                for place in run:
                    flagged[place].add(number)
        appearance = []
        for one in flagged:
            if one and one not in appearance:
                appearance.append(one)
        for wanted in appearance:
            name = "_".join(str(number) for number in sorted(wanted))
            clusters += [cluster(sign, "pure", name, run) for run in runs([one == wanted for one in flagged])]
        for least in range(bins):
            name = f"#_inter_more_{least}"
            clusters += [cluster(sign, "more", name, run) for run in runs([len(one) > least for one in flagged])]
    return clusters


PULLS = st.sampled_from([-9.0, -5.0, 0.0, 0.0, 5.0, 6.0, 9.0])
STEPS = st.sampled_from([1.0, 1.0, 1.0, 1.0001, 1.5, 1.999, 2.0, 2.5, 40.0])


@st.composite
def missions(draw):
    bins = draw(st.integers(1, 4))
    rows = draw(st.integers(0, 40))
    pull = draw(st.lists(st.lists(PULLS, min_size=bins, max_size=bins), min_size=rows, max_size=rows))
    steps = draw(st.lists(STEPS, min_size=rows, max_size=rows))
    usable = draw(st.lists(st.sampled_from([True] * 9 + [False]), min_size=rows, max_size=rows))
    return np.reshape(pull, (rows, bins)), 1.5e9 + np.cumsum(steps), np.array(usable, bool)


@settings(deadline=None, max_examples=400)
@given(missions(), st.sampled_from([0.0, 1.0, 2.5, 4.0]))
def test_clusters_are_those_of_the_definition_read_row_by_row(make_config, make_prediction, mission, discard):
    pull, time, usable = mission
    prediction = make_prediction(pull, time, usable)
    config = make_config(pull.shape[1], discard=discard)
    assert find_clusters(prediction, config.intervals).rows() == by_hand(prediction, 5.0, discard)


@settings(deadline=None, max_examples=100)
@given(missions())
def test_signs_mirror_each_other(make_config, make_prediction, mission):
    pull, time, usable = mission
    config = make_config(pull.shape[1], discard=2.0)
    clusters = find_clusters(make_prediction(pull, time, usable), config.intervals)
    mirrored = find_clusters(make_prediction(-pull, time, usable), config.intervals)
    for sign in (1, -1):
        assert clusters.filter(sign=sign).drop("sign").equals(mirrored.filter(sign=-sign).drop("sign"))


@settings(deadline=None, max_examples=100)
@given(missions())
def test_the_same_rows_are_flagged_in_pure_sets_as_in_more_than_none(make_config, make_prediction, mission):
    pull, time, usable = mission
    clusters = find_clusters(make_prediction(pull, time, usable), make_config(pull.shape[1], discard=2.0).intervals)
    rows = clusters.filter(pl.col("kind") == "pure")["rows"].sum()
    assert rows == clusters.filter(pl.col("name") == "#_inter_more_0")["rows"].sum()


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_flagged_leaves_a_typed_empty_frame(make_config, make_prediction, rows):
    clusters = find_clusters(make_prediction(np.zeros((rows, 3))), make_config().intervals)
    assert clusters.schema == {
        "sign": pl.Int8,
        "kind": pl.String,
        "name": pl.String,
        "start": pl.Float64,
        "stop": pl.Float64,
        "first": pl.Int64,
        "last": pl.Int64,
        "rows": pl.Int64,
    }
    assert clusters.is_empty()
    assert published_tables(clusters, 1) == {}


def test_no_usable_row_is_no_cluster(make_config, make_prediction):
    prediction = make_prediction(np.full((5, 3), 9.0), usable=[False] * 5)
    assert find_clusters(prediction, make_config().intervals).is_empty()


def test_a_single_row_is_an_interval_that_stops_where_it_starts(make_config, make_prediction):
    clusters = find_clusters(make_prediction([[9.0]]), make_config(bins=1).intervals)
    assert clusters.rows() == [
        (1, "bin", "0", 1.5e9, 1.5e9, 0, 0, 1),
        (1, "pure", "0", 1.5e9, 1.5e9, 0, 0, 1),
        (1, "more", "#_inter_more_0", 1.5e9, 1.5e9, 0, 0, 1),
    ]


def test_all_rows_flagged_are_one_cluster_of_each_kind(make_config, make_prediction):
    clusters = find_clusters(make_prediction(np.full((100, 2), -9.0)), make_config(bins=2).intervals)
    assert clusters["name"].to_list() == ["0", "1", "0_1", "#_inter_more_0", "#_inter_more_1"]
    assert set(clusters["sign"]) == {-1}
    assert set(clusters["rows"]) == {100}


def test_a_pull_of_just_sigma_is_not_flagged(make_config, make_prediction):
    prediction = make_prediction([[5.0], [-5.0]])
    assert find_clusters(prediction, make_config(bins=1).intervals).is_empty()
    assert len(find_clusters(prediction, make_config(bins=1, sigma=4.9).intervals)) == 6


@pytest.mark.parametrize(("step", "clusters"), [(1.0, 1), (1.499, 1), (1.5, 2), (2.0, 2)])
def test_a_step_of_one_and_a_half_cadences_parts_a_run(make_config, make_prediction, step, clusters):
    prediction = make_prediction([[9.0], [9.0]], time=[1.5e9, 1.5e9 + step])
    assert len(find_clusters(prediction, make_config(bins=1).intervals).filter(kind="bin")) == clusters


def test_a_dropped_row_parts_a_run_and_rows_are_numbers_of_the_prediction(make_config, make_prediction):
    prediction = make_prediction(np.full((7, 1), 9.0), usable=[False, True, True, False, True, True, True])
    found = find_clusters(prediction, make_config(bins=1).intervals).filter(kind="bin")
    assert found.select("first", "last", "rows").rows() == [(0, 1, 2), (2, 4, 3)]
    assert prediction["entry"][found["first"].to_list()].to_list() == [1, 4]


def test_a_masked_bin_is_in_no_cluster_and_the_others_are(make_config, make_prediction):
    live = np.ones((9, 2))
    live[3:5, 0] = 0
    found = find_clusters(make_prediction(np.full((9, 2), 9.0), exposure=live), make_config(bins=2).intervals)
    bins = found.filter(kind="bin").select("name", "first", "last").rows()
    assert bins == [("0", 0, 2), ("0", 5, 8), ("1", 0, 8)]
    pure = found.filter(kind="pure").select("name", "first", "last").rows()
    assert sorted(pure) == [("0_1", 0, 2), ("0_1", 5, 8), ("1", 3, 4)]


def test_the_excess_of_a_cluster_is_that_of_measured_counts(make_config, make_prediction):
    live = np.ones((9, 2))
    live[4, 0] = 0
    prediction = make_prediction(np.full((9, 2), 9.0), exposure=live)
    clusters = find_clusters(prediction, make_config(bins=2).intervals)
    found = cluster_excess(prediction, clusters, 1.0)
    # A pull of 9 is 90 counts of a row.
    assert found.select("bin", "duration", "excess").rows() == [(0, 4.0, 360.0), (0, 4.0, 360.0), (1, 9.0, 810.0)]


@pytest.mark.parametrize(
    ("first", "last", "kept"), [(30, 69, True), (29, 69, False), (30, 70, False), (0, 50, False), (50, 99, False)]
)
def test_a_run_needs_the_discard_time_of_data_on_both_sides(make_config, make_prediction, first, last, kept):
    pull = np.zeros((100, 1))
    pull[first : last + 1] = 9.0
    config = make_config(bins=1, discard=30.0)
    assert find_clusters(make_prediction(pull), config.intervals).is_empty() != kept


def test_the_discard_is_in_seconds_at_any_cadence(make_config, make_prediction):
    pull = np.zeros((17, 1))
    pull[8] = 9.0  # 32 s from both ends at a cadence of 4 s
    prediction = make_prediction(pull, cadence=4.0)
    assert not find_clusters(prediction, make_config(bins=1, cadence=4.0, discard=32.0).intervals).is_empty()
    assert find_clusters(prediction, make_config(bins=1, cadence=4.0, discard=33.0).intervals).is_empty()


def test_a_bin_that_is_discarded_leaves_the_others_alone(make_config, make_prediction):
    pull = np.zeros((100, 2))
    pull[20:40, 0] = 9.0  # too close to the start
    pull[35:50, 1] = 9.0
    pull[60:65, :] = 9.0
    clusters = find_clusters(make_prediction(pull), make_config(bins=2, discard=30.0).intervals)
    assert clusters.select("kind", "name", "first", "last").rows() == [
        ("bin", "0", 60, 64),
        ("bin", "1", 35, 49),
        ("bin", "1", 60, 64),
        ("pure", "1", 35, 49),
        ("pure", "0_1", 60, 64),
        ("more", "#_inter_more_0", 35, 49),
        ("more", "#_inter_more_0", 60, 64),
        ("more", "#_inter_more_1", 60, 64),
    ]


def test_intersections_are_not_discarded_again(make_config, make_prediction):
    pull = np.zeros((100, 2))
    pull[30:70, 0] = 9.0
    pull[30:40, 1] = pull[60:70, 1] = 9.0
    clusters = find_clusters(make_prediction(pull), make_config(bins=2, discard=30.0).intervals)
    pure = clusters.filter(kind="pure").select("name", "first", "last").rows()
    assert pure == [("0_1", 30, 39), ("0_1", 60, 69), ("0", 40, 59)]


def test_bins_from_ten_on_are_named_in_increasing_number(make_config, make_prediction):
    pull = np.zeros((3, 13))
    pull[1, [12, 2, 10]] = 9.0
    clusters = find_clusters(make_prediction(pull), make_config(bins=13).intervals)
    assert clusters.filter(kind="pure")["name"].to_list() == ["2_10_12"]
    assert clusters.filter(kind="more")["name"].to_list() == [f"#_inter_more_{number}" for number in range(3)]


def test_sets_of_more_than_a_number_of_bins_have_the_published_names():
    assert more_than_name(3) == "#_inter_more_3"


def test_published_tables_hold_starts_then_stops_and_no_single_bin_clusters(make_config, make_prediction):
    pull = np.zeros((10, 2))
    pull[2:5, 0] = pull[7, 0] = pull[3, 1] = 9.0
    tables = published_tables(find_clusters(make_prediction(pull), make_config(bins=2).intervals), 1)
    assert {name: (table - 1.5e9).tolist() for name, table in tables.items()} == {
        "0": [[2, 4, 7], [2, 4, 7]],
        "0_1": [[3], [3]],
        "#_inter_more_0": [[2, 7], [4, 7]],
        "#_inter_more_1": [[3], [3]],
    }
    assert list(tables) == ["0", "0_1", "#_inter_more_0", "#_inter_more_1"]


def test_published_excesses_are_flagged_in_more_bins_than_asked_and_last_to_the_end_of_their_last_row(
    make_config, make_prediction
):
    pull = np.zeros((20, 3))
    pull[2:5, :2] = pull[9] = 9.0
    pull[7, 0] = 9.0  # in one bin alone
    pull[12] = -9.0
    prediction = make_prediction(pull, cadence=4.0)
    found = published_excesses(prediction, make_config(more_than=1).intervals, cadence=4.0)
    assert (found - 1.5e9).rows() == [(8.0, 20.0), (36.0, 40.0)]


@pytest.mark.parametrize("cadence", [1.0, 4.0])
def test_the_excess_of_a_cluster_is_summed_row_by_row(make_config, make_prediction, cadence):
    rng = np.random.default_rng(11)
    pull = rng.normal(scale=3.0, size=(300, 2))
    time = 1.5e9 + cadence * np.cumsum(rng.choice([1.0, 5.0], p=[0.95, 0.05], size=300))
    live = rng.uniform(0.5, 1.0, (300, 2))
    prediction = make_prediction(pull, time, rng.random(300) < 0.9, cadence, exposure=live)
    config = make_config(bins=2, cadence=cadence, sigma=4.0)
    clusters = find_clusters(prediction, config.intervals)
    wanted = []
    for row in clusters.filter(kind="bin").rows(named=True):
        inside = [one for one in prediction.rows(named=True) if row["first"] <= one["row"] <= row["last"]]
        number = int(row["name"])
        excess = sum((one["rate"][number] - one["pred"][number]) * one["exposure"][number] for one in inside)
        span = (row["start"], row["stop"] + cadence, row["stop"] - row["start"] + cadence)
        wanted.append((row["sign"], number, *span, row["sign"] * excess))
    found = cluster_excess(prediction, clusters, cadence)
    assert len(found) == len(wanted) > 30
    assert sorted(found.rows()) == [pytest.approx(row) for row in sorted(wanted)]
    assert (found["excess"] > 0).all()


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"the published interval file is not at {PUBLISHED}")
@pytest.mark.parametrize(("tree", "sign"), [("cluster_inter_nf1rate", 1), ("negative_cluster_inter_nf1rate", -1)])
def test_the_published_file_follows_from_its_own_rows(make_config, make_prediction, tree, sign):
    """Rows flagged according to the published pure sets reproduce every published branch exactly."""
    uproot = pytest.importorskip("uproot")
    with uproot.open(PUBLISHED) as file:
        published = {name: np.stack(list(table)) for name, table in file[tree].arrays(library="np").items()}
    time, pull = [], []
    for name, table in published.items():
        if name.startswith("#"):
            continue
        flags = np.zeros(6)
        flags[[int(number) for number in name.split("_")]] = 9.0 * sign
        for start, stop in table.T:
            rows = np.linspace(start, stop, round(stop - start) + 1)
            time.append(rows)
            pull.append(np.tile(flags, (len(rows), 1)))
    time, pull = np.concatenate(time), np.concatenate(pull)
    order = np.argsort(time)
    prediction = make_prediction(pull[order], time[order])
    tables = published_tables(find_clusters(prediction, make_config(bins=6).intervals), sign)
    assert list(tables) == list(published)
    for name, table in published.items():
        assert np.array_equal(tables[name], table), name
        assert tables[name].dtype == table.dtype


def test_borders_of_segments_are_found_in_any_numbering():
    first, last = segment_borders(np.array([3, 3, 5, 5, 5, 6], np.int32))
    assert first.tolist() == [0, 0, 2, 2, 2, 5]
    assert last.tolist() == [1, 1, 4, 4, 4, 5]
    assert [len(edge) for edge in segment_borders(np.empty(0, np.int32))] == [0, 0]
