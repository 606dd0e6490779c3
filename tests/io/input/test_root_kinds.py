"""ROOT files: what uproot reads as numbers, friends, and files that their writer did not close."""

import base64
import os
import struct
import zlib
from pathlib import Path
from unittest.mock import patch

import awkward as ak
import numpy as np
import pytest
import uproot
from uproot.writing._cascade import RawStreamerInfo
from uproot.writing._cascadetree import Tree

from polarbgb.errors import UserError
from polarbgb.io.input import branches_of, list_branches, list_trees, read_columns, tree_name
from polarbgb.io.input import columns as chunks

BY_ROOT = Path(__file__).parent / "written_by_root"

_FRIEND_CLASS = (
    "c-nnYOHRWu5S_LWzeN`;P!}v_gZK!E1AtIk)Jm|Ri~0giI}VN#yEsNw7l;F(o(ImrCAbDV7^f9VE5Wlo(bzNdo?l{Uw!ax-<Q>U^+^ta-VrYE9"
    "UJP&u4PF5p+hX7}nMpsVf{cgb$Af3SX>#>PHDj1$UFYOH^uI%E)wx0|1Rl9qqwC3%!s!fJ91DmzUjLFZw!}TxP0qvvVIoUiqOuMpnsACX$!P5H"
    "BxL94wa@94n{HqOpKo_p^*rizNB!_Brh8cv#9wXFASn$m16fJBs7u;a!Vv{ooxqD$p=WifG6zMt<f<<34*Y{{vE<_MubZCev6xRQW2TjgtWt4V"
    "SFxjpGc(XR9eMXes1+(skPRxNktv&#%vl%b<6M>{ckC~J<KKu9YjgMk;+A)1"
)
"""The description of TFriendElement that ROOT 6.40 writes into a file, which uproot does not know."""


def read(path, *columns, tree=None):
    return read_columns(path, tree, columns, exact=columns).select(columns).to_numpy()


def refused(path, *columns, tree=None):
    with pytest.raises(UserError) as error:
        read_columns(path, tree, columns)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("column", ["leaflist.x", "leaflist/x", "x"])
def test_a_leaf_of_a_list_is_named_like_in_root(column):
    path = BY_ROOT / "uproot-leaflist.root"
    expected = [[1.1, 1, 97], [2.2, 2, 98], [3.3, 3, 99], [4, 4, 100], [5.5, 5, 101]]
    np.testing.assert_array_equal(read(path, column, "leaflist.y", "z"), expected)
    assert branches_of(path, None, [column]) == {column: "leaflist.x"}
    assert "tree 'tree' has no branch 'leaflist'" in refused(path, "leaflist")


def test_the_members_of_a_split_object_are_branches():
    path = BY_ROOT / "uproot-small-evnt-tree-fullsplit.root"
    number = np.arange(100)
    columns = ["evt.I16", "evt/F64", "U32", "evt.P3.Py", "P3.Py", "evt.ArrayF64[9]", "ArrayI16[0]"]
    np.testing.assert_array_equal(read(path, *columns), np.repeat(number[:, None], len(columns), axis=1))
    shapes = {branch.name: branch.shape for branch in list_branches(path, "tree")[1]}
    assert shapes["evt.ArrayF64"] == (10,)
    assert shapes["evt.StlVecF64"] is shapes["evt.Str"] is None
    assert "whose length varies from 0 to 9" in refused(path, "evt.StlVecF64[0]")


def test_numbers_of_reduced_precision_are_read():
    path = BY_ROOT / "uproot-double32-float16.root"
    expected = [-2, -1.5, -1, -0.5, -0.1, 0, 0.1, 0.5, 1, 2, 3, 4]
    steps = {"double32_32": 1e-8, "double32_20": 2e-5, "float16_16": 3e-4, "array_30[2]": 1e-7}
    for column, tolerance in steps.items():
        np.testing.assert_allclose(read(path, column)[:12, 0], expected, atol=tolerance)


def test_vectors_of_vectors_name_the_lengths_that_vary():
    assert "is a std::vector<std::vector<double>> whose length varies from 0 to 3" in refused(
        BY_ROOT / "uproot-vectorVectorDouble.root", "x[0][0]"
    )


def test_fields_of_structures_in_an_rntuple_are_read():
    path = BY_ROOT / "test_nested_structs_rntuple_v1-0-0-0.root"
    number = np.arange(10)
    columns = ["my_struct.i", "my_struct.sub_struct.i", "my_struct.sub_struct.sub_sub_struct.v[1]"]
    np.testing.assert_array_equal(read(path, *columns), np.stack([number, number + 1, number + 1], axis=1))
    assert list_trees(path) == ["ntuple"]
    assert "RNTuple 'ntuple' has no field 'my_struct.j'" in refused(path, "my_struct.j")


