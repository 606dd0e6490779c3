"""The numbers of a table come back the same from every container, whatever its columns are called."""

import gzip
import shutil
import warnings
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import uproot
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polarbgb.errors import UserError
from polarbgb.io.input import columns as chunks
from polarbgb.io.input import list_branches, list_trees, read_columns, tree_name

NAMES = [
    "rate",
    "hk temp",
    "orbit.glat",
    "T:1",
    "temp<1>",
    'q"x',
    "{z}",
    "a/b",
    "a,b",
    "Größe",
    "温度",
    "*",
]
ASCII = [name for name in NAMES if name.isascii()]
SHAPES = [(), (1,), (3,), (2, 3)]
TYPES = ["f8", "f4", "i4", "i8", "i2", "u1", "?"]


def write_ttree(path, arrays):
    with uproot.recreate(path) as file:
        tree = file.mktree("folder/t", {n: np.dtype((a.dtype, a.shape[1:])) for n, a in arrays.items()})
        for part in range(2):  # several baskets
            tree.extend({name: values[part::2] for name, values in arrays.items()})
    return {name: np.concatenate([values[0::2], values[1::2]]) for name, values in arrays.items()}


def write_vectors(path, arrays):
    import awkward as ak

    def kind(values):
        return f"var * {values.dtype.name}" if values.ndim == 2 else values.dtype

    flat = {name: values.reshape(len(values), -1) if values.ndim > 2 else values for name, values in arrays.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {f"b{i}": kind(values) for i, values in enumerate(flat.values())})
        tree.extend({f"b{i}": ak.from_regular(values, None) for i, values in enumerate(flat.values())})
    return {f"b{i}": values for i, values in enumerate(flat.values())}


def write_ntuple(path, arrays):
    with uproot.recreate(path) as file:
        file.mkrntuple("t", {f"b{i}": values for i, values in enumerate(arrays.values())})
    return {f"b{i}": values for i, values in enumerate(arrays.values())}


def write_fits(path, arrays):
    plain = {name if name.isascii() else f"c{i}": a for i, (name, a) in enumerate(arrays.items())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy recommends plain names
        Table(plain).write(path)
    return plain


def write_parquet(path, arrays):
    pl.DataFrame({name: pl.Series(values) for name, values in arrays.items()}).write_parquet(path, row_group_size=7)
    return arrays


def write_lists(path, arrays):
    pl.DataFrame({name: pl.Series(values.tolist()) for name, values in arrays.items()}).write_parquet(path)
    return arrays


def write_csv(path, arrays):
    flat = {}
    for name, values in arrays.items():
        for index in np.ndindex(values.shape[1:]):
            column = values[(slice(None), *index)]
            flat[name + "".join(f"[{i}]" for i in index)] = column.astype("f8") if column.dtype == "f4" else column
    pl.DataFrame(flat).write_csv(path)
    return arrays


WRITERS = {
    "ttree.root": write_ttree,
    "vectors.root": write_vectors,
    "ntuple.root": write_ntuple,
    "table.fits": write_fits,
    "array.parquet": write_parquet,
    "list.parquet": write_lists,
    "text.csv": write_csv,
}


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 23))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layout = draw(
        st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(SHAPES), st.sampled_from(TYPES)), min_size=1,
                 max_size=5, unique_by=lambda column: column[0])
    )  # fmt: skip
    return {name: rng.uniform(0, 200, (rows, *shape)).astype(kind) for name, shape, kind in layout}


