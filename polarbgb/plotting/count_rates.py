"""What was measured: the rates of all bins against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.plotting.axes import dates, duration, logarithmic, utc_axis
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.light_curve import steps_of
from polarbgb.plotting.style import MEASURED, MEASURED_FAINT, notice, page, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def rates_plot(prediction: pl.DataFrame, config: Config, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw the measured rates; a file of many rows in cells of equal time, by mean and range.

    Args:
        prediction: ``unix_time`` (s), ``segment`` and the per-bin ``rate`` (Hz).
        config: gives titles and cadence.
        bins: bins to show; where not given all, or of many some from the first to the last.

    Returns:
        A panel a bin, one above the other.
    """
    usable = prediction["segment"] >= 0
    if not usable.any():
        return notice(f"{config.name}: no usable rows")
    time, segment = (prediction[name].filter(usable).to_numpy() for name in ("unix_time", "segment"))
    titles, steps = config.rates.titles, steps_of(time, segment, config)
    shown = chosen(bins, len(titles))
    drawn, width = steps.pull, steps.pull_width
    when = dates(drawn.edges())
    figure = page(1.15 * len(shown) + 0.6)
    panels: NDArray[Any] = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    ends = []
    for number, panel in zip(shown, panels, strict=True):
        rate = prediction["rate"].arr.get(number).filter(usable).to_numpy()
        if width is not None:
            low, high = drawn.steps(drawn.lowest(rate)), drawn.steps(drawn.highest(rate))
            panel.fill_between(when, low, high, color=MEASURED_FAINT, alpha=0.6, lw=0.3, label="range")
        panel.plot(when, drawn.steps(drawn.mean(rate)), color=MEASURED, lw=0.5, label="mean")
        panel.set_title(titles[number], loc="left")
        ends.append((float(rate.min()), float(rate.max())))
    if min(ends)[0] > 0:
        for panel, reached in zip(panels, ends, strict=True):
            logarithmic(panel, *reached)
    utc_axis(panels[-1], time[0], time[-1] + config.input.cadence)
    figure.supylabel(f"rate (Hz){share(shown, len(titles))}", fontsize=8)
    if width is not None:
        handles, labels = panels[0].get_legend_handles_labels()
        said = f"in cells of {duration(width)}"
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), title=said)
    return figure
