"""Poisson-FOCuS: at every row, the most significant of all windows that end there.

Lay the cumulative counts of a segment out over its cumulative background: a window is a chord of this curve, its slope
the intensity. The log likelihood ratio of an intensity mu against 1 is ``X ln(mu) - B (mu - 1)``, linear in the ends of
the chord: for a given end, only the corners of the lower convex hull of the curve can be the best start (of the upper
hull for deficits). They are some ln(rows) in number (Ward et al., arXiv:2208.01494; Dilillo et al., arXiv:2302.04743).
Three things are added:

- A limit on the length of windows that stays exact. A start inside the hull may become a corner when older ones leave
  it. Then the hull is built again, from its newest start backwards, which on the way makes the hulls that will be left
  as it ages. It and the hull of the starts since then are a queue made of two stacks, at a constant cost a row.
- An intensity nearer to 1 than mu_min is no alternative, as in the papers; a window that is fainter than that has the
  likelihood of mu_min. So the result is a maximum over all windows, and not over those that happen to be kept.
- Logarithms are taken only where what the rows since the last look can have added at most passes the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, ParamSpec, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T", np.float64, np.int32)
_Arrays: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]
_Numbers: TypeAlias = tuple[float, float, float, int, float, float]
_Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


class Series(NamedTuple):
    """Counts of one energy bin and what is expected of them.

    Attributes:
        counts: (n,) not negative; whole, or divided by a dispersion.
        background: (n,) expected counts, > 0, in the same unit.
        segment: (n,) number of the unbroken stretch of each row; no window holds two.
    """

    counts: NDArray[np.float64]
    background: NDArray[np.float64]
    segment: NDArray[np.int32]


class Windows(NamedTuple):
    """Windows of rows, half-open.

    Attributes:
        trigger: (n,) row at which the significance first exceeded the threshold.
        start: (n,) first row.
        stop: (n,) row after the last.
        significance: (n,) sigma.
    """

    trigger: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    significance: NDArray[np.float64]


def trace(
    series: Series, *, sign: int = 1, mu_min: float = 1.0, longest: int | None = None, threshold: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the largest significance over the windows that end at each row, and where the best one starts.

    The significance of a window of X counts over a background B is sqrt(2 LLR), LLR the largest
    ``X ln(mu) - B (mu - 1)`` over mu >= mu_min (mu <= 1 / mu_min for deficits), or 0. That is
    ``X ln(X / B) - (X - B)`` where the measured intensity X / B reaches mu_min. But for rounding, the result is exact
    for every mu_min and every limit. It does not pay for the number of windows that were searched.

    Args:
        series: of n rows.
        sign: +1 for an excess, -1 for a deficit.
        mu_min: least intensity sought, >= 1. A window less than about half as far from 1 has no significance at all.
            With noise, a background that is wrong by a tenth of mu_min - 1 hardly triggers, one by half of it often.
        longest: longest window, rows; None is no limit.
        threshold: sigma; where the significance does not exceed it, 0 stands instead.

    Returns:
        (n,) significance, sigma, and (n,) first row of the best window, -1 where the significance is 0.

    Raises:
        ValueError: if the series or a setting is not as asked.

    Example:
        >>> trace(Series(np.array([9.0, 12.0, 12.0]), np.full(3, 9.0), np.zeros(3, np.int32)))[1].tolist()
        [-1, 1, 1]
    """
    return _trace(_checked(series), _sought(sign, mu_min, longest, threshold, len(series.counts)))


def windows(
    series: Series, *, sign: int = 1, mu_min: float = 1.0, longest: int | None = None, threshold: float = 5.0
) -> Windows:
    """Find disjoint windows above a threshold, one after the other.

    The search triggers where the significance first exceeds the threshold. It ends when, for as many rows as its best
    window is long, there was none better, or with the segment, and a new search begins after that window.

    Args:
        series: of n rows.
        sign: as in :func:`trace`.
        mu_min: as there.
        longest: as there.
        threshold: sigma.

    Returns:
        The best window of each search, in time order.

    Raises:
        ValueError: as there.
    """
    return Windows(*_windows(_checked(series), _sought(sign, mu_min, longest, threshold, len(series.counts))))


