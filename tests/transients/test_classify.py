"""Classes and flags follow from the expressions of the configuration."""

import polars as pl
import pytest

from polarbgb.config import Classes
from polarbgb.errors import ConfigError
from polarbgb.transients.classify import classify

EVENTS = pl.DataFrame(
    {
        "matched": ["", "", "GRB 170206A", ""],
        "duration": [1.0, 20.0, 20.0, 400.0],
        "bins_flagged": ["", "0", "0_1", "0_1_10"],
        "counts": [[30.0, 10.0], [40.0, 30.0], [20.0, 80.0], [20.0, 20.0]],
        "background": [[10.0, 5.0], [20.0, 10.0], [10.0, 40.0], [10.0, 16.0]],
    },
    schema_overrides={"counts": pl.Array(pl.Float64, 2), "background": pl.Array(pl.Float64, 2)},
)


def classified(events=EVENTS, **section):
    return classify(events, Classes(**{"flags": {}} | section))


def test_hardness_reads_excesses_and_shares_of_single_bins():
    of_excess = classified(hardness="excess[1]/excess[0]")
    assert of_excess["hardness"].to_list() == [0.25, 1.0, 4.0, 0.4]
    of_share = classified(hardness="share[1]/share[0]")
    assert of_share["hardness"].to_list() == [0.5, 2.0, 1.0, 0.25]
    assert classified()["hardness"].to_list() == [None] * 4


def test_the_first_rule_that_holds_names_the_class_but_for_known_bursts():
    rules = {"long": "duration > 100", "at least middling": "duration > 10", "any two": "bins == 2"}
    found = classified(rules=rules)
    assert found["class"].to_list() == ["unknown", "at least middling", "known burst", "long"]
    assert found["class_rule"].to_list() == ["no rule holds", "duration > 10", "matched", "duration > 100"]
    assert found.drop("hardness", "flags", "class", "class_rule").equals(EVENTS)


def test_all_flags_that_hold_are_listed():
    flags = {"one bin": "bins == 1", "no bin": "bins == 0", "three": "bins == 3", "long": "duration > 10"}
    found = classified(flags=flags)
    assert found["flags"].to_list() == ["no bin", "one bin, long", "long", "three, long"]
    assert classified()["flags"].to_list() == [""] * 4


def test_rules_may_read_the_hardness_and_no_event_keeps_the_columns():
    section = {"hardness": "excess[1]/excess[0]", "rules": {"hard": "hardness >= 1"}}
    full = classified(**section)
    assert full["class"].to_list() == ["unknown", "hard", "known burst", "unknown"]
    none = classified(EVENTS.clear(), **section)
    assert none.is_empty()
    assert none.schema == full.schema


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"hardness": "excess[2]/excess[0]"}, r"classes.hardness: events have no column 'excess\[2\]'"),
        ({"rules": {"odd": "duratio > 1"}}, r"classes.rules.'odd': events have no column 'duratio' \(did .*'duration'"),
        ({"flags": {"step": "share[0] > share[7]"}}, r"classes.flags.'step': events have no column 'share\[7\]'"),
    ],
)
def test_a_column_that_events_do_not_have_is_an_error(section, message):
    with pytest.raises(ConfigError, match=message):
        classified(**section)
