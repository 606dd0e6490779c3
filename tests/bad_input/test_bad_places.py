"""Places that cannot be written, full disks, and odd names of files, which are good."""

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import toy

from polarbgb.config import load
from polarbgb.workflow.reading import source_files

GOOD = [
    "my file.root", "ü.root", "фон.root", "背景.root", "a:b.root", "a[1].root", "a*?.root", "#a.root", "a;1.root",
    "a'b\".root", "$HOME.root", "~.root", "-.root", "rows", "rows.root.1", ".hidden.root", "a\nb.root", "a\tb.root",
    "🚀.root", "a" * 200 + ".root", "[bold]x.root", "%s.root", "{0}.root", "a\\b.root",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD, ids=ascii)
def test_a_file_of_any_name_is_read(desk, accepted, name):
    (desk / "rows.root").rename(desk / name)
    told = json.loads(accepted("inspect", "-c", "toy.toml", "-i", name, "--json"))
    assert (told["path"], told["usable"]) == (name, toy.ROWS)
    accepted("inspect", "-c", "toy.toml", "-i", name)


@pytest.mark.parametrize("way", ["./rows.root", "sub/../rows.root", "../{here}/rows.root", "{desk}/rows.root", "link"])
def test_a_file_is_read_by_whatever_way(desk, accepted, way):
    (desk / "sub").mkdir()
    (desk / "link").symlink_to("rows.root")
    path = way.format(here=desk.name, desk=desk)
    assert json.loads(accepted("inspect", "-c", "toy.toml", "-i", path, "--json"))["usable"] == toy.ROWS


@pytest.mark.parametrize("folder", ["a b", "x/../[ü]\n*?"], ids=ascii)
def test_a_whole_run_works_in_a_folder_of_any_name(desk, accepted, folder):
    (desk / "x").mkdir()
    place = desk / folder
    place.mkdir()
    for name in ("rows.root", "toy.toml", "known.csv"):
        (desk / name).rename(place / name)
    accepted("fit", "-c", f"{folder}/toy.toml", "-i", f"{folder}/rows.root", "-r", f"{folder}/run")
    accepted("detect", "-r", f"{folder}/run")
    assert (place / "run/events.parquet").exists()


def test_a_name_that_is_no_text_is_refused(desk, refused):
    (desk / "rows.root").rename(os.fsdecode(b"\xff.root"))
    refused("inspect", "-c", "toy.toml", "-i", os.fsdecode(b"\xff.root"), told=[r"\udcff.root", "rename it"])


@pytest.mark.parametrize("verb", ["fit", "tune"])
@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("rows.root/run", "rows.root"),
        ("toy.toml", "is a file, not a run folder; name another with --run"),
        ("/proc/run", "/proc/run"),
        ("/dev/null", "/dev/null"),
        ("/dev/null/run", "/dev/null"),
        ("a" * 300, "File name too long"),
        ("link", "link"),
    ],
    ids=ascii,
)
def test_a_run_folder_that_cannot_be_is_refused(desk, refused, verb, folder, told):
    (desk / "link").symlink_to("link")
    refused(verb, "-c", "toy.toml", "-r", folder, told=[told])


ALREADY = {
    "later layout": '{"schema": 99, "polarbgb": "9.9", "stages": {}}',
    "earlier layout": '{"schema": 2, "polarbgb": "0.1.0", "stages": {}}',
    "no JSON": "{",
    "a list": "[]",
    "no stages": '{"schema": 3}',
    "noise": "\x00\x01",
}


@pytest.mark.parametrize("case", ALREADY)
@pytest.mark.parametrize("words", [["fit", "-c", "toy.toml"], ["tune", "-c", "toy.toml"], ["detect"], ["plot"]])
def test_a_folder_with_a_manifest_that_is_none_is_left_alone(desk, refused, case, words):
    (desk / "run").mkdir()
    (desk / "run/manifest.json").write_text(ALREADY[case])
    refused(*words, "-r", "run", told=["run"])


