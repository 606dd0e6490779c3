"""Axes of time, rate and pull, and how numbers on them are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from polarbgb.data.calendar import utc as utc  # noqa: PLC0414 - exported from here
from polarbgb.plotting.time_cells import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


_SPARSE = 0.5
"""Share of the time span that must lie outside long gaps for these to be drawn."""
_MARKED = 200
"""Largest number of gaps that have a tick."""
_DATES = 6
"""Dates written along an axis without gaps, at most."""
_DECADES = 30.0
"""Ratio of the largest to the smallest rate from which the axis is logarithmic."""


def dates(unix: Values) -> Values:
    """Convert unix seconds to matplotlib's days."""
    from matplotlib.dates import date2num

    return np.asarray(date2num((unix * 1e6).astype("datetime64[us]")))  # type: ignore[no-untyped-call]


def number(value: float, digits: int = 3) -> str:
    """Return a number with some significant digits, and as a whole number with commas from 1000 on.

    Examples:
        >>> number(1234.5), number(655.3, 2), number(0.01234, 2)
        ('1,234', '655', '0.012')
    """
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(float(text)) >= 10 ** min(digits, 3) else text


def number_range(low: float, high: float, digits: int = 3) -> str:
    """Return two numbers as a range, or one number where both read the same.

    Example:
        >>> number_range(1.26, 1.34, 2), number_range(1, 2)
        ('1.3', '1 to 2')
    """
    first, last = number(low, digits), number(high, digits)
    return first if first == last else f"{first} to {last}"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{number(seconds / unit)} {name}"
    return f"{number(seconds / 86_400)} d"


@dataclass(frozen=True)
class TimeAxis:
    """An axis of time that leaves out long gaps where they are most of the time.

    Attributes:
        start: (stretches,) start of each stretch that is drawn, unix seconds.
        stop: (stretches,) its end, unix seconds.
    """

    start: Values
    stop: Values

    @classmethod
    def of(cls, time: Values, cadence: float, period: float) -> Self:
        """Leave out the gaps that are longer than an orbit, if the rest is less than half of the time span.

        Args:
            time: (rows,) start of each row, unix seconds, increasing; at least one.
            cadence: length of a row, s.
            period: orbital period, s.
        """
        first, last = time[:1], time[-1:] + cadence
        span = float(last[0] - first[0])
        gaps = np.flatnonzero(np.diff(time) - cadence > period)
        start, stop = np.append(first, time[gaps + 1]), np.append(time[gaps] + cadence, last)
        return cls(start, stop) if np.sum(stop - start) < _SPARSE * span else cls(first, last)

    @property
    def length(self) -> float:
        """Time along the axis, s."""
        return float(np.sum(self.stop - self.start))

    def elapsed(self, unix: Values) -> Values:
        """Return the seconds along the axis of some times, unix seconds."""
        if len(self.start) == 1:
            return np.asarray(unix - self.start[0])
        passed = np.append(0.0, np.cumsum(self.stop - self.start))
        ends = np.column_stack([self.start, self.stop]).ravel()
        return np.asarray(np.interp(unix, ends, np.column_stack([passed[:-1], passed[1:]]).ravel()))

    def position(self, unix: Values) -> Values:
        """Return where times, unix seconds, lie on the axis, in days."""
        return dates(unix) if len(self.start) == 1 else self.elapsed(unix) / 86_400

    def label(self, panel: Axes) -> None:
        """Set limits, ticks and label of a panel."""
        if len(self.start) == 1:
            utc_axis(panel, self.start[0], self.stop[0])
            return
        where = self.position(self.start)
        width = self.length / 86_400 / _DATES
        ticks = [0]  # stretches that have their date written: far enough apart for the text
        for stretch in range(1, len(where)):
            if where[stretch] - where[ticks[-1]] >= width:
                ticks.append(stretch)
        panel.set_xticks(where[ticks], [utc(self.start[stretch])[:10] for stretch in ticks])
        if len(where) <= _MARKED:
            panel.set_xticks(where[1:], minor=True)
        panel.set_xlim(0, self.length / 86_400)
        gaps = self.start[1:] - self.stop[:-1]
        panel.set_xlabel(
            f"time (UTC), {utc(self.start[0])} to {utc(self.stop[-1])}; {duration(self.length)} are shown: "
            f"{'a gap' if len(gaps) == 1 else f'{len(gaps):,} gaps'} of {duration(gaps.sum())} left out"
        )


