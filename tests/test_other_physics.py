"""The missions of benchmarks/other_physics.py."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import uproot

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from other_physics import write
from other_transients import burst_shares, draw_event, oracle

from polarbgb.simulation.day import BRANCHES

DAYS = 0.25


@pytest.fixture(scope="module")
def missions(tmp_path_factory):
    """Write the same mission twice, one of another seed, and one without events."""
    folder = tmp_path_factory.mktemp("missions")
    for name, seed, quiet in (("one", 3, False), ("same", 3, False), ("other", 4, False), ("quiet", 3, True)):
        write(folder / f"{name}.root", days=DAYS, seed=seed, quiet=quiet)
    return folder


def rows(path):
    with uproot.open(path) as file:
        return file["nf1rate"].arrays(library="np")


def test_file_has_the_branches_of_the_main_simulation(missions):
    columns = rows(missions / "one.root")
    assert tuple(columns) == BRANCHES
    assert columns["rate"].shape[1] == 13
    assert columns["is_orbit_up"].dtype == bool
    assert {name for name, values in columns.items() if values.dtype == np.float32} == {"temperature", "fe_cosmic"}
    assert all(np.isfinite(values).all() for values in columns.values())
    assert (np.diff(columns["unix_time"]) >= 1).all()


def test_bins_are_nested_and_their_errors_are_those_of_counts(missions):
    columns = rows(missions / "one.root")
    rate, error = columns["rate"], columns["rate_err"]
    for inner, outer in [(0, 5), (5, 10), (12, 10), (11, 9), *((k, k - 1) for k in (1, 2, 3, 4, 6, 7, 8, 9))]:
        assert (rate[:, inner] <= rate[:, outer] + 1e-9).all(), (inner, outer)
    counted = error[:, 0] > 0
    counts = (rate[counted] / error[counted]) ** 2
    live = counts / rate[counted]
    np.testing.assert_allclose(counts, counts.round(), rtol=1e-9)
    np.testing.assert_allclose(live, live[:, :1].repeat(13, axis=1), rtol=1e-9)


def test_a_seed_gives_one_mission_and_another_seed_gives_another_orbit(missions):
    one, same, other = (rows(missions / f"{name}.root") for name in ("one", "same", "other"))
    for name, values in one.items():
        np.testing.assert_array_equal(values, same[name], err_msg=name)
    assert abs(one["glat"][0] - other["glat"][0]) > 1e-3


def test_events_lie_in_the_file_and_a_quiet_sky_has_none(missions):
    time = rows(missions / "one.root")["unix_time"]
    truth = pl.read_parquet(missions / "one.truth.parquet")
    assert truth.height > 0
    assert (truth["start"].is_in(time)).all()
    assert ((truth["stop"] - 1).to_numpy() <= time[-1]).all()
    assert (truth["stop"] > truth["start"]).all()
    quiet = pl.read_parquet(missions / "quiet.truth.parquet")
    assert quiet.is_empty()
    assert quiet.schema == truth.schema


def test_quiet_sky_has_the_background_of_the_mission_with_events(missions):
    one, quiet = (rows(missions / f"{name}.root") for name in ("one", "quiet"))
    np.testing.assert_array_equal(one["unix_time"], quiet["unix_time"])
    assert np.median(one["rate"][:, 12] / np.maximum(quiet["rate"][:, 12], 1)) == pytest.approx(1, abs=0.01)


def test_bursts_are_mostly_photons_in_a_single_bar():
    rng = np.random.default_rng(0)
    for _ in range(20):
        shares = burst_shares(1.0, rng)
        assert (shares >= 0).all()
        assert shares[:5].sum() == pytest.approx(1)
        assert 0.3 < 1 / shares[:12].sum() < 1


@pytest.mark.parametrize("kind", ["long_burst", "flare", "particles", "telemetry_spike", "gain_step", "sag"])
def test_events_change_the_rates_between_start_and_stop_alone(kind):
    event = draw_event(kind, 1000.0, np.random.default_rng(1))
    time = np.arange(900.0, event.stop + 100)
    change = event.change(time, np.full((len(time), 13), 100.0), np.ones(len(time), bool))
    outside = (time + 1 <= event.start) | (time >= event.stop)
    assert np.abs(change[outside]).max() < 1e-9
    assert np.abs(change).max() > 0


def test_oracle_finds_the_best_run_of_rows():
    signal = np.zeros((50, 2))
    signal[20:24, 1] = 25.0
    assert oracle(signal, np.full((50, 2), 100.0)) == pytest.approx(100 / np.sqrt(400))
    assert oracle(-signal, np.full((50, 2), 100.0)) == pytest.approx(-5)
