"""Throw damaged and made-up input at the parts that read it; whatever is neither right nor one line is a crash.

Run it as ``python benchmarks/fuzz.py --target reader --minutes 3 --seed 1``: equal seeds give equal input. Hypothesis
makes the input and shrinks what crashes.
"""
# ruff: noqa: S101, ANN401 - what fails an assertion is what is looked for; values are of any type

from __future__ import annotations

import ast
import copy
import math
import operator
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, reduce
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import click
import hypothesis
import numpy as np
import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/bad_input"))
import toy

from polarbgb.background.folds import make_folds
from polarbgb.config import load
from polarbgb.data.dataset import clean
from polarbgb.data.known_events import read_known
from polarbgb.errors import UserError
from polarbgb.expressions import FUNCTIONS, parse
from polarbgb.features.matrix import build_matrix
from polarbgb.io.input import list_branches, list_trees, read_columns
from polarbgb.workflow.reading import row_rules

SLOWEST = 20.0
"""s of the processor that one input may take."""
LARGEST = 2 * 2**20
"""KiB by which memory may grow."""


class TooSlowError(BaseException):
    """No Exception: what catches all of those must not catch this."""


@contextmanager
def bounded() -> Iterator[None]:
    """End what takes too long, and complain of what takes too much memory."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert grown < LARGEST, f"{grown / 2**20:.1f} GiB"


@cache
def place() -> Path:
    """Return a folder for the files of this process."""
    return Path(tempfile.mkdtemp(prefix="fuzz-"))


def one_line(error: UserError) -> None:
    """A message has no line breaks of its own and is no essay."""
    assert 0 < len(" ".join(str(error).split())) < 6000


# reader


@cache
def files() -> tuple[bytes, ...]:
    """Return sound files: compressed in one basket, and plain in several."""
    import uproot

    packed = toy.write(place() / "packed.root", toy.columns(300)).read_bytes()
    rows = toy.columns(60)
    with uproot.recreate(place() / "plain.root", compression=None) as file:
        tree = file.mktree(toy.TREE, {name: np.dtype((v.dtype, v.shape[1:])) for name, v in rows.items()})
        for start in range(0, 60, 20):
            tree.extend({name: v[start : start + 20] for name, v in rows.items()})
    return packed, (place() / "plain.root").read_bytes()


COLUMNS = ["unix_time", "rate[0]", "rate[2]", "err[1]", "hv", "glat", "up"]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "insert", "delete", "copy", "number", "cut"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
        st.floats(0, 1, exclude_max=True),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes: list[tuple[str, float, bytes, float]]) -> bytes:
    """Change bytes; half of the places lie in what describes the file, at its ends."""
    for kind, where, some, other in changes:
        at = (
            int(where * len(data))
            if other < 0.5
            else int(where * min(len(data), 800)) - (len(data) if other > 0.9 else 0)
        )
        at %= max(len(data), 1)
        length = len(some)
        match kind:
            case "flip":
                new = bytes([data[at] ^ (1 << some[0] % 8)]) if data else b""
                data = data[:at] + new + data[at + 1 :]
            case "set":
                data = data[:at] + some + data[at + length :]
            case "insert":
                data = data[:at] + some + data[at:]
            case "delete":
                data = data[:at] + data[at + some[0] :]
            case "copy":
                start = int(other * len(data))
                data = data[:at] + data[start : start + some[0]] + data[at + some[0] :]
            case "number":
                edge = [0, 1, -1, 2**31 - 1, -(2**31), 2**30, 2**24, 1000][some[0] % 8]
                data = data[:at] + edge.to_bytes(4, "big", signed=True) + data[at + 4 :]
            case "cut":
                data = data[:at]
    return data


def try_reader(which: int, changes: list[tuple[str, float, bytes, float]]) -> None:
    """A damaged file gives a frame of the asked columns, all of one length, or one line."""
    path = place() / "damaged.root"
    path.unlink(missing_ok=True)  # to write over a file waits for the disk
    path.write_bytes(changed(files()[which], changes))
    try:
        with bounded():
            for tree in list_trees(path):
                list_branches(path, tree)
    except UserError as error:
        one_line(error)
    try:
        with bounded():
            frame = read_columns(path, toy.TREE, COLUMNS, exact=["unix_time"])
    except UserError as error:
        one_line(error)
        return
    assert frame.columns == sorted(COLUMNS)
    assert 0 < len(frame) < 10**6


# expressions

_NAMES = ["a", "b", "rate[0]", "rate[12]", "pi", "nan", "True", "x_1", "e"]
_NUMBERS = ["0", "1", "2", "0.5", "1e308", "1e-320", "9", "10", "1e400", "0x10", "1_000", "007", "3j", "-1", "1e", ".5"]
_LEAVES = st.sampled_from([*_NAMES, *_NUMBERS]) | st.floats().map(repr) | st.integers().map(str)
_ODD = st.sampled_from(
    ["__import__('os')", "a.b", "lambda: 1", "[a for a in b]", "f'{a}'", "(a := 1)", "9**9**9", "a if b else 1", "a[b]",
     "a[1:2]", "*a", "'a'", "...", "None", "a()", "a(1)(2)", "abs(x=1)", "{a}", "a is b", "a in b", "a @ b", "a << 9"]
)  # fmt: skip
_BINARY = [
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "<",
    "<=",
    ">",
    ">=",
    "==",
    "!=",
    "and",
    "or",
    "&&",
    "||",
    "&",
    "|",
    "^",
]


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    called = st.sampled_from(sorted(FUNCTIONS)).flatmap(
        lambda name: st.lists(inner, min_size=FUNCTIONS[name], max_size=FUNCTIONS[name]).map(
            lambda parts: f"{name}({', '.join(parts)})"
        )
    )
    return (
        st.builds("({} {} {})".format, inner, st.sampled_from(_BINARY), inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(_BINARY), inner)
        | st.builds("{}({})".format, st.sampled_from(["-", "+", "not ", "!", "~"]), inner)
        | called
    )


TEXTS = (
    st.recursive(_LEAVES, _joined, max_leaves=25)
    | st.recursive(_LEAVES | _ODD, _joined, max_leaves=8)
    | st.text(max_size=60)
    | st.text("abrate[]()0123456789.+-*/%<>=!&|~^,:@'\"\\ \n#_{}lmd;", max_size=80)
    | st.builds(lambda text, times, end: text * times + end, st.text("a(-~!<%+*[ .", min_size=1, max_size=6),
                st.integers(1, 400), st.sampled_from(["a", "1", ")", ""]))
)  # fmt: skip
VALUES = st.lists(
    st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e300, 5e-324]),
    min_size=6,
    max_size=6,
)


def try_expression(text: str, values: list[float]) -> None:
    """An expression is refused in one line, or gives what numpy gives."""
    try:
        with bounded():
            expression = parse(text)
    except UserError as error:
        one_line(error)
        return
    values = list(np.resize(values, 12))
    rows = {name: np.roll(values, number) for number, name in enumerate(sorted(expression.columns))}
    frame = pl.DataFrame(rows | {"__rows__": np.arange(12.0)})
    with bounded():
        got = frame.with_columns(expression.number().alias("__value__"))["__value__"].to_numpy()
        held = frame.with_columns(expression.truth().alias("__value__"))["__value__"].to_numpy()
    with np.errstate(all="ignore"):
        wanted = np.broadcast_to(np.asarray(by_numpy(expression.tree, rows), float), 12)
        alike = np.isclose(got, wanted, rtol=1e-9, atol=1e-300, equal_nan=True)
    # Rounding decides where a value is cut off, and infinities of a//b and a%b are a matter of convention.
    if not _cut_off(expression.tree):
        assert alike.all(), (text, rows, got, wanted)
        if not any(isinstance(node, ast.BoolOp | ast.Not | ast.Compare) for node in ast.walk(expression.tree)):
            assert (held == ((got != 0) & ~np.isnan(got))).all(), (text, got, held)


def _cut_off(tree: ast.expr) -> bool:
    kinds = (ast.FloorDiv, ast.Mod, ast.Compare, ast.Invert, ast.Not, ast.BoolOp)
    calls = {"floor", "ceil", "where", "min", "max", "tan", "sin", "cos", "exp"}
    inexact = (ast.Div, ast.Pow, ast.Call)
    nodes = list(ast.walk(tree))
    cut = [n for n in nodes if isinstance(n, kinds) or (isinstance(n, ast.Name) and n.id in calls)]
    return bool(cut) and (any(isinstance(n, inexact) for n in nodes) or any(isinstance(n, kinds[:2]) for n in nodes))


_NUMPY: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "log10": np.log10, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "floor": np.floor,
    "ceil": np.ceil, "min": np.minimum, "max": np.maximum,
    "where": lambda condition, yes, no: np.where(_true(condition), yes, no),
}  # fmt: skip
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: np.divide, ast.Pow: np.power,
    ast.FloorDiv: lambda a, b: np.floor(np.divide(a, b)), ast.Mod: lambda a, b: a - np.floor(np.divide(a, b)) * b,
    ast.BitAnd: lambda a, b: _true(a) & _true(b), ast.BitOr: lambda a, b: _true(a) | _true(b),
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal, ast.USub: np.negative, ast.UAdd: np.positive, ast.Not: lambda a: ~_true(a),
    ast.Invert: lambda a: ~_true(a), ast.And: operator.and_, ast.Or: operator.or_,
}  # fmt: skip


def _true(value: Any) -> Any:
    value = np.asarray(value, float)
    return (value != 0) & ~np.isnan(value)


def by_numpy(node: ast.AST, rows: dict[str, Any]) -> Any:
    """Evaluate a syntax tree as numpy would."""
    match node:
        case ast.Constant(value=value):
            return np.float64(value)
        case ast.Name(id=name):
            return np.float64(math.pi) if name == "pi" else rows[name]
        case ast.Subscript():
            return rows[ast.unparse(node)]
        case ast.UnaryOp(op=op, operand=operand):
            return np.asarray(_OPERATORS[type(op)](np.asarray(by_numpy(operand, rows), float)), float)
        case ast.BinOp(left=left, op=op, right=right):
            return np.asarray(_OPERATORS[type(op)](by_numpy(left, rows), by_numpy(right, rows)), float)
        case ast.BoolOp(op=op, values=values):
            return reduce(_OPERATORS[type(op)], [_true(by_numpy(value, rows)) for value in values]).astype(float)
        case ast.Compare(left=left, ops=ops, comparators=others):
            terms = [by_numpy(one, rows) for one in (left, *others)]
            links = [_OPERATORS[type(op)](a, b) for op, a, b in zip(ops, terms[:-1], terms[1:], strict=True)]
            return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*links)), float)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _NUMPY[name](*(by_numpy(one, rows) for one in args))
    raise AssertionError(ast.dump(node))


# config

_NASTY = st.sampled_from(
    [0, 1, -1, 2, 3, 2**31, 2**63, 10**30, 1e300, -1e300, 5e-324, 1e-300, math.nan, math.inf, -math.inf, True, False,
     "", "a", " ", "glat", "rate[0]", "rate[0:2]", "rate[99]", "rate[2:1]", "../x", "/", "\n", "\x00", "a" * 3000, "ü",
     "1", "nan", "glat > 0", "hv*0", "9**9**9", "__import__('os')", "days", "blocks", "lightgbm", "gamma", [], {},
     [[]], [1], ["a"], ["glat", "glat"], [1.0, 2.0], [2.0, 1.0], [0], [1e300], [1e-300], {"a": "b"}, {"a": ["glat"]},
     {"a": [1.0, 1.0]}, {"": "1"}]
)  # fmt: skip
_WHERE = st.lists(st.integers(0, 50), min_size=1, max_size=4)
SETTINGS = st.lists(
    st.tuples(_WHERE, st.sampled_from(["set", "drop", "add", "rename", *["scale"] * 8]), _NASTY), min_size=1, max_size=3
)
SPOILING = (
    st.none()
    | st.none()
    | st.tuples(st.floats(0, 1), st.text("[]{}=\"'\n.#,0123456789\\ue\x00 ", max_size=6), st.integers(0, 5))
)


def try_config(changes: list[tuple[list[int], str, Any]], spoiling: tuple[float, str, int] | None) -> None:
    """A configuration is refused in one line, or rows can be judged, features made and folds dealt out with it."""
    raw = toy.configured()
    for steps, kind, value in changes:
        _change(raw, steps, kind, copy.deepcopy(value))
    try:
        text = toy.toml(raw)
    except (ValueError, TypeError):  # what TOML cannot say, such as a null character
        return
    if spoiling is not None:
        at = int(spoiling[0] * len(text))
        text = text[:at] + spoiling[1] + text[at + spoiling[2] :]
    path = place() / "toy.toml"
    path.unlink(missing_ok=True)  # to write over a file waits for the disk
    path.write_text(text, encoding="utf-8")
    if not (place() / "known.csv").exists():
        (place() / "known.csv").write_text(toy.KNOWN)
    try:
        with bounded():
            config = load(path)
            frame = read_columns(_good(), toy.TREE, config.branches, exact=config.branches)
            dataset = clean(frame, row_rules(config))
            build_matrix(dataset, config.features, config.position, config.input.cadence)
            make_folds(dataset.time, dataset.known, config.folds, config.orbit, config.model)
    except UserError as error:
        one_line(error)


@cache
def _good() -> Path:
    return toy.write(place() / "rows.root", toy.columns(500))


_KEYS = ["exposure", "memory", "baseline", "classes", "inject", "explain", "noise", "trigger", "scheme", "related",
         "without", "group", "altitude", "field", "hardness", "flags", "rules", "spectra", "groups", "sums", "count",
         "labels", "embargo", "block", "cadence", "epoch", "first", "match", "cleaning", "a", ""]  # fmt: skip


def _change(table: Any, steps: list[int], kind: str, value: Any) -> None:
    """Walk down the tables by numbers, and change what is there."""
    for step in steps[:-1]:
        inner = [v for v in (table.values() if isinstance(table, dict) else table) if isinstance(v, dict | list) and v]
        if not inner:
            break
        table = inner[step % len(inner)]
    if isinstance(table, list):
        if kind == "scale":
            return
        table[steps[-1] % len(table)] = value
        return
    if not table:
        return
    key = list(table)[steps[-1] % len(table)]
    match kind:
        case "set":
            table[key] = value
        case "drop":
            del table[key]
        case "add":
            table[_KEYS[steps[-1] % len(_KEYS)]] = value
        case "scale" if isinstance(table[key], int | float) and not isinstance(table[key], bool):
            table[key] *= [0, 2, 3, 10, 100, 10**6, -1, 0.5, 0.1, 1e-3, 1e-6, 1e-12][sum(steps) % 12]
        case "rename":
            table[key + "s"] = table.pop(key)


# known events

_CELLS = st.sampled_from(
    ["1483228900.5", "0", "-1", "1e400", "nan", "inf", "1e18", "2017-02-06T10:51:57", "", " ", '"', '""',
     '"a,b"', "\x00", "GRB", "ü", "1_000", "0x10", "1,5", "\t", "\r", '"a\nb"', "name", "unix_time", "1e9",
     " 1 ", "\ufeff", "'", "\\"]
)  # fmt: skip
LISTS = (
    st.binary(max_size=60)
    | st.lists(st.tuples(_CELLS, st.floats(-1e10, 1e10).map(repr) | st.integers(0, 2**31).map(str)), max_size=8).map(
        lambda lines: ("name,unix_time\n" + "\n".join(f"{name},{number}" for name, number in lines)).encode()
    )
    | st.builds(lambda lines, end: end.join(",".join(line) for line in lines).encode(),
                st.lists(st.lists(_CELLS, max_size=4), max_size=6), st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    | st.builds(lambda lines, end, tail: f"name,unix_time{end}{end.join(map(','.join, lines))}".encode() + tail,
                st.lists(st.lists(_CELLS, min_size=1, max_size=3), max_size=6), st.sampled_from(["\n", "\r\n"]),
                st.binary(max_size=4))
)  # fmt: skip


def try_known(content: bytes) -> None:
    """A list of events is read with finite times in order and durations, or refused in one line."""
    path = place() / "known.csv"
    path.unlink(missing_ok=True)  # to write over a file waits for the disk
    path.write_bytes(content)
    for duration in (0.0, "name"):  # a column of anything
        try:
            with bounded():
                known = read_known(path, "unix_time", "name", duration=duration, unknown_duration=23.0)
        except UserError as error:
            one_line(error)
            continue
        assert known.schema == {"name": pl.String, "time": pl.Float64, "duration": pl.Float64}
        assert known["time"].is_finite().all()
        assert known["time"].is_sorted()
        assert known["name"].null_count() == 0
        assert known["duration"].is_finite().all()
        assert (known["duration"] >= 0).all()


TARGETS: dict[str, tuple[Callable[..., None], dict[str, st.SearchStrategy[Any]]]] = {
    "reader": (try_reader, {"which": st.sampled_from([0, 1]), "changes": CHANGES}),
    "expressions": (try_expression, {"text": TEXTS, "values": VALUES}),
    "config": (try_config, {"changes": SETTINGS, "spoiling": SPOILING}),
    "known": (try_known, {"content": LISTS}),
}
"""What is tried, and how its input is made."""


def thrown(target: str, seconds: float, seed: int) -> tuple[int, list[str]]:
    """Return how many inputs were thrown at a target within so many seconds, and what crashed, shrunk."""
    attempt, made = TARGETS[target]
    until, crashes, tried = time.monotonic() + seconds, [], 0

    def counted(**arguments: Any) -> None:
        nonlocal tried
        tried += 1
        attempt(**arguments)

    for number in count(seed * 1_000_000):
        if time.monotonic() > until:
            break
        batch = hypothesis.seed(number)(_OPTIONS(given(**made)(counted)))
        try:
            batch()
        except (Exception, TooSlowError) as error:  # that is what is looked for
            crashes.append("".join(traceback.format_exception(error, limit=-6)))
            click.echo(f"crash in batch {number}: {crashes[-1]}", err=True)
    return tried, crashes


_OPTIONS = settings(
    max_examples=300,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@click.command()
@click.option("--target", type=click.Choice(sorted(TARGETS)), required=True)
@click.option("--minutes", default=1.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(target: str, minutes: float, seed: int) -> None:
    """Throw input at a target and print what crashed."""
    warnings.simplefilter("error")
    tried, crashes = thrown(target, 60 * minutes, seed)
    click.echo(f"{target}: {tried} inputs in {minutes:g} min, {len(crashes)} batches with a crash")
    sys.exit(bool(crashes))


if __name__ == "__main__":
    main()
