"""Group windows into candidates, and describe by features how unlike the background each candidate is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Trigger
from polarbgb.transients.compiled import compiled_once
from polarbgb.transients.counts import Counts
from polarbgb.transients.local_baseline import BASELINES, scaled
from polarbgb.transients.noise import Noise
from polarbgb.transients.rows import Rows, running_sums
from polarbgb.transients.windows import Windows

Array = NDArray[np.float64]

_STRONG = 0.5
"""Windows of at least this share of the significance of the core define the bins and the extent of a candidate."""

_OCTAVES = 8.0
"""Lengths are classed by powers of this number. A window joins candidates of the same or a neighbouring class, so that
a spike on a slow rise is a separate candidate."""

_FLICKER = ((3.0, 60.0), (10.0, 200.0), (30.0, 900.0))
"""Variability on either side of a window: length of the sums compared, and how far from the window they lie, s."""

_FAR_GAP = 900.0
"""s: largest distance to a gap that is told apart."""


@dataclass(frozen=True)
class Candidates:
    """Groups of windows; one element per candidate, in time order.

    Attributes:
        core: index of its strongest window, the core.
        first: first row of the core.
        after: row after the last of the core.
        trigger: row at which the search that found the core first exceeded the threshold.
        significance: significance of the core, sigma.
        series: index of the series of the core.
        member: (windows,) candidate that each window belongs to.
        windows: all windows that were grouped.
    """

    core: Rows
    first: Rows
    after: Rows
    trigger: Rows
    significance: Array
    series: Rows
    member: Rows
    windows: Windows

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.core)

    def strong_windows(self) -> NDArray[np.bool_]:
        """Return the (windows,) mask of those at least half as significant as the core of their candidate."""
        return np.asarray(self.windows.significance >= _STRONG * self.significance[self.member])


def group_windows(windows: Windows, counts: Counts, settings: Trigger) -> Candidates:
    """Group windows around the strongest ones.

    Windows are processed in decreasing order of significance. A window that overlaps the core of a candidate, or lies
    within ``trigger.merge`` s of it, and is of similar length joins the candidate; any other becomes the core of a new
    one. Cores of similar length are therefore disjoint.
    """
    max_gap = round(settings.merge / counts.cadence)
    order = np.lexsort((windows.first, windows.after - windows.first, -windows.significance))
    levels = np.floor(np.log(np.maximum(windows.after - windows.first, 1)) / np.log(_OCTAVES)).astype(np.int64)
    owner = _owners(windows.first[order], windows.after[order], levels[order], counts.segment, max_gap)
    core = order[np.flatnonzero(owner == np.arange(len(order)))]
    in_time = np.argsort(windows.first[core], kind="stable")
    core = core[in_time]
    candidate = np.empty(len(order), np.int64)  # of the windows that are cores
    candidate[core] = np.arange(len(core))
    member = np.empty(len(order), np.int64)
    member[order] = candidate[order[owner]]
    return Candidates(
        core=core,
        first=windows.first[core],
        after=windows.after[core],
        trigger=windows.trigger[core],
        significance=windows.significance[core],
        series=windows.series[core],
        member=member,
        windows=windows,
    )


@compiled_once
def _owners(first, after, level, segment, max_gap):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return for each interval of rows, best first, the index of the core that it joins; a core joins itself."""
    rows, n_levels = len(segment), 1
    for window in range(len(level)):
        n_levels = max(n_levels, level[window] + 1)
    claimed = np.full((n_levels, rows), -1, np.int32)
    owner = np.empty(len(first), np.int64)
    for window in range(len(first)):
        begin, stop = max(0, first[window] - max_gap), min(rows, after[window] + max_gap)
        while segment[begin] != segment[first[window]]:
            begin += 1
        while segment[stop - 1] != segment[first[window]]:
            stop -= 1
        best = -1
        for other in range(max(0, level[window] - 1), min(n_levels, level[window] + 2)):
            for row in range(begin, stop):
                core = claimed[other, row]
                if core >= 0 and (best < 0 or core < best):
                    best = core
        if best >= 0:
            owner[window] = best
        else:
            owner[window] = window
            for row in range(first[window], after[window]):
                claimed[level[window], row] = window
    return owner


