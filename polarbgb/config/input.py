"""Sections of the input: rows, rates, features, position, orbits, known events and folds."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from polarbgb.config.columns import expanded
from polarbgb.config.times import StoredFormat, StoredReference, StoredScale, TimeFormat
from polarbgb.config.types import Columns, Count, File, Name, NotNegative, Positive, Section, Whole, file_name


class Input(Section):
    """The file and its rows."""

    path: tuple[Path, ...] = Field(
        (Path("data/nf1rate.root"),),
        min_length=1,
        description="files that are read if --input is not given, ROOT, FITS, Parquet or CSV by their suffix: a name, "
        "a pattern such as 'data/*.root', a folder, or a list of them, which together are one mission",
    )
    tree: Name | None = Field(
        None,
        description="name of the tree, or name or number of the FITS extension; default: the only one of the file",
    )
    time: Name = Field("unix_time", description="branch with the start time of the rows")
    time_format: StoredFormat = "unix"
    time_scale: StoredScale = "utc"
    time_reference: StoredReference = None
    cadence: Annotated[float, Field(strict=True, ge=1e-4, lt=2**31, allow_inf_nan=False)] = Field(
        1.0, description="nominal length of a row, s"
    )

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        names = (value,) if isinstance(value, str | Path) else value
        # Checked here and not one by one: of a single name, messages name no index.
        return [file_name(name) for name in names] if isinstance(names, list | tuple) else names

    @property
    def clock(self) -> TimeFormat:
        """How the times are stored."""
        return TimeFormat(self.time_format, self.time_scale, self.time_reference)


class Rates(Section):
    """The count rates that are predicted."""

    values: tuple[Name, ...] = Field((), description="rates, Hz; 'rate[0:2]' means rate[0], rate[1]")
    counts: tuple[Name, ...] = Field((), description="instead of values: counts of a row, as 'counts[0:128]'")
    errors: tuple[Name, ...] = Field(
        (),
        description="one-sigma errors of the rates, Hz, in the same order; default: the square root of the counts, of "
        "at least one, also where an error is not a number > 0",
    )
    labels: tuple[str, ...] = Field((), description="names of the bins in plots and tables")
    exposure: str | float | None = Field(
        None,
        description="live time of a row, s: an expression or a number; default: rate/error**2, or without errors the "
        "cadence",
    )
    weighted_means: Annotated[bool, Field(strict=True)] = Field(
        False,
        description="rates are averages or weighted means, which can scatter less than Poisson counts; sigma then "
        "follows the scatter",
    )
    related: Columns = Field((), description="other branches made from the same counts, which cannot be features")
    informative: tuple[Whole, ...] = Field(
        (),
        description="indices of the bins in which transients are visible: training-set cleaning uses the sum of their "
        "counts, and each is searched; default: all bins",
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
        if bool(self.values) == bool(self.counts):
            raise ValueError("give either values (rates, Hz) or counts")
        if self.counts and self.errors:
            raise ValueError("errors go with values; those of counts are their square roots")
        if self.errors and len(self.names) != len(self.error_names):
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
        """Columns of the rates or counts with slices expanded; their order defines the bins 0, 1, 2 and so on."""
        return expanded(self.values or self.counts)

    @cached_property
    def error_names(self) -> tuple[str, ...]:
        """Columns of the errors with slices expanded."""
        return expanded(self.errors)

    @cached_property
    def searched(self) -> tuple[int, ...]:
        """Indices of the bins in which transients are visible."""
        return self.informative or tuple(range(len(self.names)))

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Titles of the bins: their labels, or the names of their columns."""
        return self.labels or self.names


class History(Section):
    """Features from the history of columns, named after the column, the operation and the time."""

    columns: Columns = Field(min_length=1, description="branches or derived columns whose history is used")
    lags: tuple[Positive, ...] = Field((), description="times, s: the value this long ago")
    differences: tuple[Positive, ...] = Field((), description="times, s: the change over this time")
    means: tuple[Positive, ...] = Field((), description="times, s: the mean over this time")
    guard: NotNegative = Field(0.0, description="time before the row that is not used, s")

    @model_validator(mode="after")
    def _something_asked(self) -> Self:
        if not (self.lags or self.differences or self.means):
            raise ValueError("give at least one of lags, differences, means")
        if any(lag < self.guard for lag in self.lags):
            raise ValueError(f"a lag is shorter than the guard of {self.guard:g} s")
        return self