@pytest.mark.parametrize("chunk", [50, 1000])
@pytest.mark.parametrize("last", [2, 4])
def test_a_vector_that_varies_late_is_told(tmp_path, monkeypatch, chunk, last):
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    vectors = ak.Array([[1.0, 2.0, 3.0]] * 250 + [[0.0] * last])
    with uproot.recreate(tmp_path / "tree.root") as file:
        file.mktree("t", {"hits": "var * float64"}).extend({"hits": vectors})
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        file.mkrntuple("t", {"hits": vectors})
    for name in ("tree", "ntuple"):
        message = refused(tmp_path / f"{name}.root", "hits[0]")
        assert f"'hits' varies from {min(3, last)} to {max(3, last)}, but an array has one length" in message


def test_a_name_that_several_members_share_is_ambiguous(tmp_path):
    with uproot.recreate(tmp_path / "t.root") as file:
        for cycle in (1, 2):
            file.mktree("day:1/rates", {"x": "f8"}).extend({"x": np.full(cycle, float(cycle))})
        file["note"] = "no tree"
    # Of two cycles of a tree the newer is taken, and it counts as one; a colon is part of the name.
    assert list_trees(tmp_path / "t.root") == ["day:1/rates"]
    np.testing.assert_array_equal(read(tmp_path / "t.root", "x"), [[2], [2]])
    assert tree_name(tmp_path / "t.root", None) == "day:1/rates"


def test_of_several_trees_one_must_be_named(tmp_path):
    with uproot.recreate(tmp_path / "t.root") as file:
        for name in ("rates", "hk"):
            file.mktree(name, {"x": "f8"}).extend({"x": np.zeros(1)})
    assert refused(tmp_path / "t.root", "x").endswith("holds several trees, rates, hk; name one as input.tree")
    assert read(tmp_path / "t.root", "x", tree="hk").shape == (1, 1)
    with uproot.recreate(tmp_path / "none.root") as file:
        file["note"] = "no tree"
    assert refused(tmp_path / "none.root", "x").endswith("none.root: no tree; the file holds note")


# Friends


def with_friends(path, branches, *friends, index=b"\0" * 4):
    """Write a tree ``rates`` with friends (alias, tree, file); ``index`` is its serialised fTreeIndex."""

    def text(value):
        return bytes([len(value)]) + value.encode()

    def counted(content):
        return struct.pack(">I", len(content) | 0x40000000) + content

    def element(alias, tree, file):
        named = counted(b"\0\1" + b"\0\1" + b"\0" * 4 + b"\1\0\0\0" + text(alias) + text(file))
        return counted(b"\xff" * 4 + b"TFriendElement\0" + counted(b"\0\2" + named + text(tree) + b"\0")) + b"\0"

    build = Tree._build_out

    def build_with_friends(self):
        out = build(self)
        if self._name == "rates":
            elements = b"".join(element(*friend) for friend in friends)
            listed = b"\0\5" + b"\0\1" + b"\0" * 8 + b"\0" + struct.pack(">i", len(friends)) + elements
            out[-1] = b"\0" * 12 + index + counted(b"\xff" * 4 + b"TList\0" + counted(listed)) + b"\0" * 8
            header = next(i for i, part in enumerate(out) if len(part) == 6 and part.endswith(b"\0\x14"))
            out[header] = uproot.serialization.numbytes_version(sum(map(len, out[header + 1 :])), 20)
        return out

    raw = zlib.decompress(base64.b85decode(_FRIEND_CLASS))
    with patch.object(Tree, "_build_out", build_with_friends), uproot.recreate(path) as file:
        file.file.update_streamers([RawStreamerInfo(None, raw, "TFriendElement", 2)])
        write(file, "rates", branches)
    return path


def write(file, name, branches):
    arrays = {key: np.asarray(values, float) for key, values in branches.items()}
    file.mktree(name, {key: np.dtype(("f8", values.shape[1:])) for key, values in arrays.items()}).extend(arrays)


@pytest.fixture
def housekeeping(tmp_path):
    with uproot.recreate(tmp_path / "hk.root") as file:
        write(file, "hk", {"B_r": [1, 2, 3], "x": [4, 5, 6], "volt": np.arange(6).reshape(3, 2)})
        write(file, "short", {"y": [1]})
    return tmp_path / "hk.root"


@pytest.mark.parametrize("stated", ["as it is", "moved"])
def test_the_branches_of_a_friend_are_read(tmp_path, housekeeping, stated):
    file = str(housekeeping) if stated == "as it is" else "/data/elsewhere/hk.root"
    path = with_friends(tmp_path / "t.root", {"x": [7, 8, 9]}, ("H", "hk", file))
    np.testing.assert_array_equal(
        read(path, "x", "H.x", "B_r", "H.B_r", "volt[1]", "H.volt[0]"),
        [[7, 4, 1, 1, 1, 0], [8, 5, 2, 2, 3, 2], [9, 6, 3, 3, 5, 4]],
    )
    assert [branch.name for branch in list_branches(path, None)[1]] == ["x", "B_r", "H.x", "volt"]
    assert "no branch 'H.B_t' (did you mean 'H.B_r'?)" in refused(path, "H.B_t")


