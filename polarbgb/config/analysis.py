"""Sections that say how a file is analysed: model, noise, search, classes, injections, tuning and explanation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from polarbgb.config.types import Count, Device, Fraction, Name, NotNegative, Positive, Section, Whole, parsed
from polarbgb.expressions import Expression


class Model(Section):
    """The boosted trees: in each fold one booster of what all bins share, and a small one for each bin."""

    backend: Literal["xgboost", "lightgbm"] = Field("xgboost", description="the library that grows the trees")
    objective: Literal["poisson", "gamma", "squared"] = Field(
        "poisson",
        description="poisson: Poisson likelihood of the counts; gamma: relative error, where what is not explained "
        "grows with the rate; squared: squared error weighted by 1/error**2",
    )
    device: Device = Field("cpu", description="where trees grow; cuda: a GPU")
    rows: Count = Field(
        200_000, description="rows that grow trees at most, drawn evenly: neighbours in an orbit tell little more"
    )
    n_estimators: Count = Field(300, description="largest number of trees that the bins share")
    n_estimators_per_bin: Count = Field(
        80, description="largest number of trees that each bin adds of its own, at twice the learning rate"
    )
    learning_rate: Fraction = Field(0.1, description="share of each tree that is added")
    max_depth: Annotated[int, Field(strict=True, ge=1, le=16)] = Field(
        6, description="splits from root to leaf at most"
    )
    min_child_weight: NotNegative = Field(50.0, description="smallest number of rows (of mean weight) in a leaf")
    subsample: Fraction = Field(1.0, description="rows drawn for each tree")
    colsample_bytree: Fraction = Field(1.0, description="features drawn for each tree")
    reg_lambda: NotNegative = Field(1.0, description="ridge penalty on leaf values, in rows of mean weight")
    max_bin: Annotated[int, Field(strict=True, ge=2, le=1024)] = Field(
        255, description="quantiles a feature is cut into"
    )
    early_stopping_rounds: Count = Field(30, description="trees without improvement before training stops")
    validation_fraction: Annotated[float, Field(strict=True, gt=0, le=0.5)] = Field(
        0.1, description="part of the training orbits (or days) that decides when to stop"
    )
    threads: Annotated[int, Field(strict=True, ge=0, le=1024)] = Field(0, description="0: all cores")
    seed: Whole = Field(0, description="of the rows and features that trees draw, and of the study")


class Cleaning(Section):
    """Training-set cleaning: rounds of coarse fits that find the rows that hold a transient, and leave them out."""

    rounds: Annotated[int, Field(strict=True, ge=0, le=20)] = Field(
        8, description="rounds at most; each learns without the rows masked by the one before; 0: no cleaning"
    )
    window: Positive = Field(20.0, description="s: counts are compared with the background in windows this long")
    sigma: Positive = Field(
        5.0,
        description="rows are masked where a window exceeds the background by this many times its noise; at 3, noise "
        "alone recurs in a tenth of the orbits: go so low only where max_recurrence is 1",
    )
    margin: NotNegative = Field(60.0, description="s masked on either side")
    max_recurrence: Fraction = Field(
        0.07,
        description="what rises in a larger share of the orbits that meet a noise cell is background and stays in; "
        "1: everything that rises is masked, as for detectors that watch the Sun",
    )
    rows: Count = Field(50_000, description="rows that a round learns from at most, drawn evenly")


class Baseline(Section):
    """A slow offset that no feature explains, followed outside the window searched; the section turns it on."""

    gap: Positive = Field(60.0, description="s on either side of a row that it does not see; longer events go without")
    window: Positive = Field(60.0, description="s beyond the gap, on either side, over which counts are compared")
    prior_width: Fraction = Field(0.03, description="offsets expected, a share of the rate: few counts move it little")


class Noise(Section):
    """The unit of pulls."""

    calibration: Literal["regimes", "bin"] = Field(
        "regimes",
        description="regimes: counting noise of the prediction and a model error, fitted on held-out rows by bin, "
        "predicted rate, passage of the anomaly and latitude; bin: one width a bin, as published",
    )
    error: Literal["observed", "predicted"] = Field(
        "observed",
        description="what calibration 'bin' scales: observed: the error column, as published; predicted: "
        "sqrt(prediction/exposure)",
    )
    passage_window: Positive = Field(
        600.0, description="s beside a passage of the anomaly that are a regime of their own"
    )


_OWN_COLUMNS = frozenset({
    "row", "unix_time", "segment", "orbit", "fold", "quality", "rate", "pred", "sigma", "pull", "exposure", "baseline",
    "id", "name", "utc", "t_start", "t_stop", "t_peak", "duration", "rows", "significance", "bins_flagged", "counts",
    "background", "significance_bin", "time_to_gap_before", "time_to_gap_after", "matched", "matched_dt",
    "t90", "t_trigger", "timescale", "ranking", "far", "far_error", "far_limit", "probability", "ranked_by",
    "hardness", "flags", "class", "class_rule",
    "level", "level_before", "level_after",
})  # fmt: skip
"""Columns of prediction.parquet and events.parquet: no context column may take their names."""


class Intervals(Section):
    """Which rows are an excess, and which runs of them are kept."""

    sigma: Positive = Field(5.0, description="a row is flagged where its pull exceeds this many sigma")
    discard: NotNegative = Field(30.0, description="s without missing data asked before and after a cluster")
    more_than: Whole = Field(3, description="an event is flagged in more than this many bins")
    longest: Positive = Field(300.0, description="s: longest transient sought; guards of rate features exceed it")
    context: tuple[Name, ...] = Field((), description="columns noted with each event, at its peak")

    @model_validator(mode="after")
    def _context_is_free(self) -> Self:
        for name in self.context:
            if self.context.count(name) > 1:
                raise ValueError(f"context: '{name}' is named twice")
            if not re.fullmatch(r"\w+", name):
                raise ValueError(f"context: '{name}' is not a plain name; derive a column from it")
        taken = sorted(set(self.context) & _OWN_COLUMNS)
        if taken:
            raise ValueError(f"context: '{taken[0]}' is a column of the result; derive one of another name")
        return self


class Trigger(Section):
    """The search for transients by Poisson-FOCuS, and what makes an event of its windows."""

    far: Positive = Field(1.0, description="false events a day that the list may hold")
    scales: tuple[Positive, ...] = Field(
        (2.0, 6.0, 20.0, 60.0, 200.0, 600.0, 3600.0),
        min_length=1,
        description="s: longest windows, one search each; the shortest window is one row",
    )
    sums: tuple[Annotated[tuple[Whole, ...], Field(min_length=1)], ...] = Field(
        (), description="sets of bins, by number, that are also searched as sums"
    )
    mu_min: Annotated[float, Field(strict=True, ge=1, lt=100)] = Field(
        1.0, description="faintest intensity sought, in units of the background"
    )
    threshold: Positive = Field(3.2, description="sigma: fainter windows are no candidates")
    longest_followed: NotNegative = Field(
        200.0,
        description="s: searches up to this scale follow a local baseline, over three scales (60 s at least) on either "
        "side",
    )
    prior_width: Fraction = Field(0.03, description="offsets that the baseline expects, a share of the rate")
    merge: NotNegative = Field(5.0, description="s: windows that are no further apart are one event")
    seed: Whole = Field(0, description="of the transients and the trees that make the ranking")


class Classes(Section):
    """What an event may be: expressions on the columns of events, ``excess[k]``, ``share[k]`` and ``bins``."""

    hardness: str | None = Field(None, description="column hardness of the events, such as 'excess[1]/excess[0]'")
    flags: Mapping[str, str] = Field(
        {
            "one bin": "bins == 1",
            "near a gap": "time_to_gap_before < 10 or time_to_gap_after < 10",
            "step": "abs(level_after - level_before) > 0.5*level",
        },
        description="marks that an event may carry beside its class: a name, and when it holds",
    )
    rules: Mapping[str, str] = Field(
        {}, description="classes, in order: the first whose expression holds; matched events are known bursts first"
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

    bursts: Count = Field(3000, description="how many, in all rounds")
    per_day: Positive = Field(30.0, description="how many a day of data in one round")
    durations: tuple[Positive, Positive] = Field((0.1, 300.0), description="s, the shortest and the longest")
    oracle: tuple[Positive, Positive] = Field(
        (2.0, 50.0), description="the faintest and the brightest: sigma over a background that is known exactly"
    )
    spectra: Mapping[str, tuple[NotNegative, ...]] = Field(
        {}, description="counts that a burst adds to each bin, over the background's; not given: as the background"
    )
    seed: Whole = Field(0, description="of times, brightness and shapes")

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

    trials: Count = Field(20, description="trials in all, those of an earlier start included")
    timeout: Positive | None = Field(None, description="s after which no new trial starts")
    rows: Count = Field(200_000, description="rows the study uses at most, drawn evenly over the mission")
    folds: Count = Field(2, description="folds of [folds] that a trial is scored on at most")
    bins: Count = Field(
        2, description="energy bins that a trial is scored on at most, from the first to the last: they err together"
    )


class Explain(Section):
    """SHAP."""

    rows: Count = Field(3000, description="rows explained, a stratified sample; more for finer means")
    shown: Count = Field(15, description="features shown in the plots")
    groups: Mapping[str, tuple[Name, ...]] = Field(
        {},
        description="columns (and features that come by themselves) by the physics they stand for; features of a "
        "column's past follow their column, what is in no group is 'other', and columns that are no features are "
        "passed over",
    )
    seed: Whole = Field(0, description="of the sample")

    @model_validator(mode="after")
    def _in_one_group(self) -> Self:
        names = [name for members in self.groups.values() for name in members]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"groups: '{twice}' is named twice")
        return self