def utc_axis(panel: Axes, start: float, stop: float) -> None:
    """Span the times from ``start`` to ``stop``, unix seconds; the label states the date."""
    date_ticks(panel, least=4, most=9)
    panel.set_xlim(*dates(np.array([start, stop])))
    panel.set_xlabel(f"time (UTC), from {utc(start)}")


def date_ticks(panel: Axes, *, least: int, most: int) -> None:
    """Mark ``least`` to ``most`` round times on an axis of matplotlib's days."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC", minticks=least, maxticks=most)  # type: ignore[no-untyped-call]
    ticks = ConciseDateFormatter(locator, tz="UTC", show_offset=False)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ticks)


def log_scale(panel: Axes, which: str) -> None:
    """Make the axes ``"x"``, ``"y"`` or both, ``"xy"``, of a panel logarithmic.

    Powers of ten are written as 10², because texts are not parsed as formulas.
    """
    from matplotlib.ticker import LogFormatterSciNotation

    class Powers(LogFormatterSciNotation):
        """Writes with Unicode characters what the default writes as a formula."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            formula = super().__call__(x, pos).removeprefix(r"$\mathdefault{").removesuffix("}$")
            return re.sub(r"\^\{(.*?)\}", _raised, formula.replace(r"\times", "×"))

    for name in which:
        axis: Axis = getattr(panel, f"{name}axis")
        panel.set(**{f"{name}scale": "log"})
        axis.set_major_formatter(Powers())
        axis.set_minor_formatter(Powers())


def _raised(exponent: re.Match[str]) -> str:
    return exponent[1].translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def plain_numbers(axis: Axis) -> None:
    """Write 0.1 and 100 on a logarithmic axis instead of powers of ten."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def rate_scale(panel: Axes, rate: Values, background: Values) -> None:
    """Give a panel a logarithmic axis where rates, Hz, span more than 1.5 decades.

    The background decides where the axis begins: rows of few counts scatter down to 0.
    """
    above, observed = (values[np.isfinite(values) & (values > 0)] for values in (background, rate))
    if not len(above):
        return
    low, high = float(above.min()), float(max(observed.max(initial=0.0), above.max()))
    if high > _DECADES * low:
        logarithmic(panel, min(low, float(np.quantile(observed, 0.01))) if len(observed) else low, high)


def logarithmic(panel: Axes, low: float, high: float) -> None:
    """Give a panel a logarithmic vertical axis from ``low`` > 0 to ``high``, with plain numbers."""
    log_scale(panel, "y")
    panel.set_ylim(low / 1.15, 1.15 * high)
    plain_steps(panel.yaxis, low, high)


def plain_steps(axis: Axis, low: float, high: float) -> None:
    """Write plain numbers on a logarithmic axis: powers of 10, and 1, 2 and 5 of each decade if there are few."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 200 * low else (1.0, 2.0, 5.0)))
    plain_numbers(axis)


def pull_scale(panel: Axes, low: Values, high: Values, sigma: float) -> None:
    """Draw pulls on a linear scale up to twice the limit, and logarithmically beyond it if there are bright bursts.

    Args:
        panel: of pulls.
        low: smallest pulls drawn.
        high: largest pulls drawn.
        sigma: pull beyond which a row is flagged.
    """
    from matplotlib.ticker import FixedLocator, MultipleLocator, StrMethodFormatter

    # The limit comes first: Python's min and max return it where the other value is NaN.
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
