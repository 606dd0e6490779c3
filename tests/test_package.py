"""The verbs are functions of the package, loaded when first used."""

import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

import polarbgb
from polarbgb.cli.main import main

OTHERS = {"Config", "RunFolder", "UserError", "init_config", "load", "open"}
VERBS = {*main.commands, "reproduce"} - {"config"}


def test_every_verb_is_a_function_of_the_package():
    for verb in VERBS:
        function = getattr(polarbgb, verb)
        assert inspect.isfunction(function)
        assert (function.__module__, function.__name__) == (f"polarbgb.workflow.{verb}", verb)


def test_all_names_are_there_and_listed():
    assert set(polarbgb.__all__) == {"__version__", *OTHERS, *VERBS}
    for name in polarbgb.__all__:
        assert getattr(polarbgb, name) is not None
    assert set(polarbgb.__all__) <= set(dir(polarbgb))


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'polarbgb' has no attribute 'fitt'"):
        _ = polarbgb.fitt
    assert not hasattr(polarbgb, "nothing")


def test_importing_it_loads_no_library():
    code = "import sys, polarbgb; dir(polarbgb); print(sorted({'numpy', 'polars', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_type_checkers_read_the_annotations():
    assert (files("polarbgb") / "py.typed").is_file()
