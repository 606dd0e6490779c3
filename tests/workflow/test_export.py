"""The exported file against the input, the run folder and the file that POLAR published."""

import json
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import uproot
from astropy.io import fits
from astropy.table import Table

import polarbgb
from polarbgb.errors import UserError
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.export import export

PUBLISHED = Path(__file__).resolve().parents[3] / "shared/data/published_intervals_seed42.root"
PAIR = ("cluster_inter_nf1rate", "negative_cluster_inter_nf1rate")
DOCUMENTED = Path(__file__).resolve().parents[2] / "docs/export.md"
FORMATS = {
    "root": ".root", "rntuple": ".n.root", "fits": ".fits", "csv": ".csv", "ecsv": ".ecsv", "parquet": ".parquet",
    "gcn": "",
}  # fmt: skip
SET = re.compile(r"\d(_\d)*|#_inter_more_\d")


@pytest.fixture
def exported(results):
    with uproot.open(results.export.path) as file:
        yield file


def test_trees_are_trees(results, exported):
    classes = exported.classnames(cycle=False)
    assert classes.pop("meta") == "TObjString"
    assert set(classes) == {"pred_nf1rate", *PAIR, "events", "gti"} == set(results.export.rows)
    assert set(classes.values()) == {"TTree"}
    assert {name: exported[name].num_entries for name in classes} == results.export.rows


def test_the_prediction_is_a_friend_of_the_input(exported, finished, mission):
    with uproot.open(mission) as file:
        time = file["nf1rate"]["unix_time"].array(library="np")
    tree = exported["pred_nf1rate"]
    assert {branch.name: branch.typename for branch in tree.branches} == {
        "unix_time": "double", "pred_rate": "double[6]", "sigma": "float[6]", "pull": "float[6]",
        "quality": "uint32_t", "segment": "int32_t", "orbit": "int32_t", "fold": "int32_t",
    }  # fmt: skip
    columns = tree.arrays(library="np")
    np.testing.assert_array_equal(columns["unix_time"], time)
    frame = finished.read_frame("prediction.parquet")
    dropped = columns["segment"] < 0
    assert dropped.any()
    np.testing.assert_array_equal(np.flatnonzero(~dropped), frame["entry"])
    np.testing.assert_array_equal(columns["pred_rate"][~dropped], frame["pred"].to_numpy())
    for name in ("pred_rate", "sigma", "pull"):
        np.testing.assert_array_equal(np.isnan(columns[name]).any(axis=1), dropped)
    assert (columns["quality"][dropped] != 0).all()


def test_events_are_those_of_the_run_folder(exported, finished):
    frame = finished.read_frame("events.parquet")
    columns = exported["events"].arrays(library="np")
    assert list(columns) == frame.columns
    assert len(columns["id"]) == len(frame) > 0
    for name in ("t_start", "t_stop", "significance", "glat"):
        np.testing.assert_array_equal(columns[name], frame[name].to_numpy())
    assert columns["name"].tolist() == frame["name"].to_list()
    assert np.isnan(columns["matched_dt"]).all()  # no known burst lies in these days


def test_good_time_holds_every_usable_row_once(exported, results):
    gti = exported["gti"].arrays(library="np")
    columns = exported["pred_nf1rate"].arrays(["unix_time", "segment"], library="np")
    time = columns["unix_time"][columns["segment"] >= 0]
    assert (gti["stop"] > gti["start"]).all()
    assert (gti["start"][1:] >= gti["stop"][:-1]).all()
    place = np.searchsorted(gti["start"], time, side="right") - 1
    assert ((time >= gti["start"][place]) & (time < gti["stop"][place])).all()
    covered = (gti["stop"] - gti["start"]).sum()
    assert covered == pytest.approx(results.inspect.covered)
    assert covered == pytest.approx(len(time), rel=2e-3)  # rows of a second, a few of them a little longer


def test_the_provenance_is_json(exported, finished):
    meta = json.loads(exported["meta"])
    assert meta["polarbgb"] == polarbgb.__version__
    assert meta["bins"] == ["rate[0]", "rate[1]", "rate[5]", "rate[6]", "rate[10]", "rate[12]"]
    searched = finished.config(["intervals.sigma=4", "trigger.far=30"]).model_dump(mode="json")
    searched["input"]["path"], searched["known_events"]["file"] = ["nf1rate.root"], "known_events.csv"
    assert meta["config"] == searched
    assert str(finished.path.parent) not in exported["meta"]
    assert meta["stages"]["fit"]["input"]["file"] == "nf1rate.root"
    assert set(meta["stages"]) == {"tune", "fit", "detect"}
    assert meta["stages"]["fit"]["versions"]["uproot"] == uproot.__version__
    assert meta["stages"]["fit"]["input"]["sha256"] == finished.stage("fit")["input"]["sha256"]


