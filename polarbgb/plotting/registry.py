"""The figures of a run: names, stages, captions and the functions that draw them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl

from polarbgb.attribution.groups import feature_groups
from polarbgb.background.metrics import Performance, Score
from polarbgb.plotting.cluster_plane import cluster_plane
from polarbgb.plotting.count_rates import rates_plot
from polarbgb.plotting.dependence import FEATURES, attribution_plot, dependence_plot
from polarbgb.plotting.efficiency import efficiency_plot
from polarbgb.plotting.evaluation import evaluation_plot
from polarbgb.plotting.gallery import event_gallery
from polarbgb.plotting.known_gallery import known_gallery
from polarbgb.plotting.light_curve import light_curve
from polarbgb.plotting.places import event_map, events_by_place
from polarbgb.plotting.pulls import pull_histograms, residual_histograms
from polarbgb.plotting.run_tables import RunTables
from polarbgb.plotting.shap_values import shap_bars, shap_beeswarm
from polarbgb.plotting.training import loss_curves
from polarbgb.transients.injection import spectra_of
from polarbgb.transients.match import known_summary
from polarbgb.transients.published import cluster_excess

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FigureStage = Literal["fit", "detect", "explain", "evaluate"]


class Drawing(NamedTuple):
    """A figure that is ready to be drawn.

    Attributes:
        name: name of the file, without its suffix.
        draw: draws the figure.
    """

    name: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class FigureEntry:
    """A figure, or one figure per energy bin.

    Attributes:
        name: name of the file, without its suffix; one figure per bin adds the index of the bin.
        stage: command whose results it shows; those of ``fit`` are drawn for ``predict`` as well.
        caption: sentence that describes it.
        draw: draws it from the tables of a run and, for one figure per bin, the index of the bin.
        available: whether the tables of a run allow it.
        section: section of the report in which it appears; empty if the report has an interactive panel instead.
        by_command: the command of the stage draws it, rather than only ``plot`` and ``report``.
        per_bin: one figure per bin.
    """

    name: str
    stage: FigureStage
    caption: str
    draw: Callable[..., Figure]
    available: Callable[[RunTables], bool] = lambda _: True
    section: str = ""
    by_command: bool = False
    per_bin: bool = False

    def drawings(self, tables: RunTables) -> list[Drawing]:
        """Return the figures for a run; none if its tables do not allow them."""
        if (self.stage != "fit" and self.stage not in tables.stages) or not self.available(tables):
            return []
        if self.per_bin:
            return [Drawing(f"{self.name}{i_bin}", partial(self.draw, tables, i_bin)) for i_bin in tables.bins]
        return [Drawing(self.name, partial(self.draw, tables))]


def drawings(
    tables: RunTables, stages: Collection[FigureStage] | None = None, *, by_command: bool = False
) -> list[Drawing]:
    """Return the figures of a run, in the order of :data:`FIGURES`.

    Args:
        tables: tables of the run.
        stages: stages whose figures are returned; all if None.
        by_command: return only the figures that the commands of the stages draw.
    """
    return [
        drawing
        for entry in FIGURES
        if (stages is None or entry.stage in stages) and (entry.by_command or not by_command)
        for drawing in entry.drawings(tables)
    ]


def _zoomed(name: str, tables: RunTables) -> Figure:
    zoom, events = tables.zooms[name], tables.events
    rows = zoom.of(tables.prediction)
    if events is not None:
        events = events.filter(pl.col("t_stop") > zoom.start, pl.col("t_start") < zoom.stop)
    return light_curve(rows, tables.instrument, events=events, most=len(rows), title=zoom.title)


def _zoom(name: str, caption: str) -> FigureEntry:
    return FigureEntry(name, "fit", caption, partial(_zoomed, name), lambda tables: name in tables.zooms)


def _loss(tables: RunTables) -> Figure:
    return loss_curves(tables.read("training.parquet"), tables.instrument, bins=tables.bins)


def _rates(tables: RunTables) -> Figure:
    return rates_plot(tables.prediction, tables.instrument, bins=tables.bins)


def _light_curve(tables: RunTables) -> Figure:
    return light_curve(tables.prediction, tables.fitted_instrument)


def _pulls(tables: RunTables) -> Figure:
    return pull_histograms(tables.prediction, tables.fitted_instrument, bins=tables.bins)


def _residuals(tables: RunTables) -> Figure:
    return residual_histograms(tables.prediction, tables.instrument, bins=tables.bins)


def _events(tables: RunTables) -> Figure:
    return event_gallery(tables.prediction, tables.read("events.parquet"), tables.instrument)


def _light_curve_events(tables: RunTables) -> Figure:
    return light_curve(tables.prediction, tables.instrument, events=tables.events)


def _clusters(tables: RunTables) -> Figure:
    clusters = tables.read("clusters.parquet")
    excess = cluster_excess(tables.prediction, clusters, tables.instrument.cadence)
    return cluster_plane(excess, tables.known, tables.instrument, slack=tables.slack, bins=tables.bins)


def _known_events(tables: RunTables) -> Figure:
    prediction, events = tables.prediction, tables.read("events.parquet")
    summary = known_summary(prediction, events, tables.known, slack=tables.slack)
    return known_gallery(prediction, events, summary, tables.instrument, slack=tables.slack)


def _placed(draw: Callable[..., Figure], tables: RunTables) -> Figure:
    events, position = tables.read("events.parquet"), tables.config.position
    return draw(tables.prediction, events, tables.instrument, position)


def _shap_bars(tables: RunTables, members: Mapping[str, tuple[str, ...]]) -> Figure:
    means, errors = tables.mean_shap(members)
    most = tables.config.explain.shown
    return shap_bars(means, errors, [*members], tables.instrument, most=most, bins=tables.bins)


def _shap_features(tables: RunTables) -> Figure:
    return _shap_bars(tables, {name: (name,) for name in tables.feature_names})


def _shap_groups(tables: RunTables) -> Figure:
    config = tables.config
    return _shap_bars(tables, feature_groups(config.features, config.position, config.explain.groups))


def _attribution(by: Literal["phase", "time"], tables: RunTables) -> Figure:
    has_latitude = "orbital_phase" in tables.feature_names
    table = tables.read("attribution.parquet")
    return attribution_plot(table, by, tables.instrument, has_latitude=has_latitude, bins=tables.bins)


def _beeswarm(tables: RunTables, i_bin: int) -> Figure:
    instrument, names, data = tables.instrument, tables.feature_names, tables.features
    if data is None:
        raise ValueError("the values of the features are not known")
    of_bin = tables.scan("shap.parquet").filter(pl.col("bin") == instrument.names[i_bin]).collect()
    values = of_bin.select(f"shap_{name}" for name in names).to_numpy()
    title, most = instrument.titles[i_bin], tables.config.explain.shown
    return shap_beeswarm(values, of_bin["base"].to_numpy(), data, names, title, instrument.objective, most=most)


def _dependence(tables: RunTables, i_bin: int) -> Figure:
    instrument = tables.instrument
    importance = tables.read("importance.parquet").sort(instrument.names[i_bin], descending=True)
    features = importance["feature"].head(FEATURES).to_list()
    return dependence_plot(tables.read("dependence.parquet"), features, i_bin, instrument)


def _evaluation(tables: RunTables) -> Figure:
    errors = {
        name: [Score.from_dict(score) for score in scores] for name, scores in tables.evaluation["errors"].items()
    }
    regimes = {
        name: [Performance.from_dict(of_bin) for of_bin in of_bins]
        for name, of_bins in tables.evaluation["regimes"].items()
    }
    return evaluation_plot(errors, regimes, tables.instrument)


def _efficiency(tables: RunTables) -> Figure:
    config = tables.config_of("evaluate")
    spectra = [*spectra_of(config.inject, len(config.rates.names))]
    return efficiency_plot(tables.efficiency, spectra, tables.instrument)


FIGURES = (
    FigureEntry(
        "loss",
        "fit",
        "Loss against the number of trees, one line per fold: training rows and validation rows.",
        _loss,
        lambda tables: "fit" in tables.stages,
        section="training",
    ),
    FigureEntry("rates", "fit", "Observed rate of every bin against time.", _rates, section="curve"),
    FigureEntry("light_curve", "fit", "Rate, background and pulls against time.", _light_curve, by_command=True),
    _zoom("orbit_quietest", "The orbit with the smallest root mean square pull."),
    _zoom("orbit_median", "The orbit with the median root mean square pull."),
    _zoom("orbit_worst", "The orbit with the largest root mean square pull."),
    _zoom("anomaly", "A passage of the South Atlantic Anomaly."),
    FigureEntry(
        "pulls",
        "fit",
        "Pulls of every bin beside the Gaussian of unit width, and the width of the Gaussian fitted.",
        _pulls,
        section="pulls",
        by_command=True,
    ),
    FigureEntry(
        "residuals",
        "fit",
        "Residuals of every bin, with the Gaussian fitted to their core.",
        _residuals,
        section="pulls",
    ),
    FigureEntry("events", "detect", "The most significant events.", _events, by_command=True),
    FigureEntry(
        "light_curve_events",
        "detect",
        "Rate, background and pulls against time, with the events shaded.",
        _light_curve_events,
        by_command=True,
    ),
    FigureEntry(
        "clusters",
        "detect",
        "Clusters of rows beyond the limit: duration and counts above or below the background.",
        _clusters,
        section="clusters",
    ),
    FigureEntry(
        "known_events",
        "detect",
        "Rates around the known events.",
        _known_events,
        lambda tables: tables.config.known_events is not None,
        section="known",
    ),
    FigureEntry(
        "event_map",
        "detect",
        "The events on a map of the mean rate.",
        partial(_placed, event_map),
        lambda tables: tables.has_positions,
    ),
    FigureEntry(
        "event_places",
        "detect",
        "Positions of the events, and their number beside that of a constant rate in the time covered by data.",
        partial(_placed, events_by_place),
        lambda tables: tables.has_positions,
        section="places",
    ),
    FigureEntry(
        "shap_groups",
        "explain",
        "Mean |SHAP| of the groups of features.",
        _shap_groups,
        section="shap",
        by_command=True,
    ),
    FigureEntry(
        "shap_bars",
        "explain",
        "Mean |SHAP| of the most important features in every bin, with its statistical error.",
        _shap_features,
        section="shap",
        by_command=True,
    ),
    FigureEntry(
        "attribution_phase",
        "explain",
        "SHAP values of the groups along the orbit.",
        partial(_attribution, "phase"),
        section="shap",
        by_command=True,
    ),
    FigureEntry(
        "attribution_time",
        "explain",
        "SHAP values of the groups along the mission.",
        partial(_attribution, "time"),
        section="shap",
        by_command=True,
    ),
    FigureEntry(
        "shap_bin",
        "explain",
        "SHAP values, one dot per row.",
        _beeswarm,
        lambda tables: tables.features is not None,
        section="swarms",
        by_command=True,
        per_bin=True,
    ),
    FigureEntry(
        "dependence_bin",
        "explain",
        "SHAP values against the values of the features.",
        _dependence,
        by_command=True,
        per_bin=True,
    ),
    FigureEntry(
        "evaluation",
        "evaluate",
        "Error beside reference predictions, and width of the pulls by regime.",
        _evaluation,
        section="evaluation",
        by_command=True,
    ),
    FigureEntry(
        "efficiency",
        "evaluate",
        "Share of the injected bursts that is found.",
        _efficiency,
        lambda tables: "efficiency" in tables.evaluation,
        section="efficiency",
        by_command=True,
    ),
)
"""All figures, in the order in which they are drawn and appear in the report."""
