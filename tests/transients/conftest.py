"""Small configurations and predictions."""

import numpy as np
import polars as pl
import pytest

from polarbgb.config import validate
from polarbgb.timeline.segments import segment_ids


def _config(bins=3, known=None, cadence=1.0, **intervals):
    raw = {
        "name": "TOY",
        "input": {"tree": "t", "cadence": cadence},
        "rates": {"values": [f"rate[0:{bins}]"], "errors": [f"rate_err[0:{bins}]"]},
        "features": {"columns": ["glat"]},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 0, "discard": 0.0} | intervals,
    }
    return validate(raw | ({"known_events": known} if known else {}), where="test")


def _prediction(pull, time=None, usable=None, cadence=1.0, **columns):
    """Lay pulls out as a prediction; ``columns`` are (rows, bins) arrays or (rows,) context."""
    pull = np.asarray(pull, np.float64)
    rows, bins = pull.shape
    time = 1.5e9 + np.arange(rows) * cadence if time is None else np.asarray(time, np.float64)
    usable = np.ones(rows, bool) if usable is None else np.asarray(usable, bool)
    segment = np.full(rows, -1, np.int32)
    segment[usable] = segment_ids(time[usable], cadence)
    arrays = {
        "pred": np.full((rows, bins), 100.0),
        "sigma": np.full((rows, bins), 10.0),
        "exposure": np.ones((rows, bins)),
        "pull": pull,
    } | {name: values for name, values in columns.items() if np.ndim(values) == 2}
    arrays["rate"] = arrays["pred"] + arrays["pull"] * arrays["sigma"]
    context = {name: values for name, values in columns.items() if np.ndim(values) == 1}
    return pl.DataFrame(
        {
            "row": np.arange(rows, dtype=np.int64),
            "unix_time": time,
            "segment": segment,
            "fold": np.where(usable, 0, -1).astype(np.int8),
        }
        | {
            name: pl.Series(np.where(usable[:, None], values, np.nan), dtype=pl.Array(pl.Float32, bins))
            for name, values in arrays.items()
        }
        | context
    )


@pytest.fixture(scope="session")
def make_config():
    return _config


@pytest.fixture(scope="session")
def make_prediction():
    return _prediction