def test_intervals_are_laid_out_as_published(exported):
    if not PUBLISHED.exists():
        pytest.skip(f"no {PUBLISHED}")
    with uproot.open(PUBLISHED) as published:
        for name in PAIR:
            theirs, mine = published[name], exported[name]
            assert exported.classnames(cycle=False)[name] == published.classnames(cycle=False)[name] == "TTree"
            assert mine.num_entries == theirs.num_entries == 2
            assert all(SET.fullmatch(key) for key in theirs.keys())  # the grammar is theirs
            assert all(SET.fullmatch(key) for key in mine.keys())
            for tree in (mine, theirs):
                for branch in tree.branches:
                    values = branch.array(library="np")
                    assert branch.typename == f"double[{values.shape[1]}]"
                    assert values.dtype == np.float64
                    assert values.shape == (2, values.shape[1])
                    assert (values[1] >= values[0]).all()
                    assert (np.diff(values[0]) > 0).all()
    frame = exported["pred_nf1rate"]["unix_time"].array(library="np")
    assert np.isin(exported[PAIR[0]]["#_inter_more_3"].array(library="np"), frame).all()


def test_the_layout_is_the_published_one(exported):
    # Names and types of the published trees, which a clone has without the file itself.
    layout = json.loads((Path(__file__).resolve().parents[1] / "io/published_layout.json").read_text())
    for name in PAIR:
        mine, theirs = exported[name], layout[name]
        assert mine.num_entries == theirs["entries"]
        names = [branch.name for branch in mine.branches]
        together = [name for name in names if name.startswith("#")]
        assert names[-len(together) :] == together  # pure sets first, then more than 0, 1, 2 and so on
        assert together == [name for name in theirs["branches"] if name in together]
        assert set(names) & set(theirs["branches"])
        number = re.compile(r"\d+(?=\])")
        assert {number.sub("N", branch.typename) for branch in mine.branches} == {
            number.sub("N", typename) for typename in theirs["branches"].values()
        }


def test_the_input_is_safe_wherever_one_stands(small, mission, tmp_path, monkeypatch):
    own = tmp_path / "m.root"
    shutil.copyfile(mission, own)
    before = own.read_bytes()
    monkeypatch.chdir(tmp_path)
    run = RunFolder(tmp_path / "a")
    polarbgb.fit(small, run, path=Path("m.root"))
    monkeypatch.chdir(run.path)
    with pytest.raises(UserError, match="is the input file; name another"):
        export(run, Path("../m.root"), overwrite=True)
    assert own.read_bytes() == before
    assert polarbgb.explain(run, rows=50).rows == 50  # the file is found from here too


def test_the_provenance_tells_the_intervals_that_were_searched(copied, tmp_path):
    polarbgb.detect(copied, far=12.0, overrides=["intervals.sigma=3", "trigger.threshold=4.5"])
    with uproot.open(export(copied, tmp_path / "out.root").path) as file:
        meta = json.loads(file["meta"])
    for searched in (meta["config"], meta["stages"]["detect"]):
        assert searched["intervals"]["sigma"] == 3
        assert searched["trigger"]["far"] == 12.0
        assert searched["trigger"]["threshold"] == 4.5
    assert meta["stages"]["detect"]["method"] == "focus"


def test_what_is_in_the_way_is_refused(copied, mission, tmp_path):
    there = tmp_path / "out.root"
    there.write_text("mine")
    with pytest.raises(UserError, match=r"out\.root exists; add --overwrite"):
        export(copied, there)
    assert there.read_text() == "mine"
    assert export(copied, there, overwrite=True).path == there
    with uproot.open(there) as file:
        assert file["pred_nf1rate"].num_entries > 0
    before = mission.read_bytes()
    (tmp_path / "link.root").symlink_to(mission)
    for path in (mission, tmp_path / "link.root"):
        with pytest.raises(UserError, match="is the input file; name another"):
            export(copied, path, overwrite=True)
    for name in ("out.txt", "out", "out.root.gz"):
        with pytest.raises(UserError, match=r"must end in \.csv, \.ecsv, \.fits, \.parquet, \.root; --format gcn"):
            export(copied, tmp_path / name)
    assert mission.read_bytes() == before


