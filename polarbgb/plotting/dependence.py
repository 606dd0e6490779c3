"""How the background goes with the features, and what moves it along the orbit and the mission."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.config import Config
from polarbgb.features.matrix import feature_names
from polarbgb.plotting.axes import date_ticks, dates
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.style import BACKGROUND, MEASURED_FAINT, SERIES, grid, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURES = 12
"""Features whose dependence is drawn: three rows of panels."""

_COLOURS = (*SERIES, "#000000", MEASURED_FAINT, "#F0E442")
_DASHES = ("-", "--")


@styled
def dependence_plot(table: pl.DataFrame, features: Sequence[str], number: int, config: Config) -> Figure:
    """Draw SHAP against value for some features of one bin.

    Args:
        table: from :func:`polarbgb.attribution.dependence.dependence`.
        features: those drawn, in order.
        number: of the bin.
        config: gives titles and the objective.

    Returns:
        A panel a feature: the median, and a band that holds the middle 68 % of the rows.
    """
    rows, columns = grid(len(features), 4)
    figure = page(1.45 * rows + 0.45)
    panels: NDArray[Any] = figure.subplots(rows, columns, sharey="row", squeeze=False).ravel()
    of_bin = table.filter(bin=config.rates.names[number])
    for panel, feature in zip(panels, features, strict=False):
        one = of_bin.filter(feature=feature)
        low, median, high = (effect(one[name].to_numpy(), config) for name in ("low", "median", "high"))
        panel.axhline(0, color=MEASURED_FAINT, lw=0.6)
        panel.fill_between(one["value"], low, high, color=BACKGROUND, alpha=0.3, lw=0)
        panel.plot(one["value"], median, color=BACKGROUND, lw=1.2, marker=".", ms=3)
        panel.set_title(feature)
        panel.locator_params(axis="x", nbins=4)
    for unused in panels[len(features) :]:
        unused.remove()
    figure.suptitle(f"{config.name}, {config.rates.titles[number]}", fontsize=8)
    figure.supxlabel("value of the feature", fontsize=8)
    figure.supylabel(f"effect on the background ({effect_unit(config)})", fontsize=8)
    return figure


@styled
def attribution_plot(table: pl.DataFrame, by: str, config: Config, *, bins: Sequence[int] | None = None) -> Figure:
    """Draw the mean SHAP of the groups along the orbit or the mission.

    Args:
        table: ``attribution.parquet``.
        by: ``phase`` (degrees) or ``time`` (unix s).
        config: gives titles, the objective and the position.
        bins: bins to show; where not given all, or of many some from the first to the last.

    Returns:
        A panel a bin, a line a group.
    """
    titles = config.rates.titles
    drawn = chosen(bins, len(titles))
    rows, columns = grid(len(drawn))
    figure = page(1.9 * rows + 0.9)
    # A soft band may change by hundreds of per cent where the next one hardly does: each has its own scale.
    panels: NDArray[Any] = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    shown = table.filter(by=by)
    groups = shown["group"].unique(maintain_order=True)
    for number, panel in zip(drawn, panels, strict=False):
        of_bin = shown.filter(bin=config.rates.names[number])
        panel.axhline(0, color=MEASURED_FAINT, lw=0.6)
        for place, group in enumerate(groups):
            one = of_bin.filter(group=group)
            where = one["position"].to_numpy()
            moved = effect(one["value"].to_numpy(), config)
            style = {"color": _COLOURS[place % len(_COLOURS)], "ls": _DASHES[place // len(_COLOURS) % 2]}
            panel.plot(where if by == "phase" else dates(where), moved, lw=1.1, label=group, **style)
        panel.set_title(wrapped(titles[number], columns))
    if by == "time":
        date_ticks(panels[0], least=2, most=5)
        figure.supxlabel(f"time (UTC), from {datetime.fromtimestamp(shown['position'][0], UTC):%Y-%m-%d}", fontsize=8)
    else:
        placed = "orbital_phase" in feature_names(config)
        first = -90 if placed else 0
        panels[0].set_xticks(range(first, first + 361, 90))
        panels[0].set_xlim(first, first + 360)
        figure.supxlabel(
            "argument of latitude (deg)" if placed else "time since the orbit began (360 a revolution)",
            fontsize=8,
        )
    for unused in panels[len(drawn) :]:
        unused.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5)
    figure.supylabel(f"mean effect on the background ({effect_unit(config)}){share(drawn, len(titles))}", fontsize=8)
    return figure


def effect(shap: NDArray[Any], config: Config) -> NDArray[np.float64]:
    """Turn SHAP on the margin into per cent of the rate, or leave Hz as they are."""
    return np.asarray(shap if config.model.objective == "squared" else 100 * np.expm1(shap))


def effect_unit(config: Config) -> str:
    """Return the unit of :func:`effect`."""
    return "Hz" if config.model.objective == "squared" else "% of the rate"
