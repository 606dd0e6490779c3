"""Loss of the boosters against the number of trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from polarbgb.background.losses import SHARED, TRAINING, VALIDATION
from polarbgb.plotting.axes import log_scale, plain_numbers
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, EXCESS, MEASURED_FAINT, grid, legend, notice, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = {
    TRAINING: (MEASURED_FAINT, "training rows"),
    VALIDATION: (BACKGROUND, "validation rows"),
}
_LOSSES = {
    "gamma": "gamma deviance (squared relative error)",
    "poisson": "Poisson deviance of the relative rate",
    "squared": "weighted squared error of the relative rate",
}


@styled
def loss_curves(training: pl.DataFrame, instrument: Instrument, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw the loss against the number of trees, one line per fold, and the number of trees that was kept.

    Args:
        training: from :func:`polarbgb.background.fold_model.training_frame`.
        instrument: gives names and titles of the bins, and the objective.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        One panel for the trees that all bins share, and one per bin for the trees that it adds; those without a loss
        are left out.
    """
    if training.is_empty():
        return notice(f"{instrument.name}: no loss was recorded during the training")
    titles = instrument.titles
    shown = chosen(bins, len(titles))
    curves = {SHARED: "all bins: shared trees"} | {instrument.names[i_bin]: titles[i_bin] for i_bin in shown}
    recorded = set(training["bin"])
    curves = {name: title for name, title in curves.items() if name in recorded}
    rows, columns = grid(len(curves))
    figure = page(2.0 * rows + 0.6)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(curves))]
    for (name, title), panel in zip(curves.items(), panels, strict=True):
        for part in _LOOKS:
            for _, curve in training.filter(bin=name, part=part).group_by("fold", maintain_order=True):
                _draw(panel, curve["trees"].to_numpy(), curve["loss"].to_numpy(), part)
        log_scale(panel, "xy")
        plain_numbers(panel.xaxis)
        panel.set_title(wrapped(title, columns))
    figure.supxlabel(f"trees{share(shown, len(titles))}", fontsize=8)
    figure.supylabel(_LOSSES[instrument.objective], fontsize=8)
    legend(figure, panels)
    return figure


def _draw(panel: Axes, trees: np.ndarray, loss: np.ndarray, part: str) -> None:
    colour, label = _LOOKS[part]
    panel.plot(trees, loss, color=colour, lw=0.8, label=label)
    if part == VALIDATION:
        best = int(np.argmin(loss))
        panel.plot(trees[best], loss[best], "o", ms=3, color=EXCESS, zorder=3, label="trees kept (one dot per fold)")
