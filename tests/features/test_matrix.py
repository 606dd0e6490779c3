"""The matrix holds the features that the configuration names, in its order, on the usable rows."""

import math

import numpy as np
import polars as pl
import pytest

from polarbgb.config import load, shipped, validate
from polarbgb.data.dataset import clean
from polarbgb.errors import UserError
from polarbgb.features.matrix import absent_names, build_matrix, feature_columns, feature_names, implied_names
from polarbgb.features.passages import PASSAGE_NAMES
from polarbgb.workflow.reading import row_rules

HISTORY = [
    {"columns": ["glat", "B[1]"], "lags": [2], "differences": [1], "means": [3]},
    {"columns": ["rate[0]"], "means": [2], "guard": 301},
]


def configured(columns=("glat", "B[1]", "phase"), history=(), cadence=1.0, without=PASSAGE_NAMES):
    raw = {
        "name": "TOY",
        "input": {"tree": "t", "cadence": cadence},
        "rates": {"values": ["rate[0]"], "errors": ["err[0]"]},
        "derived": {"phase": "2*glat"},
        "features": {"columns": list(columns), "history": list(history), "without": list(without)},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 0},
    }
    return validate(raw, where="x")


def frame_of(time):
    rows = len(time)
    rng = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "unix_time": np.asarray(time, float),
            "rate[0]": rng.uniform(400, 500, rows),
            "err[0]": np.full(rows, 20.0),
            "glat": rng.normal(size=rows).astype(np.float32),
            "B[1]": rng.normal(size=rows).astype(np.float32),
        }
    )


def matrix_of(frame, config, **options):
    dataset = clean(frame, row_rules(config))
    return build_matrix(dataset, config.features, config.position, config.input.cadence, **options)


def names_of(config):
    return feature_names(config.features, config.position)


def named_features(config):
    """The features that are made from columns."""
    names = list(feature_columns(config.features, config.input.cadence))
    assert tuple(names) == names_of(config)[: len(names)]
    return names


def test_plain_columns_come_as_they_are():
    frame = frame_of(range(50))
    config = configured()
    matrix = matrix_of(frame, config)
    assert matrix.names == ("glat", "B_1", "phase")
    assert matrix.values.dtype == np.float32
    assert not isinstance(matrix.values, np.memmap)
    assert matrix.values.flags.c_contiguous
    wanted = np.column_stack([frame["glat"], frame["B[1]"], 2 * frame["glat"]])
    np.testing.assert_array_equal(matrix.values, wanted)


def test_features_stand_in_the_order_of_the_configuration():
    assert named_features(configured(history=HISTORY)) == [
        "glat", "B_1", "phase", "glat_lag_2s", "glat_change_1s", "glat_mean_3s", "B_1_lag_2s", "B_1_change_1s",
        "B_1_mean_3s", "rate_0_mean_2s_guard_301s",
    ]  # fmt: skip


def test_the_polar_features_are_named_for_what_they_are():
    names = named_features(load(shipped("configs/polar.toml")))
    assert names[0] == "revolution"
    assert names[17] == "B_phi"
    assert {"fe_cosmic_lag_60s", "fe_cosmic_mean_300s", "temperature_change_600s", "B_theta_lag_900s"} <= set(
        names[18:]
    )
    assert len(set(names)) == len(names)
    assert not any(set("[]<") & set(name) for name in names)  # xgboost refuses these


def test_the_past_ends_at_gaps_and_at_dropped_rows():
    frame = frame_of([0, 1, 2, 3, 10, 11, 12, 13, 14, 15]).with_columns(
        pl.Series("rate[0]", [400.0] * 6 + [math.nan] + [400.0] * 3)  # the only bin
    )
    config = configured(columns=["glat"], history=[{"columns": ["glat"], "lags": [1], "means": [2]}])
    dataset = clean(frame, row_rules(config))
    assert dataset.entries.first_of_rows().tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    matrix = matrix_of(frame, config)
    glat, nan = frame["glat"].to_numpy(), np.nan
    lag = [nan, *glat[0:3], nan, glat[4], nan, *glat[7:9]]
    np.testing.assert_array_equal(matrix.values[:, 1], np.array(lag, np.float32))
    mean = [nan, *(glat[0:3] + glat[1:4]) / 2, nan, (glat[4] + glat[5]) / 2, nan, *(glat[7:9] + glat[8:10]) / 2]
    np.testing.assert_allclose(matrix.values[:, 2], np.array(mean), rtol=1e-6)


