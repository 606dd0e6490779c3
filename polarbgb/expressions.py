"""Expressions of columns, parsed into polars expressions and never evaluated as code.

``rate[0]/rate_err[0] > 20`` and ``(unix_time - 1474004181.5460)//5535.4 + 10`` are parsed with the grammar of Python;
only arithmetic, comparisons, logic and a fixed list of functions are allowed. The C++ operators ``&&``, ``||`` and
``!`` are understood too. A column is written as it is named, ``glat`` or ``orbit.glat``, with its indices,
``rate[3][1]``; a name of other characters stands in backticks, as in `` `temp<1>` > 3``.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polarbgb.errors import ConfigError, nearest

if TYPE_CHECKING:
    import polars as pl

_MAX_LENGTH = 2000
_MAX_DEPTH = 60
_MAX_TERMS = 5000
"""Terms of the polars expression; operands that it repeats multiply when they are nested."""

_CONSTANTS = {"pi": math.pi}
_TOKEN = re.compile(
    r"`(?P<quoted>[^`]*)`"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)"
    r"|[\d.][\w.]*"  # a number, whose letters are no name
    r"|(?:(?<=\s)|^)\#.*"  # a remark
    r"|(?P<operator>&&|\|\||!(?!=)|\#)"
)
# A # within a name would begin a remark.
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "#": " ? "}
_STAND_IN = "\N{GREEK SMALL LETTER XI}"
"""Begins the words that stand for names while Python parses; other words of such letters get a stand-in too."""
FUNCTIONS: dict[str, int] = {
    "abs": 1, "sqrt": 1, "exp": 1, "log": 1, "log10": 1, "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1,
    "atan": 1, "atan2": 2, "floor": 1, "ceil": 1, "min": 2, "max": 2, "where": 3,
}  # fmt: skip
"""Functions that an expression can call, and the number of their arguments."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as the user wrote it, on one line.
        tree: its syntax tree, in which every column is one name.
        columns: names of the columns it reads, such as ``"glat"``, ``"rate[0]"`` or ``"temp<1>"``.
    """

    text: str
    tree: ast.expr
    columns: frozenset[str]

    def number(self) -> pl.Expr:
        """Return the polars expression of the value as float64 (a truth value is 0 or 1)."""
        return _number(self.tree)

    def truth(self) -> pl.Expr:
        """Return the polars expression of the truth value (a number is true where it is not 0 and not NaN)."""
        return _truth(self.tree)


def parse(text: str) -> Expression:
    """Parse an expression.

    Args:
        text: arithmetic (``+ - * / // % **``), comparisons (chained too), ``and or not`` (also ``&& || !``, and
            ``& | ~`` between comparisons), and the functions abs, sqrt, exp, log, log10, sin, cos, tan, asin, acos,
            atan, atan2, floor, ceil, min, max and where(condition, a, b), on columns such as ``glat``, ``orbit.glat``,
            ``rate[0]`` or, whatever its characters, `` `temp<1>` ``.

    Returns:
        The expression. Division by zero gives inf or NaN, and a comparison with NaN is false, as in C and numpy;
        ``a//b`` is floor(a/b), and the remainder ``a%b`` has the sign of b.

    Raises:
        ConfigError: if the text is not such an expression; the message names the part that is wrong.
    """
    if len(text) > _MAX_LENGTH:
        raise ConfigError(f"expression of {len(text)} characters is too long (at most {_MAX_LENGTH})")
    source = _Source(text)
    text = " ".join(text.split())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # refuse what Python only warns about, such as 1or 2
            tree = ast.parse(source.python, mode="eval").body
        terms = _check(tree, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, Warning, _RefusalError) as error:
        raise ConfigError(f"expression '{text}': {source.reason(error)}") from error
    if terms > _MAX_TERMS:
        raise ConfigError(f"expression '{text}': too complex; shorten it, or derive a column from a part of it")
    columns = _Columns(source.names)
    return Expression(text, columns.visit(tree), frozenset(columns.found))


class _RefusalError(Exception):
    """A part of an expression that is not allowed."""


class _NotAllowedError(_RefusalError):
    """A part that is Python but no arithmetic, perhaps because a name was taken for operators."""


class _Source:
    """An expression as Python can parse it: a word stands for every name that Python would not read as written.

    Attributes:
        python: the text for Python, which would, for one, change the Unicode characters of names.
        names: the columns by the words that stand for them.
    """

    def __init__(self, text: str) -> None:
        self.names: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._quoted = "`" in text
        self.python = _TOKEN.sub(self._replaced, text).strip()

    def _replaced(self, token: re.Match[str]) -> str:
        if token["operator"]:
            return _PYTHON[token["operator"]]
        name = token["name"] or token["quoted"]
        if not name or (token["name"] and name.isascii() and "." not in name):
            return token[0]
        word = f"{_STAND_IN}{len(self.names)}"
        self.names[word], self._written[word] = name, token[0]
        return f" {word} "

    def reason(self, error: Exception) -> str:
        """Return why the expression is refused, with the names as they were written."""
        match error:
            case SyntaxError():
                reason = error.msg
            case _RefusalError():
                reason = str(error)
            case _:
                reason = "cannot be parsed"
        if "`" in self.python:
            return "a name in backticks must begin and end with one, and not be empty"
        if isinstance(error, SyntaxError | _NotAllowedError) and self.python and not self._quoted:
            reason += "; write a column whose name is not a word in backticks, such as `temp<1>`"
        return re.sub(rf"{_STAND_IN}\d+", lambda word: self._written.get(word[0], word[0]), reason)


class _Columns(ast.NodeTransformer):
    """Makes every column one name, such as ``rate[3][1]``, and every constant its value.

    Attributes:
        found: names of the columns.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.found: set[str] = set()

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in _CONSTANTS:
            return ast.Constant(_CONSTANTS[node.id])
        return self._column(self._names.get(node.id, node.id))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        name, indices = _element(node)
        return self._column(self._names.get(name, name) + indices)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def _column(self, name: str) -> ast.expr:
        self.found.add(name)
        return ast.Name(name)


