"""Search a prediction for events at a false-alarm rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Trigger
from polarbgb.progress import Track, silent
from polarbgb.transients.candidates import Candidates, disjoint, merge_candidates
from polarbgb.transients.counts import Counts, counts_of
from polarbgb.transients.detector import CandidateSample, Detector, learn_detector, measure_control, search
from polarbgb.transients.events import BESIDE, describe_events
from polarbgb.transients.false_alarms import probability
from polarbgb.transients.injection import injection_site
from polarbgb.transients.local_baseline import followed
from polarbgb.transients.noise import Noise, measure_noise
from polarbgb.transients.rows import Rows
from polarbgb.transients.settings import SearchSettings

Array = NDArray[np.float64]

_N_REASONS = 3
"""Number of features that are named as the reasons of a ranking."""


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        events: one row per event, in time order.
        candidates: one row per candidate: ``t_start``, ``t_stop`` (unix s), ``scale`` (s), ``series`` (``"0_1"``: the
            bins summed), ``significance`` (sigma), ``ranking``, ``far`` (1/day), ``listed`` and the
            features that it was ranked by.
        contributions: one row per event: its ``id``, and the SHAP value of each feature of its ranking.
        detector: ranking and control.
        days: live time searched, days.
    """

    events: pl.DataFrame
    candidates: pl.DataFrame
    contributions: pl.DataFrame
    detector: Detector
    days: float


@dataclass(frozen=True)
class TrainedDetector:
    """A detector with the noise and the candidates of the rows that it was learned from.

    Attributes:
        detector: ranking and control.
        noise: noise of the counts.
        sample: candidates of the observed counts.
    """

    detector: Detector
    noise: Noise
    sample: CandidateSample


def train_detector(prediction: pl.DataFrame, settings: SearchSettings, *, track: Track = silent) -> TrainedDetector:
    """Learn ranking and control from a prediction.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        settings: of the search.
        track: watches the searches.
    """
    site = injection_site(prediction, settings)
    noise = measure_noise(site.counts, settings.trigger)
    sample = search(site.counts, noise, settings.trigger, threads=settings.threads, track=track)
    return TrainedDetector(learn_detector(site, noise, sample, settings, track=track), noise, sample)


def find_transients(
    prediction: pl.DataFrame, settings: SearchSettings, *, detector: Detector | None = None, track: Track = silent
) -> SearchResult:
    """Find transients with ``trigger.far`` false alarms per day.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        settings: of the search.
        detector: detector of another file, whose ranking is applied and whose control is pooled with that of this file.
            By default, one is learned from this prediction.
        track: watches the searches.

    Returns:
        Events with the columns of :func:`polarbgb.transients.events.describe_events` and

        - ``significance`` (sigma of the strongest window in one bin or sum, including noise of the background, instead
          of that of the whole event) and ``ranking`` (ranking statistic);
        - ``t_trigger`` (unix s: row at which the threshold was first exceeded), ``timescale`` (s: length of the
          strongest window);
        - ``far`` (false-alarm rate, 1/day), its statistical error ``far_error``, and ``far_limit`` (true where ``far``
          is an upper limit);
        - ``probability`` (that it is not a false alarm);
        - ``bins_flagged`` (``"0_1_5"``: bins, alone or in a sum, with a window at least half as significant as the
          strongest);
        - ``ranked_by`` (the features that moved its ranking most, with their SHAP values).

        The ``background`` of events that last no longer than ``trigger.longest_followed``, and all that is derived from
        it, follows the local baseline around them, as in the search.
    """
    if detector is None:
        return search_again(prediction, settings, train_detector(prediction, settings, track=track))
    counts, trigger, threads = counts_of(prediction, settings), settings.trigger, settings.threads
    noise = measure_noise(counts, trigger)
    sample = search(counts, noise, trigger, threads=threads, track=track)
    control = measure_control(counts, noise, sample, detector.ranking, trigger, threads=threads)
    pooled = Detector(detector.ranking, detector.control.pooled(control), detector.injected)
    return _listed(prediction, counts, sample, pooled, settings, held_out=False)


def search_again(
    prediction: pl.DataFrame, settings: SearchSettings, trained: TrainedDetector, *, counts: Counts | None = None
) -> SearchResult:
    """Search the rows that a detector was learned from, with or without injected transients.

    Args:
        prediction: prediction of these rows, with the same transients.
        settings: as for :func:`find_transients`.
        trained: from :func:`train_detector`.
        counts: counts with injected transients; the observed counts by default.
    """
    sample = trained.sample
    if counts is None:
        counts = counts_of(prediction, settings)
    else:
        sample = search(counts, trained.noise, settings.trigger, threads=settings.threads)
    return _listed(prediction, counts, sample, trained.detector, settings, held_out=True)


