"""Are pulls Gaussian of width 1, and residuals Gaussian at all, but for what is really there?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.background.calibration import GaussianFit, modified_gaussian_fit
from polarbgb.config import Config
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.style import BACKGROUND, EXCESS, LIMIT, MEASURED, grid, notice, page, styled, wrapped
from polarbgb.plotting.time_cells import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP = 0.25
"""Of pull, or of sigma."""


@styled
def pull_histograms(prediction: pl.DataFrame, config: Config, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw how often each pull occurs, against the unit Gaussian of as many rows.

    Pulls beyond the drawn range are counted in its outermost steps.

    Args:
        prediction: ``segment`` and the per-bin ``pull``.
        config: gives titles and the pull that flags a row.
        bins: bins to show; where not given all, or of many some from the first to the last.

    Returns:
        A panel a bin.
    """
    labels = r"pull, (rate $-$ background) / $\sigma$", f"rows per {_STEP:g} of pull"
    return _by_bin(prediction, _pull, _draw_pulls, labels, config, bins=bins)


@styled
def residual_histograms(prediction: pl.DataFrame, config: Config, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw how often each residual occurs, against the Gaussian of its core, as published.

    Residuals of bright rows scatter more than those of faint ones: even a perfect background leaves tails here, which
    pulls do not have. Residuals beyond the drawn range are counted in its outermost steps.

    Args:
        prediction: ``segment`` and the per-bin ``rate`` and ``pred`` (Hz).
        config: gives titles and the number of sigma that flags a row.
        bins: as of :func:`pull_histograms`.

    Returns:
        A panel a bin.
    """
    labels = r"rate $-$ background (Hz)", rf"rows per {_STEP:g} $\sigma$"
    return _by_bin(prediction, _residual, _draw_residuals, labels, config, bins=bins)


def _pull(prediction: pl.DataFrame, number: int) -> pl.Series:
    return prediction["pull"].arr.get(number)


def _residual(prediction: pl.DataFrame, number: int) -> pl.Series:
    return prediction["rate"].arr.get(number) - prediction["pred"].arr.get(number)


def _by_bin(
    prediction: pl.DataFrame,
    values_of: Callable[[pl.DataFrame, int], pl.Series],
    draw: Callable[[Axes, Values, float], None],
    labels: tuple[str, str],
    config: Config,
    *,
    bins: Sequence[int] | None,
) -> Figure:
    """Draw the values of the usable rows, a panel a bin; what is no number is left out."""
    usable = prediction["segment"] >= 0
    if not usable.any():
        return notice(f"{config.name}: no usable rows")
    titles = config.rates.titles
    shown = chosen(bins, len(titles))
    rows, columns = grid(len(shown))
    figure = page(2.2 * rows + 0.4)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(shown))]
    for number, panel in zip(shown, panels, strict=True):
        values = values_of(prediction, number).filter(usable).to_numpy()
        draw(panel, values[np.isfinite(values)], config.intervals.sigma)
        panel.set_title(wrapped(titles[number], columns))
    across, up = labels
    figure.supxlabel(f"{across}; the outermost steps count all beyond{share(shown, len(titles))}", fontsize=8)
    figure.supylabel(up, fontsize=8)
    handles, said = panels[0].get_legend_handles_labels()
    figure.legend(handles, said, loc="outside upper center", ncols=len(said))
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
    # Under the curve there is room.
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
    _draw_limits(panel, fit.mean - sigma * unit, fit.mean + sigma * unit, rf"±{sigma:g} $\sigma$")
    panel.set_xlim(x[0], x[-1])
    panel.locator_params(axis="x", nbins=5)
    told = f"$\\mu$ {fit.mean:.2g} Hz\n$\\sigma$ {fit.sigma:.3g} Hz"
    panel.text(0.5, 0.05, told, ha="center", fontsize=7, transform=panel.transAxes)


def _draw_steps(panel: Axes, values: Values, edges: Values) -> None:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    panel.stairs(counts, edges, color=MEASURED, lw=1.0, label="observed")
    panel.set_ylim(0.5, 4 * max(10.0, float(counts.max())))
    panel.set_yscale("log")


def _gaussian(x: NDArray[np.float64], fit: GaussianFit) -> NDArray[np.float64]:
    """Return the rows that a Gaussian puts into a step of a quarter of its sigma."""
    return np.asarray(fit.inside * _STEP * np.exp(-(((x - fit.mean) / fit.sigma) ** 2) / 2) / np.sqrt(2 * np.pi))


def _draw_limits(panel: Axes, low: float, high: float, label: str) -> None:
    for level, said in ((low, None), (high, label)):
        panel.axvline(level, color=LIMIT, lw=0.7, ls=(0, (4, 3)), label=said)


def _summary(pull: Values, sigma: float) -> str:
    """Say how many pulls lie beyond the limit on either side, and how wide all and the inner 68 % are."""
    lines = [
        f"> {sigma:g}: {np.count_nonzero(pull > sigma):,}",
        f"< -{sigma:g}: {np.count_nonzero(pull < -sigma):,}",
    ]
    if len(pull) > 1:
        low, high = np.percentile(pull, [15.865, 84.135])
        core = modified_gaussian_fit(pull.astype(np.float64)).sigma
        lines += [f"std {np.std(pull, ddof=1):.2f}", f"68 %: ±{(high - low) / 2:.2f}", f"core {core:.2f}"]
    return "\n".join(lines)