def _check(node: ast.expr, depth: int) -> int:
    """Check a node, and return the number of terms of its polars expression."""
    if depth > _MAX_DEPTH:
        raise _RefusalError(f"nested deeper than {_MAX_DEPTH} levels")
    children: list[ast.expr] = []
    copies = 1
    match node:
        case ast.Constant(value=bool() | int() | float()):
            try:
                float(node.value)  # type: ignore[arg-type]
            except OverflowError as error:
                raise _RefusalError("a number is too large") from error
        case ast.Name():
            pass
        case ast.Subscript():
            _element(node)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            children = [operand]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            children, copies = [operand], _copies_for_truth(operand)
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            if not _is_truth(operand):
                raise _RefusalError("'~' needs a comparison in parentheses")
            children = [operand]
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
            if not (_is_truth(left) and _is_truth(right)):
                raise _RefusalError("'&' and '|' join comparisons in parentheses; or write 'and', 'or'")
            children = [left, right]
        case ast.BinOp(op=ast.BitXor()):
            raise _RefusalError("'^' is not a power here; write '**'")
        case ast.BinOp(
            left=left,
            op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.FloorDiv() | ast.Mod() | ast.Pow(),
            right=right,
        ):
            children, copies = [left, right], 2 if isinstance(node.op, ast.Mod) else 1
        case ast.BoolOp(values=values):
            children, copies = values, max(map(_copies_for_truth, values))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            if not all(type(op) in _COMPARISONS for op in ops):
                raise _RefusalError("only < <= > >= == != can compare")
            children, copies = [left, *comparators], 2 if len(ops) == 1 else 4
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in FUNCTIONS:
                known = nearest(name, FUNCTIONS) or f"; there are {' '.join(FUNCTIONS)}"
                raise _RefusalError(f"unknown function '{name}'{known}")
            if len(args) != FUNCTIONS[name] or any(isinstance(a, ast.Starred) for a in args):
                raise _RefusalError(f"{name}() takes {FUNCTIONS[name]} argument(s)")
            children, copies = args, {"min": 4, "max": 4, "where": 2}.get(name, 1)
        case _:
            raise _NotAllowedError(
                f"'{ast.unparse(node)}' is not allowed here, only arithmetic, comparisons and functions"
            )
    return 1 + copies * sum(_check(child, depth + 1) for child in children)