def describe_candidates(
    candidates: Candidates, counts: Counts, noise: Noise, settings: Trigger
) -> dict[str, NDArray[np.float32]]:
    """Return features that describe how unlike the background each candidate is.

    No feature depends on which bins an excess lies in, so that a transient with an unexpected spectrum ranks as high as
    one with an expected spectrum:

    - the largest significance of its windows at each scale, and the numbers of windows, series and scales;
    - its core against the background scaled to two local baselines: significance, amplitude, the step from before to
      after, the length, the share of the excess in the first half, and the distance of all bins together
      (:meth:`polarbgb.transients.noise.Noise.distances`);
    - the variability before and after it: the mean squared second difference of sums of 3, 10 and 30 s, in units of
      counting noise;
    - the auxiliary columns, the distances to the gaps on both sides, and the expected counts.

    Args:
        candidates: from :func:`group_windows`.
        counts: the counts that were searched.
        noise: from :func:`polarbgb.transients.noise.measure_noise`.
        settings: of the search.

    Returns:
        (candidates,) values by name; NaN where a feature is not known.
    """
    observed, expected = running_sums(counts.observed), running_sums(counts.expected)
    distances = noise.distances(counts, (observed, expected), candidates.first, candidates.after, settings)
    features = {
        **_by_scale(candidates, settings),
        **_against_baselines(candidates, counts, observed, expected, settings),
        **{f"distance_{name}": distance for name, distance in distances.items()},
        **_variability(candidates, counts, observed, expected),
        **_surroundings(candidates, counts),
    }
    return {name: values.astype(np.float32) for name, values in features.items()}


def _by_scale(candidates: Candidates, settings: Trigger) -> dict[str, Array]:
    windows, n_candidates = candidates.windows, len(candidates)
    features = {"significance": candidates.significance}
    for i_scale, scale in enumerate(settings.scales):
        of_scale = windows.scale == i_scale
        largest = np.zeros(n_candidates)
        np.maximum.at(largest, candidates.member[of_scale], windows.significance[of_scale])
        features[f"significance_{scale:g}s"] = largest
    for name, labels in (("n_series", windows.series), ("n_scales", windows.scale)):
        distinct = np.unique(np.column_stack([candidates.member, labels]), axis=0)[:, 0]
        features[name] = np.bincount(distinct, minlength=n_candidates).astype(np.float64)
    features["n_windows"] = np.bincount(candidates.member, minlength=n_candidates).astype(np.float64)
    return features


def _against_baselines(
    candidates: Candidates, counts: Counts, observed: Array, expected: Array, settings: Trigger
) -> dict[str, Array]:
    """Return features of cores against local baselines, from the (rows + 1, bins) running sums of counts."""
    first, after = candidates.first, candidates.after

    def between(sums: Array, start: Rows, stop: Rows) -> Array:
        return counts.of_series(sums[stop] - sums[start], candidates.series)

    inside, background = between(observed, first, after), between(expected, first, after)
    length, middle = after - first, (first + after) // 2
    features = {"length": length * counts.cadence, "log_expected": np.log(background / length)}
    for name, baseline in BASELINES.items():
        edges = baseline.edges(first, after, counts)
        sides = [(between(observed, *edge), between(expected, *edge)) for edge in edges]
        observed_beside, expected_beside = (before + later for before, later in zip(*sides, strict=True))
        local = scaled(background, observed_beside, expected_beside, settings)
        excess = inside - local
        before, later = ((counted - wanted) / np.sqrt(np.maximum(wanted, 1.0)) for counted, wanted in sides)
        both = (edges[0][1] > edges[0][0]) & (edges[1][1] > edges[1][0])
        half = between(observed, first, middle) - between(expected, first, middle) * local / background
        features |= {
            f"excess_{name}": excess / np.sqrt(local * (1 + local / np.maximum(observed_beside, 50.0))),
            f"amplitude_{name}": excess / local,
            f"step_{name}": np.where(both, later - before, np.nan),
            f"before_{name}": before,
            f"after_{name}": later,
            f"first_half_{name}": np.clip(half / np.where(np.abs(excess) > 1, excess, 1.0), -3, 3),
        }
    return features


