"""A configuration that fits a file, with remarks on what could not be decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Features, Folds, Orbit
from polarbgb.config.columns import expanded
from polarbgb.config.times import TimeFormat
from polarbgb.config.types import Paths
from polarbgb.data.segments import orbit_numbers
from polarbgb.data.time_format import from_fits_keywords, to_unix
from polarbgb.data.time_problem import time_problem
from polarbgb.errors import InputError, UserError
from polarbgb.expressions import parse
from polarbgb.features.passages import PASSAGE_NAMES, passages
from polarbgb.features.position import FIELD_NAMES, PLACE_NAMES
from polarbgb.io.input import Branch, branches_of, list_branches, list_trees, read_columns, time_keywords
from polarbgb.io.input.files import input_files
from polarbgb.progress import Track, silent
from polarbgb.reporting.table import counted
from polarbgb.workflow.proposal.clock import StoredTime, cadence_of, stored_time, time_columns
from polarbgb.workflow.proposal.features import choose_features
from polarbgb.workflow.proposal.names import groups_of, kind_of, main_table, time_rank
from polarbgb.workflow.proposal.orbit import choose_position, period_of
from polarbgb.workflow.proposal.rates import PLAIN, ChosenRates, choose_exposure, choose_rates, scatter
from polarbgb.workflow.proposal.search import flagged_bins, fold_count, rules, scales

Array = NDArray[np.float64]

_SAMPLED = 16
"""Most bins of a group that are looked at."""

_PERIOD = 5600.0
"""Orbital period of a satellite in a low orbit, s, where the file does not tell it."""

_GUARD, _MEANS = 320.0, [600.0, 1800.0]
"""History of a rate where nothing else can predict it, s; the guard is longer than the longest burst searched for."""


@dataclass(frozen=True)
class Proposal:
    """A proposed configuration.

    Attributes:
        settings: nested tables as TOML gives them.
        notes: remarks by key, such as ``input.time``; what is to be checked begins with ``CHECK:``.
        files: from which it is made.
        tree: that holds the mission.
        entries: rows of the files.
    """

    settings: dict[str, Any]
    notes: dict[str, tuple[str, ...]]
    files: tuple[Path, ...]
    tree: str
    entries: int

    def has(self, column: str) -> bool:
        """Return whether the files hold a column."""
        try:
            return bool(branches_of(self.files[0], self.tree, [column]))
        except InputError:
            return False

    @property
    def checks(self) -> tuple[str, ...]:
        """What could not be decided, each with its key."""
        marked = [(key, note) for key, notes in self.notes.items() for note in notes if note.startswith("CHECK: ")]
        return tuple(f"{key}: {note.removeprefix('CHECK: ')}" for key, note in marked)


class _Draft:
    """A configuration as it grows, with its remarks."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.notes: dict[str, list[str]] = {}

    def put(self, key: str, value: object) -> None:
        """Enter a setting, such as ``input.time``."""
        section, _, name = key.rpartition(".")
        table = self.settings
        for part in filter(None, section.split(".")):
            table = table.setdefault(part, {})
        table[name] = value

    def says(self, key: str, *notes: str | None) -> None:
        """Add remarks on a key."""
        self.notes.setdefault(key, []).extend(note for note in notes if note)

    def check(self, key: str, *notes: str | None) -> None:
        """Add remarks on what could not be decided."""
        self.says(key, *(f"CHECK: {note}" for note in notes if note))


def propose(source: Paths, *, name: str, track: Track = silent) -> Proposal:
    """Propose a configuration for files that together are one mission.

    Args:
        source: files, patterns or folders, which the configuration will name as they are given.
        name: of the instrument.
        track: watches the reading.

    Raises:
        UserError: if a file cannot be read, holds no table, or no time or nothing like rates.
    """
    draft = _Draft()
    draft.put("name", name)
    files = input_files(source)
    named = [source] if isinstance(source, str | Path) else source
    draft.put("input.path", str(named[0]) if len(named) == 1 else [str(path) for path in named])
    tree, branches = _tree(files[0], draft)
    values = _Values(files, tree, branches, track)
    time = _time(values, draft)
    values.sort(time)
    time = np.sort(time[np.isfinite(time)])
    samples = values.samples()
    chosen = _rates(values, samples, draft)
    _exposure(values, chosen, samples, draft)
    period = _orbit(values, time, draft)
    _features(values, chosen, time, samples[chosen.rates.name], draft)
    _search(chosen.rates.size, time, period, draft)
    notes = {key: tuple(notes) for key, notes in draft.notes.items() if notes}
    return Proposal(draft.settings, notes, files, tree, len(time))


