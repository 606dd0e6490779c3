"""The configuration: what loads, what is refused and how it is told."""

import copy
import re
import tomllib
from pathlib import Path

import pytest

from polarbgb.config import Config, TimeFormat, load, shipped, validate
from polarbgb.errors import ConfigError, UserError

POLAR = Path(__file__).parents[2] / "configs" / "polar.toml"

# Order of the 18 features and the 6 bins of the published prediction.
FEATURES = [
    "revolution", "glat", "glon", "altitude", "temperature", "fe_cosmic", "raz", "decz", "rax", "decx", "is_orbit_up",
    "time_since_saa", "crabarf", "sun", "sun_spot", "B_r", "B_theta", "B_phi",
]  # fmt: skip
BINS = ["rate[0]", "rate[1]", "rate[5]", "rate[6]", "rate[10]", "rate[12]"]

SMALL = {
    "name": "TOY",
    "input": {"tree": "t"},
    "rates": {"values": ["rate[0:2]"], "errors": ["err[0:2]"]},
    "features": {"columns": ["glat"]},
    "orbit": {"period": 5535.4},
    "intervals": {"more_than": 1},
}


def small(**sections):
    """SMALL with sections changed: a table is merged, anything else replaces."""
    raw = copy.deepcopy(SMALL)
    for name, value in sections.items():
        raw[name] = raw[name] | value if isinstance(value, dict) and name in raw else value
    return raw


def refusal(raw):
    with pytest.raises(UserError) as refused:
        validate(raw, where="toy.toml")
    message = str(refused.value)
    assert message.startswith("toy.toml: ")
    assert "\n" not in message
    return message.removeprefix("toy.toml: ")


def write(folder, text):
    path = folder / "toy.toml"
    path.write_text(text)
    return path


TOML = """
name = "TOY"
[input]
tree = "t"
[rates]
values = ["rate[0:2]"]
errors = ["err[0:2]"]
[features]
columns = ["glat"]
[orbit]
period = 5535.4
[intervals]
more_than = 1
"""


def test_the_polar_configuration_holds_what_was_published():
    config = load(POLAR)
    assert list(config.features.columns) == FEATURES
    assert list(config.rates.names) == BINS
    assert list(config.rates.error_names) == [name.replace("rate", "rate_err") for name in BINS]
    assert config.input.tree == "nf1rate"
    assert config.cuts["signal_to_noise"].columns == {"rate[0]", "rate_err[0]"}
    assert config.features.history
    assert config.exposure is None
    assert config.known_events is not None
    assert config.known_events.file == POLAR.parents[1] / "data" / "grbs.csv"
    assert config.known_events.duration == "t90"


def test_the_polar_configuration_reads_no_branch_in_vain():
    features = {"unix_time", *FEATURES} - {"revolution"}
    assert load(POLAR).branches == features | set(BINS) | {b.replace("rate", "rate_err") for b in BINS}


