"""The typed configuration: one file an instrument, validated on load, every default stated once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from polarbgb.errors import UserError, nearest
from polarbgb.expressions import Expression, parse


def _without_null(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("no file's name holds a null character")
    return path


# Strict: neither true nor "3" is a number. 2**31 is what the libraries' integers hold.
Positive = Annotated[float, Field(strict=True, gt=0, lt=2**31, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, lt=2**31, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Count = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Device = Literal["cpu", "cuda"]
Name = Annotated[str, Field(min_length=1)]
File = Annotated[Path, AfterValidator(_without_null)]


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Model = TypeVar("_Model", bound=Section)


class Input(Section):
    """Where the rows are."""

    path: File = Field(Path("data/nf1rate.root"), description="ROOT file read where no --input is given")
    tree: Name = Field(description="name of the TTree")
    time: Name = Field("unix_time", description="branch of the row's start time, unix seconds")
    cadence: Annotated[float, Field(strict=True, ge=1e-4, lt=2**31, allow_inf_nan=False)] = Field(
        1.0, description="nominal row length, s"
    )


class Rates(Section):
    """What is predicted."""

    values: tuple[Name, ...] = Field(min_length=1, description="rates, Hz; 'rate[0:2]' means rate[0], rate[1]")
    errors: tuple[Name, ...] = Field(min_length=1, description="their one-sigma errors, Hz, in the same order")
    labels: tuple[str, ...] = Field((), description="what each bin is, for plots and tables")
    exposure: str | float | None = Field(
        None, description="live time of a row, s: an expression or a number; not given: rate/error**2"
    )
    weighted_means: Annotated[bool, Field(strict=True)] = Field(
        False,
        description="rates are averages or weighted means: they may scatter less than their counts can, and sigma "
        "follows the scatter",
    )
    related: tuple[Name, ...] = Field((), description="other branches made from the same counts, never features")
    informative: tuple[Whole, ...] = Field(
        (),
        description="bins in which transients show, by number: the sum of their counts is watched in training-set "
        "cleaning, and each is searched; not given: all bins",
    )

    @field_validator("exposure", mode="before")
    @classmethod
    def _text_or_number(cls, value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
        if not (number or value is None or isinstance(value, str)):
            raise ValueError("write an expression or a number of seconds > 0")
        return value

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.names) != len(self.error_names):
            raise ValueError(f"{len(self.names)} values but {len(self.error_names)} errors")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a rate is named twice")
        absent = [i_bin for i_bin in self.informative if i_bin >= len(self.names)]
        if absent:
            raise ValueError(f"informative: there is no bin {absent[0]}; bins are 0 to {len(self.names) - 1}")
        if self.labels and len(self.labels) != len(self.names):
            raise ValueError(f"{len(self.names)} values but {len(self.labels)} labels")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns of the rates, slices written out; their order numbers the bins 0, 1, 2 and so on."""
        return tuple(_written_out(self.values))

    @cached_property
    def error_names(self) -> tuple[str, ...]:
        """Columns of the errors, slices written out."""
        return tuple(_written_out(self.errors))

    @cached_property
    def searched(self) -> tuple[int, ...]:
        """Numbers of the bins in which transients show."""
        return self.informative or tuple(range(len(self.names)))

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """A title a bin: its label, or the name of its column."""
        return self.labels or self.names


class History(Section):
    """Features from a column's past: each names itself after the column, what was done, and the horizon."""

    columns: tuple[Name, ...] = Field(min_length=1, description="branches or derived columns whose past is used")
    lags: tuple[Positive, ...] = Field((), description="value so many seconds ago")
    differences: tuple[Positive, ...] = Field((), description="change over the last so many seconds")
    means: tuple[Positive, ...] = Field((), description="mean of the last so many seconds")
    guard: NotNegative = Field(0.0, description="nothing younger than so many seconds is used")

    @model_validator(mode="after")
    def _something_asked(self) -> Self:
        if not (self.lags or self.differences or self.means):
            raise ValueError("give at least one of lags, differences, means")
        if any(lag < self.guard for lag in self.lags):
            raise ValueError(f"a lag is shorter than the guard of {self.guard:g} s")
        return self


