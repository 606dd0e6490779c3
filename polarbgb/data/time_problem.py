"""Diagnosis of times that cannot be meant as they are read: in another unit, or stored too coarsely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from polarbgb.config.times import TimeFormat
from polarbgb.data.calendar import utc
from polarbgb.data.time_format import numbers_of, to_unix
from polarbgb.errors import InputError

_FEWEST = 20
"""Rows; fewer do not tell a regular series from chance."""
_AGREES = 0.1
"""Two steps agree within this fraction."""
_REGULAR = 0.9
"""Share of the steps of a regular series that agree."""
_REPEATED = 0.05
"""Share of rows with the time of the row before, from which on times are not finely stored."""
_LONGEST = 60.0
"""Seconds; numbers are taken for another unit only if their step is then shorter, or is the cadence."""

_ABSURD = 1e30
"""Larger absolute values are artefacts, not times."""
_DAY = 86_400.0
_COARSE = ((60.0, "whole minutes"), (1.0, "whole seconds"), (0.1, "steps of 0.1 s"), (0.01, "steps of 0.01 s"))
_UNITS = {"mjd": _DAY, "jd": _DAY, "milliseconds": 1e-3}
"""Seconds per unit of the formats that are not in seconds."""


@dataclass(frozen=True)
class Reading:
    """Numbers in a range that dates of a mission, 1980 to 2100, take in some format; the ranges do not overlap.

    Attributes:
        words: what the numbers are.
        low: smallest.
        high: largest.
        unit: length of a unit, s.
        zero: the number of 1970-01-01.
        format: name of the format; empty if there is none.
        formula: what derives unix seconds from the column where there is no format.
    """

    words: str
    low: float
    high: float
    unit: float
    zero: float = 0.0
    format: str = ""
    formula: str = ""


_READINGS = (
    Reading("Modified Julian Dates", 44_239, 88_069, _DAY, 40_587, "mjd"),
    Reading("Julian Dates", 2_444_239, 2_488_069, _DAY, 2_440_587.5, "jd"),
    Reading("day numbers of MATLAB", 723_181, 767_011, _DAY, 719_529, formula="({} - 719529) * 86400"),
    Reading("unix seconds", 3.15e8, 4.1e9, 1.0, 0.0, "unix"),
    Reading("unix milliseconds", 3.15e11, 4.1e12, 1e-3, 0.0, "milliseconds"),
    Reading("unix microseconds", 3.15e14, 4.1e15, 1e-6, formula="{} / 1e6"),
    Reading("unix nanoseconds", 3.15e17, 4.1e18, 1e-9, formula="{} / 1e9"),
)


@dataclass(frozen=True)
class _Series:
    """Times as stored, in the order of the file or, if they go back and forth, sorted.

    Attributes:
        numbers: (n,) finite values.
        unit: length of a unit, s.
        cadence: nominal length of a row, s.
        name: column of the times.
        section: section of the configuration that names the column.
    """

    numbers: NDArray[np.float64]
    unit: float
    cadence: float
    name: str
    section: str

    @cached_property
    def forward(self) -> NDArray[np.float64]:
        """(steps,) steps to a later time, in cadences."""
        steps = np.diff(self.numbers)
        return np.asarray(steps[steps > 0] * (self.unit / self.cadence))

    @cached_property
    def repeated(self) -> float:
        """Share of the rows with the time of the row before."""
        return float((np.diff(self.numbers) == 0).mean())

    @property
    def sharing(self) -> float:
        """Mean number of rows with the same time."""
        return len(self.numbers) / (1 + len(self.forward))

    @cached_property
    def apart(self) -> float:
        """Usual step to a later time, s; a mean, in which the rounding of the times cancels."""
        middle = np.quantile(self.forward, 0.5, method="lower")  # one of them
        return float(np.mean(self.forward[np.abs(self.forward / middle - 1) <= _AGREES])) * self.cadence

    @cached_property
    def fine(self) -> bool:
        """Whether rows have times of their own, at regular distances."""
        forward = self.forward
        regular = np.abs(forward / np.median(forward) - 1) <= _AGREES
        return bool(regular.mean() >= _REGULAR) and self.repeated <= _REPEATED

    @property
    def fits(self) -> bool:
        """Whether the usual step is the cadence."""
        return abs(self.apart / self.cadence - 1) <= _AGREES


def time_problem(
    values: ArrayLike | pl.Series,
    cadence: float,
    settings: TimeFormat | None = None,
    *,
    name: str = "time",
    section: str = "input",
) -> str | None:
    """Return why times cannot be meant as they are read, and what to do; None if they can.

    A cause is named only if the numbers show it, and the cadence is blamed only if rows are regular and finely stored.
    The order of the rows does not matter.

    Args:
        values: (n,) times as stored: numbers, text or dates.
        cadence: nominal length of a row, s.
        settings: how the times are read; as unix seconds if None.
        name: column of the times, for the message.
        section: section of the configuration that names the column.

    Returns:
        One line without a full stop, or None.

    Example:
        >>> print(time_problem(59105.5 + np.arange(100) / 86400, 1.0))
        'time' holds Modified Julian Dates (59105.5 is 2020-09-13 12:00:00 UTC); set input.time_format = "mjd"
        >>> time_problem(1.6e9 + np.arange(100), 1.0) is None
        True
    """
    settings = settings or TimeFormat()
    column = values if isinstance(values, pl.Series) else pl.Series(np.asarray(values))
    if column.dtype.is_temporal() or settings.format == "iso":
        return None
    numbers = _numbers(column)
    if column.dtype == pl.String and not len(numbers):
        return f"'{name}' holds {likely_format(column, settings, name=name, section=section) or 'no number'}"
    if len(numbers) < _FEWEST:
        return None
    if numbers.min() == numbers.max():
        return (
            f"'{name}' is {numbers[0]:.10g} in every row: it is not the start of the rows, or it was stored in 32-bit "
            f"floats; name another column as {section}.time, or store it in 64-bit floats"
        )
    if (np.diff(numbers) < 0).mean() > _REPEATED:
        numbers = np.sort(numbers)
    unit = settings.unit * _UNITS.get(settings.format, 1.0)
    series = _Series(numbers, unit, cadence, name, section)
    reading = _other_reading(series, settings.format)
    if reading is None and series.fits and series.repeated <= _REPEATED:
        return None
    if reading is not None:
        series = replace(series, unit=reading.unit)
    return next(_problems(series, reading), None)


def read_times(
    column: pl.Series, cadence: float, settings: TimeFormat, *, name: str, where: str
) -> NDArray[np.float64]:
    """Return the times of a file in unix seconds, after checking that they can be meant as they are read.

    Args:
        column: (n,) times as stored.
        cadence: nominal length of a row, s.
        settings: how they are stored.
        name: of the column.
        where: name of the file, for messages.

    Raises:
        InputError: if :func:`time_problem` finds a problem, or every time lies before 1972.
    """
    problem = time_problem(column, cadence, settings, name=name)
    if problem is not None:
        raise InputError(f"{where}: {problem}")
    return to_unix(column, settings, where=f"{where}: '{name}'")


def likely_format(values: ArrayLike | pl.Series, settings: TimeFormat, *, name: str, section: str) -> str | None:
    """Return what times look like by their values alone, if not like what they are read as.

    Args:
        values: (n,) times as stored: numbers or text.
        settings: how the times are read.
        name: column of the times.
        section: section of the configuration that names the column.

    Returns:
        The format, a date in it and the setting, as one phrase; None if they look like what they are read as, or like
        nothing that is known.
    """
    column = values if isinstance(values, pl.Series) else pl.Series(np.asarray(values))
    numbers = _numbers(column)
    if len(numbers):
        reading = next(_readings(numbers, settings.format), None)
        return None if reading is None else _dated(reading, numbers, name, section)
    texts = column.drop_nulls() if column.dtype == pl.String else pl.Series([], dtype=pl.String)
    if not len(texts) or settings.format == "iso":
        return None
    if np.isfinite(to_unix(texts.head(1), TimeFormat("iso", "tai"))).all():
        return f"dates as text, such as '{texts[0][:40]}'; set {section}.time_format = \"iso\""
    return f"text such as '{texts[0][:40]}', neither a number nor a date such as 2017-02-06T10:51:57"


def reading_of(values: ArrayLike) -> Reading | None:
    """Return what times look like by their values alone; None if like unix seconds, or like nothing that is known.

    Args:
        values: (n,) times as stored.
    """
    numbers = _numbers(pl.Series(np.asarray(values)))
    return next(_readings(numbers, "unix"), None) if len(numbers) else None


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    """Return the values that are numbers, also those written as text."""
    numbers = numbers_of(column)
    return numbers[np.abs(numbers) < _ABSURD]


def _readings(numbers: NDArray[np.float64], stored: str) -> Iterator[Reading]:
    """Yield the formats, other than the stored one, whose range holds the numbers."""
    middle = float(np.median(numbers))
    for reading in _READINGS:
        same = {reading.format} if reading.format != "unix" else {"unix", "met", "gps"}  # seconds look alike
        if reading.low <= middle <= reading.high and stored not in same:
            yield reading


def _other_reading(series: _Series, stored: str) -> Reading | None:
    """Return the other format in which rows are a row apart, or that is too coarse to tell."""
    for reading in _readings(series.numbers, stored):
        read = replace(series, unit=reading.unit)
        if read.fits or read.apart <= _LONGEST or _single_precision(read):
            return reading
    return None


def _problems(series: _Series, reading: Reading | None) -> Iterator[str]:
    """Yield what is wrong with times, the likeliest first."""
    name, section, cadence = series.name, series.section, series.cadence
    if _single_precision(series):
        yield (
            f"'{name}' was stored in 32-bit floats, which near {np.median(series.numbers):.10g} are "
            f"{_resolution(series):.3g} s apart, too coarse for rows of {cadence:g} s; store it in 64-bit floats"
            + ("" if reading is None else f" (they look like {reading.words})")
        )
    if reading is not None:
        also = "" if series.fits or not series.fine else f", and {section}.cadence = {series.apart:.6g}"
        yield f"'{name}' holds {_dated(reading, series.numbers, name, section)}{also}"
    for width, words in _COARSE:
        if series.repeated > _REPEATED and _on_grid(series, width):
            if width > cadence:
                yield f"'{name}' is stored in {words}, {_rows_per_value(series, width)}"
            elif not series.fits:
                yield (
                    f"'{name}' is stored in {words}, which {series.sharing:.2g} rows share each; store it with the "
                    f"fraction, in 64-bit floats, and set {section}.cadence to the length of a row"
                )
    other = _other_unit(series)
    if other is not None:
        yield other
    if 0.5 * cadence <= series.apart <= 1.5 * cadence or (np.abs(series.forward - 1) <= _AGREES).mean() > _AGREES:
        return  # the cadence is the width of many rows, if not of all
    if series.fine:
        yield (
            f"the rows of '{name}' are {series.apart:.6g} s apart, but {section}.cadence is {cadence:g} s; set "
            f"{section}.cadence = {series.apart:.6g}"
        )
    low, high = np.quantile(series.forward, [0.1, 0.9]) * cadence
    repeated = f", {series.repeated:.0%} repeat the time before" if series.repeated > _REPEATED else ""
    yield (
        f"the rows of '{name}' are not regular, mostly {low:.3g} to {high:.3g} s apart{repeated}, so that no "
        f"{section}.cadence fits; bin the data in rows of equal length"
    )


def _resolution(series: _Series) -> float:
    """Return the distance of 32-bit floats of the size of the times, s."""
    return float(np.spacing(np.float32(np.abs(np.median(series.numbers))))) * series.unit


def _single_precision(series: _Series) -> bool:
    """Return whether times are 32-bit floats that cannot tell neighbouring rows apart."""
    if _resolution(series) <= series.cadence / 2 or series.fine:
        return False
    with np.errstate(over="ignore"):
        exact = series.numbers == series.numbers.astype(np.float32)
    # Whole numbers below 2**24 are exact in 32 bits anyway.
    proves = np.abs(series.numbers).max() > 2**24 or (series.numbers % 1 != 0).any()
    return bool(exact.all() and proves)


def _on_grid(series: _Series, width: float) -> bool:
    steps = series.numbers * (series.unit / width)
    return bool((np.abs(steps - np.round(steps)) < 0.01).all())


def _rows_per_value(series: _Series, width: float) -> str:
    """Say how many rows share a time, and what that means for rows that are shorter than the step of the times."""
    expected = width / series.cadence
    if abs(series.sharing / expected - 1) <= _AGREES:
        return (
            f"and each holds the {expected:.3g} rows of {series.cadence:g} s that it should: the fraction was cut off; "
            "store it with the fraction, in 64-bit floats"
        )
    return (
        f"with {series.sharing:.2g} rows each: too coarse for rows of {series.cadence:g} s; store it with the "
        "fraction, in 64-bit floats"
    )


def _dated(reading: Reading, numbers: NDArray[np.float64], name: str, section: str) -> str:
    """Name a format, the date of a time in it, and the setting that reads it."""
    time = numbers[(numbers >= reading.low) & (numbers <= reading.high)][0]
    if reading.format:
        remedy = f'set {section}.time_format = "{reading.format}"'
    elif section == "input":
        remedy = _derived(reading.formula.format(name), section)
    else:
        remedy = f"write unix seconds, {reading.formula.format(name)}"
    return f"{reading.words} ({time:.10g} is {utc((time - reading.zero) * reading.unit)} UTC); {remedy}"


def _other_unit(series: _Series) -> str | None:
    """Recognise days, milliseconds or microseconds since an epoch of the user's own by the step alone."""
    if not series.fine or 3.15e8 <= np.median(series.numbers) * series.unit <= 4.1e9:
        return None
    for unit, words, formula in (
        (_DAY, "days", "{} * 86400"),
        (1e-3, "milliseconds", "{} / 1e3"),
        (1e-6, "microseconds", "{} / 1e6"),
    ):
        if abs(series.apart * unit / series.cadence - 1) <= 0.01:
            return (
                f"'{series.name}' seems to count {words} from an epoch of its own; "
                f'{_derived(formula.format(series.name), series.section)}, {series.section}.time_format = "met" and '
                f"{series.section}.time_reference to the date of its zero"
            )
    return None


def _derived(formula: str, section: str) -> str:
    return f'set {section}.time = "seconds" and derived.seconds = "{formula}"'
