"""What a configuration is begun with is read off the file: each decision, and whole files in several containers."""

import json

import numpy as np
import polars as pl
import pytest
import uproot
from astropy.io import fits
from click.testing import CliRunner

import polarbgb
from polarbgb.cli.main import main
from polarbgb.io.input import Branch
from polarbgb.workflow.proposal.clock import cadence_of, quoted, stored_time, time_columns
from polarbgb.workflow.proposal.features import choose_features
from polarbgb.workflow.proposal.names import errors_of, groups_of, kind_of, main_table, sliced, time_rank
from polarbgb.workflow.proposal.orbit import choose_position, period_of
from polarbgb.workflow.proposal.rates import choose_exposure, choose_rates, implied_live_time, scatter
from polarbgb.workflow.proposal.search import flagged_bins, fold_count, scales

PERIOD, START = 5700.0, 1_600_000_000.0
ROWS = 2150
TIME = START + 16.0 * np.arange(ROWS)
"""Six orbits in rows of 16 s."""


def branches(**shapes):
    return [Branch(name, "double", shape) for name, shape in shapes.items()]


def counts(bins, mean=400.0, seed=1):
    """Return Poisson counts that follow the orbit."""
    wave = 1 + 0.3 * np.sin(2 * np.pi * (TIME - START) / PERIOD)
    return np.random.default_rng(seed).poisson(mean * wave[:, None], (ROWS, bins))


def place():
    """Return the columns of an orbit, in the numbers of degrees, km and nT."""
    phase = 2 * np.pi * (TIME - START) / PERIOD
    latitude = 42 * np.sin(phase - 0.5)
    return {
        "glat": latitude,
        "glon": (TIME - START) * 360 / 6100 % 360 - 180,
        "altitude": 380 + 8 * np.cos(phase),
        "B_r": -45_000 * np.sin(np.radians(latitude)),
        "B_theta": -20_000 * np.cos(np.radians(latitude)),
    }


# --- names ---


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rate", "rate"), ("grd.rate", "rate"), ("RATE", "rate"), ("countRate", "rate"), ("nf1rate", "rate"),
        ("counts", "counts"), ("cts_ch01", "counts"), ("FLUX", "flux"), ("rate_err", "error"), ("correrr", "error"),
        ("sigma", "error"), ("rateErr", "error"), ("glat", None), ("temperature", None), ("sampling_rate", None),
    ],
)  # fmt: skip
def test_names_say_what_is_counted(name, kind):
    assert kind_of(name) == kind


def test_names_of_times_are_told_from_other_times():
    assert time_rank("unix_time") < time_rank("TIME") < time_rank("mjd") < time_rank("packet_time")
    assert time_rank("hdr.time") == time_rank("time")
    for name in ("time_since_saa", "livetime", "local_time", "TIMEDEL", "exposure_time", "temperature"):
        assert time_rank(name) is None


def test_one_bin_is_one_bin_and_a_grid_is_sliced_along_its_longest_axis():
    assert sliced("rate", (1,)) == ("rate[0]",)
    assert sliced("rate", (1, 1)) == ("rate[0][0]",)
    assert sliced("rate", (128,)) == ("rate[0:128]",)
    assert sliced("rate", (2, 12)) == ("rate[0][0:12]", "rate[1][0:12]")


def test_scalars_that_differ_in_their_numbers_are_bins_in_the_order_of_the_numbers():
    listed = branches(rate10=(), rate2=(), err2=(), err10=(), rate_25_50=(), temp1=(), temp2=())
    groups = {group.name: group for group in groups_of(listed)}
    assert groups["rate#"].columns == ("rate2", "rate10")
    assert groups["rate_#_#"].size == 1
    assert "temp#" not in groups
    assert errors_of(groups["rate#"], list(groups.values())).columns == ("err2", "err10")


