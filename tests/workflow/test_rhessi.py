"""Another instrument by configuration alone: two real days of RHESSI, and the flares that others list on them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import uproot

import polarbgb
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.results.detect import DetectResult

DATA = Path(__file__).resolve().parents[3] / "shared/data"
LIST = DATA / "rhessi_flares.csv"
SLACK = 30.0
"""s from the peak of a flare to an event."""


@dataclass(frozen=True)
class Day:
    """What is found on a day, and which flares it had.

    Attributes:
        file: that was searched.
        found: by `detect` at the configuration's own settings.
        peaks: (flares,) unix s.
        near: (flares, events) whether an event lies within 30 s of the peak.
    """

    file: Path
    found: DetectResult
    peaks: np.ndarray
    near: np.ndarray


def searched(date, folder):
    """Fit and search a day at the configuration's own settings."""
    file = DATA / f"rhessi_{date}.root"
    for needed in (file, LIST):
        if not needed.exists():
            pytest.skip(f"real data are absent: no {needed}")
    run = RunFolder(folder / "run")
    polarbgb.fit(polarbgb.load("configs/rhessi.toml"), run, path=file)
    found = polarbgb.detect(run)
    with uproot.open(file) as source:
        time = source["rhessi"]["unix_time"].array(library="np")
    peaks = pl.read_csv(LIST)["unix_time_peak"].cast(pl.Float64).to_numpy()
    peaks = peaks[(peaks >= time.min()) & (peaks <= time.max())]
    start, stop = (found.events[edge].to_numpy() for edge in ("t_start", "t_stop"))
    near = (start <= peaks[:, None] + SLACK) & (stop >= peaks[:, None] - SLACK)
    return Day(file, found, peaks, near)


@pytest.fixture(scope="module")
def active(tmp_path_factory):
    """2011-04-04, with flares in every orbit."""
    return searched("20110404", tmp_path_factory.mktemp("active"))


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """2006-11-17, with three flares."""
    return searched("20061117", tmp_path_factory.mktemp("calm"))


def assert_found(day, flares, least, others):
    """At least so many of the flares are found, most are called so, and few events match none."""
    assert len(day.peaks) == flares
    hit = day.near.any(axis=1)
    assert hit.sum() >= least
    assert (~day.near.any(axis=0)).sum() <= others
    called = (day.near & (day.found.events["class"] == "solar flare").to_numpy()).any(axis=1)
    assert called.sum() >= 0.8 * hit.sum()


def test_most_flares_of_an_active_day_are_found_and_called_so(active):
    assert_found(active, flares=18, least=14, others=12)


def test_all_flares_of_a_calm_day_are_found_and_called_so(calm):
    assert_found(calm, flares=3, least=3, others=8)


def test_the_day_is_exported_as_any_other(active):
    exported = polarbgb.export(active.found.run)
    assert active.found.chosen == "#_inter_more_1"
    with uproot.open(exported.path) as file, uproot.open(active.file) as source:
        tree = file["pred_rhessi"]
        assert tree["pred_rate"].typename == "double[9]"
        assert tree.num_entries == source["rhessi"].num_entries
        assert "cluster_inter_rhessi" in file
