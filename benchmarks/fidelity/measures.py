"""What a rate file is like, in numbers; each function gives values by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uproot
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks, peak_widths

from polarbgb.simulation.field import igrf
from polarbgb.simulation.orbit import PERIOD, START
from polarbgb.simulation.orbit import orbit as simulated_orbit
from polarbgb.simulation.saa import EDGE
from polarbgb.simulation.truth import MODELLED

Array = NDArray[np.float64]

FEATURES = (
    "time_since_saa",
    "raz",
    "decz",
    "rax",
    "decx",
    "temperature",
    "glon",
    "glat",
    "fe_cosmic",
    "altitude",
    "sun",
    "sun_spot",
    "B_r",
    "B_theta",
    "B_phi",
    "crabarf",
)
LEVELS = {"3-4 kHz": (3000, 4000), "8-10 kHz": (8000, 10_000), "13+ kHz": (13_000, np.inf)}
RATIO_BINS = (0, 1, 5, 6)
_ORIGIN, _FIRST_REVOLUTION = 1474004181.5460, 10


@dataclass(frozen=True)
class RateFile:
    """The columns of a rate file, (rows,) and (rows, 13), in the units of the file."""

    columns: dict[str, Array]

    @property
    def time(self) -> Array:
        """(rows,) unix seconds."""
        return self.columns["unix_time"]

    @property
    def rate(self) -> Array:
        """(rows, 13) Hz."""
        return self.columns["rate"]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Rows that the published filter rate[0]/rate_err[0] > 20 keeps."""
        error = self.columns["rate_err"]
        return self.rate[:, 0] > 20 * error

    @property
    def steps(self) -> Array:
        """(rows - 1,) from row to row, s."""
        return np.diff(self.time)


def read(path: Path) -> RateFile:
    """Read the rate file (tree ``nf1rate``)."""
    with uproot.open(path) as file:
        tree = file["nf1rate"]
        columns = {
            name: np.asarray(tree[name].array(library="np"), float)
            for name in ("unix_time", *FEATURES, "is_orbit_up", "rate")
        }
        # Of the errors, that of the first bin is enough: live = rate / error^2 is the same for all.
        columns["rate_err"] = tree["rate_err"].array(library="np")[:, 0].astype(float)
    return RateFile(columns)


def rows(file: RateFile) -> dict[str, float]:
    """Numbers of rows, and the span."""
    dead = (file.rate[:, 0] == 0) & (file.columns["rate_err"] == 0)
    revolution = _revolution(file)
    return {
        "rows": len(file.time),
        "rows after the filter": int(file.alive.sum()),
        "share of rows dropped, 1e-4": 1e4 * float((~file.alive).mean()),
        "share of rows all zero, 1e-4": 1e4 * float(dead.mean()),
        "first time, unix s": float(file.time[0]),
        "last time, unix s": float(file.time[-1]),
        "span, days": float(np.ptp(file.time) / 86400),
        "live share of the time": len(file.time) / float(np.ptp(file.time)),
        "first revolution": float(revolution[0]),
        "last revolution": float(revolution[-1]),
    }


def columns(file: RateFile) -> dict[str, float]:
    """Mean, standard deviation, quartiles and range of every column."""
    found = {}
    for name in FEATURES:
        values = file.columns[name]
        values = values[_usable(values)]
        summary = [values.mean(), values.std(), *np.quantile(values, [0, 0.25, 0.5, 0.75, 1])]
        for label, value in zip(("mean", "std", "min", "25%", "50%", "75%", "max"), summary, strict=True):
            found[f"{name} {label}"] = float(value)
    return found


def correlations(file: RateFile) -> dict[str, float]:
    """Correlation of rate[0] with every feature of the published work."""
    some = np.flatnonzero(file.alive)[::20]
    features = {name: file.columns[name] for name in (*FEATURES, "is_orbit_up")}
    features["revolution"] = _revolution(file)
    found = {}
    for name, values in features.items():
        usable = some[_usable(values[some])]
        found[f"rate[0], {name}"] = float(np.corrcoef(file.rate[usable, 0], values[usable])[0, 1])
    return found


def _usable(values: Array) -> NDArray[np.bool_]:
    """Return where a column holds a number; the older file has NaN and -1.2e33."""
    return np.abs(values) < 1e30


def _revolution(file: RateFile) -> Array:
    return (file.time - _ORIGIN) // PERIOD + _FIRST_REVOLUTION


def ratios(file: RateFile) -> dict[str, float]:
    """Ratios of rates to rate[12] at three levels of brightness."""
    rate = file.rate[file.alive]
    found = {}
    for level, (low, high) in LEVELS.items():
        inside = rate[(rate[:, 12] >= low) & (rate[:, 12] < high)]
        for number in RATIO_BINS:
            found[f"rate[{number}]/rate[12] at {level}"] = _median(inside[:, number] / inside[:, 12])
    return found


