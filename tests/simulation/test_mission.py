"""A mission as a reader of POLAR's file sees it."""

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import ppigrf
import pytest
import uproot

from polarbgb.errors import UserError
from polarbgb.simulation.mission import simulate
from polarbgb.simulation.truth import BINS

START = 1483525445.6197348
DAYS = 2.0
KNOWN = [("GRB_170207A", START + 900), ("GRB_long_ago", START - 1e6), ("GRB_later", START + 5e6)]

# Written out from the description of the real file, not taken from the code.
TYPES = {
    "unix_time": "double",
    "rate": "double[13]",
    "rate_err": "double[13]",
    "glat": "double",
    "glon": "double",
    "altitude": "double",
    "temperature": "float",
    "fe_cosmic": "float",
    "corrected": "double[1]",
    "correrr": "double[1]",
    "config": "int32_t",
    "raz": "double",
    "decz": "double",
    "rax": "double",
    "decx": "double",
    "is_orbit_up": "bool",
    "time_since_saa": "double",
    "crabarf": "double",
    "sun": "double",
    "sun_spot": "double",
    "B_r": "double",
    "B_theta": "double",
    "B_phi": "double",
}


def _arrays(path):
    with uproot.open(path) as file:
        return file["nf1rate"].arrays(library="np")


@pytest.fixture(scope="module")
def mission(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("mission") / "nf1rate.root", days=DAYS, seed=1, known=KNOWN)


@pytest.fixture(scope="module")
def rows(mission):
    return _arrays(mission.path)


@pytest.fixture(scope="module")
def truth(mission):
    return pl.read_parquet(mission.truth)


@pytest.fixture(scope="module")
def quiet(rows, truth):
    """Pairs of neighbours far from events, slips and steep slopes: rates and errors, (pairs, 2, 13)."""
    time, rate, error = rows["unix_time"], rows["rate"], rows["rate_err"]
    good = (rate[:, 12] > 0) & (rate[:, 12] < 4500) & (rate[:, 0] > 20 * error[:, 0])  # of 24: cuts no noise
    for start, stop in truth.select("start", "stop").iter_rows():
        good &= (time < start - 1) | (time > stop)
    first = np.arange(0, len(time) - 1, 2)
    first = first[good[first] & good[first + 1] & (time[first + 1] - time[first] < 1.1)]
    pairs = np.stack([first, first + 1], axis=1)
    return rate[pairs], error[pairs]


# The format


def test_has_the_branches_and_types_of_the_real_file_in_its_order(mission):
    with uproot.open(mission.path) as file:
        tree = file["nf1rate"]
        assert tree.classname == "TTree"
        assert [(name, tree[name].typename) for name in tree.keys()] == list(TYPES.items())
        assert tree.num_entries == mission.rows


def test_starts_with_the_real_file_and_ends_in_time(mission, rows):
    time = rows["unix_time"]
    assert time[0] == START == mission.start
    assert time[-1] < mission.stop == START + DAYS * 86400
    assert (np.diff(time) >= 1).all()


def test_two_thirds_of_the_time_are_live(mission, rows):
    assert mission.live == pytest.approx(0.64, abs=0.07)
    assert mission.live == pytest.approx(len(rows["unix_time"]) / (DAYS * 86400))


def test_anomaly_is_not_observed_and_time_runs_from_its_end(rows):
    field = np.sqrt(sum(rows[name] ** 2 for name in ("B_r", "B_theta", "B_phi")))
    assert field.min() > 23_300
    time, since = rows["unix_time"], rows["time_since_saa"]
    assert (since[:1000] == 0).all()  # unknown before the first pass
    running = (since[1:] > 0) & (since[:-1] > 0) & (since[1:] > since[:-1])
    np.testing.assert_allclose(np.diff(since)[running], np.diff(time)[running], atol=1.1)  # held on pairs
    after_gap = np.flatnonzero((np.diff(time) > 300) & (np.diff(time) < 2000)) + 1
    assert len(after_gap) >= 6
    assert (since[after_gap] < 4).all()


