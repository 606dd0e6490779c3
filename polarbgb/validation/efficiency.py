"""How many bursts are found: injected, searched for, counted, by this search and by two others on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.errors import UserError
from polarbgb.progress import Track, silent
from polarbgb.transients.counts import with_added
from polarbgb.transients.fixed_windows import fixed_windows
from polarbgb.transients.injection import Ground, Injection, configured_population, draw, ground_of, injected
from polarbgb.transients.published import published_excesses
from polarbgb.transients.search import SearchResult, TrainedDetector, search_again, train_detector

Array = NDArray[np.float64]

FOCUS, PUBLISHED, FIXED = "focus", "published", "fixed"
METHODS = (FOCUS, PUBLISHED, FIXED)
TITLES = {FOCUS: "Poisson-FOCuS", PUBLISHED: "published", FIXED: "fixed windows"}

_DURATIONS = (1.0, 10.0, 60.0)
"""s: between the classes of duration."""

_CLASSES = ((6.0, 8.0), (8.0, 12.0), (12.0, np.inf), (6.0, np.inf), (8.0, np.inf))
"""Of oracle significance."""


@dataclass(frozen=True)
class Efficiency:
    """What became of the bursts that were injected.

    Attributes:
        injections: a row a burst: ``round``, ``t_start`` and ``t_stop`` (unix s), ``duration`` (s), ``profile``,
            ``spectrum``, ``oracle`` (sigma), ``latitude`` (degrees from the magnetic equator, null where it is not
            known), the arrays ``fluence`` (expected counts) and ``counts`` (drawn) of one number a bin; and for each
            of :data:`METHODS`, with its name before it: ``_found``, ``_covered`` (without the burst there was an event
            already), ``_t_start`` and ``_t_stop`` of the event found; of the first method also ``focus_excess``, the
            counts above background of that event.
        per_day: events a day without injections, by method: what each costs.
        far: false events a day asked of the first method.
        days: of live time.
    """

    injections: pl.DataFrame
    per_day: Mapping[str, float]
    far: float
    days: float

    def table(self) -> pl.DataFrame:
        """Count by class of oracle significance and duration.

        Returns:
            ``oracle_from``, ``oracle_to`` (sigma), ``duration_from``, ``duration_to`` (s), ``bursts``, and the share
            that each of :data:`METHODS` finds, null where there is no burst. The last of each class of significance
            holds all durations.
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
        """Return the share of bursts of at least this oracle significance that a method finds, NaN without any."""
        found = self.injections.filter(pl.col("oracle") >= least)[f"{method}_found"]
        return float(found.cast(pl.Float64).mean()) if len(found) else np.nan  # type: ignore[arg-type]

    def summary(self) -> dict[str, object]:
        """Return what ``evaluation.json`` tells."""
        return {
            "far": self.far,
            "days": self.days,
            "bursts": len(self.injections),
            "events_per_day": dict(self.per_day),
            "covered": {name: float(self.injections[f"{name}_covered"].mean()) for name in METHODS},  # type: ignore[arg-type]
            "classes": self.table().to_dicts(),
        }


