"""Poisson-FOCuS: find for every row the most significant of all windows that end there.

Plotted over the cumulative background, the cumulative counts of a segment are a curve, a window is a chord of this
curve, and the slope of the chord is the intensity. The log likelihood ratio of an intensity mu against 1,
``X ln(mu) - B (mu - 1)``, is linear in the ends of the chord. For a given end, therefore, only corners of the lower
convex hull of the curve can be the best start (of the upper hull for deficits). There are about ln(rows) of them (Ward
et al., arXiv:2208.01494; Dilillo et al., arXiv:2302.04743). Three things are added:

- The length of windows can be limited, and the result stays exact. A start inside the hull may become a corner when
  older starts are too old. The hull is then rebuilt from its newest start backwards, which also yields all the hulls
  that remain as it ages. This hull and that of the starts since then are a queue made of two stacks, at a constant
  cost per row.
- Intensities closer to 1 than mu_min are no alternative, as in the papers; a fainter window has the likelihood of
  mu_min. The result is the maximum over all windows.
- Logarithms are computed only where an upper bound on the likelihood ratio exceeds the threshold.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from polarbgb.transients.compiled import compiled, compiled_once
from polarbgb.transients.rows import Rows

Array: TypeAlias = NDArray[np.float64]
_T = TypeVar("_T", np.float64, np.int32)
_Arrays: TypeAlias = tuple[Array, Array, NDArray[np.int32]]
_Numbers: TypeAlias = tuple[float, float, float, int, float, float]


class Series(NamedTuple):
    """Observed and expected counts of one energy bin.

    Attributes:
        counts: (n,) observed counts, at least 0; whole numbers, or divided by a dispersion.
        background: (n,) expected counts, > 0, in the same unit.
        segment: (n,) segment of each row; no window spans two.
    """

    counts: Array
    background: Array
    segment: NDArray[np.int32]


class Windows(NamedTuple):
    """Windows of rows, half-open.

    Attributes:
        trigger: (n,) row at which the significance first exceeded the threshold.
        start: (n,) first row.
        stop: (n,) row after the last.
        significance: (n,) sigma.
    """

    trigger: Rows
    start: Rows
    stop: Rows
    significance: Array


def trace(
    series: Series, *, sign: int = 1, mu_min: float = 1.0, longest: int | None = None, threshold: float = 0.0
) -> tuple[Array, Rows]:
    """Return the largest significance of the windows that end at each row, and the first row of the best window.

    The significance of a window of X counts over a background B is sqrt(2 LLR), LLR the largest
    ``X ln(mu) - B (mu - 1)`` over mu >= mu_min (mu <= 1 / mu_min for deficits), or 0. That is
    ``X ln(X / B) - (X - B)`` where the measured intensity X / B reaches mu_min. Except for rounding, the result is
    exact for every mu_min and every limit. No trials factor is applied.

    Args:
        series: of n rows.
        sign: +1 for an excess, -1 for a deficit.
        mu_min: least intensity sought, >= 1. A window less than about half as far from 1 has a significance of 0.
            In noise, a background that is wrong by 0.1 * (mu_min - 1) rarely triggers, by 0.5 * (mu_min - 1) often.
        longest: longest window, rows; None for no limit.
        threshold: sigma; the significance is set to 0 where it does not exceed the threshold.

    Returns:
        (n,) significance, sigma, and (n,) first row of the best window, -1 where the significance is 0.

    Raises:
        ValueError: if the series or a setting is out of range.

    Example:
        >>> trace(Series(np.array([9.0, 12.0, 12.0]), np.full(3, 9.0), np.zeros(3, np.int32)))[1].tolist()
        [-1, 1, 1]
    """
    return _trace(_checked(series), _sought(sign, mu_min, longest, threshold, len(series.counts)))


def windows(
    series: Series, *, sign: int = 1, mu_min: float = 1.0, longest: int | None = None, threshold: float = 5.0
) -> Windows:
    """Find disjoint windows above a threshold, one after the other; errors as of :func:`trace`.

    A search triggers where the significance first exceeds the threshold. It ends with the segment, or when no better
    window was found for as many rows as its best window is long. The next search begins after that window.

    Args:
        series: of n rows.
        sign: as for :func:`trace`.
        mu_min: as for :func:`trace`.
        longest: as for :func:`trace`.
        threshold: sigma.

    Returns:
        The best window of each search, in time order.
    """
    return Windows(*_windows(_checked(series), _sought(sign, mu_min, longest, threshold, len(series.counts))))


@cache
def compile_windows() -> None:
    """Compile :func:`windows` before threads call it: numba may fail if two threads compile at once."""
    windows(Series(np.zeros(1), np.ones(1), np.zeros(1, np.int32)))


class _Sought(NamedTuple):
    """The windows that are sought.

    Attributes:
        sign: +1 for excesses, -1 for deficits.
        nearest: the intensity sought that is nearest to 1.
        slope: signed counts over background of a window for which ``nearest`` is as likely as 1.
        longest: longest window, rows.
        enough: log likelihood ratio of the threshold.
        beyond: 1 for deficits, for which :func:`_bound` needs its second term, else 0.
    """

    sign: float
    nearest: float
    slope: float
    longest: int
    enough: float
    beyond: float


class _Hull(NamedTuple):
    """Corners of the curve of signed cumulative counts over cumulative background.

    Attributes:
        begin: first row of the windows that start at each corner.
        height: signed counts before it.
        width: background before it.
        follow: index of the next corner to look at, -1 for none.
    """

    begin: Rows
    height: Array
    width: Array
    follow: Rows


class _Buffers(NamedTuple):
    """Arrays that a search writes to.

    Attributes:
        recent: hull of the starts since ``old`` was built, oldest first.
        old: hulls of the starts before, see :func:`_rebuilt`.
        significance: (n,) of the best window that ends with each row, sigma; written where it exceeds the threshold.
        start: (n,) first row of that window; written in the same rows.
    """

    recent: _Hull
    old: _Hull
    significance: Array
    start: Rows


def _checked(series: Series) -> _Arrays:
    """Return the arrays of a series in the types that the compiled loops take."""
    counts, background = _read_only(series.counts, np.float64), _read_only(series.background, np.float64)
    segment = _read_only(series.segment, np.int32)
    if not counts.shape == background.shape == segment.shape == (len(counts),):
        raise ValueError("counts, background and segment differ in length")
    total = np.sum(counts) + np.sum(background)
    if not (np.all(counts >= 0) and np.all(background > 0) and np.isfinite(total)):
        raise ValueError("counts must be finite and >= 0, the background finite and > 0")
    if np.any(background <= np.finfo(np.float64).eps * total):
        raise ValueError("the background of a row is lost in the sum over all")
    return counts, background, segment


def _read_only(values: NDArray[_T], dtype: type[_T]) -> NDArray[_T]:
    """Return a read-only view: numba compiles separately for writable arrays."""
    view = np.ascontiguousarray(values, dtype).view()
    view.flags.writeable = False
    return view


def _sought(sign: int, mu_min: float, longest: int | None, threshold: float, rows: int) -> _Numbers:
    """Return the fields of :class:`_Sought` for a series of a number of rows."""
    if sign not in {1, -1} or not 1 <= mu_min < math.inf or not 0 <= threshold < math.inf:
        raise ValueError(f"sign {sign}, mu_min {mu_min} or threshold {threshold} is out of range")
    if longest is not None and longest < 1:
        raise ValueError(f"the longest window has {longest} rows; it must have at least 1")
    nearest = float(mu_min) ** sign
    slope = 1.0 if nearest == 1 else (nearest - 1) / math.log(nearest)
    limit = rows if longest is None else min(longest, rows)
    return float(sign), nearest, sign * slope, limit, threshold**2 / 2, float(sign < 0)


@compiled_once
def _trace(arrays: _Arrays, numbers: _Numbers) -> tuple[Array, Rows]:
    series, sought = Series(*arrays), _Sought(*numbers)
    rows, corners = len(series.counts), sought.longest + 2
    buffers = _Buffers(_empty_hull(corners), _empty_hull(corners), np.zeros(rows), np.full(rows, -1))
    _search(series, sought, 0, False, buffers)
    return buffers.significance, buffers.start


@compiled_once
def _windows(arrays: _Arrays, numbers: _Numbers) -> tuple[Rows, Rows, Rows, Array]:
    # There are at most as many windows as rows. Memory that is not written to is not allocated.
    series, sought = Series(*arrays), _Sought(*numbers)
    rows, corners = len(series.counts), sought.longest + 2
    buffers = _Buffers(_empty_hull(corners), _empty_hull(corners), np.empty(rows), np.empty(rows, np.int64))
    triggers, starts, stops = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    significance = np.empty(rows)
    n = first = 0  # windows found, and first row of the next search
    while first < rows:
        trigger, start, first, largest = _search(series, sought, first, True, buffers)
        if largest > 0:
            triggers[n], starts[n], stops[n], significance[n] = trigger, start, first, largest
            n += 1
    return triggers[:n].copy(), starts[:n].copy(), stops[:n].copy(), significance[:n].copy()


@compiled
def _search(series: Series, sought: _Sought, first: int, single: bool, out: _Buffers) -> tuple[int, int, int, float]:
    """Go through the rows, to the last one or to where the search for a single window ends.

    Args:
        series: of all rows.
        sought: the windows that are sought.
        first: row to begin with; no window starts before it.
        single: whether the search ends as in :func:`windows`.
        out: arrays to write to.

    Returns:
        Trigger, start, stop and significance of the best window; without one, the last two are n and 0.
    """
    # One long function: passing arrays and state to a function for each row is several times slower.
    counts, background, segment = series
    recent, old, significance, starts = out
    trigger, start, stop, largest = first, first, len(counts), 0.0
    top, held = 0, -1  # newest corner of the recent hull, oldest of the old one
    height = width = lowest = bound = 0.0
    for row in range(first, len(counts)):
        unbroken = row > first and segment[row] == segment[row - 1]
        if single and largest > 0 and (not unbroken or row - stop >= stop - start):
            break
        if not unbroken:
            top, held = _put(recent, 0, row, 0.0, 0.0), -1
            height = width = lowest = bound = 0.0
        height += sought.sign * counts[row]
        width += background[row]
        bound += _bound(sought.sign * (counts[row] - background[row]), background[row], sought)

        level = height - sought.slope * width
        oldest = row + 1 - sought.longest
        while held >= 0 and old.begin[held] < oldest:
            held -= 1
        if held < 0 and recent.begin[0] < oldest:
            held = _rebuilt(series, sought, oldest, row, old)
            height = width = lowest = 0.0
            top = _put(recent, 0, row + 1, height, width)
        elif level > lowest:
            top = _put(recent, _last_kept(recent, top, height, width) + 1, row + 1, height, width)
        else:
            # The next row is a better start than all recent ones.
            if held < 0:
                height = width = level = bound = 0.0
            lowest = level
            top = _put(recent, 0, row + 1, height, width)

        if bound > sought.enough:
            ratio, begin, bound = _best(recent, top, height, width, sought)
            older, older_begin, older_bound = _best(old, held, height, width, sought)
            bound = max(bound, older_bound)
            if older > ratio:
                ratio, begin = older, older_begin
            if ratio > 0:
                significance[row], starts[row] = math.sqrt(2 * ratio), begin
                if significance[row] > largest:
                    trigger = row if largest == 0 else trigger
                    start, stop, largest = begin, row + 1, significance[row]
    return trigger, start, stop, largest


@compiled
def _empty_hull(corners: int) -> _Hull:
    return _Hull(np.empty(corners, np.int64), np.empty(corners), np.empty(corners), np.empty(corners, np.int64))


@compiled
def _put(hull: _Hull, index: int, begin: int, height: float, width: float) -> int:
    """Write a corner that is followed by the one before it, and return its index."""
    hull.begin[index], hull.follow[index] = begin, index - 1
    hull.height[index], hull.width[index] = height, width
    return index


@compiled
def _last_kept(hull: _Hull, top: int, height: float, width: float) -> int:
    """Return the newest corner that stays on the lower hull when a point is added after all of them."""
    heights, widths = hull.height, hull.width
    while top > 0 and (height - heights[top]) * (widths[top] - widths[top - 1]) <= (heights[top] - heights[top - 1]) * (
        width - widths[top]
    ):
        top -= 1
    return top


@compiled
def _rebuilt(series: Series, sought: _Sought, oldest: int, newest: int, hull: _Hull) -> int:
    """Build the hulls that begin with each start, newest first; the end of the newest row is the origin.

    Args:
        series: of all rows.
        sought: sign, and slope by which a start is compared with later ones.
        oldest: first row that a window may start with.
        newest: last row.
        hull: written to. The corners that follow each corner are the hull of the starts from that corner on.

    Returns:
        Index of the oldest corner, -1 if no start is better than one after the newest row.
    """
    last = -1
    height = width = lowest = 0.0
    for row in range(newest, oldest - 1, -1):
        height -= sought.sign * series.counts[row]
        width -= series.background[row]
        level = height - sought.slope * width
        if level >= lowest:
            continue
        lowest = level
        corner = last
        while corner >= 0 and hull.follow[corner] >= 0:
            after = hull.follow[corner]
            rise, run = hull.height[after] - hull.height[corner], hull.width[after] - hull.width[corner]
            if (hull.height[corner] - height) * run < rise * (hull.width[corner] - width):
                break
            corner = after
        last = _put(hull, last + 1, row, height, width)
        hull.follow[last] = corner
    return last


@compiled
def _best(hull: _Hull, corner: int, height: float, width: float, sought: _Sought) -> tuple[float, int, float]:
    """Compare all windows that start at the corners of a hull.

    Returns:
        Log likelihood ratio of the best window, 0 if below the threshold; its first row; an upper bound for all.
    """
    largest, start, bound = 0.0, -1, 0.0
    while corner >= 0:
        expected = width - hull.width[corner]
        excess = height - hull.height[corner] - sought.sign * expected
        ratio = _bound(excess, expected, sought)
        if ratio > max(sought.enough, largest):
            ratio = _ratio(excess, expected, sought)
            if ratio > max(sought.enough, largest):
                largest, start = ratio, hull.begin[corner]
        bound = max(bound, ratio)
        corner = hull.follow[corner]
    return largest, start, bound


@compiled
def _ratio(excess: float, expected: float, sought: _Sought) -> float:
    """Return the log likelihood ratio of the best intensity sought, given the signed excess counts of a window."""
    counts = max(expected + sought.sign * excess, 0.0)
    if sought.sign * (counts - sought.nearest * expected) < 0:
        return counts * math.log(sought.nearest) - expected * (sought.nearest - 1)
    if counts == 0:
        return expected
    return counts * math.log(counts / expected) - sought.sign * excess


@compiled
def _bound(excess: float, expected: float, sought: _Sought) -> float:
    """Return an upper bound of the log likelihood ratio, at least 0, without a logarithm.

    In units of the background, the ratio of an excess e is (1 + e) ln(1 + e) - e <= e^2 / 2. That of a deficit e is the
    sum of e^k / (k (k - 1)) from k = 2 on. Its terms beyond the first add up to e^3 / 2 at most.
    """
    # Where mu_min is not likelier than 1, intensities farther from 1 are not either. A product is used instead of a
    # branch, which the processor would mispredict half of the time.
    likelier = 1.0 * (excess > (sought.slope - sought.sign) * expected)
    relative = excess / expected
    return likelier * 0.5 * excess * relative * (1 + sought.beyond * relative)