def test_a_friend_that_is_missing_is_named_where_it_is_needed(tmp_path):
    path = with_friends(tmp_path / "t.root", {"x": [7, 8, 9]}, ("H", "hk", "far/hk.root"))
    np.testing.assert_array_equal(read(path, "x")[:, 0], [7, 8, 9])
    message = refused(path, "H.B_r")
    assert f"its friend 'H' cannot be read: no file far/hk.root or {tmp_path / 'hk.root'}" in message
    assert message.endswith(f"put hk.root, which holds its tree 'hk', beside {path}")


def test_a_friend_that_is_matched_by_an_index_is_refused(tmp_path):
    index = struct.pack(">I", 0x4000001F) + b"\xff" * 4 + b"TList\0" + struct.pack(">I", 0x40000011)
    with_friends(tmp_path / "f.root", {"y": [1, 2, 3]}, index=index + b"\0\5" + b"\0\1" + b"\0" * 13)
    path = with_friends(tmp_path / "t.root", {"x": [7, 8, 9]}, ("F", "rates", "f.root"))
    assert "is matched by an index (BuildIndex), not row by row" in refused(path, "y")


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ("short", "friend 'H' (tree 'short' of {hk}) has 1 rows, the tree 3"),
        ("hkk", "friend 'H' cannot be read: {hk}: no tree 'hkk' (did you mean 'hk'?)"),
    ],
)
def test_a_friend_that_does_not_fit_is_told(tmp_path, housekeeping, tree, reason):
    path = with_friends(tmp_path / "t.root", {"x": [7, 8, 9]}, ("H", tree, "hk.root"))
    assert reason.format(hk=housekeeping) in refused(path, "B_r")


def test_of_a_friend_only_a_regular_file_is_opened(tmp_path):
    os.mkfifo(tmp_path / "hk.root")
    for file in ("/dev/zero", str(tmp_path / "hk.root"), "root://server//hk.root"):
        path = with_friends(tmp_path / "t.root", {"x": [7, 8, 9]}, ("H", "hk", file))
        assert "no file" in refused(path, "B_r")


def test_friends_of_friends_are_followed_and_circles_end(tmp_path, housekeeping):
    with_friends(tmp_path / "b.root", {"y": [1, 2, 3]}, ("H", "hk", "hk.root"), ("A", "rates", "a.root"))
    path = with_friends(tmp_path / "a.root", {"x": [7, 8, 9]}, ("B", "rates", "b.root"))
    np.testing.assert_array_equal(read(path, "x", "y", "B_r")[0], [7, 1, 1])


# Files that were not closed


def unclosed(path):
    """Take back what a writer enters into the header when it closes a file."""
    data = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        begin, name = file.file.fBEGIN, file.file.fNbytesName
    struct.pack_into(">iiii", data, 12, begin + name + 60, 0, 0, 0)  # fEND, fSeekFree, fNbytesFree, nfree
    struct.pack_into(">ii", data, 37, 0, 0)  # fSeekInfo, fNbytesInfo
    directory = begin + name
    struct.pack_into(">i", data, directory + 10, 0)  # fNbytesKeys
    struct.pack_into(">i", data, directory + 26, 0)  # fSeekKeys
    path.write_bytes(data)


def test_a_file_that_was_not_closed_can_be_recovered(tmp_path):
    path = tmp_path / "it's.root"
    with uproot.recreate(path) as file:
        write(file, "t", {"x": np.arange(1000.0)})
    whole = path.read_bytes()
    unclosed(path)
    message = refused(path, "x")
    assert message.startswith(f"{path}: not closed by its writer")
    assert "damaged" not in message
    assert """root -l -b -q -e 'TFile f(""" in message
    with pytest.raises(UserError, match="not closed by its writer"):
        list_trees(path)
    path.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in refused(path, "x")


def test_a_file_that_holds_nothing_is_not_called_unclosed(tmp_path):
    with uproot.recreate(tmp_path / "none.root"):
        pass
    assert refused(tmp_path / "none.root", "x").endswith("no tree; the file holds nothing")
    data = bytearray((tmp_path / "none.root").read_bytes())
    unclosed(tmp_path / "none.root")
    data = (tmp_path / "none.root").read_bytes()
    (end,) = struct.unpack_from(">i", data, 12)
    (tmp_path / "none.root").write_bytes(data[:end])
    assert "not closed by its writer, and nothing was written into it" in refused(tmp_path / "none.root", "x")
