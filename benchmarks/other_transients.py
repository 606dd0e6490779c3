"""Draw the transients of :mod:`other_physics`, and what their photons leave in the bins of POLAR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr

Array = NDArray[np.float64]

THRESHOLDS = np.array([15.0, 20.0, 30.0, 50.0, 70.0])  # keV
GAIN_SLOPES = np.array([0.9, 1.4, 1.7, 2.1, 2.4])  # d ln(rate above threshold) / d ln(gain)
DAILY = {
    "long_burst": 3.0,
    "short_burst": 1.2,
    "flare": 1.5,
    "particles": 0.7,
    "telemetry_spike": 1.2,
    "gain_step": 0.25,
    "sag": 0.5,
}  # mean number of events per day
# (13 exclusive sets, 13 bins): one bar by highest threshold passed, several bars likewise, below 15 keV, more than
# eight bars, after a cosmic ray.
NESTING = np.zeros((13, 13))
for _level in range(5):
    NESTING[_level, [*range(_level + 1), *range(5, 6 + _level)]] = 1
    NESTING[5 + _level, 5 : 6 + _level] = 1
NESTING[11, [*range(5, 10), 11]] = 1
NESTING[:, 10] = NESTING[:12, 12] = 1


def exclusive(single: list[float], anybar: list[float], crowded: float, after: float) -> Array:
    """Return the (13,) shares of the exclusive sets, for bins 0..4, 5..9, 11 and 10 less 12, as fractions of bin 12."""
    one, several = np.array([*single, 0.0]), np.array([*anybar, crowded]) - np.array([*single, 0.0])
    return np.array([*-np.diff(one), *-np.diff(several), 1 - anybar[0], crowded, after])


QUIET = exclusive([0.226, 0.152, 0.092, 0.045, 0.022], [0.865, 0.728, 0.53, 0.33, 0.20], 0.028, 0.014)
COSMIC = exclusive([0.245, 0.158, 0.085, 0.043, 0.026], [0.830, 0.690, 0.46, 0.30, 0.21], 0.055, 0.020)
ACTIVE = exclusive([0.280, 0.190, 0.105, 0.040, 0.015], [0.880, 0.720, 0.45, 0.22, 0.11], 0.008, 0.0)
TRAPPED = exclusive([0.255, 0.160, 0.085, 0.035, 0.018], [0.840, 0.690, 0.42, 0.24, 0.13], 0.015, 0.0)
DENSE = exclusive([0.225, 0.170, 0.115, 0.065, 0.035], [0.960, 0.850, 0.60, 0.37, 0.24], 0.030, 0.006)


def red_noise(length: int, memory: float, rng: np.random.Generator, columns: int = 1) -> Array:
    """Draw (length, columns) noise of unit variance whose correlation falls by e within ``memory`` steps."""
    keep = np.exp(-1 / memory)
    white = rng.standard_normal((length, columns))
    white[:1] /= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([np.sqrt(1 - keep**2)], [1, -keep], white, axis=0))


def gained(sets: Array, gain: Array) -> Array:
    """Return the (n, 13) rates of exclusive sets where the thresholds lie at 1 / gain of their energies."""
    moved, factor = sets.copy(), gain[:, None] ** GAIN_SLOPES
    for first in (0, 5):
        above = np.cumsum(sets[:, first : first + 5][:, ::-1], axis=1)[:, ::-1] * factor
        moved[:, first : first + 5] = above - np.pad(above[:, 1:], ((0, 0), (0, 1)))
    moved[:, 10] *= gain**0.3
    return np.maximum(moved, 0.0)


def photon_shares(spectrum: Array, energy: Array, crowded: float) -> Array:
    """Fold (m,) photons per keV with a toy response, and return the (13,) shares for one count in bin 0.

    A photon is absorbed, or leaves a flat distribution up to its Compton edge in one bar or two; resolution 25 %.
    """
    absorbed = 1 / (1 + (energy / 24) ** 2.7)
    twice = ((1 - absorbed) * 0.6 * energy / (energy + 90))[:, None]
    edge = 2 * energy**2 / (511 + 2 * energy)
    deposits = edge[:, None] * (np.arange(40) + 0.5) / 40
    cuts = np.append(THRESHOLDS, 9.0)

    def passed(deposit: Array) -> Array:
        return ndtr(np.log(np.maximum(deposit, 1e-3)[..., None] / cuts) / 0.25)

    whole, part = passed(energy), passed(deposits).mean(axis=1)
    fires = np.maximum(part[:, 5:], 1e-12)
    one = absorbed[:, None] * whole + (1 - absorbed[:, None] - twice + 2 * twice * (1 - fires)) * part
    two = twice * fires**2 * (1 - (1 - part / fires) ** 2)
    one, two = (np.trapezoid(x * spectrum[:, None], energy, axis=0) for x in (one, two))
    low = one[5] - one[0] + two[5] - two[0]
    total = one[5] + two[5]
    shares = np.array([*-np.diff([*one[:5], 0.0]), *-np.diff([*two[:5], 0.0]), low, crowded * total, 0.004 * total])
    return np.asarray(shares / one[0])


def burst_shares(hard: float, rng: np.random.Generator) -> Array:
    """Draw the spectrum of a burst: Band, cutoff power law or thermal; ``hard`` scales the energies."""
    energy = np.geomspace(6.0, 4000.0, 220)
    kind, scale = rng.integers(3), hard * np.exp(0.7 * rng.standard_normal())
    if kind == 0:
        alpha, beta = rng.uniform(-1.4, -0.2), rng.uniform(-3.3, -2.0)
        fold = 220 * scale / (2 + alpha)
        knee = (alpha - beta) * fold
        low = (energy / knee) ** alpha * np.exp(-energy / fold)
        photons = np.where(energy < knee, low, np.exp(beta - alpha) * (energy / knee) ** beta)
    elif kind == 1:
        photons = energy ** rng.uniform(-1.7, 0.1) * np.exp(-energy / (180 * scale))
    else:
        photons = energy**2 / np.expm1(np.minimum(energy / (28 * scale), 600))
    return photon_shares(photons, energy, rng.uniform(0.005, 0.05))


def flare_shares(rng: np.random.Generator) -> Array:
    """Draw the spectrum of a solar flare: hot plasma, often with a steep power law above it."""
    energy = np.geomspace(6.0, 400.0, 150)
    tail = rng.choice([0.0, 1.0]) * 10 ** rng.uniform(-3, -1.3)
    photons = (energy / 10) ** -1.4 * np.exp(-energy / rng.uniform(2.5, 9)) + tail * (energy / 10) ** -rng.uniform(
        3, 5.5
    )
    return photon_shares(photons, energy, rng.uniform(0.0, 0.004))


def burst_profile(rng: np.random.Generator) -> Array:
    """Draw the light curve of a burst at even steps: a fast rise, several pulses, a precursor, or a slow rise."""
    x, kind = np.linspace(0, 1, 2001), rng.integers(4)

    def fred(onset: float, peak: float, fall: float) -> Array:
        """Rise and fall as power laws (Kocevski et al. 2003, ApJ 596, 389)."""
        t = np.maximum(x - onset, 0) / peak
        return np.asarray(t**1.5 * (fall / (fall + 1.5) + 1.5 / (fall + 1.5) * t**2.5) ** (-(1.5 + fall) / 2.5))

    if kind == 0:
        shape = fred(0, rng.uniform(0.03, 0.15), rng.uniform(2.2, 4))
    elif kind == 1:
        place, width = rng.uniform(0.08, 0.9, (7, 1)), rng.uniform(0.012, 0.08, (7, 1))
        shape = (rng.uniform(0.2, 1, (7, 1)) * np.exp(-(np.abs((x - place) / width) ** 1.6)))[: rng.integers(2, 8)].sum(
            axis=0
        )
    elif kind == 2:
        shape = rng.uniform(0.05, 0.4) * fred(0, 0.03, 4) + fred(rng.uniform(0.35, 0.7), rng.uniform(0.03, 0.08), 4)
    else:
        turn = rng.uniform(0.5, 0.85)
        shape = np.where(x < turn, (x / turn) ** rng.uniform(1, 3), np.exp(-(x - turn) / rng.uniform(0.02, 0.1)))
    return np.asarray(shape / shape.max() * np.minimum(1, (1 - x) / 0.05))


def flare_profile(rng: np.random.Generator) -> Array:
    """Draw the light curve of a flare at even steps: one to five peaks on a slow bump."""
    x, count = np.linspace(0, 1, 2001), rng.integers(1, 6)
    shape = rng.uniform(0.1, 0.8) * np.sin(np.pi * x**0.6) ** 2
    for peak in rng.uniform(0.08, 0.6, count):
        width = np.where(x < peak, rng.uniform(0.01, 0.05), rng.uniform(0.04, 0.2))
        shape = shape + rng.uniform(0.3, 1) / np.cosh((x - peak) / width)
    return np.asarray(shape / shape.max() * np.minimum(1, np.minimum(x, 1 - x) / 0.03))


@dataclass(frozen=True)
class Event:
    """A transient: photons with (13,) shares per count of bin 0, or a change of the background where there are none."""

    kind: str
    start: float
    stop: float
    cumulative: Array  # s, of a profile whose maximum is 1, at evenly spaced times from start to stop
    size: float
    shares: Array | None = None
    leak: float = 0.0

    def change(self, time: Array, background: Array, sunlit: Array) -> Array:
        """Return the mean change of the (n, 13) rates of exclusive sets, Hz, in bins that open at (n,) times."""
        grid = np.linspace(self.start, self.stop, len(self.cumulative))
        mean = np.diff(np.interp(np.stack([time, time + 1]), grid, self.cumulative), axis=0)[0]
        if self.kind == "gain_step":
            return gained(background, 1 + self.size * mean) - background
        if self.shares is None:
            return background * self.size * (mean.round() if self.kind == "telemetry_spike" else mean)[:, None]
        visible = sunlit if self.kind == "flare" else 1.0
        return (self.size * mean * visible)[:, None] * self.shares


def draw_event(kind: str, start: float, rng: np.random.Generator) -> Event:
    """Draw an event of a kind that begins at a unix time."""
    bright = 80 * rng.random() ** -0.8  # Hz of bin 0 at its maximum: more than s as s^-1.25
    shares, leak, shape = None, 0.0, np.ones(101)
    if kind == "long_burst":
        length, size, shape = 10 ** rng.uniform(0.3, 2.3), min(bright, 4000.0), burst_profile(rng)
        shares, leak = burst_shares(1.0, rng), 10 ** rng.uniform(-2, -0.7)
    elif kind == "short_burst":
        length, size, shape = 10 ** rng.uniform(-1, 0.3), min(10 * bright, 30_000.0), burst_profile(rng)
        shares, leak = burst_shares(2.2, rng), 10 ** rng.uniform(-2, -0.7)
    elif kind == "flare":
        length, size, shape = 10 ** rng.uniform(2.1, 3.55), min(bright, 3000.0), flare_profile(rng)
        shares, leak = flare_shares(rng), 10 ** rng.uniform(-3, -2)
    elif kind == "particles":
        length, size = 10 ** rng.uniform(1.3, 2.6), min(bright, 3000.0)
        shape = np.sin(np.pi * np.linspace(0, 1, 101)) * np.exp(0.3 * red_noise(101, 8, rng)[:, 0])
        shares, leak = TRAPPED / (TRAPPED @ NESTING[:, 0]), rng.uniform(0.05, 1.0)
    elif kind == "telemetry_spike":
        length, size = rng.uniform(1, 2), 10 ** rng.uniform(-0.6, 0.6)
    elif kind == "gain_step":
        length, size = 10 ** rng.uniform(3, 4.2), rng.choice([-1, 1]) * rng.uniform(0.02, 0.06)
    else:
        length, size, shape = (
            rng.uniform(60, 900),
            -rng.uniform(0.1, 0.5),
            np.sin(np.pi * np.linspace(0, 1, 101)) ** 0.5,
        )
    steps = (shape[1:] + shape[:-1]) / 2 * length / (len(shape) - 1) / shape.max()
    return Event(kind, start, start + length, np.append(0.0, np.cumsum(steps)), size, shares, leak)


def draw_events(time: Array, sunlit: NDArray[np.bool_], rng: np.random.Generator) -> list[Event]:
    """Draw the events of (n,) unix times in order, given where the platform is sunlit: there alone flares begin."""
    events = []
    for kind, daily in DAILY.items():
        number = rng.poisson(daily * (time[-1] - time[0]) / 86400)
        for start in rng.uniform(time[0], time[-1], number):
            event = draw_event(kind, start, rng)
            if kind != "flare" or sunlit[np.searchsorted(time, start)]:
                events.append(event)
    return sorted(events, key=lambda event: event.start)


def oracle(signal: Array, expected: Array) -> float:
    """Return S / sqrt(B) of the run of rows and the bin where it is largest, negative for a loss of counts.

    Args:
        signal: (n, bins) expected counts that the event adds.
        expected: (n, bins) expected counts of everything else. More than 400 rows are joined to 400 blocks.
    """
    edges = np.unique(np.linspace(0, len(signal), min(len(signal), 400) + 1).astype(int))
    best = 0.0
    for column in range(signal.shape[1]):
        s, b = (np.append(0.0, np.cumsum(x[:, column]))[edges] for x in (signal, expected))
        first, last = np.triu_indices(len(edges), 1)
        value = (s[last] - s[first]) / np.sqrt(np.maximum(b[last] - b[first], 1e-9))
        best = max(best, value[np.argmax(np.abs(value))], key=abs)
    return float(best)
