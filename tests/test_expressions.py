"""Expressions mean what numpy says they mean, and nothing but arithmetic gets through."""

import math
import re
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polarbgb.errors import UserError
from polarbgb.expressions import parse

NUMPY = {
    "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "log10": np.log10, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "floor": np.floor,
    "ceil": np.ceil, "min": np.minimum, "max": np.maximum, "where": np.where, "pi": math.pi, "float64": np.float64,
    "__builtins__": {},
}  # fmt: skip
"""What the names of the language are in numpy."""

COLUMNS = ("a", "b", "c")
ROWS = 7


def number(text, frame):
    return frame.select(parse(text).number().alias("value"))["value"].to_numpy()


def truth(text, frame):
    return frame.select(parse(text).truth().alias("value"))["value"].to_numpy()


def by_numpy(text, frame):
    """Evaluate with numpy; ``text`` is spelt with & | ~, which numpy has, and not with and, or, not."""
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    with np.errstate(all="ignore"):
        # As a numpy scalar a constant takes no Python rules, under which 0/0 is an exception.
        scalars = re.sub(r"\((-?\d+\.\d+)\)", r"float64(\1)", text)
        value = eval(scalars, NUMPY | columns)  # noqa: S307 - the text is made here
    return np.broadcast_to(np.asarray(value, float), len(frame))


def binary(operators, left, right):
    return st.builds("({} {} {})".format, left, st.sampled_from(operators), right)


# Halves and quarters: their quotients are rounded correctly, so that floor(a/b) is exact in either library.
dyadic = st.integers(-400, 400).map(lambda n: n / 4)
constant = dyadic.map(lambda x: f"({x!r})")
column = st.sampled_from(COLUMNS)
leaf = column | constant
# A zero rest has the sign of the divided in numpy and none here: + 0.0 takes it away before something is divided by it.
divided = binary(["//", "%"], leaf, leaf.filter(lambda text: text != "(0.0)")).map(lambda text: f"({text} + 0.0)")
# A literal alone is one value and not a column, so one side of everything reads a column.
comparison = binary(["<", "<=", ">", ">=", "==", "!="], column, leaf)


def deeper(inner):
    condition = comparison | binary(["<", ">=", "!="], inner, inner) | st.builds("(~{})".format, comparison)
    joined = condition | binary(["&", "|"], condition, condition)
    return (
        binary(["+", "-", "*", "/"], inner, inner)
        | st.builds("{}({})".format, st.sampled_from(["abs", "floor", "ceil", "sqrt", "-", "+"]), inner)
        | st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner)
        | st.builds("where({}, {}, {})".format, joined, inner, inner)
    )


exact = st.recursive(leaf | divided, deeper, max_leaves=12)
"""Correctly rounded operations only: both libraries must agree to the last bit."""

frames = st.lists(
    st.lists(dyadic | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0]), min_size=ROWS, max_size=ROWS),
    min_size=len(COLUMNS),
    max_size=len(COLUMNS),
).map(lambda values: pl.DataFrame(dict(zip(COLUMNS, values, strict=True)), schema=dict.fromkeys(COLUMNS, pl.Float64)))


@settings(deadline=None, max_examples=200)
@given(text=exact, frame=frames)
@example("(a / min(a, floor((-30.25))))", pl.DataFrame(dict.fromkeys(COLUMNS, [0.0] * (ROWS - 1) + [3.25])))
def test_arithmetic_agrees_with_numpy_to_the_last_bit(text, frame):
    # Polars takes x + 0.0 for x, and so keeps a negative zero that numpy makes positive.
    frame = frame.select(pl.when(pl.all() == 0).then(0.0).otherwise(pl.all()).name.keep())
    got = number(f"{text} + 0*a", frame)
    # floor(a/b) of infinities and zeros is another thing than numpy's special values of a//b.
    finite = np.ones(ROWS, bool)
    if "//" in text or "%" in text:
        finite = np.logical_and.reduce([np.isfinite(frame[c].to_numpy()) & (frame[c].to_numpy() != 0) for c in COLUMNS])
    np.testing.assert_array_equal(got[finite], by_numpy(f"{text} + 0*a", frame)[finite], err_msg=text)


