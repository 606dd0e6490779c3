"""SHAP values against the features, along the orbit and along the mission."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polarbgb.plotting.axes import date_ticks, dates
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.style import BACKGROUND, MEASURED_FAINT, SERIES, entry, grid, page, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURES = 12
"""Features whose dependence is drawn, in three rows of panels."""

_COLOURS = (*SERIES, "#000000", MEASURED_FAINT, "#F0E442")
_DASHES = ("-", "--")


@styled
def dependence_plot(table: pl.DataFrame, features: Sequence[str], i_bin: int, instrument: Instrument) -> Figure:
    """Draw the SHAP values of some features against their own values, in one bin.

    Args:
        table: from :func:`polarbgb.attribution.dependence.dependence`.
        features: features that are drawn, in this order.
        i_bin: index of the bin.
        instrument: gives titles and the objective.

    Returns:
        One panel per feature: the median, and a band that holds the central 68 % of the rows.
    """
    rows, columns = grid(len(features), 4)
    figure = page(1.45 * rows + 0.45)
    panels: NDArray[Any] = figure.subplots(rows, columns, sharey="row", squeeze=False).ravel()
    of_bin = table.filter(bin=instrument.names[i_bin])
    for panel, feature in zip(panels, features, strict=False):
        curve = of_bin.filter(feature=feature)
        low, median, high = (effect(curve[name].to_numpy(), instrument.objective) for name in ("low", "median", "high"))
        panel.axhline(0, color=MEASURED_FAINT, lw=0.6)
        panel.fill_between(curve["value"], low, high, color=BACKGROUND, alpha=0.3, lw=0)
        panel.plot(curve["value"], median, color=BACKGROUND, lw=1.2, marker=".", ms=3)
        panel.set_title(feature)
        panel.locator_params(axis="x", nbins=4)
    for unused in panels[len(features) :]:
        unused.remove()
    figure.suptitle(f"{instrument.name}, {instrument.titles[i_bin]}", fontsize=8)
    figure.supxlabel("value of the feature", fontsize=8)
    figure.supylabel(f"effect on the background ({effect_unit(instrument.objective)})", fontsize=8)
    return figure


@styled
def attribution_plot(
    table: pl.DataFrame,
    by: str,
    instrument: Instrument,
    *,
    has_latitude: bool = True,
    bins: Sequence[int] | None = None,
) -> Figure:
    """Draw the mean SHAP values of the groups of features along the orbit or the mission.

    Args:
        table: ``attribution.parquet``.
        by: ``phase`` (degrees) or ``time`` (unix s).
        instrument: gives titles and the objective.
        has_latitude: the phase is the argument of latitude, rather than the time since the orbit began.
        bins: bins to show; all, or 12 spread over the spectrum, if None.

    Returns:
        One panel per bin, one line per group.
    """
    titles = instrument.titles
    drawn = chosen(bins, len(titles))
    rows, columns = grid(len(drawn))
    figure = page(1.9 * rows + 0.9)
    # A soft band may change by several hundred per cent where a hard one hardly changes: each panel has its own scale.
    panels: NDArray[Any] = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    shown = table.filter(by=by)
    groups = shown["group"].unique(maintain_order=True)
    for i_bin, panel in zip(drawn, panels, strict=False):
        of_bin = shown.filter(bin=instrument.names[i_bin])
        panel.axhline(0, color=MEASURED_FAINT, lw=0.6)
        for place, group in enumerate(groups):
            curve = of_bin.filter(group=group)
            where = curve["position"].to_numpy()
            mean = effect(curve["value"].to_numpy(), instrument.objective)
            style = {"color": _COLOURS[place % len(_COLOURS)], "ls": _DASHES[place // len(_COLOURS) % 2]}
            panel.plot(where if by == "phase" else dates(where), mean, lw=1.1, label=entry(group), **style)
        panel.set_title(wrapped(titles[i_bin], columns))
    if by == "time":
        date_ticks(panels[0], least=2, most=5)
        figure.supxlabel(f"time (UTC), from {datetime.fromtimestamp(shown['position'][0], UTC):%Y-%m-%d}", fontsize=8)
    else:
        first = -90 if has_latitude else 0
        panels[0].set_xticks(range(first, first + 361, 90))
        panels[0].set_xlim(first, first + 360)
        figure.supxlabel(
            "argument of latitude (deg)" if has_latitude else "time since the orbit began (360 per orbit)",
            fontsize=8,
        )
    for unused in panels[len(drawn) :]:
        unused.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5)
    figure.supylabel(
        f"mean effect on the background ({effect_unit(instrument.objective)}){share(drawn, len(titles))}", fontsize=8
    )
    return figure


def effect(shap: NDArray[Any], objective: str) -> NDArray[np.float64]:
    """Return SHAP values on the margin in per cent of the rate, or in Hz for objective 'squared'."""
    return np.asarray(shap if objective == "squared" else 100 * np.expm1(shap))


def effect_unit(objective: str) -> str:
    """Return the unit of :func:`effect`."""
    return "Hz" if objective == "squared" else "% of the rate"
