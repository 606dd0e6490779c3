"""Sections of the analysis: model, cleaning, noise, search, classes, injections, tuning and explanation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from polarbgb.config.types import Columns, Count, Device, Fraction, NotNegative, Positive, Section, Whole, parsed
from polarbgb.expressions import Expression


class Model(Section):
    """The boosted trees: in each fold one booster for what all bins have in common, and a small one for each bin."""

    backend: Literal["xgboost", "lightgbm"] = Field("xgboost", description="library that trains the trees")
    objective: Literal["poisson", "gamma", "squared"] = Field(
        "poisson",
        description="poisson: Poisson likelihood of the counts; gamma: relative error, for unexplained variations that "
        "grow with the rate; squared: squared error weighted by 1/error**2",
    )
    device: Device = Field("cpu", description="device on which trees are trained; cuda: a GPU")
    rows: Count = Field(
        200_000,
        description="largest number of rows that the trees are trained on, drawn evenly; neighbouring rows add little",
    )
    n_estimators: Count = Field(300, description="largest number of trees that all bins share")
    n_estimators_per_bin: Count = Field(
        80, description="largest number of trees added for each bin, at twice the learning rate"
    )
    learning_rate: Fraction = Field(0.1, description="share of each tree that is added")
    max_depth: Annotated[int, Field(strict=True, ge=1, le=16)] = Field(
        6, description="largest number of splits from root to leaf"
    )
    min_child_weight: NotNegative = Field(50.0, description="smallest number of rows (of mean weight) in a leaf")
    subsample: Fraction = Field(1.0, description="share of the rows drawn for each tree")
    colsample_bytree: Fraction = Field(1.0, description="share of the features drawn for each tree")
    reg_lambda: NotNegative = Field(1.0, description="ridge penalty on leaf values, in rows of mean weight")
    max_bin: Annotated[int, Field(strict=True, ge=2, le=1024)] = Field(
        255, description="number of quantiles into which a feature is divided"
    )
    early_stopping_rounds: Count = Field(
        30, description="number of trees without improvement after which training stops"
    )
    validation_fraction: Annotated[float, Field(strict=True, gt=0, le=0.5)] = Field(
        0.1, description="share of the training orbits (or days) on which early stopping is decided"
    )
    threads: Annotated[int, Field(strict=True, ge=0, le=1024)] = Field(0, description="number of threads; 0: all cores")
    seed: Whole = Field(0, description="seed of the rows and features that trees draw, and of the study")


class Cleaning(Section):
    """Training-set cleaning: rounds of coarse fits that find rows with a transient and exclude them from training."""

    rounds: Annotated[int, Field(strict=True, ge=0, le=20)] = Field(
        8, description="largest number of rounds; each is trained without the rows masked so far; 0: no cleaning"
    )
    window: Positive = Field(
        20.0, description="length of the windows in which counts are compared with the background, s"
    )
    sigma: Positive = Field(
        5.0,
        description="rows are masked where a window exceeds the background by this many times its noise; at 3, noise "
        "alone does so in a tenth of the orbits, so use it only where max_recurrence is 1",
    )
    margin: NotNegative = Field(60.0, description="time masked on either side, s")
    max_recurrence: Fraction = Field(
        0.07,
        description="an excess that recurs in a larger share of the orbits through the same noise cell is background "
        "and stays in; 1: every excess is masked, as for detectors that observe the Sun",
    )
    rows: Count = Field(50_000, description="largest number of rows that a round is trained on, drawn evenly")


class Baseline(Section):
    """A local baseline for slow offsets that no feature explains; the section enables it."""

    gap: Positive = Field(
        60.0, description="time on either side of a row that is not used, s; longer events get no baseline"
    )
    window: Positive = Field(60.0, description="time beyond the gap, on either side, over which counts are compared, s")
    prior_width: Fraction = Field(0.03, description="expected size of the offsets, as a share of the rate")


class Noise(Section):
    """The uncertainty of the background, in units of which pulls are given."""

    calibration: Literal["regimes", "bin"] = Field(
        "regimes",
        description="regimes: counting noise of the prediction and a model error, fitted on held-out rows by bin, "
        "predicted rate, passage of the anomaly and latitude; bin: one width per bin, as published",
    )
    error: Literal["observed", "predicted"] = Field(
        "observed",
        description="error that calibration 'bin' scales; observed: the error column, as published; predicted: "
        "sqrt(prediction/exposure)",
    )
    passage_window: Positive = Field(
        600.0, description="time before and after a passage of the anomaly that is a separate regime, s"
    )


_RESULT_COLUMNS = frozenset({
    "row", "unix_time", "segment", "orbit", "fold", "quality", "rate", "pred", "sigma", "pull", "exposure", "baseline",
    "id", "name", "utc", "t_start", "t_stop", "t_peak", "duration", "rows", "significance", "bins_flagged", "counts",
    "background", "significance_bin", "time_to_gap_before", "time_to_gap_after", "matched", "matched_dt",
    "t90", "t_trigger", "timescale", "ranking", "far", "far_error", "far_limit", "probability", "ranked_by",
    "hardness", "flags", "class", "class_rule",
    "level", "level_before", "level_after",
})  # fmt: skip
"""Columns of prediction.parquet and events.parquet; a context column cannot have one of these names."""


class Intervals(Section):
    """The published method: which rows are flagged, and which clusters of them are kept; and the context of events."""

    sigma: Positive = Field(5.0, description="a row is flagged where its pull exceeds this many sigma")
    discard: NotNegative = Field(30.0, description="time without missing data required before and after a cluster, s")
    more_than: Whole = Field(3, description="an event must be flagged in more than this many bins")
    longest: Positive = Field(
        300.0, description="duration of the longest transient searched for, s; guards of rate features must be longer"
    )
    context: Columns = Field((), description="columns recorded with each event, at its peak")

    @model_validator(mode="after")
    def _context_is_free(self) -> Self:
        for name in self.context:
            if self.context.count(name) > 1:
                raise ValueError(f"context: '{name}' is named twice")
        taken = sorted(set(self.context) & _RESULT_COLUMNS)
        if taken:
            raise ValueError(f"context: '{taken[0]}' is a column of the result; derive one with another name")
        return self


class Trigger(Section):
    """The search for transients by Poisson-FOCuS, and the selection of events among its candidates."""

    far: Positive = Field(1.0, description="false-alarm rate of the list of events, 1/day")
    scales: tuple[Positive, ...] = Field(
        (2.0, 6.0, 20.0, 60.0, 200.0, 600.0, 3600.0),
        min_length=1,
        description="longest window of each search, s; the shortest is one row",
    )
    sums: tuple[Annotated[tuple[Whole, ...], Field(min_length=1)], ...] = Field(
        (), description="sets of bins, by index, whose sums are also searched"
    )
    mu_min: Annotated[float, Field(strict=True, ge=1, lt=100)] = Field(
        1.0, description="smallest intensity searched for, in units of the background"
    )
    threshold: Positive = Field(3.2, description="significance below which a window is not a candidate, sigma")
    longest_followed: NotNegative = Field(
        200.0,
        description="largest scale with a local baseline, which extends over 3 scales (at least 60 s) on each side, s",
    )
    prior_width: Fraction = Field(
        0.03, description="expected size of the offsets from this baseline, as a share of the rate"
    )
    merge: NotNegative = Field(5.0, description="largest distance between windows of one event, s")
    seed: Whole = Field(0, description="seed of the injected transients and of the trees of the ranking")


class Classes(Section):
    """Classification of events by expressions of their columns, ``excess[k]``, ``share[k]`` and ``bins``."""

    hardness: str | None = Field(None, description="expression of the column hardness, such as 'excess[1]/excess[0]'")
    flags: Mapping[str, str] = Field(
        {
            "one bin": "bins == 1",
            "near a gap": "time_to_gap_before < 10 or time_to_gap_after < 10",
            "step": "abs(level_after - level_before) > 0.5*level",
        },
        description="flags that an event can have besides its class: a name and a condition",
    )
    rules: Mapping[str, str] = Field(
        {},
        description="classes in order, the first whose condition holds; events that match a known one are known bursts",
    )

    @cached_property
    def measure(self) -> Expression | None:
        """The hardness, parsed."""
        return None if self.hardness is None else parsed("classes.hardness", self.hardness)

    @cached_property
    def marks(self) -> dict[str, Expression]:
        """The flags, parsed, by name."""
        return {name: parsed(f"classes.flags.'{name}'", text) for name, text in self.flags.items()}

    @cached_property
    def tests(self) -> dict[str, Expression]:
        """The rules, parsed, by class."""
        return {name: parsed(f"classes.rules.'{name}'", text) for name, text in self.rules.items()}


class Inject(Section):
    """The bursts that `evaluate --inject` adds to the counts."""

    bursts: Count = Field(3000, description="number of bursts in all rounds")
    per_day: Positive = Field(30.0, description="number of bursts per day of data in one round")
    durations: tuple[Positive, Positive] = Field((0.1, 300.0), description="shortest and longest duration, s")
    oracle: tuple[Positive, Positive] = Field(
        (2.0, 50.0),
        description="significance of the faintest and the brightest burst over an exactly known background, sigma",
    )
    spectra: Mapping[str, tuple[NotNegative, ...]] = Field(
        {}, description="ratio of the counts of a burst to the background in each bin; default: that of the background"
    )
    seed: Whole = Field(0, description="seed of times, brightness and light curves")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("durations", "oracle"):
            low, high = getattr(self, name)
            if low >= high:
                raise ValueError(f"{name}: {low:g} is not below {high:g}")
        empty = [name for name, shares in self.spectra.items() if not any(shares)]
        if empty:
            raise ValueError(f"spectra.{empty[0]}: adds nothing to any bin")
        return self


class Tune(Section):
    """The Optuna study."""

    trials: Count = Field(20, description="total number of trials, including those of earlier runs")
    timeout: Positive | None = Field(None, description="time after which no new trial starts, s")
    rows: Count = Field(
        200_000, description="largest number of rows that the study uses, drawn evenly over the mission"
    )
    folds: Count = Field(2, description="largest number of folds that a trial is scored on")
    bins: Count = Field(
        2,
        description="largest number of bins that a trial is scored on, spread over all; their errors are correlated",
    )


class Explain(Section):
    """The explanation of the background by SHAP values."""

    rows: Count = Field(3000, description="size of the stratified sample of rows that is explained")
    shown: Count = Field(15, description="number of features shown in the plots")
    groups: Mapping[str, Columns] = Field(
        {},
        description="columns (and automatic features) grouped by their physical meaning; features from the history of "
        "a column belong to its group, features in no group to 'other', and columns that are not features are ignored",
    )
    seed: Whole = Field(0, description="seed of the sample")

    @model_validator(mode="after")
    def _in_one_group(self) -> Self:
        names = [name for members in self.groups.values() for name in members]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"groups: '{twice}' is named twice")
        return self
