"""Which column is the time, how it is stored, and how long a row is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.data.calendar import utc
from polarbgb.data.epochs import EPOCHS, doubtful_dates
from polarbgb.data.row_widths import weighted_median
from polarbgb.data.time_problem import reading_of
from polarbgb.workflow.proposal.names import time_rank, words

Array = NDArray[np.float64]

_FORWARD = 0.9
"""Share of the steps of a time that go forward; of files in the wrong order a few do not."""

_FINITE = 0.99
"""Share of the rows that have a time."""

_NEAR = 100
"""Steps, in usual ones, beyond which there is a gap."""

_REPEATED = 0.05
"""Share of rows with the time of the row before, from which on times are rounded."""

_ROUND, _PRECISE = 5e-4, 1e-5
"""Relative distances within which a cadence is taken for a number of one or two digits, and of more."""


def time_columns(columns: Mapping[str, Array]) -> list[str]:
    """Return the columns that may be the start of the rows, the likeliest first.

    Those with a name of a time come first; of the others only those count that advance in equal steps.

    Args:
        columns: (rows,) by name.
    """
    ranked = []
    for place, (name, values) in enumerate(columns.items()):
        known = values[np.isfinite(values)]
        rank, step = time_rank(name), np.diff(known)
        if len(known) < max(2, _FINITE * len(values)) or known.min() == known.max():
            continue
        if (step >= 0).mean() >= _FORWARD and (rank is not None or _regular(step)):
            ranked.append((99 if rank is None else rank, place, name))
    return [name for *_, name in sorted(ranked)]


def _regular(step: Array) -> bool:
    middle = float(np.median(step))
    return middle > 0 and bool((np.abs(step / middle - 1) < 0.1).mean() > _FORWARD)


@dataclass(frozen=True)
class StoredTime:
    """How times are stored.

    Attributes:
        settings: keys of the section input.
        derived: derived columns that the settings need.
        says: what was found, if it is not plain unix seconds.
        check: what could not be decided.
    """

    settings: dict[str, Any]
    derived: dict[str, str] = field(default_factory=dict)
    says: str | None = None
    check: str | None = None


def stored_time(name: str, values: Array) -> StoredTime:
    """Return how the times of a column are stored, by its values and by its name.

    Args:
        name: of the column.
        values: (rows,) as stored.
    """
    said = set(words(name))
    middle = float(np.median(values))
    reading = reading_of(values)
    if reading is not None and reading.format:
        scale = next((scale for scale in ("tt", "tai", "tdb") if scale in said), None)
        scaled = {"time_scale": scale} if scale and reading.format in ("mjd", "jd") else {}
        return StoredTime(
            {"time": name, "time_format": reading.format, **scaled}, says=f"{reading.words}, by the values."
        )
    if reading is not None:
        formula = reading.formula.format(quoted(name))
        return StoredTime({"time": "seconds"}, {"seconds": formula}, says=f"'{name}' holds {reading.words}.")
    if "gps" in said and middle > 3e8:
        return StoredTime({"time": name, "time_format": "gps"}, says="GPS seconds, by the name.")
    start = float(values.min())
    if said & {"met", "obt", "mission", "elapsed"} or doubtful_dates(start, float(values.max())):
        return StoredTime({"time": name}, check=_unknown_reference(name, start))
    return StoredTime({"time": name})


def _unknown_reference(name: str, start: float) -> str:
    dates = ", ".join(f"{utc(start + zero)[:10]} if from {epoch}" for zero, epoch in EPOCHS.items())
    return (
        f"'{name}' is read as unix seconds, which puts the first row on {utc(start)[:10]}. If it counts from another "
        f'date, set time_format = "met" and time_reference = "that date". The data then begin on {dates}.'
    )


def cadence_of(time: Array) -> float | None:
    """Return the length of the rows that cover most of the time, s, rounded to what was meant; None for a single row.

    Args:
        time: (rows,) unix s, in the order of the file. Where rows share a time with the row before, it was rounded, and
            the time between different ones is divided among them.

    Example:
        >>> cadence_of(1.0000002 * np.arange(100.0))
        1.0
    """
    shared = bool((np.diff(time) == 0).mean() > _REPEATED) if len(time) > 1 else False
    distance = np.diff(np.sort(time))
    rows_per_time = len(time) / (1 + (distance > 0).sum()) if shared else 1.0
    distance = distance[distance > 0]
    if not len(distance):
        return None
    usual = weighted_median(distance[distance <= _NEAR * np.median(distance)])
    # In a mean the rounding of the times cancels.
    mean = float(distance[np.abs(distance / usual - 1) < 0.01].mean()) / rows_per_time
    rounded = [float(f"{mean:.{digits}e}") for digits in range(17)]
    near = [abs(value / mean - 1) < (_ROUND if digits < 2 else _PRECISE) for digits, value in enumerate(rounded)]
    return rounded[near.index(True)]


def quoted(column: str) -> str:
    """Return a column as expressions write it, in backticks unless its name is made of words and dots."""
    return column if all(part.isidentifier() for part in column.split(".")) else f"`{column}`"
