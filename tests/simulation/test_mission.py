"""A mission as a reader of POLAR's file sees it."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import ppigrf
import pytest
import uproot

from polarbgb.config import load
from polarbgb.data.known_events import known_events
from polarbgb.errors import UserError
from polarbgb.simulation import telemetry
from polarbgb.simulation.field import igrf
from polarbgb.simulation.mission import simulate
from polarbgb.simulation.population import occasions
from polarbgb.simulation.recipe import recipe
from polarbgb.simulation.truth import MODELLED

START = 1483525445.6197348
DAYS = 2.0
KNOWN = [("GRB_170207A", START + 900), ("GRB_long_ago", START - 1e6), ("GRB_later", START + 5e6)]
QUIET = ("long_bursts", "short_bursts", "flares", "particles", "saa_edges", "sags", "gain_steps", "telemetry_spikes")
NO_EVENTS = recipe([f"{name}=0" for name in (*QUIET, "crab_steps")])

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


def _counts(arrays, rows):
    error = arrays["rate_err"][rows]
    return np.divide(arrays["rate"][rows], error, out=np.zeros_like(error), where=error > 0) ** 2


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


def test_live_share_is_that_of_what_was_written(mission, rows):
    assert mission.live == pytest.approx(len(rows["unix_time"]) / (DAYS * 86400))


def test_nearly_two_thirds_of_the_whole_mission_are_live():
    # Rows of POLAR's file over its 71.98 days; 16 draws of the gaps, for each varies by some percent.
    triggers = known_events(load("configs/polar.toml").known_events)["time"].to_list()
    field = igrf(START)
    when = occasions(field, START, START + 71.98 * 86400)
    shares = []
    for seed in range(16):
        holes = telemetry.holes(START, 73, triggers, np.random.default_rng(seed))
        shares.append((~when.off & ~telemetry.within(when.time, holes)).mean())
    assert np.mean(shares) == pytest.approx(3_956_646 / (71.98 * 86400), abs=0.02)


def test_anomaly_is_not_observed_and_time_runs_from_its_rim(rows):
    field = np.sqrt(sum(rows[name] ** 2 for name in ("B_r", "B_theta", "B_phi")))
    time, since = rows["unix_time"], rows["time_since_saa"]
    assert (since[field < 25_400] == 0).all()  # from the edge to the rim, nT
    assert (since[:1000] == 0).all()  # unknown before the first pass
    running = (since[1:] > 0) & (since[:-1] > 0) & (since[1:] > since[:-1])
    running &= np.convolve(np.diff(time) > 1.1, [1, 1, 1], "same") == 0
    np.testing.assert_allclose(np.diff(since)[running], np.diff(time)[running], atol=1.1)  # held on pairs
    passes = np.flatnonzero((np.diff(time) > 300) & (np.diff(time) < 2000))
    assert len(passes) >= 6
    np.testing.assert_allclose(field[passes], field.min(), rtol=0.004)
    np.testing.assert_allclose(field[passes + 1], field.min(), rtol=0.004)


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
        ("altitude", 369, 393),
        ("temperature", 15.6, 39.1),
        ("glon", -180, 180),
        ("glat", -42.8, 42.8),
        ("fe_cosmic", 0, 31_000),
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
    for number in MODELLED:
        background = without[number] * live / live_without
        excess, injected = with_it[number] - background, event[f"counts_{number}"]
        noise = np.sqrt(2 * background)
        assert excess == pytest.approx(injected, abs=4 * noise)
        assert injected > 5 * noise  # or the line above would say nothing
        assert event[f"significance_{number}"] > 15


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


def test_every_kind_of_event_is_in_the_truth_when_asked_for(tmp_path):
    often = recipe([f"{name}=12" for name in (*QUIET, "crab_steps")])
    truth = pl.read_parquet(simulate(tmp_path / "day.root", days=1, seed=2, recipe=often).truth)
    kinds = truth.group_by("kind").agg(pl.col("significance_12").alias("sigma"))
    kinds = dict(kinds.iter_rows())
    assert set(kinds) == {
        *("burst", "short_burst", "flare", "particles", "saa_edge", "sag"),
        *("gain_step", "telemetry_spike", "crab_step"),
    }
    assert max(kinds["sag"]) < 0 < min(kinds["telemetry_spike"])
    assert np.median(kinds["flare"]) > 5 < np.median(kinds["crab_step"])
    assert np.max(np.abs(kinds["gain_step"])) > 10
    assert truth["significance_0"].is_finite().all()


def test_without_events_there_is_no_truth_and_the_rest_is_the_same(tmp_path, rows, truth):
    calm = simulate(tmp_path / "calm.root", days=DAYS, seed=1, recipe=NO_EVENTS)
    assert pl.read_parquet(calm.truth).is_empty()
    other = _arrays(calm.path)
    np.testing.assert_array_equal(other["unix_time"], rows["unix_time"])
    away = np.ones(len(rows["unix_time"]), bool)
    for start, stop in truth.select("start", "stop").iter_rows():
        away &= (rows["unix_time"] < start - 2) | (rows["unix_time"] > stop + 2)
    for name, values in rows.items():
        if name != "crabarf":
            np.testing.assert_array_equal(other[name][away], values[away], err_msg=name)


def test_a_sag_takes_the_counts_that_the_truth_says(tmp_path):
    sagging = recipe([f"{name}=0" for name in QUIET if name != "sags"] + ["crab_steps=0", "sags=3"])
    calm, sag = (
        simulate(tmp_path / f"{name}.root", days=1, seed=5, recipe=one)
        for name, one in (("calm", NO_EVENTS), ("sag", sagging))
    )
    without, with_it = _arrays(calm.path), _arrays(sag.path)
    for event in pl.read_parquet(sag.truth).iter_rows(named=True):
        inside = (with_it["unix_time"] > event["start"] - 1) & (with_it["unix_time"] < event["stop"])
        before, after = (_counts(rows, inside)[:, 12].sum() for rows in (without, with_it))
        # The live time is a little longer at the lower rate, and by that more of the background is counted.
        assert after - before == pytest.approx(event["counts_12"], rel=0.05, abs=0.02 * before)
        assert event["counts_12"] < -100


def test_an_untold_crab_is_in_the_rates_and_not_in_its_column(tmp_path):
    often = recipe([f"{name}=0" for name in QUIET] + ["crab_steps=20"])
    written = simulate(tmp_path / "crab.root", days=1, seed=1, recipe=often)
    rows = _arrays(written.path)
    told = _arrays(simulate(tmp_path / "told.root", days=1, seed=1, recipe=NO_EVENTS).path)
    event = pl.read_parquet(written.truth).sort("rows").to_dicts()[-1]
    inside = (rows["unix_time"] > event["start"] + 4) & (rows["unix_time"] < event["stop"] - 4)
    assert (rows["crabarf"][inside] == 0).all()
    assert (told["crabarf"][inside] > 0.5).all()
    assert rows["rate"][inside, 0].mean() == pytest.approx(told["rate"][inside, 0].mean(), rel=0.005)


def test_front_end_sees_a_burst_by_its_leak_alone(tmp_path):
    blind, leaky = (
        _arrays(
            simulate(
                tmp_path / f"{leak}.root",
                days=0.03,
                seed=1,
                known=KNOWN,
                quirks="none",
                recipe=NO_EVENTS.model_copy(update={"leak": leak}),
            ).path
        )
        for leak in (0.0, 0.5)
    )
    inside = (blind["unix_time"] > START + 895) & (blind["unix_time"] < START + 950)
    extra = (leaky["fe_cosmic"] - blind["fe_cosmic"])[inside].sum()
    assert extra > 2000  # of half of some 30,000 counts
    calm = _arrays(simulate(tmp_path / "calm.root", days=0.03, seed=1, quirks="none", recipe=NO_EVENTS).path)
    np.testing.assert_array_equal(blind["fe_cosmic"], calm["fe_cosmic"])


# The quirks


def test_without_quirks_there_is_no_flaw(tmp_path):
    rows = _arrays(simulate(tmp_path / "clean.root", days=1, seed=1, quirks="none").path)
    assert set(np.diff(rows["unix_time"])[np.diff(rows["unix_time"]) < 60].round(6)) == {1.0}
    assert (rows["rate"][:, 12] > 20 * rows["rate_err"][:, 12]).all()
    assert (np.diff(rows["glat"]) != 0).all()
    assert np.isfinite(rows["crabarf"]).all()


def test_the_old_file_has_values_that_are_no_numbers(tmp_path, rows):
    old = _arrays(simulate(tmp_path / "old.root", days=6, seed=1, quirks="old-file").path)
    assert 100 < np.isnan(old["crabarf"]).sum() < 6000  # 19,326 in 72 days: some 1,600
    assert (old["crabarf"] < -1e33).any()
    assert np.isfinite(rows["crabarf"]).all()


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


def test_equal_seeds_give_equal_bytes(tmp_path):
    files = [simulate(tmp_path / f"{name}.root", days=0.2, seed=6, known=KNOWN) for name in "ab"]
    for one, other in [(file.path, file.truth) for file in files][:1]:
        assert one.read_bytes() == files[1].path.read_bytes()
        assert other.read_bytes() == files[1].truth.read_bytes()


def test_files_tell_how_they_were_made(tmp_path):
    written = simulate(tmp_path / "a.root", days=0.01, seed=7, recipe=recipe(["flares=3"]), known=KNOWN)
    with uproot.open(written.path) as file:
        told = str(file["meta"])
    assert pl.read_parquet_metadata(written.truth)["meta"] == told
    told = json.loads(told)
    assert (told["seed"], told["days"], told["first_day"]) == (7, 0.01, 0)
    assert told["recipe"]["flares"] == 3
    assert "GRB_170207A" in told["known"]


def test_a_mission_can_be_made_in_pieces(tmp_path, rows, truth, mission):
    pieces = [simulate(tmp_path / f"{day}.root", days=1, first=day, seed=1, known=KNOWN) for day in range(2)]
    assert [piece.start for piece in pieces] == [START, START + 86400]
    joined = [_arrays(piece.path) for piece in pieces]
    for name, values in rows.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in joined]), values, err_msg=name)
    told = pl.concat([pl.read_parquet(piece.truth) for piece in pieces])
    assert told["rows"].sum() == truth["rows"].sum()
    assert told["counts_12"].sum() == truth["counts_12"].sum()


def test_a_piece_in_a_hole_has_no_rows(tmp_path):
    piece = simulate(tmp_path / "hole.root", days=1, first=63, seed=0)  # of the gap of 6.6 days from 2017-03-06
    assert piece.rows == 0
    with uproot.open(piece.path) as file:
        tree = file["nf1rate"]
        assert tree.num_entries == 0
        assert {name: tree[name].typename for name in tree.keys()} == TYPES
    assert pl.read_parquet(piece.truth).is_empty()


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