def test_errors_are_matched_by_name_and_shape():
    listed = branches(
        rate=(13,), corrected=(13,), correrr=(13,), rate_err=(13,), err=(2,), counts=(2,), sigma=(2,), flux=(3,)
    )
    groups = {group.name: group for group in groups_of(listed)}
    found = {name: errors_of(groups[name], list(groups.values())) for name in ("rate", "corrected", "counts", "flux")}
    assert {name: group and group.name for name, group in found.items()} == {
        "rate": "rate_err", "corrected": "correrr", "counts": "err", "flux": None
    }  # fmt: skip


def test_the_table_of_a_mission_has_a_time_and_rates():
    tables = {
        "hk": (900, branches(time=(), temperature=())),
        "day1": (100, branches(time=(), rate=(3,))),
        "day2": (500, branches(time=(), rate=(3,))),
        "pointing": (500, branches(glat=())),
    }
    assert main_table(tables) == ("day2", ("day1",))


def test_a_friend_is_not_the_table_of_a_mission():
    friend = branches(time=(), veto_rate=())
    tables = {
        "friend": (500, friend),
        "rates": (500, branches(**{"time": (), "rate": (3,), "friend.time": ()}) + friend[1:]),
    }
    assert main_table(tables) == ("rates", ())


# --- time ---


def test_the_time_is_found_by_name_and_by_values():
    backwards = TIME[::-1]
    assert time_columns({"glat": np.sin(TIME), "mjd": TIME / 86400, "time": TIME})[0] == "time"
    assert time_columns({"time": backwards, "clock": TIME, "drift": np.sqrt(TIME - START)}) == ["clock"]
    swapped = np.concatenate([TIME[1000:], TIME[:1000]])
    assert time_columns({"unix_time": swapped}) == ["unix_time"]
    assert time_columns({"time": np.where(np.arange(ROWS) % 500 == 7, np.nan, TIME)}) == ["time"]
    assert time_columns({"time": np.full(50, 3.0), "t": np.array([np.nan] * 50)}) == []


@pytest.mark.parametrize(
    ("name", "values", "settings"),
    [
        ("time", TIME, {}),
        ("mjd", TIME / 86400 + 40587, {"time_format": "mjd"}),
        ("mjd_tt", TIME / 86400 + 40587, {"time_format": "mjd", "time_scale": "tt"}),
        ("t", TIME / 86400 + 2440587.5, {"time_format": "jd"}),
        ("ms", TIME * 1000, {"time_format": "milliseconds"}),
        ("gps_time", TIME - 315964782, {"time_format": "gps"}),
    ],
)
def test_the_format_of_times_follows_from_their_values(name, values, settings):
    stored = stored_time(name, values)
    assert stored.settings == {"time": name, **settings}
    assert stored.check is None


def test_microseconds_are_derived():
    assert stored_time("t us", TIME * 1e6).derived == {"seconds": "`t us` / 1e6"}
    assert quoted("orbit.glat") == "orbit.glat"


def test_seconds_since_an_unknown_date_are_left_to_the_user_with_the_candidates():
    since_2001 = TIME - 978_307_200
    for name in ("met", "time"):
        check = stored_time(name, since_2001).check
        assert "2020-09-13 if from 2001-01-01 (Fermi, Swift)" in check
    assert stored_time("unix_time", TIME).check is None


def test_the_cadence_is_that_of_most_of_the_time_and_rounded_to_what_was_meant():
    rng = np.random.default_rng(2)
    assert cadence_of(1.0000002 * np.arange(500)) == 1.0
    assert cadence_of(START + 2 * np.arange(500) + rng.normal(0, 1e-3, 500)) == 2.0
    assert [cadence_of(width * np.arange(500)) for width in (1.0001, 4.096, 8.064)] == [1.0, 4.096, 8.064]
    assert cadence_of(START + 0.256 * np.arange(500)) == pytest.approx(0.256, abs=1e-9)
    mixed = np.concatenate([8.0 * np.arange(900), 7200 + np.arange(600), 7800 + 8.0 * np.arange(900)])
    assert cadence_of(mixed) == 8.0
    with_gaps = np.concatenate([np.arange(300), 1e6 + np.arange(300), 5e6 + np.arange(300)]) * 4
    assert cadence_of(with_gaps) == 4.0
    assert cadence_of(np.floor(0.5 * np.arange(500))) == 0.5
    assert cadence_of(np.array([5.0])) is None


