"""Mean |SHAP| of the features, and their SHAP values row by row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.attribution.shap_values import mean_share
from polarbgb.plotting.axes import number
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, MEASURED, grid, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]


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
def shap_beeswarm(  # noqa: PLR0917 - in the order of shap's own Explanation
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
    # Unlike max_display, this choice leaves out shap's row "sum of others", which is coloured by only one of them.
    shown = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:most]
    figure = page(0.3 * len(shown) + 1.0)
    panel = figure.add_subplot()
    _swarm(panel, values[:, shown], data[:, shown], [names[feature] for feature in shown])
    panel.tick_params(axis="both", labelsize=8)
    panel.tick_params(axis="y", length=0)
    panel.set_xlabel(f"SHAP value ({_unit(objective)})", fontsize=8)
    panel.set_title(f"{title}: base {number(_base_rate(base, objective), 4)} Hz")
    return figure


def _unit(objective: str) -> str:
    return "Hz" if objective == "squared" else "log rate; 0.01 = 1 %"


def _base_rate(base: Values | float, objective: str) -> float:
    margin = float(np.mean(base))
    return margin if objective == "squared" else float(np.exp(margin))


def _swarm(panel: Axes, values: Values, data: NDArray[Any], names: list[str]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shap = _shap()
    explanation = shap.Explanation(values, data=data, feature_names=names)
    with _repeatable(), warnings.catch_warnings():
        # A feature that is missing in every row has no range of colours; shap draws it grey.
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        shap.plots.beeswarm(
            explanation, max_display=len(names), ax=panel, plot_size=None, color_bar=False, show=False, s=6
        )
    _colour_near_constants(panel)
    colours = ScalarMappable(Normalize(0, 1), shap.plots.colors.red_blue)
    bar = panel.figure.colorbar(colours, ax=panel, aspect=40, pad=0.02)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.ax.tick_params(length=0)
    bar.set_label("value of the feature (grey: missing)", labelpad=-8)
    bar.outline.set_visible(False)


def _colour_near_constants(panel: Axes) -> None:
    """Restore the colours of a feature that hardly varies and is sometimes missing, which shap draws grey."""
    for dots in panel.collections:
        value = dots.get_array()
        if value is not None and value.size and np.isnan(dots.norm.vmin or 0.0):
            dots.set_clim(value.min(), value.max())


def _shap() -> Any:  # noqa: ANN401 - shap has no types
    import matplotlib
    from matplotlib import pyplot

    with warnings.catch_warnings():
        # While it is imported, shap edits matplotlib's colour maps in a deprecated way.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    try:  # shap draws by pyplot, which needs a backend that exists, whatever MPLBACKEND says
        pyplot.switch_backend(matplotlib.get_backend())
    except (ImportError, ValueError):
        pyplot.switch_backend("agg")
    return shap


@contextmanager
def _repeatable() -> Iterator[None]:
    """Let shap scatter its dots reproducibly, and restore the state of numpy's global generator afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - shap draws from this one
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
