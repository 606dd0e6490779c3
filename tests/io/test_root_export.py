"""The ROOT file of a small prediction, laid out by hand."""

import json

import numpy as np
import polars as pl
import pytest
import uproot

from polarbgb.io.root_export import write_root

TIME = 1.5e9 + np.array([0.0, 1.0, 2.0, 3.0, 100.0, 101.0])
SEGMENT = np.array([0, 0, -1, 1, 2, 2], np.int32)
CLUSTERS = {
    "sign": pl.Int8, "kind": pl.String, "name": pl.String, "start": pl.Float64, "stop": pl.Float64,
    "first": pl.Int64, "last": pl.Int64, "rows": pl.Int64,
}  # fmt: skip


SETTINGS = {"tree": "toy", "cadence": 1.0}


@pytest.fixture
def prediction():
    values = np.where(SEGMENT[:, None] < 0, np.nan, np.arange(12.0).reshape(6, 2))
    arrays = {
        name: pl.Series(values + k, dtype=pl.Array(pl.Float32, 2)) for k, name in enumerate(("pred", "sigma", "pull"))
    }
    return pl.DataFrame(
        {
            "unix_time": TIME,
            "segment": SEGMENT,
            "orbit": np.full(6, 7, np.int32),
            "fold": np.full(6, -1, np.int8),
            "quality": pl.Series([0, 0, 1 << 16, 0, 0, 0], dtype=pl.UInt32),
            **arrays,
        }
    )


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


def test_all_trees_hold_what_was_given(tmp_path, prediction):
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
        # Half-open; a row lasts one cadence.
        assert np.column_stack([gti["start"], gti["stop"]]).tolist() == [
            [TIME[0], TIME[1] + 1], [TIME[3], TIME[3] + 1], [TIME[4], TIME[5] + 1],
        ]  # fmt: skip
        events = file["events"].arrays(library="np")
        assert events["matched"].tolist() == ["GRB", ""]
        np.testing.assert_array_equal(events["matched_dt"], [0.5, np.nan])
        assert events["counts"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        pred = file["pred_toy"].arrays(library="np")
        np.testing.assert_array_equal(pred["pred_rate"][[0, 2]], [[0.0, 1.0], [np.nan, np.nan]])
        assert pred["quality"].tolist() == [0, 0, 1 << 16, 0, 0, 0]
        assert pred["fold"].tolist() == [-1] * 6


def test_a_sign_without_clusters_has_no_tree_and_no_event_is_an_empty_one(tmp_path, prediction):
    written = write_root(
        tmp_path / "a.root",
        prediction,
        table(),
        EVENTS.clear(),
        **SETTINGS,
        provenance={},
    )
    assert written == {"pred_toy": 6, "events": 0, "gti": 3}
    with uproot.open(tmp_path / "a.root") as file:
        assert set(file.keys(cycle=False)) == {*written, "meta"}
        assert file["events"].keys() == EVENTS.columns


def test_the_highest_filters_bit_survives(tmp_path, prediction):
    highest = prediction.with_columns(quality=pl.lit(1 << 31, pl.UInt32))
    write_root(
        tmp_path / "a.root",
        highest,
        table(),
        EVENTS,
        **SETTINGS,
        provenance={},
    )
    with uproot.open(tmp_path / "a.root") as file:
        quality = file["pred_toy"]["quality"].array(library="np")
    assert (quality.astype(np.int64) & (1 << 31) != 0).all()


def test_very_many_sets_of_bins_have_no_branch_each_and_meta_says_so(tmp_path, prediction, monkeypatch):
    monkeypatch.setattr("polarbgb.io.root_export.MOST_SETS", 1)
    rows = [(1, kind, name, 1.5e9, 1.5e9, 0, 0, 1) for kind, name in
            (("pure", "0"), ("pure", "0_1"), ("pure", "0_2"), ("more", "#_inter_more_0"))]  # fmt: skip
    clusters = pl.DataFrame(rows, schema=CLUSTERS, orient="row")
    events = pl.DataFrame({"id": pl.Series([], dtype=pl.Int64)})
    write_root(
        tmp_path / "x.root",
        prediction,
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