# --- rates ---


def groups(**shapes):
    return groups_of(branches(**shapes))


def test_the_group_with_most_bins_is_chosen_and_others_are_related():
    values = {"rate": counts(3) / 8, "total_rate": counts(1) / 8, "corrected": counts(3) / 7}
    chosen = choose_rates(groups(rate=(3,), rate_err=(3,), total_rate=(), corrected=(3,), correrr=(3,)), values)
    assert (chosen.rates.name, chosen.errors.name, chosen.counts) == ("rate", "rate_err", False)
    assert set(chosen.related) == {"total_rate", "corrected", "correrr"}
    assert [group.name for group in chosen.alike] == ["total_rate"]


def test_an_array_is_related_by_its_values_not_by_its_shape():
    values = {"rate": counts(1) / 8, "glat": np.sin(TIME / 900)[:, None], "scaled": counts(1) * 0.3}
    chosen = choose_rates(groups(rate=(1,), glat=(1,), scaled=(1,), glat_err=()), values)
    assert chosen.related == ("scaled",)


def test_whole_numbers_called_counts_are_counts():
    whole = choose_rates(groups(counts=(2,)), {"counts": counts(2)})
    assert whole.counts
    assert whole.errors is None
    assert not choose_rates(groups(counts=(2,)), {"counts": counts(2) / 8}).counts


def test_rates_without_a_background_subtracted_are_preferred():
    values = {"rate": counts(3) - 400.0, "counts": counts(3)}
    chosen = choose_rates(groups(rate=(3,), rate_err=(3,), counts=(3,)), values)
    assert chosen.rates.name == "counts"
    alone = choose_rates(groups(rate=(3,), rate_err=(3,)), values)
    assert "subtracted" in " ".join(alone.checks)


def test_an_array_of_another_name_is_taken_with_a_remark_and_nothing_from_nothing():
    chosen = choose_rates(groups(detector=(4,)), {"detector": counts(4)})
    assert chosen.rates.columns == ("detector[0:4]",)
    assert "called rate or counts" in chosen.checks[0]
    assert choose_rates(groups(glat=()), {}) is None
    assert choose_rates(groups(packet_counts=()), {"packet_counts": np.arange(50.0)[:, None]}) is None


@pytest.mark.parametrize(
    ("column", "unit", "expected"),
    [
        ("live", 1.0, "live"),
        ("livetime", 1.0, "livetime"),
        ("live time", 1.0, "`live time`"),
        ("live_fraction", 1 / 8, "8*live_fraction"),
        ("FRACEXP", 1 / 8, "8*FRACEXP"),
        ("live_percent", 100 / 8, "0.08*live_percent"),
    ],
)
def test_a_live_time_is_in_seconds_or_a_fraction(column, unit, expected):
    live = np.random.default_rng(3).uniform(7, 7.8, ROWS)
    rate = counts(2) / live[:, None]
    assert choose_exposure({column: live * unit, "glat": live}, 8.0, rate, None, counts=False).value == expected
    dead = column.replace("live", "dead")
    if dead != column and "%" not in expected:
        found = choose_exposure({dead: (8 - live) * unit}, 8.0, rate, None, counts=False).value
        assert found == f"8 - {expected.replace('live', 'dead')}"


def test_rates_and_errors_decide_whether_a_live_time_is_a_fraction():
    live = np.random.default_rng(3).uniform(7, 7.8, ROWS)
    rate, error = counts(2) / live[:, None], np.sqrt(counts(2)) / live[:, None]
    assert choose_exposure({"live": live / 8}, 8.0, rate, error, counts=False).value == "8*live"
    assert choose_exposure({"live": live}, 8.0, rate, error, counts=False).value == "live"


