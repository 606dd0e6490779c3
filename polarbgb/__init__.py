"""Background prediction with boosted trees, and the transients that are left.

The verbs of the command line are functions here, with the same names: ``polarbgb.fit(...)`` is ``polarbgb fit``.
They are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from polarbgb.config import Config as Config
    from polarbgb.config import load as load
    from polarbgb.errors import UserError as UserError
    from polarbgb.opened import open as open  # noqa: A004 - polarbgb.open(...)
    from polarbgb.runfolder import RunFolder as RunFolder
    from polarbgb.verbs.again import again as again
    from polarbgb.verbs.config import init_config as init_config
    from polarbgb.verbs.demo import demo as demo
    from polarbgb.verbs.detect import detect as detect
    from polarbgb.verbs.evaluate import evaluate as evaluate
    from polarbgb.verbs.explain import explain as explain
    from polarbgb.verbs.export import export as export
    from polarbgb.verbs.fit import fit as fit
    from polarbgb.verbs.inspect import inspect as inspect
    from polarbgb.verbs.plot import plot as plot
    from polarbgb.verbs.predict import predict as predict
    from polarbgb.verbs.report import report as report
    from polarbgb.verbs.run import run as run
    from polarbgb.verbs.simulate import simulate as simulate
    from polarbgb.verbs.tune import tune as tune

_HOME = {
    "Config": "polarbgb.config",
    "load": "polarbgb.config",
    "UserError": "polarbgb.errors",
    "RunFolder": "polarbgb.runfolder",
    "open": "polarbgb.opened",
    "init_config": "polarbgb.verbs.config",
    **{
        verb: f"polarbgb.verbs.{verb}"
        for verb in (
            "again",
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
