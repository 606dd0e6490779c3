"""Every figure that a run's results allow, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from polarbgb.attribution.groups import feature_groups
from polarbgb.background.metrics import Performance, Score
from polarbgb.config import Config
from polarbgb.data.known_events import known_events
from polarbgb.io.provenance import versions
from polarbgb.plotting.bins import chosen
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
from polarbgb.plotting.saving import save_drawn
from polarbgb.plotting.shap_values import shap_bars
from polarbgb.plotting.training import loss_curves
from polarbgb.plotting.zooms import Zoom, choose_zooms
from polarbgb.progress import Track, silent
from polarbgb.runs.folder import RunFolder
from polarbgb.transients.match import known_summary
from polarbgb.transients.published import cluster_excess
from polarbgb.validation.efficiency import Efficiency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "pdf", "svg"]

_CHUNK = 250_000
"""Rows of SHAP values read at a time."""

Drawing = tuple[str, "Callable[[], Figure]"]
"""A figure's name, and what draws it."""


def figures(run: RunFolder, *, bins: Sequence[int] | None = None) -> Iterator[tuple[str, Figure]]:
    """Draw what a run holds, one figure at a time.

    Figures of stages that were not run are left out, and those of places where no position is configured, or is not
    among the context of the events. The swarms of SHAP values are drawn by ``explain`` alone, which has the features.

    Args:
        run: with a prediction.
        bins: energy bins to show; where None all, or of more than 12 as many from the first to the last.

    Yields:
        The name of each figure, without a suffix, as the verbs write them, and the figure.

    Raises:
        UserError: if the run has no prediction, or no such bin, or its files are damaged.
    """
    for name, drawn in _Results(run, bins).drawings():
        yield name, drawn()


def draw(
    run: RunFolder,
    format: Format,  # noqa: A002 - as the option is called
    *,
    bins: Sequence[int] | None = None,
    track: Track = silent,
) -> tuple[Path, ...]:
    """Draw what a run holds into files ``plots/<name>.<format>``.

    Args:
        run: with a prediction.
        format: of the files.
        bins: as of :func:`figures`.
        track: watches the figures.

    Returns:
        The files.

    Raises:
        UserError: as :func:`figures`, or if the folder cannot be written.
    """
    with run.hold():
        draft = run.draft(f"plot-{format}", run.manifest(), versions(), bins)
        drawings = _Results(run, bins).drawings()
        for name, drawn in track(drawings, label="draw", total=len(drawings)):
            draft.checkpoints.file(draft / f"plots/{name}.{format}", partial(save_drawn, drawn))
        draft.deliver()
    return tuple(run / f"plots/{name}.{format}" for name, _ in drawings)


