"""Small configurations and predictions."""

import numpy as np
import polars as pl
import pytest

from polarbgb.config import validate
from polarbgb.timeline.segments import segment_ids
from polarbgb.transients.counts import Counts

PERIOD = 5500.0
"""s: of the orbit."""


def _config(bins=3, known=None, cadence=1.0, trigger=None, **intervals):
    """Configure a toy instrument; ``intervals`` are settings of that section."""
    raw = {
        "name": "TOY",
        "input": {"tree": "t", "cadence": cadence},
        "rates": {"values": [f"rate[0:{bins}]"], "errors": [f"rate_err[0:{bins}]"]},
        "features": {"columns": ["glat"]},
        "orbit": {"period": PERIOD},
        "intervals": {"more_than": 0, "discard": 0.0} | intervals,
        "trigger": trigger or {},
        "model": {"threads": 1},
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


def _counts(observed, expected, time=None, cadence=1.0, **columns):
    """Lay counts out for the searches: bin by bin, all quiet, orbits of 5500 s, unless ``columns`` say otherwise."""
    observed = np.asarray(observed, np.float64)
    rows, bins = observed.shape
    expected = np.array(np.broadcast_to(np.asarray(expected, np.float64), observed.shape))
    time = 1.5e9 + np.arange(rows) * cadence if time is None else np.asarray(time, np.float64)
    return Counts(
        **{
            "row": np.arange(rows),
            "time": time,
            "segment": segment_ids(time, cadence),
            "orbit": ((time - 1.5e9) // PERIOD).astype(np.int32),
            "observed": observed,
            "expected": expected,
            "noise": np.sqrt(expected).astype(np.float32),
            "context": np.zeros((rows, 0), np.float32),
            "context_names": (),
            "quiet": np.ones(rows, bool),
            "series": tuple((i_bin,) for i_bin in range(bins)),
            "cadence": cadence,
        }
        | columns
    )


def _observed(observed, expected, time=None, cadence=1.0, **columns):
    """Lay counts out as a prediction whose pulls are those of counting alone."""
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    shape = observed.shape
    prediction = _prediction(
        (observed - expected) / np.sqrt(expected),
        time,
        cadence=cadence,
        pred=np.broadcast_to(expected / cadence, shape),
        sigma=np.broadcast_to(np.sqrt(expected) / cadence, shape),
        exposure=np.full(shape, cadence),
        **columns,
    )
    orbit = ((prediction["unix_time"] - 1.5e9) // PERIOD).cast(pl.Int32)
    return prediction.with_columns(orbit=orbit, quality=pl.lit(0, pl.UInt32))


@pytest.fixture(scope="session")
def make_config():
    return _config


@pytest.fixture(scope="session")
def make_counts():
    return _counts


@pytest.fixture(scope="session")
def make_observed():
    return _observed


@pytest.fixture(scope="session")
def make_prediction():
    return _prediction


@pytest.fixture(scope="module")
def fewer_injections():
    """Inject fewer transients than are needed for the best ranking, where all that are looked for are bright."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("polarbgb.transients.detector._INJECTIONS", 600)
        yield
