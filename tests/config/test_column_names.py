"""Names of columns: any branch of a file can be named, with indices and slices, and stays known as a rate."""

import re

import pytest

from polarbgb.config import validate
from polarbgb.config.columns import branch_of, expanded
from polarbgb.errors import ConfigError
from polarbgb.features.matrix import feature_columns, feature_names


@pytest.mark.parametrize(
    ("column", "elements"),
    [
        ("rate[0:3]", ("rate[0]", "rate[1]", "rate[2]")),
        ("rate[0:2][1]", ("rate[0][1]", "rate[1][1]")),
        ("rate[3][1:3]", ("rate[3][1]", "rate[3][2]")),
        ("a[1][0:2][3]", ("a[1][0][3]", "a[1][1][3]")),
        ("grd.rate[9:11]", ("grd.rate[9]", "grd.rate[10]")),
        ("hk/T:1[0:1]", ("hk/T:1[0]",)),
        *(
            (name, (name,))
            for name in ("rate", "rate[0]", "rate[3][1]", "T:1", "a b", "temp<1>", "温度", "t[C]", "a[0].x")
        ),
    ],
)
def test_a_column_is_a_name_of_any_characters_with_indices(column, elements):
    assert expanded([column]) == elements
    assert {branch_of(element) for element in elements} == {branch_of(column)}


def test_long_slices_are_expanded():
    assert expanded(["rate[0:128]"]) == tuple(f"rate[{i}]" for i in range(128))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("rate[2:2]", "holds no element"),
        ("rate[5:2]", "holds no element"),
        ("rate[0:999999999999]", "holds over 100000 elements"),
        ("rate[0:2][0:2]", "has two slices"),
        *(
            (name, "is not a column: write name")
            for name in (
                "rate[",
                "rate[]",
                "rate[:]",
                "rate[0:]",
                "rate[-1]",
                "rate[0",
                "rate[0:2",
                "rate]",
                "[0]",
                "[0:3]",
            )
        ),
    ],
)
def test_wrong_indices_are_refused(column, message):
    with pytest.raises(ValueError, match=message) as refused:
        expanded([column])
    assert f"'{column}'" in str(refused.value)


def configured(*, values=("rate[0:2]",), errors=("err[0:2]",), **sections):
    return validate(
        {
            "name": "Toy",
            "input": {"tree": "t"},
            "rates": {"values": values, "errors": errors, **sections.pop("rates", {})},
            "features": {"columns": ["glat"]},
            "orbit": {"period": 5600.0},
            "intervals": {"more_than": 1},
            **sections,
        },
        where="toy.toml",
    )


NAMES = ["orbit.glat", "temp<1>", "T:1", "a,b", "hk temp", 'q"x', "{z}", "温度", "hk[0]", "m[3][1]"]


def test_columns_of_any_name_are_accepted_everywhere():
    config = configured(
        features={"columns": NAMES, "history": [{"columns": NAMES, "lags": [60.0]}]},
        derived={"warm": "`temp<1>` > 3 and orbit.glat < m[3][1]"},
        filters={"cold": "`hk temp` < 300"},
        rates={"exposure": "2*`live time`"},
        position={"latitude": "orbit.glat", "longitude": "orbit/glon"},
        intervals={"more_than": 1, "context": [*NAMES, "orbit/glon"]},
        classes={"rules": {"hot": "`temp<1>` > 3"}},
        explain={"groups": {"all of them": NAMES}},
    )
    assert {*NAMES, "orbit/glon", "rate[1]", "err[0]"} <= config.branches
    assert config.classes.tests["hot"].columns == {"temp<1>"}
    names = feature_names(config.features, config.position)
    assert {"temp<1>", "m_3_1", "m_3_1_lag_60s", "温度_lag_60s"} <= set(names)
    assert set(feature_columns(config.features, 1.0)) < set(names)


def test_slices_are_expanded_wherever_columns_are_listed():
    config = configured(
        features={"columns": ["hk[0:2]"], "history": [{"columns": ["m[0:2][1]"], "means": [60.0]}]},
        intervals={"more_than": 1, "context": ["hk[1:3]"]},
        explain={"groups": {"housekeeping": ["hk[0:2]", "m[0][1]"]}},
    )
    assert config.features.columns == ("hk[0]", "hk[1]")
    assert config.features.history[0].columns == ("m[0][1]", "m[1][1]")
    assert config.intervals.context == ("hk[1]", "hk[2]")
    assert config.explain.groups["housekeeping"] == ("hk[0]", "hk[1]", "m[0][1]")


@pytest.mark.parametrize(
    ("rate", "feature", "leaks"),
    [
        ("rate[0:12][1]", "rate[3][0]", True),
        ("rate[0:2]", "rate", True),
        ("grd.rate[0:2]", "grd.rate[5]", True),
        ("grd.rate[0:2]", "grd.err", False),
        ("grd.rate[0:2]", "rate", False),
        ("n<1>[0:2]", "n<1>", True),
        ("n<1>[0:2]", "n<2>", False),
    ],
)
def test_a_feature_must_not_be_made_from_rates_of_any_name(rate, feature, leaks):
    def build(column, **sections):
        count = len(expanded([rate]))
        return configured(values=[rate], errors=[f"e[0:{count}]"], features={"columns": [column]}, **sections)

    for column, derived in ((feature, {}), ("made", {"made": f"2*`{feature}`"})):
        if leaks:
            with pytest.raises(ConfigError, match=f"'{re.escape(column)}' is made from a rate"):
                build(column, derived=derived)
        else:
            build(column, derived=derived)


@pytest.mark.parametrize("column", ["*", "^rate.*$"])
def test_a_name_that_polars_takes_for_a_pattern_is_refused(column):
    with pytest.raises(ConfigError, match="polars takes it for a pattern"):
        configured(features={"columns": [column]})
