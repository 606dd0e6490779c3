"""Scales of the axes: times in UTC, and pulls from noise to bright bursts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.plotting.time_cells import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def dates(unix: Values) -> Values:
    """Convert unix seconds to matplotlib's days."""
    from matplotlib.dates import date2num

    return np.asarray(date2num((unix * 1e6).astype("datetime64[us]")))  # type: ignore[no-untyped-call]


def utc(time: float) -> str:
    """Return unix seconds as a date and time of day, to the second."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Write a length of time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def utc_axis(panel: Axes, start: float, stop: float) -> None:
    """Span the times from ``start`` to ``stop``, unix seconds; the date stands in the label."""
    date_ticks(panel, least=4, most=9)
    panel.set_xlim(*dates(np.array([start, stop])))
    panel.set_xlabel(f"time (UTC), from {utc(start)}")


def date_ticks(panel: Axes, *, least: int, most: int) -> None:
    """Mark times on an axis of matplotlib's days at so many round places."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC", minticks=least, maxticks=most)  # type: ignore[no-untyped-call]
    ticks = ConciseDateFormatter(locator, tz="UTC", show_offset=False)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ticks)


def plain_numbers(axis: Axis) -> None:
    """Write 0.1 and 100 on a logarithmic axis instead of powers of ten."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def logarithmic(panel: Axes, low: float, high: float) -> None:
    """Give a panel a logarithmic height that holds the numbers from ``low`` > 0 to ``high``, some of them written."""
    panel.set_yscale("log")
    panel.set_ylim(low / 1.15, 1.15 * high)
    plain_steps(panel.yaxis, low, high)


def plain_steps(axis: Axis, low: float, high: float) -> None:
    """Write some numbers from ``low`` to ``high`` on a logarithmic axis: 1, 2 and 5 of a decade where there are few."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 200 * low else (1.0, 2.0, 5.0)))
    plain_numbers(axis)


def pull_scale(panel: Axes, low: Values, high: Values, sigma: float) -> None:
    """Keep noise on a linear scale; where a burst towers over it, go on logarithmically beyond."""
    from matplotlib.ticker import FixedLocator, MultipleLocator, StrMethodFormatter

    # The limit stands first: Python's min and max keep it where there is no number to compare.
    bottom = min(-sigma, float(np.fmin.reduce(low)))
    top = max(sigma, float(np.fmax.reduce(high)))
    if max(-bottom, top) <= 4 * sigma:
        margin = 0.1 * (top - bottom)
        panel.set_ylim(bottom - margin, top + margin)
        panel.yaxis.set_major_locator(MultipleLocator(sigma if top - bottom <= 5 * sigma else 2 * sigma))
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        return
    panel.set_yscale("symlog", linthresh=2 * sigma, linscale=1.2)
    panel.set_ylim(1.5 * bottom, 1.8 * top)
    powers = 10.0 ** np.arange(1, 9)
    steps = np.outer(powers, np.arange(2, 10)).ravel()
    far = powers[(powers > 2.5 * sigma) & (powers < 1.8 * max(-bottom, top))]
    far = far if len(far) else np.array([4 * sigma])
    panel.yaxis.set_major_locator(FixedLocator(_both_signs(far, -sigma, 0, sigma)))
    panel.yaxis.set_minor_locator(FixedLocator(_both_signs(steps[steps > 2 * sigma])))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _both_signs(far: NDArray[Any], *near: float) -> list[float]:
    return [*-far[::-1], *near, *far]
