"""The exported file against the input, the run folder and the file that POLAR published."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import uproot

import polarbgb
from polarbgb.errors import UserError
from polarbgb.runfolder import RunFolder
from polarbgb.verbs.export import export

PUBLISHED = Path(__file__).resolve().parents[3] / "shared/data/published_intervals_seed42.root"
PAIR = ("cluster_inter_nf1rate", "negative_cluster_inter_nf1rate")
SET = re.compile(r"\d(_\d)*|#_inter_more_\d")


@pytest.fixture
def exported(results):
    with uproot.open(results.export.path) as file:
        yield file


def test_trees_are_trees(results, exported):
    classes = exported.classnames(cycle=False)
    assert classes.pop("meta") == "TObjString"
    assert set(classes) == {"pred_nf1rate", *PAIR, "events", "gti"} == set(results.export.trees)
    assert set(classes.values()) == {"TTree"}
    assert {name: exported[name].num_entries for name in classes} == results.export.trees


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
    np.testing.assert_array_equal(columns["pred_rate"], frame["pred"].to_numpy())
    dropped = columns["segment"] < 0
    assert dropped.any()
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
    searched = finished.config(["intervals.sigma=4", "trigger.far=30"])
    assert meta["config"] == searched.model_dump(mode="json")
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
    layout = json.loads((Path(__file__).resolve().parents[1] / "data/published_layout.json").read_text())
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
        with pytest.raises(UserError, match=r"must end in \.root"):
            export(copied, tmp_path / name)
    assert mission.read_bytes() == before


def test_a_full_disk_leaves_what_was_there(copied, monkeypatch, tmp_path):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    before = (copied / "export.root").read_bytes()
    monkeypatch.setattr("polarbgb.rootio.write.RootWriter.text", full)
    for path in (None, tmp_path / "new.root"):
        with pytest.raises(UserError, match=r"cannot write .*\.root: No space left on device"):
            export(copied, path)
    assert (copied / "export.root").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"copied"}
    assert not list(copied.path.glob(".*"))


def test_export_detects_if_nobody_did(copied):
    copied.forget("detect")
    assert export(copied).events == len(copied.read_frame("events.parquet"))
    assert copied.stage("detect") is not None


READ_BY_ROOT = """
import json, sys
import ROOT
ROOT.gROOT.SetBatch(True)
mission, path = sys.argv[1:]
file = ROOT.TFile.Open(mission)
tree = file.Get("nf1rate")
tree.AddFriend("pred_nf1rate", path)
exported = ROOT.TFile.Open(path)
events = ROOT.RDataFrame("events", path)
print(json.dumps({
    "drawn": tree.Draw("rate[0]-pred_nf1rate.pred_rate[0]", "pred_nf1rate.segment>=0", "goff"),
    "misaligned": tree.GetEntries("unix_time!=pred_nf1rate.unix_time"),
    "events": events.Count().GetValue(),
    "t_start": events.AsNumpy(["t_start"])["t_start"].tolist(),
    "intervals": exported.Get("cluster_inter_nf1rate").GetEntries(),
}))
"""


@pytest.mark.skipif(find_spec("ROOT") is None, reason="ROOT itself is not installed (pip install root)")
def test_root_itself_reads_it(results, mission):
    # In a process of its own: ROOT's compiler does not bear other compiled libraries beside it.
    command = [sys.executable, "-W", "ignore", "-c", READ_BY_ROOT, str(mission), str(results.export.path)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    assert told == {
        "drawn": results.fit.rows,
        "misaligned": 0,
        "events": results.export.events,
        "t_start": results.detect.events["t_start"].to_list(),
        "intervals": 2,
    }
