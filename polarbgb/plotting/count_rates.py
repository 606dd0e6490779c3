"""The observed rates of all bins against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from numpy.typing import NDArray

from polarbgb.plotting.axes import duration, logarithmic, rate_scale
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.light_curve import steps_of
from polarbgb.plotting.style import MEASURED, MEASURED_FAINT, notice, page, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def rates_plot(prediction: pl.DataFrame, instrument: Instrument, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw the observed rates; many rows are drawn in cells of equal time, by mean and range.

    Args:
        prediction: ``unix_time`` (s), ``segment`` and the per-bin ``rate`` (Hz).
        instrument: gives titles, cadence and orbital period.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        One panel per bin, one above the other.
    """
    if prediction.is_empty():
        return notice(f"{instrument.name}: no usable rows")
    time, segment = (prediction[name].to_numpy() for name in ("unix_time", "segment"))
    titles, steps = instrument.titles, steps_of(time, segment, instrument.cadence, instrument.period)
    shown = chosen(bins, len(titles))
    drawn, width = steps.pull, steps.pull_width
    when = steps.axis.position(drawn.edges())
    figure = page(1.15 * len(shown) + 0.6)
    panels: NDArray[Any] = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for i_bin, panel in zip(shown, panels, strict=True):
        rate = prediction["rate"].arr.get(i_bin).to_numpy()
        mean = drawn.mean(rate)
        if width is not None:
            low, high = drawn.steps(drawn.lowest(rate)), drawn.steps(drawn.highest(rate))
            panel.fill_between(when, low, high, color=MEASURED_FAINT, alpha=0.6, lw=0.3, label="range")
        panel.plot(when, drawn.steps(mean), color=MEASURED, lw=0.5, label="mean")
        panel.set_title(titles[i_bin], loc="left")
        if rate.min() > 0:
            logarithmic(panel, float(rate.min()), float(rate.max()))
        else:
            rate_scale(panel, rate, mean)
    steps.axis.label(panels[-1])
    figure.supylabel(f"rate (Hz){share(shown, len(titles))}", fontsize=8)
    if width is not None:
        handles, labels = panels[0].get_legend_handles_labels()
        note = f"cells of {duration(width)}"
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), title=note)
    return figure
