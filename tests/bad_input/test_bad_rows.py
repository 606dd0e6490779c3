"""Bad rows: few are dropped and told of, too many are refused; and what a file of few orbits is told by each verb."""

import json

import numpy as np
import pytest
import toy

NAN, INF = np.nan, np.inf
TIME = "time is not a number of unix seconds"
REPEATED = "time repeats or overlaps that of another row"
STRAY = "time is out of order and beside no other row"
RATE = "rate is not a number >= 0"
LIVE = "live time is not known"
EXPOSURE = "exposure is not a number > 0"
NO_RATE, NO_EXPOSURE = (f"no bin has a usable rate: {reason}" for reason in (RATE, EXPOSURE))
OFF = "filter switched on: not hv > 500"
FORESEEN = [
    "10 orbits: fewer than the 32 from which a ranking of events can be learned; they will be ranked by significance",
    "no passage of the South Atlantic Anomaly is visible, because no gap lasts 10 to 50 s (features.passage): the "
    "features of the passages will be constant",
]
"""What is said of the toy however good its rows are: they are ten orbits without a gap."""

N = toy.ROWS
T = toy.START
ALL = np.arange(N)


def element(values, row, bin_number):
    """Return rates of which one row's one bin is another value."""
    column = toy.columns()
    changed = column["rate"].copy()
    changed[row, bin_number] = values
    return changed


def errors(value, rows, bin_number=0):
    changed = toy.columns()["err"].copy()
    changed[rows, bin_number] = value
    return changed


