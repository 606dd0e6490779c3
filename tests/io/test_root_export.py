"""The ROOT file of a small prediction, laid out by hand."""

import json

import numpy as np
import polars as pl
import pytest
import uproot

from polarbgb.io.root_export import write_root

TIME = 1.5e9 + np.array([0.0, 1.0, 2.0, 3.0, 100.0, 101.0])
ROW = np.array([0, 1, -1, 2, 3, 4])
CLUSTERS = {
    "sign": pl.Int8, "kind": pl.String, "name": pl.String, "start": pl.Float64, "stop": pl.Float64,
    "first": pl.Int64, "last": pl.Int64, "rows": pl.Int64,
}  # fmt: skip


SETTINGS = {"tree": "toy"}


@pytest.fixture
def prediction():
    values = np.arange(10.0).reshape(5, 2)
    arrays = {
        name: pl.Series(values + k, dtype=pl.Array(pl.Float32, 2)) for k, name in enumerate(("pred", "sigma", "pull"))
    }
    return pl.DataFrame(
        {
            "unix_time": TIME[ROW >= 0],
            "width": np.array([1.0, 1.0, 1.0, 1.0, 0.75], np.float32),
            "segment": np.array([0, 0, 1, 2, 2], np.int32),
            "orbit": np.full(5, 7, np.int32),
            "fold": np.array([0, 1, 2, 0, 1], np.int8),
            **arrays,
        }
    )


@pytest.fixture
def entries():
    quality = pl.Series([0, 0, 1 << 16, 0, 0, 0], dtype=pl.UInt32)
    return pl.DataFrame({"unix_time": TIME, "quality": quality, "row": ROW})


def table(*rows):
    return pl.DataFrame([(*row, 0, 0, 1) for row in rows], schema=CLUSTERS, orient="row")


EVENTS = pl.DataFrame(
    {
        "id": [0, 1],
        "name": ["EV1", "EV2"],
        "counts": pl.Series([[1.0, 2.0], [3.0, 4.0]], dtype=pl.Array(pl.Float64, 2)),
        "matched": ["GRB", None],
        "matched_dt": [0.5, None],
    },
    schema_overrides={"matched": pl.String, "matched_dt": pl.Float64},
)


