"""Events at an asked price: the search by Poisson-FOCuS from a prediction to a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.progress import Track, silent, watched
from polarbgb.transients.counts import Counts, counts_of
from polarbgb.transients.events import BESIDE, describe_events
from polarbgb.transients.price import Alarms, Control, group_windows, learn_control, rarities
from polarbgb.transients.search import find_windows, local_factor


@dataclass(frozen=True)
class Triggered:
    """What the search came to.

    Attributes:
        events: a row an event, in time order.
        windows: every window that was found, of both signs, a row each: ``sign``, ``scale`` (s), ``series``,
            ``t_start`` and ``t_stop`` (unix s), ``significance``, ``strength``, ``rarity``, ``far`` (1/day), ``group``.
        deficits: groups of deficits that are as rare as the events: the control.
        days: of live time.
        control: what says how rare they are.
    """

    events: pl.DataFrame
    windows: pl.DataFrame
    deficits: int
    days: float
    control: Control


def find_transients(
    prediction: pl.DataFrame, config: Config, *, control: Control | None = None, track: Track = silent
) -> Triggered:
    """List the excesses that the background makes less often than ``trigger.far`` a day.

    Args:
        prediction: from :func:`polarbgb.background.prediction.prediction_frame`.
        config: the instrument and its section trigger.
        control: of the same rows before something was added to their counts; learnt from this prediction where None.
        track: watches the searches and their pricing.

    Returns:
        Events with the columns of :func:`polarbgb.transients.events.describe_events`, of the rows from the first to the
        last of their windows that are rare enough by themselves, and

        - ``significance`` (sigma of the best window in one bin or sum; not of the whole event as there) and
          ``strength`` (of the best window in all bins together: distance in units of their spread, errors of the
          background and counts that bins share included);
        - ``t_trigger`` (unix s: row at which the threshold was first exceeded), ``timescale`` (s: length of its
          strongest window);
        - ``far`` (false events a day that are at least as rare) and ``probability`` (1 less the expected share of false
          events among those at least as rare);
        - ``bins_flagged`` (``"0_1_5"``: bins, alone or in a sum, with a window that is rare enough).

        The ``background`` of events that last no longer than ``trigger.follow``, and what is made from it, follows the
        local baseline around them, as the search does.

    Raises:
        UserError: if the list of known events cannot be read.
    """
    counts = counts_of(prediction, config)
    search = find_windows(counts, config, track=track)
    own = control is None
    with watched(track, "Price of events"):
        grouped = group_windows(search.windows, counts, config)
        control = control or learn_control(grouped, search.days)
    alarms, rarity = control.alarms, rarities(grouped, control, own=own)
    windows = grouped.with_columns(rarity=rarity, far=alarms.per_day(rarity))
    rare = windows.filter(pl.col("far") <= config.trigger.far)
    groups = _groups(rare.filter(pl.col("sign") > 0), windows, alarms)
    first, last = (counts.row[groups[edge].to_numpy()] for edge in ("first", "last"))
    seen = _followed(prediction, counts, groups, config)
    described = describe_events(seen, first, last, config).drop("significance")
    timescale = groups["strongest_last"] - groups["strongest_first"] + 1
    events = described.with_columns(
        groups["significance", "strength", "far", "probability", "bins_flagged"],
        t_trigger=counts.time[groups["trigger"].to_numpy()],
        timescale=timescale.cast(pl.Float64) * config.input.cadence,
    )
    return Triggered(
        events=events,
        windows=_in_time(windows, counts, config.input.cadence),
        deficits=rare.filter(pl.col("sign") < 0)["group"].n_unique(),
        days=alarms.days,
        control=control,
    )


def _followed(prediction: pl.DataFrame, counts: Counts, groups: pl.DataFrame, config: Config) -> pl.DataFrame:
    """Return the prediction with the background that short events were found against.

    In and beside events that last no longer than ``trigger.follow`` it follows the local baseline around the shortest
    scale that is as long, which sees nothing of them; longer ones would be followed themselves.
    """
    cadence = config.input.cadence
    start, stop = counts.time[groups["first"].to_numpy()], counts.time[groups["last"].to_numpy()] + cadence
    scales = np.array([scale for scale in sorted(config.trigger.scales) if scale <= config.trigger.follow])
    which = np.searchsorted(scales, stop - start - 0.5 * cadence)
    factor, rows = np.ones_like(counts.expected), np.zeros(len(counts.time), bool)
    for one in np.unique(which[which < len(scales)]):
        local = local_factor(counts, scales[one], config)
        for first, last in zip(
            np.searchsorted(counts.time, start[which == one] - BESIDE),
            np.searchsorted(counts.time, stop[which == one] + BESIDE),
            strict=True,
        ):
            rows[first:last] = True
            factor[first:last] = local[first:last]
    if not rows.any():
        return prediction
    place = np.flatnonzero(prediction["segment"].to_numpy() >= 0)[rows]
    rate, pred, sigma, pull = (prediction[name].to_numpy().copy() for name in ("rate", "pred", "sigma", "pull"))
    pred[place] *= factor[rows]
    pull[place] = (rate[place] - pred[place]) / sigma[place]
    return prediction.with_columns(
        pl.Series(name, values, prediction[name].dtype) for name, values in (("pred", pred), ("pull", pull))
    )


def _groups(rare: pl.DataFrame, windows: pl.DataFrame, alarms: Alarms) -> pl.DataFrame:
    """Gather the rare windows of each group, in time order."""
    groups = (
        rare.sort("rarity", "first", "scale", "series")
        .group_by("group", maintain_order=True)
        .agg(
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col("trigger").min(),
            pl.col("significance", "strength").max(),
            pl.col("rarity", "far").first(),
            pl.col("first").get(pl.col("strength").arg_max()).alias("strongest_first"),
            pl.col("last").get(pl.col("strength").arg_max()).alias("strongest_last"),
            pl.col("series")
            .str.split("_")
            .explode()
            .unique()
            .cast(pl.Int64)
            .sort()
            .cast(pl.String)
            .alias("bins_flagged"),
        )
        .with_columns(pl.col("bins_flagged").list.join("_"))
        .sort("first")
    )
    found = np.sort(
        windows.filter(pl.col("sign") > 0).group_by("group").agg(pl.col("rarity").min())["rarity"].to_numpy()
    )
    as_rare = np.searchsorted(found, groups["rarity"].to_numpy(), side="right")
    false = groups["far"].to_numpy() * alarms.days
    return groups.with_columns(probability=1 - np.minimum(false / np.maximum(as_rare, 1), 1.0))


def _in_time(windows: pl.DataFrame, counts: Counts, cadence: float) -> pl.DataFrame:
    first, last = (windows[edge].to_numpy() for edge in ("first", "last"))
    return windows.with_columns(t_start=counts.time[first], t_stop=counts.time[last] + cadence).select(
        "sign", "scale", "series", "t_start", "t_stop", "significance", "strength", "rarity", "far", "group"
    )