def _element(node: ast.Subscript) -> tuple[str, str]:
    """Return the name and the indices of an element."""
    indices = ""
    inner: ast.expr = node
    while isinstance(inner, ast.Subscript):
        match inner.slice:
            case ast.Constant(value=int(index)) if not isinstance(index, bool):
                indices = f"[{index}]{indices}"
            case _:
                raise _RefusalError(f"'{ast.unparse(node)}': an element is written name[number]")
        inner = inner.value
    if not isinstance(inner, ast.Name):
        raise _RefusalError(f"'{ast.unparse(node)}': an element is written name[number]")
    return inner.id, indices


def _copies_for_truth(node: ast.expr) -> int:
    return 1 if _is_truth(node) else 2


def _is_truth(node: ast.expr) -> bool:
    match node:
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return True
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            return True
        case ast.Constant(value=bool()):
            return True
        case _:
            return False


def _number(node: ast.expr) -> pl.Expr:
    import polars as pl

    match node:
        case ast.Constant(value=value):
            return pl.lit(float(value), dtype=pl.Float64)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return pl.col(name).cast(pl.Float64)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _number(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_number(left), _number(right))
        case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
            return pl.when(_truth(condition)).then(_number(yes)).otherwise(_number(no))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, [_number(a) for a in args])
        case _:
            return _truth(node).cast(pl.Float64)


def _truth(node: ast.expr) -> pl.Expr:
    import polars as pl

    match node:
        case ast.BoolOp(op=op, values=values):
            # All at once: polars takes seconds to join hundreds of conditions one by one.
            join = pl.all_horizontal if isinstance(op, ast.And) else pl.any_horizontal
            return join([_truth(v) for v in values])
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return _truth(left) & _truth(right)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _truth(left) | _truth(right)
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_truth(operand)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            terms = [_number(left), *(_number(c) for c in comparators)]
            links = [_COMPARISONS[type(op)](a, b) for op, a, b in zip(ops, terms[:-1], terms[1:], strict=True)]
            return pl.all_horizontal(links)
        case _:
            value = _number(node)
            return (value != 0.0) & value.is_not_nan()


def _call(name: str, args: list[pl.Expr]) -> pl.Expr:
    import polars as pl

    first = args[0]
    match name:
        case "asin":
            return first.arcsin()
        case "acos":
            return first.arccos()
        case "atan":
            return first.arctan()
        case "atan2":
            return pl.arctan2(first, args[1])
        case "log":
            return first.log()
        case "min" | "max":
            second = args[1]
            smaller = first < second
            chosen = pl.when(smaller if name == "min" else ~smaller).then(first).otherwise(second)
            # polars orders NaN above all numbers; here the result is NaN, as with numpy.minimum.
            return pl.when(first.is_nan()).then(first).when(second.is_nan()).then(second).otherwise(chosen)
        case _:
            result: pl.Expr = getattr(first, name)()  # abs sqrt exp log10 sin cos tan floor ceil
            return result


def _quotient(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    import polars as pl

    # polars multiplies by the rounded reciprocal of a scalar: 49/49 < 1 and 49//49 = 0. The divisor is made a column
    # here, because even an expression with columns can be a scalar, such as a condition that is false in every row.
    return a / (b * (1.0 + 0.0 * pl.int_range(pl.len())))


def _modulo(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return a - _quotient(a, b).floor() * b  # the sign of the divisor, as in Python


_ARITHMETIC: dict[type[ast.operator], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: _quotient,
    ast.FloorDiv: lambda a, b: _quotient(a, b).floor(),
    ast.Mod: _modulo,
    ast.Pow: lambda a, b: a.pow(b),
}


def _ordered(compare: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Callable[[pl.Expr, pl.Expr], pl.Expr]:
    # polars orders NaN above every number; a row must not pass a cut because its value is undefined.
    return lambda a, b: compare(a, b) & a.is_not_nan() & b.is_not_nan()


_COMPARISONS: dict[type[ast.cmpop], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Lt: _ordered(lambda a, b: a < b),
    ast.LtE: _ordered(lambda a, b: a <= b),
    ast.Gt: _ordered(lambda a, b: a > b),
    ast.GtE: _ordered(lambda a, b: a >= b),
    ast.Eq: _ordered(lambda a, b: a == b),
    ast.NotEq: lambda a, b: (a != b) | a.is_nan() | b.is_nan(),
}
