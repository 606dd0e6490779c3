"""Reading takes the odd mix of branches of the POLAR file, only what is asked for, and tells what is wrong."""

from pathlib import Path

import awkward as ak
import numpy as np
import polars as pl
import pytest
import uproot

from polarbgb.config import load, validate
from polarbgb.errors import UserError
from polarbgb.io.input import Branch, list_branches, read_columns
from polarbgb.io.input import columns as read
from polarbgb.workflow.reading import read_input, source_files

ROWS = 1000
RHESSI = Path(__file__).parents[3].parent / "shared" / "data" / "rhessi_20110404.root"
CONFIGS = Path(__file__).parents[3] / "configs"

TYPES = {
    "unix_time": "f8", "rate": ("f8", (13,)), "rate_err": ("f8", (13,)), "glat": "f8", "glon": "f8", "altitude": "f8",
    "temperature": "f4", "fe_cosmic": "f4", "corrected": ("f8", (1,)), "correrr": ("f8", (1,)), "config": "i4",
    "raz": "f8", "decz": "f8", "rax": "f8", "decx": "f8", "is_orbit_up": "?", "time_since_saa": "f8", "crabarf": "f8",
    "sun": "f8", "sun_spot": "f8", "B_r": "f8", "B_theta": "f8", "B_phi": "f8",
}  # fmt: skip
"""Branches of the published file in their order."""


@pytest.fixture(scope="module")
def content():
    rng = np.random.default_rng(0)
    arrays = {}
    for name, kind in TYPES.items():
        dtype = np.dtype(kind)
        arrays[name] = rng.normal(size=(ROWS, *dtype.shape)).astype(dtype.base)
    arrays["unix_time"] = 1483525445.6197348 + np.arange(ROWS) * 1.0001
    arrays["rate"] = rng.uniform(100, 4e4, (ROWS, 13))
    arrays["rate"][3] = arrays["rate_err"][3] = 0
    arrays["crabarf"][[5, 6, 7, 8]] = [np.nan, 1e33, -1.2e33, np.inf]
    arrays["config"][:] = 42
    arrays["is_orbit_up"] = rng.random(ROWS) < 0.5
    return arrays


@pytest.fixture(scope="module")
def polar_file(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("polar") / "nf1rate.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("nf1rate", {name: np.dtype(kind) for name, kind in TYPES.items()})
        for start in range(0, ROWS, 400):  # several baskets a branch
            tree.extend({name: values[start : start + 400] for name, values in content.items()})
        file["note"] = "not a tree"
    return path


def wanted(content, column):
    name, bracket, index = column.partition("[")
    values = content[name]
    if values.ndim == 1:
        return values
    return values[:, int(index[:-1]) if bracket else 0]


COLUMNS = [
    "unix_time", "rate[0]", "rate[12]", "rate_err[5]", "temperature", "fe_cosmic", "corrected", "correrr[0]", "config",
    "is_orbit_up", "crabarf",
]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 7, 399, 400, 401, 1000, 10**6])
def test_the_mix_of_types_is_read_across_chunks(polar_file, content, monkeypatch, chunk):
    monkeypatch.setattr(read, "CHUNK", chunk)
    columns = COLUMNS if chunk > 1 else COLUMNS[:2]
    frame = read_columns(polar_file, "nf1rate", columns, exact={"unix_time", "rate[0]"})
    assert frame.columns == sorted(columns)
    for column in columns:
        dtype = np.float64 if column in {"unix_time", "rate[0]"} else np.float32
        assert frame[column].dtype == (pl.Float64 if dtype is np.float64 else pl.Float32)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(frame[column].to_numpy(), wanted(content, column).astype(dtype), column)


def test_absurd_values_are_kept_as_stored(polar_file):
    values = read_columns(polar_file, "nf1rate", ["crabarf"], exact={"crabarf"})["crabarf"]
    np.testing.assert_array_equal(values[5:9], [np.nan, 1e33, -1.2e33, np.inf])


