"""What was published of POLAR's rate file, and how near to it a simulation is asked to come.

The figures are those of the public repository Zenchiyu/POLAR-background-prediction: its report, result files and
notebook outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from measures import FEATURES, LEVELS, RATIO_BINS


@dataclass(frozen=True)
class Figure:
    """A published figure.

    Attributes:
        name: as the measure calls it.
        published: as it was printed; "-" where the limits are our own.
        low: least value that agrees.
        high: greatest value that agrees.
    """

    name: str
    published: str
    low: float
    high: float

    def agrees(self, value: float) -> bool:
        """Return whether a value lies within the bounds."""
        return self.low <= value <= self.high


def near(name: str, value: float, tolerance: float) -> Figure:
    """Return a figure that agrees within an absolute tolerance."""
    return Figure(name, f"{value:.12g}", value - tolerance, value + tolerance)


def within(name: str, low: float, high: float) -> Figure:
    """Return a figure that was published as a range, or as a limit."""
    text = f"{low:.12g}-{high:.12g}" if high < float("inf") else f"at least {low:.12g}"
    return Figure(name, text, low, high)


def ours(name: str, low: float, high: float) -> Figure:
    """Return a figure that was published in words, if at all; the limits are our own."""
    return Figure(name, "-", low, high)


_COLUMNS = {
    # mean, std, min, quartiles, max
    "time_since_saa": (4362.7, 7048.9, 0, 680, 2012, 4014, 65271),
    "raz": (179.91, 105.38, 0, 87.72, 180.42, 271.84, 359.99),
    "decz": (9.93, 29.17, -51.78, -16.51, 12.37, 35.99, 53.80),
    "rax": (187.39, 114.18, 0, 75.43, 220.41, 284.00, 360.00),
    "decx": (27.47, 37.82, -86.67, 32.92, 39.12, 49.56, 86.64),
    "temperature": (32.37, 2.98, 15.6, 30.0, 32.3, 34.3, 39.0),
    "glon": (4.53, 109.66, -180, -100.5, 20.6, 101.3, 180),
    "glat": (4.21, 28.74, -42.77, -22.32, 7.45, 31.53, 42.76),
    "fe_cosmic": (6379, 4498, 0, 3307, 4555, 7488, 25630),
    "altitude": (379.76, 4.81, 369.4, 376.0, 380.1, 383.5, 391.0),
    "sun": (19.4, 15.2, 1, 8, 15, 26, 97),
    "sun_spot": (76.9, 4.3, 69.6, 73.4, 76.2, 80.0, 86.8),
    "B_r": (-1745, 27043, -42462, -27641, -4540, 21587, 50737),
    "B_theta": (-22471, 5210, -34348, -25877, -22416, -19232, -8916),
    "B_phi": (450, 4176, -10452, -2398, 594, 3952, 8130),
    "crabarf": (1.59, 1.57, 0, 0, 2.01, 3.27, 3.53),
}
_STATISTICS = ("mean", "std", "min", "25%", "50%", "75%", "max")


def _columns() -> list[Figure]:
    """Bound every column; see the tolerance below."""
    figures = []
    for name in FEATURES:
        std = _COLUMNS[name][1]
        for label, value in zip(_STATISTICS, _COLUMNS[name], strict=True):
            match label:
                case "min" | "max":
                    tolerance = 0.5 * std
                case "std":
                    tolerance = 0.25 * std
                case _:
                    tolerance = min(0.25 * std, max(0.2 * abs(value), 0.1 * std))
            figures.append(near(f"{name} {label}", value, tolerance))
    return figures


_RATIOS = (
    (0.23, 0.15, 0.86, 0.72),
    (0.25, 0.16, 0.86, 0.72),
    (0.23, 0.17, 0.95, 0.83),
)

SECTIONS: dict[str, tuple[str, list[Figure]]] = {
    "rows": (
        "rows within 10 %, shares of spoiled rows within 10 %, revolutions exactly",
        [
            near("rows", 3_956_646, 395_665),
            near("rows after the filter", 3_954_837, 395_484),
            near("share of rows dropped, 1e-4", 4.572, 0.457),
            near("share of rows all zero, 1e-4", 2.803, 0.280),
            near("first time, unix s", 1483525445.6197348, 1e-6),
            near("last time, unix s", 1489744798.8, 600),
            near("span, days", 71.98, 0.01),
            near("live share of the time", 0.636, 0.06),
            near("first revolution", 1730, 0),
            near("last revolution", 2853, 0),
        ],
    ),
    "columns": (
        "means and quartiles within a fifth, or a tenth of the standard deviation where that is more, and never over a "
        "quarter of it; the standard deviation within a quarter, extremes within half of it",
        _columns(),
    ),
    "correlations": (
        "within 0.1",
        [
            near("rate[0], fe_cosmic", 0.72, 0.1),
            near("rate[0], B_theta", 0.59, 0.1),
            near("rate[0], temperature", -0.21, 0.1),
            near("rate[0], altitude", 0.15, 0.1),
        ],
    ),
    "ratios": (
        "within 0.03",
        [
            near(f"rate[{number}]/rate[12] at {level}", value, 0.03)
            for level, values in zip(LEVELS, _RATIOS, strict=True)
            for number, value in zip(RATIO_BINS, values, strict=True)
        ],
    ),
    "levels": (
        "in the published range; troughs within 10 %, maxima within 25 %",
        [
            within("quiet equator, rate[0], Hz", 600, 750),
            within("quiet equator, rate[1], Hz", 400, 500),
            within("quiet equator, rate[5], Hz", 2500, 2900),
            within("quiet equator, rate[6], Hz", 2100, 2400),
            within("quiet equator, rate[10], Hz", 2800, 3200),
            within("quiet equator, rate[12], Hz", 2800, 3200),
            near("trough of rate[0], lowest ten days, Hz", 580, 58),
            near("trough of rate[0], highest ten days, Hz", 750, 75),
            near("highest rate[0], Hz", 9800, 2450),
            near("highest rate[5], Hz", 40_400, 10_100),
            near("highest rate[10], Hz", 41_000, 10_250),
        ],
    ),
    "live": (
        "within 0.01",
        [
            near("live fraction at 3.5 kHz", 0.95, 0.01),
            near("live fraction at 20 kHz", 0.87, 0.01),
        ],
    ),
    "gaps": (
        "breaks as published; the families exist, and gaps of hours are a few; the long gaps within 0.1 d",
        [
            within("breaks (trunc(dt) > 1)", 812, float("inf")),
            ours("gaps, 1.0-1.4 s late", 1, float("inf")),
            ours("gaps, 8-12 s", 1, float("inf")),
            ours("gaps, 60-70 s", 1, float("inf")),
            ours("gaps, hours", 3, 20),
            ours("passes of the anomaly, a live day", 5, 12),
            near("longest hole, days", 6.60, 0.1),
            near("second longest hole, days", 1.99, 0.1),
            ours("fraction of the second, std (1/sqrt(12) if it drifts)", 0.2687, 0.3087),
        ],
    ),
    "pairs": (
        "exactly; all but a few rows",
        [
            near("rows that share a reading, median", 2, 0),
            ours("rates that differ from the row before", 0.99, 1),
        ],
    ),
    "humps": (
        "as published: two humps an orbit, 1.2 to 3 times the trough",
        [
            near("humps an orbit, median", 2, 0),
            within("hump over trough, lowest tenth", 1.2, 3),
            within("hump over trough, median", 1.2, 3),
            within("hump over trough, highest tenth", 1.2, 3),
        ],
    ),
    "spikes": (
        "as published: 2 to 7 kHz in rate[0], 100 to 400 s wide, in trains over neighbouring orbits",
        [
            within("height, highest tenth, Hz", 2000, 7000),
            within("width, lowest tenth, s", 100, 400),
            within("width, median, s", 100, 400),
            within("width, highest tenth, s", 100, 400),
            ours("share with a spike on a neighbouring orbit", 0.5, 1),
            ours("share with a spike a day later", 0.25, 1),
        ],
    ),
    "places": (
        "medians: fe_cosmic within 15 %, live fraction within 0.005, ratios within 0.02; nine in ten: within 0.02 and "
        "0.05",
        [
            ours("share whose rate[12] is within the file's there", 0.8, 1),
            ours("fe_cosmic over the file's median there, median", 0.85, 1.15),
            ours("live fraction less the file's at that rate, median", -0.005, 0.005),
            ours("live fraction less the file's at that rate, 90 % within", 0, 0.02),
            *(
                figure
                for number in RATIO_BINS
                for figure in (
                    ours(f"rate[{number}]/rate[12] less the file's at that rate, median", -0.02, 0.02),
                    ours(f"rate[{number}]/rate[12] less the file's at that rate, 90 % within", 0, 0.05),
                )
            ),
        ],
    ),
    "orbit": (
        "the published intervals lie outside the anomaly where the orbit is right; it was fitted to that; by chance "
        "13 % would be inside",
        [ours("share of published intervals inside the anomaly", 0, 0.02)],
    ),
}
"""Of each measure: what its tolerances are, and the figures."""
