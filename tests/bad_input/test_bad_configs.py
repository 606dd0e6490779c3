"""Configurations with every field wrong in turn, and texts that are no configuration."""

import copy
import math

import pytest
import toy

from polarbgb.config import Config

SCHEMA = Config.model_json_schema()
GIVEN = {
    **toy.CONFIG,
    "baseline": {},
    "classes": {"rules": {"burst": "duration < 300"}},
    "inject": {"spectra": {"hard": [1.0, 2.0]}},
    "explain": {"groups": {"orbit": ["glat"]}},
}
"""The toy's configuration, with the sections that it does without."""


def fields(schema=SCHEMA, place=()):
    """Yield (place, schema) of every field, those of sections within."""
    for name, field in schema["properties"].items():
        inner = [one["$ref"] for one in (field, field.get("items", {}), *field.get("anyOf", ())) if "$ref" in one]
        here = (*place, name, *([0] if "items" in field and inner else []))
        if inner:
            yield (here, {"type": "array" if "items" in field else "object", "section": True})
            yield from fields(SCHEMA["$defs"][inner[0].rpartition("/")[2]], here)
        else:
            yield (here, field)


FIELDS = dict(fields())


def kinds(field):
    """Return the alternatives that a field may be, but nothing at all."""
    return [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]


WRONG_TYPES = {"a table": {"a": {"b": 1}}, "a list of lists": [[["a"]]], "a truth value": True, "a date": "date"}


def wrong_values(field):
    """Yield (what, value) of values that a field must not take, by its schema."""
    types = {one.get("type", "enum" if "enum" in one else None) for one in kinds(field)}
    if field.get("section"):
        yield from {"a text": "text", "a number": 3, "a list": [1, 2]}.items()
        return
    yield from ((what, value) for what, value in WRONG_TYPES.items() if not (value is True and "boolean" in types))
    if types <= {"number", "integer"}:
        yield from {"a text": "many", "a number as text": "3", "NaN": math.nan, "infinity": math.inf,
                    "minus infinity": -math.inf, "nothing": "", "a list": [1.0], "too large": 1e300,
                    "too large a whole number": 10**30}.items()  # fmt: skip
        if types == {"integer"}:
            yield "a fraction", 2.5
        for one in kinds(field):
            yield from (("too small", bound) for key, bound in one.items() if key == "exclusiveMinimum")
            yield from (("too small", bound - 1) for key, bound in one.items() if key == "minimum")
            yield from (("too large by one", bound + 1) for key, bound in one.items() if key == "maximum")
            yield from (("as large as it must not be", b) for key, b in one.items() if key == "exclusiveMaximum")
    elif "string" in types and "number" not in types:
        yield from {"a number": 3, "a fraction": 2.5, "a list": ["a"], "NaN": math.nan}.items()
        if any(one.get("minLength") or "enum" in one for one in kinds(field)):
            yield "nothing", ""
        if any("enum" in one for one in kinds(field)):
            yield "another word", "something"
    elif "enum" in types:
        yield from {"another word": "something", "nothing": "", "a number": 3}.items()
    elif "array" in types:
        yield from {"a text": "text", "a number": 3, "a list of truth values": [True], "NaN": math.nan}.items()
        if any(one.get("minItems") for one in kinds(field)):
            yield "nothing", []
        if any(_numbers(one) for one in kinds(field)):
            yield from {"a list of texts": ["a", "b"], "a list of NaN": [math.nan, math.nan]}.items()
    elif "boolean" in types:
        yield from {"a text": "true", "a number": 1}.items()
    elif "object" in types:
        yield from {"a text": "text", "a number": 3, "a table of numbers": {"a": 3}, "a list": ["a"]}.items()


def _numbers(one):
    return one.get("items", one.get("prefixItems", [{}])[0] if "prefixItems" in one else {}).get("type") == "number"


def written(desk, place, value):
    """Write the toy's configuration with one value changed."""
    raw = copy.deepcopy(GIVEN)
    table = raw
    for step in place[:-1]:
        table = table.setdefault(step, {}) if isinstance(table, dict) else table[step]
    table[place[-1]] = value if value != "date" else "2017-01-01"
    text = toy.toml(raw)
    if value == "date":
        text = text.replace('"2017-01-01"', "2017-01-01")
    (desk / "toy.toml").unlink()  # to write over a file waits for the disk
    (desk / "toy.toml").write_text(text)


