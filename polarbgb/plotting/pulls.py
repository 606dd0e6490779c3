"""Histograms of pulls and residuals beside Gaussians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import GaussianFit, modified_gaussian_fit
from polarbgb.plotting.axes import log_scale, number
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, EXCESS, LIMIT, MEASURED, grid, notice, page, styled, wrapped
from polarbgb.plotting.time_cells import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP = 0.25
"""Width of a step of the histograms, in units of pull or of sigma."""


@styled
def pull_histograms(prediction: pl.DataFrame, instrument: Instrument, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw the histogram of pulls in every bin beside the unit Gaussian of as many rows.

    Pulls beyond the range of the histogram are counted in its outermost steps.

    Args:
        prediction: ``segment`` and the per-bin ``pull``.
        instrument: gives titles and the pull beyond which a row is flagged.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        One panel per bin.
    """
    labels = "pull, (rate − background) / σ", f"rows per {_STEP:g} of pull"
    return _by_bin(prediction, _pull, _draw_pulls, labels, instrument, bins=bins)


@styled
def residual_histograms(
    prediction: pl.DataFrame, instrument: Instrument, *, bins: Sequence[int] | None = None
) -> Figure:
    """Draw the histogram of residuals in every bin beside the Gaussian of its core, as published.

    Residuals of bright rows scatter more than those of faint rows. Even a perfect background therefore has tails here,
    which pulls do not have. Residuals beyond the range of the histogram are counted in its outermost steps.

    Args:
        prediction: ``segment`` and the per-bin ``rate`` and ``pred`` (Hz).
        instrument: gives titles and the number of sigma that flags a row.
        bins: as for :func:`pull_histograms`.

    Returns:
        One panel per bin.
    """
    labels = "rate − background (Hz)", f"rows per {_STEP:g} σ"
    return _by_bin(prediction, _residual, _draw_residuals, labels, instrument, bins=bins)


def _pull(prediction: pl.DataFrame, i_bin: int) -> pl.Series:
    return prediction["pull"].arr.get(i_bin)


def _residual(prediction: pl.DataFrame, i_bin: int) -> pl.Series:
    return prediction["rate"].arr.get(i_bin) - prediction["pred"].arr.get(i_bin)


def _by_bin(
    prediction: pl.DataFrame,
    values_of: Callable[[pl.DataFrame, int], pl.Series],
    draw: Callable[[Axes, Values, float], None],
    labels: tuple[str, str],
    instrument: Instrument,
    *,
    bins: Sequence[int] | None,
) -> Figure:
    """Draw the values of the usable rows, one panel per bin; NaN are left out."""
    if prediction.is_empty():
        return notice(f"{instrument.name}: no usable rows")
    titles = instrument.titles
    shown = chosen(bins, len(titles))
    rows, columns = grid(len(shown))
    figure = page(2.2 * rows + 0.4)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(shown))]
    for i_bin, panel in zip(shown, panels, strict=True):
        values = values_of(prediction, i_bin).to_numpy()
        draw(panel, values[np.isfinite(values)], instrument.sigma)
        panel.set_title(wrapped(titles[i_bin], columns))
    x_label, y_label = labels
    figure.supxlabel(f"{x_label}; the outermost steps include all values beyond{share(shown, len(titles))}", fontsize=8)
    figure.supylabel(y_label, fontsize=8)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def _draw_pulls(panel: Axes, pull: Values, sigma: float) -> None:
    from matplotlib.ticker import MultipleLocator

    reach = max(8.0, np.ceil(sigma) + 3)
    _draw_steps(panel, pull, np.arange(-reach, reach + _STEP / 2, _STEP))
    x = np.linspace(-reach, reach, 400)
    panel.plot(x, _gaussian(x, GaussianFit(0.0, 1.0, len(pull))), color=BACKGROUND, lw=1.0, label="unit Gaussian")
    _draw_limits(panel, -sigma, sigma, f"±{sigma:g}")
    panel.set_xlim(-reach, reach)
    panel.xaxis.set_major_locator(MultipleLocator(5))
    panel.xaxis.set_minor_locator(MultipleLocator(1))
    panel.text(0.5, 0.05, _summary(pull, sigma), ha="center", fontsize=7, transform=panel.transAxes)


def _draw_residuals(panel: Axes, residual: Values, sigma: float) -> None:
    fit = modified_gaussian_fit(residual.astype(np.float64)) if len(residual) else GaussianFit(0.0, 0.0, 0)
    unit = fit.sigma or 1.0
    reach = 2 * sigma * unit
    steps = round(2 * reach / (_STEP * unit))
    _draw_steps(panel, residual, fit.mean + np.linspace(-reach, reach, steps + 1))
    x = fit.mean + np.linspace(-reach, reach, 400)
    if fit.sigma:
        panel.plot(x, _gaussian(x, fit), color=EXCESS, lw=1.0, label="Gaussian of the core")
    _draw_limits(panel, fit.mean - sigma * unit, fit.mean + sigma * unit, f"±{sigma:g} σ")
    panel.set_xlim(x[0], x[-1])
    panel.locator_params(axis="x", nbins=5)
    text = f"μ {number(fit.mean, 2)} Hz\nσ {number(fit.sigma)} Hz"
    panel.text(0.5, 0.05, text, ha="center", fontsize=7, transform=panel.transAxes)


def _draw_steps(panel: Axes, values: Values, edges: Values) -> None:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    panel.stairs(counts, edges, color=MEASURED, lw=1.0, label="observed")
    panel.set_ylim(0.5, 4 * max(10.0, float(counts.max())))
    log_scale(panel, "y")


def _gaussian(x: NDArray[np.float64], fit: GaussianFit) -> NDArray[np.float64]:
    """Return the number of rows of a Gaussian in a step of a quarter of its sigma."""
    return np.asarray(fit.inside * _STEP * np.exp(-(((x - fit.mean) / fit.sigma) ** 2) / 2) / np.sqrt(2 * np.pi))


def _draw_limits(panel: Axes, low: float, high: float, label: str) -> None:
    for level, name in ((low, None), (high, label)):
        panel.axvline(level, color=LIMIT, lw=0.7, ls=(0, (4, 3)), label=name)


def _summary(pull: Values, sigma: float) -> str:
    """Return how many pulls lie beyond the limit on either side, and the widths of all, of 68 % and of the core."""
    lines = [
        f"> {sigma:g}: {np.count_nonzero(pull > sigma):,}",
        f"< -{sigma:g}: {np.count_nonzero(pull < -sigma):,}",
    ]
    if len(pull) > 1:
        low, high = np.percentile(pull, [15.865, 84.135])
        core = modified_gaussian_fit(pull.astype(np.float64)).sigma
        lines += [f"std {np.std(pull, ddof=1):.2f}", f"68 %: ±{(high - low) / 2:.2f}", f"core {core:.2f}"]
    return "\n".join(lines)
