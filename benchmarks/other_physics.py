"""Simulate a POLAR-like mission whose physics is not that of ``polarbgb simulate``.

A transient search that is tuned on one simulator may have learned its assumptions. This one writes the same tree,
branches and types, but shares no code with :mod:`polarbgb.simulation`: orbit, cutoff, anomaly, belts, response,
bursts, flares and instrumental effects have other forms, and their parameters differ from seed to seed.

Run it as ``python benchmarks/other_physics.py mission.root --days 20 --seed 1``; the injected events are written to
``mission.truth.parquet``. ``--quiet-sky`` leaves out all events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import polars as pl
import ppigrf
import uproot
from numpy.typing import NDArray
from other_transients import ACTIVE, COSMIC, DENSE, NESTING, QUIET, TRAPPED, draw_events, gained, oracle, red_noise
from scipy.ndimage import map_coordinates
from scipy.signal import lfilter

Array = NDArray[np.float64]

START = 1_514_800_000.0  # unix s, 2018-01-01: after POLAR's own mission, so that no known burst is in the file
DAY, EARTH, HOLD = 86400.0, 6371.2, 2  # s, km, rows for which housekeeping is held
CHUNK = 200_000  # rows
MODELLED = [0, 1, 5, 6, 10, 12]


@dataclass(frozen=True)
class World:
    """Physics parameters of a seed: angles in degrees, rates in Hz of bin 12, times in s."""

    period: float
    argument: float
    node: float
    tilt: float
    anomaly: Array  # latitude and longitude of the centre, semi-axes in latitude and longitude, slant
    diffuse: float
    cosmic: Array  # rate, rigidity (GV) and index of rate (1 + rigidity / scale)^-index
    belts: Array  # (3,) L
    strength: Array  # (3,) log of the median rate of the belts
    beat: Array  # (3,) phase of their daily beat
    red: float
    phase: Array  # (6,) radians, of slow drifts


@dataclass(frozen=True)
class Trajectory:
    """The trajectory at (n,) times, with what is met on it."""

    time: Array
    glat: Array
    glon: Array
    altitude: Array
    up: NDArray[np.bool_]
    zenith: Array  # (n, 3)
    normal: Array  # (n, 3)
    field: Array  # (3, n) nT: up, south, east
    shell: Array  # L in Earth radii
    depth: Array  # distance from the centre of the anomaly; less than 1 inside
    sunlit: NDArray[np.bool_]


def draw_world(rng: np.random.Generator) -> World:
    """Draw the parameters of a seed."""
    return World(
        period=rng.uniform(5515, 5550),
        argument=rng.uniform(0, 360),
        node=rng.uniform(0, 360),
        tilt=rng.uniform(4, 14),
        anomaly=rng.normal([-27, -46, 23, 48, 0.3], [2.0, 4.0, 1.2, 2.5, 0.2]),
        diffuse=rng.normal(2420, 60),
        cosmic=rng.normal([9000, 4.0, 2.0], [500, 0.3, 0.06]),
        belts=rng.normal([2.0, 2.9, 4.1], [0.08, 0.15, 0.2]),
        strength=rng.normal(np.log([700, 500, 1300]), 0.25),
        beat=rng.uniform(0, 2 * np.pi, 3),
        red=rng.uniform(0.010, 0.020),
        phase=rng.uniform(0, 2 * np.pi, 6),
    )


def smooth_noise(time: Array, memory: float, rng: np.random.Generator) -> Array:
    """Draw noise of unit variance at (n,) times, smooth over times shorter than ``memory``, s."""
    step = memory / 20
    grid = np.arange(time[0] - 8 * memory, time[-1] + 2 * step, step)
    keep = np.exp(-1 / 20)
    walk = lfilter([1.0], [1, -keep], red_noise(len(grid), 20, rng)[:, 0])
    return np.interp(time, grid, walk * (1 - keep**2) / np.sqrt(1 + keep**2))


def clock(days: float, rng: np.random.Generator) -> Array:
    """Return the opening times of the bins, unix s: each 1 s and a little after the last, or one of the short gaps."""
    length = int(days * DAY)
    step = 1 + rng.exponential(1e-4, length)
    for daily, low, high in ((14, 1.0, 1.4), (3, 8, 12), (1, 60, 70)):
        late = rng.random(length) < daily / DAY
        step[late] += rng.uniform(low, high, late.sum())
    time = START + rng.random() + np.cumsum(step)
    return time[time < START + days * DAY]


def long_gaps(time: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where data are lost for hours: about 1.3 times a day, a quarter of the time."""
    number = round(1.3 * (time[-1] - time[0]) / DAY)
    lost = np.zeros(len(time), bool)
    room = (time[-1] - time[0]) / max(number, 1)
    for index in range(number):
        length = room * np.clip(rng.exponential(0.3), 0.02, 0.9)
        start = time[0] + room * index + rng.uniform(0, room - length)
        lost |= (time >= start) & (time < start + length)
    return lost


