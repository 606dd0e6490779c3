"""Simple backgrounds for comparison: a map, the same ground on other days, and a polynomial around each row.

The map and the ground track are out of fold like the models: a row is predicted from rows of other folds, none of them
near a known event. They keep no embargo at the borders of a fold, which favours both slightly. The polynomial uses the
neighbourhood of the row whatever the fold, as such fits do in practice, except for a gap around the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = 3
"""Order of the polynomial."""

WINDOW = 1800.0
"""Largest distance of a row that the polynomial is fitted to, s."""

LEAST_ROWS = 300
"""Smallest number of rows that a polynomial is fitted to."""

DAYS = 8.0
"""Largest distance of a revolution over the same ground, days."""

FAR = 20.0
"""Largest distance of a ground track near the same ground, degrees of longitude at the equator."""

SEARCH = 600.0
"""Largest distance of the nearest position from a whole number of revolutions, s."""

_DAY = 86400.0
_ROTATION = 360.0 / 86164.1
"""Rotation of the Earth, degrees per second."""

_NEIGHBOURS = 30.0
"""Largest distance of the rows from which a velocity is computed, s."""

_CELLS = ((5.0, 15.0), (6.0, 30.0), (6.0, 360.0))
"""Sizes of a cell in latitude and longitude, degrees; a coarser cell is used where the finer one is empty."""

_ROUNDS = 3

_LEAST_SPAN = 0.1
"""Smallest time span of the rows of a polynomial, in units of the window; otherwise it is not constrained."""


@dataclass(frozen=True)
class GroundTrack:
    """The position of the instrument, row by row.

    Attributes:
        latitude: (rows,) degrees north, NaN where unknown.
        longitude: (rows,) degrees east, not reduced to one turn, NaN where unknown.
        direction: (rows, 3) unit vector from the Earth's centre.
        velocity: (rows, 3) change of that vector per second; 0 without neighbours.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    direction: NDArray[np.float64]
    velocity: NDArray[np.float64]


def ground_track(
    time: NDArray[np.float64],
    segment: NDArray[np.integer],
    latitude: NDArray[np.floating],
    longitude: NDArray[np.floating],
) -> GroundTrack:
    """Compute directions and velocities from positions.

    Args:
        time: (rows,) start of each row, unix seconds, increasing.
        segment: (rows,) number of the segment, not decreasing; velocities are computed within a segment.
        latitude: (rows,) degrees north; beyond +-90 or not finite means unknown.
        longitude: (rows,) degrees east, -180 to 180 or 0 to 360.

    Returns:
        The ground track. Velocities are means over 30 s on either side, because a file may repeat each position, as
        POLAR's does, so that the instrument would seem to stand still and jump in turn.
    """
    lat, lon = np.array(latitude, np.float64), np.array(longitude, np.float64)
    known = (np.abs(lat) <= 90) & (np.abs(lon) <= 720)
    lat[~known] = lon[~known] = np.nan
    phi, lam = np.radians(lat), np.radians(lon)
    direction = np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    before = np.maximum(np.searchsorted(time, time - _NEIGHBOURS), np.searchsorted(segment, segment))
    after = np.minimum(
        np.searchsorted(time, time + _NEIGHBOURS, side="right"), np.searchsorted(segment, segment, side="right")
    )
    after -= 1
    elapsed = (time[after] - time[before])[:, None]
    velocity = np.nan_to_num((direction[after] - direction[before]) / np.where(elapsed > 0, elapsed, 1.0))
    return GroundTrack(lat, lon, direction, velocity)


