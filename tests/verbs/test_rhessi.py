"""Another instrument by configuration alone: a real day of RHESSI, with a real flare in it."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import uproot

import polarbgb
from polarbgb.runfolder import RunFolder

FILE = Path(__file__).resolve().parents[3] / "shared/data/rhessi_20110404.root"
FLARE = [datetime(2011, 4, 4, 17, minute, second, tzinfo=UTC).timestamp() for minute, second in ((12, 46), (14, 18))]


def test_a_flare_is_found_in_a_day_of_rhessi(tmp_path):
    if not FILE.exists():
        pytest.skip(f"no {FILE}")
    config = polarbgb.load("configs/rhessi.toml", ["model.trees=40", "folds.count=4", "model.threads=1"])
    run = RunFolder(tmp_path / "run")
    fitted = polarbgb.fit(config, run, path=FILE)
    found = polarbgb.detect(run)
    flare = found.events.filter((pl.col("t_start") <= FLARE[1]) & (pl.col("t_stop") >= FLARE[0]))
    assert len(flare) >= 1
    more = found.intervals.filter(set="#_inter_more_1")
    assert more["positive"].item() > more["negative"].item()
    assert found.chosen == "#_inter_more_1"
    exported = polarbgb.export(run)
    with uproot.open(exported.path) as file, uproot.open(FILE) as source:
        tree = file["pred_rhessi"]
        assert tree["pred_rate"].typename == "double[9]"
        assert tree.num_entries == source["rhessi"].num_entries >= fitted.rows
        assert "cluster_inter_rhessi" in file