def measure_efficiency(prediction: pl.DataFrame, config: Config, *, track: Track = silent) -> Efficiency:
    """Inject bursts, search, and count what is found.

    Every round adds some bursts to the same rows. The three searches are Poisson-FOCuS at ``trigger.far``, the
    published clusters at their own settings, and :func:`polarbgb.transients.fixed_windows.fixed_windows`. The ranking
    and the control of the first are learnt from the rows without any burst, as if each burst were the only one; they
    rank each by trees that never saw its orbit.

    A burst is found where an event overlaps it, give or take a row, and without the burst there was none.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the instrument, its searches, and its section inject.
        track: watches the search without bursts, and the rounds.

    Raises:
        UserError: if there is no place for a burst.
    """
    ground, section = ground_of(prediction, config), config.inject
    trained = train_detector(prediction, config, track=track)
    before = _searched(prediction, config, search_again(prediction, config, trained))
    days = ground.counts.days
    each = max(1, round(section.per_day * days))
    rounds = -(-section.bursts // each)
    rng = np.random.default_rng(section.seed)
    population = configured_population(ground, config)
    tables = []
    for i_round in track(range(rounds), label="Rounds of bursts injected", total=rounds):
        bursts = draw(ground, population, number=min(each, section.bursts - i_round * each), rng=rng)
        if not bursts:
            raise UserError("no unbroken stretch of data is free for a burst to be injected")
        after = _with_bursts(prediction, config, trained, ground, bursts)
        described = _described(bursts, ground, config).with_columns(round=pl.lit(i_round, pl.Int32))
        tables.append(_recovered(described, before, after, config.input.cadence))
    per_day = {name: len(events) / days for name, events in before.items()}
    return Efficiency(pl.concat(tables), per_day, config.trigger.far, days)


def _with_bursts(
    prediction: pl.DataFrame, config: Config, trained: TrainedDetector, ground: Ground, bursts: list[Injection]
) -> dict[str, pl.DataFrame]:
    """Return the events of every method where bursts were added."""
    changed = injected(prediction, bursts)
    counts = with_added(ground.counts, [(burst.rows, burst.counts) for burst in bursts], config)
    return _searched(changed, config, search_again(changed, config, trained, counts=counts))


def _searched(prediction: pl.DataFrame, config: Config, found: SearchResult) -> dict[str, pl.DataFrame]:
    """Return the events of every method."""
    return {
        FOCUS: found.events.with_columns(excess=pl.col("counts") - pl.col("background")),
        PUBLISHED: published_excesses(prediction, config),
        FIXED: fixed_windows(prediction, config),
    }


def _described(bursts: list[Injection], ground: Ground, config: Config) -> pl.DataFrame:
    """Lay bursts out, a row each."""
    array = pl.Array(pl.Float64, len(config.rates.names))
    middle = [(one.rows.start + one.rows.stop) // 2 for one in bursts]
    return pl.DataFrame(
        {
            "t_start": [one.start for one in bursts],
            "t_stop": [one.start + one.duration for one in bursts],
            "duration": [one.duration for one in bursts],
            "profile": [one.profile for one in bursts],
            "spectrum": [one.spectrum for one in bursts],
            "oracle": [one.oracle for one in bursts],
            "latitude": pl.Series(ground.latitude[middle], nan_to_null=True),
            "fluence": pl.Series([one.expected.sum(axis=0) for one in bursts], dtype=array),
            "counts": pl.Series([one.counts.sum(axis=0) for one in bursts], dtype=array),
        }
    )


def _recovered(
    bursts: pl.DataFrame, before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame], cadence: float
) -> pl.DataFrame:
    """Add what each method found of the bursts."""
    start, stop = bursts["t_start"].to_numpy() - cadence, bursts["t_stop"].to_numpy() + cadence
    for name in METHODS:
        covered = overlapping(start, stop, before[name]) >= 0
        event = overlapping(start, stop, after[name])
        at = pl.Series(np.where(covered, -1, event)).replace(-1, None)
        columns = {"t_start": "t_start", "t_stop": "t_stop"} | ({"excess": "excess"} if name == FOCUS else {})
        bursts = bursts.with_columns(
            pl.Series(f"{name}_found", at.is_not_null()),
            pl.Series(f"{name}_covered", covered),
            *(after[name][column].gather(at).alias(f"{name}_{column}") for column in columns),
        )
    return bursts


def overlapping(start: Array, stop: Array, events: pl.DataFrame) -> NDArray[np.int64]:
    """Return for each of (n,) half-open spans the event that overlaps it longest, -1 where none does.

    Args:
        start: unix s.
        stop: unix s.
        events: ``t_start``, ``t_stop`` (unix s, half-open), disjoint, in time order.
    """
    begin, end = events["t_start"].to_numpy(), events["t_stop"].to_numpy()
    first, after = np.searchsorted(end, start, side="right"), np.searchsorted(begin, stop, side="left")
    longest = np.full(len(start), -1)
    for number in np.flatnonzero(first < after):
        among = slice(first[number], after[number])
        shared = np.minimum(end[among], stop[number]) - np.maximum(begin[among], start[number])
        longest[number] = first[number] + int(np.argmax(shared))
    return longest
