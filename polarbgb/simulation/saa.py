"""The South Atlantic Anomaly: where POLAR is switched off, and what the passes leave behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarbgb.simulation.telemetry import within

Array = NDArray[np.float64]

EDGE = 23_200.0
"""POLAR is switched off where the field is weaker than this, nT.

All but .6 % of the published intervals are outside with it; the orbit spends 13 % of the time inside.
"""

RIM = 25_500.0
"""The column ``time_since_saa`` counts from where the field gets stronger than this, nT.

With it the quartiles of that column come out; the strip from here to the edge has data and a time of 0.
"""

FORGETS = 18 * 3600.0
"""Over a hole of the data longer than this the latest pass is forgotten, s: the file's column reaches 65,271 s."""

DECAYS = (220.0, 1500.0, 54_000.0)
"""Mean lives of the activation, s: of the minutes after a pass; iodine-128 (half-life 25 min); the day's mixture
(half-lives of about 10 h, as of copper-64)."""

_GAINS = (0.9, 0.30, 0.010)  # Hz of any-bar rate for a second at a depth of 1000 nT


@dataclass(frozen=True)
class Memory:
    """What the past leaves to the next stretch of time.

    Attributes:
        activation: level of each decay, Hz.
        inside: whether the last point lay within the rim.
        exit: end of the latest pass that was recorded, unix seconds; -inf where none is known.
    """

    activation: tuple[float, ...] = (0.0,) * len(DECAYS)
    inside: bool = False
    exit: float = -np.inf


@dataclass(frozen=True)
class Passes:
    """The anomaly along a stretch of time.

    Attributes:
        off: (n,) true where POLAR is switched off.
        since: (n,) time since the latest recorded pass, s; 0 within the rim and where it is unknown.
        activation: (n,) any-bar rate of the activated material, Hz.
        memory: for the stretch that follows.
    """

    off: NDArray[np.bool_]
    since: Array
    activation: Array
    memory: Memory


def passes(time: Array, strength: Array, *, holes: Array, restarts: Array, memory: Memory) -> Passes:
    """Follow the passes and the activation they cause: dA/dt = gain * depth - A / life for each decay.

    Args:
        time: (n,) unix seconds in nearly equal steps.
        strength: (n,) of the field, nT.
        holes: (k, 2) start and stop of holes of the data, unix seconds, in order and apart: a pass that ends there
            activates, but is not recorded.
        restarts: (m,) times after which earlier passes are unknown, unix seconds, in order.
        memory: of the stretch before.
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
