"""The documentation says what the program does: its commands parse, its pages are up to date, its code runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import click
import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

import polarbgb
from polarbgb.cli.main import main
from polarbgb.cli.terminal import Terminal
from polarbgb.expressions import FUNCTIONS, parse
from polarbgb.features.contract import DRIFT
from polarbgb.runs.folder import RunFolder

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import generate

ROOT = Path(__file__).parents[1]

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def leaves(command=main, path=()):
    """Yield every command that is no group, by the words that are typed."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, one in command.commands.items():
        yield from leaves(one, (*path, name))


COMMANDS = dict(leaves())


def understood(words):
    """Parse what is typed after ``polarbgb``, without doing it."""
    context = click.Context(main, info_name="polarbgb", **main.context_settings)
    command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
    if words or not isinstance(command, click.Group):
        command.parse_args(context, list(words))


def typed(text):
    """Yield the words of every polarbgb command in a text: of blocks of code, and of code within a line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`(polarbgb [^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    for line in [*(line for block in blocks for line in block.splitlines()), *inline]:
        for part in line.split("&&"):
            found = re.match(r"\s*(?:\S*/)?polarbgb (?!=)(.*)", part)
            if found and "[OPTIONS]" not in line:
                yield shlex.split(found[1], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_in_the_documentation_is_understood(page):
    for words in typed(page.read_text()):
        try:
            understood(words)
        except click.exceptions.Exit:  # --help, --version
            pass
        except click.MissingParameter:  # a verb that is spoken of, as `polarbgb simulate`
            assert tuple(words) in COMMANDS, words
        except click.UsageError as error:
            pytest.fail(f"{page.name}: polarbgb {' '.join(words)}: {error.format_message()}")


def test_a_command_line_that_is_wrong_would_be_seen():
    text = "`polarbgb fit --sead 3` and\n```\n.venv/bin/polarbgb detect --far -1  # no\npolarbgb nothing\n```\n"
    lines = list(typed(text))
    assert lines == [["detect", "--far", "-1"], ["nothing"], ["fit", "--sead", "3"]]
    for words in lines:
        with pytest.raises(click.UsageError):
            understood(words)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_that_is_understood(path):
    shown = CliRunner().invoke(main, [*path, "--help"]).stdout
    examples = re.findall(r"^ +polarbgb (.*)", shown.partition("Example")[2], re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)
        assert tuple(words[: len(path)]) == path
        understood(words)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_stands_in_the_documentation(path):
    assert f"\n## polarbgb {' '.join(path)}\n" in (ROOT / "docs/commands.md").read_text()


def test_the_pages_made_from_the_code_are_up_to_date():
    for name, page in (("commands", generate.commands()), ("configuration", generate.configuration())):
        told = f"docs/{name}.md is not what the code says: run 'python docs/generate.py'"
        assert (ROOT / f"docs/{name}.md").read_text() == page, told


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_can_answer_a_program(path):
    assert "--json" in {option for parameter in COMMANDS[path].params for option in parameter.opts}


def test_what_is_piped_has_no_colours_and_no_bars_drawn_over(mission):
    command = [sys.executable, "-m", "polarbgb", "inspect", "-i", str(mission)]
    for extra in ({}, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}):
        done = subprocess.run(command, capture_output=True, env={**os.environ, **extra}, check=True)
        for text in (done.stdout, done.stderr):
            assert text
            assert not set(b"\x1b\r") & set(text)


def test_a_terminal_with_no_color_has_no_colours(monkeypatch):
    shown = {}
    for name, value in (("TERM", "xterm-256color"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
        out = Console(force_terminal=True, file=StringIO())
        monkeypatch.setattr("polarbgb.cli.terminal.Console", lambda out=out, **_: out)
        assert Terminal()._out is out
        list(Terminal().track(range(2), label="work", total=2))
        shown[name] = out.file.getvalue()
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert colour.search(shown["TERM"])
    assert not colour.search(shown["NO_COLOR"])


def test_every_function_of_expressions_is_one():
    for name, arguments in FUNCTIONS.items():
        parse(f"{name}({', '.join(['glat'] * arguments)})")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_in_the_index_and_on_the_site():
    index, site = (ROOT / "docs/README.md").read_text(), (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert f": {name}\n" in site, name
        assert name == "README.md" or f"]({name})" in index, name
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


def test_every_room_has_a_page_of_its_python_api():
    rooms = {path.parent.name for path in (ROOT / "polarbgb").glob("*/__init__.py")} - {"cli"}
    assert rooms == {page.stem for page in (ROOT / "docs/api").glob("*.md")} - {"polarbgb"}


def test_the_citation_is_of_this_version():
    assert f"\nversion: {polarbgb.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_file_that_the_guide_for_contributors_names_exists():
    for path in re.findall(r"`((?:polarbgb|docs|configs)/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text()):
        assert (ROOT / path).exists(), path


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90


@pytest.mark.usefixtures("undrawn")
def test_the_code_of_the_tutorial_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/tutorial.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(code) > 3
    exec(compile("\n".join(code), "tutorial.md", "exec"), {})  # noqa: S102 - our own page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("path", sorted((ROOT / "docs/notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_code_of_a_notebook_runs_and_no_output_is_stored(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)
    code = "\n".join("".join(cell["source"]) for cell in cells)
    exec(compile(code, path.name, "exec"), {})  # noqa: S102 - our own notebook


def described():
    """Return the columns that docs/files.md names, with their types, by file."""
    found = {}
    for part in re.split(r"^## ", (ROOT / "docs/files.md").read_text(), flags=re.MULTILINE)[1:]:
        name = part.partition("\n")[0].strip("` ")
        for names, kind in re.findall(r"^\| (`[^|]*`) \| ([^|]*?) \|", part, re.MULTILINE):
            for column in re.findall(r"`([^`]+)`", names):
                found.setdefault(name, {})[column] = kind
    return found


TYPES = {
    pl.Boolean: "bool",
    pl.Int8: "int8",
    pl.UInt32: "uint32",
    pl.Int32: "int32",
    pl.Int64: "int64",
    pl.Float32: "float32",
    pl.Float64: "float64",
    pl.String: "text",
}


def kind(dtype):
    return f"{TYPES[dtype.inner]}[bins]" if isinstance(dtype, pl.Array) else TYPES[dtype]


@pytest.fixture(scope="module")
def judged(finished, tmp_path_factory):
    """The same run with bursts injected: every file that a run can hold."""
    run = RunFolder(shutil.copytree(finished.path, tmp_path_factory.mktemp("judged") / "run"))
    polarbgb.evaluate(run, inject=True, overrides=["inject.bursts=6", "inject.per_day=30", "trigger.scales=[2, 20]"])
    return run


FRAMES = [
    *("prediction", "training", "clusters", "candidates", "events", "event_ranking", "shap", "importance", "groups"),
    *("slopes", "dependence", "attribution", "event_shap", "fold_shares", "injections"),
]


@pytest.mark.parametrize("name", FRAMES)
def test_every_column_is_described_and_every_column_described_exists(judged, small, name):
    told = described()[f"{name}.parquet"]
    schema = judged.read_frame(f"{name}.parquet").schema
    named = {*small.intervals.context, *small.rates.names}  # by the configuration, and so are shap_<feature>
    if name == "event_ranking":
        named |= {*judged.read_json("ranking.json")["ranking"]["features"]}
    of_each = re.compile(r"shap_|significance_[\d.]+s$")  # feature, scale
    columns = {key: kind(dtype) for key, dtype in schema.items() if key not in named and not of_each.match(key)}
    always = {key: told_kind for key, told_kind in told.items() if not told_kind.endswith(", not always")}
    assert columns.items() <= {key: told_kind.removesuffix(", not always") for key, told_kind in told.items()}.items()
    assert always.keys() <= columns.keys()


def test_what_a_prediction_leaves_beside_is_described():
    assert {name: kind(dtype()) for name, dtype in DRIFT.items()} == described()["drift.parquet"]


def test_every_file_of_a_run_is_described(judged):
    page = (ROOT / "docs/files.md").read_text()
    for path in judged.path.iterdir():
        assert f"`{path.name}{'/' if path.is_dir() else ''}`" in page, path.name