def levels(file: RateFile) -> dict[str, float]:
    """The quiet equator, the troughs of ten days, and the highest rates."""
    quiet = file.alive & (np.abs(file.columns["glat"]) < 10) & (file.columns["time_since_saa"] > 3000)
    found = {f"quiet equator, rate[{n}], Hz": float(np.median(file.rate[quiet, n])) for n in MODELLED}
    day = (file.time[quiet] - file.time[0]) // (10 * 86400)
    trough = [np.median(file.rate[quiet, 0][day == d]) for d in np.unique(day) if (day == d).sum() > 5000]
    found["trough of rate[0], lowest ten days, Hz"] = float(min(trough, default=np.nan))
    found["trough of rate[0], highest ten days, Hz"] = float(max(trough, default=np.nan))
    for number in (0, 5, 10):
        found[f"highest rate[{number}], Hz"] = float(file.rate[:, number].max())
    return found


def live(file: RateFile) -> dict[str, float]:
    """Live fraction at two rates."""
    rate, error = file.rate[file.alive], file.columns["rate_err"][file.alive]
    fraction = rate[:, 0] / error**2
    found = {}
    for level, (low, high) in {"3.5 kHz": (3300, 3700), "9 kHz": (8500, 9500), "20 kHz": (17_000, 23_000)}.items():
        inside = (rate[:, 12] >= low) & (rate[:, 12] < high)
        found[f"live fraction at {level}"] = _median(fraction[inside])
    return found


def gaps(file: RateFile) -> dict[str, float]:
    """Interruptions by length."""
    step = file.steps
    long = np.sort(step[step > 86400]) / 86400
    found = {"breaks (trunc(dt) > 1)": int((np.trunc(step) > 1).sum())}
    families = {
        "1.0-1.4 s late": (2.0, 2.5),
        "8-12 s": (8, 13.1),
        "60-70 s": (60, 71.1),
        "anomaly, 2-25 min": (120, 1500),
        "hours": (5400, 86400),
    }
    for name, (low, high) in families.items():
        found[f"gaps, {name}"] = int(((step >= low) & (step < high)).sum())
    passes = found["gaps, anomaly, 2-25 min"]
    found["passes of the anomaly, a live day"] = passes / (len(file.time) / 86400)
    found["longest hole, days"] = float(long[-1]) if len(long) else 0.0
    found["second longest hole, days"] = float(long[-2]) if len(long) > 1 else 0.0
    fraction = np.modf(file.time)[0]
    found["fraction of the second, std (1/sqrt(12) if it drifts)"] = float(fraction.std())
    return found


def pairs(file: RateFile) -> dict[str, float]:
    """How long readings are held, and how rates change."""
    change = np.flatnonzero(np.diff(file.columns["glat"]) != 0)
    return {
        "rows that share a reading, median": float(np.median(np.diff(change))),
        "rates that differ from the row before": float((np.diff(file.rate[:, 12]) != 0).mean()),
    }


def humps(file: RateFile) -> dict[str, float]:
    """Humps of nearly whole orbits, and their height over the trough: 90 % over 10 % of the orbit's curve."""
    phase = (file.time - _ORIGIN) / PERIOD
    number = np.floor(phase).astype(int)
    counts, heights = [], []
    for rows_ in np.split(np.arange(len(number)), np.flatnonzero(np.diff(number)) + 1):
        inside = rows_[file.alive[rows_]]
        if len(inside) < 4800:
            continue
        curve, _ = np.histogram(phase[inside] % 1, 60, (0, 1), weights=file.rate[inside, 0])
        filled, _ = np.histogram(phase[inside] % 1, 60, (0, 1))
        curve = np.where(filled > 10, curve / np.maximum(filled, 1), np.nan)
        curve = np.interp(np.arange(60), np.flatnonzero(~np.isnan(curve)), curve[~np.isnan(curve)])
        smooth = uniform_filter1d(curve, 9, mode="wrap")
        peaks, _ = find_peaks(np.tile(smooth, 3), prominence=0.08 * smooth.min())
        counts.append(int(((peaks >= 60) & (peaks < 120)).sum()))
        heights.append(np.quantile(curve, 0.9) / np.quantile(curve, 0.1))
    low, middle, high = np.quantile(heights, [0.1, 0.5, 0.9]) if heights else (np.nan,) * 3
    return {
        "whole orbits": len(counts),
        "humps an orbit, median": _median(np.array(counts)),
        "share of orbits with two humps": counts.count(2) / max(len(counts), 1),
        "hump over trough, lowest tenth": float(low),
        "hump over trough, median": float(middle),
        "hump over trough, highest tenth": float(high),
    }


