"""Expressions of columns, parsed into polars expressions and never evaluated as code.

``rate[0]/rate_err[0] > 20`` and ``(unix_time - 1474004181.5460)//5535.4 + 10`` are parsed with the grammar of Python;
only arithmetic, comparisons, logic and a fixed list of functions are allowed. The C++ operators ``&&``, ``||`` and
``!`` are understood too.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from polarbgb.errors import ConfigError, nearest

if TYPE_CHECKING:
    import polars as pl

_MAX_LENGTH = 2000
_MAX_DEPTH = 60
_MAX_TERMS = 5000
"""Terms of the polars expression; operands that it repeats multiply when they are nested."""

_CONSTANTS = {"pi": math.pi}
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
        tree: its syntax tree.
        columns: names of the columns it reads, such as ``"glat"`` or ``"rate[0]"``.
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
            atan, atan2, floor, ceil, min, max and where(condition, a, b), on columns such as ``glat`` or ``rate[0]``.

    Returns:
        The expression. Division by zero gives inf or NaN, and a comparison with NaN is false, as in C and numpy;
        ``a//b`` is floor(a/b), and the remainder ``a%b`` has the sign of b.

    Raises:
        ConfigError: if the text is not such an expression; the message names the part that is wrong.
    """
    if len(text) > _MAX_LENGTH:
        raise ConfigError(f"expression of {len(text)} characters is too long (at most {_MAX_LENGTH})")
    source = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or ")).strip()
    text = " ".join(text.split())
    columns: set[str] = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # refuse what Python only warns about, such as 1or 2
            tree = ast.parse(source, mode="eval").body
        terms = _check(tree, text, columns, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, Warning) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "cannot be parsed"
        raise ConfigError(f"expression '{text}': {reason}") from error
    if terms > _MAX_TERMS:
        _refuse(text, "too complex; shorten it, or derive a column from a part of it")
    return Expression(text, tree, frozenset(columns))


def _refuse(text: str, reason: str) -> NoReturn:
    raise ConfigError(f"expression '{text}': {reason}")


def _check(node: ast.expr, text: str, columns: set[str], depth: int) -> int:
    """Check a node, collect its columns, and return the number of terms of its polars expression."""
    if depth > _MAX_DEPTH:
        _refuse(text, f"nested deeper than {_MAX_DEPTH} levels")
    children: list[ast.expr] = []
    copies = 1
    match node:
        case ast.Constant(value=bool() | int() | float()):
            try:
                float(node.value)  # type: ignore[arg-type]
            except OverflowError:
                _refuse(text, "a number is too large")
        case ast.Name(id=name):
            if name not in _CONSTANTS:
                columns.add(name)
        case ast.Subscript():
            columns.add(_subscripted(node, text))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            children = [operand]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            children, copies = [operand], _copies_for_truth(operand)
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            if not _is_truth(operand):
                _refuse(text, "'~' needs a comparison in parentheses")
            children = [operand]
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
            if not (_is_truth(left) and _is_truth(right)):
                _refuse(text, "'&' and '|' join comparisons in parentheses; or write 'and', 'or'")
            children = [left, right]
        case ast.BinOp(op=ast.BitXor()):
            _refuse(text, "'^' is not a power here; write '**'")
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
                _refuse(text, "only < <= > >= == != can compare")
            children, copies = [left, *comparators], 2 if len(ops) == 1 else 4
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in FUNCTIONS:
                _refuse(
                    text, f"unknown function '{name}'{nearest(name, FUNCTIONS) or '; there are ' + ' '.join(FUNCTIONS)}"
                )
            if len(args) != FUNCTIONS[name] or any(isinstance(a, ast.Starred) for a in args):
                _refuse(text, f"{name}() takes {FUNCTIONS[name]} argument(s)")
            children, copies = args, {"min": 4, "max": 4, "where": 2}.get(name, 1)
        case _:
            _refuse(text, f"'{ast.unparse(node)}' is not allowed here, only arithmetic, comparisons and functions")
    return 1 + copies * sum(_check(child, text, columns, depth + 1) for child in children)


def _subscripted(node: ast.Subscript, text: str = "") -> str:
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(index))) if not isinstance(
            index, bool
        ):
            return f"{name}[{index}]"
        case _:
            _refuse(text, f"'{ast.unparse(node)}': an element is written name[number]")


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
            if name in _CONSTANTS:
                return pl.lit(_CONSTANTS[name], dtype=pl.Float64)
            return pl.col(name).cast(pl.Float64)
        case ast.Subscript():
            return pl.col(_subscripted(node)).cast(pl.Float64)
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
