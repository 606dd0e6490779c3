"""Files that are no input: cut, flipped, of another kind, or without what the configuration names."""

import gzip
import os
import shutil
import socket
import struct

import awkward as ak
import numpy as np
import pytest
import toy
import uproot

import polarbgb
from polarbgb.errors import UserError

RECORDS = ("the streamer info", "the list of keys", "the tree", "a basket")


def landmarks(path):
    """Return the first byte and the length of every record that reading needs."""
    with uproot.open(path) as file:
        tree, key = file[toy.TREE], file.key(toy.TREE)
        basket = tuple(int(tree["temperature"].member(m)[0]) for m in ("fBasketSeek", "fBasketBytes"))
        streamers = file.file.fSeekInfo, file.file.fNbytesInfo
        keys = file.fSeekKeys, file.fNbytesKeys
        return dict(zip(RECORDS, (streamers, keys, (key.fSeekKey, key.fNbytes), basket), strict=True))


CUTS = [
    *((None, cut) for cut in (4, 5, 8, 12, 16, 30, 45, 63, 99, 100, 101, 160, 200, -100, -8, -1)),
    *((record, share) for record in RECORDS for share in (0.0, 0.1, 0.5, 0.9, 1.0)),
]


@pytest.mark.parametrize(("record", "share"), CUTS)
def test_a_file_cut_short_is_refused(desk, refused, record, share):
    path = desk / "rows.root"
    data = path.read_bytes()
    first, length = landmarks(path)[record] if record else (0, 0)
    cut = first + int(share * length) if record else share % len(data)
    path.write_bytes(data[:cut])
    refused("inspect", "-c", "toy.toml", told=["rows.root: cut short", f"{cut:,} of", "again"])


FLIPS = {
    "magic": (None, 0, "is not a ROOT file"),
    "version of the format": (None, 4, "cut short"),
    "size of the file": (None, 12, "cut short"),
    "place of the list of keys": (None, 180, "damaged"),
    "version of the tree": ("the tree", 46, "damaged"),
    "length of the tree": ("the tree", 49, "damaged"),
    "name of the tree": ("the tree", 56, "damaged"),
    "middle of the tree": ("the tree", 0.5, "damaged"),
    "uncompressed length of a basket": ("a basket", 6, "branch 'temperature'"),
    "first bytes of a basket": ("a basket", 90, "damaged"),
    "middle of a basket": ("a basket", 0.5, "damaged"),
    "end of a basket": ("a basket", 0.999, "damaged"),
}
HARMLESS = {
    "name of the directory": (None, 33, ""),
    "length of the list of keys": ("the list of keys", 0, ""),
    "class of another key": ("the list of keys", 0.45, ""),
    "length of the tree's key": ("the tree", 0, ""),
    "length of a basket's key": ("a basket", 1, ""),
}


def flip(path, record, place):
    data = bytearray(path.read_bytes())
    first, length = landmarks(path)[record] if record else (0, 0)
    data[first + (int(place * length) if isinstance(place, float) else place)] ^= 0x5A
    path.write_bytes(data)


@pytest.mark.parametrize("case", FLIPS)
def test_a_file_with_a_wrong_byte_is_refused(desk, refused, case):
    record, place, told = FLIPS[case]
    flip(desk / "rows.root", record, place)
    refused("inspect", "-c", "toy.toml", told=["rows.root", told])


@pytest.mark.parametrize("case", HARMLESS)
def test_a_wrong_byte_that_nothing_depends_on_does_no_harm(desk, accepted, case):
    whole = accepted("inspect", "-c", "toy.toml", "--json")
    record, place, _ = HARMLESS[case]
    flip(desk / "rows.root", record, place)
    assert accepted("inspect", "-c", "toy.toml", "--json") == whole