@settings(deadline=None, max_examples=150)
@given(text=binary(["&", "|"], comparison, comparison | st.builds("(~{})".format, comparison)), frame=frames)
def test_logic_agrees_with_numpy_also_spelt_as_words_and_as_in_c(text, frame):
    wanted = by_numpy(text, frame).astype(bool)
    words = text.replace("&", " and ").replace("|", " or ").replace("~", " not ")
    c = text.replace("&", "&&").replace("|", "||").replace("~", "!")
    for spelling in (text, words, c):
        np.testing.assert_array_equal(truth(spelling, frame), wanted, err_msg=spelling)
        np.testing.assert_array_equal(number(spelling, frame), wanted.astype(float), err_msg=spelling)


@pytest.mark.parametrize(
    "text",
    [
        "exp(a/50)", "log(a)", "log10(b)", "sin(a)", "cos(b)", "tan(a)", "asin(a/100)", "acos(b/100)", "atan(a)",
        "atan2(a, b)", "a**2", "a**b", "abs(a)**0.5", "2**(b/10)", "-a**2", "(-2)**a", "a**-1", "2**3**2 + 0*a",
        "sin(2*pi*a/5535.4)", "10**(log10(abs(b)) / 2)",
    ],
)  # fmt: skip
def test_functions_agree_with_numpy(text):
    rng = np.random.default_rng(1)
    special = [0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf]
    pairs = np.array(np.meshgrid(special, special)).reshape(2, -1)
    values = np.concatenate([pairs, rng.uniform(-100, 100, (2, 500))], axis=1)
    frame = pl.DataFrame({"a": values[0], "b": values[1]})
    wanted = by_numpy(text, frame)
    np.testing.assert_allclose(number(text, frame), wanted, rtol=1e-13, atol=1e-15)
    assert np.isfinite(wanted).any()


@pytest.mark.parametrize("divisor", ["49", "7*7", "y", "(98 - y)"])
def test_a_multiple_divides_without_rest(divisor):
    # Multiplying by the rounded reciprocal gives 49 * (1/49) < 1.
    x = np.arange(1.0, 2000.0)
    frame = pl.DataFrame({"x": x, "y": np.full(len(x), 49.0)})
    np.testing.assert_array_equal(number(f"x//({divisor})", frame), np.arange(1, 2000) // 49)
    np.testing.assert_array_equal(number(f"x%({divisor})", frame), np.arange(1, 2000) % 49)
    np.testing.assert_array_equal(number(f"floor(x/({divisor}))", frame), np.arange(1, 2000) // 49)
    np.testing.assert_array_equal(number(f"x/({divisor})", frame), x / 49)


def test_remainder_has_the_sign_of_the_divisor():
    frame = pl.DataFrame({"a": [7.0, -7.0, 7.0, -7.0], "b": [3.0, 3.0, -3.0, -3.0]})
    assert number("a % b", frame).tolist() == [7 % 3, -7 % 3, 7 % -3, -7 % -3]
    assert number("a // b", frame).tolist() == [7 // 3, -7 // 3, 7 // -3, -7 // -3]


def test_division_by_zero_is_infinite_or_undefined():
    frame = pl.DataFrame({"a": [1.0, -1.0, 0.0]})
    np.testing.assert_array_equal(number("a/0", frame), [math.inf, -math.inf, math.nan])
    np.testing.assert_array_equal(number("a/-0.0", frame), [-math.inf, math.inf, math.nan])
    np.testing.assert_array_equal(number("a//(a-a)", frame), [math.inf, -math.inf, math.nan])


@pytest.mark.parametrize("text", ["a < 1", "a <= 1", "a > 1", "a >= 1", "a == a", "1 < a", "a == 1", "0 < a < 9"])
def test_no_cut_passes_because_its_input_is_undefined(text):
    assert truth(text, pl.DataFrame({"a": [math.nan]})).tolist() == [False]


def test_undefined_differs_from_everything_and_is_not_true():
    frame = pl.DataFrame({"a": [math.nan, 0.0, 3.0]})
    assert truth("a != a", frame).tolist() == [True, False, False]
    assert truth("a", frame).tolist() == [False, False, True]
    assert truth("not a", frame).tolist() == [True, True, False]
    assert number("where(a > 1, 10, 20)", frame).tolist() == [20, 20, 10]


def test_undefined_is_contagious_in_min_and_max():
    frame = pl.DataFrame({"a": [math.nan, 1.0, 2.0], "b": [1.0, math.nan, 5.0]})
    np.testing.assert_array_equal(number("min(a, b)", frame), [math.nan, math.nan, 2])
    np.testing.assert_array_equal(number("max(a, b)", frame), [math.nan, math.nan, 5])


def test_chained_comparison_holds_where_each_link_does():
    frame = pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0, math.nan]})
    assert truth("0 < a <= 2 != 1", frame).tolist() == [False, True, True, False, False]


