"""Mean |SHAP| of the features, and their SHAP values row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import mean_share
from polarbgb.plotting.axes import number
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, EXCESS, MEASURED, MEASURED_FAINT, grid, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]

_CELLS = 100
"""Cells of the range of SHAP values in which dots are stacked."""
_FULL = 6
"""Dots on one side of the middle from which a stack has its full height."""
_MISSING, _BETWEEN = "#777777", "#B79BAF"
"""Colour of a missing value, and of one between low and high."""


@styled
def shap_bars(
    mean_abs: Values,
    error: Values,
    names: Sequence[str],
    instrument: Instrument,
    *,
    most: int,
    bins: Sequence[int] | None = None,
) -> Figure:
    """Draw the mean |SHAP| of the most important features.

    Features have the same order in all panels: by their share of a bin's total, averaged over the bins.

    Args:
        mean_abs: (features, bins) mean |SHAP|: Hz for objective 'squared', else log rate.
        error: (features, bins) standard error of it.
        names: (features,) names of the features.
        instrument: gives titles and the objective.
        most: largest number of features shown.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        One panel per bin.
    """
    shown = np.argsort(-mean_share(mean_abs, mean_abs), kind="stable")[:most]
    titles = instrument.titles
    drawn = chosen(bins, len(titles))
    rows, columns = grid(len(drawn))
    figure = page((0.16 * len(shown) + 0.5) * rows + 0.3)
    panels: NDArray[Any] = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for i_bin, panel in zip(drawn, panels, strict=False):
        values, errors = mean_abs[shown, i_bin], error[shown, i_bin]
        whiskers = {"elinewidth": 0.8, "ecolor": MEASURED}
        labels = [names[feature] for feature in shown]
        panel.barh(labels, values, xerr=errors, error_kw=whiskers, color=BACKGROUND, height=0.7)
        panel.set_title(wrapped(titles[i_bin], columns))
        panel.set_xlim(left=0)
        panel.locator_params(axis="x", nbins=4)
        panel.tick_params(axis="y", length=0)
    for unused in panels[len(drawn) :]:
        unused.remove()
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    figure.supxlabel(f"mean |SHAP| ({_unit(instrument.objective)}){share(drawn, len(titles))}", fontsize=8)
    return figure


@styled
def shap_beeswarm(  # noqa: PLR0917 - values, base, data and names are those of one explanation
    values: Values,
    base: Values | float,
    data: NDArray[Any],
    names: Sequence[str],
    title: str,
    objective: str,
    *,
    most: int,
) -> Figure:
    """Draw the SHAP values of one bin, one dot per row, coloured by the value of the feature.

    Args:
        values: (rows, features) SHAP values: Hz for objective 'squared', else log rate.
        base: (rows,) expected margin, or one for all rows: Hz or log Hz.
        data: (rows, features) values of the features, NaN where missing.
        names: (features,) names of the features.
        title: title of the bin.
        objective: loss of the model, which decides the unit.
        most: largest number of features shown.

    Returns:
        One row per feature, the most important one on top.
    """
    shown = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:most]
    figure = page(0.3 * len(shown) + 1.0)
    panel = figure.add_subplot()
    _swarm(panel, values[:, shown], data[:, shown], [names[feature] for feature in shown])
    panel.tick_params(axis="both", labelsize=8)
    panel.tick_params(axis="y", length=0)
    panel.tick_params(axis="x", top=False)
    panel.set_xlabel(f"SHAP value ({_unit(objective)})", fontsize=8)
    panel.set_title(f"{title}: base {number(_base_rate(base, objective), 4)} Hz")
    return figure


def _unit(objective: str) -> str:
    return "Hz" if objective == "squared" else "log rate; 0.01 = 1 %"


def _base_rate(base: Values | float, objective: str) -> float:
    margin = float(np.mean(base))
    return margin if objective == "squared" else float(np.exp(margin))


def _swarm(panel: Axes, values: Values, data: NDArray[Any], names: list[str]) -> None:
    """Draw one row of dots per feature, and a bar that explains their colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = LinearSegmentedColormap.from_list("low to high", [BACKGROUND, _BETWEEN, EXCESS])
    size, edges = 6, "none"
    for place, (shap, value) in enumerate(zip(values.T, data.T, strict=True)):
        height = len(names) - 1 - place + stacked(shap)
        missing = np.isnan(value)
        panel.scatter(shap[missing], height[missing], s=size, color=_MISSING, edgecolors=edges)
        low, high = _colour_range(value[~missing])
        shade = {"c": value[~missing], "vmin": low, "vmax": high, "cmap": colours}
        panel.scatter(shap[~missing], height[~missing], s=size, edgecolors=edges, **shade)
        panel.axhline(place, color=MEASURED_FAINT, lw=0.4, ls=(0, (1, 5)), zorder=-1)
    panel.axvline(0, color=MEASURED_FAINT, lw=0.6, zorder=-1)
    panel.set_yticks(range(len(names)), names[::-1])
    panel.set_ylim(-0.6, len(names) - 0.4)
    for side in ("left", "right", "top"):
        panel.spines[side].set_visible(False)
    bar = panel.figure.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=panel, aspect=40, pad=0.02)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.ax.tick_params(length=0)
    bar.set_label("value of the feature (grey: missing)", labelpad=-8)
    bar.outline.set_visible(False)


def stacked(shap: Values) -> Values:
    """Return (rows,) heights at which dots of similar SHAP values lie beside each other, from -0.4 to 0.4.

    The dots of each hundredth of the range are stacked alternately above and below the middle.
    """
    cell = np.rint(_CELLS * (shap - shap.min()) / (np.ptp(shap) or 1.0))
    order = np.argsort(cell, kind="stable")
    _, first, cells = np.unique(cell[order], return_index=True, return_inverse=True)
    layer = np.arange(len(shap)) - first[cells]
    height = np.empty(len(shap))
    height[order] = np.ceil(layer / 2) * np.where(layer % 2, 1.0, -1.0)
    return 0.4 * height / max(float(np.abs(height).max(initial=0.0)), _FULL)


def _colour_range(value: NDArray[Any]) -> tuple[float, float]:
    """Return the 5 % and 95 % quantiles of a feature, which outliers do not stretch, or its limits if these agree."""
    if not len(value):
        return 0.0, 1.0
    low, high = np.quantile(value, [0.05, 0.95])
    return (float(low), float(high)) if low < high else (float(value.min()), float(value.max()))
