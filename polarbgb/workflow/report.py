"""`polarbgb report`: one self-contained HTML page with the results of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable, to_toml
from polarbgb.io.atomic import atomic
from polarbgb.plotting.axes import number_range, utc
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.dependence import effect_unit
from polarbgb.plotting.registry import FIGURES
from polarbgb.plotting.zooms import choose_zooms
from polarbgb.progress import Track, silent, watched
from polarbgb.reporting import content, report_tables
from polarbgb.reporting.curves import Curves
from polarbgb.reporting.page import Page, Picture, render
from polarbgb.reporting.panels import dependence, sky, viewer
from polarbgb.reporting.table import Table, counted
from polarbgb.runs.folder import RunFolder
from polarbgb.transients.events import highest_ranked
from polarbgb.transients.match import known_summary
from polarbgb.validation.efficiency import TITLES
from polarbgb.workflow.detect import detect
from polarbgb.workflow.figures import Format, draw
from polarbgb.workflow.outfile import require_free
from polarbgb.workflow.results.fit import FAIR_PARTS
from polarbgb.workflow.search_settings import search_settings

_FEATURES = 20
"""Features whose dependence and slopes are shown."""


@dataclass(frozen=True)
class ReportResult:
    """Result of writing a report.

    Attributes:
        path: the page.
        events: number of events.
        drawn: number of events with light curves.
        size: size of the page, bytes.
        figures: files of figures in another format, if requested.
    """

    command: ClassVar[str] = "report"

    path: Path
    events: int
    drawn: int
    size: int
    figures: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The page and the figures beside it."""
        return (self.path, *self.figures)

    def summary(self) -> str:
        """Return the number of events, those with light curves, and the size of the page."""
        return f"{counted(self.events, 'event')}, {self.drawn} of them drawn, {self.size / 1e6:.1f} MB"

    def tables(self, *, verbose: bool = False) -> list[Table]:
        """Return no table: the page has them."""
        del verbose
        return []