def test_missing_values_are_nan_and_stay_out_of_the_past():
    frame = frame_of(range(6)).with_columns(pl.Series("glat", [1, 2, math.nan, 1e33, 5, 6], dtype=pl.Float32))
    config = configured(columns=["glat"], history=[{"columns": ["glat"], "lags": [1], "means": [2]}])
    matrix = matrix_of(frame, config)
    nan = np.nan
    np.testing.assert_array_equal(matrix.values[:, 0], [1, 2, nan, nan, 5, 6])
    np.testing.assert_array_equal(matrix.values[:, 1], [nan, 1, 2, nan, nan, 5])
    np.testing.assert_array_equal(matrix.values[:, 2], [nan, 1.5, nan, nan, nan, 5.5])


def test_a_burst_reaches_a_guarded_rate_feature_only_after_the_guard():
    quiet = frame_of(range(400))
    burst = quiet.with_columns(pl.Series("rate[0]", np.where(np.arange(400) // 10 == 5, 4000.0, quiet["rate[0]"])))
    config = configured(columns=["glat"], history=[{"columns": ["rate[0]"], "means": [2], "guard": 301}])
    with_burst, without = (matrix_of(f, config).values[:, 1] for f in (burst, quiet))
    changed = np.flatnonzero(~((with_burst == without) | (np.isnan(with_burst) & np.isnan(without))))
    assert changed.tolist() == list(range(50 + 301, 60 + 301 + 1))


def test_the_cadence_turns_seconds_into_rows():
    frame = frame_of(np.arange(0, 80, 4))
    config = configured(columns=["glat"], history=[{"columns": ["glat"], "lags": [20]}], cadence=4.0)
    matrix = matrix_of(frame, config)
    np.testing.assert_array_equal(matrix.values[5:, 1], frame["glat"][:-5])


def test_one_row_makes_a_matrix_without_a_past():
    config = configured(history=HISTORY)
    matrix = matrix_of(frame_of([7.0]), config)
    assert matrix.values.shape == (1, 10)
    assert np.isnan(matrix.values[0, 3:]).all()
    assert np.isfinite(matrix.values[0, :3]).all()


@pytest.mark.parametrize(
    ("columns", "history", "name"),
    [
        (["glat", "glat"], [], "glat"),
        (["glat"], [{"columns": ["glat"], "lags": [60, 60.0]}], "glat_lag_60s"),
        (["glat"], [{"columns": ["glat"], "lags": [60]}, {"columns": ["glon", "glat"], "lags": [60]}], "glat_lag_60s"),
        (["B[1]", "B_1"], [], "B_1"),
    ],
)
def test_a_feature_asked_for_twice_is_named(columns, history, name):
    with pytest.raises(UserError) as refused:
        names_of(configured(columns, history))
    assert str(refused.value) == f"features: '{name}' is named twice; remove one"


def test_the_features_of_the_passages_come_by_themselves_and_last():
    time = [*range(50), *range(650, 700)]
    config = configured(columns=["glat"], without=["last_passage"])
    matrix = matrix_of(frame_of(time), config)
    assert matrix.names == ("glat", *(name for name in PASSAGE_NAMES if name != "last_passage"))
    since = matrix.values[:, matrix.names.index("since_switch_on")]
    np.testing.assert_array_equal(since[50:], np.arange(50))


def test_a_feature_that_cannot_be_left_out_is_answered_with_its_neighbour():
    with pytest.raises(
        UserError, match=r"features.without: 'activation_30s' is not an automatic feature.*activation_300s"
    ):
        names_of(configured(without=["activation_30s"]))


def test_the_place_comes_by_itself_where_it_is_configured():
    config = load(shipped("configs/polar.toml"))
    assert {"orbital_phase", "sun_elevation", "l_shell"} <= set(implied_names(config.features, config.position))
    assert implied_names(config.features, None) == PASSAGE_NAMES


def test_what_a_configuration_does_not_say_costs_the_features_made_of_it():
    place, field = ("orbital_phase", "local_time", "sun_elevation"), ("field_strength", "magnetic_latitude", "l_shell")
    config = load(shipped("configs/polar.toml"))
    assert absent_names(config.position) == {}
    no_field = config.position.model_copy(update={"field": ()})
    assert absent_names(no_field) == {"position.field": field}
    assert absent_names(None) == {"[position]": (*place, *field)}


@pytest.mark.parametrize("on_disk", [False, True])
def test_spans_and_disk_change_no_feature(on_disk, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rng = np.random.default_rng(2)
    frame = frame_of(np.cumsum(rng.choice([1, 1, 1, 1, 1, 1, 200], 5000)))
    config = configured(columns=["glat"], history=HISTORY, without=())
    whole = matrix_of(frame, config).values
    monkeypatch.setattr("polarbgb.features.matrix._SPAN", 100)
    matrix = matrix_of(frame, config, on_disk=on_disk)
    assert isinstance(matrix.values, np.memmap) is on_disk
    assert matrix.values.flags.c_contiguous
    np.testing.assert_allclose(matrix.values, whole, rtol=1e-6, atol=1e-6)  # running means start elsewhere
