"""Measure detection efficiency: inject bursts, search the same rows by three methods, and count what is detected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.transients.counts import with_added
from polarbgb.transients.fixed_windows import fixed_windows
from polarbgb.transients.injection import (
    Injection,
    InjectionSite,
    configured_population,
    draw,
    injected,
    injection_site,
)
from polarbgb.transients.published import published_excesses
from polarbgb.transients.search import SearchResult, search_again, train_detector
from polarbgb.transients.settings import SearchSettings

Array = NDArray[np.float64]

FOCUS, PUBLISHED, FIXED = "focus", "published", "fixed"
METHODS = (FOCUS, PUBLISHED, FIXED)
TITLES = {FOCUS: "Poisson-FOCuS", PUBLISHED: "published", FIXED: "fixed windows"}

_DURATIONS = (1.0, 10.0, 60.0)
"""Borders of the classes of duration, s."""

_CLASSES = ((6.0, 8.0), (8.0, 12.0), (12.0, np.inf), (6.0, np.inf), (8.0, np.inf))
"""Classes of oracle significance, sigma."""


@dataclass(frozen=True)
class Efficiency:
    """Injected bursts, and which of them are detected.

    Attributes:
        injections: one row per burst: ``round``, ``t_start`` and ``t_stop`` (unix s), ``duration`` (s), ``profile``,
            ``spectrum``, ``oracle`` (sigma), ``latitude`` (invariant latitude, degrees, null if not known), and the
            arrays ``fluence`` (expected counts) and ``counts`` (drawn) with one number per bin. For each of
            :data:`METHODS`, prefixed by its name: ``_found``, ``_covered`` (there was an event without the burst),
            ``_t_start`` and ``_t_stop`` of the detected event; for the first method also ``focus_excess``, the counts
            of that event above the background.
        per_day: events per day without injections, by method.
        far: false alarms per day of the first method.
        days: live time, days.
    """

    injections: pl.DataFrame
    per_day: Mapping[str, float]
    far: float
    days: float

    def table(self) -> pl.DataFrame:
        """Return the efficiency by class of oracle significance and duration.

        Returns:
            ``oracle_from``, ``oracle_to`` (sigma), ``duration_from``, ``duration_to`` (s), ``bursts``, and the share
            that each of :data:`METHODS` detects, null without bursts. The last row of each class of significance holds
            all durations.
        """
        edges = [0.0, *_DURATIONS, np.inf]
        spans = [*pairwise(edges), (0.0, np.inf)]
        oracle, duration = pl.col("oracle"), pl.col("duration")
        return pl.concat(
            self.injections.filter(oracle >= low, oracle < high, duration >= short, duration < long).select(
                oracle_from=pl.lit(low),
                oracle_to=pl.lit(high),
                duration_from=pl.lit(short),
                duration_to=pl.lit(long),
                bursts=pl.len(),
                **{name: pl.col(f"{name}_found").mean() for name in METHODS},
            )
            for low, high in _CLASSES
            for short, long in spans
        )

    def share(self, method: str, least: float) -> float:
        """Return the share of bursts of at least an oracle significance that a method detects; NaN without bursts."""
        detected = self.injections.filter(pl.col("oracle") >= least)[f"{method}_found"]
        return float(detected.cast(pl.Float64).mean()) if len(detected) else np.nan  # type: ignore[arg-type]

    def summary(self) -> dict[str, object]:
        """Return the efficiency as it is stored in ``evaluation.json``."""
        return {
            "far": self.far,
            "days": self.days,
            "bursts": len(self.injections),
            "events_per_day": dict(self.per_day),
            "covered": {name: float(self.injections[f"{name}_covered"].mean()) for name in METHODS},  # type: ignore[arg-type]
            "classes": self.table().to_dicts(),
        }


def measure_efficiency(prediction: pl.DataFrame, settings: SearchSettings, *, track: Track = silent) -> Efficiency:
    """Inject bursts, search, and count those that are detected.

    Every round adds some bursts to the same rows. The three searches are Poisson-FOCuS at ``trigger.far``, the
    published method at its own settings, and :func:`polarbgb.transients.fixed_windows.fixed_windows`. Ranking and
    control of the first are learned from the rows without bursts, and each burst is ranked by trees that never saw its
    orbit.

    A burst is detected if an event overlaps it to within a row, and none did without the burst.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        settings: of the searches and the injections.
        track: watches the search without bursts, and the rounds.

    Raises:
        UserError: if no burst can be injected.
    """
    site, inject = injection_site(prediction, settings), settings.inject
    trained = train_detector(prediction, settings, track=track)
    before = _searched(prediction, settings, search_again(prediction, settings, trained))
    days = site.counts.days
    each = max(1, round(inject.per_day * days))
    rounds = -(-inject.bursts // each)
    rng = np.random.default_rng(inject.seed)
    population = configured_population(site, inject)
    tables = []
    for i_round in track(range(rounds), label="Rounds of bursts injected", total=rounds):
        bursts = draw(site, population, number=min(each, inject.bursts - i_round * each), rng=rng)
        if not bursts:
            raise UserError(
                "no burst can be injected: no unbroken data away from known events are long enough; "
                "lower inject.durations or use more data"
            )
        changed = injected(prediction, bursts)
        counts = with_added(site.counts, [(burst.rows, burst.counts) for burst in bursts], settings.intervals)
        after = _searched(changed, settings, search_again(changed, settings, trained, counts=counts))
        described = _described(bursts, site).with_columns(round=pl.lit(i_round, pl.Int32))
        tables.append(_detected(described, before, after, settings.cadence))
    per_day = {name: len(events) / days for name, events in before.items()}
    return Efficiency(pl.concat(tables), per_day, settings.trigger.far, days)


def _searched(prediction: pl.DataFrame, settings: SearchSettings, result: SearchResult) -> dict[str, pl.DataFrame]:
    """Return the events of every method."""
    return {
        FOCUS: result.events.with_columns(excess=pl.col("counts") - pl.col("background")),
        PUBLISHED: published_excesses(prediction, settings.intervals, settings.cadence),
        FIXED: fixed_windows(prediction, settings.cadence),
    }


def _described(bursts: list[Injection], site: InjectionSite) -> pl.DataFrame:
    """Return one row per burst."""
    array = pl.Array(pl.Float64, site.counts.n_bins)
    middle = [(burst.rows.start + burst.rows.stop) // 2 for burst in bursts]
    return pl.DataFrame(
        {
            "t_start": [burst.start for burst in bursts],
            "t_stop": [burst.start + burst.duration for burst in bursts],
            "duration": [burst.duration for burst in bursts],
            "profile": [burst.profile for burst in bursts],
            "spectrum": [burst.spectrum for burst in bursts],
            "oracle": [burst.oracle for burst in bursts],
            "latitude": pl.Series(site.latitude[middle], nan_to_null=True),
            "fluence": pl.Series([burst.expected.sum(axis=0) for burst in bursts], dtype=array),
            "counts": pl.Series([burst.counts.sum(axis=0) for burst in bursts], dtype=array),
        }
    )


def _detected(
    bursts: pl.DataFrame, before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame], cadence: float
) -> pl.DataFrame:
    """Return bursts with the columns on their detection by each method."""
    start, stop = bursts["t_start"].to_numpy() - cadence, bursts["t_stop"].to_numpy() + cadence
    for name in METHODS:
        covered = overlapping(start, stop, before[name]) >= 0
        event = overlapping(start, stop, after[name])
        detected = pl.Series(np.where(covered, -1, event)).replace(-1, None)
        columns = ("t_start", "t_stop", "excess") if name == FOCUS else ("t_start", "t_stop")
        bursts = bursts.with_columns(
            pl.Series(f"{name}_found", detected.is_not_null()),
            pl.Series(f"{name}_covered", covered),
            *(after[name][column].gather(detected).alias(f"{name}_{column}") for column in columns),
        )
    return bursts


def overlapping(start: Array, stop: Array, events: pl.DataFrame) -> NDArray[np.int64]:
    """Return the index of the event that overlaps each of (n,) half-open intervals longest, -1 where none does.

    Args:
        start: unix s.
        stop: unix s.
        events: ``t_start``, ``t_stop`` (unix s, half-open), disjoint, in time order.
    """
    begin, end = events["t_start"].to_numpy(), events["t_stop"].to_numpy()
    first, after = np.searchsorted(end, start, side="right"), np.searchsorted(begin, stop, side="left")
    longest = np.full(len(start), -1)
    for i in np.flatnonzero(first < after):
        candidates = slice(first[i], after[i])
        overlap = np.minimum(end[candidates], stop[i]) - np.maximum(begin[candidates], start[i])
        longest[i] = first[i] + int(np.argmax(overlap))
    return longest