def test_errors_of_counts_imply_the_live_time_and_others_do_not():
    live = np.random.default_rng(3).uniform(7, 7.8, ROWS)[:, None]
    rate, error = counts(3) / live, np.sqrt(counts(3)) / live
    assert implied_live_time(rate, error, 8.0) == pytest.approx(7.4, abs=0.05)
    assert implied_live_time(rate, error * [1, 2, 3], 8.0) is None
    assert implied_live_time(rate, error / 3, 8.0) is None
    assert implied_live_time(rate, 0.1 * rate, 8.0) is None
    assert implied_live_time(rate, np.sqrt(rate), 8.0) is None
    assert implied_live_time(counts(3) / 1.0, np.sqrt(counts(3)), 8.0) == pytest.approx(1.0)
    left_out = choose_exposure({}, 8.0, rate, error, counts=False)
    assert (left_out.value, left_out.check) == (None, None)
    doubtful = choose_exposure({"live": live[:, 0] * 1000}, 8.0, rate, 0.1 * rate, counts=False)
    assert doubtful.value == 8.0
    assert "'live' is called a live time" in doubtful.check


def test_the_scatter_of_rates_is_in_units_of_their_errors():
    rate, error = counts(2) / 8, np.sqrt(counts(2)) / 8
    assert scatter(rate, error) == pytest.approx(1.0, abs=0.05)
    assert scatter(rate, 2 * error) == pytest.approx(0.5, abs=0.03)
    assert scatter(rate / 400, error) is None


# --- position, orbit, features, search ---


def test_the_position_is_found_by_name_and_range():
    found = choose_position({"temperature": TIME, **place()})
    assert found.settings == {
        "latitude": "glat", "longitude": "glon", "altitude": "altitude", "field": ["B_r", "B_theta"]
    }  # fmt: skip
    assert not found.checks


def test_positions_in_other_units_are_not_taken():
    columns = place()
    radians = choose_position({**columns, "glat": np.radians(columns["glat"])})
    assert not radians.settings
    assert "degrees" in " ".join(radians.checks)
    metres = choose_position({**columns, "altitude": columns["altitude"] * 1000, "B_r": columns["B_r"] * 1e-5})
    assert "altitude" not in metres.settings
    assert any("km" in check for check in metres.checks)
    assert choose_position({"sun_lat": columns["glat"], "lon": columns["glon"]}).settings == {}


def test_the_period_is_seen_through_gaps():
    time = START + 4.0 * np.arange(20 * 1425)
    latitude = 42 * np.sin(2 * np.pi * (time - START) / PERIOD)
    kept = (time - START) % 7000 > 900
    assert period_of(time[kept], latitude[kept]) == pytest.approx(PERIOD, abs=1)
    assert period_of(time[:2000], latitude[:2000]) is None


