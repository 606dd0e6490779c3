"""The configuration as a whole, and the checks across its sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from polarbgb.config.analysis import (
    Baseline,
    Classes,
    Cleaning,
    Explain,
    Inject,
    Intervals,
    Model,
    Noise,
    Trigger,
    Tune,
)
from polarbgb.config.columns import branch_of
from polarbgb.config.input import Features, Folds, Input, KnownEvents, Orbit, Position, Rates
from polarbgb.config.types import Name, Positive, Section, parsed
from polarbgb.errors import ConfigError
from polarbgb.expressions import Expression

GAP_COLUMNS = ("time_to_gap_before", "time_to_gap_after")
"""Columns that filters may read, as classes of events may: s of unbroken data before and after."""


class Config(Section):
    """The configuration of an instrument."""

    name: Name = Field(description="name of the instrument, for titles and the default run folder")
    memory: Positive | None = Field(
        None, description="memory that a command may use before it works on disk, GiB; default: all that is free"
    )
    input: Input
    rates: Rates
    derived: Mapping[str, str] = Field({}, description="new columns as expressions")
    filters: Mapping[str, str] = Field(
        {},
        description="conditions; rows are kept where all of them hold; they may read "
        "time_to_gap_before and time_to_gap_after, s of unbroken data around the row",
    )
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
        except ConfigError as error:
            raise ValueError(str(error)) from error
        pattern = next((c for c in self.branches if c == "*" or (c.startswith("^") and c.endswith("$"))), None)
        if pattern is not None:  # polars would take all columns that match
            raise ValueError(f"'{pattern}' cannot be the name of a column: polars takes it for a pattern")
        if not self.name.isprintable() or "/" in self.name or not self.name.strip(". "):
            raise ValueError(f"name = {self.name!r}: the run folder is named after it; use letters, digits and spaces")
        if self.orbit.period < self.input.cadence:
            raise ValueError("orbit.period is shorter than a row (input.cadence)")
        if len(self.filters) > 16:
            raise ValueError("at most 16 filters")
        if self.folds.embargo > self.orbit.period:
            raise ValueError("folds.embargo is longer than an orbit")
        absent = [i_bin for bins in self.trigger.sums for i_bin in bins if i_bin >= len(self.rates.names)]
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
                    "the model would learn to expect the bursts in it. Leave it out, or use its history "
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
                        f"intervals.longest = {self.intervals.longest:g} s, the longest transient searched for"
                    )

    @cached_property
    def derivations(self) -> dict[str, Expression]:
        """Parsed derived columns, in the order in which they are computed.

        Raises:
            ConfigError: if an expression is wrong or reads a derived column that comes later.
        """
        done: dict[str, Expression] = {}
        for name, text in self.derived.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise ConfigError(f"derived.'{name}': a column is named with letters, digits and '_'")
            expression = parsed(f"derived.{name}", text)
            later = expression.columns & (set(self.derived) - set(done))
            if later:
                raise ConfigError(f"derived.{name}: reads '{min(later)}', which is not derived before it")
            done[name] = expression
        return done

    @cached_property
    def cuts(self) -> dict[str, Expression]:
        """Parsed filters, by name."""
        return {name: parsed(f"filters.{name}", text) for name, text in self.filters.items()}

    @cached_property
    def exposure(self) -> Expression | None:
        """Parsed live time of a row, s; None if it follows from rate and error."""
        if self.rates.exposure is None:
            return None
        return parsed("rates.exposure", str(self.rates.exposure))

    @cached_property
    def branches(self) -> frozenset[str]:
        """Every column that is read from the file, such as ``"glat"`` or ``"rate[0]"``."""
        columns = {self.input.time, *self.rates.names, *self.rates.error_names, *self.intervals.context}
        columns |= set(self.features.columns)
        columns |= {column for entry in self.features.history for column in entry.columns}
        if self.position is not None:
            columns |= set(self.position.columns)
        for expression in self.derivations.values():
            columns |= expression.columns
        for expression in self.cuts.values():
            columns |= expression.columns - set(GAP_COLUMNS)
        if self.exposure is not None:
            columns |= self.exposure.columns
        return frozenset(columns - set(self.derived))

    def holds_rate(self, column: str) -> bool:
        """Return whether a column is made from the counts of the rates, so that a burst would show in it."""
        counts = [*self.rates.names, *self.rates.error_names, *self.rates.related]
        if self.exposure is not None:
            counts += self.exposure.columns
        # A rate may itself be derived; the columns it is made from contain its bursts too.
        tainted = {branch for c in counts for branch in self._sources(c)} - set(self._sources(self.input.time))
        return bool(self._sources(column) & tainted)

    def _sources(self, column: str) -> frozenset[str]:
        """Return the branches of the file from which a column is made."""
        if column not in self.derivations:
            return frozenset({branch_of(column)})
        return frozenset().union(*(self._sources(c) for c in self.derivations[column].columns))
