"""The command line as it is typed: help, defaults, errors of the user in one line, JSON for programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

from polarbgb.background.backends import require_device
from polarbgb.cli.main import main
from polarbgb.config import Model, shipped
from polarbgb.errors import UserError
from polarbgb.io.root_output import root_file

pytestmark = pytest.mark.usefixtures("undrawn")

COMMANDS = sorted(main.commands)
HEAVY = {"xgboost", "lightgbm", "polars", "matplotlib", "shap", "scipy", "pydantic", "optuna", "uproot", "rich"}


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Type a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return CliRunner().invoke(main, [str(word) for word in words])

    return run


@pytest.fixture
def options(settings):
    return [word for setting in settings for word in ("--set", setting)]


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def assert_one_line(result, *parts):
    """Exit code 2, and one line that says what is wrong; progress may stand before it."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert "Traceback" not in result.stderr
    for part in parts:
        assert str(part) in lines[-1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name):
    command = main.commands[name]
    assert command.help
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.opts[-1] in shown.stdout
    assert shown.stdout == CliRunner().invoke(main, [name, "-h"]).stdout


def test_the_help_names_every_command():
    shown = CliRunner().invoke(main, [])
    assert shown.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in shown.stdout


def test_the_command_line_loads_nothing_heavy():
    code = f"import polarbgb.cli.main, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "polarbgb", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("polarbgb, version 0.")


def no_gpu(backend):
    try:
        require_device(Model(backend=backend, device="cuda"))
    except UserError:
        return True
    return False


