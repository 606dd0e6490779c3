"""Events at a false-alarm rate: from a prediction to a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config, Trigger
from polarbgb.progress import Track, silent
from polarbgb.transients.candidates import Candidates, disjoint, merge_candidates
from polarbgb.transients.counts import Counts, counts_of
from polarbgb.transients.detector import Detector, Found, learn_detector, measure_control, search
from polarbgb.transients.events import BESIDE, describe_events
from polarbgb.transients.false_alarms import probability
from polarbgb.transients.injection import ground_of
from polarbgb.transients.local_baseline import followed
from polarbgb.transients.noise import Noise, measure_noise

Array = NDArray[np.float64]

_REASONS = 3
"""Features that are named as the reasons of a ranking."""


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        events: one row per event, in time order.
        candidates: one row per candidate: ``t_start``, ``t_stop`` (unix s), ``scale`` (s), ``series`` (``"0_1"``: the
            bins summed), ``significance`` (sigma), ``ranking``, ``far`` (1/day), ``listed`` and the
            features that it was ranked by.
        contributions: one row per event: its ``id``, and the SHAP value of each feature of its ranking.
        detector: noise, ranking and control.
        days: live time searched.
    """

    events: pl.DataFrame
    candidates: pl.DataFrame
    contributions: pl.DataFrame
    detector: Detector
    days: float


@dataclass(frozen=True)
class TrainedDetector:
    """A detector with what it was learnt from, to search the same rows again with something added.

    Attributes:
        detector: ranking and control.
        noise: of the counts.
        found: candidates of the counts as they are.
    """

    detector: Detector
    noise: Noise
    found: Found


def train_detector(prediction: pl.DataFrame, config: Config, *, track: Track = silent) -> TrainedDetector:
    """Learn ranking and control from a prediction.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the instrument and its sections trigger and inject.
        track: watches the searches.
    """
    ground = ground_of(prediction, config)
    noise = measure_noise(ground.counts, config.trigger)
    found = search(ground.counts, noise, config.trigger, threads=config.model.threads, track=track)
    return TrainedDetector(learn_detector(ground, noise, found, config, track=track), noise, found)


def find_transients(
    prediction: pl.DataFrame, config: Config, *, detector: Detector | None = None, track: Track = silent
) -> SearchResult:
    """List the excesses that the background makes less often than ``trigger.far`` a day.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the instrument and its section trigger.
        detector: of another file, whose ranking is applied and whose control is pooled with that of this file; learnt
            from this prediction where None.
        track: watches the searches.

    Returns:
        Events with the columns of :func:`polarbgb.transients.events.describe_events` and

        - ``significance`` (sigma of the strongest window in one bin or sum, noise of the background included; not of
          the whole event as there) and ``ranking`` (statistic by which events are ordered);
        - ``t_trigger`` (unix s: row at which the threshold was first exceeded), ``timescale`` (s: length of the
          strongest window);
        - ``far`` (false events a day that rank as high), its statistical error ``far_error``, and ``far_limit`` (true
          where ``far`` is an upper limit: nothing in the control ranks as high);
        - ``probability`` (that it is no false alarm);
        - ``bins_flagged`` (``"0_1_5"``: bins, alone or in a sum, with a window at least half as significant as the
          strongest);
        - ``ranked_by`` (the features that moved its ranking most, with their SHAP values).

        The ``background`` of events that last no longer than ``trigger.longest_followed``, and what is made from it,
        follows the local baseline around them, as the search does.

    Raises:
        UserError: if the list of known events cannot be read.
    """
    if detector is None:
        trained = train_detector(prediction, config, track=track)
        return search_again(prediction, config, trained)
    counts, settings, threads = counts_of(prediction, config), config.trigger, config.model.threads
    noise = measure_noise(counts, settings)
    found = search(counts, noise, settings, threads=threads, track=track)
    own = measure_control(counts, noise, detector.ranking, settings, threads=threads)
    pooled = Detector(detector.ranking, detector.control.pooled(own), detector.injected)
    return _triggered(prediction, counts, found, pooled, config, held_out=False)


def search_again(
    prediction: pl.DataFrame, config: Config, trained: TrainedDetector, *, counts: Counts | None = None
) -> SearchResult:
    """Search the rows that a detector was learnt from, as they are or with something added.

    Args:
        prediction: of these rows.
        config: as in :func:`find_transients`.
        trained: from :func:`train_detector`.
        counts: of the rows with something added; None for the counts as they were.
    """
    found = trained.found
    if counts is None:
        counts = counts_of(prediction, config)
    else:
        found = search(counts, trained.noise, config.trigger, threads=config.model.threads)
    return _triggered(prediction, counts, found, trained.detector, config, held_out=True)