def test_values_beyond_float32_become_infinite_without_a_warning(tmp_path):
    with uproot.recreate(tmp_path / "t.root") as file:
        file.mktree("t", {"x": "f8"}).extend({"x": np.array([1e300, -1e300, 1.0])})
    np.testing.assert_array_equal(read_columns(tmp_path / "t.root", "t", ["x"])["x"], [np.inf, -np.inf, 1])


def test_the_time_keeps_its_microseconds(polar_file, content):
    config = load(CONFIGS / "polar.toml")
    frame = read_input(config, polar_file)
    np.testing.assert_array_equal(frame["unix_time"], content["unix_time"])
    assert set(frame.columns) == config.branches
    doubles = {"unix_time", *config.rates.names, *config.rates.error_names}
    assert {name for name, dtype in frame.schema.items() if dtype == pl.Float64} == doubles
    assert {name for name, dtype in frame.schema.items() if dtype == pl.Float32} == config.branches - doubles


def test_whatever_an_expression_reads_is_exact(polar_file, content):
    raw = {
        "name": "X",
        "input": {"tree": "nf1rate"},
        "rates": {"values": ["rate[0]"], "errors": ["rate_err[0]"], "exposure": "sun"},
        "derived": {"phase": "glon/360"},
        "filters": {"north": "glat > 0"},
        "features": {"columns": ["phase", "altitude"]},
        "orbit": {"period": 5535.4},
        "intervals": {"more_than": 0},
    }
    frame = read_input(validate(raw, where="x"), polar_file)
    for name in ("glon", "glat", "sun"):
        np.testing.assert_array_equal(frame[name], content[name])
    assert frame["altitude"].dtype == pl.Float32
    assert "phase" not in frame.columns


def overwrite_baskets(path, tree, branches):
    """Put noise in the place of some branches' data."""
    data = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        for branch in branches:
            for first, length in zip(
                *(file[tree][branch].member(m) for m in ("fBasketSeek", "fBasketBytes")), strict=True
            ):
                data[first : first + length] = b"\xa5" * int(length)
    path.write_bytes(data)


def test_only_the_branches_asked_for_are_read(polar_file, content, tmp_path):
    path = tmp_path / "broken.root"
    path.write_bytes(polar_file.read_bytes())
    overwrite_baskets(path, "nf1rate", set(TYPES) - {"glat", "rate"})
    frame = read_columns(path, "nf1rate", ["glat", "rate[3]"], exact={"glat", "rate[3]"})
    np.testing.assert_array_equal(frame["glat"], content["glat"])
    np.testing.assert_array_equal(frame["rate[3]"], content["rate"][:, 3])
    with pytest.raises(UserError, match="damaged or cut short"):
        read_columns(path, "nf1rate", ["glat", "glon"])


def test_unreadable_branches_beside_do_no_harm(tmp_path):
    path = tmp_path / "mixed.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"x": "f8", "text": "string", "hits": "var * float64"})
        tree.extend({"x": np.arange(3.0), "text": ["a", "b", "c"], "hits": ak.Array([[1.0], [], [2.0, 3.0]])})
    assert read_columns(path, "t", ["x"])["x"].to_list() == [0, 1, 2]
    with pytest.raises(UserError, match=r"branch 'text' is a char\*, not a number or an array of numbers"):
        read_columns(path, "t", ["x", "text"])
    with pytest.raises(UserError, match=r"branch 'hits' is a double\[\] whose length varies from 0 to 2"):
        read_columns(path, "t", ["x", "hits[0]"])
    _, branches = list_branches(path, "t")
    assert {b.name: b.shape for b in branches} == {"x": (), "text": None, "nhits": (), "hits": None}