@pytest.mark.parametrize("path", sorted(POLAR.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_loads(path):
    assert load(path).name


def test_a_shipped_configuration_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("configs/polar.toml") == load(shipped("configs/polar.toml"))


def test_defaults_fill_what_is_left_out():
    config = validate(SMALL, where="x")
    assert config.input.time == "unix_time"
    assert config.model.backend == "xgboost"
    assert config.known_events is None
    assert config.rates.titles == ("rate[0]", "rate[1]")
    assert config == validate(config.model_dump(), where="x")


def test_a_configuration_cannot_be_changed():
    config = validate(SMALL, where="x")
    with pytest.raises(ValueError, match="frozen"):
        config.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        config.model.n_estimators = 3


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["rate[0:3]"], ["rate[0]", "rate[1]", "rate[2]"]),
        (["rate[5:7]", "soft", "rate[10]"], ["rate[5]", "rate[6]", "soft", "rate[10]"]),
        (["rate[12:13]", "rate[0:1]"], ["rate[12]", "rate[0]"]),
    ],
)
def test_slices_are_written_out_in_order(values, names):
    raw = small(rates={"values": values, "errors": [v.replace("rate", "err") + "_e" * ("[" not in v) for v in values]})
    assert list(validate(raw, where="x").rates.names) == names


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"modle": {}}, "unknown key 'modle' (did you mean 'model'?)"),
        ({"model": {"max_depths": 3}}, "unknown key 'model.max_depths' (did you mean 'max_depth'?)"),
        ({"rates": {"value": 3}}, "unknown key 'rates.value' (did you mean 'values'?)"),
        ({"input": {"cadense": 3}}, "unknown key 'input.cadense' (did you mean 'cadence'?)"),
        ({"known_events": {"file": "x", "tme": "t"}}, "unknown key 'known_events.tme' (did you mean 'time'?)"),
        (
            {
                "features": {
                    "history": [{"columns": ["glat"], "lags": [5]}, {"columns": ["glat"], "lags": [5], "mean": [5]}]
                }
            },
            "unknown key 'features.history.1.mean' (did you mean 'means'?)",
        ),
        ({"zzzz": 1}, "unknown key 'zzzz'"),
        ({"name": ""}, "name: String should have at least 1 character"),
        ({"name": 3}, "name: Input should be a valid string"),
        ({"input": 3}, "input: Input should be a valid dictionary or instance of Input"),
        ({"input": {"cadence": 0}}, "input.cadence: Input should be greater than or equal to 0.0001"),
        ({"input": {"cadence": float("inf")}}, "input.cadence: Input should be a finite number"),
        ({"orbit": {"period": "long"}}, "orbit.period: Input should be a valid number"),
        ({"orbit": {"epoch": float("nan")}}, "orbit.epoch: Input should be a finite number"),
        ({"model": {"backend": "catboost"}}, "model.backend: Input should be 'xgboost' or 'lightgbm'"),
        ({"model": {"n_estimators": 2.5}}, "model.n_estimators: Input should be a valid integer"),
        ({"model": {"n_estimators": 0}}, "model.n_estimators: Input should be greater than or equal to 1"),
        ({"model": {"subsample": 1.5}}, "model.subsample: Input should be less than or equal to 1"),
        ({"model": {"subsample": float("nan")}}, "model.subsample: "),
        ({"model": {"seed": -1}}, "model.seed: Input should be greater than or equal to 0"),
        ({"model": {"seed": 2**31}}, "model.seed: Input should be less than 2147483648"),
        ({"folds": {"seed": -1}}, "folds.seed: Input should be greater than or equal to 0"),
        ({"explain": {"seed": -1}}, "explain.seed: Input should be greater than or equal to 0"),
        ({"folds": {"scheme": "random"}}, "folds.scheme: Input should be 'orbits', 'days' or 'blocks'"),
        ({"folds": {"count": 1}}, "folds.count: Input should be greater than or equal to 2"),
        ({"folds": {"embargo": 6000}}, "folds.embargo is longer than an orbit"),
        ({"intervals": {"more_than": 2}}, "intervals.more_than = 2 can never hold with 2 bins"),
        ({"rates": {"values": []}}, "rates: give either values (rates, Hz) or counts"),
        ({"rates": {"values": "rate"}}, "rates.values: Input should be a valid tuple"),
        ({"rates": {"errors": ["err"]}}, "rates: 2 values but 1 errors"),
        ({"rates": {"labels": ["one"]}}, "rates: 2 values but 1 labels"),
        ({"rates": {"values": ["rate[0]", "rate[0:1]"]}}, "rates: a rate is named twice"),
        ({"rates": {"values": ["rate[2:2]"]}}, "rates: 'rate[2:2]' holds no element"),
        ({"rates": {"values": ["rate[-1]"]}}, "rates: 'rate[-1]' is not a column: write name, name[3], name[0:9] or"),
        ({"rates": {"exposure": 0}}, "rates.exposure: write an expression or a number of seconds > 0"),
        ({"rates": {"exposure": float("nan")}}, "rates.exposure: write an expression or a number of seconds > 0"),
        ({"rates": {"exposure": True}}, "rates.exposure: write an expression or a number of seconds > 0"),
        ({"rates": {"exposure": ["live"]}}, "rates.exposure: write an expression or a number of seconds > 0"),
        ({"rates": {"exposure": "1 -"}}, "rates.exposure: expression '1 -': invalid syntax"),
        ({"features": {"columns": []}}, "features: no feature is named"),
        ({"features": {"history": [{"columns": ["glat"]}]}}, "features.history.0: give at least one of lags"),
        (
            {"features": {"history": [{"columns": ["glat"], "lags": [5], "guard": 10}]}},
            "features.history.0: a lag is shorter than the guard of 10 s",
        ),
        ({"features": {"history": [{"columns": ["glat"], "means": [-5]}]}}, "features.history.0.means.0: Input should"),
        ({"filters": {"a": "glat ^ 2"}}, "filters.a: expression 'glat ^ 2': '^' is not a power here"),
        ({"filters": {"a": 3}}, "filters.a: Input should be a valid string"),
        ({"filters": {f"f{n}": "glat > 1" for n in range(17)}}, "at most 16 filters"),
        ({"derived": {"a b": "glat"}}, "derived.'a b': a column is named with letters, digits and '_'"),
        ({"derived": {"x": "y + 1", "y": "glat"}}, "derived.x: reads 'y', which is not derived before it"),
        ({"derived": {"x": "x + 1"}}, "derived.x: reads 'x', which is not derived before it"),
        ({"derived": {"x": "(a).real"}}, "derived.x: expression '(a).real': 'a.real' is not allowed here"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(sections, message):
    assert refusal(small(**sections)).startswith(message)


@pytest.mark.parametrize("key", ["name", "input", "rates", "features", "orbit"])
def test_what_has_no_default_must_be_there(key):
    raw = small()
    del raw[key]
    assert refusal(raw) == f"'{key}' is missing"


def test_a_missing_key_is_named_with_its_section():
    assert refusal(small(orbit={}) | {"orbit": {}}) == "'orbit.period' is missing"


def leak(features=None, **sections):
    return refusal(small(features=features, **sections))


@pytest.mark.parametrize(
    ("column", "sections"),
    [
        ("rate[0]", {}),
        ("rate[7]", {}),  # another threshold of the same counts
        ("rate", {}),
        ("err[1]", {}),
        ("corrected", {"rates": {"related": ["corrected"]}}),
        ("corrected[0]", {"rates": {"related": ["corrected"]}}),
        ("corrected", {"rates": {"related": ["corrected[0]"]}}),
        ("live", {"rates": {"exposure": "live/2"}}),
        ("hardness", {"derived": {"hardness": "rate[0]/rate[9]"}}),
        ("twice", {"derived": {"one": "glat + err[0]", "twice": "2*one"}}),
        ("net", {"derived": {"net": "gross - 3"}, "rates": {"values": ["net"], "errors": ["e"]}}),
        ("gross", {"derived": {"net": "gross - 3"}, "rates": {"values": ["net"], "errors": ["e"]}}),
        ("other", {"derived": {"net": "g - 3", "other": "g + 3"}, "rates": {"values": ["net"], "errors": ["e"]}}),
    ],
)
def test_no_feature_is_made_from_what_is_predicted(column, sections):
    sections = {"intervals": {"more_than": 0}} | sections
    assert leak({"columns": ["glat", column]}, **sections).startswith(
        f"features.columns: '{column}' is made from a rate"
    )
    for guard in (0, 299, 300):
        history = {"history": [{"columns": [column], "means": [20], "guard": guard}]}
        message = leak(history, **sections)
        assert message.startswith(f"features.history: '{column}' is made from a rate; give it a guard longer than")
        assert "300 s" in message
    history = {"history": [{"columns": [column], "means": [20], "guard": 301}]}
    assert column in validate(small(features=history, **sections), where="x").features.history[0].columns


def test_the_guard_is_measured_against_the_longest_transient():
    history = {"history": [{"columns": ["rate[0]"], "means": [20], "guard": 31}]}
    assert "longest = 300 s" in leak(history)
    assert validate(small(features=history, intervals={"more_than": 1, "longest": 30}), where="x")


def test_the_time_is_no_leak():
    raw = small(
        features={"columns": ["unix_time", "revolution"]},
        derived={"revolution": "unix_time//5535.4"},
        rates={"exposure": "1 + 0*unix_time"},
    )
    config = validate(raw, where="x")
    assert not config.holds_rate("unix_time")
    assert not config.holds_rate("revolution")


def test_branches_are_what_must_be_read():
    raw = small(
        features={"columns": ["glat", "phase"], "history": [{"columns": ["B[2]"], "lags": [60]}]},
        derived={"step": "glon//2", "phase": "sin(tilt*pi) + step"},
        rates={"exposure": "live[0]"},
        filters={"sane": "hv > 3 and step < 9"},
        intervals={"more_than": 1, "context": ["lshell"]},
    )
    target = {"unix_time", "rate[0]", "rate[1]", "err[0]", "err[1]"}
    config = validate(raw, where="x")
    assert config.branches == target | {"glat", "B[2]", "tilt", "glon", "live[0]", "hv", "lshell"}
    assert list(config.derivations) == ["step", "phase"]


def test_a_number_of_seconds_is_an_exposure(tmp_path):
    config = load(write(tmp_path, TOML), ["rates.exposure=4"])
    assert config.exposure is not None
    assert config.exposure.columns == frozenset()
    assert load(write(tmp_path, TOML), ["rates.exposure=live*2"]).exposure.columns == {"live"}


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("model.n_estimators=12", "model", "n_estimators", 12),
        ("model.learning_rate=0.5", "model", "learning_rate", 0.5),
        ("model.device='cuda'", "model", "device", "cuda"),
        ("model.device=cuda", "model", "device", "cuda"),
        (" model.device = cuda ", "model", "device", "cuda"),
        ("input.path=data/my file=1.root", "input", "path", (Path("data/my file=1.root"),)),
        ("input.path=['a.root', 'b*.root']", "input", "path", (Path("a.root"), Path("b*.root"))),
        ("intervals.context=['glat', 'glon']", "intervals", "context", ("glat", "glon")),
        ("tune.timeout=60", "tune", "timeout", 60.0),
        ("derived.x=glat - 3", None, "derived", {"x": "glat - 3"}),
        ("filters.x='glat > 3'", None, "filters", {"x": "glat > 3"}),
        ("name=Two words", None, "name", "Two words"),
        ("rates.labels=['a', 'b']", "rates", "labels", ("a", "b")),
    ],
)
def test_a_value_is_set_from_the_command_line(tmp_path, override, section, key, value):
    config = load(write(tmp_path, TOML), [override])
    assert getattr(getattr(config, section) if section else config, key) == value
    untouched = set(Config.model_fields) - {section or key}
    plain = load(write(tmp_path, TOML))
    assert all(getattr(config, name) == getattr(plain, name) for name in untouched)


