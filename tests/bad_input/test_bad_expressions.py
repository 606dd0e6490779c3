"""Expressions that try to be code, take forever or are no arithmetic; what is accepted is what numpy gives."""

import time

import numpy as np
import polars as pl
import pytest
import toy

from polarbgb.expressions import parse

ESCAPES = {
    "__import__('os').system('touch escaped')": "is not allowed here",
    "exec('open(1)')": "unknown function 'exec'",
    "eval(glat)": "unknown function 'eval'",
    "open('escaped', 'w')": "unknown function 'open'",
    "print(glat)": "unknown function 'print'",
    "getattr(glat, 'real')": "unknown function 'getattr'",
    "(glat).__class__": "'glat.__class__' is not allowed here",
    "(glat).real": "'glat.real' is not allowed here",
    "().__class__.__bases__[0].__subclasses__()": "is not allowed here",
    "glat.map_elements(abs)": "unknown function 'glat.map_elements'",
    "(abs).__globals__": "is not allowed here",
    "(lambda: glat)()": "is not allowed here",
    "lambda x: x": "is not allowed here",
    "[glat for glat in hv]": "is not allowed here",
    "{glat for glat in hv}": "is not allowed here",
    "{glat: 1 for glat in hv}": "is not allowed here",
    "(glat for glat in hv)": "is not allowed here",
    "f'{glat}'": "is not allowed here",
    "f'{__import__(\"os\")}'": "is not allowed here",
    "(x := 9)": "is not allowed here",
    "glat if hv else glon": "is not allowed here",
    "(yield)": "is not allowed here",
    "(await glat)": "is not allowed here",
    "*glat": "invalid syntax",
    "glat, hv": "is not allowed here",
    "[glat]": "is not allowed here",
    "{}": "is not allowed here",
    "'glat'": "is not allowed here",
    "b'glat'": "is not allowed here",
    "None": "'None' is not allowed here",
    "...": "'...' is not allowed here",
    "1j": "is not allowed here",
    "glat @ hv": "is not allowed here",
    "glat << 2": "is not allowed here",
    "glat is hv": "only < <= > >= == != can compare",
    "glat in hv": "only < <= > >= == != can compare",
    "glat['0']": "an element is written name[number]",
    "glat[hv]": "an element is written name[number]",
    "glat[:]": "an element is written name[number]",
    "abs(x=glat)": "is not allowed here",
    "abs(*glat)": "takes 1 argument(s)",
    "abs()": "takes 1 argument(s)",
    "min(glat)": "takes 2 argument(s)",
    "abs(glat)(hv)": "is not allowed here",
    "absolute(glat)": "unknown function 'absolute'",
    "abss(glat)": "unknown function 'abss' (did you mean 'abs'?)",
    "import os": "invalid syntax",
    "glat; hv": "invalid syntax",
    "glat = 1": "invalid syntax",
    "glat > ": "invalid syntax",
    "1or 2": "invalid decimal literal",
    "007": "leading zeros",
    "glat)": "unmatched",
    "(glat": "never closed",
    "glat ?": "invalid syntax",
    "'": "unterminated",
    "glat ^ 2": "write '**'",
    "glat & hv": "join comparisons in parentheses",
    "~glat": "needs a comparison in parentheses",
    "": "invalid syntax",
    "9" * 400: "a number is too large",
    "9" * 1999: "a number is too large",
    "9" * 5000: "is too long",
    "glat" + " + glat" * 400: "is too long",
    "glat" + "+glat" * 61: "nested deeper than 60 levels",
    "-" * 1999: "expression",
    "-" * 1998 + "1": "expression",
    "(" * 900 + "1" + ")" * 900: "too many nested parentheses",
    "abs(" * 300 + "1" + ")" * 300: "expression",
    "not " * 490 + "hv": "nested deeper",
    "hv" + "%hv" * 40: "too complex",
    "(" * 30 + "hv" + "<hv)" * 30: "too complex",
    "min(" * 30 + "hv" + ",hv)" * 30: "too complex",
    "where(" * 40 + "hv" + ",hv,hv)" * 40: "too complex",
    "glat\x00": "null",
}


@pytest.mark.parametrize("text", ESCAPES, ids=lambda text: ascii(text)[:40])
@pytest.mark.parametrize("place", [("derived", "x"), ("filters", "x")], ids=".".join)
def test_what_is_no_arithmetic_is_refused_by_the_name_of_its_key(desk, refused, place, text):
    words = ["inspect", "-c", "toy.toml"]
    if "\x00" in text:  # no TOML holds that; on the command line it cannot be typed
        words += ["--set", f"{'.'.join(place)}={text}"]
    else:
        (desk / "toy.toml").unlink()
        (desk / "toy.toml").write_text(toy.toml(toy.configured((place, text))))
    began = time.monotonic()
    refused(*words, told=["toy.toml: ", ".".join(place), ESCAPES[text]])
    assert time.monotonic() - began < 10
    assert not (desk / "escaped").exists()


@pytest.mark.parametrize("place", [("rates", "exposure"), ("classes", "hardness"), ("classes", "rules", "burst"),
                                   ("classes", "flags", "odd")], ids=".".join)  # fmt: skip
@pytest.mark.parametrize("text", ["__import__('os')", "(glat).real", "9" * 400, "hv" + "%hv" * 40, "glat >"])
def test_expressions_elsewhere_are_refused_too(desk, refused, place, text):
    (desk / "toy.toml").unlink()
    (desk / "toy.toml").write_text(toy.toml(toy.configured((place, text))))
    refused("inspect", "-c", "toy.toml", told=[place[0], place[-1], ESCAPES.get(text, "expression")])


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9 > 0", "2**1e300 > hv", "hv**-9**9 >= 0", "1e400 > hv", "hv/0 > 0", "hv % 0 > 0 or hv > 0",
        "hv > 500 # a remark", "(hv\n > 500)", " hv>500 ", "hv > 5_0_0", "hv > 0x1F4", "hv > 0b1", "True", "1 > 0",
        " or ".join(["hv > 1"] * 180), "hv" + "+0" * 55 + " > 1", "(" * 50 + "hv" + ")" * 50 + "> 1",
        "<=".join(["hv"] * 400), "up or not up", "!(hv < 500) && hv != 1 || hv == 3",
    ],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_what_is_odd_but_arithmetic_works(desk, accepted, text):
    (desk / "toy.toml").unlink()
    (desk / "toy.toml").write_text(toy.toml(toy.configured((("filters", "odd"), text))))
    began = time.monotonic()
    assert "1,000 of 1,000 rows usable" in accepted("inspect", "-c", "toy.toml")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["__import__", "__class__", "os", "lambda_", "print", "pl"])
def test_a_name_is_a_branch_and_nothing_else(desk, refused, name):
    refused("inspect", "-c", "toy.toml", "--set", f"derived.x={name} + 1", told=[f"no branch '{name}'"])


def test_a_power_of_powers_is_infinite_at_once():
    began = time.monotonic()
    got = pl.DataFrame({"a": [1.0]}).select(parse("a*9**9**9").number()).to_series()
    assert got.to_list() == [np.inf]
    assert time.monotonic() - began < 5