def follow(world: World, time: Array) -> Trajectory:
    """Follow the orbit, the field and the Sun at (n,) unix times."""
    since, tilt = time - START, np.radians(42.8)
    u = np.radians(world.argument) + 2 * np.pi * since / world.period
    node = np.radians(world.node - 5.99 * since / DAY)
    east, north = np.cos(tilt) * np.sin(u), np.sin(tilt) * np.sin(u)
    zenith = np.stack(
        [np.cos(u) * np.cos(node) - east * np.sin(node), np.cos(u) * np.sin(node) + east * np.cos(node), north], axis=1
    )
    normal = np.stack(
        [np.sin(tilt) * np.sin(node), -np.sin(tilt) * np.cos(node), np.full_like(u, np.cos(tilt))], axis=1
    )
    glat = np.degrees(np.arcsin(north))
    spin = 360 * 1.002737909 * since / DAY
    glon = (np.degrees(np.arctan2(zenith[:, 1], zenith[:, 0])) - spin + 180) % 360 - 180
    altitude = 379.5 - 3 * np.cos(2 * u) + 5.5 * np.sin(u - 2 * np.pi * since / (52 * DAY) + world.phase[0])
    lat0, lon0, high, wide, slant = world.anomaly
    across = ((glon - lon0 + 180) % 360 - 180 + slant * (glat - lat0)) / wide
    year = 2 * np.pi * (since / DAY - 79) / 365.25
    sun = np.stack([np.cos(year), 0.9175 * np.sin(year), 0.3978 * np.sin(year)], axis=1)
    return Trajectory(
        time=time,
        glat=glat,
        glon=glon,
        altitude=altitude,
        up=np.cos(u) > 0,
        zenith=zenith,
        normal=normal,
        field=igrf(glat, glon, altitude),
        shell=dipole_shell(glat, glon, altitude),
        depth=np.hypot(across, (glat - lat0) / high),
        sunlit=(zenith * sun).sum(axis=1) > -np.sqrt(1 - (EARTH / (EARTH + altitude)) ** 2),
    )


def igrf(glat: Array, glon: Array, altitude: Array) -> Array:
    """Return the (3, n) field, nT, interpolated on a grid of 2 degrees; it falls as the cube of the radius."""
    latitude, longitude = np.meshgrid(np.arange(-50, 51, 2.0), np.arange(-186, 187, 2.0), indexing="ij")
    date = datetime.fromtimestamp(START, UTC).replace(tzinfo=None)
    grids = ppigrf.igrf_gc(EARTH + 380, 90 - latitude, longitude, date)
    place = np.stack([(glat + 50) / 2, (glon + 186) / 2])
    return (
        np.stack([map_coordinates(grid.reshape(latitude.shape), place) for grid in grids])
        * ((EARTH + 380) / (EARTH + altitude)) ** 3
    )


def dipole_shell(glat: Array, glon: Array, altitude: Array) -> Array:
    """Return L, Earth radii, in a dipole shifted by 570 km towards 22 N, 140 E, whose pole is at 80.4 N, 72.6 W."""

    def unit(latitude: Array | float, longitude: Array | float) -> Array:
        lat, lon = np.radians(latitude), np.radians(longitude)
        return np.stack(np.broadcast_arrays(np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), axis=-1)

    place = unit(glat, glon) * (1 + altitude / EARTH)[:, None] - unit(22.0, 140.0) * 570 / EARTH
    radius = np.linalg.norm(place, axis=1)
    return np.asarray(radius / (1 - (place @ unit(80.4, -72.6) / radius) ** 2))