def report(
    run: RunFolder | str | Path,
    path: str | Path | None = None,
    *,
    events: int = 40,
    bins: Sequence[int] | None = None,
    plots: Format | None = None,
    overwrite: bool = False,
    track: Track = silent,
) -> ReportResult:
    """Write the results of a run as one HTML page that needs no network; runs ``detect`` first if necessary.

    Args:
        run: a fitted or predicted run. Results of ``explain`` and ``evaluate`` are included if there are any.
        path: a ``.html`` file; ``report.html`` of the run folder if None.
        events: number of events that are drawn, those of the lowest false-alarm rate. All events are listed, or the
            5000 of the lowest false-alarm rate if there are more.
        bins: energy bins that the page shows; all, or 12 spread over the spectrum, if None. The bin in which an event
            is most significant is always shown.
        plots: also draw every figure as a file of this format into ``plots/`` of the run folder.
        overwrite: replace an existing file; the one in the run folder is always replaced.
        track: shows the progress.

    Returns:
        The page and its size.

    Raises:
        UserError: if the run has no prediction, a bin does not exist, or the page cannot be written or exists.
    """
    run = RunFolder.at(run)
    run.require("fit", "predict")
    if path is None:
        path = run / "report.html"
    else:
        path = Path(path)
        require_free(path, run, run.sources(), overwrite=overwrite, suffixes=(".html",))
    with run.hold():
        if run.stage("detect") is None:
            detect(run, track=track)
        files = draw(run, "png", bins=bins, track=track)
        figures = files if plots == "png" else draw(run, plots, bins=bins, track=track) if plots else ()
        listed = run.read_frame("events.parquet")
        drawn = highest_ranked(listed, events)
        with watched(track, "write the page"):
            page = render(_page(run, listed, drawn, files, bins))
        with atomic(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
    return ReportResult(path, len(listed), len(drawn), path.stat().st_size, figures)


def _page(
    run: RunFolder,
    events: pl.DataFrame,
    drawn: pl.DataFrame,
    figures: Sequence[Path],
    selected: Sequence[int] | None,
) -> Page:
    stage = run.require("fit", "predict")
    search = run.require("detect")
    config = run.config_of("detect")
    prediction = run.read_frame("prediction.parquet")
    curves = Curves.of(prediction)
    titles = config.rates.titles
    bins = chosen(selected, len(titles))
    metrics = run.metrics() if run.stage("fit") else []
    evaluation = run.read_json("evaluation.json") if run.stage("evaluate") else {}
    days = len(curves.time) * config.input.cadence / 86_400
    columns, rows = content.event_list(events)
    source = Path(stage["input"]["file"]).name
    title = f"{config.name}: background and events of {source}"
    panels, data = _light_curves(prediction, curves, drawn, config, bins)
    explanation, explanation_panels = _explanation(run, drawn, config, bins)
    settings = search_settings(config)
    known = known_summary(prediction, events, settings.known, slack=settings.match)
    return Page(
        title=title,
        lead=_lead(stage, curves, config),
        tiles=_tiles(metrics, search, days),
        stages=_stages(run),
        quality=report_tables.quality_table(prediction, stage["input"]),
        scores=report_tables.score_table(metrics, stage["widths"], titles),
        baselines=report_tables.baseline_table(evaluation["errors"], titles, bins) if evaluation else None,
        bins={i_bin: titles[i_bin] for i_bin in bins},
        some_bins=share(bins, len(titles)).removeprefix("; "),
        all_events=len(events),
        columns=columns,
        events=rows,
        facts={event["id"]: content.facts(event, titles, bins) for event in drawn.iter_rows(named=True)},
        known=report_tables.known_table(known),
        control=report_tables.control_table(search, days),
        injections=report_tables.injection_table(evaluation["efficiency"], TITLES)
        if "efficiency" in evaluation
        else None,
        pictures=_pictures(run, figures),
        slopes=_slopes(run, config, bins),
        stability=_stability(run, titles, bins),
        provenance=_provenance(stage),
        config=to_toml(portable(config)),
        panels={**panels, **explanation_panels},
        data={**data, **explanation},
    )


def _light_curves(
    prediction: pl.DataFrame, curves: Curves, drawn: pl.DataFrame, config: Config, bins: Sequence[int]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the panels of light curves and positions, and their data."""
    titles, limit, cadence = config.rates.titles, config.intervals.sigma, config.input.cadence
    # Menus of bins replace the titles if there are many bins.
    pairs = [titles[i_bin] for i_bin in bins] if len(bins) <= content.PAIRS else [""] * content.PAIRS
    zooms = choose_zooms(prediction, cadence=cadence, passage=config.features.passage)
    whole, note = curves.whole(cadence, config.orbit.period, bins)
    panels = {
        "curve": viewer("curve", [""], limit=limit, dates=True),
        "zoom": viewer("zoom", pairs, limit=limit, dates=False),
    }
    if len(drawn):
        panels["event"] = viewer("event", pairs, limit=limit, dates=False)
        image = content.background_map(prediction, drawn, config.position)
        background = content.field_background(prediction)
        if image is not None or background is not None:
            panels["sky"] = sky(image, background, content.event_positions(drawn, prediction, config.position))
    return panels, {
        "titles": titles,
        "whole": whole,
        "note": note,
        "spans": {"left": (drawn["t_start"] * 1e3).to_list(), "right": (drawn["t_stop"] * 1e3).to_list()},
        "zooms": content.zooms(curves, zooms, cadence, bins),
        "windows": {str(key): value for key, value in content.event_windows(curves, drawn, cadence, bins).items()},
    }


def _explanation(
    run: RunFolder, drawn: pl.DataFrame, config: Config, bins: Sequence[int]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the data of the panels of the explanation, and these panels."""
    names, titles, objective = config.rates.names, config.rates.titles, config.model.objective
    data: dict[str, Any] = {"dependence": [], "why": {}, "why_unit": effect_unit(objective)}
    panels = {}
    curves, of_events = (_explain_table(run, name) for name in ("dependence.parquet", "event_shap.parquet"))
    if curves is not None:
        data["dependence"] = content.dependence_curves(
            curves, _important(run), [names[i_bin] for i_bin in bins], objective
        )
        panels["dependence"] = dependence([titles[i_bin] for i_bin in bins], f"SHAP ({effect_unit(objective)})")
    if of_events is not None:
        bins_of = {event["id"]: content.bins_of_event(event, bins) for event in drawn.iter_rows(named=True)}
        reasons = content.reasons(of_events, bins_of, names, objective)
        data["why"] = {str(key): value for key, value in reasons.items()}
    return data, panels


def _explain_table(run: RunFolder, name: str) -> pl.DataFrame | None:
    """Return a table of ``explain``; None if it was not run, or has no such table."""
    return run.read_frame(name) if run.stage("explain") is not None and (run / name).exists() else None


def _important(run: RunFolder) -> list[str]:
    """Return the most important features, which the page shows in detail."""
    return run.read_frame("importance.parquet")["feature"].head(_FEATURES).to_list()


def _slopes(run: RunFolder, config: Config, bins: Sequence[int]) -> Table | None:
    slopes = _explain_table(run, "slopes.parquet")
    if slopes is None:
        return None
    return report_tables.slope_table(slopes, _important(run), config.rates.names, config.rates.titles, bins)


def _stability(run: RunFolder, titles: Sequence[str], bins: Sequence[int]) -> Table | None:
    if run.stage("explain") is None or not (run / "stability.json").exists():
        return None
    return report_tables.stability_table(run.read_json("stability.json"), titles, bins)


def _lead(stage: Mapping[str, Any], curves: Curves, config: Config) -> str:
    span = ""
    if len(curves.time):
        stop = curves.time[-1] + config.input.cadence
        span = f" from {utc(curves.time[0])} to {utc(stop)} UTC"
    source = stage["input"]
    return (
        f"{source['usable']:,} usable rows of {source['entries']:,}{span}, "
        f"{counted(len(config.rates.names), 'energy bin')}; background by "
        f"{config.model.backend}, {_held_out(stage, config)}."
    )


def _held_out(stage: Mapping[str, Any], config: Config) -> str:
    """Return how the models relate to the rows that they predict."""
    if "models" in stage:
        return f"by the models of the run {Path(stage['models']['run']).name}"
    if config.folds.scheme == "blocks":
        return "by one model, which was trained on most of these rows"
    return f"each of the {config.folds.scheme} by models that never saw it"


def _tiles(metrics: Sequence[Mapping[str, Any]], search: Mapping[str, Any], days: float) -> list[tuple[str, str]]:
    tiles = [("covered by data", f"{days:.2f} d"), ("events", f"{search['events']:,}")]
    if search["method"] == "focus":
        tiles.append(("requested false-alarm rate", f"{search['trigger']['far']:g} per day"))
    ratios = [score["deviance"] / score["noise"] for score in metrics if score["part"] in FAIR_PARTS and score["rows"]]
    if ratios:
        tiles.append(("deviance / counting noise", number_range(min(ratios), max(ratios), 2)))
    return tiles


def _stages(run: RunFolder) -> Table:
    rows = []
    for name in ("tune", "fit", "predict", "detect", "explain", "evaluate"):
        stage = run.stage(name)
        if stage is not None:
            finished = stage["finished"].replace("T", " ").replace("+00:00", " UTC")
            rows.append((name, finished, f"{stage['seconds']:,.0f} s"))
    return Table(head=("command", "finished", "run time"), rows=tuple(rows))


def _provenance(stage: Mapping[str, Any]) -> Table:
    source = stage["input"]
    rows = [
        ("polarbgb", __version__),
        ("input", f"{Path(source['file']).name}, tree {source['tree']}"),
        ("sha256", source["sha256"]),
        ("libraries", ", ".join(f"{name} {version}" for name, version in stage["versions"].items())),
    ]
    if "parameters" in stage:
        rows.append(("hyperparameters", stage["parameters"]))
    if "models" in stage:
        rows.append(("models", f"those of the run {Path(stage['models']['run']).name}"))
    if "device" in stage:
        rows.append(("device", ", ".join(stage["device"]["got"])))
    return Table(head=("", ""), rows=tuple(rows))


def _pictures(run: RunFolder, figures: Sequence[Path]) -> dict[str, list[Picture]]:
    """Return the figures of the page by section, with those that only ``explain`` draws."""
    files = {file.stem: file for file in figures}
    if run.stage("explain") is not None:
        files |= {file.stem: file for file in (run / "plots").glob("shap_bin*.png")}
    n_bins = len(run.config().rates.names)
    pictures: dict[str, list[Picture]] = {}
    for entry in FIGURES:
        for name in [f"{entry.name}{i_bin}" for i_bin in range(n_bins)] if entry.per_bin else [entry.name]:
            if entry.section and name in files:
                pictures.setdefault(entry.section, []).append(Picture(files[name].read_bytes(), entry.caption))
    return pictures