def test_words_bind_as_in_python():
    frame = pl.DataFrame({"a": [0.0, 1.0, 2.0]})
    assert truth("a > 1 or a < 1 and a > 5", frame).tolist() == [False, False, True]
    assert truth("!(a == 1) && a != 2", frame).tolist() == [True, False, False]


def test_integer_and_bool_columns_are_numbers():
    frame = pl.DataFrame({"config": pl.Series([42, 7], dtype=pl.Int32), "up": [True, False]})
    assert number("config / 4 + up", frame).tolist() == [11.5, 1.75]
    assert truth("up and config == 42", frame).tolist() == [True, False]


def test_the_published_revolution_runs_from_1730_to_2853():
    # First and last time of the published file, and the orbits printed for them.
    frame = pl.DataFrame({"unix_time": [1483525445.6197348, 1489744798.8]})
    expression = parse("(unix_time - 1474004181.5460)//5535.4 + 10")
    assert expression.columns == {"unix_time"}
    assert frame.select(expression.number())["unix_time"].to_list() == [1730, 2853]


def test_the_published_filter_keeps_what_it_kept():
    frame = pl.DataFrame({"rate[0]": [0.0, 401.0, 400.0, 900.0], "rate_err[0]": [0.0, 20.0, 20.0, math.nan]})
    expression = parse("rate[0]/rate_err[0] > 20")
    assert expression.columns == {"rate[0]", "rate_err[0]"}
    assert frame.select(expression.truth()).to_series().to_list() == [False, True, False, False]


def test_columns_are_every_name_that_is_read():
    assert parse("where(a > pi, sin(rate[3]), B_r) - rate[12]").columns == {"a", "rate[3]", "B_r", "rate[12]"}
    assert parse("2*pi").columns == frozenset()


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("orbit.glat", "orbit.glat"), ("det.class", "det.class"), ("a.pi", "a.pi"), ("`pi`", "pi"),
        ("grd.rate[2]", "grd.rate[2]"), ("rate[3][1]", "rate[3][1]"), ("`temp<1>`", "temp<1>"),
        ("`temp<1>`[2]", "temp<1>[2]"), ("`temp<1>[2]`", "temp<1>[2]"), ("Größe", "Größe"), ("温度", "温度"),
        ("\N{MICRO SIGN}A", "\N{MICRO SIGN}A"),  # Python would read another letter
        ("`a && !b || #'\"(`", "a && !b || #'\"("), ("`det/hk:T 1`", "det/hk:T 1"), ("ξ0", "ξ0"),
    ],
)  # fmt: skip
def test_columns_have_the_names_of_their_branches(text, column):
    frame = pl.DataFrame({column: [1.0, 4.0], "b": [2.0, 3.0]})
    assert parse(f"{text} > b").columns == {column, "b"}
    assert truth(f"{text} > b && !({text} == 0)", frame).tolist() == [False, True]
    assert number(f"2*{text} - min({text}, 3)", frame).tolist() == [1.0, 5.0]
    assert parse(f"{text} > b").text == f"{text} > b"


