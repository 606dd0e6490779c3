"""Nothing that comes from outside is executed, nothing is sent, and nobody's folders are told of."""

import ast
import json
import socket
from pathlib import Path

import pytest

import polarbgb
from polarbgb.io.provenance import command
from polarbgb.runs.folder import RunFolder

pytestmark = pytest.mark.usefixtures("undrawn")

PACKAGE = Path(polarbgb.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

EXECUTING = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "subprocess",
    "pty",
    "code",
    "runpy",
}
SENDING = {"socket", "ssl", "http", "urllib", "requests", "ftplib", "smtplib", "telnetlib", "asyncio", "aiohttp"}
CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "execv", "spawnv", "read_pickle", "to_pickle"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def called(tree):
    """Yield the name of every function that is called, but of methods of expressions such as ``re.compile``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") != "re":
                yield node.func.attr


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_can_execute_what_it_reads_or_reach_a_network(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert set(imported(tree)).isdisjoint(EXECUTING | SENDING)
    assert set(called(tree)).isdisjoint(CALLS)
    pickles = [one.value for one in ast.walk(tree) if isinstance(one, ast.keyword) and one.arg == "allow_pickle"]
    assert all(isinstance(value, ast.Constant) and value.value is False for value in pickles)


def test_the_search_would_see_them():
    bad = ast.parse("import pickle.x\nfrom urllib.request import urlopen\neval('1')\nos.system('x')\nre.compile('x')")
    assert set(imported(bad)) == {"pickle", "urllib"}
    assert set(called(bad)) == {"eval", "system"}


def texts(folder):
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in {"local.json", "study.journal", ".lock"}:
            yield file, file.read_bytes()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked for")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_what_is_sent_along_needs_no_network_and_tells_nobodys_folders(copied, mission):
    polarbgb.detect(copied)
    polarbgb.report(copied, events=2)
    for form in ("root", "fits", "csv", "ecsv", "parquet"):
        polarbgb.export(copied, format=form)
    places = {str(mission.parent).encode(), str(copied.path).encode(), str(Path.home()).encode() + b"/"}
    for file, content in texts(copied.path):
        assert not [place for place in places if place in content], file
    assert str(mission) in (copied / "local.json").read_text()  # where else they would be


def test_without_its_places_a_run_is_read_as_before(copied, mission):
    (copied / "local.json").unlink()
    run = RunFolder(copied.path)
    assert run.sources() == (Path("nf1rate.root"),)
    assert polarbgb.export(run).events == run.stage("detect")["events"]
    with pytest.raises(polarbgb.UserError, match=r"no file nf1rate\.root|nf1rate\.root"):
        polarbgb.explain(run)
    polarbgb.explain(run, path=mission)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["/usr/bin/polarbgb", "fit", "-i", "/home/jo/x y.root"], "polarbgb fit -i 'x y.root'"),
        (["/p/__main__.py", "fit", "--input=/home/jo/x.root", "-r", "../a"], "polarbgb fit --input=x.root -r ../a"),
        (["polarbgb", "tune", "--storage", "mysql://jo:secret@host/base"], "polarbgb tune --storage mysql://"),
        (["polarbgb", "fit", "--set", "input.path=/home/jo/x.root"], "polarbgb fit --set input.path=x.root"),
        (["/usr/bin/ipython", "/home/jo/x.root"], "Python"),
    ],
)  # fmt: skip
def test_the_command_in_the_manifest_tells_no_folders_and_no_passwords(typed, told, monkeypatch):
    monkeypatch.setattr("sys.argv", typed)
    assert command() == told


@pytest.mark.parametrize("name", ["../mine.txt", "plots/../../mine.txt", "{place}/mine.txt", "away/mine.txt"])
def test_a_folder_from_a_stranger_removes_nothing_outside_it(tmp_path, name):
    (tmp_path / "mine.txt").write_text("mine")
    run = RunFolder(tmp_path / "a")
    (run / ".ready").mkdir(parents=True)
    (run / "away").symlink_to(tmp_path)
    (run / ".ready/.gone.json").write_text(json.dumps([name.format(place=tmp_path)]))
    refusal = r"\.ready: names the file .*, which is not in .*; remove it"
    with pytest.raises(polarbgb.UserError, match=refusal), run.hold():
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_from_a_stranger_puts_nothing_outside_it(tmp_path):
    (tmp_path / "mine").mkdir()
    run = RunFolder(tmp_path / "a")
    (run / ".ready/plots").mkdir(parents=True)
    (run / ".ready/plots/pulls.png").write_text("theirs")
    (run / "plots").symlink_to(tmp_path / "mine")
    with pytest.raises(polarbgb.UserError, match="which is not in"), run.hold():
        pass
    assert not [*(tmp_path / "mine").iterdir()]
