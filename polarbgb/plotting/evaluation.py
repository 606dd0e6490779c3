"""How good a prediction is: its error beside the baselines', and the width of its pulls by regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from polarbgb.background.metrics import Performance, Score
from polarbgb.config import Config
from polarbgb.plotting.bins import spread
from polarbgb.plotting.style import LIMIT, MEASURED_FAINT, SERIES, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def evaluation_plot(
    errors: Mapping[str, Sequence[Score]], regimes: Mapping[str, Sequence[Performance]], config: Config
) -> Figure:
    """Draw deviances by method and bin, and pull widths by regime and bin.

    Args:
        errors: (bins,) scores by method.
        regimes: (bins,) performance by regime.
        config: gives titles.

    Returns:
        Two panels, one above the other.
    """
    bins = len(config.rates.titles)
    named = spread(bins)  # all bins have their dots; of many, some have their title
    place = np.arange(bins)
    figure = page(5.6)
    above, below = figure.subplots(2, 1, sharex=True)
    for number, (method, scores) in enumerate(errors.items()):
        ratio = [one.over_noise for one in scores]
        above.plot(place, ratio, "o", ms=4.5, color=SERIES[number % len(SERIES)], label=method)
    above.set_yscale("log")
    above.axhline(1, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
    above.set_ylabel("deviance / counting noise")
    above.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    offset = np.linspace(-0.3, 0.3, max(2, len(regimes)))
    below.axhspan(0.95, 1.05, color=MEASURED_FAINT, alpha=0.3, lw=0)
    below.axhline(1, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
    for number, (regime, ones) in enumerate(regimes.items()):
        marker = "osD^v<>pP"[number % 9]
        widths = [one.pull_width for one in ones]
        below.plot(place + offset[number], widths, marker, ms=4, color=SERIES[number % 6], label=regime)
    below.set_ylabel("width of calibrated pulls")
    below.set_xticks(named, [wrapped(config.rates.titles[number], max(6, len(named))) for number in named])
    below.legend(ncols=5, loc="upper left", bbox_to_anchor=(0, -0.22))
    figure.suptitle(f"{config.name}: held-out rows", fontsize=8)
    return figure