def trapped(world: World, path: Trajectory, rng: np.random.Generator) -> Array:
    """Return the rate of trapped particles, (n,) Hz of bin 12: three belts, and the rim of the anomaly.

    Strength, place and width change from orbit to orbit and remember the one before; a daily beat is laid over them.
    """
    revolution = (path.time - START) / world.period
    orbits = int(revolution[-1]) + 3
    walk = red_noise(orbits, 5, rng, 11)
    now = np.stack([np.interp(revolution, np.arange(orbits), column) for column in walk.T])
    beat = 1.1 * np.cos(2 * np.pi * path.time / DAY + world.beat[:, None])
    height = np.exp(world.strength[:, None] + 1.25 * now[:3] + beat)
    width = np.array([0.05, 0.09, 0.15])[:, None] * np.exp(0.6 * now[3:6])
    offset = (path.shell - world.belts[:, None] - 0.12 * now[6:9]) / width
    rim = np.exp(6.6 + 1.1 * now[9] - np.maximum(path.depth - 1, 0) / (0.09 * np.exp(0.4 * now[10])))
    return np.minimum((height / np.cosh(np.clip(offset, -30, 30))).sum(axis=0) + rim, 36_000)


def activation(path: Trajectory, off: NDArray[np.bool_]) -> Array:
    """Return the rate of activated material, (n,) Hz, that decays after each passage within 7 and within 70 minutes."""
    dose, total = np.where(off, 1 - path.depth, 0.0), np.zeros(len(off))
    for life, gain in ((420.0, 2.4), (4200.0, 0.35)):
        total += lfilter([gain * HOLD], [1, -np.exp(-HOLD / life)], dose)
    return total