@cache
def compile_windows() -> None:
    """Compile :func:`windows` before threads call it: two that compile at once may break numba."""
    windows(Series(np.zeros(1), np.ones(1), np.zeros(1, np.int32)))


class _Sought(NamedTuple):
    """What is searched for.

    Attributes:
        sign: +1 or -1.
        nearest: the intensity sought that is nearest to 1.
        slope: signed counts by background of the window for which it is as likely as 1.
        longest: window, rows.
        enough: log likelihood ratio of the threshold.
        beyond: 1 if the terms of :func:`_bound` beyond the first count, as they do for deficits, else 0.
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
        follow: place of the next corner to look at, -1 for none.
    """

    begin: NDArray[np.int64]
    height: NDArray[np.float64]
    width: NDArray[np.float64]
    follow: NDArray[np.int64]


class _Room(NamedTuple):
    """What a search writes to.

    Attributes:
        recent: hull of the starts since the other one was built, oldest first.
        old: hulls of the starts before, see :func:`_turn`.
        significance: (n,) of the best window that ends with each row, sigma; written where it exceeds the threshold.
        start: (n,) its first row; written there.
    """

    recent: _Hull
    old: _Hull
    significance: NDArray[np.float64]
    start: NDArray[np.int64]


def _checked(series: Series) -> _Arrays:
    """Return it as the compiled loops take it."""
    counts, background = _read_only(series.counts, np.float64), _read_only(series.background, np.float64)
    segment = _read_only(series.segment, np.int32)
    if not counts.shape == background.shape == segment.shape == (len(counts),):
        raise ValueError("counts, background and segment are not of one length")
    total = np.sum(counts) + np.sum(background)
    if not (np.all(counts >= 0) and np.all(background > 0) and np.isfinite(total)):
        raise ValueError("counts must be finite and >= 0, the background finite and > 0")
    if np.any(background <= np.finfo(np.float64).eps * total):
        raise ValueError("the background of a row is lost in the sum over all")
    return counts, background, segment


def _read_only(values: NDArray[_T], dtype: type[_T]) -> NDArray[_T]:
    """Return a view that no one can write to: arrays that can be are another type, compiled for on its own."""
    view = np.ascontiguousarray(values, dtype).view()
    view.flags.writeable = False
    return view


def _sought(sign: int, mu_min: float, longest: int | None, threshold: float, rows: int) -> _Numbers:
    """Return what is searched for in so many rows, see :class:`_Sought`."""
    if sign not in {1, -1} or not 1 <= mu_min < math.inf or not 0 <= threshold < math.inf:
        raise ValueError(f"sign {sign}, mu_min {mu_min} or threshold {threshold} is out of range")
    if longest is not None and longest < 1:
        raise ValueError(f"the longest window has {longest} rows")
    nearest = float(mu_min) ** sign
    slope = 1.0 if nearest == 1 else (nearest - 1) / math.log(nearest)
    limit = rows if longest is None else min(longest, rows)
    return float(sign), nearest, sign * slope, limit, threshold**2 / 2, float(sign < 0)


def _compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    return cast(Callable[_P, _R], numba.njit(nogil=True, error_model="numpy")(function))