class Features(Section):
    """The features from which the background is predicted."""

    columns: Columns = Field((), description="branches or derived columns used as features")
    history: tuple[History, ...] = ()
    passage: tuple[Positive, Positive] = Field(
        (120.0, 2700.0),
        description="shortest and longest gap that is taken for a passage of the South Atlantic Anomaly, s",
    )
    without: tuple[Name, ...] = Field(
        (), description="automatic features, from [position] and the passages, to leave out"
    )

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.columns and not self.history:
            raise ValueError("no feature is named; give columns or history")
        if self.passage[0] >= self.passage[1]:
            raise ValueError("passage: the shortest gap is not shorter than the longest")
        return self


class Position(Section):
    """The position of the instrument, from which features of the orbit are derived."""

    latitude: Name = Field(description="geographic latitude, degrees north")
    longitude: Name = Field(description="geographic longitude, degrees east, -180 to 180 or 0 to 360")
    altitude: Name | None = Field(None, description="height above the ellipsoid of the Earth, km")
    field: tuple[Name, Name] | tuple[Name, Name, Name] | None = Field(
        None, description="magnetic field, nT: radial (up), southward, and optionally eastward"
    )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All named columns."""
        altitude = () if self.altitude is None else (self.altitude,)
        return (self.latitude, self.longitude, *altitude, *(self.field or ()))


class Orbit(Section):
    """The numbering of orbits."""

    period: Positive = Field(description="orbital period, s")
    epoch: Annotated[float, Field(strict=True, ge=0, lt=2**38, allow_inf_nan=False)] | None = Field(
        None, description="unix time at which orbit `first` begins; default: the first row"
    )
    first: Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)] = Field(
        0, description="number of the orbit that begins at the epoch"
    )


class KnownEvents(Section):
    """Known transients, which are excluded from training and matched with the events found."""

    file: File = Field(description="CSV file; a relative path starts at the folder of the configuration")
    time: Name = Field("unix_time", description="column of the trigger time")
    time_format: StoredFormat = "unix"
    time_scale: StoredScale = "utc"
    time_reference: StoredReference = None
    name: Name = Field("name", description="column of the name")
    duration: str | float = Field(
        0.0,
        description="duration of the events from the trigger on, s: a column, such as T90, or one number for all",
    )
    unknown_duration: NotNegative = Field(0.0, description="duration where that column is empty, s")
    before: NotNegative = Field(100.0, description="time before the trigger excluded from training, s")
    after: NotNegative = Field(100.0, description="time after the end of the duration excluded from training, s")
    match: NotNegative = Field(
        5.0,
        description="an event matches if it overlaps the span from the trigger to the end of the duration, extended by "
        "this on both sides, s",
    )

    @field_validator("duration", mode="before")
    @classmethod
    def _column_or_number(cls, value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**31
        if not (number or (isinstance(value, str) and value)):
            raise ValueError("write the name of a column or a number of seconds >= 0")
        return value

    @property
    def clock(self) -> TimeFormat:
        """How the times are stored."""
        return TimeFormat(self.time_format, self.time_scale, self.time_reference)


class Folds(Section):
    """The folds, which define the model that predicts each row."""

    scheme: Literal["orbits", "days", "blocks"] = Field(
        "orbits",
        description="orbits: every row is predicted by a model that never saw its orbit; days: by one that never saw "
        "its UTC day; blocks: the published split of each block of rows, in time order, into 98 % training, "
        "1 % validation (for early stopping) and 1 % test",
    )
    count: Annotated[int, Field(strict=True, ge=2, le=127)] = Field(
        5, description="number of folds of schemes 'orbits' and 'days'"
    )
    group: Count = Field(1, description="number of consecutive orbits (or days) that are held out together")
    embargo: NotNegative = Field(300.0, description="time on both sides of a held-out group excluded from training, s")
    block: Annotated[int, Field(strict=True, ge=100, lt=2**31)] = Field(
        256, description="number of rows in a block of scheme 'blocks'"
    )
    seed: Whole = Field(0, description="seed of the assignment of folds and of the orbits for early stopping")