class _Values:
    """The columns of the files, one file after the other.

    Attributes:
        branches: of the table.
        groups: arrays, families of scalars, and single scalars that are called rates.
        scalars: (rows,) by name: the numeric columns that are no array.
    """

    def __init__(self, files: Sequence[Path], tree: str, branches: Sequence[Branch], track: Track) -> None:
        self.files, self.tree, self.branches = files, tree, branches
        self.groups = groups_of(branches)
        self._track = track
        self._order: NDArray[np.int64] | None = None
        names = [branch.name for branch in branches if branch.shape is not None and prod(branch.shape) == 1]
        self.scalars = self.read(names)

    def read(self, columns: Sequence[str]) -> dict[str, Array]:
        """Return columns as (rows,) arrays by name, in the order of time once it is known."""
        if not columns:
            return {}
        exact = {column for column in columns if time_rank(column) is not None or kind_of(column)}
        frames = [read_columns(file, self.tree, columns, exact=exact, track=self._track) for file in self.files]
        frame = pl.concat(frames)
        order = slice(None) if self._order is None else self._order
        return {column: frame[column].to_numpy()[order].astype(np.float64) for column in columns}

    def samples(self) -> dict[str, Array]:
        """Return (rows, bins) values of some bins of each group, evenly spread, by the name of the group."""
        some = {group.name: _spread(expanded(group.columns)) for group in self.groups}
        missing = {column for columns in some.values() for column in columns} - set(self.scalars)
        known = self.scalars | self.read(sorted(missing))
        return {name: np.column_stack([known[column] for column in columns]) for name, columns in some.items()}

    def sort(self, time: Array) -> None:
        """Put the rows in the order of their times, (rows,) unix s, without those that have none."""
        order = np.argsort(time, kind="stable")
        self._order = order[np.isfinite(time[order])]
        self.scalars = {name: values[self._order] for name, values in self.scalars.items()}


def _spread(columns: Sequence[str]) -> list[str]:
    return [columns[i] for i in np.unique(np.linspace(0, len(columns) - 1, _SAMPLED).round().astype(int))]


def _tree(file: Path, draft: _Draft) -> tuple[str, list[Branch]]:
    """Enter the table that holds the mission, and return its name and its branches."""
    tables = {name: list_branches(file, name) for name in list_trees(file)}
    if not tables:
        raise InputError(f"{file} holds no TTree or other table")
    tree, others = main_table(tables)
    if file.suffix.lower() in (".root", "") or len(tables) > 1:
        draft.put("input.tree", tree)
    if others:
        listed = ", ".join(f"{name} ({tables[name][0]:,} rows)" for name in others)
        draft.check("input.tree", f"{tree} has most rows, {tables[tree][0]:,}; other trees with rates: {listed}.")
    return tree, tables[tree][1]


def _time(values: _Values, draft: _Draft) -> Array:
    """Enter the time and the cadence, and return the (rows,) times in unix s."""
    candidates = time_columns(values.scalars)
    if not candidates:
        raise UserError(
            f"{values.files[0]}: no column of {values.tree} increases like the time of its rows; begin with "
            "'polarbgb config init' without -i, and name one as input.time, or derive it"
        )
    name, *others = candidates
    numbers = values.scalars[name]
    keywords = time_keywords(values.files[0], values.tree)
    if keywords is not None and keywords.reference_mjd is not None:
        header = f"The header of the file says how it is stored: since MJD {sum(keywords.reference_mjd):.10g}"
        stored = StoredTime({"time": name}, says=f"{header} ({keywords.scale.upper()}).")
        clock = from_fits_keywords(keywords.reference_mjd, zero=keywords.zero, scale=keywords.scale, unit=keywords.unit)
    else:
        stored = stored_time(name, numbers[np.isfinite(numbers)])
        clock = TimeFormat(stored.settings.get("time_format", "unix"), stored.settings.get("time_scale", "utc"))
    for formula in stored.derived.values():
        numbers = pl.DataFrame({name: numbers}).select(parse(formula).number()).to_series().to_numpy()
    time = to_unix(numbers, clock)
    for key, value in stored.settings.items():
        draft.put(f"input.{key}", value)
    if stored.derived:
        draft.settings["derived"] = stored.derived
    draft.says(
        "input.time", stored.says, f"Other columns that increase steadily: {', '.join(others)}." if others else None
    )
    draft.check("input.time", stored.check)
    cadence = cadence_of(time[np.isfinite(time)])
    if cadence is None:
        raise UserError(f"{values.files[0]}: '{name}' is the same in every row; an instrument is sampled over time")
    draft.put("input.cadence", cadence)
    draft.check("input.time", time_problem(time, cadence, name=name))
    if cadence > 300:
        draft.check("input.cadence", "rows of this length hardly show a burst; is the time in seconds?")
    return time


def _rates(values: _Values, samples: Mapping[str, Array], draft: _Draft) -> ChosenRates:
    """Enter rates, errors and what is related to them, and return them."""
    chosen = choose_rates(values.groups, samples)
    if chosen is None:
        raise UserError(
            f"{values.files[0]}: no column of {values.tree} looks like a count rate; begin with 'polarbgb config "
            "init' without -i, and name them as rates.values"
        )
    key = "counts" if chosen.counts else "values"
    draft.put(f"rates.{key}", list(chosen.rates.columns))
    draft.check(f"rates.{key}", *chosen.checks)
    if chosen.errors is not None:
        draft.put("rates.errors", list(chosen.errors.columns))
    if chosen.related:
        draft.put("rates.related", list(chosen.related))
    if chosen.alike:
        names = ", ".join(f"{group.name} ({group.size})" for group in chosen.alike)
        draft.check(
            "rates.related",
            f"called like rates, but not used: {names}. What is counted independently can move to features.columns.",
        )
    return chosen