def test_a_full_disk_leaves_what_was_there(copied, monkeypatch, tmp_path):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    before = (copied / "export.root").read_bytes()
    monkeypatch.setattr("polarbgb.io.root_output.RootWriter.text", full)
    for path in (None, tmp_path / "new.root"):
        with pytest.raises(UserError, match=r"cannot write .*\.root: No space left on device"):
            export(copied, path)
    assert (copied / "export.root").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"copied"}
    assert [path.name for path in copied.path.glob(".*")] == [".lock"]


def test_export_detects_if_nobody_did(copied):
    copied.forget("detect")
    assert export(copied).events == len(copied.read_frame("events.parquet"))
    assert copied.stage("detect") is not None


def test_every_format_has_a_place_of_its_own_and_the_same_bytes_again(copied):
    def everything():
        made = [export(copied, format=name).path for name in FORMATS]
        assert all(path.parent == copied.path and path.name.startswith("export") for path in made)
        assert len(set(made)) == len(FORMATS)
        files = [file for path in made for file in (path.iterdir() if path.is_dir() else [path])]
        return {file: file.read_bytes() for file in files}

    first = everything()
    time.sleep(1.1)  # dates go by seconds
    assert everything() == first


@pytest.mark.parametrize("table", ["events", "prediction", "gti", "clusters", "candidates"])
def test_a_table_comes_back_in_every_format(copied, tmp_path, exported, table):
    told = export(copied, tmp_path / "one.parquet", table=table)
    frame = pl.read_parquet(told.path)
    assert told.rows == {table: len(frame)}
    if table == "gti":
        expected = exported["gti"].arrays(library="np")
        assert frame["start"].to_list() == expected["start"].tolist()
        assert frame["stop"].to_list() == expected["stop"].tolist()
    else:
        assert frame.equals(copied.read_frame(f"{table}.parquet"))
    wide = pl.read_csv(export(copied, tmp_path / "one.csv", table=table).path, infer_schema_length=None)
    for column, dtype in frame.schema.items():
        if isinstance(dtype, pl.Array):
            parts = np.column_stack([wide[f"{column}_{k}"].to_numpy() for k in range(dtype.size)])
            np.testing.assert_array_equal(parts.astype(frame[column].to_numpy().dtype), frame[column].to_numpy())
        elif dtype != pl.String:
            assert wide[column].cast(dtype).equals(frame[column], null_equal=True)
    assert not [name for name, dtype in wide.schema.items() if isinstance(dtype, pl.Array)]


def test_a_run_without_any_event_is_written_in_every_format(copied, tmp_path):
    copied.write_frame("events.parquet", copied.read_frame("events.parquet").clear())
    told = {name: export(copied, tmp_path / f"x{suffix}", format=name) for name, suffix in FORMATS.items()}
    assert {one.events for one in told.values()} == {0}
    assert "events" not in told["rntuple"].rows  # ROOT crashes on an RNTuple without entries
    assert told["root"].rows["events"] == told["fits"].rows["EVENTS"] == 0
    assert list(told["gcn"].path.iterdir()) == []
    assert len(pl.read_parquet(told["parquet"].path)) == len(pl.read_csv(told["csv"].path)) == 0
    for table in (Table.read(told["ecsv"].path), Table.read(told["fits"].path, hdu="EVENTS")):
        assert len(table) == 0
        assert table.colnames == copied.read_frame("events.parquet").columns
    with uproot.open(told["root"].path) as file:
        assert file["events"].num_entries == 0


def test_an_rntuple_holds_what_the_tree_holds(copied, tmp_path, exported):
    with uproot.open(export(copied, tmp_path / "n.root", format="rntuple").path) as file:
        kinds = file.classnames(cycle=False)
        assert kinds.pop("meta") == "TObjString"
        assert set(kinds.values()) == {"ROOT::RNTuple"}
        assert json.loads(file["meta"])["stages"] == json.loads(exported["meta"])["stages"]
        for name in kinds:
            tree = exported[name].arrays(library="np")
            fields = file[name].arrays()
            assert fields.fields == list(tree)
            for field, values in tree.items():
                assert_same(fields[field].to_list(), values.tolist())