def test_housekeeping_is_held_on_pairs_of_rows_and_rates_are_not(rows):
    change = np.flatnonzero(np.diff(rows["glat"]) != 0)
    runs = np.diff(change)
    assert runs.max() == 2
    assert (runs == 2).mean() > 0.99  # a gap may leave one alone
    for name in ("glon", "B_r", "fe_cosmic", "temperature", "decz"):
        assert (np.diff(change[np.isin(change, np.flatnonzero(np.diff(rows[name]) != 0))]) >= 1).all()
        assert not np.setdiff1d(np.flatnonzero(np.diff(rows[name]) != 0), change).size
    assert (np.diff(rows["rate"][:, 12]) != 0).mean() > 0.99


def test_constants_and_ranges_are_those_of_the_real_file(rows):
    assert (rows["config"] == 42).all()
    assert (rows["correrr"] == 0).all()
    for name, low, high in [
        ("raz", 0, 360),
        ("rax", 0, 360),
        ("decz", -53.9, 53.9),
        ("altitude", 369, 391.1),
        ("temperature", 15.6, 39.1),
        ("glon", -180, 180),
        ("glat", -42.8, 42.8),
        ("fe_cosmic", 0, 27_000),
        ("B_r", -43_000, 51_500),
        ("B_theta", -35_000, -8_500),
        ("B_phi", -11_000, 8_600),
        ("sun", 1, 97),
        ("sun_spot", 66, 90),
    ]:
        assert low <= rows[name].min() <= rows[name].max() <= high, name
    tenths = rows["temperature"].astype(float) * 10
    np.testing.assert_allclose(tenths, np.round(tenths), atol=1e-3)


def test_field_is_igrf_at_the_place_of_the_row(rows):
    some = np.linspace(0, len(rows["glat"]) - 1, 60).astype(int)
    glat, glon, altitude = (rows[name][some] for name in ("glat", "glon", "altitude"))
    want = np.array(ppigrf.igrf_gc(6371.2 + altitude, 90 - glat, glon, datetime(2017, 1, 4)))[:, 0]
    got = np.stack([rows[name][some] for name in ("B_r", "B_theta", "B_phi")])
    assert np.abs(got - want).max() < 12  # nT


def test_latitude_grows_where_the_orbit_goes_up(rows):
    step, gap = np.diff(rows["glat"]), np.diff(rows["unix_time"])
    moving = (step != 0) & (gap < 1.1) & (np.abs(rows["glat"][1:]) < 42.7)
    np.testing.assert_array_equal(rows["is_orbit_up"][1:][moving], step[moving] > 0)


# The rates


def test_quiet_equator_has_the_rates_of_the_real_file(rows):
    calm = (np.abs(rows["glat"]) < 10) & (rows["rate"][:, 12] > 0)
    middle = np.median(rows["rate"][calm], axis=0)
    for number, low, high in [(0, 600, 750), (1, 400, 500), (5, 2400, 2900), (6, 2000, 2400), (12, 2700, 3200)]:
        assert low < middle[number] < high, number


def test_counts_are_whole_and_one_live_time_serves_all_bins(rows):
    rate, error = rows["rate"], rows["rate_err"]
    some = (rate > 0).all(axis=1)
    counts = (rate[some] / error[some]) ** 2
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-5)
    live = rate[some] / error[some] ** 2
    np.testing.assert_allclose(live, np.tile(live[:, :1], 13), rtol=1e-9)
    calm = np.abs(rate[some][:, 12] - 3500) < 200
    assert np.median(live[calm, 0]) == pytest.approx(0.95, abs=0.002)


