"""What is written is a TTree of the types that went in, or nothing."""

import errno
import time
from datetime import datetime

import numpy as np
import pytest
import uproot

from polarbgb.errors import UserError
from polarbgb.io import root_output as write
from polarbgb.io.root_output import root_file

RNG = np.random.default_rng(1)
BRANCHES = {
    "unix_time": 1483525445.6197348 + np.arange(50.0),
    "pred_rate": RNG.normal(size=(50, 6)),
    "pull": RNG.normal(size=(50, 6)).astype(np.float32),
    "one": RNG.normal(size=(50, 1)),
    "orbit": np.arange(50, dtype=np.int32),
    "row": np.arange(50, dtype=np.int64) + 2**40,
    "quality": np.arange(50, dtype=np.uint32) + 2**31,
    "known": np.arange(50) % 3 == 0,
}
TYPES = {
    "unix_time": "double", "pred_rate": "double[6]", "pull": "float[6]", "one": "double[1]", "orbit": "int32_t",
    "row": "int64_t", "quality": "uint32_t", "known": "bool",
}  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 7, 50, 1000])
def test_trees_come_back_with_their_types(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(write, "CHUNK", chunk)
    with root_file(tmp_path / "out.root") as file:
        file.tree("pred_nf1rate", BRANCHES, title="prediction")
    with uproot.open(tmp_path / "out.root") as file:
        assert file.classnames(cycle=False) == {"pred_nf1rate": "TTree"}  # an RNTuple cannot be drawn from
        tree = file["pred_nf1rate"]
        assert tree.title == "prediction"
        assert tree.keys() == list(BRANCHES)
        assert {b.name: b.typename for b in tree.branches} == TYPES
        for name, values in tree.arrays(library="np").items():
            assert values.dtype.newbyteorder("=") == BRANCHES[name].dtype
            np.testing.assert_array_equal(values, BRANCHES[name])


@pytest.mark.parametrize("chunk", [7, 1000])
def test_rntuples_come_back_with_their_types(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(write, "CHUNK", chunk)
    texts = np.array([f"{number % 3 * 'é'}" for number in range(50)], object)
    with root_file(tmp_path / "out.root") as file:
        file.ntuple("pred_nf1rate", {**BRANCHES, "text": texts}, title="prediction")
    with uproot.open(tmp_path / "out.root") as file:
        assert file.classnames(cycle=False) == {"pred_nf1rate": "ROOT::RNTuple"}
        fields = file["pred_nf1rate"].arrays()
        assert fields.fields == [*BRANCHES, "text"]
        assert fields["text"].to_list() == texts.tolist()
        for name, values in BRANCHES.items():
            assert fields[name].to_numpy().dtype == values.dtype
            np.testing.assert_array_equal(fields[name].to_numpy(), values)


@pytest.mark.parametrize("texts", [[], ["", ""], ["a", ""]])
def test_texts_have_room_for_more_than_the_null_that_ends_them(tmp_path, texts):
    # ROOT takes a leaf /C of length 1 for a number.
    with root_file(tmp_path / "out.root") as file:
        file.tree("t", {"text": np.array(texts, object)})
    with uproot.open(tmp_path / "out.root") as file:
        assert file["t"]["text"].member("fLeaves")[0].member("fLen") == 2
        assert file["t"]["text"].array().to_list() == texts


def test_equal_contents_give_equal_bytes_whatever_the_name_and_the_time(tmp_path):
    for name in ("one", "other"):
        with root_file(tmp_path / f"{name}.root") as file:
            file.tree("t", BRANCHES)
            file.text("meta", "{}")
        time.sleep(1.1)  # ROOT's dates go by seconds
    assert (tmp_path / "one.root").read_bytes() == (tmp_path / "other.root").read_bytes()
    assert datetime.now().year > 2000  # the clock stands only while a file is written


def test_undefined_and_infinite_values_come_back(tmp_path):
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 1e33])
    with root_file(tmp_path / "out.root") as file:
        file.tree("t", {"x": values})
    with uproot.open(tmp_path / "out.root") as file:
        assert file["t"]["x"].array(library="np").tobytes() == values.astype(">f8").byteswap().tobytes()


@pytest.mark.parametrize("kind", [object, str])
def test_names_are_written_as_strings(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(write, "CHUNK", 2)
    names = np.array(["GRB 170114A", "", "flare é"], dtype=kind)
    with root_file(tmp_path / "out.root") as file:
        file.tree("events", {"name": names, "id": np.arange(3)})
    with uproot.open(tmp_path / "out.root") as file:
        assert file["events"]["name"].array().to_list() == names.tolist()


def test_a_tree_without_rows_is_still_a_tree(tmp_path):
    with root_file(tmp_path / "out.root") as file:
        file.tree("events", {"t": np.empty(0), "n": np.empty((0, 6)), "name": np.empty(0, object)})
    with uproot.open(tmp_path / "out.root") as file:
        assert file["events"].num_entries == 0
        assert file["events"].keys() == ["t", "n", "name"]


def test_several_trees_and_a_text_share_a_file(tmp_path):
    text = '{"name": "POLAR", "é": [1, 2]}' * 50  # longer than the 255 bytes of a short string
    with root_file(tmp_path / "sub" / "out.root") as file:
        file.tree("a", {"x": np.arange(3)})
        file.tree("b", {"x": np.arange(4)})
        file.text("meta", text)
    with uproot.open(tmp_path / "sub" / "out.root") as file:
        assert file.classnames(cycle=False) == {"a": "TTree", "b": "TTree", "meta": "TObjString"}
        assert (file["a"].num_entries, file["b"].num_entries) == (3, 4)
        assert str(file["meta"]) == text


@pytest.mark.parametrize("sizes", [[1], [3, 4, 5], [10, 1, 1, 1, 10], [20], [2] * 30])
def test_parts_are_joined_in_order_into_large_baskets(tmp_path, monkeypatch, sizes):
    monkeypatch.setattr(write, "CHUNK", 8)
    total = sum(sizes)
    x, v = np.arange(float(total)), RNG.normal(size=(total, 2)).astype(np.float32)
    stops = np.cumsum(sizes)
    parts = ({"x": x[b - n : b], "v": v[b - n : b]} for n, b in zip(sizes, stops, strict=True))
    with root_file(tmp_path / "out.root") as file:
        assert file.stream("t", parts, title="mission") == total
    with uproot.open(tmp_path / "out.root") as file:
        tree = file["t"]
        assert file.classnames(cycle=False) == {"t": "TTree"}
        assert tree.title == "mission"
        np.testing.assert_array_equal(tree["x"].array(library="np"), x)
        np.testing.assert_array_equal(tree["v"].array(library="np"), v)
        baskets = np.diff(tree["x"].entry_offsets)
        assert (baskets[:-1] >= 8).all()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_file(tmp_path, error):
    def half():
        with root_file(tmp_path / "out.root") as file:
            file.tree("t", BRANCHES)
            raise error

    with pytest.raises(error):
        half()
    assert list(tmp_path.iterdir()) == []


def test_branches_of_unequal_length_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="same number of entries"), root_file(tmp_path / "out.root") as file:
        file.tree("t", {"x": np.arange(3), "y": np.arange(4)})
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "out.root"
    with root_file(path) as file:
        file.tree("t", {"x": np.arange(3)})
    before = path.read_bytes()

    def fill_the_disk():
        with root_file(path) as file:
            file.tree("t", {"x": np.arange(4)})
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match="No space left on device"):
        fill_the_disk()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(UserError, match=r"cannot write .*taken"), root_file(tmp_path / "taken" / "out.root"):
        pytest.fail("the body must not run")
