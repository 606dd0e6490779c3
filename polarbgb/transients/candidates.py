"""Candidates: groups of windows around a strongest one, and features that say how unlike the background each is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.config import Trigger
from polarbgb.transients.counts import Counts
from polarbgb.transients.focus import stored
from polarbgb.transients.local_baseline import BASELINES, scaled
from polarbgb.transients.noise import Noise, running_sums
from polarbgb.transients.windows import Windows

Array = NDArray[np.float64]

_STRONG = 0.5
"""Windows with this share of the significance of the strongest of their candidate make its bins and its extent."""

_OCTAVES = 8.0
"""Lengths are classed by powers of this; a window joins candidates of its own class and the next ones: a spike on a
slow rise is a candidate of its own."""

_FLICKER = ((3.0, 60.0), (10.0, 200.0), (30.0, 900.0))
"""Variability beside the window: length of the sums compared, and how far they are looked at, s."""

_FAR_GAP = 900.0
"""s: a gap farther away is all the same."""


@dataclass(frozen=True)
class Candidates:
    """Groups of windows, one element per candidate, in time order.

    Attributes:
        core: index of its strongest window.
        first: first row of that window.
        after: row after its last.
        trigger: row at which the search of that window first exceeded the threshold.
        significance: sigma of that window.
        series: number of the series in which it is strongest.
        member: (windows,) candidate that each window belongs to.
        windows: that were grouped.
    """

    core: NDArray[np.int64]
    first: NDArray[np.int64]
    after: NDArray[np.int64]
    trigger: NDArray[np.int64]
    significance: Array
    series: NDArray[np.int64]
    member: NDArray[np.int64]
    windows: Windows

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.core)

    def strong_windows(self) -> NDArray[np.bool_]:
        """Return the (windows,) mask of those at least half as significant as the strongest of their candidate."""
        return np.asarray(self.windows.significance >= _STRONG * self.significance[self.member])


def group_windows(windows: Windows, counts: Counts, settings: Trigger) -> Candidates:
    """Group windows around the strongest of them.

    Windows are taken from the strongest down. One that overlaps the core of a candidate, or lies within
    ``trigger.merge`` s of it, joins it, unless its length is of another order; any other is the core of a new
    candidate. Cores of about the same length are therefore disjoint, however restless the data are.
    """
    reach = round(settings.merge / counts.cadence)
    order = np.lexsort((windows.first, windows.after - windows.first, -windows.significance))
    levels = np.floor(np.log(np.maximum(windows.after - windows.first, 1)) / np.log(_OCTAVES)).astype(np.int64)
    owner = _owners(windows.first[order], windows.after[order], levels[order], counts.segment, reach)
    core = order[np.flatnonzero(owner == np.arange(len(order)))]
    in_time = np.argsort(windows.first[core], kind="stable")
    core = core[in_time]
    # From the place in the order of strength to the number of the candidate in time.
    number = np.full(len(order), -1)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    number[place[core]] = np.arange(len(core))
    member = np.empty(len(order), np.int64)
    member[order] = number[owner]
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


@stored
def _owners(first, after, level, segment, reach):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return for each window, strongest first, the place of the core that it joins: its own where it is a core."""
    rows, n_levels = len(segment), 1
    for window in range(len(level)):
        n_levels = max(n_levels, level[window] + 1)
    claimed = np.full((n_levels, rows), -1, np.int32)
    owner = np.empty(len(first), np.int64)
    for window in range(len(first)):
        begin, stop = max(0, first[window] - reach), min(rows, after[window] + reach)
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
    """Return features that say how unlike the background each candidate is.

    None of them says which bins an excess lies in, so that a transient with a spectrum that nobody thought of ranks as
    high as one that was expected:

    - the largest significance of its windows at each scale, and how many windows, series and scales there are;
    - its core against the background scaled to two local baselines: significance, amplitude, the step from before to
      after, its length, the share of its excess in the first half, and the distance of all bins together
      (:meth:`polarbgb.transients.noise.Noise.distances`);
    - variability before and after it: the mean squared second difference of sums of 3, 10 and 30 s, in units of
      counting noise;
    - where it was taken, the distance to the gaps on both sides, and the expected counts.

    Args:
        candidates: from :func:`group_windows`.
        counts: that were searched.
        noise: from :func:`polarbgb.transients.noise.measure_noise`.
        settings: of the search.

    Returns:
        By name, (candidates,) values; NaN where something is not known.
    """
    observed, expected = running_sums(counts.observed), running_sums(counts.expected)
    distances = noise.distances(counts, candidates.first, candidates.after, settings)
    features = {
        **_by_scale(candidates, settings),
        **_against_baselines(candidates, counts, observed, expected, settings),
        **{f"distance_{name}": distance for name, distance in distances.items()},
        **_variability(candidates, counts, observed, expected),
        **_surroundings(candidates, counts),
    }
    return {name: values.astype(np.float32) for name, values in features.items()}