class Features(Section):
    """What the background is predicted from."""

    columns: tuple[Name, ...] = Field((), description="branches or derived columns taken as they are")
    history: tuple[History, ...] = ()
    passage: tuple[Positive, Positive] = Field(
        (120.0, 2700.0),
        description="s, shortest and longest gap taken for a passage of the South Atlantic Anomaly, detector off",
    )
    without: tuple[Name, ...] = Field(
        (), description="features that would come by themselves, from [position] and the passages, but are not wanted"
    )

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.columns and not self.history:
            raise ValueError("no feature is asked for")
        if self.passage[0] >= self.passage[1]:
            raise ValueError("passage: the shortest gap is not shorter than the longest")
        return self


class Position(Section):
    """Where the instrument is: the columns from which the features of the orbit are derived."""

    latitude: Name = Field(description="geographic latitude, degrees north")
    longitude: Name = Field(description="geographic longitude, degrees east, -180 to 180 or 0 to 360")
    altitude: Name | None = Field(None, description="height above the Earth's ellipsoid, km")
    field: tuple[Name, Name] | tuple[Name, Name, Name] | None = Field(
        None, description="magnetic field, nT: radial (up), southward, and eastward where there is one"
    )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns that are named."""
        altitude = () if self.altitude is None else (self.altitude,)
        return (self.latitude, self.longitude, *altitude, *(self.field or ()))


class Orbit(Section):
    """How rows are numbered by orbit."""

    period: Positive = Field(description="orbital period, s")
    epoch: Annotated[float, Field(strict=True, ge=0, lt=2**38, allow_inf_nan=False)] | None = Field(
        None, description="unix time at which orbit `first` begins; not given: first row"
    )
    first: Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)] = Field(
        0, description="number of the orbit that begins at the epoch"
    )


class KnownEvents(Section):
    """Transients already known: kept out of training, matched to what is found."""

    file: File = Field(description="CSV file; a relative path is taken from the configuration's folder")
    time: Name = Field("unix_time", description="column of the trigger time, unix seconds")
    name: Name = Field("name", description="column of the event's name")
    duration: str | float = Field(
        0.0,
        description="how long the events last from their trigger on, s: a column, such as one of T90, or one number "
        "for all",
    )
    unknown_duration: NotNegative = Field(0.0, description="s, where the cell of that column is empty")
    before: NotNegative = Field(100.0, description="s before the trigger kept out of training")
    after: NotNegative = Field(100.0, description="s after the end of the duration kept out of training")
    match: NotNegative = Field(
        5.0,
        description="slack, s: an event matches if it overlaps the span from the trigger to the end of the duration, "
        "widened by this on both sides",
    )

    @field_validator("duration", mode="before")
    @classmethod
    def _column_or_number(cls, value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**31
        if not (number or (isinstance(value, str) and value)):
            raise ValueError("write the name of a column or a number of seconds >= 0")
        return value


class Folds(Section):
    """Who is predicted by whom."""

    scheme: Literal["orbits", "days", "blocks"] = Field(
        "orbits",
        description="orbits: every row is predicted by a model that never saw its orbit; days: nor any of its UTC "
        "day, as on a day that is yet to come; blocks: the published "
        "split of each block of rows into 98 % training, 1 % validation (which decides when to stop) and 1 % test, "
        "in time order",
    )
    count: Annotated[int, Field(strict=True, ge=2, le=127)] = Field(
        5, description="folds of schemes 'orbits' and 'days'"
    )
    group: Count = Field(1, description="consecutive orbits (or days) that are held out together")
    embargo: NotNegative = Field(300.0, description="s on both sides of a held-out group kept out of training")
    block: Annotated[int, Field(strict=True, ge=100, lt=2**31)] = Field(
        256, description="rows of a block of scheme 'blocks'"
    )
    seed: Whole = Field(0, description="of the order in which folds are dealt out, and of the orbits that stop")


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
    trees: Count = Field(300, description="largest number of trees that the bins share")
    trees_per_bin: Count = Field(
        80, description="largest number of trees that each bin adds of its own, at twice the learning rate"
    )
    learning_rate: Fraction = Field(0.1, description="share of each tree that is added")
    depth: Annotated[int, Field(strict=True, ge=1, le=16)] = Field(6, description="splits from root to leaf at most")
    min_rows: NotNegative = Field(50.0, description="smallest number of rows (of mean weight) in a leaf")
    row_fraction: Fraction = Field(1.0, description="rows drawn for each tree")
    column_fraction: Fraction = Field(1.0, description="features drawn for each tree")
    l2: NotNegative = Field(1.0, description="ridge penalty on leaf values, in rows of mean weight")
    bins: Annotated[int, Field(strict=True, ge=2, le=1024)] = Field(255, description="quantiles a feature is cut into")
    patience: Count = Field(30, description="trees without improvement before training stops")
    stopping_fraction: Annotated[float, Field(strict=True, gt=0, le=0.5)] = Field(
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

    hole: Positive = Field(60.0, description="s on either side of a row that it does not see; longer events go without")
    reach: Positive = Field(60.0, description="s beyond the hole, on either side, over which counts are compared")
    trust: Fraction = Field(0.03, description="offsets expected, a share of the rate: few counts move it little")


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
    reach: Positive = Field(600.0, description="s beside a passage of the anomaly that are a regime of their own")


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
    follow: NotNegative = Field(
        200.0,
        description="s: searches up to this scale follow a local baseline, over three scales (60 s at least) on either "
        "side",
    )
    trust: Fraction = Field(0.03, description="offsets that the baseline expects, a share of the rate")
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
        return None if self.hardness is None else _parsed("classes.hardness", self.hardness)

    @cached_property
    def marks(self) -> dict[str, Expression]:
        """The flags, parsed, by name."""
        return {name: _parsed(f"classes.flags.'{name}'", text) for name, text in self.flags.items()}

    @cached_property
    def tests(self) -> dict[str, Expression]:
        """The rules, parsed, by class."""
        return {name: _parsed(f"classes.rules.'{name}'", text) for name, text in self.rules.items()}


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


class Config(Section):
    """All of it."""

    name: Name = Field(description="the instrument, for titles and the default run folder")
    memory: Positive | None = Field(
        None, description="GiB that a verb may take before it works on disk; not given: what is free"
    )
    input: Input
    rates: Rates
    derived: Mapping[str, str] = Field({}, description="new columns as expressions")
    filters: Mapping[str, str] = Field({}, description="rows are kept where every expression holds")
    features: Features
    position: Position | None = None
    orbit: Orbit
    known_events: KnownEvents | None = None
    folds: Folds = Folds()
    model: Model = Model()
    cleaning: Cleaning = Cleaning()
    baseline: Baseline | None = None
    noise: Noise = Noise()
    intervals: Intervals = Intervals()
    trigger: Trigger = Trigger()
    classes: Classes = Classes()
    inject: Inject = Inject()
    tune: Tune = Tune()
    explain: Explain = Explain()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            _ = self.derivations, self.cuts, self.exposure, self.branches
            _ = self.classes.measure, self.classes.marks, self.classes.tests
        except UserError as error:
            raise ValueError(str(error)) from error
        if not self.name.isprintable() or "/" in self.name or not self.name.strip(". "):
            raise ValueError(f"name = {self.name!r}: a run folder is called after it; write letters, digits and spaces")
        if self.orbit.period < self.input.cadence:
            raise ValueError("orbit.period is shorter than a row (input.cadence)")
        if len(self.filters) > 16:
            raise ValueError("at most 16 filters")
        if self.folds.embargo > self.orbit.period:
            raise ValueError("folds.embargo is longer than an orbit")
        absent = [number for one in self.trigger.sums for number in one if number >= len(self.rates.names)]
        if absent:
            raise ValueError(f"trigger.sums: there is no bin {absent[0]}; bins are 0 to {len(self.rates.names) - 1}")
        for name, shares in self.inject.spectra.items():
            if len(shares) != len(self.rates.names):
                raise ValueError(f"inject.spectra.{name}: {len(shares)} shares for {len(self.rates.names)} bins")
        if self.intervals.more_than >= len(self.rates.names):
            raise ValueError(
                f"intervals.more_than = {self.intervals.more_than} can never hold with {len(self.rates.names)} bins"
            )
        self._refuse_leaks()
        return self

    def _refuse_leaks(self) -> None:
        for column in self.features.columns:
            if self.holds_rate(column):
                raise ValueError(
                    f"features.columns: '{column}' is made from a rate (or its error, exposure or a related branch); "
                    "a burst in it would teach the model to expect the burst. Leave it out, or ask for its past "
                    "in [[features.history]] with a guard"
                )
        for column in self.position.columns if self.position is not None else ():
            if self.holds_rate(column):
                raise ValueError(f"position: '{column}' is made from a rate")
        for entry in self.features.history:
            for column in entry.columns:
                if self.holds_rate(column) and entry.guard <= self.intervals.longest:
                    raise ValueError(
                        f"features.history: '{column}' is made from a rate; give it a guard longer than "
                        f"intervals.longest = {self.intervals.longest:g} s, the longest transient sought"
                    )

    @cached_property
    def derivations(self) -> dict[str, Expression]:
        """Derived columns, parsed, in the order in which they are computed.

        Raises:
            UserError: if an expression is wrong or reads a derived column that comes later.
        """
        done: dict[str, Expression] = {}
        for name, text in self.derived.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise UserError(f"derived.'{name}': a column is named with letters, digits and '_'")
            expression = _parsed(f"derived.{name}", text)
            later = expression.columns & (set(self.derived) - set(done))
            if later:
                raise UserError(f"derived.{name}: reads '{min(later)}', which is not derived before it")
            done[name] = expression
        return done

    @cached_property
    def cuts(self) -> dict[str, Expression]:
        """Filters, parsed, by name."""
        return {name: _parsed(f"filters.{name}", text) for name, text in self.filters.items()}

    @cached_property
    def exposure(self) -> Expression | None:
        """Live time of a row, s; none where it follows from rate and error."""
        if self.rates.exposure is None:
            return None
        return _parsed("rates.exposure", str(self.rates.exposure))

    @cached_property
    def branches(self) -> frozenset[str]:
        """Every column that must come from the file, ``"glat"`` or ``"rate[0]"``: nothing else is read."""
        asked = {self.input.time, *self.rates.names, *self.rates.error_names, *self.intervals.context}
        asked |= set(self.features.columns)
        asked |= {column for entry in self.features.history for column in entry.columns}
        if self.position is not None:
            asked |= set(self.position.columns)
        for expression in (*self.derivations.values(), *self.cuts.values()):
            asked |= expression.columns
        if self.exposure is not None:
            asked |= self.exposure.columns
        return frozenset(asked - set(self.derived))

    def holds_rate(self, column: str) -> bool:
        """Say whether a column carries counts of the modelled rates: a burst would show in it."""
        counts = [*self.rates.names, *self.rates.error_names, *self.rates.related]
        if self.exposure is not None:
            counts += self.exposure.columns
        # A modelled rate may itself be derived: what it is made from holds its bursts too.
        tainted = {branch for c in counts for branch in self._sources(c)} - set(self._sources(self.input.time))
        return bool(self._sources(column) & tainted)

    def _sources(self, column: str) -> frozenset[str]:
        """Return the branches of the file that a column is made from."""
        if column not in self.derivations:
            return frozenset({_branch(column)})
        return frozenset().union(*(self._sources(c) for c in self.derivations[column].columns))


def _branch(column: str) -> str:
    return column.partition("[")[0]


def _parsed(where: str, text: str) -> Expression:
    try:
        return parse(text)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _written_out(columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        sliced = re.fullmatch(r"(\w+)\[(\d+):(\d+)\]", column)
        if sliced is None:
            if not re.fullmatch(r"\w+(\[\d+\])?", column):
                raise ValueError(f"'{column}' is not a column: write name, name[3] or name[0:9]")
            yield column
            continue
        name, start, stop = sliced[1], int(sliced[2]), int(sliced[3])
        if stop <= start:
            raise ValueError(f"'{column}' holds no element")
        yield from (f"{name}[{i}]" for i in range(start, stop))


def shipped(name: str) -> Path:
    """Return the path of a file that comes with the package, such as ``configs/polar.toml``.

    In a wheel these lie inside the package, in a checkout beside it.
    """
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.exists() else package.parent / name


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read and validate a configuration.

    Args:
        path: TOML file; ``configs/polar.toml`` and its neighbours are found in the package where the current
            folder has none.
        overrides: ``a.b=value`` settings; the value is read as TOML, else taken as text.

    Returns:
        The configuration, with the path of the known events resolved.

    Raises:
        UserError: if the file is missing or not TOML, or a key or value is wrong.
    """
    path = Path(path)
    if path.is_char_device() or path.is_block_device():
        raise UserError(f"{path} is a device, not a configuration; see configs/polar.toml for a complete one")
    if not path.exists() and path.parent == Path("configs") and shipped(path.as_posix()).exists():
        path = shipped(path.as_posix())
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"no configuration at {path}; see configs/polar.toml for a complete one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a configuration ({error})") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, or as many brackets, is not TOML's error
        raise UserError(f"{path}: not valid TOML: {error}") from error
    for text in overrides:
        override(raw, text)
    known = raw.get("known_events")
    if isinstance(known, dict) and isinstance(known.get("file"), str) and "\0" not in known["file"]:
        file = (path.parent / known["file"]).resolve()
        # A copy of a configuration that came with the package still finds the list that came with it.
        inside = shipped(f"data/{file.name}")
        known["file"] = str(inside if not file.exists() and inside.exists() else file)
    return validate(raw, where=str(path))


