"""Quality of a prediction: its error beside reference predictions, and the width of its pulls by regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from polarbgb.background.metrics import Performance, Score
from polarbgb.plotting.axes import log_scale
from polarbgb.plotting.bins import spread
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import LIMIT, MEASURED_FAINT, SERIES, entry, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def evaluation_plot(
    errors: Mapping[str, Sequence[Score]], regimes: Mapping[str, Sequence[Performance]], instrument: Instrument
) -> Figure:
    """Draw deviances by method and bin, and pull widths by regime and bin.

    Args:
        errors: (bins,) scores of each method.
        regimes: (bins,) performance in each regime.
        instrument: gives titles.

    Returns:
        Two panels, one above the other.
    """
    bins = len(instrument.titles)
    labelled = spread(bins)  # all bins have dots; of many bins, some have a title
    place = np.arange(bins)
    figure = page(5.6)
    above, below = figure.subplots(2, 1, sharex=True)
    for colour, (method, scores) in zip(cycle(SERIES), errors.items()):
        ratio = [score.over_noise for score in scores]
        above.plot(place, ratio, "o", ms=4.5, color=colour, label=entry(method))
    log_scale(above, "y")
    above.axhline(1, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
    above.set_ylabel("deviance / counting noise")
    above.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    offset = np.linspace(-0.3, 0.3, max(2, len(regimes)))
    below.axhspan(0.95, 1.05, color=MEASURED_FAINT, alpha=0.3, lw=0)
    below.axhline(1, color=LIMIT, lw=0.7, ls=(0, (4, 3)))
    for aside, colour, marker, (regime, of_bins) in zip(offset, cycle(SERIES), cycle("osD^v<>pP"), regimes.items()):
        widths = [of_bin.pull_width for of_bin in of_bins]
        below.plot(place + aside, widths, marker, ms=4, color=colour, label=regime)
    below.set_ylabel("width of calibrated pulls")
    below.set_xticks(labelled, [wrapped(instrument.titles[i_bin], max(6, len(labelled))) for i_bin in labelled])
    below.legend(ncols=5, loc="upper left", bbox_to_anchor=(0, -0.22))
    figure.suptitle(f"{instrument.name}: held-out rows", fontsize=8)
    return figure