def assert_same(one, other):
    if one and isinstance(one[0], str):
        assert one == other
    else:
        np.testing.assert_array_equal(one, other)


def test_the_light_curve_and_its_intervals_are_those_of_the_tree(copied, tmp_path, exported):
    path = export(copied, tmp_path / "x.fits").path
    tree = exported["pred_nf1rate"].arrays(library="np")
    usable = tree["segment"] >= 0
    light_curve, good = (Table.read(path, hdu=name) for name in ("RATE", "GTI"))
    np.testing.assert_array_equal(light_curve["TIME"], tree["unix_time"][usable])
    np.testing.assert_array_equal(light_curve["BACKV"], tree["pred_rate"][usable])
    np.testing.assert_array_equal(light_curve["PULL"], tree["pull"][usable])
    gti = exported["gti"].arrays(library="np")
    np.testing.assert_array_equal(good["START"], gti["start"])
    np.testing.assert_array_equal(good["STOP"], gti["stop"])
    header = fits.getheader(path)
    assert header["INFILE"] == "nf1rate.root"
    assert header["INSHA256"] == copied.stage("fit")["input"]["sha256"]
    assert str(tmp_path.parent).encode() not in path.read_bytes()  # whose machine it was is nobody's business


REFUSED = {
    "a format nobody knows": (
        "x.root",
        {"format": "hdf5"},
        "format 'hdf5' is not known; there are root, rntuple, fits",
    ),
    "a table nobody knows": ("x.csv", {"table": "shap"}, "table 'shap' is not known; there are events, prediction"),
    "a suffix of another format": (
        "x.fits",
        {"format": "csv"},
        r"x\.fits: the name of a file in format csv must end in",
    ),
    "a table of a file that holds all": ("x.fits", {"table": "gti"}, "--table goes with csv, ecsv, parquet"),
    "the run's own file": ("copied/events.parquet", {"overwrite": True}, "belongs to the run folder; name another"),
    "a folder that holds more": ("copied", {"format": "gcn", "overwrite": True}, "holds more than EV"),
    "a folder in the way": ("full", {"format": "gcn"}, "full exists; add --overwrite"),
    "no folder": ("file", {"format": "gcn", "overwrite": True}, "cannot write .*file: Not a directory"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_is_touched(copied, tmp_path, case):
    name, options, message = REFUSED[case]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/EV1.json").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=message):
        export(copied, tmp_path / name, **options)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_input_is_safe_in_every_format(copied, small, tmp_path):
    for name, suffix in FORMATS.items():
        link = tmp_path / f"link{suffix}"
        (source,) = copied.sources()
        link.hardlink_to(source)
        with pytest.raises(UserError, match="is the input file; name another"):
            export(copied, link, format=name, overwrite=True)


def test_candidates_are_asked_of_a_search_that_has_none(copied, tmp_path):
    polarbgb.detect(copied, method="published")
    with pytest.raises(UserError, match="published method, which has no candidates; run 'polarbgb detect"):
        export(copied, tmp_path / "x.csv", table="candidates")


def test_notices_are_replaced_as_a_whole(copied, tmp_path):
    folder = export(copied, tmp_path / "notices", format="gcn").path
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{name}.json" for name in copied.read_frame("events.parquet")["name"]}
    (folder / "EV000000.000.json").write_text("old")
    export(copied, folder, format="gcn", overwrite=True)
    assert {path.name for path in folder.iterdir()} == names


@pytest.fixture
def beside(copied, mission, tmp_path, monkeypatch):
    """A folder with the files that the documentation reads, and one stands in it."""
    for name in FORMATS:
        export(copied, format=name)
    folder = copied.path
    (folder / "nf1rate.root").symlink_to(mission)
    monkeypatch.chdir(folder)
    return folder


def lines_of(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("lines", lines_of("python"))
def test_the_lines_of_python_in_the_docs_read_it(beside, copied, lines):
    names = {}
    exec(compile(lines, str(DOCUMENTED), "exec"), names)  # noqa: S102 - our own documentation
    assert len([line for line in lines.splitlines() if line]) == 3
    events = names.get("events", names.get("notices"))
    length = len(events["id"]) if isinstance(events, dict) else len(events)
    assert length == len(copied.read_frame("events.parquet")) > 0
    if "made_from" in names:
        assert names["made_from"] == "nf1rate.root"
    if "per_day" in names:
        np.testing.assert_allclose(names["per_day"], copied.read_frame("events.parquet").sort("name")["far"])


needs_root = pytest.mark.skipif(find_spec("ROOT") is None, reason="ROOT itself is not installed (pip install root)")


@needs_root
@pytest.mark.parametrize("lines", [one for one in lines_of("cpp") if "fitsio" not in one and "arrow" not in one])
def test_the_lines_of_cpp_in_the_docs_read_it(beside, copied, lines):
    events = copied.read_frame("events.parquet")
    includes = "\n".join(re.findall(r"#include <.*?>", lines))
    body = lines.replace("EVENT.json", f"{events['name'][0]}.json")
    code = f"#include <fstream>\n{includes}\nvoid documented() {{\n{body}\n}}"
    told = by_root("import sys, ROOT; assert ROOT.gInterpreter.Declare(sys.argv[1]); ROOT.documented()", code)
    assert (events["name"][0] if "json" in lines else str(len(events))) in told


def by_root(code, *arguments):
    # In a process of its own: ROOT's compiler does not bear other compiled libraries beside it.
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


READ_BY_ROOT = """
import json, sys
import ROOT
ROOT.gROOT.SetBatch(True)
mission, trees, ntuples = sys.argv[1:]
file = ROOT.TFile.Open(mission)
tree = file.Get("nf1rate")
tree.AddFriend("pred_nf1rate", trees)
exported = ROOT.TFile.Open(trees)
events = exported.Get("events")
frames = [(ROOT.RDataFrame("events", path), ROOT.RDataFrame("pred_nf1rate", path)) for path in (trees, ntuples)]
print(json.dumps({
    "drawn": tree.Draw("rate[0]-pred_nf1rate.pred_rate[0]", "pred_nf1rate.segment>=0", "goff"),
    "misaligned": tree.GetEntries("unix_time!=pred_nf1rate.unix_time"),
    "scanned": events.Scan("name:class:matched:significance:counts[0]"),
    "unmatched": events.Draw("t_start", 'matched==""', "goff"),
    "t_start": [one.AsNumpy(["t_start"])["t_start"].tolist() for one, _ in frames],
    "counts": [one.Define("all", "Sum(counts)").Sum("all").GetValue() for one, _ in frames],
    "names": [
        [str(name) for name in one.Define("text", text).AsNumpy(["text"])["text"]]
        for (one, _), text in zip(frames, ("std::string(name.data())", "name"))
    ],
    "usable": [rows.Filter("segment >= 0 && pull[0] == pull[0]").Count().GetValue() for _, rows in frames],
    "intervals": [ROOT.RDataFrame("cluster_inter_nf1rate", path).Count().GetValue() for path in (trees, ntuples)],
    "gti": [exported.Get("gti").GetEntries(), ROOT.RDataFrame("gti", ntuples).Count().GetValue()],
}))
"""


@needs_root
def test_root_itself_reads_it(results, mission, tmp_path):
    ntuples = export(results.fit.run, tmp_path / "n.root", format="rntuple").path
    told = json.loads(by_root(READ_BY_ROOT, mission, results.export.path, ntuples).splitlines()[-1])
    events = results.detect.events
    assert told.pop("counts") == pytest.approx([events["counts"].to_numpy().sum()] * 2)
    assert told == {
        "drawn": results.fit.rows,
        "misaligned": 0,
        "scanned": len(events),
        "unmatched": len(events),
        "t_start": [events["t_start"].to_list()] * 2,
        "names": [events["name"].to_list()] * 2,
        "usable": [results.fit.rows] * 2,
        "intervals": [2, 2],
        "gti": [results.export.rows["gti"]] * 2,
    }


def test_tables_without_a_name_of_their_own_do_not_replace_each_other(copied):
    assert [polarbgb.export(copied, format="csv", table=table).path.name for table in (None, "events", "gti")] == [
        "export.csv",
        "export.csv",
        "export_gti.csv",
    ]


def test_a_file_of_ones_own_among_the_notices_is_kept(copied):
    mine = polarbgb.export(copied, format="gcn").path / "mine.txt"
    mine.write_text("mine")
    with pytest.raises(UserError, match="holds more than EV"):
        polarbgb.export(copied, format="gcn")
    assert mine.read_text() == "mine"
