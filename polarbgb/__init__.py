"""Predict the background of gamma-ray count rates with boosted trees, and find the transients above it.

The commands of the command line are functions here, with the same names: ``polarbgb.fit(...)`` is ``polarbgb fit``.
They are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from polarbgb.config import Config as Config
    from polarbgb.config import load as load
    from polarbgb.errors import UserError as UserError
    from polarbgb.runs.folder import RunFolder as RunFolder
    from polarbgb.workflow.config import init_config as init_config
    from polarbgb.workflow.demo import demo as demo
    from polarbgb.workflow.detect import detect as detect
    from polarbgb.workflow.evaluate import evaluate as evaluate
    from polarbgb.workflow.explain import explain as explain
    from polarbgb.workflow.export import export as export
    from polarbgb.workflow.fit import fit as fit
    from polarbgb.workflow.inspect import inspect as inspect
    from polarbgb.workflow.opened import open as open  # noqa: A004 - polarbgb.open(...)
    from polarbgb.workflow.plot import plot as plot
    from polarbgb.workflow.predict import predict as predict
    from polarbgb.workflow.report import report as report
    from polarbgb.workflow.reproduce import reproduce as reproduce
    from polarbgb.workflow.run import run as run
    from polarbgb.workflow.simulate import simulate as simulate
    from polarbgb.workflow.tune import tune as tune

_HOME = {
    "Config": "polarbgb.config",
    "load": "polarbgb.config",
    "UserError": "polarbgb.errors",
    "RunFolder": "polarbgb.runs.folder",
    "open": "polarbgb.workflow.opened",
    "init_config": "polarbgb.workflow.config",
    **{
        command: f"polarbgb.workflow.{command}"
        for command in (
            "demo",
            "detect",
            "evaluate",
            "explain",
            "export",
            "fit",
            "inspect",
            "plot",
            "predict",
            "report",
            "reproduce",
            "run",
            "simulate",
            "tune",
        )
    },
}
__all__ = sorted(["__version__", *_HOME])  # noqa: PLE0605 - names come from the table above


def __dir__() -> list[str]:
    return [*globals(), *_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'polarbgb' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