def fold_means(rate: NDArray[np.float64], fold: NDArray[np.integer], learn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Predict each row by the mean rate of all rows of other folds.

    Args:
        rate: (rows, bins) Hz.
        fold: (rows,) fold that holds each row out.
        learn: (rows,) rows that may be learnt from.

    Returns:
        (rows, bins) Hz; NaN where no other fold has a row to learn from.
    """
    return _means(rate, np.zeros(len(rate), np.int64), 1, fold, learn)


def climatology(
    rate: NDArray[np.float64], track: GroundTrack, fold: NDArray[np.integer], learn: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Predict each row by the mean rate of other folds in its cell of the map.

    Cells are 5 degrees of latitude by 15 of longitude. Where a cell has no row of another fold, cells of 6 x 30 degrees
    replace it, then the circle of latitude (6 degrees), then the mean of all. Finer cells, or separate northward and
    southward passages, are worse on 20 simulated days of POLAR: the mean of a cell with few passages depends on single
    spikes.

    Args:
        rate: (rows, bins) Hz.
        track: position of each row; a row of unknown position gets the mean of all.
        fold: (rows,) fold that holds each row out.
        learn: (rows,) rows that may be learnt from.

    Returns:
        (rows, bins) Hz; NaN only where no other fold has a row to learn from.
    """
    predicted = fold_means(rate, fold, learn)
    known = np.isfinite(track.latitude)
    latitude, longitude = track.latitude[known], track.longitude[known] % 360.0
    for height, width in reversed(_CELLS):
        rows, columns = int(180 / height), int(360 / width)
        row = np.clip((latitude + 90.0) // height, 0, rows - 1).astype(np.int64)
        column = np.clip(longitude // width, 0, columns - 1).astype(np.int64)
        means = _means(rate[known], row * columns + column, rows * columns, fold[known], learn[known])
        predicted[known] = np.where(np.isfinite(means), means, predicted[known])
    return predicted


def same_ground(
    rate: NDArray[np.float64],
    time: NDArray[np.float64],
    track: GroundTrack,
    fold: NDArray[np.integer],
    learn: NDArray[np.bool_],
    *,
    period: float,
    otherwise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Predict each row by the rates near the same ground on the days around it.

    The prediction is the mean over all revolutions within 8 days, before or after, whose ground track passes within 20
    degrees; each contributes the row of another fold that is nearest on the ground, if any. (The method for GBM
    of Fitzpatrick et al. 2012, arXiv:1201.3292, similarly averages whole revolutions some days apart.) The nearest row
    is found by following the track: the distance along its velocity gives the difference in time.

    On 20 simulated days of POLAR the rows used lie 5 degrees away (median) after 15 revolutions, 8 after 16, 1 after
    46. The number of days matters more than the distance, because a single passage has spikes of its own: error over
    noise of rate[0] is 24 from one day on either side, 22 from two, 21 from three, 16 from five or more; that of
    :func:`climatology` is 17. Weights by distance bring no improvement.

    Args:
        rate: (rows, bins) Hz.
        time: (rows,) start of each row, unix seconds, increasing.
        track: position of each row.
        fold: (rows,) fold that holds each row out.
        learn: (rows,) rows that may be learnt from.
        period: of a revolution, s, to a few percent; the exact one is computed from the track.
        otherwise: (rows, bins) Hz, used where no such row exists.

    Returns:
        (rows, bins) Hz.
    """
    predicted = otherwise.copy()
    known = np.isfinite(track.latitude)
    nodal, revolutions = same_ground_revolutions(time, track, period)
    speed = (track.velocity**2).sum(axis=1)
    moving = speed > 0
    for i_fold in np.unique(fold):
        source = np.flatnonzero(known & moving & learn & (fold != i_fold))
        rows = np.flatnonzero(known & (fold == i_fold))
        if not len(source) or not len(rows):
            continue
        total, count = np.zeros((len(rows), rate.shape[1])), np.zeros(len(rows))
        for revolution in revolutions:
            target = time[rows] + revolution * nodal
            nearest_time = target
            for _ in range(_ROUNDS):
                nearest = source[_nearest(time[source], nearest_time)]
                distance = track.direction[rows] - track.direction[nearest]
                ahead = (distance * track.velocity[nearest]).sum(axis=1) / speed[nearest]
                nearest_time = np.clip(time[nearest] + ahead, target - SEARCH, target + SEARCH)
            # Where the nearest position lies in a gap, a row at the border of the gap is not used.
            used = (np.abs(ahead) <= _NEIGHBOURS) & (np.abs(time[nearest] - target) <= SEARCH)
            total[used] += rate[nearest[used]]
            count += used
        has_source = count > 0
        predicted[rows[has_source]] = total[has_source] / count[has_source, None]
    return predicted


def same_ground_revolutions(
    time: NDArray[np.float64], track: GroundTrack, period: float
) -> tuple[float, tuple[int, ...]]:
    """Find after how many revolutions the instrument passes near the same ground, from its ascending nodes.

    Args:
        time: (rows,) start of each row, unix seconds, increasing.
        track: position of each row.
        period: of a revolution, s, to a few percent.

    Returns:
        The time from node to node, s, and the revolutions within 8 days, before and after, whose nodes lie within 20
        degrees of longitude; no revolutions if there are fewer than two nodes.
    """
    latitude = track.latitude
    up = np.flatnonzero((latitude[:-1] < 0) & (latitude[1:] >= 0) & (np.diff(time) < _NEIGHBOURS))
    if len(up) < 2:
        return period, ()
    revolution = np.cumsum(np.round(np.diff(time[up], prepend=time[up[0]]) / period))
    node = np.unwrap(track.longitude[up] + time[up] * _ROTATION, period=360.0)  # in inertial space it moves slowly
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
    """Predict each row by a cubic polynomial through the rates around it, except those within the gap.

    The fit is an unweighted least-squares fit of the rows at a distance of more than the gap and at most 1800 s, across
    missing data too. The sums of powers in the normal equations are differences of running sums, which are started anew
    every 30 minutes, with time in half-hours from the middle, because of rounding over months of rows.

    Args:
        rate: (rows, bins) Hz.
        time: (rows,) start of each row, unix seconds, increasing.
        learn: (rows,) rows that the polynomial may pass through.
        gap: s on either side that are not used: half the longest transient, which would otherwise raise the fit.
        otherwise: (rows, bins) Hz, used where fewer than 300 rows, or less than 3 minutes, can be fitted.

    Returns:
        (rows, bins) Hz; it may be below zero beside missing data, where the polynomial extrapolates.
    """
    predicted = otherwise.copy()
    if len(time) == 0:
        return predicted
    source, values = time[learn], rate[learn]
    stretch = np.floor((time - time[0]) / WINDOW)
    first = np.flatnonzero(np.diff(stretch, prepend=-1.0))
    for start, stop in zip(first, np.append(first[1:], len(time)), strict=True):
        middle = time[0] + (stretch[start] + 0.5) * WINDOW
        low, high = np.searchsorted(source, [middle - 2 * WINDOW, middle + 2 * WINDOW])
        predicted[start:stop] = _cubic(
            (time[start:stop] - middle) / WINDOW,
            (source[low:high] - middle) / WINDOW,
            values[low:high],
            gap / WINDOW,
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
    """Fit and evaluate the polynomial of each of (rows,) times, all times in units of the window."""
    far_left, left = np.searchsorted(source, at - 1.0), np.searchsorted(source, at - gap)
    right, far_right = np.searchsorted(source, at + gap, "right"), np.searchsorted(source, at + 1.0, "right")
    count = (left - far_left) + (far_right - right)
    fitted = count >= LEAST_ROWS
    if not fitted.any():
        return otherwise
    first = np.where(left > far_left, far_left, right)[fitted]
    last = np.where(far_right > right, far_right, left)[fitted] - 1
    fitted[fitted] = source[last] - source[first] >= _LEAST_SPAN

    def inside(terms: NDArray[np.float64]) -> NDArray[np.float64]:
        running = np.concatenate([np.zeros((1, terms.shape[1])), np.cumsum(terms, axis=0)])
        ends = (far_left[fitted], left[fitted], right[fitted], far_right[fitted])
        a, b, c, d = (running[end] for end in ends)
        return np.asarray((b - a) + (d - c))

    powers = source[:, None] ** np.arange(2 * ORDER + 1)
    moments = inside(powers)
    degree = np.arange(ORDER + 1)
    normal = moments[:, degree[:, None] + degree]
    with_rate = np.stack([inside(powers[:, [k]] * values) for k in degree], axis=1)
    coefficients = np.linalg.solve(normal, with_rate)
    predicted = otherwise.copy()
    predicted[fitted] = np.einsum("rk,rkb->rb", at[fitted, None] ** degree, coefficients)
    return predicted


def _nearest(times: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of the ``times``, increasing and at least one, that are nearest to each of those wanted."""
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
    _, i_fold = np.unique(fold, return_inverse=True)
    folds = int(i_fold.max(initial=0)) + 1
    key = cell * folds + i_fold
    learnt_key = key[learn]

    def of_other_folds(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        sums = np.bincount(learnt_key, weights, minlength=cells * folds).reshape(cells, folds)
        return np.asarray((sums.sum(axis=1, keepdims=True) - sums).ravel()[key], np.float64)

    count = of_other_folds(None)
    means = np.full(rate.shape, np.nan)
    filled = count > 0
    for i_bin in range(rate.shape[1]):
        means[filled, i_bin] = of_other_folds(rate[learn, i_bin])[filled] / count[filled]
    return means