def test_branches_are_listed_with_their_types(polar_file):
    entries, branches = list_branches(polar_file, "nf1rate")
    assert entries == ROWS
    assert [b.name for b in branches] == list(TYPES)
    by_name = {b.name: b for b in branches}
    assert by_name["rate"] == Branch("rate", "double[13]", (13,))
    assert by_name["corrected"] == Branch("corrected", "double[1]", (1,))
    assert by_name["temperature"] == Branch("temperature", "float", ())
    assert by_name["config"] == Branch("config", "int32_t", ())
    assert by_name["is_orbit_up"] == Branch("is_orbit_up", "bool", ())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("glatt", "tree 'nf1rate' has no branch 'glatt' (did you mean 'glat'?)"),
        ("rates[0]", "tree 'nf1rate' has no branch 'rates' (did you mean 'rate'?)"),
        ("zzzzzz", f"tree 'nf1rate' has no branch 'zzzzzz'; it has {', '.join(TYPES)}"),
        ("rate[13]", "branch 'rate' has 13 elements; there is no rate[13]"),
        ("rate", "branch 'rate' has 13 elements; name one, as rate[0]"),
        ("corrected[1]", "branch 'corrected' has 1 elements; there is no corrected[1]"),
        ("glat[0]", "branch 'glat' is a single number; there is no glat[0]"),
        ("rate[-1]", "'rate[-1]' is not a column; write a branch's name, or name[3] for one element"),
        ("rate[0:2]", "'rate[0:2]' is not a column; write a branch's name, or name[3] for one element"),
        ("rate[x]", "'rate[x]' is not a column; write a branch's name, or name[3] for one element"),
        ("rate[]", "'rate[]' is not a column; write a branch's name, or name[3] for one element"),
        ("rate[0", "'rate[0' is not a column; write a branch's name, or name[3] for one element"),
        ("", "'' is not a column; write a branch's name, or name[3] for one element"),
    ],
)
def test_a_column_that_does_not_fit_is_named(polar_file, column, message):
    with pytest.raises(UserError) as refused:
        read_columns(polar_file, "nf1rate", ["glon", column])
    assert str(refused.value) == f"{polar_file}: {message}"


def test_a_wrong_tree_is_answered_with_the_nearest(polar_file):
    with pytest.raises(UserError) as refused:
        read_columns(polar_file, "nf1rates", ["glat"])
    assert str(refused.value) == (
        f"{polar_file}: no tree 'nf1rates' (did you mean 'nf1rate'?); the file holds nf1rate, note (input.tree)"
    )
    with pytest.raises(UserError, match="'note' is a TObjString, not a TTree or RNTuple"):
        list_branches(polar_file, "note")


def test_a_tree_in_a_folder_is_found(tmp_path):
    with uproot.recreate(tmp_path / "t.root") as file:
        file.mktree("sub/t", {"x": "f8"}).extend({"x": np.arange(2.0)})
    assert read_columns(tmp_path / "t.root", "sub/t", ["x"])["x"].to_list() == [0, 1]
    with pytest.raises(UserError, match=r"no tree 't' .*; the file holds sub, sub/t|no tree 't'; the file holds"):
        read_columns(tmp_path / "t.root", "t", ["x"])


def test_a_file_without_trees_and_an_empty_tree_are_told(tmp_path):
    with uproot.recreate(tmp_path / "none.root"):
        pass
    with pytest.raises(UserError, match="no tree 't'; the file holds nothing"):
        read_columns(tmp_path / "none.root", "t", ["x"])
    with uproot.recreate(tmp_path / "empty.root") as file:
        file.mktree("t", {"x": "f8"})
    with pytest.raises(UserError, match="tree 't' is empty"):
        read_columns(tmp_path / "empty.root", "t", ["x"])
    assert list_branches(tmp_path / "empty.root", "t")[0] == 0


def test_what_is_no_root_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"^no file .*none\.root$"):
        read_columns(tmp_path / "none.root", "t", ["x"])
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_columns(tmp_path, "t", ["x"])
    for content in (b"", b"roo", b"time,rate\n1,2\n", b"ROOT" * 100):
        (tmp_path / "other.root").write_bytes(content)
        with pytest.raises(UserError, match="is not a ROOT file"):
            read_columns(tmp_path / "other.root", "t", ["x"])