@pytest.fixture
def fails(monkeypatch):
    """Make every try to write below a folder fail, as the system would."""

    def make(folder, number):
        really = os.open
        folder = folder.absolute()

        def refuse(path, flags, *rest, **named):
            if flags & (os.O_WRONLY | os.O_RDWR) and Path(os.fsdecode(path)).absolute().is_relative_to(folder):
                raise OSError(number, os.strerror(number), os.fsdecode(path))
            return really(path, flags, *rest, **named)

        monkeypatch.setattr(os, "open", refuse)

    return make


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EPERM],
                         ids=errno.errorcode.get)  # fmt: skip
@pytest.mark.parametrize("words", [["fit", "-c", "toy.toml"], ["tune", "-c", "toy.toml"]], ids=lambda words: words[0])
def test_a_place_that_takes_no_file_is_refused(desk, refused, fails, number, words):
    (desk / "run").mkdir()
    fails(Path("run"), number)
    refused(*words, "-r", "run", told=["cannot write", "run", os.strerror(number)])


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize("words", [["config", "init", "out/new.toml"], ["simulate", "out/new.root", "--days", "0.01"]])
def test_a_file_that_cannot_be_written_leaves_nothing(desk, refused, fails, number, words):
    (desk / "out").mkdir()
    fails(Path("out"), number)
    refused(*words, told=["cannot write", "out/new", os.strerror(number)])


def test_an_input_that_may_not_be_read_is_refused(desk, refused, monkeypatch):
    really = Path.open

    def refuse(path, mode="r", *rest, **named):
        if path.name == "rows.root" and "r" in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return really(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", refuse)
    refused("inspect", "-c", "toy.toml", told=["rows.root: cannot be opened (Permission denied)"])


def process(desk, *words, **options):
    """Type a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "polarbgb", *words],
        capture_output=True, text=True, check=False, cwd=desk, timeout=300, **options,
    )  # fmt: skip


def assert_refused(done, *told):
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("error: ")
    for part in told:
        assert part in done.stderr


def test_a_process_says_so_too(desk):
    (desk / "toy.toml").write_text(toy.toml(toy.configured((("folds", "count"), "many"))))
    assert_refused(process(desk, "inspect", "-c", "toy.toml"), "toy.toml: folds.count: Input should be a valid integer")


def test_a_disk_that_fills_up_is_told_and_leaves_the_result_out(desk):
    """A limit on the size of files stands for the disk: what is larger cannot be written."""
    done = process(
        desk, "simulate", "new.root", "--days", "0.02", "-q",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert_refused(done, "cannot write", "new.root", "File too large")
    assert sorted(path.name for path in desk.iterdir()) == ["known.csv", "rows.root", "toy.toml"]


MOUNT = "mount -t tmpfs -o {options} tmpfs full && exec {python} -m polarbgb {words}"


def mounted(desk, options, *words):
    """Type a command where the folder ``full`` is a small file system of its own, seen by this process alone."""
    (desk / "full").mkdir(exist_ok=True)
    script = MOUNT.format(options=options, python=sys.executable, words=" ".join(words))
    done = subprocess.run(
        ["/usr/bin/env", "unshare", "-rm", "sh", "-c", script],
        capture_output=True, text=True, check=False, cwd=desk, timeout=300,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no file system can be mounted here")
    return done


def test_a_full_disk_is_told(desk):
    words = ["fit", "-c", "toy.toml", "-r", "full/run", "-q"]
    assert_refused(mounted(desk, "size=64k", *words), "cannot write", "full/run")


def test_a_read_only_disk_is_told(desk):
    words = ["fit", "-c", "toy.toml", "-r", "full/run", "-q"]
    assert_refused(mounted(desk, "ro", *words), "full/run", "Read-only file system")


def test_a_folder_may_have_any_name_in_the_configuration(desk):
    text = toy.toml(toy.configured((("input", "path"), "a b/ü/../rows.root")))
    (desk / "odd.toml").write_text(text)
    (desk / "a b/ü").mkdir(parents=True)
    (desk / "rows.root").rename(desk / "a b/rows.root")
    assert source_files(load(desk / "odd.toml"), None) == (Path("a b/ü/../rows.root"),)