def wrecked(path):
    """Yield the file with each block of 64 bytes in turn made zero, a few hundred in all."""
    data = path.read_bytes()
    for start in range(0, len(data), max(64, len(data) // 60)):
        yield data[:start] + bytes(64) + data[start + 64 :]


def test_wherever_a_block_is_lost_the_file_is_refused_or_read_with_all_its_rows(desk, typed):
    path = desk / "rows.root"
    told = 0
    for data in list(wrecked(path)):
        path.write_bytes(data)
        code, out, err = typed("inspect", "-c", "toy.toml", "-q")
        assert (code, err.count("\n")) in {(0, 0), (2, 1)}, err
        assert err.startswith("error: ") == (code == 2)
        told += code == 2
        assert path.read_bytes() == data
        assert out == ""
    assert told > 30


def no_root(kind, path, good):
    """Put something else in the place of the file."""
    path.unlink(missing_ok=True)
    match kind:
        case "empty":
            path.touch()
        case "text":
            path.write_text("time rate\n1 2\n" * 50)
        case "three letters":
            path.write_bytes(b"roo")
        case "capital letters":
            path.write_bytes(b"ROOT" + good[4:])
        case "compressed as a whole":
            path.write_bytes(gzip.compress(good))
        case "FITS":
            path.write_bytes(b"SIMPLE  =                    T" + b" " * 2850)
        case "zeros":
            path.write_bytes(bytes(10_000))
        case "noise":
            path.write_bytes(np.random.default_rng(0).bytes(10_000))
        case "root and noise":
            path.write_bytes(b"root" + np.random.default_rng(0).bytes(10_000))
        case "root and zeros":
            path.write_bytes(b"root" + bytes(10_000))
        case "a byte before it":
            path.write_bytes(b"\n" + good)
        case "line ends made those of Windows":
            path.write_bytes(good.replace(b"\n", b"\r\n"))
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(path.name)
        case "device":
            path.symlink_to("/dev/zero")
        case "dangling link":
            path.symlink_to("nowhere.root")
        case "link to itself":
            path.symlink_to(path.name)
        case "nothing":
            pass


NO_ROOT = {
    "empty": "is not a ROOT file but empty", "text": "is not a ROOT file", "three letters": "is not a ROOT file",
    "capital letters": "is not a ROOT file", "compressed as a whole": "is not a ROOT file",
    "FITS": "is not a ROOT file", "zeros": "is not a ROOT file", "noise": "is not a ROOT file",
    "root and noise": "rows.root: ", "root and zeros": "damaged, the header does not say where the contents are",
    "a byte before it": "is not a ROOT file",
    "line ends made those of Windows": "rows.root: ", "folder": "is a folder without files of data",
    "pipe": "is a pipe or a device", "socket": "is a pipe or a device", "device": "is a pipe or a device",
    "dangling link": "no file rows.root", "link to itself": "no file rows.root", "nothing": "no file rows.root",
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_ROOT)
@pytest.mark.parametrize("verb", ["inspect", "fit"])
def test_what_is_no_root_file_is_refused(desk, refused, good_bytes, kind, verb):
    no_root(kind, desk / "rows.root", good_bytes)
    refused(verb, "-c", "toy.toml", *(["-r", "run"] if verb == "fit" else []), told=[NO_ROOT[kind]])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("rows.root/rows.root", "no file rows.root/rows.root"),
        ("a" * 300 + ".root", "File name too long"),
        ("rows.root\n", "no file rows.root"),
        ("\x1b[2J.root", r"no file matches \x1b[2J.root"),
        ("", "Invalid value for '-i' / '--input': the name is empty"),
        (".", "known.csv: table 'known' has no column 'err'; it has name, unix_time"),  # all files of data are read
        ("known.csv", "known.csv: table 'known' has no column 'err'; it has name, unix_time"),
        ("/proc/self/mem", "/mem: cannot be opened"),
        ("/proc/self/status", "/status is not a ROOT file"),
        ("/nowhere/rows.root", "no file /nowhere/rows.root"),
        ("rows.roots", "no file rows.roots"),
        (b"\xff.root".decode(errors="surrogateescape"), r"no file \udcff.root"),
    ],
)
def test_a_path_that_leads_to_no_file_is_refused(refused, path, told):
    refused("inspect", "-c", "toy.toml", "-i", path, told=[told])


def test_a_file_without_a_name_is_not_the_current_folder(desk):
    with pytest.raises(UserError, match="^the name of an input file is empty; name one with --input$"):
        polarbgb.inspect(polarbgb.load("toy.toml"), path=["rows.root", ""])


def another_tree(kind, path):
    """Write a file that holds something else under the tree's name, or under another."""
    with uproot.recreate(path) as file:
        match kind:
            case "histogram":
                file[toy.TREE] = np.histogram(np.arange(10.0))
            case "text":
                file[toy.TREE] = "not a tree"
            case "RNTuple":
                file.mkrntuple(toy.TREE, {"unix_time": np.arange(10.0)})
            case "RNTuple of half precision":
                file.mkrntuple(toy.TREE, {"unix_time": np.arange(10, dtype=np.float16)})
            case "other name":
                file.mktree("row", {"x": "f8"}).extend({"x": np.arange(3.0)})
            case "far other name":
                file.mktree("housekeeping", {"x": "f8"}).extend({"x": np.arange(3.0)})
            case "in a folder":
                file.mktree(f"day/{toy.TREE}", {"x": "f8"}).extend({"x": np.arange(3.0)})
            case "no rows":
                file.mktree(toy.TREE, {name: np.dtype((v.dtype, v.shape[1:])) for name, v in toy.columns().items()})
            case "nothing":
                pass


TREES = {
    "histogram": "'rows' is a TH1D, not a TTree", "text": "'rows' is a TObjString, not a TTree",
    "RNTuple": "RNTuple 'rows' has no field 'err'",
    "other name": "no tree 'rows' (did you mean 'row'?)", "far other name": "the file holds housekeeping",
    "in a folder": "the file holds day, day/rows", "no rows": "tree 'rows' is empty",
    "nothing": "the file holds nothing",
}  # fmt: skip