def _triggered(
    prediction: pl.DataFrame, counts: Counts, found: Found, detector: Detector, config: Config, *, held_out: bool
) -> SearchResult:
    settings, control, candidates = config.trigger, detector.control, found.candidates
    ranking = detector.ranking.score(found.features, found.orbit, held_out=held_out)
    kept = disjoint(candidates, ranking, counts, settings)
    true = np.zeros(len(candidates))
    true[kept] = probability(ranking[kept], control, counts.days)  # the highest of an event is always kept
    far, listed = control.far(ranking), control.selected(ranking, settings.far)
    first, after, chosen = merge_candidates(candidates, np.flatnonzero(listed), ranking, counts, settings)
    shap = detector.ranking.explain(
        {name: values[chosen] for name, values in found.features.items()}, found.orbit[chosen], held_out=held_out
    )
    seen = _followed(prediction, counts, first, after, config)
    described = describe_events(seen, counts.row[first], counts.row[after - 1], config).drop("significance")
    events = described.with_columns(
        significance=candidates.significance[chosen],
        ranking=ranking[chosen],
        far=far[chosen],
        far_error=control.far_error(ranking[chosen]),
        far_limit=control.is_limit(ranking[chosen]),
        probability=true[chosen],
        bins_flagged=pl.Series(_flagged(candidates, chosen, counts), dtype=pl.String),
        t_trigger=counts.time[candidates.trigger[chosen]],
        timescale=(candidates.after - candidates.first)[chosen] * config.input.cadence,
        ranked_by=pl.Series(_reasons(detector.ranking.names, shap), dtype=pl.String),
    )
    names = detector.ranking.names
    return SearchResult(
        events=events,
        candidates=_table(counts, found, settings, ranking=ranking, far=far).with_columns(listed=listed),
        contributions=pl.DataFrame({"id": np.arange(len(chosen)), **dict(zip(names, shap.T, strict=True))}),
        detector=detector,
        days=counts.days,
    )


def _flagged(candidates: Candidates, chosen: NDArray[np.int64], counts: Counts) -> list[str]:
    """Write out the bins of the windows of each candidate that are at least half as significant as its strongest."""
    windows, member = candidates.windows, candidates.member
    strong = candidates.strong_windows()
    bins: dict[int, set[int]] = {int(one): set() for one in chosen}
    for i_window in np.flatnonzero(strong & np.isin(member, chosen)):
        bins[int(member[i_window])].update(counts.series[windows.series[i_window]])
    return ["_".join(map(str, sorted(bins[int(one)]))) for one in chosen]


def _reasons(names: tuple[str, ...], shap: Array) -> list[str]:
    """Name the features that moved each ranking most: ``"significance_6s +2.1, gap_after -0.4"``."""
    largest = np.argsort(-np.abs(shap), axis=1, kind="stable")[:, :_REASONS]
    return [
        ", ".join(f"{names[i]} {values[i]:+.1f}" for i in order if values[i])
        for order, values in zip(largest, shap, strict=True)
    ]


def _table(counts: Counts, found: Found, settings: Trigger, *, ranking: Array, far: Array) -> pl.DataFrame:
    candidates = found.candidates
    scales = np.array(settings.scales)[candidates.windows.scale[candidates.core]]
    own = {name: values for name, values in found.features.items() if name != "significance"}
    return pl.DataFrame(
        {
            "t_start": counts.time[candidates.first],
            "t_stop": counts.time[candidates.after - 1] + counts.cadence,
            "scale": scales,
            "series": pl.Series(counts.series_names, dtype=pl.String).gather(candidates.series),
            "significance": candidates.significance,
            "ranking": ranking,
            "far": far,
            **own,
        }
    )


def _followed(
    prediction: pl.DataFrame, counts: Counts, first: NDArray[np.int64], after: NDArray[np.int64], config: Config
) -> pl.DataFrame:
    """Return the prediction with the background that short events were found against.

    In and beside events that last no longer than ``trigger.longest_followed`` it follows the local baseline around the
    shortest scale that is as long, which sees nothing of them; longer ones would be followed themselves.
    """
    start, stop = counts.time[first], counts.time[after - 1] + counts.cadence
    scales = np.array([scale for scale in sorted(config.trigger.scales) if scale <= config.trigger.longest_followed])
    which = np.searchsorted(scales, stop - start - 0.5 * counts.cadence)
    factor, rows = np.ones_like(counts.expected), np.zeros(len(counts.time), bool)
    for i_scale in np.unique(which[which < len(scales)]):
        local = followed(counts, scales[i_scale], config.trigger) / counts.expected
        for begin, end in zip(
            np.searchsorted(counts.time, start[which == i_scale] - BESIDE),
            np.searchsorted(counts.time, stop[which == i_scale] + BESIDE),
            strict=True,
        ):
            rows[begin:end] = True
            factor[begin:end] = local[begin:end]
    if not rows.any():
        return prediction
    place = np.flatnonzero(prediction["segment"].to_numpy() >= 0)[rows]
    rate, pred, sigma, pull = (prediction[name].to_numpy().copy() for name in ("rate", "pred", "sigma", "pull"))
    pred[place] *= factor[rows]
    pull[place] = (rate[place] - pred[place]) / sigma[place]
    return prediction.with_columns(
        pl.Series(name, values, prediction[name].dtype) for name, values in (("pred", pred), ("pull", pull))
    )