class _Results:
    """What a run holds, read when it is first needed."""

    def __init__(self, run: RunFolder, bins: Sequence[int] | None) -> None:
        run.require("fit", "predict")
        self._run = run
        self._bins = chosen(bins, len(self._config.rates.names))

    @cached_property
    def _config(self) -> Config:
        """The configuration of the fit, with the settings that the events were found at."""
        return self._run.config_of("detect")

    @cached_property
    def _prediction(self) -> pl.DataFrame:
        return self._run.read_frame("prediction.parquet")

    @cached_property
    def _events(self) -> pl.DataFrame | None:
        return self._run.read_frame("events.parquet") if self._run.stage("detect") else None

    def drawings(self) -> list[Drawing]:
        """List the figures, in the order in which one would look at them."""
        return [*self._of_fit(), *self._of_events(), *self._of_explanation(), *self._of_evaluation()]

    def _of_fit(self) -> Iterator[Drawing]:
        prediction, config = self._prediction, self._config
        if self._run.stage("fit"):
            yield "loss", lambda: loss_curves(self._run.read_frame("training.parquet"), config, bins=self._bins)
        yield "rates", partial(rates_plot, prediction, config, bins=self._bins)
        yield "light_curve", partial(light_curve, prediction, self._run.config())
        for zoom in choose_zooms(prediction, config):
            yield zoom.name, partial(self._zoomed, zoom)
        yield "pulls", partial(pull_histograms, prediction, self._run.config(), bins=self._bins)
        yield "residuals", partial(residual_histograms, prediction, config, bins=self._bins)

    def _zoomed(self, zoom: Zoom) -> Figure:
        rows, events = zoom.of(self._prediction), self._events
        if events is not None:
            events = events.filter(pl.col("t_stop") > zoom.start, pl.col("t_start") < zoom.stop)
        return light_curve(rows, self._config, events=events, most=len(rows), title=zoom.title)

    def _of_events(self) -> Iterator[Drawing]:
        prediction, config, events = self._prediction, self._config, self._events
        if events is None:
            return
        known = known_events(config)
        yield "events", partial(event_gallery, prediction, events, config)
        yield "light_curve_events", partial(light_curve, prediction, config, events=events)
        yield "clusters", lambda: cluster_plane(self._excess(), known, config, bins=self._bins)
        if config.known_events is not None:
            yield "known_events", partial(self._known, events, known)
        position = config.position
        columns = {*prediction.columns} & {*events.columns}
        if position is not None and {position.latitude, position.longitude} <= columns:
            yield "event_map", partial(event_map, prediction, events, config, position)
            yield "event_places", partial(events_by_place, prediction, events, config, position)

    def _excess(self) -> pl.DataFrame:
        return cluster_excess(self._prediction, self._run.read_frame("clusters.parquet"), self._config)

    def _known(self, events: pl.DataFrame, known: pl.DataFrame) -> Figure:
        summary = known_summary(self._prediction, events, known, self._config)
        return known_gallery(self._prediction, events, summary, self._config)

    def _of_explanation(self) -> Iterator[Drawing]:
        if self._run.stage("explain") is None:
            return
        config = self._config
        columns = self._run.scan_frame("shap.parquet").collect_schema().names()
        features = [name.removeprefix("shap_") for name in columns if name.startswith("shap_")]
        yield "shap_bars", partial(self._shap_bars, {name: [name] for name in features})
        yield "shap_groups", partial(self._shap_bars, feature_groups(config))
        attribution = self._run.read_frame("attribution.parquet")
        for by in ("phase", "time"):
            yield f"attribution_{by}", partial(attribution_plot, attribution, by, config, bins=self._bins)
        dependence, importance = (self._run.read_frame(f"{name}.parquet") for name in ("dependence", "importance"))
        for number in self._bins:
            first = importance.sort(config.rates.names[number], descending=True)["feature"].head(FEATURES).to_list()
            yield f"dependence_bin{number}", partial(dependence_plot, dependence, first, number, config)

    def _shap_bars(self, members: Mapping[str, Sequence[str]]) -> Figure:
        """Draw the mean |SHAP| of features, or of sums of them. Of all rows explained, the file is large."""
        config, shap = self._config, self._run.scan_frame("shap.parquet")
        sizes = [
            pl.sum_horizontal([pl.col(f"shap_{name}").cast(pl.Float64) for name in names]).abs().alias(of)
            for of, names in members.items()
        ]
        bins = len(config.rates.names)
        rows = shap.select(pl.len()).collect().item() // bins
        abreast = max(1, _CHUNK // max(rows, 1))
        found = []
        for first in range(0, bins, abreast):  # bin after bin, as the file holds them
            part = shap.slice(first * rows, abreast * rows).select(sizes).collect().to_numpy()
            part = part.reshape(-1, rows, len(members))
            found.append((part.mean(axis=1), part.std(axis=1)))
        means, scatter = (np.concatenate(one).T for one in zip(*found, strict=True))
        everything = rows == (self._prediction["segment"] >= 0).sum()  # there is no other sample
        errors = np.zeros_like(means) if everything else scatter / np.sqrt(rows)
        return shap_bars(means, errors, [*members], config, bins=self._bins)

    def _of_evaluation(self) -> Iterator[Drawing]:
        if self._run.stage("evaluate") is None:
            return
        told, config = self._run.read_json("evaluation.json"), self._run.config_of("evaluate")
        errors = {name: [Score(**one) for one in ones] for name, ones in told["errors"].items()}
        regimes = {name: [Performance.from_dict(one) for one in ones] for name, ones in told["regimes"].items()}
        yield "evaluation", partial(evaluation_plot, errors, regimes, config)
        if "efficiency" in told:
            found, bursts = told["efficiency"], self._run.read_frame("injections.parquet")
            result = Efficiency(bursts, found["events_per_day"], found["far"], found["days"])
            yield "efficiency", partial(efficiency_plot, result, config)