@pytest.mark.parametrize("backend", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("verb", ["fit", "tune", "run"])
def test_a_missing_gpu_is_reported_and_nothing_is_written(typed, mission, tmp_path, backend, verb):
    if not no_gpu(backend):
        pytest.skip(f"{backend} finds a GPU here")
    result = typed(verb, "-i", mission, "--device", "cuda", "--backend", backend, "--json" if verb == "run" else "-q")
    if verb == "run":  # it inspects the file first
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith("error: ")
    else:
        assert_one_line(result, "CUDA")
    assert files(tmp_path) == set()


def test_the_commands_work_as_typed(typed, mission, options, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/nf1rate.root").symlink_to(mission)
    for words in (["tune", *options], ["fit", *options], ["detect"], ["explain"], ["export"]):
        result = typed(*words)
        assert result.exit_code == 0, result.output
    left = files(tmp_path / "outputs/polar")
    assert {
        "best.toml",
        "prediction.parquet",
        "shap.parquet",
        "events.parquet",
        "candidates.parquet",
        "event_ranking.parquet",
        "ranking.json",
        "export.root",
    } <= left
    assert "outputs/polar/export.root" in result.stdout
    assert not [name for name in left if Path(name).name.startswith(".") and Path(name).name != ".lock"]
    stages = json.loads((tmp_path / "outputs/polar/manifest.json").read_text())["stages"]
    assert stages["fit"]["parameters"].startswith("best.toml: ")


@pytest.fixture(scope="module")
def unsuitable(tmp_path_factory, mission):
    """Files of many kinds that are no input."""
    folder = tmp_path_factory.mktemp("unsuitable")
    (folder / "text.root").write_text("not a ROOT file at all\n" * 10)
    whole = mission.read_bytes()
    (folder / "cut.root").write_bytes(whole[: len(whole) // 2])
    with uproot.open(mission) as file:
        columns = file["nf1rate"].arrays(library="np", entry_stop=0)
    with root_file(folder / "empty.root") as file:
        file.tree("nf1rate", columns)
    polar = shipped("configs/polar.toml").read_text()
    (folder / "misspelt.toml").write_text(polar.replace("embargo", "embrago"))
    (folder / "no.toml").write_text("= = =\n")
    (folder / "file").write_text("x")
    (folder / "folder").mkdir()
    return folder


WRONG = {
    "no file": (["fit", "-i", "{at}/nowhere.root"], "no file"),
    "no default file": (["fit"], "polarbgb simulate data/nf1rate.root --days 10"),
    "folder": (["inspect", "-i", "{at}/folder"], "is a folder without files of data; name another"),
    "empty name": (["inspect", "-i", ""], "'-i' / '--input': the name is empty"),
    "an empty name of several": (["fit", "-i", "{mission}", "-i", ""], "'-i' / '--input': the name is empty"),
    "configuration of no name": (["fit", "-c", ""], "'-c' / '--config': the name is empty"),
    "not ROOT": (["tune", "-i", "{at}/text.root"], "is not a ROOT file"),
    "cut short": (["fit", "-i", "{at}/cut.root"], "cut short"),
    "wrong tree": (["fit", "-i", "{mission}", "--set", "input.tree=nf1rat"], "did you mean 'nf1rate'?"),
    "wrong branch": (["fit", "-i", "{mission}", "--set", 'features.columns=["glatt"]'], "did you mean 'glat'?"),
    "empty tree": (["inspect", "-i", "{at}/empty.root"], "is empty"),
    "run under a file": (["fit", "-i", "{mission}", "-r", "{at}/file/run"], "{at}/file"),
    "run is a file": (["fit", "-i", "{mission}", "-r", "{at}/file"], "is a file, not a run folder"),
    "misspelt key": (["inspect", "-c", "{at}/misspelt.toml"], "did you mean 'embargo'?"),
    "unknown setting": (["fit", "--set", "model.max_dept=3"], "did you mean 'max_depth'?"),
    "bad setting": (["fit", "--set", "nonsense"], "write it as section.key=value"),
    "bad value": (["fit", "--set", "model.max_depth=many"], "model.max_depth"),
    "not TOML": (["inspect", "-c", "{at}/no.toml"], "not valid TOML"),
    "no configuration": (["inspect", "-c", "{at}/nowhere.toml"], "no configuration at"),
    "unknown backend": (["fit", "--backend", "catboost"], "xgboost"),
    "unknown device": (["fit", "--device", "tpu"], "cuda"),
    "unknown command": (["fitt"], "fitt"),
    "unknown option": (["fit", "--devise", "cpu"], "--devise"),
    "no trials": (["tune", "--trials", "0"], "--trials"),
    "no false alarm": (["detect", "-r", "{run}", "--far", "0"], "--far"),
    "false alarms below zero": (["detect", "-r", "{run}", "--far=-1"], "--far"),
    "false alarms in words": (["detect", "-r", "{run}", "--far", "few"], "--far"),
    "unknown method": (["detect", "-r", "{run}", "--method", "guess"], "published"),
    "absent bin": (["detect", "-r", "{run}", "--set", "trigger.sums=[[0, 6]]"], "there is no bin 6"),
    "detect before fit": (["detect"], "run 'polarbgb fit -r outputs/polar' first"),
    "explain before fit": (["explain"], "run 'polarbgb fit -r outputs/polar' first"),
    "plot before fit": (["plot"], "run 'polarbgb fit -r outputs/polar' first"),
    "unknown format": (["plot", "-r", "{run}", "--format", "gif"], "svg"),
    "export before fit": (["export"], "run 'polarbgb fit -r outputs/polar' first"),
    "predict before fit": (["predict", "-i", "{mission}", "--into", "b"], "run 'polarbgb fit -r outputs/polar' first"),
    "export to text": (["export", "-r", "{run}", "out.txt"], "must end in .csv, .ecsv, .fits, .parquet, .root"),
    "export to its input": (["export", "-r", "{run}", "{mission}", "--overwrite"], "is the input file"),
    "predict into itself": (["predict", "-r", "{run}", "-i", "{mission}", "--into", "{run}"], "run folder of its own"),
    "storage": (["tune", "-i", "{mission}", "--storage", "{at}/file/x"], "cannot be opened as a study"),
    "database": (["tune", "-i", "{mission}", "--storage", "nosuch://x"], "cannot be opened as a study"),
    "too late": (["detect", "-r", "{run}", "--set", "model.max_depth=3"], "can change after the fit"),
    "mission in the way": (["simulate", "{mission}"], "add --overwrite"),
    "no days": (["simulate", "new.root", "--days", "-1"], "-1 days"),
    "configuration twice": (["fit", "-c", "a.toml", "--config", "b.toml"], "-c / --config is given 2 times"),
    "rate twice": (["detect", "-r", "{run}", "--far", "1", "--far=2"], "--far is given 2 times; give it once"),
    "days twice": (["simulate", "new.root", "--days", "1", "--days", "1"], "--days is given 2 times"),
    "shown twice": (["config", "show", "-c", "a", "-c", "b", "-c", "c"], "is given 3 times"),
    "setting twice": (["fit", "--set", "model.seed=1", "--set", "model.seed=2"], "model.seed is set 2 times"),
    "setting and option": (["fit", "--device", "cpu", "--set", "model.device=cpu"], "model.device is set 2 times"),
    "demo in a file": (["demo", "-r", "{at}/file"], "{at}/file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_of_the_user_is_one_line(typed, case, unsuitable, mission, finished, tmp_path):
    places = {"at": unsuitable, "mission": mission, "run": finished.path}
    words, message = WRONG[case]
    kept = {folder: files(folder) for folder in (unsuitable, mission.parent, finished.path)}
    assert_one_line(typed(*(word.format(**places) for word in words)), message.format(**places))
    left = files(tmp_path)
    assert left <= {"outputs/polar/manifest.json"}
    for name in left:  # the proof that the folder can be written; it claims nothing
        assert json.loads((tmp_path / name).read_text())["stages"] == {}
    assert {folder: files(folder) for folder in kept} == kept


def test_flags_and_lists_can_be_repeated(typed):
    shown = typed("config", "show", "-q", "--quiet", "--set", "trigger.far=3", "--set", "model.seed=4")
    assert (shown.exit_code, shown.stdout) == (0, "")


@pytest.mark.parametrize(
    ("words", "path"), [([], None), (["-i", "a"], Path("a")), (["-i", "a", "--input", "b"], (Path("a"), Path("b")))]
)
@pytest.mark.parametrize("verb", ["inspect", "tune", "fit", "run", "predict", "explain", "evaluate"])
def test_one_input_is_a_path_and_several_are_a_list(typed, monkeypatch, verb, words, path):
    given = []
    monkeypatch.setattr(f"polarbgb.workflow.{verb}.{verb}", lambda *_, path, **__: given.append(path))
    monkeypatch.setattr("polarbgb.cli.terminal.Terminal.show", lambda *_: None)
    monkeypatch.setattr("polarbgb.cli.terminal.Terminal.close", lambda *_: None)
    into = ["--into", "b"] if verb == "predict" else []
    result = typed(verb, *words, *into)
    if verb == "predict" and not words:
        assert_one_line(result, "Missing option '-i'")
    else:
        assert (result.exit_code, given) == (0, [path]), result.output


@pytest.mark.parametrize("backend", [None, "nonsense", "module://matplotlib_inline.backend_inline"])
def test_commands_do_not_see_the_backend_of_a_notebook(typed, monkeypatch, backend):
    seen = []
    monkeypatch.setattr("polarbgb.workflow.plot.plot", lambda *_, **__: seen.append(os.environ["MPLBACKEND"]))
    monkeypatch.setattr("polarbgb.cli.terminal.Terminal.show", lambda *_: None)
    if backend is None:
        monkeypatch.delenv("MPLBACKEND", raising=False)
    else:
        monkeypatch.setenv("MPLBACKEND", backend)
    assert typed("plot", "-r", "run").exit_code == 0
    assert seen == ["agg"]
    assert os.environ.get("MPLBACKEND") == backend


def test_a_real_process_ends_with_2_and_one_line(tmp_path):
    words = [sys.executable, "-m", "polarbgb", "fit", "-i", "nowhere.root"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: no file nowhere.root\n")


def test_a_bug_keeps_its_traceback(tmp_path):
    code = (
        "import polarbgb.cli.main, polarbgb.workflow.inspect as verb\n"
        "def bug(*a, **k): raise RuntimeError('a bug')\n"
        "verb.inspect = bug\n"
        "polarbgb.cli.main.main(['inspect'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: a bug" in done.stderr


def test_an_interruption_is_one_line(typed, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("polarbgb.workflow.inspect.inspect", interrupt)
    result = typed("inspect")
    assert result.exit_code == 130
    assert (result.stdout, result.stderr.strip()) == (
        "",
        "interrupted; finished work is kept, and the same command continues from there",
    )


def test_detect_takes_a_false_alarm_rate_and_a_method(typed, copied):
    values = {}
    for words in (["--far", "10"], ["--far", "0.3"], ["--method", "published"]):
        result = typed("detect", "-r", copied.path, *words, "--json")
        assert result.exit_code == 0, result.output
        values[words[1]] = json.loads(result.stdout)
    assert [values[far]["far"] for far in ("10", "0.3", "published")] == [10, 0.3, None]
    assert len(values["10"]["events"]) >= len(values["0.3"]["events"])
    assert values["10"]["events"]
    assert values["published"]["method"] == "published"
    shown = typed("detect", "-r", copied.path, "--far", "10")
    assert "at most 10 false events per day" in shown.stdout
    assert sum(event["name"] in shown.stdout for event in values["10"]["events"]) == min(
        12, len(values["10"]["events"])
    )


def commands(mission, folder, options):
    """Return every command once, in an order in which each finds what it needs."""
    at = options.index("tune.trials=2")
    other = [*options[: at - 1], *options[at + 1 :]]  # --trials stands for the same setting
    return {
        "simulate": ["simulate", folder / "other.root", "--days", "0.05"],
        "inspect": ["inspect", "-i", mission, *options],
        "tune": ["tune", "-i", mission, "-r", folder / "a", "--trials", "1", *other],
        "fit": ["fit", "-i", mission, "-r", folder / "a", *options],
        "predict": ["predict", "-i", folder / "other.root", "-r", folder / "a", "--into", folder / "b"],
        "detect": ["detect", "-r", folder / "a"],
        "explain": ["explain", "-r", folder / "a", "--rows", "60", "--export", folder / "shap.root", "--overwrite"],
        "export": ["export", "-r", folder / "a", folder / "out.root"],
    }


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


def test_json_is_all_that_a_program_reads(typed, mission, options, tmp_path):
    values = {}
    for verb, words in commands(mission, tmp_path, options).items():
        result = typed(*words, "--json")
        assert result.exit_code == 0, result.output
        assert result.stdout.count("\n") == 1
        values[verb] = json.loads(result.stdout, parse_constant=refuse_constant)
    assert values["simulate"]["path"] == str(tmp_path / "other.root")
    assert values["inspect"]["entries"] == values["inspect"]["usable"] + sum(values["inspect"]["dropped"].values())
    assert values["tune"]["tuning"]["finished"] == 1
    assert values["fit"]["run"] == str(tmp_path / "a")
    assert values["predict"]["rows"] > 0
    assert len(values["detect"]["events"]) == values["export"]["events"]
    assert len(values["explain"]["importance"]) == values["fit"]["features"]
    assert str(tmp_path / "shap.root") in values["explain"]["files"]
    with uproot.open(tmp_path / "out.root") as file:
        assert {name: file[name].num_entries for name in values["export"]["tables"]} == values["export"]["tables"]


def test_quiet_is_silent(typed, mission, options, tmp_path):
    every = commands(mission, tmp_path, options)
    run = ["run", "-i", mission, "-r", tmp_path / "a", *options]
    for words in (every["simulate"], run, every["predict"]):
        result = typed(*words, "-q")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", ""), words


def test_demo_ends_in_an_export(typed, tmp_path, monkeypatch, settings):
    from polarbgb.workflow import demo

    monkeypatch.setattr(demo, "SETTINGS", (*demo.SETTINGS, *settings))
    (tmp_path / "outputs/demo").mkdir(parents=True)
    (tmp_path / "outputs/demo/study.journal").write_text("of another mission")
    shown = typed("demo", "--days", "0.4")
    assert shown.exit_code == 0, shown.output
    summary = shown.stdout[shown.stdout.index("summary") :]
    for verb in ("simulate", "inspect", "tune", "fit", "detect", "explain", "export", "all"):
        assert f" {verb} " in summary
    assert "outputs/demo/export.root" in summary
    with uproot.open(tmp_path / "outputs/demo/export.root") as file:
        assert np.isfinite(file["pred_nf1rate"]["pred_rate"].array(library="np")).any()


def test_verbose_lists_branches(typed, mission, options):
    plain, verbose = (typed("inspect", "-i", mission, *options, *more) for more in ((), ("-v",)))
    assert "sun_spot" not in plain.stdout
    assert "sun_spot" in verbose.stdout


def test_a_reader_that_leaves_is_not_a_bug(mission):
    words = [sys.executable, "-m", "polarbgb", "inspect", "-i", str(mission)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert "Traceback" not in done.stderr


def test_short_memory_is_reported_in_one_line(typed, monkeypatch):
    def short(*_, **__):
        raise MemoryError("Unable to allocate 188. MiB for an array")

    monkeypatch.setattr("polarbgb.config.load", short)
    assert_one_line(typed("config", "show"), "out of memory", "188. MiB", "ulimit -v")


@pytest.mark.parametrize("wrong", ["x", "3-", "1,,2", "-1"])
def test_bins_that_are_not_numbers_are_refused(typed, wrong):
    assert_one_line(typed("plot", "-r", "r", f"--bins={wrong}"), "not a number or a range")
