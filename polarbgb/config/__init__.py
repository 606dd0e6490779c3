"""The typed configuration: one file per instrument, validated when it is loaded."""

from polarbgb.config.analysis import Baseline, Classes, Cleaning, Inject, Intervals, Model, Noise, Trigger, Tune
from polarbgb.config.input import Features, Folds, Input, KnownEvents, Orbit, Position, Rates
from polarbgb.config.loading import build, load, override, shipped, validate
from polarbgb.config.schema import GAP_COLUMNS, Config
from polarbgb.config.times import TimeFormat
from polarbgb.config.types import Device, Section

__all__ = [
    "GAP_COLUMNS",
    "Baseline",
    "Classes",
    "Cleaning",
    "Config",
    "Device",
    "Features",
    "Folds",
    "Inject",
    "Input",
    "Intervals",
    "KnownEvents",
    "Model",
    "Noise",
    "Orbit",
    "Position",
    "Rates",
    "Section",
    "TimeFormat",
    "Trigger",
    "Tune",
    "build",
    "load",
    "override",
    "shipped",
    "validate",
]