def housekeeping(world: World, path: Trajectory, off: NDArray[np.bool_], rng: np.random.Generator) -> dict[str, Array]:
    """Return the auxiliary columns at (n,) times, with ``cutoff`` (GV) and ``gain`` besides, which are not written."""
    time, tilt = path.time, np.radians(world.tilt)
    axis = np.cos(tilt) * path.zenith + np.sin(tilt) * path.normal
    side = np.cos(tilt) * path.normal - np.sin(tilt) * path.zenith
    crab = path.zenith @ np.array([0.0986, 0.9217, 0.3751])
    latest = np.maximum.accumulate(np.where(off, time, -np.inf))
    slow = 2 * np.pi * (time - START) / DAY / np.array([[23.0], [7.0]]) + world.phase[1:3, None]
    warmth = 32.3 + np.array([2.6, 1.2]) @ np.sin(slow) + 1.1 * smooth_noise(time, 4000, rng)
    day = ((time - START) // DAY).astype(int)
    spots = np.clip(np.exp(rng.normal(2.7, 0.75, day[-1] + 1)), 1, 97).round()
    return {
        "glat": path.glat,
        "glon": path.glon,
        "altitude": path.altitude,
        "temperature": (warmth + rng.normal(0, 0.1, len(time))).round(1),
        "raz": np.degrees(np.arctan2(axis[:, 1], axis[:, 0])) % 360,
        "decz": np.degrees(np.arcsin(axis[:, 2])),
        "rax": np.degrees(np.arctan2(side[:, 1], side[:, 0])) % 360,
        "decx": np.degrees(np.arcsin(side[:, 2])),
        "is_orbit_up": path.up,
        "time_since_saa": np.where(np.isfinite(latest), time - np.maximum(latest, 0), 0.0),
        "crabarf": np.where(crab > -0.33, 3.5 * (0.45 + 0.55 * np.clip(crab, 0, 1) ** 0.7), 0.0),
        "sun": spots[day],
        "sun_spot": (77 + 5 * np.sin(2 * np.pi * np.arange(day[-1] + 1) / 27 + world.phase[3])).round(1)[day],
        "B_r": path.field[0],
        "B_theta": path.field[1],
        "B_phi": path.field[2],
        "cutoff": 14.5 / path.shell**2,
        "gain": 1 - 0.014 * (warmth - 32.3) + 0.003 * smooth_noise(time, 10_000, rng),
    }


def components(
    world: World, path: Trajectory, house: dict[str, Array], off: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, Array]:
    """Return the rates, (n,) Hz of bin 12, that make the background; what no column tells is red noise on them."""
    since = path.time - START
    drift = 1 + 0.05 * np.sin(2 * np.pi * since / (40 * DAY) + world.phase[4])
    rate, scale, index = world.cosmic
    rays = (
        1
        + 0.03 * np.sin(2 * np.pi * since / (27 * DAY) + world.phase[5])
        + world.red * smooth_noise(path.time, 1500, rng)
    )
    source = np.clip(path.zenith @ np.array([-0.4, -0.87, -0.27]) + 0.33, 0, 1) * np.exp(
        0.3 * smooth_noise(path.time, 9000, rng)
    )
    return {
        "quiet": world.diffuse * drift * (1 + world.red * smooth_noise(path.time, 1200, rng))
        + 9 * house["crabarf"]
        + 45 * source,
        "cosmic": rate * rays * (1 + house["cutoff"] / scale) ** -index,
        "active": activation(path, off),
        "trapped": trapped(world, path, rng),
    }


def front_end(house: dict[str, Array], parts: dict[str, Array], rng: np.random.Generator) -> Array:
    """Return the mean of ``fe_cosmic``, (n,) Hz: cosmic rays with 1.5 % of noise, and some of the trapped particles."""
    rays = 1800 + 36_000 * (1 + house["cutoff"] / 2.0) ** -1.75
    return rays * (1 + rng.normal(0, 0.015, len(rays))) + 8 * parts["trapped"] ** 0.75


def background(parts: dict[str, Array], gain: Array, flicker: Array) -> Array:
    """Return the (n, 13) mean rates of the exclusive sets, Hz; trapped particles are harder the more they are."""
    particles = parts["trapped"] * flicker
    dense = np.minimum(particles / 14_000, 1)
    rates = np.stack(
        [parts["quiet"], parts["cosmic"], parts["active"], particles * (1 - dense), particles * dense], axis=1
    )
    return gained(rates @ np.stack([QUIET, COSMIC, ACTIVE, TRAPPED, DENSE]), gain)


def observe(
    base: Array, added: Array, time: Array, dead: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[dict[str, Array], Array]:
    """Draw the counts of (n, 13) mean rates; bins share the counts of the sets that lie in both.

    Returns:
        The branches of the rates, and the (n,) live times, s.
    """
    total = np.maximum(base + added, 0)
    live = 0.968 * np.exp(-(total @ NESTING[:, 12]) / 188_000) + rng.normal(0, 0.004, len(time))
    live = np.where(dead, 0.0, np.clip(live, 0.01, 1.0))
    counts = rng.poisson(total * live[:, None]) @ NESTING
    inverse = np.where(dead, 0.0, 1 / np.where(dead, 1.0, live))[:, None]
    rate = counts * inverse
    corrected = (150 + 1.06 * rate[:, :1] + rng.normal(0, 30, (len(time), 1))) * (rate[:, :1] > 0)
    branches = {"rate": rate, "rate_err": np.sqrt(counts) * inverse, "corrected": corrected}
    return branches | {"correrr": np.zeros_like(corrected)}, live


def simulate(days: float, seed: int, quiet: bool, truth: list[dict[str, object]]) -> Iterator[dict[str, NDArray]]:
    """Yield the branches of the file, chunk by chunk, and then fill ``truth`` with one row per event.

    Args:
        days: length of the mission.
        seed: of all randomness. Without events, the mean background is the same.
        quiet: leave out all events.
        truth: is filled with kind, start, stop (unix s, of the rows that the event changes) and oracle significance.
    """
    draws = np.random.default_rng(seed).spawn(7)
    world = draw_world(draws[0])
    time = clock(days, draws[1])
    path = follow(world, time[::HOLD])
    off = path.depth < 1
    house = housekeeping(world, path, off, draws[2])
    parts = components(world, path, house, off, draws[3])
    front = front_end(house, parts, draws[3])
    flicker = np.exp(0.1 * red_noise(len(time), 6, draws[3])[:, 0])
    events = [] if quiet else draw_events(path.time, path.sunlit, draws[4])
    seen: list[list[tuple[Array, ...]]] = [[] for _ in events]
    kept = np.flatnonzero(~off[np.arange(len(time)) // HOLD] & ~long_gaps(time, draws[5]))
    for rows in np.array_split(kept, max(1, len(kept) // CHUNK)):
        now, pair = time[rows], rows // HOLD
        smooth = {name: np.interp(now, path.time, values) for name, values in parts.items()}
        base = background(smooth, np.interp(now, path.time, house["gain"]), flicker[rows])
        added, counter = np.zeros_like(base), front.copy()
        changes = []
        for index, event in enumerate(events):
            first, last = np.searchsorted(now, [event.start - 1, event.stop])
            if first < last:
                part = slice(first, last)
                change = event.change(now[part], base[part], path.sunlit[pair[part]])
                added[part] += change
                np.add.at(counter, pair[part], event.leak * (change @ NESTING[:, 12]) / HOLD)
                changes.append((index, part, change))
        branches, live = observe(base, added, now, draws[6].random(len(now)) < 2e-4, draws[6])
        for index, part, change in changes:
            others = base[part] + added[part] - change
            signal, expected = ((x * live[part, None] @ NESTING)[:, MODELLED] for x in (change, others))
            seen[index].append((now[part], signal, expected))
        used = np.unique(pair)
        counts = np.zeros(len(front))
        counts[used] = draws[6].poisson(counter[used])
        yield (
            {"unix_time": now, "rate": branches["rate"], "rate_err": branches["rate_err"]}
            | {name: house[name][pair] for name in ("glat", "glon", "altitude")}
            | {"temperature": house["temperature"][pair].astype("f4"), "fe_cosmic": counts[pair].astype("f4")}
            | {"corrected": branches["corrected"], "correrr": branches["correrr"]}
            | {"config": np.full(len(now), 42, "i4")}
            | {name: values[pair] for name, values in list(house.items())[4:-2]}
        )
    for event, pieces in zip(events, seen, strict=True):
        if pieces:
            now, signal, expected = (np.concatenate(column) for column in zip(*pieces, strict=True))
            touched = now[signal.any(axis=1)]
            if len(touched):
                span = {"kind": event.kind, "start": touched[0], "stop": touched[-1] + 1}
                truth.append(span | {"oracle": oracle(signal, expected)})


def write(path: Path, *, days: float, seed: int, quiet: bool) -> int:
    """Write the ROOT file and the truth beside it, and return the number of rows."""
    truth: list[dict[str, object]] = []
    rows, tree = 0, None
    with uproot.recreate(path, compression=uproot.ZSTD(5)) as file:
        for chunk in simulate(days, seed, quiet, truth):
            types = {name: np.dtype((values.dtype, values.shape[1:])) for name, values in chunk.items()}
            tree = tree or file.mktree("nf1rate", types, title="POLAR-like rates of other physics")
            tree.extend(chunk)
            rows += len(chunk["unix_time"])
    schema = {"kind": pl.String, "start": pl.Float64, "stop": pl.Float64, "oracle": pl.Float64}
    pl.DataFrame(truth, schema=schema).write_parquet(path.with_name(f"{path.stem}.truth.parquet"))
    return rows


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--days", default=20.0, show_default=True, type=click.FloatRange(0.1, 3650), help="Length in days.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of physics and noise.")
@click.option("--quiet-sky", is_flag=True, help="Leave out all events.")
def main(path: Path, days: float, seed: int, quiet_sky: bool) -> None:
    """Write a POLAR-like mission of other physics to PATH, and its events beside it."""
    rows = write(path, days=days, seed=seed, quiet=quiet_sky)
    click.echo(f"wrote {rows} rows to {path}")


if __name__ == "__main__":
    main()