REFUSED = {
    "().__class__": "not allowed",
    "lambda: 1": "'lambda: 1' is not allowed",
    "[x for x in a]": "not allowed",
    "{a: 1}": "not allowed",
    "(a, b)": "not allowed",
    "'text' == a": "'text'' is not allowed",
    "f'{a}'": "not allowed",
    "b'x'": "not allowed",
    "1j * a": "'1j' is not allowed",
    "None": "'None' is not allowed",
    "...": "not allowed",
    "a if b else c": "not allowed",
    "(a := 3)": "not allowed",
    "a @ b": "not allowed",
    "a << 2": "not allowed",
    "await a": "not allowed",
    "*a": "Starred|starred|invalid syntax|not allowed",
    "__import__('os')": "unknown function '__import__'",
    "eval('1')": "unknown function 'eval'",
    "open(a)": "unknown function 'open'",
    "sqr(a)": r"unknown function 'sqr' \(did you mean 'sqrt'\?\)",
    "(a).real": "'a.real' is not allowed",
    "rate[0].real": r"'rate\[0\].real' is not allowed",
    "a.sum()": "unknown function 'a.sum'",
    "temp<1> > 3": r"invalid syntax; write a column .* in backticks, such as `temp<1>`",
    "T:1": "in backticks",
    "hk temp > 3": "in backticks",
    "a,b > 3": "in backticks",
    "{z} > 3": "in backticks",
    "q#1 > 3": "in backticks",
    "`a b > 3": "must begin and end with one",
    "`` > 3": "not be empty",
    "`a b`c": "invalid syntax",
    "`a b` ^ 2": r"write '\*\*'",
    "det.x(`a b`)": "unknown function 'det.x'",
    "(`a b`, 3)": r"'\(`a b`, 3\)' is not allowed",
    "sin(a)(b)": "not allowed",
    "sin(x=a)": "not allowed",
    "min(*a, b)": r"min\(\) takes 2",
    "min(a)": r"min\(\) takes 2 argument",
    "sin()": r"sin\(\) takes 1 argument",
    "where(a, b)": r"where\(\) takes 3 argument",
    "a is b": "only < <= > >= == != can compare",
    "a in b": "only < <= > >= == != can compare",
    "a ^ 2": r"write '\*\*'",
    "a & b": "join comparisons in parentheses",
    "a > 1 & b > 2": "join comparisons in parentheses",
    "~a": "needs a comparison",
    "rate[-1]": r"'rate\[-1\]': an element is written name\[number\]",
    "rate[0:2]": r"an element is written name\[number\]",
    "rate[a]": r"an element is written name\[number\]",
    "rate[True]": r"an element is written name\[number\]",
    "sin(a)[0]": r"an element is written name\[number\]",
    "a = 1": "invalid syntax",
    "a; b": "invalid syntax",
    "import os": "invalid syntax",
    "": "invalid syntax",
    "   ": "invalid syntax",
    "a +": "invalid syntax",
    "(a": "never closed",
    "a b": "invalid syntax",
    "a\x00": "null",
    "\ud800": "cannot be parsed",
    "1" * 400 + " < a": "too large",
    "a" + "+ a" * 500: "nested deeper",
    "-" * 61 + "a": "nested deeper",
    "(" * 900 + "a" + ")" * 900: "too many nested parentheses",
    "a + " * 1000 + "a": "of 4001 characters is too long",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text)[:30])
def test_everything_else_is_refused_in_one_line(text):
    with pytest.raises(UserError, match=REFUSED[text]) as refused:
        parse(text)
    assert len(str(refused.value).splitlines()) == 1


def test_a_message_about_several_lines_is_one_line():
    with pytest.raises(UserError) as refused:
        parse("(glat\n  > 3) ^ 2")
    assert str(refused.value) == "expression '(glat > 3) ^ 2': '^' is not a power here; write '**'"


def test_an_expression_may_take_several_lines_in_parentheses():
    expression = parse("(glat > 3\n and glon < 2)")
    assert expression.columns == {"glat", "glon"}
    assert expression.text == "(glat > 3 and glon < 2)"


@settings(deadline=None, max_examples=300)
@given(text=st.text(max_size=40) | st.text("abrate[]()0123456789.+-*/%<>=!&|~^,:@'\"\\ \n#_{}lmd;", max_size=40))
def test_any_text_is_an_expression_or_one_line(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # Python's own remarks about 0x1or2
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            expression = parse(text)
        except UserError as error:
            assert len(str(error).split("\n")) == 1  # noqa: PT017 - either outcome is right
            return
    row = pl.DataFrame({key: [1.0] for key in expression.columns}, schema=dict.fromkeys(expression.columns, pl.Float64))
    got = row.with_columns(expression.number().alias("value"))["value"]
    assert got.dtype == pl.Float64
