"""The range of valid times, and times as text."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0
"""Unix seconds of the years 1 to 9999: other dates cannot be written, and may be milliseconds taken for seconds."""


def is_unix(time: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of the (n,) numbers are unix seconds of a date that can be written; NaN is not."""
    return np.asarray((time >= _FIRST) & (time <= _LAST))


def utc(time: float) -> str:
    """Return unix seconds as a date and time of day, to the second."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