def _by_scale(candidates: Candidates, settings: Trigger) -> dict[str, Array]:
    windows, number = candidates.windows, len(candidates)
    features = {"significance": candidates.significance}
    for i_scale, scale in enumerate(settings.scales):
        of_scale = windows.scale == i_scale
        largest = np.zeros(number)
        np.maximum.at(largest, candidates.member[of_scale], windows.significance[of_scale])
        features[f"significance_{scale:g}s"] = largest
    for name, labels in (("n_series", windows.series), ("n_scales", windows.scale)):
        distinct = np.unique(np.column_stack([candidates.member, labels]), axis=0)[:, 0]
        features[name] = np.bincount(distinct, minlength=number).astype(np.float64)
    features["n_windows"] = np.bincount(candidates.member, minlength=number).astype(np.float64)
    return features


def _against_baselines(
    candidates: Candidates, counts: Counts, observed: Array, expected: Array, settings: Trigger
) -> dict[str, Array]:
    """Compare cores with local baselines, from the (rows + 1, bins) running sums of counts."""
    first, after = candidates.first, candidates.after

    def between(sums: Array, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Array:
        return counts.of_series(sums[stop] - sums[start], candidates.series)

    inside, background = between(observed, first, after), between(expected, first, after)
    length, middle = after - first, (first + after) // 2
    features = {"length": length * counts.cadence, "log_expected": np.log(background / length)}
    for name, baseline in BASELINES.items():
        edges = baseline.edges(first, after, counts)
        sides = [(between(observed, *edge), between(expected, *edge)) for edge in edges]
        beside, due = (before + later for before, later in zip(*sides, strict=True))
        background_here = scaled(background, beside, due, settings)
        excess = inside - background_here
        before, later = ((found - told) / np.sqrt(np.maximum(told, 1.0)) for found, told in sides)
        both = (edges[0][1] > edges[0][0]) & (edges[1][1] > edges[1][0])
        half = between(observed, first, middle) - between(expected, first, middle) * background_here / background
        features |= {
            f"excess_{name}": excess / np.sqrt(background_here * (1 + background_here / np.maximum(beside, 50.0))),
            f"amplitude_{name}": excess / background_here,
            f"step_{name}": np.where(both, later - before, np.nan),
            f"before_{name}": before,
            f"after_{name}": later,
            f"first_half_{name}": np.clip(half / np.where(np.abs(excess) > 1, excess, 1.0), -3, 3),
        }
    return features


def _variability(candidates: Candidates, counts: Counts, observed: Array, expected: Array) -> dict[str, Array]:
    """Measure the variability beside cores, from the (rows + 1, bins) running sums of counts."""
    features: dict[str, Array] = {}
    for seconds, reach in _FLICKER:
        size = max(1, round(seconds / counts.cadence))
        edges = np.arange(0, len(counts.time) - size, size)
        if len(edges) < 3:
            continue
        whole = counts.segment[edges] == counts.segment[edges + size - 1]
        good = whole.copy()
        good[1:-1] &= whole[:-2] & whole[2:] & (counts.segment[edges[:-2]] == counts.segment[edges[2:]])
        good[[0, -1]] = False
        seen, due = (
            np.column_stack([(sums[edges + size] - sums[edges])[:, bins].sum(axis=1) for bins in counts.series])
            for sums in (observed, expected)
        )
        ratio = seen / due
        square = np.zeros_like(ratio)
        square[1:-1] = (ratio[1:-1] - (ratio[:-2] + ratio[2:]) / 2) ** 2 * due[1:-1] / 1.5
        running = running_sums(np.where(good[:, None], np.minimum(square, 100.0), 0.0))
        number = np.concatenate([[0], np.cumsum(good)])
        far = max(1, round(reach / counts.cadence))
        for name, start, stop in (
            ("before", candidates.first - far, candidates.first - size),
            ("after", candidates.after + size, candidates.after + far),
        ):
            begin, end = (np.clip(edge // size, 0, len(edges)) for edge in (start, stop))
            begin = np.minimum(begin, end)
            total = running[end, candidates.series] - running[begin, candidates.series]
            among = number[end] - number[begin]
            features[f"flicker_{seconds:g}s_{name}"] = np.where(among > 0, total / np.maximum(among, 1), np.nan)
    return features


def _surroundings(candidates: Candidates, counts: Counts) -> dict[str, Array]:
    opening, closing = (edge[candidates.first] for edge in counts.borders())
    middle = (candidates.first + candidates.after - 1) // 2
    context = {name: counts.context[middle, i].astype(np.float64) for i, name in enumerate(counts.context_names)}
    before = counts.time[candidates.first] - counts.time[opening]
    after = counts.time[closing - 1] - counts.time[candidates.after - 1]
    return context | {
        "gap_before": np.minimum(before, _FAR_GAP),
        "gap_after": np.minimum(after, _FAR_GAP),
    }


def disjoint(candidates: Candidates, ranking: Array, counts: Counts, settings: Trigger) -> NDArray[np.bool_]:
    """Return the (candidates,) mask of those more than ``trigger.merge`` s from all kept ones of higher ranking."""
    order = np.argsort(-ranking, kind="stable")
    reach = round(settings.merge / counts.cadence)
    kept = np.zeros(len(candidates), bool)
    kept[order] = _apart(candidates.first[order], candidates.after[order], counts.segment, reach)
    return kept


@stored
def _apart(first, after, segment, reach):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return which spans of rows, best first, keep their distance from all better ones that are kept."""
    rows = len(segment)
    claimed = np.zeros(rows, np.bool_)
    kept = np.zeros(len(first), np.bool_)
    for span in range(len(first)):
        begin, stop = max(0, first[span] - reach), min(rows, after[span] + reach)
        free = True
        for row in range(begin, stop):
            if claimed[row] and segment[row] == segment[first[span]]:
                free = False
                break
        if free:
            kept[span] = True
            for row in range(first[span], after[span]):
                claimed[row] = True
    return kept


def merge_candidates(
    candidates: Candidates, chosen: NDArray[np.int64], ranking: Array, counts: Counts, settings: Trigger
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Join candidates whose windows overlap or are at most ``trigger.merge`` s apart; none joins across a gap.

    The windows of a candidate bridge what lies between two cores. The event lasts from the first to the last row of the
    windows that are at least half as significant as the core that they belong to.

    Args:
        candidates: in time order.
        chosen: (n,) numbers of those that are joined, increasing.
        ranking: (candidates,) ranking statistic.
        counts: that were searched.
        settings: of the search.

    Returns:
        (events,) first row, row after the last, and number of the candidate of the highest ranking, in time order.
    """
    if not len(chosen):
        return chosen, chosen, chosen
    everything = np.ones(len(candidates.member), bool)
    (start, stop), (first, after) = (_extent(candidates, among) for among in (everything, candidates.strong_windows()))
    chosen = chosen[np.argsort(start[chosen], kind="stable")]
    furthest = np.maximum.accumulate(stop[chosen])
    reach = round(settings.merge / counts.cadence)
    apart = start[chosen][1:] > furthest[:-1] + reach
    apart |= counts.segment[start[chosen][1:]] != counts.segment[furthest[:-1] - 1]
    event = np.concatenate([[0], np.cumsum(apart)])
    begins = np.flatnonzero(np.concatenate([[True], apart]))
    best = np.lexsort((-ranking[chosen], event))[begins]
    return (
        np.minimum.reduceat(first[chosen], begins),
        np.maximum.reduceat(after[chosen], begins),
        chosen[best],
    )


def _extent(candidates: Candidates, among: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row, and that after the last, of some windows of each candidate and of its core."""
    start, stop = candidates.first.copy(), candidates.after.copy()
    np.minimum.at(start, candidates.member[among], candidates.windows.first[among])
    np.maximum.at(stop, candidates.member[among], candidates.windows.after[among])
    return start, stop