def test_the_last_of_several_settings_holds(tmp_path):
    assert load(write(tmp_path, TOML), ["model.n_estimators=3", "model.n_estimators=4"]).model.n_estimators == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.n_estimators", "--set model.n_estimators: write it as section.key=value"),
        ("=3", "--set =3: write it as section.key=value"),
        ("model.=3", "--set model.=3: write it as section.key=value"),
        (".trees=3", "--set .trees=3: write it as section.key=value"),
        ("name.trees=3", "--set name.trees=3: 'name' is not a section"),
        ("features.columns.x=3", "--set features.columns.x=3: 'columns' is not a section"),
        ("model.max_depths=3", "unknown key 'model.max_depths' (did you mean 'max_depth'?)"),
        ("model.n_estimators=many", "model.n_estimators: Input should be a valid integer"),
        ("model=3", "model: Input should be a valid dictionary"),
        ("model.n_estimators=", "model.n_estimators: Input should be a valid integer"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path, override, message):
    path = write(tmp_path, TOML)
    with pytest.raises(UserError) as refused:
        load(path, [override])
    assert str(refused.value).removeprefix(f"{path}: ").startswith(message)
    assert "\n" not in str(refused.value)


def test_known_events_lie_beside_the_configuration(tmp_path):
    path = write(tmp_path, TOML + '[known_events]\nfile = "../lists/known.csv"\n')
    assert load(path).known_events.file == (tmp_path / "../lists/known.csv").resolve()
    absolute = write(tmp_path, TOML + '[known_events]\nfile = "/lists/known.csv"\n')
    assert load(absolute).known_events.file == Path("/lists/known.csv")


