"""A little of what ``benchmarks/fuzz.py`` does for minutes, with the input that was hard before."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given, settings

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import fuzz
import toy


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_made_up_input_is_refused_in_one_line_or_read_rightly(target):
    attempt, made = fuzz.TARGETS[target]
    settings(deadline=None, max_examples=60, database=None, derandomize=True)(given(**made)(attempt))()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a%b", [5e-324, 0.0, np.nan, np.inf, -1.0, 1.0]),
        ("a%b%c%a%b%c%a", [7.5, 0.0, -2.0, np.inf, 3.0, np.nan]),
        ("a < b < a <= b != a", [1.0, 2.0, np.nan, np.inf, -np.inf, 0.0]),
        ("min(max(a, b), min(b, a)) or not a", [1.0, np.nan, 0.0, -0.0, np.inf, 2.0]),
        (" or ".join(["a > 1e300"] * 150), [1.0, np.nan, 1e301, 0.0, np.inf, 2.0]),
        ("a" + "%a" * 30, [1.0] * 6),
        ("1or 2", [1.0] * 6),
    ],
)
def test_hard_expressions(text, values):
    fuzz.try_expression(text, values)


@pytest.mark.parametrize("length", [2**31 - 1, 0x5A000000, 2**24, -1, 0])
def test_a_basket_of_any_length_takes_no_memory(length):
    path = fuzz.place() / "basket.root"
    toy.write(path, toy.columns(300))
    with uproot.open(path) as file:
        first = int(file[toy.TREE]["hv"].member("fBasketSeek")[0])
    data = path.read_bytes()
    path.write_bytes(data[: first + 6] + struct.pack(">i", length) + data[first + 10 :])
    with pytest.raises(fuzz.UserError, match="damaged"), fuzz.bounded():
        fuzz.read_columns(path, toy.TREE, ["hv"])