def test_a_file_that_may_not_be_opened_is_told(polar_file, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(UserError, match=r"cannot be opened \(Permission denied\)"):
        read_columns(polar_file, "nf1rate", ["glat"])


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"time": "f8", "rate": ("f8", (3,)), "up": "?"})
        for start in (0, 50):
            time = np.arange(start, start + 50.0)
            tree.extend({"time": time, "rate": np.outer(time, [1, 2, 3]), "up": time > 20})
    return path


def read_small(path):
    return read_columns(path, "t", ["time", "rate[2]", "up"])


def test_a_file_cut_short_is_told_or_read_rightly(small_file, tmp_path):
    data = small_file.read_bytes()
    whole = read_small(small_file)
    path = tmp_path / "cut.root"
    told = 0
    cuts = sorted({*range(4, len(data), max(1, len(data) // 150)), *range(len(data) - 10, len(data))})
    for cut in cuts:
        path.write_bytes(data[:cut])
        try:
            frame = read_small(path)
        except UserError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - either outcome is right
            assert "\n" not in str(error)  # noqa: PT017
            told += 1
        else:
            assert frame.equals(whole)
    assert told > len(cuts) / 2


def test_a_damaged_file_gives_a_frame_or_one_line(small_file, tmp_path):
    data = small_file.read_bytes()
    path = tmp_path / "damaged.root"
    rng = np.random.default_rng(3)
    told = 0
    for place in rng.integers(4, len(data) - 8, 300):
        path.write_bytes(data[:place] + rng.bytes(8) + data[place + 8 :])
        try:
            frame = read_small(path)
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
            told += 1
        else:
            assert frame.columns == ["rate[2]", "time", "up"]
    assert told > 3


def test_the_watcher_sees_every_chunk(polar_file, monkeypatch):
    monkeypatch.setattr(read, "CHUNK", 300)
    seen = []

    def track(steps, *, label, total):
        for step in steps:
            seen.append((label, total, step))
            yield step

    read_columns(polar_file, "nf1rate", ["glat"], track=track)
    assert seen == [("read nf1rate.root", 4, start) for start in ((0, 300), (300, 600), (600, 900), (900, 1000))]


@pytest.mark.parametrize("name", ["a:b.root", "a b*?.root", "nf1rate", "a[1].root", "a#b.root", "ü.root"])
def test_any_file_name_is_taken(polar_file, tmp_path, name):
    (tmp_path / name).write_bytes(polar_file.read_bytes())
    assert len(read_columns(tmp_path / name, "nf1rate", ["glat"])) == ROWS


def test_the_default_input_is_told_how_to_come_by(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(CONFIGS / "polar.toml")
    with pytest.raises(UserError, match=r"no file data/nf1rate\.root; .* polarbgb simulate data/nf1rate\.root --days"):
        source_files(config, None)
    with pytest.raises(UserError, match=r"^no file other\.root$"):
        source_files(config, Path("other.root"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nf1rate.root").touch()
    assert source_files(config, None) == (Path("data/nf1rate.root"),)


@pytest.mark.skipif(not RHESSI.exists(), reason=f"the real day of RHESSI data is not at {RHESSI}")
def test_a_real_day_of_another_instrument_is_read():
    # The file's description: 14,334 rows of 4 s on 2011-04-04 in 9 energy bands.
    entries, branches = list_branches(RHESSI, "rhessi")
    assert entries == 14334
    by_name = {b.name: b for b in branches}
    assert by_name["rate"].shape == by_name["rate_err"].shape == (9,)
    columns = ["unix_time", *(f"rate[{n}]" for n in range(9))]
    frame = read_columns(RHESSI, "rhessi", columns, exact=columns)
    with uproot.open(RHESSI) as file:
        stored = file["rhessi"].arrays(["unix_time", "rate"], library="np")
    np.testing.assert_array_equal(frame["unix_time"], stored["unix_time"])
    np.testing.assert_array_equal(frame.select(columns[1:]).to_numpy(), stored["rate"])
    # 2011-04-04 is the day from 1301875200 s on.
    assert 1301875200 <= frame["unix_time"].min() <= frame["unix_time"].max() <= 1301875200 + 86400
