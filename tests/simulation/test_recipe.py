"""Settings as they are typed, and whether the help names them."""

import re

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from polarbgb.cli.main import main
from polarbgb.errors import UserError
from polarbgb.simulation.recipe import Recipe, recipe

DAILY = sorted(set(Recipe.model_fields) - {"leak", "unnamed"})


def test_without_settings_it_is_the_default():
    assert recipe() == Recipe()


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(st.sampled_from(DAILY), st.floats(0, 1000)), st.floats(0, 1))
def test_settings_are_read_as_typed_and_leave_the_others_alone(rates, leak):
    made = recipe([*(f"{key}={value!r}" for key, value in rates.items()), f"leak={leak!r}"])
    assert made == Recipe().model_copy(update=rates | {"leak": leak})


def test_a_later_setting_wins():
    assert recipe(["flares=1", "leak=0.5", "flares=2"]) == Recipe(flares=2, leak=0.5)


@pytest.mark.parametrize(
    ("typed", "meant"), [("flare", "flares"), ("long_burst", "long_bursts"), ("unamed", "unnamed"), ("sag", "sags")]
)
def test_an_unknown_key_is_answered_with_its_neighbour(typed, meant):
    with pytest.raises(UserError, match=rf"unknown key '{typed}' \(did you mean '{meant}'\?\)"):
        recipe([f"{typed}=1"])


@pytest.mark.parametrize("key", DAILY)
@pytest.mark.parametrize("value", ["-0.1", "1000.5", "nan", "inf", "often"])
def test_a_rate_out_of_range_is_refused(key, value):
    with pytest.raises(UserError, match=rf"^simulate: {key}: "):
        recipe([f"{key}={value}"])


@pytest.mark.parametrize("text", ["leak=-0.1", "leak=1.1", "unnamed=-1", "unnamed=inf", "unnamed=3.1", "leak=true"])
def test_other_values_out_of_range_are_refused(text):
    with pytest.raises(UserError, match=rf"^simulate: {text.partition('=')[0]}"):
        recipe([text])


@pytest.mark.parametrize("text", ["flares", "=3", "", "flares.many=3"])
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(UserError):
        recipe([text])


@pytest.mark.parametrize("value", ["0", "0.0"])
def test_every_effect_can_be_switched_off(value):
    made = recipe([f"{key}={value}" for key in [*DAILY, "leak", "unnamed"]])
    assert set(made.model_dump().values()) == {0}


def test_help_names_every_key_with_its_default():
    said = CliRunner().invoke(main, ["simulate", "--help"])
    assert said.exit_code == 0
    settings, _, _ = said.output.partition("Options:")  # the examples beneath them change some
    told = dict(re.findall(r"([a-z_]+)=([0-9.]+)", settings))
    assert {key: float(value) for key, value in told.items() if key in Recipe.model_fields} == Recipe().model_dump()
    assert "--quirks" in said.output
    assert re.search(r"default:\s+real", said.output)


def test_command_refuses_a_misspelt_setting_before_anything_is_written(tmp_path):
    path = tmp_path / "mission.root"
    said = CliRunner().invoke(main, ["simulate", str(path), "--days", "0.01", "--set", "flare=3"])
    assert said.exit_code != 0
    assert "flares" in said.output
    assert list(tmp_path.iterdir()) == []
