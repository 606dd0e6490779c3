"""Names, patterns and folders stand for files, in an order that can be foreseen."""

import hashlib
import os

import pytest

from polarbgb.errors import InputError
from polarbgb.io.input.files import input_digest, input_files, shown


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.root", "a.root", "c10.root", "c9.root", ".hidden.root", "d[1].root", "notes.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "z.root").write_text("z")
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(paths):
    return [file.name for file in input_files(paths)]


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        ("a.root", ["a.root"]),
        (["b.root", "a.root"], ["b.root", "a.root"]),  # in the order given
        ("?.root", ["a.root", "b.root"]),  # in the order of names
        ("c*.root", ["c10.root", "c9.root"]),
        (["b.root", "c*.root", "a.root"], ["b.root", "c10.root", "c9.root", "a.root"]),
        ("d[1].root", ["d[1].root"]),  # a file whose name is a pattern
        ("more", ["z.root"]),
        ("**/z.root", ["z.root"]),
        ("*.root", ["a.root", "b.root", "c10.root", "c9.root", "d[1].root"]),  # without hidden ones
    ],
)
def test_names_patterns_and_folders(folder, paths, files):
    assert names(paths) == files


def test_files_are_named_as_typed_and_a_link_is_the_file_it_points_to(folder):
    (folder / "link.root").symlink_to("a.root")
    assert [str(file) for file in input_files(["link.root", "more/../b.root"])] == ["link.root", "more/../b.root"]
    with pytest.raises(InputError, match="named twice"):
        input_files(["link.root", folder / "a.root"])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("nowhere.root", r"^no file nowhere\.root$"),
        (["a.root", "nowhere.root"], r"^no file nowhere\.root$"),
        ("x*.root", r"^no file matches x\*\.root$"),
        ("empty", "^empty is a folder without files of data; name another$"),
        ([], "no input file is named"),
        (["a.root", "a.root"], r"a\.root is named twice as input; name it once"),
        (["a.root", "?.root"], r"a\.root is named twice as input"),
        (["a.root", "link.root"], r"a\.root is named twice as input"),
    ],
)
def test_what_is_not_there_or_named_twice_is_refused(folder, paths, message):
    (folder / "link.root").symlink_to("a.root")
    with pytest.raises(InputError, match=message):
        input_files(paths)


def test_a_name_that_no_result_could_record_is_refused(folder):
    name = os.fsdecode(b"\xff.root")
    (folder / name).write_text("x")
    with pytest.raises(InputError, match="the name is not valid UTF-8"):
        input_files(name)


def test_the_digest_is_that_of_the_contents_in_their_order(folder):
    one, two = input_files(["a.root", "b.root"])
    each = [hashlib.sha256(name.encode()).hexdigest() for name in ("a.root", "b.root")]
    assert input_digest([one]) == (each[0], each[:1])
    assert input_digest([one, two])[1] == each
    assert input_digest([one, two])[0] not in (*each, input_digest([two, one])[0])
    one.rename(folder / "renamed.root")
    assert input_digest([folder / "renamed.root", two]) == input_digest([folder / "renamed.root", two])
    assert input_digest([folder / "renamed.root"]) == (each[0], each[:1])


def test_messages_name_the_first_of_several_files(folder):
    assert shown(input_files("a.root")) == "a.root"
    assert shown(input_files(["b.root", "a.root"])) == "b.root and 1 more file"
    assert shown(input_files(["b.root", "a.root", "c9.root"])) == "b.root and 2 more files"
