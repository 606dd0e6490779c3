"""Configurations are printed with all defaults, and begun for another detector."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import polarbgb
from polarbgb.cli.main import main
from polarbgb.config import Config, Section, shipped
from polarbgb.config.text import new_configuration, sections, to_toml
from polarbgb.io.root_output import root_file


def models(model=Config, name=""):
    """Yield every section of the model, by walking its annotations."""
    yield name, model
    for key, field in model.model_fields.items():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, Section):
                yield from models(kind, f"{name}.{key}" if name else key)


def test_every_key_of_the_model_is_listed_once_with_its_default_and_meaning():
    listed = {part.name: part for part in sections()}
    for name, model in models():
        keys = {key.name: key for key in listed[name].keys}
        for key, field in model.model_fields.items():
            full = f"{name}.{key}" if name else key
            if full in listed:
                continue
            assert keys[key].required == field.is_required()
            assert keys[key].meaning == field.description
            assert keys[key].type
            del keys[key]
        assert not keys


@pytest.mark.parametrize("base", ["polar", "rhessi"])
def test_what_is_begun_from_an_instrument_is_that_instrument(tmp_path, base):
    made = polarbgb.init_config(tmp_path / "mine.toml", base=base)
    assert polarbgb.load(made.path) == polarbgb.load(f"configs/{base}.toml")


def test_what_is_begun_from_nothing_is_complete_and_says_what_each_key_is(tmp_path):
    text = polarbgb.init_config(tmp_path / "mine.toml").path.read_text()
    assert polarbgb.load(tmp_path / "mine.toml").name == "My detector"
    lines = text.splitlines()
    for part in sections():
        for key in part.keys:
            if key.required and f"[{part.name}]" in lines:
                assert any(line.startswith(f"{key.name} = ") for line in lines), key
                assert f"{key.meaning} (required)" in text
    assert max(map(len, lines)) <= 120


def test_all_that_is_commented_out_is_the_default():
    lines = new_configuration(tomllib.loads(shipped("configs/rhessi.toml").read_text())).splitlines()
    shown = [line.removeprefix("# ") for line in lines if line.startswith("# ") and " = " in line]
    assert len(shown) > 5
    defaults = {key.name: key.default for part in sections() for key in part.keys}
    for line in shown:
        assert tomllib.loads(line) == {line.partition(" = ")[0]: defaults[line.partition(" = ")[0]]}


def test_the_detectors_own_file_is_asked(tmp_path, mission, settings):
    made = polarbgb.init_config(tmp_path / "mine.toml", source=mission)
    config = polarbgb.load(made.path)
    assert made.tree == config.input.tree == "nf1rate"
    assert config.rates.values == ("rate[0:13]",)
    assert config.rates.errors == ("rate_err[0:13]",)
    assert {"corrected", "correrr"} <= set(config.rates.related)
    assert config.position == polarbgb.load("configs/polar.toml").position
    assert config.orbit.period == pytest.approx(5535.4, rel=0.01)
    seen = polarbgb.inspect(config)
    assert not set(made.proposed) - {f"{name}.{key.name}" for name, key in _keys()}
    tiny = polarbgb.load(made.path, [text for text in settings if text.startswith(("model", "folds"))])
    assert polarbgb.fit(tiny, tmp_path / "run").run.path.exists()
    assert seen.usable > 0.9 * seen.entries


def _keys():
    return [(part.name, key) for part in sections() for key in part.keys]


def test_nothing_is_written_where_it_does_not_fit(tmp_path):
    path = tmp_path / "mine.toml"
    with root_file(tmp_path / "none.root") as file:
        file.text("meta", "{}")
    with pytest.raises(polarbgb.UserError, match="holds no TTree"):
        polarbgb.init_config(path, source=tmp_path / "none.root")
    with pytest.raises(polarbgb.UserError, match="no file"):
        polarbgb.init_config(path, source=tmp_path / "missing.root")
    with pytest.raises(polarbgb.UserError, match="must end in .toml"):
        polarbgb.init_config(tmp_path / "mine.root")
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(polarbgb.UserError, match="--overwrite"):
        polarbgb.init_config(path)
    assert path.read_text() == "mine"
    polarbgb.init_config(path, overwrite=True)
    assert "My detector" in path.read_text()


def test_the_same_is_begun_twice(tmp_path):
    one, two = (polarbgb.init_config(tmp_path / name, base="polar").path for name in ("a.toml", "b.toml"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["polar", "rhessi"])
def test_what_is_shown_is_the_configuration(tmp_path, name):
    shown = CliRunner().invoke(main, ["config", "show", "-c", f"configs/{name}.toml", "--set", "trigger.far=7"])
    assert shown.exit_code == 0
    (tmp_path / "again.toml").write_text(shown.stdout)
    config = polarbgb.load(f"configs/{name}.toml", ["trigger.far=7"])
    assert polarbgb.load(tmp_path / "again.toml") == config
    assert shown.stdout == to_toml(config)
    assert f"learning_rate = {config.model.learning_rate}" in shown.stdout


def test_a_text_is_shown_as_it_stands_however_long_its_lines(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    shown = CliRunner().invoke(main, ["config", "show"]).stdout
    assert shown == to_toml(polarbgb.load("configs/polar.toml"))


def test_init_tells_what_to_do_next(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, ["config", "init", "mine.toml", "--from", "rhessi"])
    assert shown.exit_code == 0
    assert "polarbgb inspect -c mine.toml" in shown.stdout
    assert Path("mine.toml").exists()
