"""Notices against the names and types of GCN's core schemas, version 6.1.0."""

import json
from numbers import Real

import polars as pl
import pytest

from polarbgb.errors import UserError
from polarbgb.io.gcn import write_gcn

# From core/Alert, DateTime, Duration, Event, GeoLocBase, Reporter, Statistics and AdditionalInfo.
CORE = {
    "$schema": str, "mission": str, "instrument": str, "alert_tense": str, "event_name": (str, list),
    "trigger_time": str, "trigger_type": str, "rate_snr": Real, "rate_duration": Real, "net_count_rate": Real,
    "background_count_rate": Real, "t90": Real, "far": Real, "classification": dict, "mcilwain_l": Real,
    "geoloc_time": str, "additional_info": str,
}  # fmt: skip

SETTINGS = {"instrument": "TOY", "titles": ("soft", "hard")}


@pytest.fixture
def notices(tmp_path, found):
    assert write_gcn(tmp_path / "notices", found, **SETTINGS) == 2
    paths = sorted((tmp_path / "notices").iterdir())
    assert [path.name for path in paths] == ["EV170714.111.json", "EV170714.112.json"]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_names_and_types_are_those_of_the_schema(notices):
    for notice in notices:
        for name, value in notice.items():
            assert isinstance(value, CORE[name])
        assert notice["alert_tense"] in {"current", "archival", "planned", "injection", "commanded", "test"}
        assert notice["trigger_type"] in {"rate", "image"}
        assert sum(notice["classification"].values()) == pytest.approx(1)


def test_numbers_are_those_of_the_best_bin(notices):
    faint, known = notices
    # 480 counts in 4 s where 400 were expected; 900 and 450 in 4.5 s.
    assert (faint["net_count_rate"], faint["background_count_rate"], faint["rate_snr"]) == (20.0, 100.0, 4.0)
    assert (known["net_count_rate"], known["background_count_rate"], known["rate_snr"]) == (100.0, 100.0, 21.0)
    assert "rates of soft" in faint["additional_info"]
    assert "rates of hard" in known["additional_info"]
    assert [notice["rate_duration"] for notice in notices] == [4.0, 4.5]


def test_false_alarms_are_counted_in_hertz(notices):
    assert [notice["far"] for notice in notices] == pytest.approx([1e-4, 1e-9])
    assert notices[0]["classification"] == {"unknown": 0.25, "false alarm": 0.75}
    assert ["far is an upper limit" in notice["additional_info"] for notice in notices] == [False, True]


def test_times_are_utc_and_none_is_that_of_writing(notices):
    assert [notice["trigger_time"] for notice in notices] == [
        "2017-07-14T02:40:00.250000Z", "2017-07-14T02:41:40.000000Z",
    ]  # fmt: skip
    assert notices[0]["geoloc_time"] == "2017-07-14T02:40:02.000000Z"
    assert "from 2017-07-14T02:41:40.000000Z to 2017-07-14T02:41:44.500000Z" in notices[1]["additional_info"]
    assert not any("alert_datetime" in notice for notice in notices)


def test_what_is_not_known_has_no_field(notices, tmp_path, found):
    faint, known = notices
    assert faint["event_name"] == "EV170714.111"
    assert known["event_name"] == ["EV170714.112", "GRB é"]
    assert set(faint) - set(known) == {"t90", "mcilwain_l", "geoloc_time"}
    published = found.drop("far", "probability", "t_trigger", "l_shell")
    write_gcn(tmp_path / "published", published, **SETTINGS)
    notice = json.loads((tmp_path / "published/EV170714.111.json").read_text(encoding="utf-8"))
    assert not {"far", "classification", "mcilwain_l"} & set(notice)
    assert notice["trigger_time"] == "2017-07-14T02:40:00.000000Z"  # its start


@pytest.mark.parametrize("shell", [float("inf"), float("nan"), None])
def test_a_shell_that_json_cannot_tell_has_no_field(tmp_path, found, shell):
    write_gcn(tmp_path / "far out", found.with_columns(l_shell=pl.lit(shell, pl.Float32)), **SETTINGS)
    text = (tmp_path / "far out/EV170714.111.json").read_text(encoding="utf-8")
    told = json.loads(text, parse_constant=pytest.fail)
    assert "mcilwain_l" not in told


def test_half_a_folder_is_none(tmp_path, found, monkeypatch):
    write_gcn(tmp_path / "notices", found, **SETTINGS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "notices").iterdir()}

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("polarbgb.io.gcn.json.dumps", full)
    with pytest.raises(UserError, match="cannot write .*notices: No space left on device"):
        write_gcn(tmp_path / "notices", found.with_columns(pl.lit("EV1").alias("name")), **SETTINGS)
    assert {path.name: path.read_bytes() for path in (tmp_path / "notices").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["notices"]