def test_bins_are_nested(rows):
    rate = rows["rate"]
    for inner, outer in [(1, 0), (4, 3), (0, 5), (4, 9), (6, 5), (5, 12), (12, 10), (11, 10)]:
        assert (rate[:, inner] <= rate[:, outer]).all(), (inner, outer)


def test_neighbours_differ_by_poisson_noise(quiet):
    rate, error = quiet
    assert len(rate) > 30_000
    pull = (rate[:, 1] - rate[:, 0]) / np.sqrt((error**2).sum(axis=1))
    # Chi-square: the variance of so many pulls is known to .8 %, and errors from observed counts add 1/N.
    np.testing.assert_allclose(pull.var(axis=0)[[0, 1, 5, 6, 10, 12]], 1, atol=0.03)


def test_noise_of_nested_bins_is_correlated_as_shared_counts_imply(quiet):
    rate, _ = quiet
    noise, mean = rate[:, 1] - rate[:, 0], rate.mean(axis=(0, 1))
    for inner, outer in [(1, 0), (0, 5), (6, 5), (5, 12), (12, 10)]:
        want = np.sqrt(mean[inner] / mean[outer])
        assert np.corrcoef(noise[:, inner], noise[:, outer])[0, 1] == pytest.approx(want, abs=0.02)


def test_humps_follow_the_latitude_and_the_anomaly_leaves_activation(rows):
    rate, glat, since = rows["rate"][:, 12], np.abs(rows["glat"]), rows["time_since_saa"]
    assert 1.15 < np.median(rate[glat > 38]) / np.median(rate[glat < 10]) < 3
    low = glat < 15
    soon, late = (low & (since > a) & (since < b) for a, b in ((400, 1000), (4000, 20000)))
    assert np.median(rate[soon]) - np.median(rate[late]) > 50


def test_spoiled_rows_are_as_rare_as_in_the_real_file(rows):
    rate, error = rows["rate"], rows["rate_err"]
    dead = rate[:, 0] == 0
    assert ((rate[dead] == 0) & (error[dead] == 0)).all()
    assert 5 <= dead.sum() <= 80  # 33 expected
    weak = ~dead & (rate[:, 0] <= 20 * error[:, 0])
    assert 4 <= weak.sum() <= 60  # 22 expected


# The truth


def test_truth_holds_what_was_known_and_covered(truth, mission):
    assert truth.height == mission.events
    known = truth.filter(pl.col("kind") == "known")
    assert known["name"].to_list() == ["GRB_170207A"]
    assert known["start"][0] < START + 900 < known["stop"][0]
    assert truth["start"].is_sorted()
    assert (truth["rows"] > 0).all()


def test_injected_counts_are_the_excess_over_a_mission_without_them(tmp_path, rows, truth):
    other = _arrays(simulate(tmp_path / "b.root", days=0.1, seed=1).path)
    event = truth.filter(pl.col("kind") == "known").to_dicts()[0]

    def counts(arrays):
        inside = (arrays["unix_time"] > event["start"] - 1) & (arrays["unix_time"] < event["stop"])
        safe = np.where(arrays["rate_err"] > 0, arrays["rate_err"], 1)
        live = arrays["rate"][inside, 12] / safe[inside, 12] ** 2
        return ((arrays["rate"] / safe)[inside] ** 2).sum(axis=0), live.sum(), int(inside.sum())

    (with_it, live, n), (without, live_without, m) = counts(rows), counts(other)
    assert n == m == event["rows"]
    for number in BINS:
        background = without[number] * live / live_without
        excess, injected = with_it[number] - background, event[f"counts_{number}"]
        noise = np.sqrt(2 * background)
        assert excess == pytest.approx(injected, abs=4 * noise)
        assert injected > 20 * noise  # or the line above would say nothing
        assert event[f"significance_{number}"] > 20


