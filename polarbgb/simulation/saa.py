"""The South Atlantic Anomaly: where POLAR is switched off, and the activation by its passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.telemetry import within

Array = NDArray[np.float64]

EDGE = 23_200.0
"""POLAR is switched off where the field is weaker than this, nT.

All but 0.6 % of the published intervals are outside; the orbit spends 13 % of the time inside.
"""

RIM = 25_500.0
"""The column ``time_since_saa`` counts from where the field exceeds this, nT.

The value reproduces the quartiles of that column; between the edge and here there are data with a time of 0.
"""

FORGETS = 18 * 3600.0
"""The latest pass is forgotten after a hole in the data longer than this, s; the column of the file reaches 65,271."""

DECAYS = (220.0, 1500.0, 54_000.0)
"""Mean lives of the activation, s: minutes after a pass; iodine-128 (half-life 25 min); a mixture with half-lives of
about 10 h, such as copper-64."""

_GAINS = (0.9, 0.30, 0.010)  # any-bar rate per second at a depth of 1000 nT, Hz


@dataclass(frozen=True)
class Memory:
    """State of the anomaly that one stretch of time hands to the next.

    Attributes:
        activation: level of each decay, Hz.
        inside: whether the last point is within the rim.
        exit: end of the latest pass that was recorded, unix seconds; -inf if none is known.
    """

    activation: tuple[float, ...] = (0.0,) * len(DECAYS)
    inside: bool = False
    exit: float = -np.inf


@dataclass(frozen=True)
class Passes:
    """The anomaly along a stretch of time.

    Attributes:
        off: (n,) true where POLAR is switched off.
        since: (n,) time since the latest recorded pass, s; 0 within the rim and where none is known.
        activation: (n,) any-bar rate of the activated material, Hz.
        memory: state at the end.
    """

    off: NDArray[np.bool_]
    since: Array
    activation: Array
    memory: Memory


def passes(time: Array, strength: Array, *, holes: Array, restarts: Array, memory: Memory) -> Passes:
    """Return the passes and the activation that they cause: dA/dt = gain * depth - A / life for each decay.

    Args:
        time: (n,) unix seconds in nearly equal steps.
        strength: (n,) of the field, nT.
        holes: (k, 2) start and stop of holes in the data, unix seconds, sorted and disjoint; a pass that ends in one
            activates, but is not recorded.
        restarts: (m,) times after which earlier passes are unknown, unix seconds, sorted.
        memory: state at the start.
    """
    from scipy.signal import lfilter

    step = float(np.median(np.diff(time)))
    depth = np.maximum(EDGE - strength, 0) / 1000
    levels = []
    for life, gain, level in zip(DECAYS, _GAINS, memory.activation, strict=True):
        keep = np.exp(-step / life)
        levels.append(lfilter([gain * step], [1, -keep], depth, zi=[keep * level])[0])
    inside = strength < RIM
    left = ~inside & np.concatenate([[memory.inside], inside[:-1]]) & ~within(time, holes)
    exits = np.maximum.accumulate(np.where(left, time, memory.exit))
    lost = np.sort(np.concatenate([holes[np.diff(holes, axis=1)[:, 0] > FORGETS, 1], restarts]))
    forgotten = np.concatenate([[-np.inf], lost])[np.searchsorted(lost, time, side="right")]
    exits = np.where(exits >= forgotten, exits, -np.inf)
    known = ~inside & np.isfinite(exits)
    return Passes(
        off=strength < EDGE,
        since=np.where(known, time - np.where(known, exits, 0), 0.0),
        activation=np.sum(levels, axis=0),
        memory=Memory(
            activation=tuple(float(level[-1]) for level in levels), inside=bool(inside[-1]), exit=float(exits[-1])
        ),
    )