def test_all_trees_hold_what_was_given(tmp_path, prediction, entries):
    clusters = table(
        (1, "bin", "0", TIME[0], TIME[1]),
        (1, "pure", "0_1", TIME[0], TIME[1]),
        (1, "pure", "0_1", TIME[4], TIME[4]),
        (1, "more", "#_inter_more_0", TIME[0], TIME[1]),
        (-1, "pure", "1", TIME[5], TIME[5]),
    )
    written = write_root(
        tmp_path / "a.root",
        prediction,
        entries,
        clusters,
        EVENTS,
        **SETTINGS,
        provenance={"x": [1, "é"]},
    )
    assert written == {"pred_toy": 6, "cluster_inter_toy": 2, "negative_cluster_inter_toy": 2, "events": 2, "gti": 3}
    with uproot.open(tmp_path / "a.root") as file:
        assert json.loads(file["meta"]) == {"x": [1, "é"]}
        excess = file["cluster_inter_toy"].arrays(library="np")
        assert {name: values.tolist() for name, values in excess.items()} == {
            "0_1": [[TIME[0], TIME[4]], [TIME[1], TIME[4]]],
            "#_inter_more_0": [[TIME[0]], [TIME[1]]],
        }
        assert file["negative_cluster_inter_toy"]["1"].array(library="np").tolist() == [[TIME[5]], [TIME[5]]]
        gti = file["gti"].arrays(library="np")
        # Half-open: to the end of the last row.
        assert np.column_stack([gti["start"], gti["stop"]]).tolist() == [
            [TIME[0], TIME[1] + 1], [TIME[3], TIME[3] + 1], [TIME[4], TIME[5] + 0.75],
        ]  # fmt: skip
        events = file["events"].arrays(library="np")
        assert events["matched"].tolist() == ["GRB", ""]
        np.testing.assert_array_equal(events["matched_dt"], [0.5, np.nan])
        assert events["counts"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        pred = file["pred_toy"].arrays(library="np")
        np.testing.assert_array_equal(pred["pred_rate"][[0, 2, 3]], [[0.0, 1.0], [np.nan, np.nan], [4.0, 5.0]])
        assert pred["segment"].tolist() == [0, 0, -1, 1, 2, 2]
        assert pred["quality"].tolist() == [0, 0, 1 << 16, 0, 0, 0]
        assert pred["fold"].tolist() == [0, 1, -1, 2, 0, 1]


def test_a_sign_without_clusters_has_no_tree_and_no_event_is_an_empty_one(tmp_path, prediction, entries):
    written = write_root(
        tmp_path / "a.root",
        prediction,
        entries,
        table(),
        EVENTS.clear(),
        **SETTINGS,
        provenance={},
    )
    assert written == {"pred_toy": 6, "events": 0, "gti": 3}
    with uproot.open(tmp_path / "a.root") as file:
        assert set(file.keys(cycle=False)) == {*written, "meta"}
        assert file["events"].keys() == EVENTS.columns


def test_the_highest_filters_bit_survives(tmp_path, prediction, entries):
    highest = entries.with_columns(quality=pl.lit(1 << 31, pl.UInt32))
    write_root(
        tmp_path / "a.root",
        prediction,
        highest,
        table(),
        EVENTS,
        **SETTINGS,
        provenance={},
    )
    with uproot.open(tmp_path / "a.root") as file:
        quality = file["pred_toy"]["quality"].array(library="np")
    assert (quality.astype(np.int64) & (1 << 31) != 0).all()


def test_very_many_sets_of_bins_have_no_branch_each_and_meta_says_so(tmp_path, prediction, entries, monkeypatch):
    monkeypatch.setattr("polarbgb.io.root_export.MOST_SETS", 1)
    rows = [(1, kind, name, 1.5e9, 1.5e9, 0, 0, 1) for kind, name in
            (("pure", "0"), ("pure", "0_1"), ("pure", "0_2"), ("more", "#_inter_more_0"))]  # fmt: skip
    clusters = pl.DataFrame(rows, schema=CLUSTERS, orient="row")
    events = pl.DataFrame({"id": pl.Series([], dtype=pl.Int64)})
    write_root(
        tmp_path / "x.root",
        prediction,
        entries,
        clusters,
        events,
        **SETTINGS,
        provenance={"polarbgb": "1"},
    )
    with uproot.open(tmp_path / "x.root") as file:
        names = file["cluster_inter_toy"].keys()
        told = json.loads(file["meta"])
    assert names == ["0", "#_inter_more_0"]
    assert told == {
        "polarbgb": "1",
        "left_out": "2 sets of several bins have no branch: their clusters are in clusters.parquet alone",
    }


def test_entries_out_of_order_or_combined_carry_the_prediction_of_their_row(tmp_path, prediction):
    """A file whose second half comes first, with two entries that were combined to one row, and one of no use."""
    row = np.array([3, 4, -1, 0, 0, 1, 2])
    time = 1.5e9 + np.array([100.0, 101.0, np.nan, 0.0, 0.5, 1.0, 3.0])
    quality = pl.Series([0, 0, 1, 1 << 13, 1 << 13, 0, 0], dtype=pl.UInt32)
    masked = prediction.with_columns(
        pl.Series(name, np.where(np.arange(5)[:, None] == [[1, 9]], np.nan, prediction[name]), pl.Array(pl.Float32, 2))
        for name in ("sigma", "pull")
    )
    entries = pl.DataFrame({"unix_time": time, "quality": quality, "row": row})
    assert write_root(tmp_path / "a.root", masked, entries, table(), EVENTS, **SETTINGS, provenance={})["pred_toy"] == 7
    with uproot.open(tmp_path / "a.root") as file:
        pred = file["pred_toy"].arrays(library="np")
    np.testing.assert_array_equal(pred["unix_time"], time)
    used = row >= 0
    for branch, column in (("pred_rate", "pred"), ("sigma", "sigma"), ("pull", "pull")):
        np.testing.assert_array_equal(pred[branch][used], masked[column].to_numpy()[row[used]])
        assert np.isnan(pred[branch][~used]).all()
    assert np.isnan(pred["pull"][5, 0])  # the masked bin of row 1
    for name in ("segment", "orbit", "fold"):
        np.testing.assert_array_equal(pred[name], np.where(used, masked[name].to_numpy()[row], -1))
    np.testing.assert_array_equal(pred["quality"], quality)
