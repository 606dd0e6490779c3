"""The detector: noise, ranking and control learnt from one file, and what they make of counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Config, Trigger
from polarbgb.progress import Track, silent, watched
from polarbgb.transients.candidates import Candidates, describe_candidates, disjoint, group_windows
from polarbgb.transients.counts import Counts, mirrored, with_added
from polarbgb.transients.false_alarms import Control
from polarbgb.transients.injection import Ground, broad_population, draw
from polarbgb.transients.noise import Noise, running_sums
from polarbgb.transients.ranking import Features, Ranking, enough_to_learn, train_ranking
from polarbgb.transients.windows import find_windows

Array = NDArray[np.float64]

_INJECTIONS, _PER_DAY = 1500, 30.0
"""Transients that the ranking is trained on, and how many a day lie in the same rows."""

_OWED = 0.5
"""Share of a candidate's excess that an injected transient must have made for the candidate to be its."""


@dataclass(frozen=True)
class Found:
    """Candidates of a search with their features.

    Attributes:
        candidates: in time order.
        features: by name, (candidates,) values.
        orbit: (candidates,) number of the orbit.
    """

    candidates: Candidates
    features: Features
    orbit: NDArray[np.int32]


@dataclass(frozen=True)
class Detector:
    """What a search is judged by.

    Attributes:
        ranking: of candidates.
        control: the same search and ranking on mirrored counts.
        injected: transients that the ranking was trained on.
    """

    ranking: Ranking
    control: Control
    injected: int

    def as_dict(self) -> dict[str, object]:
        """Return it as it is stored."""
        return {"ranking": self.ranking.as_dict(), "control": self.control.as_dict(), "injected": self.injected}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Detector:
        """Return what :meth:`as_dict` stored."""
        return cls(Ranking.from_dict(stored["ranking"]), Control.from_dict(stored["control"]), int(stored["injected"]))


def search(
    counts: Counts,
    noise: Noise,
    settings: Trigger,
    *,
    threads: int = 0,
    track: Track = silent,
) -> Found:
    """Search counts for candidates, and describe them.

    Args:
        counts: to search.
        noise: from :func:`polarbgb.transients.noise.measure_noise`.
        settings: of the search.
        threads: 0 for all cores.
        track: watches the searches.
    """
    windows = find_windows(counts, noise.dispersion, settings, threads=threads, track=track)
    candidates = group_windows(windows, counts, settings)
    features = describe_candidates(candidates, counts, noise, settings)
    return Found(candidates, features, counts.orbit[candidates.first])


def learn_detector(ground: Ground, noise: Noise, found: Found, config: Config, *, track: Track = silent) -> Detector:
    """Train the ranking on injected transients and the data's own candidates, and rank the control.

    Args:
        ground: the counts, and where transients may be injected.
        noise: of the counts.
        found: what the search finds in them.
        config: its sections trigger and inject.
        track: watches the rounds of injections.
    """
    settings, threads = config.trigger, config.model.threads
    counts = ground.counts
    reflected = search(mirrored(counts, seed=settings.seed), noise, settings, threads=threads, track=track)
    own, noisy = ((one.features, one.orbit) for one in (found, reflected))
    ranking, injected = Ranking(tuple(sorted(found.features)), ()), 0
    if enough_to_learn(own, noisy):
        features, orbit = inject_and_search(ground, noise, config, track)
        with watched(track, "Ranking"):
            ranking = train_ranking(own, noisy, (features, orbit), seed=settings.seed, threads=threads)
        injected = len(orbit)
    return Detector(ranking, _control(counts, reflected, ranking, settings, held_out=True), injected)


def measure_control(counts: Counts, noise: Noise, ranking: Ranking, settings: Trigger, *, threads: int = 0) -> Control:
    """Search mirrored counts of a file that the ranking was not trained on, and rank what is found.

    Args:
        counts: as observed.
        noise: of them.
        ranking: of candidates.
        settings: of the search.
        threads: 0 for all cores.
    """
    reflected = search(mirrored(counts, seed=settings.seed), noise, settings, threads=threads)
    return _control(counts, reflected, ranking, settings, held_out=False)


def _control(counts: Counts, reflected: Found, ranking: Ranking, settings: Trigger, *, held_out: bool) -> Control:
    score = ranking.score(reflected.features, reflected.orbit, held_out=held_out)
    return Control(np.sort(score[disjoint(reflected.candidates, score, counts, settings)]), counts.days)


def inject_and_search(
    ground: Ground, noise: Noise, config: Config, track: Track = silent
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int32]]:
    """Return the features of the candidates that broad, random injections make, and the numbers of their orbits.

    Args:
        ground: where they may be injected.
        noise: of the counts.
        config: its sections trigger and inject.
        track: watches the rounds of injections.
    """
    counts, settings = ground.counts, config.trigger
    rng = np.random.default_rng(settings.seed)
    population = broad_population(ground, config, rng)
    each = max(1, round(_PER_DAY * counts.days))
    features: list[Features] = []
    orbits = []
    rounds = max(1, round(_INJECTIONS / each))
    for _ in track(range(rounds), label="Injected to train the ranking", total=rounds):
        injections = draw(ground, population, number=each, rng=rng)
        after = with_added(counts, [(one.rows, one.counts) for one in injections], config)
        seen = search(after, noise, settings, threads=config.model.threads)
        own = _owed(seen.candidates, counts, after)
        features.append({name: values[own] for name, values in seen.features.items()})
        orbits.append(seen.orbit[own])
    return {name: np.concatenate([one[name] for one in features]) for name in features[0]}, np.concatenate(orbits)


def _owed(candidates: Candidates, before: Counts, after: Counts) -> NDArray[np.bool_]:
    """Say which candidates owe at least half of their excess to what was added."""
    extra, excess = (
        before.of_series(sums[candidates.after] - sums[candidates.first], candidates.series)
        for sums in map(running_sums, (after.observed - before.observed, after.observed - after.expected))
    )
    return np.asarray((extra > 0) & (extra >= _OWED * excess))
