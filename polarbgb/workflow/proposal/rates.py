"""Which columns are the rates, their errors and their live time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.workflow.proposal.clock import quoted
from polarbgb.workflow.proposal.features import alike
from polarbgb.workflow.proposal.names import Group, errors_of, words

Array = NDArray[np.float64]

_NEGATIVE = 0.05
"""Share of negative values above which a background was subtracted."""

_TOUCHES = 1.02
"""Live time in units of the cadence up to which the two agree."""

_MOST = 0.9
"""Share of the rows that prove what a column holds."""

_ALIKE = 1.25
"""Ratio up to which live times of different bins are those of one instrument."""

_MANY = 20.0
"""Counts of a row from which on their scatter is nearly normal."""

_DEPENDS = 0.5
"""Power of the rate above which what rates and errors imply is no live time; dead time has a small one."""

PLAIN = 0.85
"""Scatter of plain counts in units of their errors; that of weighted means is smaller."""

_ONE_SIGMA = 0.683
"""Share of normal values within one sigma."""

_LIVE = {"live", "livetime", "exposure", "expos", "ontime", "fracexp", "deadc"}
_DEAD, _WIDTH = {"dead", "deadtime"}, {"width", "timedel"}
_FRACTION = {"frac", "fraction", "fracexp", "deadc", "ratio", "percent"}


def is_whole(values: Array) -> bool:
    """Return whether all values are whole numbers >= 0, apart from those that are not finite."""
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and bool((finite >= 0).all() and (finite == np.round(finite)).all())


def negative_share(values: Array) -> float:
    """Return the share of negative values among the finite ones."""
    finite = values[np.isfinite(values)]
    return float((finite < 0).mean()) if len(finite) else 1.0


@dataclass(frozen=True)
class ChosenRates:
    """The rates of an instrument.

    Attributes:
        rates: their columns.
        counts: whether they are counts rather than rates.
        errors: columns of their errors.
        alike: other groups that are called like rates.
        related: branches of those, of arrays that follow the counts from row to row, and of the errors of both.
        checks: what could not be decided.
    """

    rates: Group
    counts: bool
    errors: Group | None
    alike: tuple[Group, ...]
    related: tuple[str, ...]
    checks: tuple[str, ...]


def choose_rates(groups: Sequence[Group], values: Mapping[str, Array]) -> ChosenRates | None:
    """Return the rates: of what is called rate, counts or flux and is not negative, the group with most bins.

    Among equals, one with errors comes first, then counts. If nothing is called so, the largest array is taken.

    Args:
        groups: of the table.
        values: (rows, some bins) by the name of the group, for groups that are called rates and for arrays.

    Returns:
        The rates; None if there is no candidate.
    """
    named = [group for group in groups if group.kind not in (None, "error") and _varies(values.get(group.name))]
    arrays = [group for group in groups if group.kind is None and _varies(values.get(group.name))]
    candidates = named or arrays
    if not candidates:
        return None

    def rank(group: Group) -> tuple[object, ...]:
        subtracted = negative_share(values[group.name]) > _NEGATIVE
        counted = group.kind == "counts" and is_whole(values[group.name])
        return not subtracted, group.kind != "flux", group.size, errors_of(group, groups) is not None, counted

    chosen = max(candidates, key=rank)
    counts = chosen.kind == "counts" and is_whole(values[chosen.name])
    errors = None if counts else errors_of(chosen, groups)
    others = [group for group in candidates if group is not chosen]
    made = [group for group in arrays if group is not chosen and _follows(values[group.name], values[chosen.name])]
    same = [*(others if named else ()), *made]
    unmatched = [group for group in groups if group.kind == "error" and group.layout == chosen.layout]
    theirs = [found for group in same if (found := errors_of(group, groups)) is not None]
    used = {*chosen.branches, *(errors.branches if errors is not None else ())}
    related = dict.fromkeys(
        branch for group in (*same, *theirs, *unmatched) for branch in group.branches if branch not in used
    )
    checks = []
    if not named:
        checks.append(f"no column is called rate or counts; '{chosen.name}' is the largest array.")
    if negative_share(values[chosen.name]) > _NEGATIVE:
        checks.append("many rates are negative: a background was subtracted, but counts are needed.")
    if chosen.kind == "flux":
        checks.append("a flux is not a count rate; if it was divided by an area or corrected, give the rates instead.")
    if not counts and errors is None and is_whole(values[chosen.name]):
        checks.append("the rates are whole numbers; if they are the counts of a row, write counts instead of values.")
    return ChosenRates(chosen, counts, errors, tuple(others) if named else (), tuple(related), tuple(checks))


def _follows(values: Array, counts: Array) -> bool:
    """Return whether an element of an array follows the counts of a bin from row to row."""
    return bool(alike({str(i): column for i, column in enumerate(values.T)}, counts))


def _varies(values: Array | None) -> bool:
    """Return whether values are those of a measurement: some vary from row to row, and not only upwards."""
    if values is None or len(values) < 2:
        return False
    step = np.diff(values, axis=0)
    return bool(((step > 0).any(axis=0) & (step < 0).any(axis=0)).any())


@dataclass(frozen=True)
class Exposure:
    """The live time of the rows.

    Attributes:
        value: expression or number of s; None to leave it out.
        columns: called a live time, a dead time or the width of a row, whether it is used or not.
        says: why.
        check: what could not be decided.
    """

    value: str | float | None
    columns: tuple[str, ...] = ()
    says: str | None = None
    check: str | None = None


def choose_exposure(
    columns: Mapping[str, Array], cadence: float, rate: Array, error: Array | None, *, counts: bool
) -> Exposure:
    """Return the live time of a row: a column of seconds or of a fraction, or what rates and errors imply.

    Args:
        columns: (rows,) scalars by name.
        cadence: length of a row, s.
        rate: (rows, some bins) rates, Hz, or counts.
        error: (rows, some bins) their errors, if any.
        counts: whether the rates are counts.
    """
    implied = None if error is None or counts else implied_live_time(rate, error, cadence)
    live = _live_columns(columns)
    for name in live:
        found = _expression(name, columns[name], cadence, implied)
        if found is not None:
            return Exposure(found, live)
    check = None
    if live:
        listed = ", ".join(f"'{name}'" for name in live)
        check = f"{listed} is called a live time, but its values are not within a row of {cadence:g} s, nor a fraction."
    if implied is not None:
        return Exposure(None, live, "The errors are sqrt(N)/live, from which the live time follows.", check)
    unknown = "no live time was found, so rows count as live all the time."
    if error is not None and not counts:
        unknown = f"the errors are not sqrt(N)/live, and {unknown}"
    return Exposure(cadence, live, check=f"{unknown} {check or ''}".strip())


def implied_live_time(rate: Array, error: Array, cadence: float) -> float | None:
    """Return the usual live time in s if errors are the square root of the counts over it, else None.

    Live times are then within a row, the same for bins with counts, and hardly depend on the rate. If they are much
    shorter than a row, the rates must also scatter as their errors say, or the errors may be those of other counts.

    Args:
        rate: (rows, bins) Hz.
        error: (rows, bins) Hz.
        cadence: length of a row, s.
    """
    with np.errstate(all="ignore"):
        live = np.where((rate > 0) & (error > 0), rate / error**2, np.nan)
    usual = [np.median(known) for column in live.T if len(known := column[np.isfinite(column)]) > len(live) / 2]
    within = live[np.isfinite(live)] <= _TOUCHES * cadence
    if not usual or within.mean() < _MOST or max(usual) > _ALIKE * min(usual):
        return None
    if any(abs(_slope(rate[:, i_bin], live[:, i_bin])) > _DEPENDS for i_bin in range(live.shape[1])):
        return None
    sigma = scatter(rate, error)
    trusted = sigma is not None and PLAIN < sigma < 1 / PLAIN
    return float(np.median(usual)) if min(usual) >= cadence / 2 or trusted else None


def _slope(rate: Array, live: Array) -> float:
    """Return the power of the rate with which a live time changes, 0 if the rate does not vary."""
    known = np.isfinite(live)
    if known.sum() < 2:
        return 0.0
    x, y = np.log(rate[known]), np.log(live[known])
    return float(np.cov(x, y)[0, 1] / x.var()) if x.var() > 0 else 0.0


def scatter(rate: Array, error: Array) -> float | None:
    """Return the scatter of rates from row to row in units of their errors; None if there are too few counts.

    Args:
        rate: (rows, bins) Hz.
        error: (rows, bins) Hz.
    """
    with np.errstate(all="ignore"):
        pull = np.diff(rate, axis=0) / np.sqrt(error[1:] ** 2 + error[:-1] ** 2)
        bright = np.nanmedian(rate / error, axis=0) ** 2 > _MANY
    pulls = [known for column in pull.T[bright] if len(known := column[np.isfinite(column)])]
    return float(np.median([np.quantile(np.abs(known), _ONE_SIGMA) for known in pulls])) if pulls else None


def _live_columns(columns: Mapping[str, Array]) -> tuple[str, ...]:
    """Return the columns called a live time, a dead time or the width of a row, in this order."""
    found = []
    for name in columns:
        said = {*words(name), "".join(words(name))}
        rank = next((rank for rank, meaning in enumerate((_LIVE, _DEAD, _WIDTH)) if said & meaning), None)
        if rank is not None:
            found.append((rank, name))
    return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))


def _expression(name: str, values: Array, cadence: float, implied: float | None) -> str | None:
    """Return the live time in s from a column of seconds, a fraction or a percentage; None if its values are neither.

    Args:
        name: of the column; it says whether it is a dead time, and whether a fraction.
        values: (rows,) of the column.
        cadence: length of a row, s.
        implied: usual live time according to rates and errors, s, which decides between units.
    """
    finite = values[np.isfinite(values)]
    if not len(finite) or (finite < 0).mean() > 1 - _MOST or not (finite > 0).any():
        return None
    said = {*words(name), "".join(words(name))}
    # Largest value, and seconds per unit: of seconds, of a fraction of the row, and of a percentage.
    seconds, fraction, percentage = (cadence, 1.0), (1.0, cadence), (100.0, cadence / 100)
    units = [fraction, percentage, seconds] if said & _FRACTION else [seconds, fraction]
    largest = float(np.quantile(finite, _MOST))
    possible = [unit for limit, unit in units if largest <= _TOUCHES * limit]
    if not possible:
        return None
    usual, dead = float(np.median(finite)), bool(said & _DEAD)
    unit = possible[0]
    if implied is not None:
        target = cadence - implied if dead else implied
        unit = min(possible, key=lambda unit: abs(usual * unit - target))
    live = quoted(name) if unit == 1 else f"{unit:.10g}*{quoted(name)}"
    return f"{cadence:.10g} - {live}" if dead else live
