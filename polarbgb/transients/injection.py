"""Draw transients of random brightness, duration, profile and spectrum, and add them to the counts of a prediction.

The predicted background stays as it is: no feature is made from a rate younger than the longest transient, and training
leaves out rows in which a transient stands out. ``benchmarks/swallow.py`` measures the self-subtraction that remains.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.cleaning import with_margin
from polarbgb.config import Inject
from polarbgb.data.quality import Quality
from polarbgb.transients.counts import Counts, counts_of
from polarbgb.transients.hit_patterns import HitPatterns, find_hit_patterns
from polarbgb.transients.rows import running_sums
from polarbgb.transients.settings import SearchSettings

Array = NDArray[np.float64]

BOX, FRED, PULSES = "box", "fred", "pulses"
AS_BACKGROUND = "background"

_PEAK = 0.15
"""Time of the peak of a burst of fast rise and exponential decay, in units of its duration."""

_MARGIN = 30.0
"""s between an injected transient and a known event."""

_APART = 1000.0
"""s between two transients, so that neither lies in the window or the local baseline of the other."""

_SPECTRA, _TILT, _PER_BIN = 40, 0.4, 0.25
"""Number of random spectra of a broad population, and logarithmic widths of their tilts and of a factor per bin."""

_TRAINED = (5.0, 25.0)
"""Oracle significance of the transients that a ranking is trained on, sigma; brighter ones are detected in any case."""

_TRIES = 200
"""Number of start times that are tried for a transient before it is left out."""


@dataclass(frozen=True)
class Injection:
    """A transient and the counts that it adds.

    Attributes:
        start: unix s.
        duration: s.
        profile: ``box``, ``fred`` or ``pulses``.
        spectrum: name of the spectrum.
        oracle: significance from :func:`oracle`, sigma.
        rows: the usable rows that it touches.
        expected: (rows, bins) expected counts.
        counts: (rows, bins) counts drawn from them.
    """

    start: float
    duration: float
    profile: str
    spectrum: str
    oracle: float
    rows: slice
    expected: Array
    counts: Array


def cumulative_profile(profile: str, x: Array) -> Array:
    """Return the share of the counts of a burst before (n,) times, in units of its duration since its start.

    A box is constant. A burst of fast rise and exponential decay has the rate (x/p) exp(-x/p) with p = 0.15; its
    integral, 1 - (1 + x/p) exp(-x/p), is normalised to 1 at x = 1.
    """
    x = np.clip(x, 0.0, 1.0)
    if profile == BOX:
        return x
    integral, total = (1 - (1 + time / _PEAK) * np.exp(-time / _PEAK) for time in (x, 1.0))
    return np.asarray(integral / total)


def oracle(signal: Array, background: Array) -> float:
    """Return the significance of a transient if its profile and the background were known: max S_w / sqrt(B_w).

    S_w and B_w are the expected counts of transient and background in one bin over consecutive rows; the maximum is
    over all such windows and bins. Counts are taken as Gaussian, without an error of the background.

    Args:
        signal: (rows, bins) expected counts of the transient.
        background: (rows, bins) expected counts of the background, > 0.

    Example:
        >>> oracle(np.array([[0.0], [20.0], [20.0]]), np.full((3, 1), 8.0))
        10.0
    """
    of_signal, of_background = running_sums(signal), running_sums(background)
    first, after = np.triu_indices(len(of_signal), 1)
    noise = np.sqrt(of_background[after] - of_background[first])
    return float(((of_signal[after] - of_signal[first]) / noise).max())


@dataclass(frozen=True)
class Population:
    """Distributions from which the properties of transients are drawn, each independently.

    Attributes:
        spectra: by name, counts per hit pattern (:class:`polarbgb.transients.hit_patterns.HitPatterns`).
        durations: shortest and longest, s; drawn log-uniformly.
        oracle: faintest and brightest oracle significance, sigma; drawn log-uniformly.
        profiles: names of the profiles.
    """

    spectra: Mapping[str, Array]
    durations: tuple[float, float]
    oracle: tuple[float, float]
    profiles: tuple[str, ...] = (BOX, FRED)


@dataclass(frozen=True)
class InjectionSite:
    """The rows into which transients are injected.

    Attributes:
        counts: counts of the usable rows.
        live: (rows,) live time as a share of the row.
        free: (rows,) mask of the rows in which a transient may lie: those away from known events.
        latitude: (rows,) invariant latitude arccos(L^-1/2), degrees; NaN where L is not known.
        hit_patterns: hit patterns of the counts.
    """

    counts: Counts
    live: Array
    free: NDArray[np.bool_]
    latitude: Array
    hit_patterns: HitPatterns


def injection_site(prediction: pl.DataFrame, settings: SearchSettings) -> InjectionSite:
    """Return the rows of a prediction into which transients may be injected.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        settings: of the search.
    """
    counts, exposure = counts_of(prediction, settings), prediction["exposure"].to_numpy().astype(np.float64)
    live = exposure.sum(axis=1) / np.maximum((exposure > 0).sum(axis=1), 1) / settings.cadence
    near = with_margin((prediction["quality"].to_numpy() & np.uint32(Quality.KNOWN_EVENT)) != 0, counts.time, _MARGIN)
    shell = (
        prediction["l_shell"].to_numpy().astype(np.float64)
        if "l_shell" in prediction.columns
        else np.full(len(live), np.nan)
    )
    latitude = np.degrees(np.arccos(1 / np.sqrt(np.maximum(shell, 1.0))))
    return InjectionSite(counts, live, ~near, latitude, find_hit_patterns(counts))


def configured_population(site: InjectionSite, inject: Inject) -> Population:
    """Return the population that the section inject describes."""
    shares_of = spectra_of(inject, site.counts.n_bins)
    spectra = {name: site.hit_patterns.spectrum(np.array(shares)) for name, shares in shares_of.items()}
    return Population(spectra, inject.durations, inject.oracle)


def broad_population(site: InjectionSite, inject: Inject, rng: np.random.Generator) -> Population:
    """Return a broad population to train a ranking on, so that the ranking prefers no particular spectrum.

    Spectra are those of the configuration and that of the background, multiplied by a random tilt over the bins and a
    random factor per bin. Durations are those of the configuration; profiles include trains of two to five pulses.

    Args:
        site: from :func:`injection_site`.
        inject: durations and spectra.
        rng: random number generator.
    """
    n_bins = site.counts.n_bins
    templates = [np.ones(n_bins), *(np.array(shares) for shares in inject.spectra.values())]
    tilt = np.linspace(-1.0, 1.0, n_bins) if n_bins > 1 else np.zeros(1)
    spectra = {}
    for i_spectrum in range(_SPECTRA):
        template = templates[i_spectrum % len(templates)]
        shares = template * np.exp(rng.normal(0.0, _TILT) * tilt + rng.normal(0.0, _PER_BIN, n_bins))
        spectra[f"random {i_spectrum}"] = site.hit_patterns.spectrum(shares)
    return Population(spectra, inject.durations, _TRAINED, (BOX, FRED, PULSES))


def draw(site: InjectionSite, population: Population, *, number: int, rng: np.random.Generator) -> list[Injection]:
    """Draw transients that do not disturb one another, in time order.

    Durations and oracle significances are drawn log-uniformly; profiles, spectra and start times uniformly. A transient
    lies in unbroken data. Its counts are drawn per hit pattern, so that bins share them as they share those of the
    background. Counts drawn per bin would differ between such bins in a way that no real transient does, and would be
    detected by that.

    Args:
        site: from :func:`injection_site`.
        population: distributions to draw from.
        number: largest number of transients; there are fewer where no rows are free.
        rng: random number generator.
    """
    member, counts = site.hit_patterns.member, site.counts
    names = list(population.spectra)
    taken: list[tuple[float, float]] = []
    drawn = []
    for _ in range(number):
        duration = float(np.exp(rng.uniform(*np.log(population.durations))))
        target = float(np.exp(rng.uniform(*np.log(population.oracle))))
        profile, name = str(rng.choice(population.profiles)), str(rng.choice(names))
        free = _free_rows(site, taken, duration, rng)
        if free is None:
            continue
        start, rows = free
        insort(taken, (start, start + duration))
        time = counts.time[rows]
        edges = (np.append(time, time[-1] + counts.cadence) - start) / duration
        share = cumulative_pulses(edges, rng) if profile == PULSES else cumulative_profile(profile, edges)
        shape = np.diff(share) * site.live[rows]
        spectrum = population.spectra[name]
        unit = oracle(np.outer(shape, spectrum @ member), counts.expected[rows])
        if not unit > 0:
            continue
        expected = np.outer(shape, spectrum) * (target / unit)
        added = (rng.poisson(expected) @ member).astype(np.float64)
        drawn.append(Injection(start, duration, profile, name, target, rows, expected @ member, added))
    return sorted(drawn, key=lambda injection: injection.start)


def cumulative_pulses(x: Array, rng: np.random.Generator) -> Array:
    """Return the share of the counts of two to five pulses before (n,) times, in units of the duration since the start.

    Each pulse has a fast rise, an exponential decay, and random time, width and brightness.
    """
    number = int(rng.integers(2, 6))
    start, brightness = rng.uniform(0.0, 0.8, number), rng.exponential(1.0, number)
    width = np.minimum(rng.uniform(0.05, 0.5, number), 1.0 - start)
    pulses = sum(
        bright * cumulative_profile(FRED, (x - begin) / wide)
        for bright, begin, wide in zip(brightness, start, width, strict=True)
    )
    return np.asarray(pulses / brightness.sum())


def spectra_of(inject: Inject, n_bins: int) -> dict[str, tuple[float, ...]]:
    """Return the (bins,) shares of the configured spectra by name; without any, the spectrum of the background."""
    return dict(inject.spectra) or {AS_BACKGROUND: (1.0,) * n_bins}


def injected(prediction: pl.DataFrame, injections: list[Injection]) -> pl.DataFrame:
    """Return a prediction with transients added to its rates and pulls; background and noise stay as they are.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        injections: from :func:`draw` on this prediction.
    """
    rate, pull = (prediction[name].to_numpy().copy() for name in ("rate", "pull"))
    exposure, sigma = (prediction[name].to_numpy() for name in ("exposure", "sigma"))
    for injection in injections:
        rows, live = injection.rows, exposure[injection.rows]
        change = np.where(live > 0, injection.counts / np.where(live > 0, live, 1.0), 0.0)
        rate[rows] += change
        pull[rows] += change / sigma[rows]
    return prediction.with_columns(
        pl.Series(name, values, prediction[name].dtype) for name, values in (("rate", rate), ("pull", pull))
    )


def _free_rows(
    site: InjectionSite, taken: list[tuple[float, float]], duration: float, rng: np.random.Generator
) -> tuple[float, slice] | None:
    """Draw the start of a transient, unix s, and the rows it touches: unbroken, free and away from other transients."""
    counts, cadence = site.counts, site.counts.cadence
    for _ in range(_TRIES):
        first = int(rng.integers(len(counts.time)))
        start = float(counts.time[first]) + cadence * rng.random()
        last = int(np.searchsorted(counts.time, start + duration)) - 1
        rows = slice(first, last + 1)
        whole = counts.segment[first] == counts.segment[last] and start + duration <= counts.time[last] + cadence
        if whole and site.free[rows].all() and _alone(taken, start, start + duration):
            return start, rows
    return None


def _alone(taken: list[tuple[float, float]], start: float, stop: float) -> bool:
    """Return whether an interval keeps its distance from the taken ones, which are sorted and disjoint."""
    after = bisect_left(taken, (start, 0.0))
    before = after == 0 or taken[after - 1][1] + _APART <= start
    return before and (after == len(taken) or stop + _APART <= taken[after][0])