def test_significance_is_what_the_file_shows_over_its_surroundings(rows, truth):
    event = truth.filter(pl.col("kind") == "known").to_dicts()[0]
    alive = rows["rate_err"][:, 0] > 0
    time, rate, error = rows["unix_time"][alive], rows["rate"][alive, 0], rows["rate_err"][alive, 0]
    begin, end = event["t90_start"], event["t90_start"] + event["t90"]
    inside = (time + 1 > begin) & (time < end)
    around = ((time > begin - 60) & (time < event["start"] - 1)) | (
        (time > event["stop"]) & (time < event["stop"] + 60)
    )
    counts = ((rate / error)[inside] ** 2).sum()
    background = rate[around].mean() * (rate / error**2)[inside].sum()
    want = np.sqrt(2 * (counts * np.log(counts / background) - counts + background))
    assert event["significance_0"] == pytest.approx(want, rel=0.1)


def test_flares_and_bursts_come_about_once_a_day(tmp_path):
    truth = pl.read_parquet(simulate(tmp_path / "week.root", days=7, seed=4).truth)
    strong = truth.filter(pl.col("significance_12") > 5)
    for kind in ("burst", "flare"):
        assert 2 <= strong.filter(pl.col("kind") == kind).height <= 15
    assert truth["significance_0"].is_finite().all()


# The same again, and what cannot be


@pytest.mark.parametrize("days", [1 / 24, 1.2])
def test_a_shorter_mission_is_the_beginning_of_a_longer_one(tmp_path, rows, days):
    short = simulate(tmp_path / "short.root", days=days, seed=1, known=KNOWN)
    for name, values in _arrays(short.path).items():
        np.testing.assert_array_equal(values, rows[name][: short.rows], err_msg=name)
    beyond = rows["unix_time"][short.rows]
    assert beyond >= short.stop


def test_an_hour_is_a_mission(tmp_path):
    hour = simulate(tmp_path / "made/on/the/way/hour.root", days=1 / 24, seed=3)
    assert 2000 < hour.rows <= 3600
    assert hour.truth == tmp_path / "made/on/the/way/hour.truth.parquet"
    assert pl.read_parquet(hour.truth).height == hour.events


def test_the_shortest_mission_has_rows(tmp_path):
    assert simulate(tmp_path / "a.root", days=1e-4, seed=0).rows == 9


def test_another_seed_gives_another_mission(tmp_path, rows):
    other = _arrays(simulate(tmp_path / "a.root", days=0.02, seed=2).path)
    assert (other["rate"][:, 12] == rows["rate"][: len(other["rate"]), 12]).mean() < 0.05


@pytest.mark.parametrize("days", [0.0, -1.0, 1e-9, 3650.1, float("inf"), float("nan")])
def test_refuses_lengths_that_make_no_sense(tmp_path, days):
    with pytest.raises(UserError, match=r"cannot simulate .* days; give --days from 0\.0001 to 3650"):
        simulate(tmp_path / "a.root", days=days, seed=0)
    assert not list(tmp_path.iterdir())


def test_refuses_a_negative_seed(tmp_path):
    with pytest.raises(UserError, match="seed -1 is negative"):
        simulate(tmp_path / "a.root", days=1, seed=-1)


def test_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        simulate(tmp_path / "file/a.root", days=0.01, seed=0)
    for folder in (tmp_path, Path()):
        with pytest.raises(UserError, match="is a folder"):
            simulate(folder, days=0.01, seed=0)
    (tmp_path / "a.truth.parquet").mkdir()
    with pytest.raises(UserError, match=r"a\.truth\.parquet"):
        simulate(tmp_path / "a.root", days=0.01, seed=0)
    assert not (tmp_path / "a.root").exists()


def test_an_interruption_leaves_the_old_files(tmp_path):
    def interrupted(steps, *, label, total):
        del label, total
        yield from list(steps)[:1]
        raise KeyboardInterrupt

    simulate(tmp_path / "a.root", days=0.01, seed=0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"a.root", "a.truth.parquet"}
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "a.root", days=0.01, seed=5, track=interrupted)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