@pytest.mark.parametrize(("given", "read"), [('"t90"', "t90"), ("30", 30.0), ("0.5", 0.5), (None, 0.0)])
def test_the_duration_of_known_events_is_a_column_or_a_number(tmp_path, given, read):
    line = f"duration = {given}\n" if given else ""
    config = load(write(tmp_path, f'{TOML}[known_events]\nfile = "known.csv"\n{line}'))
    assert config.known_events.duration == read
    assert type(config.known_events.duration) is type(read)
    assert config.known_events.unknown_duration == 0.0


@pytest.mark.parametrize("wrong", ['""', "-1", "inf", "nan", "true", "[1]"])
def test_another_duration_of_known_events_is_refused(tmp_path, wrong):
    path = write(tmp_path, f'{TOML}[known_events]\nfile = "known.csv"\nduration = {wrong}\n')
    with pytest.raises(UserError) as error:
        load(path)
    told = "known_events.duration: write the name of a column or a number of seconds >= 0"
    assert str(error.value) == f"{path}: {told}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = ", "not valid TOML"),
        (b"[input]\n[input]\n", "not valid TOML"),
        (b"\xff\xfe\x00", "cannot be read as a configuration"),
        (b"", "'name' is missing (and 4 more)"),
        (b"root\x00\x00", "not valid TOML"),
    ],
)
def test_a_file_that_is_no_configuration_is_told(tmp_path, content, message):
    path = tmp_path / "toy.toml"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(UserError, match=r"no configuration at .*none\.toml; see configs/polar\.toml"):
        load(tmp_path / "none.toml")
    with pytest.raises(UserError, match="cannot be read as a configuration"):
        load(tmp_path)