def stored(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function and what it calls once for all processes, or once a process where no folder can be written to.

    It takes plain tuples: numba could not read its store any more after one of our classes in it was renamed.
    """
    try:
        return cast(Callable[_P, _R], numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:
        return _compiled(function)


@stored
def _trace(arrays: _Arrays, numbers: _Numbers) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    series, sought = Series(*arrays), _Sought(*numbers)
    rows, corners = len(series.counts), sought.longest + 2
    room = _Room(_empty_hull(corners), _empty_hull(corners), np.zeros(rows), np.full(rows, -1))
    _search(series, sought, 0, False, room)
    return room.significance, room.start


@stored
def _windows(arrays: _Arrays, numbers: _Numbers) -> _Found:
    # There cannot be more windows than rows. What is not written to takes no memory.
    series, sought = Series(*arrays), _Sought(*numbers)
    rows, corners = len(series.counts), sought.longest + 2
    room = _Room(_empty_hull(corners), _empty_hull(corners), np.empty(rows), np.empty(rows, np.int64))
    triggers, starts, stops = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    significance = np.empty(rows)
    found = first = 0
    while first < rows:
        trigger, start, first, largest = _search(series, sought, first, True, room)
        if largest > 0:
            triggers[found], starts[found], stops[found], significance[found] = trigger, start, first, largest
            found += 1
    return triggers[:found].copy(), starts[:found].copy(), stops[:found].copy(), significance[:found].copy()


@_compiled
def _search(series: Series, sought: _Sought, first: int, single: bool, room: _Room) -> tuple[int, int, int, float]:
    """Go through the rows, to the last one or to where the search for a single window ends.

    Args:
        series: of all rows.
        sought: what is searched for.
        first: row to begin with; no window starts before it.
        single: whether the search ends as in :func:`windows`.
        room: to write to.

    Returns:
        Trigger, start, stop and significance of the best window; if there is none, stop is the number of rows and the
        significance 0.
    """
    # In one piece: to hand arrays and the state on to a function for each row makes it several times slower.
    counts, background, segment = series
    recent, old, significance, starts = room
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
            held = _turn(series, sought, oldest, row, old)
            height = width = lowest = 0.0
            top = _put(recent, 0, row + 1, height, width)
        elif level > lowest:
            top = _put(recent, _last_kept(recent, top, height, width) + 1, row + 1, height, width)
        else:
            # What comes next is a better start than all recent ones.
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


@_compiled
def _empty_hull(room: int) -> _Hull:
    return _Hull(np.empty(room, np.int64), np.empty(room), np.empty(room), np.empty(room, np.int64))


@_compiled
def _put(hull: _Hull, place: int, begin: int, height: float, width: float) -> int:
    """Write a corner that is followed by the one before it; return its place."""
    hull.begin[place], hull.height[place], hull.width[place], hull.follow[place] = (
        begin,
        height,
        width,
        place - 1,
    )
    return place


@_compiled
def _last_kept(hull: _Hull, top: int, height: float, width: float) -> int:
    """Return the newest corner that a point after all of them leaves on the lower hull."""
    heights, widths = hull.height, hull.width
    while top > 0 and (height - heights[top]) * (widths[top] - widths[top - 1]) <= (heights[top] - heights[top - 1]) * (
        width - widths[top]
    ):
        top -= 1
    return top


@_compiled
def _turn(series: Series, sought: _Sought, oldest: int, newest: int, hull: _Hull) -> int:
    """Build the hulls that begin with each start, newest first, all in one; the end of the newest row is the origin.

    Args:
        series: of all rows.
        sought: sign, and slope, by which a start is compared with later ones.
        oldest: first row that a window may start with.
        newest: last row.
        hull: filled. From each corner on it is the hull of the starts after the corner at the next place.

    Returns:
        Place of the oldest corner, -1 if none is better than what comes after the newest row.
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


@_compiled
def _best(hull: _Hull, corner: int, height: float, width: float, sought: _Sought) -> tuple[float, int, float]:
    """Look at all windows that start at the corners of a hull.

    Returns:
        Log likelihood ratio of the best window, 0 if it is not enough; its first row; and a bound on all of them.
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


@_compiled
def _ratio(excess: float, expected: float, sought: _Sought) -> float:
    """Return the log likelihood ratio of the best intensity sought, given the signed excess counts of a window."""
    counts = max(expected + sought.sign * excess, 0.0)
    if sought.sign * (counts - sought.nearest * expected) < 0:
        return counts * math.log(sought.nearest) - expected * (sought.nearest - 1)
    if counts == 0:
        return expected
    return counts * math.log(counts / expected) - sought.sign * excess


@_compiled
def _bound(excess: float, expected: float, sought: _Sought) -> float:
    """Return a number >= 0 that the log likelihood ratio does not exceed, without a logarithm.

    In units of the background, the ratio of an excess e is (1 + e) ln(1 + e) - e <= e^2 / 2. That of a deficit e is the
    sum of e^k / (k (k - 1)) from k = 2 on. Its terms beyond the first add up to e^3 / 2 at most.
    """
    # Unless mu_min is likelier than 1, what is further from 1 is less likely still. A product instead of a branch: the
    # processor guesses every other one wrong.
    likelier = 1.0 * (excess > (sought.slope - sought.sign) * expected)
    relative = excess / expected
    return likelier * 0.5 * excess * relative * (1 + sought.beyond * relative)
