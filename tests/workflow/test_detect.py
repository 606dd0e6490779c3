"""What was put in is found where it was put; settings of the fit cannot change any more."""

import json

import numpy as np
import polars as pl
import pytest
import uproot

import polarbgb
from polarbgb.errors import UserError
from polarbgb.io.root_output import root_file
from polarbgb.runs.folder import SCHEMA, RunFolder
from polarbgb.workflow.detect import read_detector

CANDIDATES = ("candidates.parquet", "event_ranking.parquet", "ranking.json")


@pytest.fixture(scope="module")
def burst(finished, mission, small, tmp_path_factory):
    """A copy of the mission with three times the counts in 20 quiet rows, its fit, and the first and last of them."""
    frame = finished.read_frame("prediction.parquet")
    quiet = frame.with_columns(rate0=pl.col("rate").arr.get(4))
    length = quiet.group_by("segment").agg(pl.len(), pl.col("rate0").median(), pl.col("entry").first())
    row = int(length.filter(pl.col("len") > 1000).sort("rate0")["entry"][0]) + 500
    rows = slice(row, row + 20)
    with uproot.open(mission) as file:
        columns = file["nf1rate"].arrays(library="np")
    columns["rate"][rows] *= 3.0
    columns["rate_err"][rows] *= np.sqrt(3.0)  # N = (rate/err)^2 triples, live time = rate/err^2 stays
    folder = tmp_path_factory.mktemp("burst")
    with root_file(folder / "burst.root") as file:
        file.tree("nf1rate", columns)
    run = RunFolder(folder / "run")
    polarbgb.fit(small, run, path=folder / "burst.root")
    time = columns["unix_time"]
    return run, time[rows.start], time[rows.stop - 1]


def overlapping(events, start, stop):
    return events.filter((pl.col("t_start") <= stop) & (pl.col("t_stop") >= start))


def test_an_injected_burst_is_found_at_its_time_by_both_methods(burst, finished):
    run, start, stop = burst
    before = overlapping(finished.read_frame("events.parquet"), start - 10, stop + 10)
    assert len(before.filter(pl.col("significance") > 5)) == 0  # the place was quiet
    (event,) = overlapping(polarbgb.detect(run, method="published").events, start, stop).to_dicts()
    assert event["t_start"] == start
    assert event["t_stop"] == stop + 1.0
    assert event["rows"] == 20
    assert event["bins_flagged"] == "0_1_2_3_4_5"
    counts, background = np.array(event["counts"]), np.array(event["background"])
    assert (counts / background > 2).all()
    assert (counts / background < 4).all()
    searched = polarbgb.detect(run, far=10.0)
    (event,) = overlapping(searched.events, start, stop).to_dicts()
    assert event["t_start"] == pytest.approx(start, abs=1)
    assert event["t_stop"] == pytest.approx(stop + 1.0, abs=1)
    assert event["t90"] == pytest.approx(19.0, abs=1.1)  # 5 % of 20 rows are the first
    assert event["bins_flagged"] == "0_1_2_3_4_5"
    assert event["far"] == searched.events["far"].min()


def test_a_known_event_is_kept_out_of_training_and_matched(burst, settings, tmp_path):
    run, start, stop = burst
    (tmp_path / "known.csv").write_text(f"GRB_Name,unix_time,t90\nGRB X,{start - 15.0},20\nGRB far,{start - 4000.0},\n")
    config = polarbgb.load("configs/polar.toml", [*settings, f"known_events.file={tmp_path / 'known.csv'}"])
    own = RunFolder(tmp_path / "a")
    polarbgb.fit(config, own, path=run.path.parent / "burst.root")
    (tmp_path / "known.csv").unlink()  # the folder has its own
    found = polarbgb.detect(own, method="published")
    (event,) = overlapping(found.events, start, stop).to_dicts()
    assert (event["matched"], event["matched_dt"]) == ("GRB X", pytest.approx(15.0))
    assert found.known.filter(name="GRB X")["event"].to_list() == [event["name"]]
    assert found.known.filter(name="GRB far")["event"].to_list() == [None]