@pytest.mark.parametrize("kind", TREES)
def test_another_tree_is_refused(desk, refused, kind):
    another_tree(kind, desk / "rows.root")
    refused("inspect", "-c", "toy.toml", told=["rows.root", TREES[kind]])


USED = ["unix_time", "rate", "err", "live", "hv", "glat", "glon", "temperature"]


@pytest.mark.parametrize("branch", USED)
def test_a_missing_branch_is_refused(desk, refused, branch):
    toy.write(desk / "rows.root", toy.spoilt({branch: None}))
    refused("inspect", "-c", "toy.toml", told=["rows.root", f"no branch '{branch}'", "up"])


@pytest.mark.parametrize("branch", USED)
def test_a_misspelt_branch_is_answered_with_the_nearest(desk, refused, branch):
    branches = toy.columns()
    branches[branch + "_"] = branches.pop(branch)
    toy.write(desk / "rows.root", branches)
    refused("inspect", "-c", "toy.toml", told=["rows.root", f"'{branch}' (did you mean '{branch}_'?)"])


@pytest.mark.parametrize("branch", USED)
def test_a_branch_of_texts_is_refused(desk, refused, branch):
    branches = {name: values[:20] for name, values in toy.columns().items()}
    toy.write(desk / "rows.root", branches | {branch: ["a"] * 20})
    refused("inspect", "-c", "toy.toml", told=["rows.root", f"branch '{branch}' is a char*", "name another"])


@pytest.mark.parametrize("branch", USED)
def test_a_branch_of_varying_length_is_refused(desk, refused, branch):
    branches = {name: values[:20] for name, values in toy.columns().items() if name != branch}
    with uproot.recreate(desk / "rows.root") as file:
        types = {name: np.dtype((v.dtype, v.shape[1:])) for name, v in branches.items()}
        tree = file.mktree(toy.TREE, types | {branch: "var * float64"})
        tree.extend(branches | {branch: ak.Array([[1.0] * (n % 3) for n in range(20)])})
    refused("inspect", "-c", "toy.toml", told=["rows.root", f"branch '{branch}' is a double[]", "name another"])


SHAPES = {
    "too short": ("rate", (1,), "branch 'rate' has 1 elements; there is no rate[1]"),
    "a single number": ("rate", (), "branch 'rate' is a single number; there is no rate[0]"),
    "a matrix": ("rate", (2, 3), "branch 'rate' has 2 x 3 elements; name one, as rate[0][0]"),
    "errors too short": ("err", (1,), "branch 'err' has 1 elements; there is no err[1]"),
    "an array of times": ("unix_time", (3,), "branch 'unix_time' has 3 elements; name one, as unix_time[0]"),
    "an array of a feature": ("glat", (2,), "branch 'glat' has 2 elements; name one, as glat[0]"),
    "an array in an expression": ("hv", (4,), "branch 'hv' has 4 elements; name one, as hv[0]"),
    "an array of live times": ("live", (2,), "branch 'live' has 2 elements; name one, as live[0]"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_branch_of_another_shape_is_refused(desk, refused, case):
    branch, shape, told = SHAPES[case]
    toy.write(desk / "rows.root", toy.spoilt({branch: np.ones((toy.ROWS, *shape))}))
    refused("inspect", "-c", "toy.toml", told=["rows.root", told])


def test_a_file_whose_branches_differ_in_length_is_refused(desk, refused):
    # The number of rows of the tree, 20 in the file's own words, is made large: branches hold 20.
    with uproot.recreate(desk / "rows.root", compression=None) as file:
        rows = {name: values[:20] for name, values in toy.columns().items()}
        file.mktree(toy.TREE, {name: np.dtype((v.dtype, v.shape[1:])) for name, v in rows.items()}).extend(rows)
    data = (desk / "rows.root").read_bytes()
    with uproot.open(desk / "rows.root") as file:
        first, length = file.key(toy.TREE).fSeekKey, file.key(toy.TREE).fNbytes
    header = data[first : first + length]
    place = header.index(struct.pack(">q", 20))
    header = header[:place] + struct.pack(">q", 2**33) + header[place + 8 :]
    (desk / "rows.root").write_bytes(data[:first] + header + data[first + length :])
    refused("inspect", "-c", "toy.toml", told=["rows.root", "8,589,934,592 rows", "20"])


def test_a_file_that_changes_to_another_tells_of_the_other(desk, refused):
    """What was said of one file is not said of the next of its name."""
    shutil.move("rows.root", "good.root")
    refused("inspect", "-c", "toy.toml", told=["no file rows.root"])
    shutil.copy("toy.toml", "rows.root")
    refused("inspect", "-c", "toy.toml", told=["rows.root is not a ROOT file"])
