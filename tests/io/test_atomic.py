"""Files and folders appear whole or not at all."""

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from polarbgb.errors import UserError
from polarbgb.io.atomic import atomic, atomic_folder


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_the_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "result.csv"
    with atomic(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename within a file system is atomic
        assert temporary.suffix == ".csv"
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["result.csv"]


def test_missing_folders_are_made(tmp_path):
    with atomic(tmp_path / "a" / "b" / "result") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a" / "b" / "result").read_text() == "x"


def half_then(path, error):
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_what_was_there(tmp_path, error, before):
    path = tmp_path / "result.csv"
    if before is not None:
        path.write_text(before)
    with pytest.raises(error):
        half_then(path, error)
    assert names(tmp_path) == ([] if before is None else ["result.csv"])
    assert before is None or path.read_text() == before


def test_a_file_is_replaced_while_readers_keep_the_old_one(tmp_path):
    path = tmp_path / "result"
    path.write_text("old")
    with path.open() as reader:
        with atomic(path) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_a_plain_open(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "plain").write_text("x")
        with atomic(tmp_path / "made") as temporary:
            temporary.write_text("x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_temporary_the_body_removed_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "result") as temporary:
        temporary.unlink()
    assert names(tmp_path) == []


def test_a_folder_in_the_way_is_told(tmp_path):
    (tmp_path / "result").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*result: Is a directory"), atomic(tmp_path / "result"):
        pytest.fail("the body must not run")
    assert names(tmp_path) == ["result"]


def test_a_file_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "taken").write_text("x")
    for path in (tmp_path / "taken" / "result", tmp_path / "taken" / "deeper" / "result"):
        with pytest.raises(UserError, match=r"cannot write .*: (Not a directory|File exists)"), atomic(path):
            pytest.fail("the body must not run")
    assert names(tmp_path) == ["taken"]


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"cannot write .*pipe: File exists"), atomic(tmp_path / "pipe"):
        pytest.fail("the body must not run")
    assert (tmp_path / "pipe").is_fifo()


def test_a_name_too_long_is_told(tmp_path):
    with pytest.raises(UserError, match="File name too long"), atomic(tmp_path / ("x" * 300)):
        pytest.fail("the body must not run")
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOSPC, errno.EDQUOT])
def test_a_place_that_cannot_be_written_is_told(tmp_path, monkeypatch, code):
    def refuse(**_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("polarbgb.io.atomic.tempfile.mkstemp", refuse)
    with pytest.raises(UserError) as told, atomic(tmp_path / "result"):
        pytest.fail("the body must not run")
    assert str(told.value) == f"cannot write {tmp_path / 'result'}: {os.strerror(code)}"


def test_a_disk_that_fills_up_while_writing_is_told_and_left_clean(tmp_path):
    with pytest.raises(UserError, match="No space left on device"):
        half_then(tmp_path / "result", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert names(tmp_path) == []


def test_a_rename_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(UserError, match="Permission denied"), atomic(tmp_path / "result") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == []


def test_another_failure_of_the_system_is_not_the_users(tmp_path):
    with pytest.raises(OSError, match="Input/output") as raised, atomic(tmp_path / "result"):
        raise OSError(errno.EIO, "Input/output error")
    assert not isinstance(raised.value, UserError)
    assert names(tmp_path) == []


def test_a_folder_appears_whole_and_takes_the_place_of_the_former(tmp_path):
    for text in ("first", "second"):
        with atomic_folder(tmp_path / "deep/result") as temporary:
            (temporary / f"{text}.txt").write_text(text)
            assert text == "first" or names(tmp_path / "deep/result") == ["first.txt"]
    assert names(tmp_path / "deep/result") == ["second.txt"]
    assert names(tmp_path / "deep") == ["result"]
    assert (tmp_path / "deep/result").stat().st_mode & 0o777 == tmp_path.joinpath("deep").stat().st_mode & 0o777


def test_half_a_folder_leaves_the_former_one(tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result/kept").write_text("kept")

    def half():
        with atomic_folder(tmp_path / "result") as temporary:
            (temporary / "new").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert names(tmp_path) == ["result"]
    assert names(tmp_path / "result") == ["kept"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "result").write_text("mine")
    told = pytest.raises(UserError, match=r"cannot write .*result: Not a directory")
    with told, atomic_folder(tmp_path / "result"):
        pytest.fail("the body must not run")
    assert (tmp_path / "result").read_text() == "mine"


def test_a_folder_whose_renaming_fails_is_put_back(tmp_path, monkeypatch):
    (tmp_path / "result").mkdir()
    (tmp_path / "result/kept").write_text("kept")
    rename = Path.replace

    def refuse(self, target):
        if self.name == "new":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
        return rename(self, target)

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(UserError, match="Permission denied"), atomic_folder(tmp_path / "result") as temporary:
        (temporary / "new").write_text("whole")
    assert names(tmp_path) == ["result"]
    assert names(tmp_path / "result") == ["kept"]


@pytest.mark.parametrize(
    "words", ["Check failed: FileStream.Write incomplete", "Not enough space on disk: requested 6, available 0"]
)
def test_a_full_disk_is_told_whatever_a_library_calls_it(tmp_path, monkeypatch, words):
    path = tmp_path / "result.ubj"
    with pytest.raises(ValueError, match="incomplete|space"):  # a disk with room makes it a bug
        half_then(path, ValueError(words))
    full = SimpleNamespace(free=100)
    monkeypatch.setattr("polarbgb.io.atomic.shutil.disk_usage", lambda place: full if place == tmp_path else None)
    with pytest.raises(UserError) as told:
        half_then(path, ValueError(words))
    assert str(told.value) == f"cannot write {path}: No space left on device"
    assert names(tmp_path) == []