@pytest.mark.parametrize("place", FIELDS, ids=lambda place: ".".join(map(str, place)))
def test_wrong_values_are_refused_by_the_name_of_their_key(desk, refused, place):
    named = ".".join(map(str, place)).removesuffix(".0")
    for what, value in wrong_values(FIELDS[place]):
        written(desk, place, value)
        if place == ("input", "path") and value == "text":
            continue  # the name of a file that is not there
        assert named in refused("inspect", "-c", "toy.toml", told=["toy.toml: "]), what


SECTIONS = [(), *(place for place, field in FIELDS.items() if field.get("section"))]


@pytest.mark.parametrize("place", SECTIONS)
@pytest.mark.parametrize("misspelt", ["a letter more", "of its own"])
def test_an_unknown_key_is_refused_with_the_nearest(desk, refused, place, misspelt):
    inside = [p for p in FIELDS if p[: len(place)] == place and len(p) == len(place) + 1]
    known = str(inside[0][-1])
    key = known + "x" if misspelt == "a letter more" else "qqqqqqqq"
    written(desk, (*place, key), 1)
    near = f" (did you mean '{known}'?)" if misspelt == "a letter more" else ""
    refused("inspect", "-c", "toy.toml", told=[f"unknown key '{'.'.join(map(str, (*place, key)))}'{near}"])


REQUIRED = [
    ("name",), ("input",), ("rates",), ("features",),
    ("features", "history", 0, "columns"), ("position", "latitude"), ("position", "longitude"), ("orbit",),
    ("orbit", "period"), ("known_events", "file"),
]  # fmt: skip


@pytest.mark.parametrize("place", REQUIRED)
def test_what_has_no_default_is_asked_for(desk, refused, place):
    (desk / "toy.toml").write_text(toy.toml(toy.configured((place, None))))
    refused("inspect", "-c", "toy.toml", told=[f"'{'.'.join(map(str, place))}' is missing"])