@pytest.mark.parametrize("container", WRITERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=tables(), chunk=st.sampled_from([5, 10**6]))
def test_the_numbers_are_those_that_were_stored(container, arrays, chunk, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / container
    wanted = {}
    for name, values in WRITERS[container](path, arrays).items():
        for index in np.ndindex(values.shape[1:]):
            wanted[name + "".join(f"[{i}]" for i in index)] = values[(slice(None), *index)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", chunk)
        frame = read_columns(path, None, list(wanted), exact=list(wanted))
        single = read_columns(path, None, list(wanted))
    assert frame.columns == sorted(wanted)
    for column, values in wanted.items():
        np.testing.assert_array_equal(frame[column].to_numpy(), values.astype(np.float64), column)
        np.testing.assert_array_equal(single[column].to_numpy(), values.astype(np.float32), column)


@pytest.mark.parametrize("container", WRITERS)
def test_the_listing_gives_the_shapes(container, tmp_path):
    rows = np.arange(12.0)
    arrays = {"time": rows, "rate": np.outer(rows, [1, 2, 3]), "grid": rows[:, None, None] + np.ones((2, 3))}
    WRITERS[container](tmp_path / container, arrays)
    entries, branches = list_branches(tmp_path / container, None)
    assert entries == 12
    shapes = [branch.shape for branch in branches]
    if container == "text.csv":
        assert shapes == [()] * 10
    elif container == "vectors.root":
        assert [shape for shape in shapes if shape] == [(3,), (6,)]
    else:
        assert shapes == [(), (3,), (2, 3)]


@pytest.mark.parametrize("container", WRITERS)
def test_a_misspelt_column_is_answered_with_the_nearest(container, tmp_path):
    WRITERS[container](tmp_path / container, {"temperature": np.arange(3.0)})
    ((_, (branch,)),) = [list_branches(tmp_path / container, None)]
    with pytest.raises(UserError, match=rf"no (branch|field|column) '{branch.name}x'.*{branch.name}"):
        read_columns(tmp_path / container, None, [f"{branch.name}x"])


@pytest.mark.parametrize("container", ["ttree.root", "table.fits", "array.parquet", "text.csv"])
def test_a_column_that_is_the_name_of_a_branch_is_that_branch(container, tmp_path):
    arrays = {"hk[0]": np.arange(3.0), "hk": np.arange(10.0, 16).reshape(3, 2), "x[y": np.ones(3)}
    if container == "text.csv":
        arrays["hk"] = arrays["hk"][:, 0]
    WRITERS[container](tmp_path / container, arrays)
    frame = read_columns(tmp_path / container, None, ["hk[0]", "x[y"])
    np.testing.assert_array_equal(np.sort(frame["hk[0]"]), [0, 1, 2])
    if container != "text.csv":
        frame = read_columns(tmp_path / container, None, ["hk[1]"])
        np.testing.assert_array_equal(np.sort(frame["hk[1]"]), [11, 13, 15])


def test_an_element_of_several_axes_is_named_by_all_of_them(tmp_path):
    write_ttree(
        tmp_path / "t.root", {"grid": np.arange(24.0).reshape(4, 3, 2), "thin": np.arange(12.0).reshape(4, 3, 1)}
    )
    assert read_columns(tmp_path / "t.root", None, ["grid[2][1]", "thin[1]"]).row(0) == (5, 1)
    for column, message in {
        "grid": "has 3 x 2 elements; name one, as grid[0][0]",
        "grid[1]": "has 3 x 2 elements; name one, as grid[1][0]",
        "grid[1][2]": "has 3 x 2 elements; there is no grid[1][2]",
        "grid[1][1][0]": "has 3 x 2 elements; there is no grid[1][1][0]",
    }.items():
        with pytest.raises(UserError) as refused:
            read_columns(tmp_path / "t.root", None, [column])
        assert str(refused.value) == f"{tmp_path / 't.root'}: branch 'grid' {message}"


def test_missing_numbers_and_dates_of_parquet_are_read(tmp_path):
    start = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "date": pl.Series([start, None]).cast(pl.Datetime("ns", "UTC")),
            "rate": pl.Series([[1, None], None], dtype=pl.Array(pl.Int64, 2)),
            "orbit": [{"glat": 4.5, "deep": {"x": 1}}, {"glat": None, "deep": {"x": 2}}],
            "name": ["a", "b"],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    columns = ["date", "orbit.deep.x", "orbit.glat", "rate[0]", "rate[1]"]
    read = read_columns(tmp_path / "t.parquet", "anything", columns, exact=columns)
    np.testing.assert_array_equal(
        read.to_numpy(), [[1600000000, 1, 4.5, 1, np.nan], [np.nan, 2, np.nan, np.nan, np.nan]]
    )
    assert tree_name(tmp_path / "t.parquet", None) == "t"
    with pytest.raises(UserError, match="column 'name' is a String, not a number"):
        read_columns(tmp_path / "t.parquet", None, ["name"])


@pytest.mark.parametrize("chunk", [2, 100])
def test_lists_of_varying_length_are_named_with_their_lengths(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    pl.DataFrame({"hits": [[1.0, 2.0]] * 150 + [[1.0], [1.0, 2.0, 3.0]]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"column 'hits' varies from 1 to 3"):
        read_columns(tmp_path / "t.parquet", None, ["hits[0]"])


CSV = {
    "plain.csv": "time,rate\n0,1.5\n1,\n2,-3e2\n",
    "blanks.csv": "time, rate\n 0, 1.5\n1, nan\n2,  -3e2\n",
    "comments.csv": "# made by hand\n# time,counts\ntime,rate\n0,1.5\n# gap\n1,NA\n2,-300\n",
    "semicolons.csv": "time;rate\n0;1.5\n1;\n2;-300\n",
    "windows.csv": "\ufefftime,rate\r\n0,1.5\r\n1,--\r\n2,-300\r\n",
    "tabs.tsv": "time\trate\n0\t1.5\n1\tnull\n2\t-300\n",
    "quotes.csv": '"time","rate"\n"0","1.5"\n"1",""\n"2","-300"\n',
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", CSV)
def test_text_is_read_as_it_is_written_around_the_world(tmp_path, name, zipped):
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(CSV[name].encode()) if zipped else CSV[name].encode())
    assert list_trees(path) == [name.partition(".")[0]]
    assert list_branches(path, None)[0] == 3
    frame = read_columns(path, None, ["time", "rate"], exact=["rate"])
    np.testing.assert_array_equal(frame.to_numpy(), [[1.5, 0], [np.nan, 1], [-300, 2]])


def test_dates_and_truths_of_text_are_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("t,day,up,who\n2020-09-13T12:26:40.25Z,2020-09-13 00:00:00,true,a\n,,false,b\n")
    frame = read_columns(tmp_path / "t.csv", None, ["t", "day", "up"], exact=["t", "day", "up"])
    np.testing.assert_array_equal(frame.to_numpy(), [[1599955200, 1600000000.25, 1], [np.nan, np.nan, 0]])
    assert [branch.shape for branch in list_branches(tmp_path / "t.csv", None)[1]] == [(), (), (), None]


def test_ecsv_of_astropy_is_read(tmp_path):
    table = Table({"time": np.arange(3.0), "hk temp": np.array([1, 2, 3])}, meta={"origin": "here"})
    for delimiter in (" ", ","):
        table.write(tmp_path / "t.ecsv", delimiter=delimiter, overwrite=True)
        frame = read_columns(tmp_path / "t.ecsv", None, ["time", "hk temp"])
        np.testing.assert_array_equal(frame.to_numpy(), [[1, 0], [2, 1], [3, 2]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1\n1,2\n", "holds numbers; write the names of the columns there"),
        ("time,rate\n" + "1,2\n" * 1500 + "2,much\n", "column 'rate' holds 'much' in row 1500, which is not a number"),
        ("time,rate\n" + "1,2\n" * 1500 + "2,3,4\n", "damaged or cut short"),
        ("time,rate\n", "is empty"),
        ("", "is empty"),
    ],
)
def test_text_that_cannot_be_read_is_told(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message) as refused:
        read_columns(tmp_path / "t.csv", None, ["rate"])
    assert "\n" not in str(refused.value)


def test_a_damaged_file_of_any_kind_is_told(tmp_path):
    arrays = {"time": np.arange(2000.0), "rate": np.random.default_rng(0).normal(size=(2000, 3))}
    for name in ("table.fits", "array.parquet"):
        WRITERS[name](tmp_path / name, arrays)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UserError, match="damaged or cut short"):
            read_columns(tmp_path / name, None, ["time"])
        (tmp_path / name).write_bytes(b"not of this kind")
        with pytest.raises(UserError, match="is not a (FITS|Parquet) file"):
            read_columns(tmp_path / name, None, ["time"])
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table(arrays))]).writeto(tmp_path / "t.fits")
    packed = gzip.compress((tmp_path / "t.fits").read_bytes())
    (tmp_path / "t.fits.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UserError, match="damaged or cut short"):
        read_columns(tmp_path / "t.fits.gz", None, ["time"])
    shutil.copy(tmp_path / "t.fits", tmp_path / "t.dat")
    with pytest.raises(UserError, match=r"t\.dat is not a ROOT file; .* or a file whose name ends in"):
        read_columns(tmp_path / "t.dat", None, ["time"])