DROPPED = {
    "a time that is NaN": ({"unix_time": {5: NAN}}, {TIME: 1}),
    "a time that is infinite": ({"unix_time": {5: INF, 6: -INF}}, {TIME: 2}),
    "a time of 1e33": ({"unix_time": {5: 1e33, 6: -1e33}}, {TIME: 2}),
    "a time in milliseconds": ({"unix_time": {N - 1: 1e3 * T}}, {TIME: 1}),
    "a time twice": ({"unix_time": {5: T + 4}}, {REPEATED: 1}),
    "a time that goes back": ({"unix_time": {5: T + 1.5}}, {REPEATED: 1}),
    "a time far ahead": ({"unix_time": {5: T + 1e6}}, {STRAY: 1}),
    "a time of zero": ({"unix_time": {5: 0.0}}, {STRAY: 1}),
    "all rows twice": ({"unix_time": T + ALL // 2}, {REPEATED: N // 2}),
    "a block that comes again": ({"unix_time": T + np.r_[ALL[:600], ALL[500:900]]}, {REPEATED: 100}),
    "two blocks in wrong order": ({"unix_time": T + np.r_[ALL[700:], ALL[:700]]}, {}),
    "a live time of zero": ({"live": {5: 0.0}}, {NO_EXPOSURE: 1}),
    "a negative live time": ({"live": {5: -1.0}}, {NO_EXPOSURE: 1}),
    "a live time that is NaN": ({"live": {5: NAN}}, {NO_EXPOSURE: 1}),
    "a live time of 1e33": ({"live": {5: 1e33}}, {NO_EXPOSURE: 1}),
    "high voltage off": ({"hv": {5: 0, 6: 500, 7: NAN}}, {OFF: 3}),
    "several faults in a row": ({"unix_time": {5: NAN}, "live": {5: 0.0}, "err": errors(0.0, 5)}, {TIME: 1}),
    "faults in several rows": ({"unix_time": {5: NAN}, "live": {6: 0.0}, "err": errors(0.0, 7)},
                               {TIME: 1, NO_EXPOSURE: 1}),
    "a rate in a bin that is not read": ({"rate": element(NAN, 5, 2)}, {}),
    "a rate of zero": ({"rate": element(0.0, 5, 0)}, {}),
    "gaps": ({"unix_time": T + ALL + 100.0 * (ALL // 300)}, {}),
    "times that fall": ({"unix_time": T - ALL}, {}),
    "times shuffled": ({"unix_time": T + np.random.default_rng(1).permutation(N)}, {}),
    "a gap of years": ({"unix_time": T + ALL + 1e8 * (ALL // 500)}, {}),
    "a first row of 1970": ({"unix_time": {0: 0.0}}, {}),
}  # fmt: skip


def inspected(accepted, *words):
    return json.loads(accepted("inspect", "-c", "toy.toml", *words, "--json"))


@pytest.mark.parametrize("case", DROPPED)
def test_bad_rows_are_dropped_and_told_of(desk, accepted, case):
    changes, dropped = DROPPED[case]
    toy.write(desk / "rows.root", toy.spoilt(changes))
    before = (desk / "rows.root").read_bytes()
    told = inspected(accepted)
    assert told["dropped"] == dropped
    assert (told["entries"], told["usable"]) == (N, N - sum(dropped.values()))
    assert (desk / "rows.root").read_bytes() == before
    shown = accepted("inspect", "-c", "toy.toml")
    reasons = ", ".join(f"{rows:,} ({reason})" for reason, rows in dropped.items())
    assert [f"not used, of {N:,} rows: {reasons}"] * bool(dropped) == [r for r in told["remarks"] if "not used" in r]
    for reason, rows in dropped.items():
        assert f"dropped: {reason}" in shown
        assert f"{rows:,}" in shown


MASKED = {
    "a rate that is NaN": ({"rate": element(NAN, 5, 0)}, {"rate[0]": 1}),
    "a rate of another bin that is NaN": ({"rate": element(NAN, 5, 1)}, {"rate[1]": 1}),
    "a rate that is infinite": ({"rate": element(INF, 5, 0)}, {"rate[0]": 1}),
    "a rate of 1e33": ({"rate": element(1e33, 5, 0)}, {"rate[0]": 1}),
    "a rate of -1e33": ({"rate": element(-1e33, 5, 0)}, {"rate[0]": 1}),
    "a negative rate": ({"rate": element(-1.0, [5, 6], 1)}, {"rate[1]": 2}),
    "half of the rows bad": ({"rate": element(NAN, ALL[::2], 0)}, {"rate[0]": N // 2}),
    "an error of zero": ({"err": errors(0.0, 5)}, {}),
    "a negative error": ({"err": errors(-1.0, 5)}, {}),
    "an error that is NaN": ({"err": errors(NAN, 5, 1)}, {}),
    "an error that is infinite": ({"err": errors(INF, 5)}, {}),
    "no error at all": ({"err": np.zeros((N, 3))}, {}),
}


@pytest.mark.parametrize("case", MASKED)
def test_bad_values_are_masked_told_of_and_fitted_around(desk, accepted, case):
    changes, masked = MASKED[case]
    toy.write(desk / "rows.root", toy.spoilt(changes))
    told = inspected(accepted)
    assert (told["dropped"], told["usable"]) == ({}, N)
    lines = [f"masked: {name} in {rows:,} rows ({RATE})" for name, rows in masked.items()]
    assert told["remarks"] == [*lines, *FORESEEN]
    fitted = json.loads(accepted("fit", "-c", "toy.toml", "-r", "run", "--json"))
    assert (fitted["rows"], fitted["remarks"]) == (N, lines)


MISSING = {
    "a feature that is NaN": ({"glat": {5: NAN}}, {"glat": 1}),
    "a feature that is infinite": ({"glat": {5: INF, 6: -INF}}, {"glat": 2}),
    "a feature of 1e33": ({"glat": {5: 1e33, 6: -1.2e33}}, {"glat": 2}),
    "a feature beyond float32": ({"temperature": {5: 1e300}}, {"temperature": 1}),
    "a feature that is never there": ({"temperature": np.full(N, NAN)}, {"temperature": N}),
    "a longitude that is NaN": ({"glon": {5: NAN}}, {"glon": 1}),
    "no latitude at all": ({"glat": np.full(N, NAN)}, {"glat": N}),
    "no place at all": ({"glat": np.full(N, INF), "glon": np.full(N, NAN)}, {"glat": N, "glon": N}),
    "a constant feature": ({"temperature": np.zeros(N)}, {}),
    "a constant latitude": ({"glat": np.zeros(N)}, {}),
    "a latitude beyond the pole": ({"glat": np.full(N, 1e4)}, {}),
    "a longitude of many turns": ({"glon": np.full(N, 1e6)}, {}),
    "a live time that is constant": ({"live": np.full(N, 0.5)}, {}),
}


@pytest.mark.parametrize("case", MISSING)
def test_missing_features_are_kept_and_told_of(desk, accepted, case):
    changes, missing = MISSING[case]
    toy.write(desk / "rows.root", toy.spoilt(changes))
    told = inspected(accepted)
    assert (told["dropped"], told["missing"], told["usable"]) == ({}, missing, N)


@pytest.mark.parametrize("case", ["a feature that is never there", "no place at all", "a constant latitude"])
def test_a_model_takes_features_that_say_nothing(desk, accepted, case):
    toy.write(desk / "rows.root", toy.spoilt(MISSING[case][0]))
    fitted = json.loads(accepted("fit", "-c", "toy.toml", "-r", "run", "--json"))
    assert fitted["rows"] == N


TYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8", "?"]


@pytest.mark.parametrize("kind", TYPES)
def test_numbers_of_any_type_are_read(desk, accepted, kind):
    values = (np.arange(N) % 2 * 100 + 20).astype(kind)
    exact = {"hv": np.full(N, 800), "temperature": values}
    rates = np.full((N, 3), 1 if kind == "?" else 100).astype(kind)
    toy.write(desk / "rows.root", toy.spoilt(exact | {"rate": rates, "err": rates}))
    told = inspected(accepted)
    assert (told["dropped"], told["missing"]) == ({}, {})
    assert told["rates"]["rate[0]"][1] == float(rates[0, 0])


def test_an_array_of_one_element_is_a_number(desk, accepted):
    toy.write(desk / "rows.root", toy.spoilt({"glat": toy.columns()["glat"][:, None], "hv": np.full((N, 1), 800)}))
    assert inspected(accepted)["usable"] == N


def test_one_row_is_looked_at(desk, accepted):
    toy.write(desk / "rows.root", toy.columns(1))
    told = inspected(accepted)
    assert (told["entries"], told["usable"], told["orbits"], told["segments"]) == (1, 1, 1, 1)


def test_rates_whose_errors_give_no_live_time_are_masked(desk, accepted):
    (desk / "toy.toml").write_text(toy.toml(toy.configured((("rates", "exposure"), None))))
    toy.write(desk / "rows.root", toy.spoilt({"err": errors(1e-200, [5, 6])}))
    told = inspected(accepted)
    assert (told["dropped"], told["remarks"]) == ({}, [f"masked: rate[0] in 2 rows ({LIVE})", *FORESEEN])
    assert json.loads(accepted("fit", "-c", "toy.toml", "-r", "run", "--json"))["rows"] == N


@pytest.mark.parametrize("stray", [0.0, 2e11])
def test_a_stray_time_at_an_end_costs_no_memory_and_no_more_than_its_row(desk, accepted, stray):
    toy.write(desk / "rows.root", toy.spoilt({"unix_time": {0 if stray < T else N - 1: stray}}))
    assert json.loads(accepted("fit", "-c", "toy.toml", "-r", "run", "--json"))["rows"] == N


BAD = {
    "no time is a number": ({"unix_time": np.full(N, NAN)}, [f"no usable row among 1000 (1000 rows: {TIME})"]),
    "times in milliseconds": ({"unix_time": 1e3 * (T + ALL)}, ['set input.time_format = "milliseconds"']),
    "one time in all rows": ({"unix_time": np.full(N, T)}, ["in every row", "input.time"]),
    "times of 1e33": ({"unix_time": np.full(N, 1e33)}, [f"1000 rows: {TIME}"]),
    "rows twice as far apart": ({"unix_time": T + 2.0 * ALL}, ["are 2 s apart", "set input.cadence = 2"]),
    "a gap everywhere": ({"unix_time": T + 50.0 * ALL}, ["are 50 s apart", "set input.cadence = 50"]),
    "rows ten times as dense": ({"unix_time": T + 0.1 * ALL}, ["are 0.1 s apart", "set input.cadence = 0.1"]),
    "no rate is a number": ({"rate": np.full((N, 3), NAN)}, [f"1000 rows: {NO_RATE}"]),
    "rates of 1e33": ({"rate": np.full((N, 3), 1e33)}, [f"1000 rows: {NO_RATE}"]),
    "negative rates": ({"rate": np.full((N, 3), -5.0)}, [f"1000 rows: {NO_RATE}"]),
    "no live time": ({"live": np.zeros(N)}, [f"1000 rows: {NO_EXPOSURE}"]),
    "never switched on": ({"hv": np.zeros(N)}, [f"1000 rows: {OFF}"]),
    "all rows bad, each in its way": (
        {"unix_time": {0: NAN}, "rate": np.full((N, 3), NAN), "hv": np.zeros(N)},
        [f"1 rows: {TIME}, 999 rows: {NO_RATE}"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("verb", ["inspect", "fit", "tune"])
def test_rows_that_are_all_bad_are_refused(desk, refused, case, verb):
    changes, told = BAD[case]
    toy.write(desk / "rows.root", toy.spoilt(changes))
    refused(verb, "-c", "toy.toml", *([] if verb == "inspect" else ["-r", "run"]), told=["rows.root: ", *told])


FEW = {
    "one row": (toy.columns(1), (), ["1 group(s) of 1 orbit(s), too few for 3 folds", "lower folds.count"]),
    "one orbit": (toy.columns(100), (), ["1 group(s) of 1 orbit(s), too few for 3 folds"]),
    "two orbits": (toy.columns(200), (), ["2 group(s) of 1 orbit(s)"]),
    "fewer orbits than folds": (toy.columns(), ["folds.count=11"], ["10 group(s) of 1 orbit(s)", "11 folds"]),
    "groups that are too large": (toy.columns(), ["folds.group=9"], ["2 group(s) of 9 orbit(s)"]),
    "one day": (toy.columns(), ["folds.scheme=days"], ["1 group(s) of 1 day(s)", "read a longer file"]),
    "fewer rows than a block": (toy.columns(200), ["folds.scheme=blocks"], ["too few for blocks of 256"]),
    "an embargo of all": (toy.columns(400), ["folds.embargo=100"], ["lower folds.embargo"]),
}


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("verb", ["fit", "tune"])
def test_too_few_rows_for_folds_are_refused(desk, refused, case, verb):
    branches, settings, told = FEW[case]
    toy.write(desk / "rows.root", branches)
    refused(verb, "-c", "toy.toml", "-r", "run", *(word for one in settings for word in ("--set", one)), told=told)


ISO, MILLISECONDS = (f'set known_events.time_format = "{name}"' for name in ("iso", "milliseconds"))
KNOWN = {
    "a date": ("name,unix_time\nA,2017-01-01T00:01:40\n", ["such as '2017-01-01T00:01:40'", ISO]),
    "a date in the second row": ("name,unix_time\nA,1483228900\nB,2017-01-01\n", ["line 3", "'2017-01-01'"]),
    "a date after a name of two lines": ('name,unix_time\n"A\nB",1483228900\nC,x\n', ["line 4", "'x'"]),
    "no time": ("name,unix_time\nA,\n", ["line 2", "not a number of unix seconds such as"]),
    "no comma": ("name,unix_time\nA\n", ["line 2", "not a number of unix seconds such as"]),
    "NaN": ("name,unix_time\nA,nan\n", ["text such as 'nan', neither a number"]),
    "infinity": ("name,unix_time\nA,inf\n", ["text such as 'inf', neither a number"]),
    "too large": ("name,unix_time\nA,1e400\n", ["text such as '1e400', neither a number"]),
    "milliseconds": ("name,unix_time\nA,1483228900500\n", ["unix milliseconds", "2017-01-01 00:01:40", MILLISECONDS]),
    "nanoseconds": ("name,unix_time\nA,1e18\n", ["unix nanoseconds (1e+18 is 2001-09-09", "unix_time / 1e9"]),
    "a decimal comma": ('name,unix_time\nA,"1483228900,5"\n', ["text such as '1483228900,5', neither a number"]),
    "a null character": ("name,unix_time\nA,148\x0032\n", [r"text such as '148\x0032', neither a number"]),
    **{
        f"{text!a} beside a time": (f'name,unix_time\nA,0\nB,"{text}"\n', ["line 3", f"'{shown}', not a number"])
        for text, shown in {
            **{text: text for text in ("nan", "inf", "1e400", "1483228900500", "1e18", "1483228900,5")},
            "148\x0032": r"148\x0032",
        }.items()
    },
    "semicolons": ("name;unix_time\nA;1483228900\n", ["no column 'unix_time' (did you mean 'name;unix_time'?)"]),
    "tabs": ("name\tunix_time\nA\t1483228900\n", ["no column 'unix_time'", "known_events.time"]),
    "another column": ("name,time\nA,1483228900\n", ["no column 'unix_time' (did you mean 'time'?)"]),
    "no name": ("burst,unix_time\nA,1483228900\n", ["no column 'name'", "known_events.name"]),
    "no header": ("A,1483228900\n", ["no column 'unix_time'"]),
    "UTF-16": ("name,unix_time\nA,1483228900\n".encode("utf-16"), ["no column 'unix_time'"]),
    "an open quote": ('name,unix_time\n"A,1483228900\n', ["cannot be read as a CSV table"]),
    "too many fields": ("name,unix_time\nA,1,2,3\n", ["cannot be read as a CSV table"]),
    "no UTF-8": (b"name,unix_time\n\xe9,1483228900\n", ["cannot be read as a CSV table"]),
    "nothing": (b"", ["cannot be read as a CSV table"]),
    "blank lines": (b"\n\n\n", ["cannot be read as a CSV table"]),
    "noise": (np.random.default_rng(0).bytes(1000), ["known.csv"]),
    "a ROOT file": (b"root" + bytes(500), ["known.csv"]),
    "no file": (None, ["no file", "known.csv of known events (known_events.file)"]),
    "a folder": ("folder", ["cannot be read as a CSV table"]),
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN)
def test_a_list_of_known_events_that_cannot_be_read_is_refused(desk, refused, case):
    content, told = KNOWN[case]
    path = desk / "known.csv"
    if content is None or content == "folder":
        path.unlink()
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    refused("inspect", "-c", "toy.toml", told=["known.csv", *told])


@pytest.mark.parametrize(
    ("content", "near"),
    [
        ("name,unix_time\n", 0),
        ("name,unix_time\nA,1483228900.5\nA,1483228900.5\n", 6),
        ("\ufeffname,unix_time\r\nA, 1483228900.5 \r\n", 6),
        ("unix_time,x,name\n1483228900.5,y,\n", 6),
        ("name,unix_time\nA,0\nB,2e11\nC,-1e9\n", 0),
        ("name,unix_time\nfirst,1483228800\nlast,1483229799\n", 7),
        ('name,unix_time\n"A, ""b""\nc",1483228900.5\n', 6),
    ],
)
def test_an_odd_list_of_known_events_is_read(desk, accepted, content, near):
    (desk / "known.csv").write_bytes(content.encode())
    assert inspected(accepted)["known"] == near
