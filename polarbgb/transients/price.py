"""What a list of excesses costs: how often the background alone makes one as unlikely.

Deficits are the control: nothing that one looks for makes them, and the errors of the background make as many of them
as of excesses - but for spikes of particles, which are excesses alone. Those come where counts stray far; a burst comes
anywhere. So where it is restless, the excesses that come more often than where it is calm are control as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.transients.counts import Counts

Array = NDArray[np.float64]

_TAIL = 40
"""Control events from which a tail is drawn further at most:"""

_TAIL_PART = 2
"""half of fewer than twice as many."""

_SURPRISING = 7.0
"""Strength of the one event that a tail is taken to hold of which too little is known."""

_NARROWEST = 0.15
"""Least scale of a tail in strength: that of a Gaussian at 6 sigma."""


@dataclass(frozen=True)
class Tail:
    """How many events a day are at least so strong; the strongest of them are taken to follow a power law.

    What makes them, errors of the background and particles, has no scale of its own. Where there are too few to tell,
    one in these days is as strong as 7, and the tail falls by a factor of e with each 1 from there.

    Attributes:
        strength: (n,) of the sample, increasing.
        days: of live time.
    """

    strength: Array
    days: float

    def per_day(self, strength: Array) -> Array:
        """Return the rate at which events reach each (m,) strength, 1/day."""
        drawn = min(_TAIL, len(self.strength) // _TAIL_PART)
        if drawn < 1:
            return np.exp(-np.maximum(strength - _SURPRISING, 0.0)) / self.days
        border = self.strength[-drawn - 1]
        # Hill's estimate of the exponent, no steeper than a Gaussian falls.
        slope = max(float(np.mean(np.log(self.strength[-drawn:] / border))), _NARROWEST / border)
        beyond = drawn * (np.maximum(strength, border) / border) ** (-1 / slope)
        return np.where(strength > border, beyond, np.maximum(self.count(strength), drawn)) / self.days

    def each_by_others(self) -> Array:
        """Return the (n,) rates at which events reach the strength of each of the sample, told without it."""
        others = len(self.strength) - 1
        drawn = min(_TAIL, others // _TAIL_PART)
        # Below the border of the tail the others are counted. Only those in the tail are left out of its exponent.
        told = np.maximum(others - np.searchsorted(self.strength, self.strength), drawn) / self.days
        for place in range(others - drawn if drawn else 0, others + 1):
            without = Tail(np.delete(self.strength, place), self.days)
            told[place] = without.per_day(self.strength[place : place + 1])[0]
        return told

    def count(self, strength: Array) -> Array:
        """Return how many of the sample reach each (m,) strength."""
        return np.asarray(len(self.strength) - np.searchsorted(self.strength, strength), np.float64)


@dataclass(frozen=True)
class Alarms:
    """False events a day, by how rare they are: the control's events, counted.

    Attributes:
        rarity: (n,) of the control's events, increasing.
        days: of live time.
    """

    rarity: Array
    days: float

    def per_day(self, rarity: Array) -> Array:
        """Return how many false events a day are at least as rare as each of (m,) events.

        Beyond the rarest of the control a power law goes on, with the exponent that these have (Hill's estimate), at
        most 1: that of a control whose rarities are what they say.
        """
        drawn = min(_TAIL, len(self.rarity) // _TAIL_PART)
        if drawn < 1:
            return np.minimum(rarity, 1 / self.days if self.days else np.inf)
        border = self.rarity[drawn]
        exponent = 1 / max(1.0, float(np.mean(np.log(border / self.rarity[:drawn]))))
        beyond = drawn * (np.minimum(rarity, border) / border) ** exponent
        counted = np.searchsorted(self.rarity, rarity, side="right")
        return np.where(rarity < border, beyond, np.maximum(counted, drawn)) / self.days


def group_windows(windows: pl.DataFrame, counts: Counts, config: Config) -> pl.DataFrame:
    """Number the groups of windows of one sign that overlap or are at most ``trigger.merge`` s apart.

    The distance is that from the end of the group so far to the start of the next window. No group crosses a gap.

    Args:
        windows: from :func:`polarbgb.transients.search.find_windows`.
        counts: of the same rows.
        config: its section trigger.

    Returns:
        The windows, in order of sign (excesses first) and time, with the column ``group``: 0 and up, unique.
    """
    ordered = windows.sort(pl.col("sign") < 0, "first", "last", maintain_order=True)
    sign, first = ordered["sign"].to_numpy(), ordered["first"].to_numpy()
    furthest = ordered.select(pl.col("last").cum_max().over("sign"))["last"].to_numpy()
    before = furthest[:-1]
    away = counts.time[first[1:]] - counts.time[before] - config.input.cadence
    # Rows of a segment drift a little from the grid.
    apart = away > config.trigger.merge + 0.5 * config.input.cadence
    apart |= (counts.segment[first[1:]] != counts.segment[before]) | (sign[1:] != sign[:-1])
    return ordered.with_columns(group=np.concatenate([[0] if len(ordered) else [], np.cumsum(apart)]).astype(np.int64))


@dataclass(frozen=True)
class Control:
    """What the background alone makes, as far as a search tells.

    Attributes:
        tails: by sign, scale (s) and class, how strong the groups of windows are.
        alarms: the groups of deficits.
    """

    tails: Mapping[tuple[int, float, int], Tail]
    alarms: Alarms


def learn_control(grouped: pl.DataFrame, days: Mapping[float, Array]) -> Control:
    """Learn from the windows of a search what the background alone makes.

    Args:
        grouped: from :func:`group_windows`.
        days: of the search, from :class:`polarbgb.transients.search.Search`.
    """
    # A group counts once at each scale and in each class of calmness: its windows are no independent events.
    best = grouped.group_by("sign", "group", "scale", "calmness").agg(pl.col("strength").max())
    tails = {
        (sign, scale, kind): _tail(best, sign, scale, kind, live)
        for sign in (1, -1)
        for scale, of_scale in days.items()
        for kind, live in enumerate(of_scale)
    }
    whole = max((float(of_scale.sum()) for of_scale in days.values()), default=0.0)
    return Control(tails, Alarms(_rarest(best, tails), whole))


def rarities(windows: pl.DataFrame, control: Control, *, own: bool = True) -> Array:
    """Say how rare windows are.

    The rarity of a window is the rate, per day of live time as restless as its own, at which deficits are as strong at
    its scale; for excesses where it is not calm, the surplus of excesses that strong over where it is, if that is
    larger. The rarity of a group is the least of its windows: it was looked for at
    several scales and in several bins, and what that costs is counted on the deficits, which were looked for in the
    same way.

    Args:
        windows: from :func:`polarbgb.transients.search.find_windows`.
        control: of the same rows.
        own: the windows are those from which the control was learnt.

    Returns:
        (windows,) 1/day.
    """
    rarity = np.full(len(windows), np.inf)
    strength, scale, sign = (windows[name].to_numpy() for name in ("strength", "scale", "sign"))
    kind = windows["calmness"].to_numpy()
    for one, number in sorted(set(zip(scale.tolist(), kind.tolist(), strict=True))):
        here = (scale == one) & (kind == number)
        rarity[here] = control.tails[-1, one, number].per_day(strength[here])
        if number:
            up = here & (sign > 0)
            calmest, excesses = control.tails[1, one, 0], control.tails[1, one, number]
            # Less one: an event is no evidence against itself.
            surplus = (excesses.count(strength[up]) - own) / excesses.days
            usual = calmest.count(strength[up]) / calmest.days
            rarity[up] = np.maximum(rarity[up], surplus - usual)
    return rarity


def _rarest(best: pl.DataFrame, tails: Mapping[tuple[int, float, int], Tail]) -> Array:
    """Return the rarities of the groups of deficits, increasing, each told by the others alone.

    As an excess is told by deficits among which it is not: a control that counted itself would seem commoner than the
    excesses that it is to be compared with, and lists of short files would hold twice what was asked.
    """
    told = [np.empty((0, 2))]
    for (sign, scale, kind), tail in tails.items():
        if sign < 0 and len(tail.strength):
            own = best.filter(sign=sign, scale=scale, calmness=kind).sort("strength")
            told.append(np.column_stack([own["group"].to_numpy(), tail.each_by_others()]))
    group, rarity = np.vstack(told).T
    _, which = np.unique(group, return_inverse=True)
    least = np.full(int(which.max(initial=-1)) + 1, np.inf)
    np.minimum.at(least, which, rarity)
    return np.sort(least)


def _tail(best: pl.DataFrame, sign: int, scale: float, calmness: int, days: float) -> Tail:
    sample = best.filter(sign=sign, scale=scale, calmness=calmness)["strength"].to_numpy()
    return Tail(np.sort(sample), float(days))
