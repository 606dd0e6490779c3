"""Are pulls Gaussian of width 1, but for what is really there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from polarbgb.config import Config
from polarbgb.present.cells import Values
from polarbgb.present.style import BACKGROUND, LIMIT, MEASURED, grid, notice, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP = 0.25


@styled
def pull_histograms(prediction: pl.DataFrame, config: Config) -> Figure:
    """Draw how often each pull occurs, against the unit Gaussian of as many rows.

    Pulls beyond the drawn range are counted in its outermost steps.

    Args:
        prediction: ``segment`` and the per-bin ``pull``.
        config: gives titles and the pull that flags a row.

    Returns:
        A panel a bin.
    """
    usable = prediction.select("segment", "pull").filter(pl.col("segment") >= 0)
    if usable.is_empty():
        return notice(f"{config.name}: no usable rows")
    titles = config.rates.titles
    rows, columns = grid(len(titles))
    figure = page(2.2 * rows + 0.4)
    panels = [figure.add_subplot(rows, columns, number + 1) for number in range(len(titles))]
    for number, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        pull = usable["pull"].arr.get(number).to_numpy()
        _draw_pulls(panel, pull[np.isfinite(pull)], config.intervals.sigma)
        panel.set_title(wrapped(title, columns))
    figure.supxlabel(r"pull, (rate $-$ background) / $\sigma$; the outermost steps count all beyond", fontsize=8)
    figure.supylabel(f"rows per {_STEP:g} of pull", fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_pulls(panel: Axes, pull: Values, sigma: float) -> None:
    from matplotlib.ticker import MultipleLocator

    reach = max(8.0, np.ceil(sigma) + 3)
    edges = np.arange(-reach, reach + _STEP / 2, _STEP)
    counts, _ = np.histogram(np.clip(pull, -reach, reach), edges)
    panel.stairs(counts, edges, color=MEASURED, lw=1.0, label="observed")
    x = np.linspace(-reach, reach, 400)
    gaussian = len(pull) * _STEP * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    panel.plot(x, gaussian, color=BACKGROUND, lw=1.0, label="unit Gaussian")
    for level, label in ((-sigma, None), (sigma, f"±{sigma:g}")):
        panel.axvline(level, color=LIMIT, lw=0.7, ls=(0, (4, 3)), label=label)
    panel.set_xlim(-reach, reach)
    panel.xaxis.set_major_locator(MultipleLocator(5))
    panel.xaxis.set_minor_locator(MultipleLocator(1))
    panel.set_ylim(0.5, 4 * max(10.0, float(counts.max())))
    panel.set_yscale("log")
    # Under the curve there is room.
    panel.text(0.5, 0.05, _summary(pull, sigma), ha="center", fontsize=7, transform=panel.transAxes)


def _summary(pull: Values, sigma: float) -> str:
    """Say how many pulls lie beyond the limit on either side, and how wide all and the inner 68 % are."""
    lines = [
        f"> {sigma:g}: {np.count_nonzero(pull > sigma):,}",
        f"< -{sigma:g}: {np.count_nonzero(pull < -sigma):,}",
    ]
    if len(pull) > 1:
        low, high = np.percentile(pull, [15.865, 84.135])
        lines += [f"std {np.std(pull, ddof=1):.2f}", f"68 %: ±{(high - low) / 2:.2f}"]
    return "\n".join(lines)