AT_ODDS = {
    "a rate twice": ([(("rates", "values"), ["rate[0]", "rate[0:1]"])], "a rate is named twice"),
    "more rates than errors": ([(("rates", "values"), ["rate[0:3]"])], "3 values but 2 errors"),
    "more labels than rates": ([(("rates", "labels"), ["a"] * 3)], "2 values but 3 labels"),
    "a slice of nothing": ([(("rates", "values"), ["rate[2:1]"])], "'rate[2:1]' holds no element"),
    "a slice that is none": ([(("rates", "values"), ["rate[0:2:1]"])], "is not a column: write name, name[3]"),
    "a negative element": ([(("rates", "values"), ["rate[-1]", "rate[0]"])], "'rate[-1]' is not a column"),
    "an element that is not there": ([(("features", "columns"), ["hv[3]"])], "'hv' is a single number; there is no"),
    "a rate as a feature": ([(("features", "columns"), ["rate[0]"])], "is made from a rate"),
    "an error as a feature": ([(("features", "columns"), ["err[1]"])], "is made from a rate"),
    "a live time as a feature": ([(("features", "columns"), ["live"])], "is made from a rate"),
    "a feature twice": ([(("features", "columns"), ["glat", "glat"])], "'glat' is named twice"),
    "no feature": ([(("features",), {})], "no feature is named"),
    "a feature of its own that is none": ([(("features", "without"), ["glat"])], "'glat' is not an automatic feature"),
    "a history of nothing": ([(("features", "history", 0), {"columns": ["glat"]})], "give at least one of lags"),
    "a lag within the guard": ([(("features", "history", 0, "guard"), 9.0)], "a lag is shorter than the guard"),
    "passages the wrong way round": ([(("features", "passage"), [50.0, 10.0])], "the shortest gap is not shorter"),
    "passages of three numbers": ([(("features", "passage"), [1.0, 2.0, 3.0])], "features.passage"),
    "a field of one component": ([(("position", "field"), ["hv"])], "position.field"),
    "a place made from a rate": ([(("position", "latitude"), "rate[0]")], "position: 'rate[0]' is made from a rate"),
    "an orbit shorter than a row": ([(("orbit", "period"), 0.5), (("folds", "embargo"), 0.1)], "orbit.period is sho"),
    "orbits that cannot be counted": (
        [(("orbit", "period"), 1e-4), (("input", "cadence"), 1e-4), (("folds", "embargo"), 0.0)],
        "input.cadence",
    ),
    "an epoch before 1970": ([(("orbit", "epoch"), -1.0)], "orbit.epoch"),
    "an embargo longer than an orbit": ([(("folds", "embargo"), 101.0)], "folds.embargo is longer than an orbit"),
    "more bins than there are": ([(("intervals", "more_than"), 2)], "intervals.more_than = 2 can never hold"),
    "context twice": ([(("intervals", "context"), ["glat", "glat"])], "'glat' is named twice"),
    "context twice by a slice": ([(("intervals", "context"), ["rate[0:2]", "rate[1]"])], "'rate[1]' is named twice"),
    "context of another meaning": ([(("intervals", "context"), ["sigma"])], "is a column of the result"),
    "a sum of an absent bin": ([(("trigger", "sums"), [[0, 2]])], "there is no bin 2; bins are 0 to 1"),
    "a spectrum of three bins": ([(("inject", "spectra"), {"a": [1.0] * 3})], "3 shares for 2 bins"),
    "a spectrum of nothing": ([(("inject", "spectra"), {"a": [0.0, 0.0]})], "adds nothing to any bin"),
    "durations the wrong way round": ([(("inject", "durations"), [3.0, 1.0])], "3 is not below 1"),
    "a column in two groups": ([(("explain", "groups"), {"a": ["glat"], "b": ["glat"]})], "'glat' is named twice"),
    "seventeen filters": ([(("filters",), {f"f{n}": "hv > 1" for n in range(17)})], "at most 16 filters"),
    "a filter that no row passes": ([(("filters",), {"never": "hv < 0"})], "1000 rows: filter never: not hv < 0"),
    "a derived column of an odd name": ([(("derived",), {"a-b": "glat"})], "derived.'a-b': a column is named with"),
    "a derived column of itself": ([(("derived", "turn"), "turn + 1")], "reads 'turn', which is not derived before"),
    "a column that comes later": ([(("derived",), {"turn": "x", "x": "1"})], "reads 'x', which is not derived before"),
    "a live time that is no number": ([(("rates", "exposure"), math.nan)], "a number of seconds > 0"),
    "neither rates nor counts": ([(("rates", "values"), [])], "rates: give either values (rates, Hz) or counts"),
    "rates and counts": ([(("rates", "counts"), ["n[0:2]"])], "rates: give either values (rates, Hz) or counts"),
    "counts with errors": (
        [(("rates", "values"), []), (("rates", "counts"), ["rate[0:2]"])],
        "those of counts are their square roots",
    ),
    "no file at all": ([(("input", "path"), [])], "input.path"),
    "a live time of zero": ([(("rates", "exposure"), 0)], "a number of seconds > 0"),
    "a live time of a constant below zero": (
        [(("rates", "exposure"), "-1")],
        "no bin has a usable rate: exposure is not a number > 0",
    ),
    "a name that leads away": ([(("name",), "../../toy")], "the run folder is named after it"),
    "a name that is a path": ([(("name",), "/toy")], "the run folder is named after it"),
    "a name of dots": ([(("name",), "..")], "the run folder is named after it"),
    "a name of spaces": ([(("name",), "  ")], "the run folder is named after it"),
    "a name of two lines": ([(("name",), "a\nb")], "the run folder is named after it"),
    "a name that rings": ([(("name",), "\x07")], "the run folder is named after it"),
    "a list with a null character": (
        [(("known_events", "file"), "k\x00.csv")],
        "known_events.file: a file name cannot hold a null character",
    ),
    "a tree of another name": ([(("input", "tree"), "row")], "no tree 'row' (did you mean 'rows'?)"),
    "a time of another name": ([(("input", "time"), "time")], "no branch 'time'"),
    "another cadence": (
        [(("input", "cadence"), 4.0)],
        "but input.cadence is 4 s; set input.cadence = 1",
    ),
    "a tree that is a key of a table": ([(("input", "tree"), "rows;2")], "no tree 'rows;2' (did you mean 'rows'?)"),
}