def test_features_vary_and_are_not_made_from_the_counts():
    rng = np.random.default_rng(4)
    rate = counts(2)
    columns = {
        **place(),
        "mode": np.repeat([0, 1, 0, 1, 2], ROWS // 5).astype(float),
        "constant": np.full(ROWS, 3.0),
        "mostly_nan": np.where(rng.random(ROWS) < 0.7, np.nan, 1.0) * rng.random(ROWS),
        "row": np.arange(ROWS, dtype=float),
        "orbit": (TIME - START) // PERIOD,
        "mjd": TIME / 86400,
        "total": rate.sum(axis=1) * 1.2 + rng.normal(0, 1, ROWS),
        "dead": -0.001 * rate[:, 1] + 0.3,
        "truth_flare": rng.random(ROWS),
        "veto": rng.poisson(50, ROWS).astype(float),
    }
    found = choose_features(columns, TIME, rate)
    assert found.columns == ("glat", "glon", "altitude", "B_r", "B_theta", "mode", "veto")
    assert set(found.alike) == {"total", "dead"}
    reasons = {column: reason for reason, names in found.left_out.items() for column in names}
    assert {name: reason.split()[0] for name, reason in reasons.items()} == {
        "constant": "constant", "mostly_nan": "mostly", "row": "counts", "orbit": "counts", "mjd": "counts",
        "truth_flare": "its",
    }  # fmt: skip


def test_the_search_begins_with_one_row_and_fits_the_bins():
    assert scales(1.0)[:3] == [1.0, 2.0, 6.0]
    assert scales(60.0) == [60.0, 200.0, 600.0, 3600.0]
    assert scales(1e4) == [1e4]
    assert [flagged_bins(bins) for bins in (1, 2, 4, 13)] == [0, 1, 2, 3]


def test_few_orbits_make_few_folds():
    orbits = {100: 5, 8: 4, 6: 3, 4: 2, 2: None}
    for count, folds in orbits.items():
        assert fold_count(START + np.arange(0, count * PERIOD - 60, 60.0), PERIOD) == folds


# --- whole files ---


def _root(path, columns):
    with uproot.recreate(path) as file:
        file.mktree("rates", {name: (values.dtype, values.shape[1:]) for name, values in columns.items()})
        file["rates"].extend(columns)


def _rates(bins, live=15.0):
    seen = counts(bins)
    return {"rate": seen / live, "rate_err": np.sqrt(seen) / live}


def _one_bin(path):
    _root(path, {"unix_time": TIME, **_rates(1), **place()})
    return {"rates.values": ("rate[0]",), "intervals.more_than": 0, "position.latitude": "glat"}


def _channels(path):
    _root(path, {"unix_time": TIME, **_rates(128), **place()})
    return {"rates.values": ("rate[0:128]",), "rates.errors": ("rate_err[0:128]",), "rates.exposure": None}


def _ntuple(path):
    seen = counts(2) / 8
    columns = {
        "t": TIME,
        "rate0": seen[:, 0],
        "rate1": seen[:, 1],
        "err0": seen[:, 0] ** 0.5,
        "err1": seen[:, 1] ** 0.5,
    }
    _root(path, columns | place())
    return {"rates.values": ("rate0", "rate1"), "rates.errors": ("err0", "err1"), "rates.exposure": 16.0}


def _dots(path):
    columns = {f"orbit.{name}": values for name, values in place().items()}
    _root(path, {"hdr.time": TIME, **{f"grd.{name}": values for name, values in _rates(3).items()}, **columns})
    return {"input.time": "hdr.time", "rates.values": ("grd.rate[0:3]",), "position.latitude": "orbit.glat"}


def _mjd(path):
    _root(path, {"mjd": TIME / 86400 + 40587, **_rates(2), **place()})
    return {"input.time_format": "mjd", "input.cadence": 16.0}


def _counts(path):
    _root(path, {"time": TIME, "counts": counts(2), "live": np.full(ROWS, 15.0), **place()})
    return {"rates.counts": ("counts[0:2]",), "rates.exposure": "live", "rates.values": ()}


def _light_curve(path):
    seen = counts(1)[:, 0]
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", array=TIME - 978_307_200 + 5),
            fits.Column("RATE", "E", array=seen / 8),
            fits.Column("ERROR", "E", array=np.sqrt(seen) / 8),
        ],
        name="RATE",
    )
    table.header.update(MJDREFI=51910, MJDREFF=7.428703703703703e-4, TIMESYS="TT", TIMEUNIT="s")
    table.writeto(path)
    return {"input.time_format": "unix", "rates.values": ("RATE",), "rates.errors": ("ERROR",), "position": None}


def _parquet(path):
    seen = pl.Series(counts(2) / 8, dtype=pl.Array(pl.Float64, 2))
    pl.DataFrame({"timestamp": (TIME * 1000).astype(np.int64), "rate": seen, **place()}).write_parquet(path)
    return {"input.time_format": "milliseconds", "rates.values": ("rate[0:2]",), "rates.exposure": 16.0}


FILES = {
    "one_bin.root": _one_bin,
    "channels.root": _channels,
    "ntuple.root": _ntuple,
    "dots.root": _dots,
    "mjd.root": _mjd,
    "counts.root": _counts,
    "light_curve.fits": _light_curve,
    "table.parquet": _parquet,
}
TINY = ("n_estimators=2", "n_estimators_per_bin=1", "max_depth=2", "threads=1")


