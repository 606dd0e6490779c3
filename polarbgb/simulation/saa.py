"""The South Atlantic Anomaly: where POLAR is switched off, and what the passes leave behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EDGE = 23_400.0
"""The anomaly is where the field is weaker than this, nT.

With it the orbit spends 13 % inside, and the mean latitude (4.2 degrees), longitude (4.4 degrees) and field outside
are those of POLAR's file.
"""

DECAYS = (1500.0, 36_000.0)
"""Mean lives of the activation, s: iodine-128 (half-life 25 min; the crystals' neighbours), and the slower mixture."""

_GAINS = (0.33, 0.012)  # Hz of any-bar rate for a second at a depth of 1000 nT


@dataclass(frozen=True)
class Memory:
    """What the past leaves to the next stretch of time.

    Attributes:
        activation: level of each decay, Hz.
        inside: whether the last point lay in the anomaly.
        exit: end of the latest pass, unix seconds; NaN before the first.
    """

    activation: tuple[float, ...] = (0.0,) * len(DECAYS)
    inside: bool = False
    exit: float = np.nan


@dataclass(frozen=True)
class Passes:
    """The anomaly along a stretch of time.

    Attributes:
        inside: (n,) true in the anomaly.
        since: (n,) time since the latest pass, s; 0 inside and before the first.
        activation: (n,) any-bar rate of the activated material, Hz.
        memory: for the stretch that follows.
    """

    inside: NDArray[np.bool_]
    since: Array
    activation: Array
    memory: Memory


def passes(time: Array, strength: Array, memory: Memory) -> Passes:
    """Follow the passes and the activation they cause: dA/dt = gain * depth - A / life for each decay.

    Args:
        time: (n,) unix seconds in nearly equal steps.
        strength: (n,) of the field, nT.
        memory: of the stretch before.
    """
    from scipy.signal import lfilter

    inside = strength < EDGE
    step = float(np.median(np.diff(time)))
    depth = np.maximum(EDGE - strength, 0) / 1000
    levels = []
    for life, gain, level in zip(DECAYS, _GAINS, memory.activation, strict=True):
        keep = np.exp(-step / life)
        levels.append(lfilter([gain * step], [1, -keep], depth, zi=[keep * level])[0])
    left = ~inside & np.concatenate([[memory.inside], inside[:-1]])
    # NaN compares false with everything, so exits are carried forward as -inf until there is one.
    start = -np.inf if np.isnan(memory.exit) else memory.exit
    exits = np.maximum.accumulate(np.where(left, time, start))
    known = np.isfinite(exits) & ~inside
    return Passes(
        inside=inside,
        since=np.where(known, time - np.where(known, exits, 0), 0.0),
        activation=np.sum(levels, axis=0),
        memory=Memory(
            activation=tuple(float(level[-1]) for level in levels),
            inside=bool(inside[-1]),
            exit=float(exits[-1]) if np.isfinite(exits[-1]) else np.nan,
        ),
    )
