"""Bursts that nobody saw: drawn over fluence, duration, profile and spectrum, and added to the counts of a prediction.

The prediction stays as it is: no feature is made from a rate younger than the longest burst, and rows that a burst
makes stand out are not learnt from. What models take of a burst for their own is measured in ``benchmarks/swallow.py``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.cleaning import with_margin
from polarbgb.config import Config
from polarbgb.data.quality import Quality
from polarbgb.transients.counts import Counts, counts_of
from polarbgb.transients.hit_patterns import HitPatterns, find_hit_patterns

Array = NDArray[np.float64]

BOX, FRED, PULSES = "box", "fred", "pulses"
AS_BACKGROUND = "background"

_PEAK = 0.15
"""Of the duration: when a burst of fast rise and exponential decay is brightest."""

_MARGIN = 30.0
"""s between an injected transient and a known event."""

_APART = 1000.0
"""s between two bursts: neither lies in the other's window, nor in its local baseline."""

_SPECTRA, _TILT, _OWN = 40, 0.4, 0.25
"""Random spectra of a broad population, and the logarithmic widths of their tilts and of each bin's own factor."""

_TRAINED = (5.0, 25.0)
"""Oracle significance of the transients that a ranking is trained on, sigma; brighter ones are found in any case."""

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
class Population:
    """Transients that injections are drawn from, each property on its own.

    Attributes:
        spectra: by name, counts that a transient adds to each of :class:`polarbgb.transients.hit_patterns.HitPatterns`.
        durations: s, the shortest and the longest; evenly in their logarithm.
        oracle: sigma, the faintest and the brightest; evenly in their logarithm.
        profiles: names of profiles.
    """

    spectra: Mapping[str, Array]
    durations: tuple[float, float]
    oracle: tuple[float, float]
    profiles: tuple[str, ...] = (BOX, FRED)


@dataclass(frozen=True)
class Ground:
    """What transients are put on.

    Attributes:
        counts: of the usable rows.
        live: (rows,) share of the row in which counts are counted.
        free: (rows,) where a transient may lie: away from known events.
        latitude: (rows,) degrees from the magnetic equator at which the row's shell meets the ground, arccos(L^-1/2);
            NaN where L is not known.
        kinds: of the counts.
    """

    counts: Counts
    live: Array
    free: NDArray[np.bool_]
    latitude: Array
    kinds: HitPatterns


def ground_of(prediction: pl.DataFrame, config: Config) -> Ground:
    """Look at a prediction for where transients may go.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the instrument.
    """
    counts, usable = counts_of(prediction, config), prediction.filter(pl.col("segment") >= 0)
    live = usable["exposure"].to_numpy().astype(np.float64).mean(axis=1) / config.input.cadence
    near = with_margin((usable["quality"].to_numpy() & np.uint32(Quality.KNOWN_EVENT)) != 0, counts.time, _MARGIN)
    shell = (
        usable["l_shell"].to_numpy().astype(np.float64) if "l_shell" in usable.columns else np.full(len(live), np.nan)
    )
    latitude = np.degrees(np.arccos(1 / np.sqrt(np.maximum(shell, 1.0))))
    return Ground(counts, live, ~near, latitude, find_hit_patterns(counts))


def configured_population(ground: Ground, config: Config) -> Population:
    """Return the transients that the section inject describes."""
    section = config.inject
    spectra = {name: ground.kinds.spectrum(np.array(shares)) for name, shares in spectra_of(config).items()}
    return Population(spectra, section.durations, section.oracle)


def broad_population(ground: Ground, config: Config, rng: np.random.Generator) -> Population:
    """Return a broad population to train a ranking on, so that it believes in no spectrum in particular.

    Spectra are those of the configuration, and that of the background, each bin's share multiplied by a random tilt
    over the bins and a random factor of its own. Durations are those of the configuration, and
    there are pulses in all numbers up to five.

    Args:
        ground: from :func:`ground_of`.
        config: its section inject.
        rng: draws.
    """
    section, n_bins = config.inject, ground.counts.n_bins
    templates = [np.ones(n_bins), *(np.array(shares) for shares in section.spectra.values())]
    tilt = np.linspace(-1.0, 1.0, n_bins) if n_bins > 1 else np.zeros(1)
    spectra = {}
    for i_spectrum in range(_SPECTRA):
        template = templates[i_spectrum % len(templates)]
        shares = template * np.exp(rng.normal(0.0, _TILT) * tilt + rng.normal(0.0, _OWN, n_bins))
        spectra[f"random {i_spectrum}"] = ground.kinds.spectrum(shares)
    return Population(spectra, section.durations, _TRAINED, (BOX, FRED, PULSES))


def draw(ground: Ground, population: Population, *, number: int, rng: np.random.Generator) -> list[Injection]:
    """Draw transients that do not disturb one another, in time order.

    Durations and oracle significances are drawn evenly in their logarithms, profiles and spectra evenly, starts
    evenly over the rows and within them. A transient lies in unbroken data. Its counts are drawn hit pattern by hit
    pattern (:class:`polarbgb.transients.hit_patterns.HitPatterns`), so that bins share them as they share those of the
    background. Counts drawn bin by bin would differ between bins that hold the same counts as nothing real does, and be
    found by that.

    Args:
        ground: from :func:`ground_of`.
        population: that they are drawn from.
        number: of transients, at most: where no place is free, there are fewer.
        rng: draws.
    """
    member, counts = ground.kinds.member, ground.counts
    names = list(population.spectra)
    taken: list[tuple[float, float]] = []
    drawn = []
    for _ in range(number):
        duration = float(np.exp(rng.uniform(*np.log(population.durations))))
        aim = float(np.exp(rng.uniform(*np.log(population.oracle))))
        profile, name = str(rng.choice(population.profiles)), str(rng.choice(names))
        place = _place(ground, taken, duration, counts.cadence, rng)
        if place is None:
            continue
        start, rows = place
        insort(taken, (start, start + duration))
        time = counts.time[rows]
        edges = (np.append(time, time[-1] + counts.cadence) - start) / duration
        come = until_pulses(edges, rng) if profile == PULSES else until(profile, edges)
        shape = np.diff(come) * ground.live[rows]
        spectrum = population.spectra[name]
        unit = oracle(np.outer(shape, spectrum @ member), counts.expected[rows])
        if not unit > 0:
            continue
        expected = np.outer(shape, spectrum) * (aim / unit)
        added = (rng.poisson(expected) @ member).astype(np.float64)
        drawn.append(Injection(start, duration, profile, name, aim, rows, expected @ member, added))
    return sorted(drawn, key=lambda one: one.start)


def until_pulses(x: Array, rng: np.random.Generator) -> Array:
    """Return the part of a transient of two to five pulses that has come by (n,) points of its duration.

    Each pulse is one of fast rise and exponential decay, of random place, width and brightness.
    """
    number = int(rng.integers(2, 6))
    start, brightness = rng.uniform(0.0, 0.8, number), rng.exponential(1.0, number)
    width = np.minimum(rng.uniform(0.05, 0.5, number), 1.0 - start)
    pulses = sum(
        bright * until(FRED, (x - begin) / wide) for bright, begin, wide in zip(brightness, start, width, strict=True)
    )
    return np.asarray(pulses / brightness.sum())


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