def _exposure(values: _Values, chosen: ChosenRates, samples: Mapping[str, Array], draft: _Draft) -> None:
    """Enter the live time of the rows, and set its columns apart."""
    rate = samples[chosen.rates.name]
    error = None if chosen.errors is None else samples[chosen.errors.name]
    cadence = draft.settings["input"]["cadence"]
    found = choose_exposure(values.scalars, cadence, rate, error, counts=chosen.counts)
    if found.value is not None:
        draft.put("rates.exposure", found.value)
    draft.says("rates.exposure", found.says)
    draft.check("rates.exposure", found.check)
    sigma = None if error is None or found.check else scatter(rate, error)
    if sigma is not None and sigma < PLAIN:
        draft.put("rates.weighted_means", True)
        draft.says("rates.weighted_means", f"The scatter of the rates is {sigma:.2f} of their errors.")
    for column in found.columns:
        del values.scalars[column]
    if found.columns:
        draft.says("features.columns", f"Left out, live time or length of the rows: {', '.join(found.columns)}.")


def _orbit(values: _Values, time: Array, draft: _Draft) -> float:
    """Enter the position and the orbital period, and return the period in s."""
    place = choose_position(values.scalars)
    if place.settings:
        draft.settings["position"] = dict(place.settings)
    draft.check("position", *place.checks)
    periodic = [str(place.settings["latitude"])] if place.settings else list(place.field[:1])
    period = period_of(time, values.scalars[periodic[0]]) if periodic else None
    draft.put("orbit.period", period or _PERIOD)
    if period is None:
        draft.check("orbit.period", "not seen in the file; that of a satellite 600 km high is entered.")
    else:
        draft.says("orbit.period", f"From the times at which {periodic[0]} becomes positive.")
    return period or _PERIOD


def _features(values: _Values, chosen: ChosenRates, time: Array, rate: Array, draft: _Draft) -> None:
    taken = {draft.settings["input"]["time"], *chosen.rates.branches, *chosen.related}
    taken |= set(chosen.errors.branches) if chosen.errors is not None else set()
    candidates = {name: column for name, column in values.scalars.items() if name not in taken}
    errors = [name for name in candidates if kind_of(name) == "error"]
    if errors:
        draft.says("features.columns", f"Left out, errors by their names: {', '.join(errors)}.")
    found = choose_features({name: candidates[name] for name in candidates if name not in errors}, time, rate)
    if found.alike:
        draft.put("rates.related", [*draft.settings["rates"].get("related", []), *found.alike])
        draft.says("rates.related", f"From row to row like the counts, as if made from them: {', '.join(found.alike)}.")
    for reason, columns in found.left_out.items():
        draft.says("features.columns", f"Left out, {reason}: {', '.join(columns)}.")
    arrays = [group.name for group in values.groups if group.size > 1 and not {*group.branches} & taken]
    if arrays:
        draft.check(
            "features.columns", f"add the elements that predict the background, if any, of {', '.join(arrays)}."
        )
    automatic = [name for name in (*PLACE_NAMES, *FIELD_NAMES, *PASSAGE_NAMES) if name in found.columns]
    if automatic:
        draft.put("features.without", _added(automatic, draft))
    if found.columns:
        draft.put("features.columns", list(found.columns))
        return
    column = expanded(chosen.rates.columns)[0]
    draft.put("features.history", [{"columns": [column], "means": _MEANS, "guard": _GUARD}])
    draft.check("features.columns", "nothing in the file predicts the background but the earlier rate; add what does.")


def _added(names: list[str], draft: _Draft) -> list[str]:
    """Return those of the automatic features that the configuration adds."""
    position: Mapping[str, Any] = draft.settings.get("position", {})
    added = {*PASSAGE_NAMES, *(PLACE_NAMES if position else ()), *(FIELD_NAMES if "field" in position else ())}
    return [name for name in names if name in added]


def _search(bins: int, time: Array, period: float, draft: _Draft) -> None:
    """Enter the folds, the scales of the search, and classes to start from."""
    cadence = draft.settings["input"]["cadence"]
    orbits = len(np.unique(orbit_numbers(time, Orbit(period=period))))
    folds = fold_count(time, period)
    if folds is None:
        draft.check("folds.count", f"the file holds {counted(orbits, 'orbit')}, too few to fit; read a longer one.")
    elif folds < Folds().count:
        draft.put("folds.count", folds)
        draft.says("folds.count", f"The file holds {orbits} orbits.")
    draft.put("intervals.more_than", flagged_bins(bins))
    position = draft.settings.get("position", {})
    if position:
        draft.put("intervals.context", [position["latitude"], position["longitude"]])
    draft.put("trigger.scales", scales(cadence))
    seen = len(passages(time, *Features.model_fields["passage"].default)) > 0
    draft.put("classes.rules", rules(cadence, passages_seen=seen))
    draft.says("classes.rules", "Examples to edit.")
