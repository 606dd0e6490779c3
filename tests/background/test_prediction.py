"""The frame that everything downstream reads: a row for every entry of the input."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.background.calibration import Calibrated
from polarbgb.background.prediction import prediction_frame
from polarbgb.data.count_rates import CountRates
from polarbgb.data.quality import Dataset, Quality

BINS = 2


def lay_out(entries, row):
    """Lay out rows whose every value tells which entry it belongs to: 1000 for the array, then bin, then entry."""
    row = np.asarray(row, np.int64)
    quality = np.full(entries, Quality.RATE_INVALID, np.uint32)
    quality[row] = 0
    value = {
        name: 1000.0 * number + 100 * np.arange(BINS) + row[:, None]
        for number, name in enumerate(("rate", "pred", "sigma", "pull", "exposure", "baseline"), start=1)
    }
    dataset = Dataset(
        time=1e9 + np.arange(entries, dtype=float),
        quality=quality,
        reasons={},
        missing={},
        row=row,
        segment=(row // 7).astype(np.int32),
        orbit=(row // 11).astype(np.int32),
        known=np.zeros(len(row), bool),
        exposure=None,
        frame=pl.DataFrame(
            {
                "glat": pl.Series([None if r % 5 == 0 else r / 2 for r in row.tolist()], dtype=pl.Float64),
                "config": pl.Series(row.tolist(), dtype=pl.Int32),
            }
        ),
    )
    calibrated = Calibrated(value["sigma"], value["pull"], np.ones(BINS), np.zeros(BINS))
    data = CountRates(value["rate"], np.ones_like(value["rate"]), value["exposure"])
    fold = (row % 3).astype(np.int8)
    return prediction_frame(
        dataset,
        data,
        prediction=value["pred"],
        calibrated=calibrated,
        baseline=value["baseline"],
        fold=fold,
        auxiliary={"l_shell": (10 + row).astype(np.float32)},
        context=["glat", "config"],
    )


@given(entries=st.integers(1, 60), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_every_value_stands_at_its_entry(entries, seed):
    usable = np.random.default_rng(seed).random(entries) < 0.7
    frame = lay_out(entries, np.flatnonzero(usable))
    assert frame["row"].to_list() == list(range(entries))
    assert frame["unix_time"].to_list() == [1e9 + r for r in range(entries)]
    for r, line in enumerate(frame.iter_rows(named=True)):
        if not usable[r]:
            continue
        for number, name in enumerate(("rate", "pred", "sigma", "pull", "exposure", "baseline"), start=1):
            assert line[name] == [1000 * number + r, 1000 * number + 100 + r]
        assert (line["segment"], line["orbit"], line["fold"]) == (r // 7, r // 11, r % 3)
        assert line["config"] == r
        assert line["l_shell"] == 10 + r
        assert line["quality"] == 0
        assert np.isnan(line["glat"]) if r % 5 == 0 else line["glat"] == r / 2


@given(entries=st.integers(1, 60), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_a_dropped_entry_is_marked_in_every_column(entries, seed):
    usable = np.random.default_rng(seed).random(entries) < 0.5
    frame = lay_out(entries, np.flatnonzero(usable)).filter(pl.Series(~usable))
    for line in frame.iter_rows(named=True):
        assert (line["segment"], line["orbit"], line["fold"]) == (-1, -1, -1)
        assert line["quality"] == Quality.RATE_INVALID
        for name in ("rate", "pred", "sigma", "pull", "exposure", "baseline", "glat", "config"):
            assert np.isnan(line[name]).all(), name


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("row", pl.Int64),
        ("unix_time", pl.Float64),
        ("segment", pl.Int32),
        ("orbit", pl.Int32),
        ("quality", pl.UInt32),
        *((name, pl.Array(pl.Float32, BINS)) for name in ("rate", "pred", "sigma", "pull", "exposure", "baseline")),
    ],
)
def test_columns_keep_their_types(column, dtype):
    assert lay_out(9, [1, 2, 5]).schema[column] == dtype