def test_a_lower_threshold_flags_at_least_as_much(results, copied):
    higher = copied.read_frame("clusters.parquet")
    lower = polarbgb.detect(copied, method="published", overrides=["intervals.sigma=3", "intervals.discard=0"])
    for sign in (1, -1):
        rows = [
            table.filter(kind="bin", sign=sign)["rows"].sum()
            for table in (copied.read_frame("clusters.parquet"), higher)
        ]
        assert rows[0] > rows[1] > 0
    assert lower.intervals["positive"].sum() >= results.detect.intervals["positive"].sum()
    assert copied.stage("detect")["intervals"]["sigma"] == 3
    assert copied.stage("detect")["method"] == "published"
    assert copied.config().intervals.sigma == 5  # the fit's own settings are left


def test_a_higher_false_alarm_rate_lists_at_least_as_much(copied):
    loose, strict = (polarbgb.detect(copied, far=far) for far in (10.0, 0.3))
    assert len(loose.events) > 0
    for start, stop in strict.events.select("t_start", "t_stop").iter_rows():
        assert len(loose.events.filter(pl.col("t_start") <= start, pl.col("t_stop") >= stop)) == 1
    for found, far in ((loose, 10.0), (strict, 0.3)):
        assert found.far == far
        assert found.least_far == pytest.approx(1 / found.days)
        assert (found.events["far"] <= max(far, found.least_far)).all()
        assert (found.events["far"] >= found.least_far).all()
        assert (found.events["far"].filter(found.events["far_limit"]) == found.least_far).all()
        assert (found.events["far_error"] <= found.events["far"]).all()
        assert found.events["probability"].is_between(0, 1).all()
        assert found.method == "focus"
    # Half a day supports no 0.3 a day: the list holds what nothing in the control ranks as high as.
    assert strict.least_far > 0.3
    assert strict.events["far_limit"].all()
    stage = copied.stage("detect")
    assert (stage["method"], stage["trigger"]["far"], stage["events"]) == ("focus", 0.3, len(strict.events))
    assert (stage["least_far"], stage["ranking"]) == (strict.least_far, strict.ranking)
    assert copied.config().trigger.far == 1.0


def test_the_false_alarm_rate_may_stand_in_the_settings(copied):
    one = polarbgb.detect(copied, far=10.0)
    other = polarbgb.detect(copied, overrides=["trigger.far=10"])
    assert one.events.equals(other.events)
    assert one.far == other.far == 10.0
    with pytest.raises(UserError, match="trigger.far"):
        polarbgb.detect(copied, far=0.0)


def test_candidates_are_written_and_hold_the_events(copied):
    found = polarbgb.detect(copied, far=30.0)
    assert {copied / name for name in CANDIDATES} <= set(found.files)
    candidates = copied.read_frame("candidates.parquet")
    usable = copied.read_frame("prediction.parquet")
    assert found.days == pytest.approx(len(usable) / 86_400)
    assert candidates["t_start"].is_in(usable["unix_time"].implode()).all()
    assert candidates["t_start"].is_sorted()
    listed = candidates.filter("listed")
    assert (listed["far"] <= 30.0).all()
    assert (candidates.filter(~pl.col("listed"))["far"] > 30.0).all()
    for event in found.events.iter_rows(named=True):
        inside = pl.col("t_start") >= event["t_start"], pl.col("t_stop") <= event["t_stop"]
        assert listed.filter(*inside)["ranking"].max() == event["ranking"]
    # The lower the false-alarm rate, the higher the ranking.
    assert candidates.sort("ranking", descending=True)["far"].is_sorted()


