"""Bursts that nobody saw: drawn over fluence, duration, profile and spectrum, and added to the counts of a prediction.

The prediction stays as it is: no feature is made from a rate younger than the longest burst, and rows that a burst
makes stand out are not learnt from. What models take of a burst for their own is measured in ``benchmarks/swallow.py``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.purify import with_margin
from polarbgb.config import Config
from polarbgb.timeline.clean import Quality
from polarbgb.transients.counts import Counts, counts_of
from polarbgb.transients.shared import Kinds, kinds_of_count

Array = NDArray[np.float64]

BOX, FRED = "box", "fred"
AS_BACKGROUND = "background"

_PEAK = 0.15
"""Of the duration: when a burst of fast rise and exponential decay is brightest."""

_MARGIN = 30.0
"""s between a burst and rows that were left out of training, because they hold a known event or stand out."""

_APART = 1000.0
"""s between two bursts: neither lies in the other's window, nor in its local baseline."""

_TRIES = 200
"""Places that are tried for a burst before it is given up."""


@dataclass(frozen=True)
class Injection:
    """A burst and what it adds.

    Attributes:
        start: unix s.
        duration: s, from its first count to its last.
        profile: ``box`` or ``fred``.
        spectrum: name of the spectrum.
        oracle: from :func:`oracle`, sigma.
        rows: indices of the usable rows that it touches.
        expected: (rows, bins) counts.
        counts: (rows, bins) counts, drawn.
    """

    start: float
    duration: float
    profile: str
    spectrum: str
    oracle: float
    rows: slice
    expected: Array
    counts: Array


def until(profile: str, x: Array) -> Array:
    """Return the part of a burst that has come by (n,) points of its duration, 0 its start and 1 its end.

    A box stays at one height. A burst of fast rise and exponential decay goes as (x/p) exp(-x/p) with p = 0.15, which
    has the integral 1 - (1 + x/p) exp(-x/p), cut off and made whole at 1.
    """
    x = np.clip(x, 0.0, 1.0)
    if profile == BOX:
        return x
    come, whole = (1 - (1 + one / _PEAK) * np.exp(-one / _PEAK) for one in (x, 1.0))
    return np.asarray(come / whole)


def oracle(signal: Array, background: Array) -> float:
    """Return the significance of a burst to one who knows its course and the background: max S_w / sqrt(B_w).

    S_w and B_w are the expected counts of burst and background in one bin over a run of whole rows; the largest over
    all runs and bins stands. It is that of Gaussian counts with no error but their own.

    Args:
        signal: (rows, bins) expected counts of the burst.
        background: (rows, bins) expected counts of the background, > 0.

    Example:
        >>> oracle(np.array([[0.0], [20.0], [20.0]]), np.full((3, 1), 8.0))
        10.0
    """
    zero = np.zeros((1, signal.shape[1]))
    burst, other = (np.vstack([zero, np.cumsum(values, axis=0)]) for values in (signal, background))
    first, after = np.triu_indices(len(burst), 1)
    return float(((burst[after] - burst[first]) / np.sqrt(other[after] - other[first])).max())


@dataclass(frozen=True)
class Ground:
    """What bursts are put on.

    Attributes:
        counts: of the usable rows.
        live: (rows,) share of the row in which counts are counted.
        free: (rows,) where a burst may lie: away from known events and from rows left out of training.
        latitude: (rows,) degrees from the magnetic equator at which the row's shell meets the ground, arccos(L^-1/2);
            NaN where L is not known.
        kinds: of the counts.
    """

    counts: Counts
    live: Array
    free: NDArray[np.bool_]
    latitude: Array
    kinds: Kinds


def ground_of(prediction: pl.DataFrame, config: Config) -> Ground:
    """Look at a prediction for where bursts may go.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the instrument.
    """
    counts, usable = counts_of(prediction, config), prediction.filter(pl.col("segment") >= 0)
    live = usable["exposure"].to_numpy().astype(np.float64).mean(axis=1) / config.input.cadence
    held = np.uint32(Quality.KNOWN_EVENT | Quality.KEPT_OUT)
    near = with_margin((usable["quality"].to_numpy() & held) != 0, counts.time, _MARGIN)
    shell = (
        usable["l_shell"].to_numpy().astype(np.float64) if "l_shell" in usable.columns else np.full(len(live), np.nan)
    )
    latitude = np.degrees(np.arccos(1 / np.sqrt(np.maximum(shell, 1.0))))
    return Ground(counts, live, ~near, latitude, kinds_of_count(counts))