def validate(raw: Mapping[str, Any], *, where: str) -> Config:
    """Build a configuration from plain values; see :func:`build`."""
    return build(Config, raw, where=where)


def build(model: type[_Model], raw: Mapping[str, Any], *, where: str) -> _Model:
    """Build a section from plain values.

    Args:
        model: what to build.
        raw: nested tables as TOML gives them.
        where: the file's name, for messages.

    Raises:
        UserError: naming the first wrong key or value; a misspelt key is answered with its nearest neighbour.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # A misspelt key is also a missing one: the spelling is what helps.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            *parents, key = first["loc"]
            known = _keys(model, parents)
            message = f"unknown key '{place}'{nearest(str(key), known)}"
        elif first["type"] == "missing":
            message = f"'{place}' is missing"
        else:
            reason = first["msg"].removeprefix("Value error, ")
            message = f"{place}: {reason}" if place else reason
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UserError(f"{where}: {message}{more}") from error


def _keys(model: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """List the keys of the section that ``parents`` lead to."""
    for part in parents:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(str(part))
        if field is None:
            return []
        sections = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, Section)]
        if not sections:
            return []
        model = sections[0]
    return list(model.model_fields)


def _types(annotation: Any) -> list[Any]:  # noqa: ANN401 - typing objects have no common type
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(t for a in inner for t in _types(a))]


def override(raw: dict[str, Any], text: str, *, form: str = "section.key=value") -> None:
    """Put one setting into plain values, in place.

    Args:
        raw: nested tables as TOML gives them.
        text: as ``a.b=value``; the value is read as TOML, else taken as text.
        form: how to write it, for messages.

    Raises:
        UserError: if the text has another form.
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {text}: write it as {form}")
    table: Any = raw
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UserError(f"--set {text}: '{part}' is not a section")
    try:
        parsed = tomllib.loads(f"value = {value}")
        table[parts[-1]] = parsed["value"] if len(parsed) == 1 else value  # several lines may set more than one
    except (ValueError, RecursionError):
        table[parts[-1]] = value.strip()