@pytest.mark.parametrize("name", FILES)
def test_what_is_proposed_works_without_editing(tmp_path, name):
    expected = FILES[name](tmp_path / name)
    made = polarbgb.init_config(tmp_path / "mine.toml", source=tmp_path / name)
    config = polarbgb.load(made.path, [*(f"model.{text}" for text in TINY), "cleaning.rounds=0"])
    for key, value in expected.items():
        found = config
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value, key
    seen = polarbgb.inspect(config)
    assert seen.usable == ROWS
    assert seen.start == pytest.approx(START, abs=1e-3)
    polarbgb.fit(config, tmp_path / "run")
    assert max(map(len, made.path.read_text().splitlines())) <= 120


def test_two_files_are_one_mission(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {"unix_time": np.where(np.arange(ROWS) == 900, np.nan, TIME), **_rates(2), **place()}
    for name, rows in {"a.root": slice(1000), "b.root": slice(1000, None)}.items():
        _root(name, {column: values[rows] for column, values in columns.items()})
    shown = CliRunner().invoke(main, ["config", "init", "mine.toml", "-i", "a.root", "-i", "b.root", "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert found["proposed"]["input.path"] == '["a.root", "b.root"]'
    assert found["checks"] == []
    assert polarbgb.inspect(polarbgb.load("mine.toml")).usable == ROWS - 1


def test_what_was_not_decided_is_in_the_file_and_on_the_screen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with uproot.recreate("a.root") as file:
        for tree, rows in {"long": ROWS, "short": 900}.items():
            file.mktree(tree, {"met": "f8", "rate": ("f8", (2,)), "hv": "f8"})
            hv = np.random.default_rng(1).normal(800, 1, rows)
            file[tree].extend({"met": TIME[:rows] - 978_307_200, "rate": counts(2)[:rows] / 8, "hv": hv})
    shown = CliRunner().invoke(main, ["config", "init", "mine.toml", "-i", "a.root"])
    assert shown.exit_code == 0, shown.output
    for key in ("input.tree", "input.time", "rates.exposure", "position", "orbit.period"):
        assert f"CHECK {key}: " in shown.stdout
    text = (tmp_path / "mine.toml").read_text()
    assert "# CHECK: long has most rows, 2,150; other trees with rates: short (900 rows)." in text
    assert "# [position]" in text


def test_the_settings_of_an_instrument_win_where_they_fit(tmp_path):
    _root(tmp_path / "a.root", {"unix_time": TIME, **_rates(9), **place(), "sunlight": np.sin(TIME / 900)})
    made = polarbgb.init_config(tmp_path / "mine.toml", base="rhessi", source=tmp_path / "a.root")
    config, rhessi = polarbgb.load(made.path), polarbgb.load("configs/rhessi.toml")
    assert (config.rates, config.orbit, config.trigger) == (rhessi.rates, rhessi.orbit, rhessi.trigger)
    assert config.input.cadence == 16.0
    assert set(config.features.columns) == {*place(), "sunlight"}
    polarbgb.inspect(config)


def test_what_depends_on_other_bins_is_not_taken_from_an_instrument(tmp_path):
    _root(tmp_path / "a.root", {"unix_time": TIME, **_rates(1), **place()})
    for base in ("polar", "rhessi", "nustar"):
        made = polarbgb.init_config(tmp_path / f"{base}.toml", base=base, source=tmp_path / "a.root")
        config = polarbgb.load(made.path)
        assert config.rates.values == ("rate[0]",)
        assert config.intervals.more_than == 0
        assert not config.inject.spectra
        assert config.classes.hardness is None
        polarbgb.inspect(config)


def test_a_file_without_rates_or_without_a_time_is_refused_with_the_way_out(tmp_path):
    _root(tmp_path / "a.root", {"unix_time": TIME, "glat": place()["glat"]})
    with pytest.raises(polarbgb.UserError, match="no column of rates looks like a count rate"):
        polarbgb.init_config(tmp_path / "a.toml", source=tmp_path / "a.root")
    _root(tmp_path / "b.root", {**_rates(2), "glat": place()["glat"]})
    with pytest.raises(polarbgb.UserError, match="increases like the time"):
        polarbgb.init_config(tmp_path / "b.toml", source=tmp_path / "b.root")
    assert not list(tmp_path.glob("*.toml"))
