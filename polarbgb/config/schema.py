"""The configuration as a whole: one file per instrument, every default stated once."""

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
from polarbgb.config.input import Features, Folds, Input, KnownEvents, Orbit, Position, Rates
from polarbgb.config.types import Name, Positive, Section, parsed
from polarbgb.errors import UserError
from polarbgb.expressions import Expression


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
            expression = parsed(f"derived.{name}", text)
            later = expression.columns & (set(self.derived) - set(done))
            if later:
                raise UserError(f"derived.{name}: reads '{min(later)}', which is not derived before it")
            done[name] = expression
        return done

    @cached_property
    def cuts(self) -> dict[str, Expression]:
        """Filters, parsed, by name."""
        return {name: parsed(f"filters.{name}", text) for name, text in self.filters.items()}

    @cached_property
    def exposure(self) -> Expression | None:
        """Live time of a row, s; none where it follows from rate and error."""
        if self.rates.exposure is None:
            return None
        return parsed("rates.exposure", str(self.rates.exposure))

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
