"""The detector: the ranking and the control that are learned from one file, and the search that both serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Trigger
from polarbgb.progress import Track, silent, watched
from polarbgb.transients.candidates import Candidates, describe_candidates, disjoint, group_windows
from polarbgb.transients.counts import Counts, mirrored, with_added
from polarbgb.transients.false_alarms import Control, bulk_excess
from polarbgb.transients.injection import InjectionSite, broad_population, draw
from polarbgb.transients.noise import Noise
from polarbgb.transients.ranking import Features, Ranking, enough_to_learn, train_ranking
from polarbgb.transients.rows import running_sums
from polarbgb.transients.settings import SearchSettings
from polarbgb.transients.windows import find_windows

_INJECTIONS, _PER_DAY = 1500, 30.0
"""Number of transients that the ranking is trained on, and how many per day are injected together."""

_MIN_INJECTED = 0.5
"""Share of the excess of a candidate that must be injected for it to count as a detected transient."""


@dataclass(frozen=True)
class CandidateSample:
    """The candidates of a search with their features.

    Attributes:
        candidates: in time order.
        features: (candidates,) values by name.
        orbit: (candidates,) number of the orbit.
    """

    candidates: Candidates
    features: Features
    orbit: NDArray[np.int32]


@dataclass(frozen=True)
class Detector:
    """The ranking of candidates and their false-alarm rate.

    Attributes:
        ranking: ranking statistic of candidates.
        control: the same search and ranking on mirrored counts.
        injected: number of injected transients that the ranking was trained on.
    """

    ranking: Ranking
    control: Control
    injected: int

    def as_dict(self) -> dict[str, object]:
        """Return the detector in the form in which it is stored."""
        return {"ranking": self.ranking.as_dict(), "control": self.control.as_dict(), "injected": self.injected}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Detector:
        """Return the detector from what :meth:`as_dict` returned."""
        return cls(Ranking.from_dict(stored["ranking"]), Control.from_dict(stored["control"]), int(stored["injected"]))


def search(
    counts: Counts, noise: Noise, settings: Trigger, *, threads: int = 0, track: Track = silent
) -> CandidateSample:
    """Search counts for candidates, and describe them.

    Args:
        counts: counts to search.
        noise: from :func:`polarbgb.transients.noise.measure_noise`.
        settings: of the search.
        threads: number of threads; 0 for all cores.
        track: watches the search.
    """
    windows = find_windows(counts, noise.dispersion, settings, threads=threads, track=track)
    candidates = group_windows(windows, counts, settings)
    features = describe_candidates(candidates, counts, noise, settings)
    return CandidateSample(candidates, features, counts.orbit[candidates.first])


def learn_detector(
    site: InjectionSite, noise: Noise, sample: CandidateSample, settings: SearchSettings, *, track: Track = silent
) -> Detector:
    """Train the ranking on injected transients, observed and mirrored counts, and rank the control.

    Args:
        site: the counts, and where transients may be injected.
        noise: noise of the counts.
        sample: candidates of the counts.
        settings: of the search.
        track: watches the searches and the rounds of injections.
    """
    trigger, threads, counts = settings.trigger, settings.threads, site.counts
    reflected = search(mirrored(counts, seed=trigger.seed), noise, trigger, threads=threads, track=track)
    ranking, injected = Ranking(tuple(sorted(sample.features)), (), counts.days), 0
    sets = (sample.features, sample.orbit), (reflected.features, reflected.orbit)
    if enough_to_learn(*sets):
        features, orbit = _inject_and_search(site, noise, settings, track)
        with watched(track, "Ranking"):
            ranking = train_ranking(*sets, (features, orbit), days=counts.days, seed=trigger.seed, threads=threads)
        injected = len(orbit)
    control = _control(counts, sample, reflected, ranking, trigger, held_out=True)
    return Detector(ranking, control, injected)


def measure_control(
    counts: Counts, noise: Noise, sample: CandidateSample, ranking: Ranking, settings: Trigger, *, threads: int = 0
) -> Control:
    """Search mirrored counts of a file that the ranking was not trained on, and rank their candidates.

    Args:
        counts: as observed.
        noise: noise of the counts.
        sample: candidates of the counts.
        ranking: ranking statistic.
        settings: of the search.
        threads: number of threads; 0 for all cores.
    """
    reflected = search(mirrored(counts, seed=settings.seed), noise, settings, threads=threads)
    return _control(counts, sample, reflected, ranking, settings, held_out=False)


def _control(
    counts: Counts,
    sample: CandidateSample,
    reflected: CandidateSample,
    ranking: Ranking,
    settings: Trigger,
    *,
    held_out: bool,
) -> Control:
    observed, mirrored_ones = (
        score[disjoint(found.candidates, score, counts, settings)]
        for found in (sample, reflected)
        for score in [ranking.score(found.features, found.orbit, held_out=held_out)]
    )
    control = Control(np.sort(mirrored_ones), counts.days)
    # Without a ranking, in short files, flares may be much of the bulk.
    return replace(control, excess=bulk_excess(observed, control)) if ranking.learned else control


def _inject_and_search(
    site: InjectionSite, noise: Noise, settings: SearchSettings, track: Track = silent
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int32]]:
    """Return the features and orbits of the candidates that a broad population of injected transients makes."""
    counts = site.counts
    rng = np.random.default_rng(settings.trigger.seed)
    population = broad_population(site, settings.inject, rng)
    each = max(1, round(_PER_DAY * counts.days))
    features: list[Features] = []
    orbits = []
    rounds = max(1, round(_INJECTIONS / each))
    for _ in track(range(rounds), label="Injected to train the ranking", total=rounds):
        injections = draw(site, population, number=each, rng=rng)
        after = with_added(counts, [(injection.rows, injection.counts) for injection in injections], settings.intervals)
        sample = search(after, noise, settings.trigger, threads=settings.threads)
        injected = _mostly_injected(sample.candidates, counts, after)
        features.append({name: values[injected] for name, values in sample.features.items()})
        orbits.append(sample.orbit[injected])
    columns = {name: np.concatenate([of_round[name] for of_round in features]) for name in features[0]}
    return columns, np.concatenate(orbits)


def _mostly_injected(candidates: Candidates, before: Counts, after: Counts) -> NDArray[np.bool_]:
    """Return the (candidates,) mask of those of which at least half of the excess was injected."""
    extra, excess = (
        before.of_series(sums[candidates.after] - sums[candidates.first], candidates.series)
        for sums in map(running_sums, (after.observed - before.observed, after.observed - after.expected))
    )
    return np.asarray((extra > 0) & (extra >= _MIN_INJECTED * excess))
