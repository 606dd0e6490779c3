"""Backgrounds without any model, for comparison: the map, the same ground on other days, a polynomial around the row.

The map and the ground track are out of fold as the models are: a row sees only rows of other folds, and none near a
known event. No embargo is kept at the borders of a fold, which flatters both a little. The polynomial looks at the
row's own neighbourhood whatever the fold, as such fits are used in practice; what keeps it honest is the gap around
the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = 3
"""Order of the polynomial."""
REACH = 1800.0
"""The polynomial sees rows within so many s, on either side."""
LEAST_ROWS = 300
"""Fewer rows carry no polynomial."""
DAYS = 8.0
"""So many days on either side the same ground is looked for."""
FAR = 20.0
"""A ground track farther than so many degrees of longitude, at the equator, is not near the same ground."""
SEARCH = 600.0
"""The ground track is searched for the nearest position so many s around a whole number of revolutions."""

_DAY = 86400.0
_ROTATION = 360.0 / 86164.1
"""Degrees that the Earth turns in a second."""
_NEIGHBOURS = 30.0
"""s: rows so near tell how the instrument moves."""
_CELLS = ((5.0, 15.0), (6.0, 30.0), (6.0, 360.0))
"""Sizes of a cell in latitude and longitude, degrees: a coarser one where the finer one is empty."""
_ROUNDS = 3
_LEAST_SPAN = 0.1
"""Rows within less than this part of the reach would carry a polynomial anywhere."""


@dataclass(frozen=True)
class Track:
    """Where the instrument is, row by row.

    Attributes:
        latitude: (rows,) degrees north, NaN where unknown.
        longitude: (rows,) degrees east, of any turn, NaN where unknown.
        place: (rows, 3) unit vector from the Earth's centre.
        velocity: (rows, 3) change of that vector in a second; 0 where no neighbour tells.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    place: NDArray[np.float64]
    velocity: NDArray[np.float64]


def ground_track(
    time: NDArray[np.float64],
    segment: NDArray[np.integer],
    latitude: NDArray[np.floating],
    longitude: NDArray[np.floating],
) -> Track:
    """Follow the instrument.

    Args:
        time: (rows,) start of each row, unix seconds, increasing.
        segment: (rows,) unbroken stretch that each row lies in, not decreasing: velocities come from neighbours in it.
        latitude: (rows,) degrees north; beyond +-90 or not finite means unknown.
        longitude: (rows,) degrees east, -180 to 180 or 0 to 360.

    Returns:
        The track. Velocities are means over 30 s on either side: a file may note each position twice, as POLAR's
        does, and its rows would seem to stand still and jump in turn.
    """
    lat, lon = np.array(latitude, np.float64), np.array(longitude, np.float64)
    known = (np.abs(lat) <= 90) & (np.abs(lon) <= 720)
    lat[~known] = lon[~known] = np.nan
    phi, lam = np.radians(lat), np.radians(lon)
    place = np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    before = np.maximum(np.searchsorted(time, time - _NEIGHBOURS), np.searchsorted(segment, segment))
    after = np.minimum(
        np.searchsorted(time, time + _NEIGHBOURS, side="right"), np.searchsorted(segment, segment, side="right")
    )
    after -= 1
    passed = (time[after] - time[before])[:, None]
    velocity = np.nan_to_num((place[after] - place[before]) / np.where(passed > 0, passed, 1.0))
    return Track(lat, lon, place, velocity)