def test_too_few_orbits_are_ranked_by_significance_and_say_so(copied):
    found = polarbgb.detect(copied, far=30.0)
    assert found.ranking.startswith("significance: fewer than 32 orbits")
    candidates = copied.read_frame("candidates.parquet")
    # The noise of a scale is measured from as many samples as the half day holds: few at the longest scales.
    assert (candidates["ranking"] <= candidates["significance"] + 1e-6).all()
    assert (candidates["ranking"] > 0.6 * candidates["significance"]).all()
    assert (candidates["ranking"] / candidates["significance"]).median() > 0.98
    assert set(found.events["ranked_by"]) == {""}
    contributions = copied.read_frame("event_ranking.parquet")
    assert contributions["id"].to_list() == found.events["id"].to_list()
    assert (contributions.drop("id").to_numpy() == 0).all()
    stored = copied.read_json("ranking.json")
    assert stored["control"]["days"] == pytest.approx(found.days)
    assert stored["ranking"]["models"] == []


def test_a_damaged_ranking_is_told(copied):
    (copied / "ranking.json").write_text(f'{{"schema": {SCHEMA}, "ranking": {{}}}}')
    with pytest.raises(UserError, match=r"ranking\.json: not a ranking written by 'polarbgb detect'"):
        read_detector(copied, "ranking.json")


def test_the_published_method_has_no_false_alarm_rate(copied):
    found = polarbgb.detect(copied, method="published", overrides=["intervals.sigma=4"])
    assert (found.method, found.far, found.least_far, found.ranking) == ("published", None, None, "")
    more = found.intervals.filter(set="#_inter_more_3")
    assert len(found.events) == more["positive"].item()
    assert not {"far", "ranking", "probability", "t_trigger"} & set(found.events.columns)
    assert not {copied / name for name in CANDIDATES} & set(found.files)
    assert not any((copied / name).exists() for name in CANDIDATES)


def test_both_methods_write_the_same_clusters(copied):
    tables = []
    for method in ("focus", "published"):
        polarbgb.detect(copied, method=method)
        tables.append(copied.read_frame("clusters.parquet"))
    assert tables[0].equals(tables[1])


def test_flags_are_those_of_the_prediction(results, finished):
    pull = finished.read_frame("prediction.parquet")["pull"].to_numpy()
    everything = finished.read_frame("clusters.parquet").filter(kind="bin", sign=1)
    for number in range(6):
        flagged = np.flatnonzero(pull[:, number] > 4)  # as the shared run was searched
        mine = everything.filter(name=str(number))
        rows = np.concatenate([np.arange(a, b + 1) for a, b in mine.select("first", "last").iter_rows()])
        assert set(rows.tolist()) <= set(flagged.tolist())
        counted = results.detect.intervals.filter(set=str(number))["positive"].item()
        assert counted == len(mine) > 0


def test_only_what_is_searched_for_can_change(copied):
    before = (copied / "manifest.json").read_text()
    for text in ("model.n_estimators=3", "intervals.context=['sun']", "intervals.longest=9", "intervals", "name=X", ""):
        with pytest.raises(
            UserError, match=r"only \[trigger\], \[classes\] and some of \[intervals\] can change after the fit"
        ):
            polarbgb.detect(copied, overrides=[text])
    for text in ("intervals.sigma=-1", "intervals.sigmaa=3", "intervals.more_than=6", "trigger.fra=1", "trigger.far=0"):
        with pytest.raises(UserError):
            polarbgb.detect(copied, overrides=[text])
    assert (copied / "manifest.json").read_text() == before


def test_nothing_beyond_the_threshold_is_an_answer(copied):
    found = polarbgb.detect(copied, overrides=["intervals.sigma=1e6", "trigger.threshold=1e6"])
    assert copied.read_frame("candidates.parquet").is_empty()
    assert len(found.events) == 0
    assert found.intervals["positive"].sum() == found.intervals["negative"].sum() == 0
    exported = polarbgb.export(copied)
    assert "cluster_inter_nf1rate" not in exported.rows
    with uproot.open(exported.path) as file:
        assert file["events"].num_entries == 0
        assert json.loads(file["meta"])["stages"]["detect"]["events"] == 0
