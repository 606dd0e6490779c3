"""A small prediction and events laid out by hand, with what real ones may hold: dropped rows, NaN and nulls."""

import numpy as np
import polars as pl
import pytest

from polarbgb.config import validate


@pytest.fixture
def toy():
    """The configuration of an instrument of two bins and rows of 2 s."""
    raw = {
        "name": "TOY",
        "input": {"tree": "toy", "cadence": 2.0},
        "rates": {"values": ["r[0:2]"], "errors": ["e[0:2]"], "labels": ["soft", "hard"]},
        "features": {"columns": ["glat"]},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 0},
    }
    return validate(raw, where="test")


@pytest.fixture
def rows():
    """Six rows of a prediction in three segments, one of them dropped."""
    segment = np.array([0, 0, -1, 1, 2, 2], np.int32)
    arrays = {"rate": 100.0, "pred": 90.0, "sigma": 8.0, "pull": 1.25, "exposure": 1.6}
    return pl.DataFrame(
        {
            "unix_time": 1.5e9 + np.array([0.0, 2.0, 4.0, 6.0, 100.0, 102.0]),
            "segment": segment,
            **{
                name: pl.Series(
                    np.where(segment[:, None] < 0, np.nan, value * np.array([1.0, 0.5])), dtype=pl.Array(pl.Float32, 2)
                )
                for name, value in arrays.items()
            },
        }
    )


@pytest.fixture
def found():
    """Two events of a search at a false-alarm rate, the second of a known burst; something is missing in either."""
    return pl.DataFrame(
        {
            "id": [0, 1],
            "name": ["EV170714.111", "EV170714.112"],
            "t_start": [1.5e9, 1.5e9 + 100],
            "t_stop": [1.5e9 + 4, 1.5e9 + 104.5],
            "t_peak": [1.5e9 + 2, 1.5e9 + 102],
            "t_trigger": [1.5e9 + 0.25, 1.5e9 + 100],
            "duration": [4.0, 4.5],
            "t90": [2.0, np.nan],
            "counts": pl.Series([[480.0, 100.0], [50.0, 900.0]], dtype=pl.Array(pl.Float64, 2)),
            "background": pl.Series([[400.0, 100.0], [50.0, 450.0]], dtype=pl.Array(pl.Float64, 2)),
            "significance_bin": pl.Series([[4.0, 0.0], [0.0, 21.0]], dtype=pl.Array(pl.Float64, 2)),
            "ranking": [-1.5, 4.25],
            "far": [8.64, 8.64e-5],
            "far_error": [2.5, 8.64e-5],
            "far_limit": [False, True],
            "probability": [0.25, 1.0],
            "ranked_by": ["", "significance_6s +2.1, gap_after -0.4"],
            "fold": pl.Series([-1, 4], dtype=pl.Int8),
            "l_shell": pl.Series([1.5, np.nan], dtype=pl.Float32),
            "class": ["unknown", "known burst"],
            "class_rule": ["", "matched"],
            "matched": [None, "GRB é"],
            "matched_dt": [None, -0.5],
        }
    )