@pytest.mark.parametrize("case", AT_ODDS)
def test_what_does_not_fit_together_is_refused(desk, refused, case):
    changes, told = AT_ODDS[case]
    raw = toy.configured(*((place, value) for place, value in changes))
    (desk / "toy.toml").write_text(toy.toml(raw))
    refused("inspect", "-c", "toy.toml", told=[told])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("rows\x00.root", "a file name cannot hold a null character"),
        (["rows.root", "rows\x00.root"], "a file name cannot hold a null character"),
        ("", "the name of a file is empty"),
        (["rows.root", ""], "the name of a file is empty"),
    ],
)
def test_a_name_that_no_file_can_have_is_one_fault_of_its_setting(desk, refused, path, told):
    (desk / "toy.toml").write_text(toy.toml(toy.configured((("input", "path"), path))))
    assert refused("inspect", "-c", "toy.toml") == f"error: toy.toml: input.path: {told}"


TEXTS = {
    "nothing": (b"", "'name' is missing (and 4 more)"),
    "words": (b"this is a configuration\n", "not valid TOML"),
    "JSON": (b'{"name": "Toy"}', "not valid TOML"),
    "a ROOT file": (b"root\x00\x00\xf3\xc0", "cannot be read as a configuration"),
    "UTF-16": ("name = 'Toy'".encode("utf-16"), "cannot be read as a configuration"),
    "a byte order mark": (b"\xef\xbb\xbfname = 'Toy'\n", "not valid TOML"),
    "Latin-1": ("name = 'Tö'".encode("latin-1"), "cannot be read as a configuration"),
    "a null character": (b"name = 'T\x00y'\n", "not valid TOML"),
    "an open text": (b"name = 'Toy\n", "not valid TOML"),
    "an open list": (b"name = [1, 2\n", "not valid TOML"),
    "a key twice": (b"name = 'a'\nname = 'b'\n", "not valid TOML"),
    "a table twice": (b"[input]\n[input]\n", "not valid TOML"),
    "a number of 5000 digits": (b"name = " + b"9" * 5000, "not valid TOML"),
    "lists in lists in lists": (b"name = " + b"[" * 5000 + b"]" * 5000, "not valid TOML"),
    "tables in tables in tables": (b"name = " + b"{a=" * 5000 + b"1" + b"}" * 5000, "not valid TOML"),
    "a long dotted key": (b".".join([b"a"] * 5000) + b" = 1", "unknown key 'a'"),
    "a key of 100,000 letters": (b"a" * 100_000 + b" = 1", "unknown key 'aaa"),
    "a day that is none": (b"name = 2017-02-30\n", "not valid TOML"),
    "a list of tables": (b"[[input]]\npath = 'a'\n", "'name' is missing"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_no_configuration_is_refused(desk, refused, case):
    content, told = TEXTS[case]
    (desk / "toy.toml").write_bytes(content)
    line = refused("inspect", "-c", "toy.toml", told=[f"toy.toml: {told}"])
    assert len(line) < 3100


PATHS = {
    "nowhere.toml": "no configuration at nowhere.toml; see configs/polar.toml for a complete one",
    ".": "cannot be read as a configuration",
    "toy.toml/toy.toml": "toy.toml",
    "/dev/null": "is a device, not a configuration",
    "/dev/zero": "is a device, not a configuration",
    "a" * 300: "File name too long",
    "rows.root": "cannot be read as a configuration",
    "": "Invalid value for '-c' / '--config': the name is empty",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_to_no_configuration_is_refused(refused, path):
    refused("inspect", "-c", path, told=[PATHS[path]])


SETTINGS = {
    "": "write it as section.key=value",
    "folds.count": "write it as section.key=value",
    "=3": "write it as section.key=value",
    "folds..count=3": "write it as section.key=value",
    "name.x=3": "'name' is not a section",
    "folds.counts=3": "unknown key 'folds.counts' (did you mean 'count'?)",
    "folds.count=": "folds.count: Input should be a valid integer",
    "folds.count='3'": "folds.count: Input should be a valid integer",
    "folds.count=true": "folds.count: Input should be a valid integer",
    "folds.count=3\nname='x'": "folds.count: Input should be a valid integer",
    "orbit.period=nan": "orbit.period: Input should be a finite number",
    "orbit.period=1e400": "orbit.period: Input should be a finite number",
    "folds.count=" + "9" * 5000: "folds.count: Input should be a valid integer",
    "folds.count=" + "[" * 5000: "folds.count: Input should be a valid integer",
    "features.history.0.guard=3": "'history' is not a section",
    "derived.x=__import__('os')": "unknown function '__import__'",
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda text: ascii(text)[:40])
def test_a_setting_that_does_not_fit_is_refused(refused, setting):
    refused("inspect", "-c", "toy.toml", "--set", setting, told=[SETTINGS[setting]])