def draw(ground: Ground, config: Config, *, number: int, rng: np.random.Generator) -> list[Injection]:
    """Draw bursts that do not disturb one another, in time order.

    Durations and oracle significances are drawn evenly in their logarithms, profiles and spectra evenly, starts
    evenly over the rows and within them. A burst lies in unbroken data. Its counts are drawn kind by kind
    (:class:`polarbgb.transients.shared.Kinds`), so that bins share them as they share those of the background. Counts
    drawn bin by bin would differ between bins that hold the same counts as nothing real does, and be found by that.

    Args:
        ground: from :func:`ground_of`.
        config: its section inject.
        number: of bursts, at most: where no place is free, there are fewer.
        rng: draws.
    """
    section, kinds = config.inject, ground.kinds
    spectra = {name: kinds.spectrum(np.array(shares)) for name, shares in spectra_of(config).items()}
    taken: list[tuple[float, float]] = []
    drawn = []
    for _ in range(number):
        duration = float(np.exp(rng.uniform(*np.log(section.durations))))
        aim = float(np.exp(rng.uniform(*np.log(section.oracle))))
        profile, name = str(rng.choice([BOX, FRED])), str(rng.choice(list(spectra)))
        place = _place(ground, taken, duration, config.input.cadence, rng)
        if place is None:
            continue
        start, rows = place
        insort(taken, (start, start + duration))
        time = ground.counts.time[rows]
        edges = np.append(time, time[-1] + config.input.cadence)
        shape = np.diff(until(profile, (edges - start) / duration)) * ground.live[rows]
        unit = oracle(np.outer(shape, spectra[name] @ kinds.member), ground.counts.expected[rows])
        expected = np.outer(shape, spectra[name]) * (aim / unit)
        counts = (rng.poisson(expected) @ kinds.member).astype(np.float64)
        drawn.append(Injection(start, duration, profile, name, aim, rows, expected @ kinds.member, counts))
    return sorted(drawn, key=lambda one: one.start)


def spectra_of(config: Config) -> dict[str, tuple[float, ...]]:
    """Return the spectra of a configuration; the background's own where it names none."""
    return dict(config.inject.spectra) or {AS_BACKGROUND: (1.0,) * len(config.rates.names)}


def injected(prediction: pl.DataFrame, injections: list[Injection]) -> pl.DataFrame:
    """Add bursts to the rates of a prediction, and what follows to its pulls; the noise expected stays.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        injections: with rows counted over the usable ones.
    """
    place = np.flatnonzero(prediction["segment"].to_numpy() >= 0)
    rate, pull = (prediction[name].to_numpy().copy() for name in ("rate", "pull"))
    exposure, sigma = (prediction[name].to_numpy() for name in ("exposure", "sigma"))
    for one in injections:
        rows = place[one.rows]
        change = one.counts / exposure[rows]
        rate[rows] += change
        pull[rows] += change / sigma[rows]
    return prediction.with_columns(
        pl.Series(name, values, prediction[name].dtype) for name, values in (("rate", rate), ("pull", pull))
    )


def _place(
    ground: Ground, taken: list[tuple[float, float]], duration: float, cadence: float, rng: np.random.Generator
) -> tuple[float, slice] | None:
    """Draw the start of a burst, unix s, and the rows it touches: unbroken, free and away from other bursts."""
    counts = ground.counts
    for _ in range(_TRIES):
        first = int(rng.integers(len(counts.time)))
        start = float(counts.time[first]) + cadence * rng.random()
        last = int(np.searchsorted(counts.time, start + duration)) - 1
        rows = slice(first, last + 1)
        whole = counts.segment[first] == counts.segment[last] and start + duration <= counts.time[last] + cadence
        if whole and ground.free[rows].all() and _alone(taken, start, start + duration):
            return start, rows
    return None


def _alone(taken: list[tuple[float, float]], start: float, stop: float) -> bool:
    """Say whether a burst keeps its distance from those that are there, which are sorted and disjoint."""
    after = bisect_left(taken, (start, 0.0))
    before = after == 0 or taken[after - 1][1] + _APART <= start
    return before and (after == len(taken) or stop + _APART <= taken[after][0])