def _listed(
    prediction: pl.DataFrame,
    counts: Counts,
    sample: CandidateSample,
    detector: Detector,
    settings: SearchSettings,
    *,
    held_out: bool,
) -> SearchResult:
    """Rank candidates, and merge those that rank high enough into events."""
    trigger, control, candidates = settings.trigger, detector.control, sample.candidates
    ranking = detector.ranking.score(sample.features, sample.orbit, held_out=held_out)
    kept = disjoint(candidates, ranking, counts, trigger)
    true = np.zeros(len(candidates))
    true[kept] = probability(ranking[kept], control, counts.days)  # the highest of an event is always kept
    far, listed = control.far(ranking), control.selected(ranking, trigger.far)
    first, after, chosen = merge_candidates(candidates, np.flatnonzero(listed), ranking, counts, trigger)
    features = {name: values[chosen] for name, values in sample.features.items()}
    shap = detector.ranking.explain(features, sample.orbit[chosen], held_out=held_out)
    local = _with_local_baseline(prediction, counts, first, after, trigger)
    described = describe_events(local, first, after - 1, settings).drop("significance")
    names = detector.ranking.names
    events = described.with_columns(
        significance=candidates.significance[chosen],
        ranking=ranking[chosen],
        far=far[chosen],
        far_error=control.far_error(ranking[chosen]),
        far_limit=control.is_limit(ranking[chosen]),
        probability=true[chosen],
        bins_flagged=pl.Series(_flagged(candidates, chosen, counts), dtype=pl.String),
        t_trigger=counts.time[candidates.trigger[chosen]],
        timescale=(candidates.after - candidates.first)[chosen] * counts.cadence,
        ranked_by=pl.Series(_reasons(names, shap), dtype=pl.String),
    )
    return SearchResult(
        events=events,
        candidates=_table(counts, sample, trigger, ranking=ranking, far=far).with_columns(listed=listed),
        contributions=pl.DataFrame({"id": np.arange(len(chosen)), **dict(zip(names, shap.T, strict=True))}),
        detector=detector,
        days=counts.days,
    )


def _flagged(candidates: Candidates, chosen: Rows, counts: Counts) -> list[str]:
    """Return the bins of the windows at least half as significant as the core of each candidate, as ``"0_1_5"``."""
    windows, member = candidates.windows, candidates.member
    strong = candidates.strong_windows()
    bins: dict[int, set[int]] = {int(candidate): set() for candidate in chosen}
    for i_window in np.flatnonzero(strong & np.isin(member, chosen)):
        bins[int(member[i_window])].update(counts.series[windows.series[i_window]])
    return ["_".join(map(str, sorted(bins[int(candidate)]))) for candidate in chosen]


def _reasons(names: tuple[str, ...], shap: Array) -> list[str]:
    """Return the features that moved each ranking most, as ``"significance_6s +2.1, gap_after -0.4"``."""
    largest = np.argsort(-np.abs(shap), axis=1, kind="stable")[:, :_N_REASONS]
    return [
        ", ".join(f"{names[i]} {values[i]:+.1f}" for i in order if values[i])
        for order, values in zip(largest, shap, strict=True)
    ]


def _table(counts: Counts, sample: CandidateSample, trigger: Trigger, *, ranking: Array, far: Array) -> pl.DataFrame:
    candidates = sample.candidates
    scales = np.array(trigger.scales)[candidates.windows.scale[candidates.core]]
    features = {name: values for name, values in sample.features.items() if name != "significance"}
    return pl.DataFrame(
        {
            "t_start": counts.time[candidates.first],
            "t_stop": counts.time[candidates.after - 1] + counts.cadence,
            "scale": scales,
            "series": pl.Series(counts.series_names, dtype=pl.String).gather(candidates.series),
            "significance": candidates.significance,
            "ranking": ranking,
            "far": far,
            **features,
        }
    )


def _with_local_baseline(
    prediction: pl.DataFrame, counts: Counts, first: Rows, after: Rows, trigger: Trigger
) -> pl.DataFrame:
    """Return the prediction with the background that short events were detected against.

    In and beside events that last no longer than ``trigger.longest_followed``, the background follows the local
    baseline of the shortest scale that is as long as the event. The gap of this baseline leaves out the event.
    """
    start, stop = counts.time[first], counts.time[after - 1] + counts.cadence
    scales = np.array([scale for scale in sorted(trigger.scales) if scale <= trigger.longest_followed])
    scale_of_event = np.searchsorted(scales, stop - start - 0.5 * counts.cadence)
    factor, rows = np.ones_like(counts.expected), np.zeros(len(counts.time), bool)
    for i_scale in np.unique(scale_of_event[scale_of_event < len(scales)]):
        events = scale_of_event == i_scale
        local = followed(counts, scales[i_scale], trigger) / counts.expected
        for begin, end in zip(
            np.searchsorted(counts.time, start[events] - BESIDE),
            np.searchsorted(counts.time, stop[events] + BESIDE),
            strict=True,
        ):
            rows[begin:end] = True
            factor[begin:end] = local[begin:end]
    if not rows.any():
        return prediction
    rate, pred, sigma, pull = (prediction[name].to_numpy().copy() for name in ("rate", "pred", "sigma", "pull"))
    pred[rows] *= factor[rows]
    pull[rows] = (rate[rows] - pred[rows]) / sigma[rows]
    return prediction.with_columns(
        pl.Series(name, values, prediction[name].dtype) for name, values in (("pred", pred), ("pull", pull))
    )