def _variability(candidates: Candidates, counts: Counts, observed: Array, expected: Array) -> dict[str, Array]:
    """Return the variability on both sides of cores, from the (rows + 1, bins) running sums of counts."""
    features: dict[str, Array] = {}
    for seconds, distance in _FLICKER:
        size = max(1, round(seconds / counts.cadence))
        edges = np.arange(0, len(counts.time) - size, size)
        if len(edges) < 3:
            continue
        whole = counts.segment[edges] == counts.segment[edges + size - 1]
        good = whole.copy()
        good[1:-1] &= whole[:-2] & whole[2:] & (counts.segment[edges[:-2]] == counts.segment[edges[2:]])
        good[[0, -1]] = False
        counted, wanted = (
            np.column_stack([(sums[edges + size] - sums[edges])[:, bins].sum(axis=1) for bins in counts.series])
            for sums in (observed, expected)
        )
        ratio = counted / wanted
        square = np.zeros_like(ratio)
        square[1:-1] = (ratio[1:-1] - (ratio[:-2] + ratio[2:]) / 2) ** 2 * wanted[1:-1] / 1.5
        running = running_sums(np.where(good[:, None], np.minimum(square, 100.0), 0.0))
        n_good = running_sums(good)
        far = max(1, round(distance / counts.cadence))
        for name, start, stop in (
            ("before", candidates.first - far, candidates.first - size),
            ("after", candidates.after + size, candidates.after + far),
        ):
            begin, end = (np.clip(edge // size, 0, len(edges)) for edge in (start, stop))
            begin = np.minimum(begin, end)
            total = running[end, candidates.series] - running[begin, candidates.series]
            among = n_good[end] - n_good[begin]
            features[f"flicker_{seconds:g}s_{name}"] = np.where(among > 0, total / np.maximum(among, 1), np.nan)
    return features


def _surroundings(candidates: Candidates, counts: Counts) -> dict[str, Array]:
    opening, closing = (edge[candidates.first] for edge in counts.borders())
    middle = (candidates.first + candidates.after - 1) // 2
    context = {name: counts.context[middle, i].astype(np.float64) for i, name in enumerate(counts.context_names)}
    before = counts.time[candidates.first] - counts.time[opening]
    after = counts.time[closing - 1] - counts.time[candidates.after - 1]
    return context | {"gap_before": np.minimum(before, _FAR_GAP), "gap_after": np.minimum(after, _FAR_GAP)}


def disjoint(candidates: Candidates, ranking: Array, counts: Counts, settings: Trigger) -> NDArray[np.bool_]:
    """Return the (candidates,) mask of those more than ``trigger.merge`` s from all kept ones of higher ranking."""
    order = np.argsort(-ranking, kind="stable")
    max_gap = round(settings.merge / counts.cadence)
    same_level = np.zeros(len(candidates), np.int64)
    owner = _owners(candidates.first[order], candidates.after[order], same_level, counts.segment, max_gap)
    kept = np.zeros(len(candidates), bool)
    kept[order] = owner == np.arange(len(candidates))
    return kept


def merge_candidates(
    candidates: Candidates, chosen: Rows, ranking: Array, counts: Counts, settings: Trigger
) -> tuple[Rows, Rows, Rows]:
    """Merge candidates whose windows overlap or are at most ``trigger.merge`` s apart into events.

    All windows of a candidate count, not its core alone; none are merged across a gap. An event lasts from the first to
    the last row of the windows that are at least half as significant as their core.

    Args:
        candidates: in time order.
        chosen: (n,) indices of the candidates to merge, increasing.
        ranking: (candidates,) ranking statistic.
        counts: the counts that were searched.
        settings: of the search.

    Returns:
        (events,) first row, row after the last, and index of the candidate of the highest ranking, in time order.
    """
    if not len(chosen):
        return chosen, chosen, chosen
    everything = np.ones(len(candidates.member), bool)
    (start, stop), (first, after) = (_extent(candidates, among) for among in (everything, candidates.strong_windows()))
    chosen = chosen[np.argsort(start[chosen], kind="stable")]
    furthest = np.maximum.accumulate(stop[chosen])
    max_gap = round(settings.merge / counts.cadence)
    apart = start[chosen][1:] > furthest[:-1] + max_gap
    apart |= counts.segment[start[chosen][1:]] != counts.segment[furthest[:-1] - 1]
    event = np.concatenate([[0], np.cumsum(apart)])
    begins = np.flatnonzero(np.concatenate([[True], apart]))
    best = np.lexsort((-ranking[chosen], event))[begins]
    return (
        np.minimum.reduceat(first[chosen], begins),
        np.maximum.reduceat(after[chosen], begins),
        chosen[best],
    )


def _extent(candidates: Candidates, among: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Return the first row, and the row after the last, of the core and some of the windows of each candidate."""
    start, stop = candidates.first.copy(), candidates.after.copy()
    np.minimum.at(start, candidates.member[among], candidates.windows.first[among])
    np.maximum.at(stop, candidates.member[among], candidates.windows.after[among])
    return start, stop