def fold_means(rate: NDArray[np.float64], fold: NDArray[np.integer], learn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Predict each row by the mean rate of all rows of other folds: what is left where nothing better is known.

    Args:
        rate: (rows, bins) Hz.
        fold: (rows,) fold that holds each row out.
        learn: (rows,) rows that may be learnt from.

    Returns:
        (rows, bins) Hz; NaN where no other fold holds a row to learn from.
    """
    return _means(rate, np.zeros(len(rate), np.int64), 1, fold, learn)


def climatology(
    rate: NDArray[np.float64], track: Track, fold: NDArray[np.integer], learn: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Predict each row by the mean rate of other folds at its place on the map.

    Cells are 5 degrees of latitude by 15 of longitude. Where no other fold came by, cells of 6 x 30 degrees stand in,
    then the circle of latitude (6 degrees), then the mean of all. Finer cells, or northward and southward passages
    apart, do worse on 20 simulated days of POLAR: a cell's few passages then leave its mean to single spikes.

    Args:
        rate: (rows, bins) Hz.
        track: where each row is; a row of unknown place gets the mean of all.
        fold: (rows,) fold that holds each row out.
        learn: (rows,) rows that may be learnt from.

    Returns:
        (rows, bins) Hz; NaN only where no other fold holds a row to learn from.
    """
    predicted = fold_means(rate, fold, learn)
    placed = np.isfinite(track.latitude)
    latitude, longitude = track.latitude[placed], track.longitude[placed] % 360.0
    for height, width in reversed(_CELLS):
        rows, columns = int(180 / height), int(360 / width)
        row = np.clip((latitude + 90.0) // height, 0, rows - 1).astype(np.int64)
        column = np.clip(longitude // width, 0, columns - 1).astype(np.int64)
        means = _means(rate[placed], row * columns + column, rows * columns, fold[placed], learn[placed])
        predicted[placed] = np.where(np.isfinite(means), means, predicted[placed])
    return predicted


def same_ground(
    rate: NDArray[np.float64],
    time: NDArray[np.float64],
    track: Track,
    fold: NDArray[np.integer],
    learn: NDArray[np.bool_],
    *,
    period: float,
    otherwise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Predict each row by the rates near the same ground on the days around it.

    The revolutions that count are those within 8 days, before or after, whose ground track passes within 20 degrees;
    of each the row of another fold nearest on the ground is taken, and what exists is averaged. (The method for GBM
    of Fitzpatrick et al. 2012, arXiv:1201.3292, averages whole revolutions some days apart likewise.) The nearest row
    is found by following the track: the distance along its velocity says how many seconds to go.

    On 20 simulated days of POLAR the rows taken lie 5 degrees away (median) after 15 revolutions, 8 after 16, 1 after
    46. Days count for more than nearness, because a single passage carries its own spikes: error over noise of
    rate[0] is 24 from one day on either side, 22 from two, 21 from three, 16 from five or more; beside 17 of
    :func:`climatology`. Weights by distance gain nothing.

    Args:
        rate: (rows, bins) Hz.
        time: (rows,) start of each row, unix seconds, increasing.
        track: where each row is.
        fold: (rows,) fold that holds each row out.
        learn: (rows,) rows that may be learnt from.
        period: of a revolution, s, to a few percent: the exact one is taken from the track.
        otherwise: (rows, bins) Hz, taken where no such row exists.

    Returns:
        (rows, bins) Hz.
    """
    predicted = otherwise.copy()
    placed = np.isfinite(track.latitude)
    nodal, revolutions = same_ground_revolutions(time, track, period)
    speed = (track.velocity**2).sum(axis=1)
    moving = speed > 0
    for number in np.unique(fold):
        source = np.flatnonzero(placed & moving & learn & (fold != number))
        rows = np.flatnonzero(placed & (fold == number))
        if not len(source) or not len(rows):
            continue
        total, count = np.zeros((len(rows), rate.shape[1])), np.zeros(len(rows))
        for revolution in revolutions:
            target = time[rows] + revolution * nodal
            wanted = target
            for _ in range(_ROUNDS):
                found = source[_nearest(time[source], wanted)]
                apart = track.place[rows] - track.place[found]
                ahead = (apart * track.velocity[found]).sum(axis=1) / speed[found]
                wanted = np.clip(time[found] + ahead, target - SEARCH, target + SEARCH)
            # Where a gap holds the nearest position, a row at its border is no stand-in.
            there = (np.abs(ahead) <= _NEIGHBOURS) & (np.abs(time[found] - target) <= SEARCH)
            total[there] += rate[found[there]]
            count += there
        some = count > 0
        predicted[rows[some]] = total[some] / count[some, None]
    return predicted


def same_ground_revolutions(time: NDArray[np.float64], track: Track, period: float) -> tuple[float, tuple[int, ...]]:
    """Find after how many revolutions the instrument passes near the same ground, from its ways over the equator.

    Args:
        time: (rows,) start of each row, unix seconds, increasing.
        track: where each row is.
        period: of a revolution, s, to a few percent.

    Returns:
        The time from node to node, s, and the revolutions within 8 days, before and after, whose nodes lie within 20
        degrees of longitude; none where fewer than two nodes are seen.
    """
    latitude = track.latitude
    up = np.flatnonzero((latitude[:-1] < 0) & (latitude[1:] >= 0) & (np.diff(time) < _NEIGHBOURS))
    if len(up) < 2:
        return period, ()
    revolution = np.cumsum(np.round(np.diff(time[up], prepend=time[up[0]]) / period))
    node = np.unwrap(track.longitude[up] + time[up] * _ROTATION, period=360.0)  # among the stars, where it moves slowly
    nodal = float(np.polyfit(revolution, time[up] - time[up[0]], 1)[0])
    step = float(np.polyfit(revolution, node - node[0], 1)[0]) - nodal * _ROTATION
    after = np.arange(1, int(DAYS * _DAY / nodal) + 1)
    near = after[np.abs((after * step + 180.0) % 360.0 - 180.0) <= FAR]
    return nodal, (*(int(-n) for n in near[::-1]), *(int(n) for n in near))


def polynomial(
    rate: NDArray[np.float64],
    time: NDArray[np.float64],
    learn: NDArray[np.bool_],
    *,
    gap: float,
    otherwise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Predict each row by a cubic through the rates around it, its own surroundings left out.

    Least squares, all rows alike, over the rows at more than the gap and at most 1800 s, gaps or not. The sums of
    powers that the normal equations ask for are differences of running sums. These are begun anew every 30 minutes,
    with time counted in half-hours from the middle, or months of rows would drown an hour's in rounding.

    Args:
        rate: (rows, bins) Hz.
        time: (rows,) start of each row, unix seconds, increasing.
        learn: (rows,) rows that the polynomial may pass through.
        gap: s on either side that it does not see: half the longest transient, or the row's own would lift it.
        otherwise: (rows, bins) Hz, taken where fewer than 300 rows, or rows within less than 3 minutes, are there.

    Returns:
        (rows, bins) Hz; it may be below zero beside a gap, where a polynomial is free.
    """
    predicted = otherwise.copy()
    if len(time) == 0:
        return predicted
    source, values = time[learn], rate[learn]
    stretch = np.floor((time - time[0]) / REACH)
    first = np.flatnonzero(np.diff(stretch, prepend=-1.0))
    for start, stop in zip(first, np.append(first[1:], len(time)), strict=True):
        middle = time[0] + (stretch[start] + 0.5) * REACH
        low, high = np.searchsorted(source, [middle - 2 * REACH, middle + 2 * REACH])
        predicted[start:stop] = _cubic(
            (time[start:stop] - middle) / REACH,
            (source[low:high] - middle) / REACH,
            values[low:high],
            gap / REACH,
            predicted[start:stop],
        )
    return predicted


def _cubic(
    at: NDArray[np.float64],
    source: NDArray[np.float64],
    values: NDArray[np.float64],
    gap: float,
    otherwise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fit and evaluate the polynomial of each of (rows,) times, all times in units of the reach."""
    far_left, left = np.searchsorted(source, at - 1.0), np.searchsorted(source, at - gap)
    right, far_right = np.searchsorted(source, at + gap, "right"), np.searchsorted(source, at + 1.0, "right")
    count = (left - far_left) + (far_right - right)
    able = count >= LEAST_ROWS
    if not able.any():
        return otherwise
    first = np.where(left > far_left, far_left, right)[able]
    last = np.where(far_right > right, far_right, left)[able] - 1
    able[able] = source[last] - source[first] >= _LEAST_SPAN

    def inside(terms: NDArray[np.float64]) -> NDArray[np.float64]:
        running = np.concatenate([np.zeros((1, terms.shape[1])), np.cumsum(terms, axis=0)])
        ends = (far_left[able], left[able], right[able], far_right[able])
        a, b, c, d = (running[end] for end in ends)
        return np.asarray((b - a) + (d - c))

    powers = source[:, None] ** np.arange(2 * ORDER + 1)
    moments = inside(powers)
    degree = np.arange(ORDER + 1)
    normal = moments[:, degree[:, None] + degree]
    with_rate = np.stack([inside(powers[:, [k]] * values) for k in degree], axis=1)
    coefficients = np.linalg.solve(normal, with_rate)
    predicted = otherwise.copy()
    predicted[able] = np.einsum("rk,rkb->rb", at[able, None] ** degree, coefficients)
    return predicted


def _nearest(times: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of the ``times``, increasing and at least one, nearest to each of those wanted."""
    after = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    after = np.minimum(after, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted - times[before] <= times[after] - wanted, before, after).astype(np.int64)


def _means(
    rate: NDArray[np.float64],
    cell: NDArray[np.int64],
    cells: int,
    fold: NDArray[np.integer],
    learn: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return, for each row, the (rows, bins) mean of its cell over the rows to learn from of other folds."""
    _, number = np.unique(fold, return_inverse=True)
    folds = int(number.max(initial=0)) + 1
    key = cell * folds + number
    picked = key[learn]

    def elsewhere(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        sums = np.bincount(picked, weights, minlength=cells * folds).reshape(cells, folds)
        return np.asarray((sums.sum(axis=1, keepdims=True) - sums).ravel()[key], np.float64)

    count = elsewhere(None)
    out = np.full(rate.shape, np.nan)
    seen = count > 0
    for number_of_bin in range(rate.shape[1]):
        out[seen, number_of_bin] = elsewhere(rate[learn, number_of_bin])[seen] / count[seen]
    return out