def test_the_text_of_the_small_configuration_is_the_small_configuration(tmp_path):
    assert load(write(tmp_path, TOML)) == validate(SMALL, where="x")
    assert tomllib.loads(TOML) == SMALL


def test_a_copy_elsewhere_still_finds_the_known_events(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped("configs/polar.toml").read_text())
    assert load(mine).known_events.file == shipped("data/grbs.csv")


@pytest.mark.parametrize(
    ("context", "told"),
    [('["glat", "glat"]', "named twice"), ('["sigma"]', "a column of the result")],
)
def test_context_columns_fit_beside_the_others(context, told):
    with pytest.raises(UserError, match=told):
        load("configs/polar.toml", [f"intervals.context={context}"])


def test_a_column_stands_in_one_group_alone():
    with pytest.raises(UserError, match=r"groups: 'glat' is named twice"):
        load("configs/polar.toml", ['explain.groups={a=["glat"], b=["sun", "glat"]}'])


@pytest.mark.parametrize(("given", "searched"), [({}, (0, 1)), ({"informative": [1]}, (1,))])
def test_bins_in_which_transients_show_are_searched(given, searched):
    assert validate(small(rates=given), where="toy.toml").rates.searched == searched


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"rates": {"informative": [0, 2]}}, "rates: informative: there is no bin 2; bins are 0 to 1"),
        ({"trigger": {"sums": [[0, 2]]}}, "trigger.sums: there is no bin 2; bins are 0 to 1"),
        ({"cleaning": {"max_recurence": 0.5}}, "unknown key 'cleaning.max_recurence' (did you mean 'max_recurrence'?)"),
        ({"cleaning": {"max_recurrence": 0.0}}, "cleaning.max_recurrence: Input should be greater than 0"),
        ({"cleaning": {"rounds": 21}}, "cleaning.rounds: Input should be less than or equal to 20"),
        ({"purify": {"often": 0.5}}, "unknown key 'purify'"),
        ({"trigger": {"scales": []}}, "trigger.scales: "),
    ],
)
def test_settings_of_cleaning_and_search_are_checked(sections, told):
    assert refusal(small(**sections)).startswith(told)


@pytest.mark.parametrize("path", sorted(shipped("configs").glob("*.toml")), ids=lambda path: path.stem)
def test_no_context_column_takes_the_name_of_a_result(path):
    for name in ("ranking", "far_error", "far_limit", "ranked_by"):
        with pytest.raises(UserError, match=f"context: '{name}' is a column of the result"):
            load(path, [f"intervals.context=['{name}']"])


@pytest.mark.parametrize("date", ['"2001-01-01T00:00:00"', "2001-01-01T00:00:00"])
def test_a_reference_of_times_is_a_date_with_or_without_quotes(date):
    config = load("configs/polar.toml", ["input.time_format=met", f"input.time_reference={date}"])
    assert config.input.clock == TimeFormat("met", "utc", "2001-01-01T00:00:00")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["input.time_format=met"], "input.time_reference: needed with time_format = 'met'"),
        (
            ["input.time_scale=tt"],
            "input.time_scale: no meaning with time_format = 'unix', only with mjd, jd, met, iso",
        ),
        (["input.time_reference=51910"], "input.time_reference: no meaning with time_format = 'unix', only with met"),
        (["input.time_format=met", "input.time_reference=soon"], "input.time_reference: write a date such as"),
    ],
)
def test_keys_of_the_time_go_together(given, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        load("configs/polar.toml", given)
