"""Sections that say what is read from a file: rows, rates, features, position, orbits and known events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from polarbgb.config.types import Count, File, Name, NotNegative, Positive, Section, Whole


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
