"""A wrong name is answered with the nearest right one."""

import pytest

import polarbgb
from polarbgb.errors import ConfigError, InputError, RunError, UserError, nearest
from polarbgb.expressions import parse


@pytest.mark.parametrize(
    ("name", "known", "answer"),
    [
        ("glatt", ["glat", "glon"], " (did you mean 'glat'?)"),
        ("Rate", ["altitude", "rate"], " (did you mean 'rate'?)"),
        ("sqr", {"sqrt": 1, "abs": 1}, " (did you mean 'sqrt'?)"),
        ("zzz", ["glat", "glon"], ""),
        ("", ["glat"], ""),
        ("glat", [], ""),
    ],
)
def test_nearest_names_the_closest_or_nothing(name, known, answer):
    assert nearest(name, known) == answer


def test_nearest_takes_an_iterator_once():
    assert nearest("B_t", iter(["B_r", "B_theta"])) == " (did you mean 'B_r'?)"


def test_a_user_error_is_told_from_a_bug():
    # The command line exits with 2 for the one and with 1 for the other.
    assert not issubclass(UserError, ValueError | OSError | RuntimeError)
    assert str(UserError("one line")) == "one line"


def test_each_kind_of_error_can_be_caught_alone(tmp_path):
    with pytest.raises(ConfigError, match="no configuration at"):
        polarbgb.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="unknown function"):
        parse("sqr(glat)")
    config = polarbgb.load("configs/polar.toml")
    with pytest.raises(InputError, match="no file"):
        polarbgb.inspect(config, path=tmp_path / "none.root")
    with pytest.raises(RunError, match="holds no finished fit"):
        polarbgb.detect(tmp_path)
    for kind in (ConfigError, InputError, RunError):
        assert issubclass(kind, UserError)
