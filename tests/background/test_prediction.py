"""The table that everything downstream reads: one row per usable row, in time order."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.calibration import Calibrated
from polarbgb.background.prediction import counts_of_prediction, prediction_frame
from polarbgb.data.count_rates import CountRates
from polarbgb.data.dataset import Dataset, Entries
from polarbgb.data.quality import Quality

BINS = 2
ARRAYS = ("rate", "pred", "sigma", "pull", "exposure", "baseline")


def lay_out(row, masked=()):
    """Lay out rows whose every value tells which row it belongs to: 1000 for the array, then bin, then row.

    Args:
        row: number of the row of each entry, -1 if it is not used.
        masked: (row, bin) pairs.
    """
    row_of_entry = np.asarray(row, np.int64)
    rows = np.arange(row_of_entry.max(initial=-1) + 1)
    value = {
        name: 1000.0 * number + 100 * np.arange(BINS) + rows[:, None] for number, name in enumerate(ARRAYS, start=1)
    }
    mask = np.zeros((len(rows), BINS), bool)
    mask[tuple(np.array(masked, int).reshape(-1, 2).T)] = True
    dataset = Dataset(
        time=1e9 + 2.0 * rows,
        width=np.full(len(rows), 1.5),
        segment=(rows // 7).astype(np.int32),
        orbit=(rows // 11).astype(np.int32),
        known=np.zeros(len(rows), bool),
        rates=CountRates(value["rate"], np.ones_like(value["rate"]), value["exposure"]).without(mask),
        frame=pl.DataFrame(
            {
                "glat": pl.Series([None if r % 5 == 0 else r / 2 for r in rows.tolist()], dtype=pl.Float64),
                "config": pl.Series(rows.tolist(), dtype=pl.Int32),
            }
        ),
        missing={},
        entries=Entries(
            time=1e9 + np.arange(len(row_of_entry)),
            quality=np.where(row_of_entry < 0, np.uint32(Quality.RATE_INVALID), np.uint32(0)),
            row=row_of_entry,
            dropped={},
            masked={},
            moved=0,
            combined=0,
        ),
    )
    return prediction_frame(
        dataset,
        prediction=value["pred"],
        calibrated=Calibrated(value["sigma"], value["pull"], np.ones(BINS), np.zeros(BINS)),
        baseline=value["baseline"],
        fold=(rows % 3).astype(np.int8),
        auxiliary={"l_shell": (10 + rows).astype(np.float32)},
        context=["glat", "config"],
    )


@given(entries=st.integers(1, 60), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_every_value_stands_at_its_row_and_every_row_at_its_first_entry(entries, seed):
    rng = np.random.default_rng(seed)
    # Every row has one entry or several, in any order, between entries that are not used.
    row = np.unique(rng.integers(0, entries, entries), return_inverse=True)[1]
    row = np.where(
        np.isin(np.arange(entries), np.unique(row, return_index=True)[1]) | (rng.random(entries) < 0.5), row, -1
    )
    frame = lay_out(row)
    assert frame["row"].to_list() == list(range(row.max() + 1))
    assert frame["entry"].to_list() == [row.tolist().index(r) for r in range(row.max() + 1)]
    for r, line in enumerate(frame.iter_rows(named=True)):
        for number, name in enumerate(ARRAYS, start=1):
            assert line[name] == [1000 * number + r, 1000 * number + 100 + r]
        assert (line["unix_time"], line["width"]) == (1e9 + 2 * r, 1.5)
        assert (line["segment"], line["orbit"], line["fold"]) == (r // 7, r // 11, r % 3)
        assert line["config"] == r
        assert line["l_shell"] == 10 + r
        assert line["quality"] == 0
        assert np.isnan(line["glat"]) if r % 5 == 0 else line["glat"] == r / 2


def test_a_masked_bin_has_a_prediction_and_nothing_else():
    frame = lay_out([0, 1, 2, 3], masked=[(1, 0), (3, 1)])
    for name in ("rate", "sigma", "pull"):
        assert np.argwhere(np.isnan(frame[name].to_numpy())).tolist() == [[1, 0], [3, 1]]
    assert np.argwhere(frame["exposure"].to_numpy() == 0).tolist() == [[1, 0], [3, 1]]
    for name in ("pred", "baseline"):
        assert np.isfinite(frame[name].to_numpy()).all()


def test_counts_are_rate_times_live_time_and_none_where_masked():
    frame = lay_out([0, 1, 2], masked=[(1, 0)])
    live = frame["exposure"].to_numpy().astype(float)
    for found, name in zip(counts_of_prediction(frame), ("rate", "pred", "sigma"), strict=True):
        wanted = frame[name].to_numpy().astype(float) * live
        wanted[1, 0] = 0.0
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("row", pl.Int64),
        ("entry", pl.Int64),
        ("unix_time", pl.Float64),
        ("width", pl.Float32),
        ("segment", pl.Int32),
        ("orbit", pl.Int32),
        ("fold", pl.Int8),
        ("quality", pl.UInt32),
        *((name, pl.Array(pl.Float32, BINS)) for name in ARRAYS),
    ],
)
def test_columns_keep_their_types(column, dtype):
    assert lay_out([-1, 0, 1, -1, 2]).schema[column] == dtype