def spikes(file: RateFile) -> dict[str, float]:
    """Spikes of rate[0] above 2 kHz: how high, how wide, and how many have others on nearby orbits."""
    time, rate = file.time[file.alive], file.rate[file.alive, 0]
    grid = np.arange(time[0], time[-1], 10.0)
    place = np.minimum(np.searchsorted(time, grid), len(time) - 1)
    near = np.abs(time[place] - grid) < 15
    smooth = uniform_filter1d(np.interp(grid, time, rate), 3)
    peaks, _ = find_peaks(smooth, height=2000, prominence=800, distance=30)
    peaks = peaks[near[peaks]]
    widths, _, left, right = peak_widths(smooth, peaks, rel_height=0.5)
    # Of the width, a gap leaves a part.
    whole = np.array([near[int(a) : int(b) + 2].all() for a, b in zip(left, right, strict=True)], bool)
    widths = 10 * widths[whole]
    days = len(rate) / 86400
    heights = smooth[peaks]
    orbits = np.unique(((grid[peaks] - _ORIGIN) // PERIOD).astype(int))
    neighbours = np.isin(orbits + 1, orbits) | np.isin(orbits - 1, orbits)
    beat = np.isin(orbits + 15, orbits) | np.isin(orbits + 16, orbits)
    rows_ = (file.rate[:, 12] > 13_000).mean()
    return {
        "spikes a live day": len(peaks) / days,
        "height, median, Hz": _median(heights),
        "height, highest tenth, Hz": _quantile(heights, 0.9),
        "width, lowest tenth, s": _quantile(widths, 0.1),
        "width, median, s": _median(widths),
        "width, highest tenth, s": _quantile(widths, 0.9),
        "share with a spike on a neighbouring orbit": int(neighbours.sum()) / max(len(orbits), 1),
        "share with a spike a day later": int(beat.sum()) / max(len(orbits), 1),
        "rows above 13 kHz, 1e-4": 1e4 * float(rows_),
    }


def orbit(file: RateFile, intervals: Array) -> dict[str, float]:
    """Published intervals against the simulated orbit, which no other figure of the real mission tests so long.

    Args:
        file: unused; the orbit is the same in every mission.
        intervals: (k,) times of the published intervals, unix seconds.
    """
    del file
    time = np.unique(intervals)
    place = simulated_orbit(time)
    strength = np.linalg.norm(igrf(START).at(place.glat, place.glon, place.altitude), axis=0)
    return {"share of published intervals inside the anomaly": float((strength < EDGE).mean())}


def places(file: RateFile, real: dict[str, Array]) -> dict[str, float]:
    """Rows of POLAR beside rows of the file at the same place (within 2 degrees) and live fractions of their rate.

    Args:
        file: to compare.
        real: columns of ``polar_real_rows.csv``.
    """
    alive = np.flatnonzero(file.alive)
    glat, glon = file.columns["glat"][alive], file.columns["glon"][alive]
    cosmic, inside, live_, ratio = [], [], [], {number: [] for number in RATIO_BINS}
    level = np.log(file.rate[alive, 12])
    for number in range(len(real["glat"])):
        # Readings of the front-end that start low after an interruption say nothing of the place.
        near = alive[(np.abs(glat - real["glat"][number]) < 1.5) & (np.abs(glon - real["glon"][number]) < 4)]
        if len(near) > 100:
            inside.append(file.rate[near, 12].min() <= real["rate12"][number] <= file.rate[near, 12].max())
            if real["fe_cosmic"][number] > 4500:
                cosmic.append(np.log(real["fe_cosmic"][number] / np.median(file.columns["fe_cosmic"][near])))
        alike = alive[np.abs(level - np.log(real["rate12"][number])) < 0.05]
        if len(alike) > 50:
            fraction = file.rate[alike, 0] / file.columns["rate_err"][alike] ** 2
            live_.append(real["live_frac"][number] - np.median(fraction))
            for bin_ in RATIO_BINS:
                got = np.median(file.rate[alike, bin_] / file.rate[alike, 12])
                ratio[bin_].append(real[f"rate{bin_}"][number] / real["rate12"][number] - got)
    found = {
        "rows with a place in the file": len(inside),
        "share whose rate[12] is within the file's there": float(np.mean(inside)),
        "fe_cosmic over the file's median there, median": float(np.exp(np.median(cosmic))),
        "live fraction less the file's at that rate, median": float(np.median(live_)),
        "live fraction less the file's at that rate, 90 % within": float(np.quantile(np.abs(live_), 0.9)),
    }
    for bin_ in RATIO_BINS:
        found[f"rate[{bin_}]/rate[12] less the file's at that rate, median"] = float(np.median(ratio[bin_]))
        found[f"rate[{bin_}]/rate[12] less the file's at that rate, 90 % within"] = float(
            np.quantile(np.abs(ratio[bin_]), 0.9)
        )
    return found


def _median(values: Array) -> float:
    return _quantile(values, 0.5)


def _quantile(values: Array, fraction: float) -> float:
    """Return a quantile; NaN, which agrees with nothing, of no values."""
    return float(np.quantile(values, fraction)) if len(values) else np.nan
