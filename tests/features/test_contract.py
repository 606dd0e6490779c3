"""A model is applied to the features that it was trained on, or to none."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.errors import UserError
from polarbgb.features.contract import FeatureContract
from polarbgb.features.matrix import Matrix

NAN = math.nan


def matrix(names, rows):
    return Matrix(np.array(rows, np.float32).reshape(-1, len(names)), tuple(names))


TRAINED = matrix(["glat", "B_r", "empty"], [[-42, NAN, NAN], [10, 5, NAN], [42.5, 0.1, NAN]])


def test_the_ranges_are_those_of_the_values_there_are():
    contract = FeatureContract.of(TRAINED)
    assert contract.names == ("glat", "B_r", "empty")
    np.testing.assert_array_equal(contract.low, [-42, np.float32(0.1), NAN])
    np.testing.assert_array_equal(contract.high, [42.5, 5, NAN])


@pytest.mark.parametrize(
    ("row", "outside"),
    [
        ([0, 1, NAN], False),
        ([-42, 5, NAN], False),  # the edges are inside
        ([42.5, 0.1, NAN], False),
        ([43, 1, NAN], True),
        ([0, 5.1, NAN], True),
        ([0, -3, 0], True),
        ([NAN, 1, NAN], False),  # missing is not outside
        ([0, 1, 99], False),  # no range is known
        ([math.inf, 1, NAN], True),
    ],
)
def test_a_row_beyond_the_training_is_marked(row, outside):
    other = matrix(TRAINED.names, [row, [0, 1, 0]])
    drift = FeatureContract.of(TRAINED).drift(other, np.array([10.0, 20.0]))
    assert drift.rows.dtype == bool
    assert drift.rows.tolist() == [outside, False]
    assert (len(drift.table) > 0) is outside


def test_a_feature_that_drifts_is_told_with_both_ranges_and_when():
    rows = [[50, 1, 9], [NAN, 9, 9], [-43, 7, 9], [0, 8, 9]]
    drift = FeatureContract.of(TRAINED).drift(matrix(TRAINED.names, rows), np.array([1.0, 2.0, 4.0, 8.0]))
    assert drift.rows.tolist() == [True, True, True, True]
    assert drift.table.rows() == [
        ("B_r", 3, pytest.approx(0.1), 5.0, 1.0, 9.0, 2.0, 8.0),
        ("glat", 2, -42.0, 42.5, -43.0, 50.0, 1.0, 4.0),
    ]


def test_features_after_one_without_a_range_are_compared_too():
    contract = FeatureContract.of(matrix(["empty", "glat"], [[NAN, -42], [NAN, 42]]))
    beyond = contract.drift(matrix(["empty", "glat"], [[0, 43], [NAN, 1]]), np.arange(2.0)).rows
    assert beyond.tolist() == [True, False]


def test_the_training_lies_within_itself():
    rng = np.random.default_rng(6)
    values = matrix(["a", "b", "c"], rng.normal(size=(500, 3)) * [1e-8, 1, 1e8])
    back = FeatureContract.from_dict(FeatureContract.of(values).as_dict())
    assert not back.drift(values, np.arange(500.0)).rows.any()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["glat", "B_r"], "the models expect 3 features, the file gives 2"),
        (["glat", "B_r", "empty", "new"], "the models expect 3 features, the file gives 4"),
        (["B_r", "glat", "empty"], "the models expect feature 'glat' where the file gives 'B_r'"),
        (["glat", "B_theta", "empty"], "the models expect feature 'B_r' where the file gives 'B_theta'"),
    ],
)
def test_other_features_are_refused(names, message):
    with pytest.raises(UserError) as refused:
        FeatureContract.of(TRAINED).require(matrix(names, np.ones((2, len(names)))), "x.root")
    assert str(refused.value) == f"x.root: {message}"


def test_a_feature_without_a_value_is_refused_unless_it_never_had_one():
    contract = FeatureContract.of(TRAINED)
    with pytest.raises(UserError, match=r"x\.root: feature 'B_r' has no value in the whole file; the models need it"):
        contract.require(matrix(TRAINED.names, [[0, NAN, 1], [1, NAN, 1]]), "x.root")
    contract.require(matrix(TRAINED.names, [[0, 1, NAN]]), "x.root")


number = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.just(NAN)


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), number, number), max_size=6))
def test_json_keeps_every_bit_and_every_unknown(ranges):
    contract = FeatureContract(*(tuple(column) for column in zip(*ranges, strict=True))) if ranges else None
    contract = contract or FeatureContract((), (), ())
    text = json.dumps(contract.as_dict())
    back = FeatureContract.from_dict(json.loads(text, parse_constant=pytest.fail))  # NaN is no JSON
    assert back.names == contract.names
    np.testing.assert_array_equal(back.low, contract.low)
    np.testing.assert_array_equal(back.high, contract.high)


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "null", "{}", '{"features": 3}', '{"features": [3]}', '{"features": [{"name": "a"}]}',
     '{"features": {"a": 1}}', '{"features": [{"name": "a", "low": "x", "high": 1}]}',
     '{"features": [{"name": "a", "low": [], "high": 1}]}'],
)  # fmt: skip
def test_damaged_text_is_told(text):
    with pytest.raises(UserError, match=r"^models/features\.json is damaged; run 'polarbgb fit' again$"):
        FeatureContract.from_dict(json.loads(text))
