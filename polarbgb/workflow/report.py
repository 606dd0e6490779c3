"""`polarbgb report`: one page that one would send to a colleague."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from polarbgb import __version__
from polarbgb.config import Config
from polarbgb.config.text import portable, to_toml
from polarbgb.data.known_events import known_events
from polarbgb.io.atomic import atomic
from polarbgb.plotting.axes import utc
from polarbgb.plotting.bins import chosen, share
from polarbgb.plotting.dependence import effect_unit
from polarbgb.plotting.zooms import choose_zooms
from polarbgb.progress import Track, silent, watched
from polarbgb.reporting import content
from polarbgb.reporting.curves import Curves
from polarbgb.reporting.page import Page, Picture, Table, render
from polarbgb.reporting.panels import dependence, sky, viewer
from polarbgb.runs.folder import RunFolder
from polarbgb.transients.events import highest_ranked
from polarbgb.transients.match import known_summary
from polarbgb.validation.efficiency import TITLES
from polarbgb.workflow.detect import detect
from polarbgb.workflow.figures import Format, draw
from polarbgb.workflow.fit import FAIR_PARTS
from polarbgb.workflow.outfile import require_free

_FIGURES = (
    ("curve", "rates", "Measured rate of every bin against time."),
    ("evaluation", "evaluation", "Error beside other backgrounds, and width of the pulls by regime."),
    ("pulls", "pulls", "Pulls of every bin beside the Gaussian of unit width, and the width of the Gaussian fitted."),
    ("pulls", "residuals", "Residuals of every bin, with the Gaussian fitted to their core."),
    ("training", "loss", "Loss against the number of trees, a line a fold: rows learnt from, and rows that stop it."),
    ("shap", "shap_groups", "Mean |SHAP| of the groups of features."),
    ("shap", "shap_bars", "Mean |SHAP| of the strongest features, bin by bin, with its statistical error."),
    ("shap", "attribution_phase", "SHAP values of the groups along the orbit."),
    ("shap", "attribution_time", "SHAP values of the groups along the mission."),
    ("clusters", "clusters", "Clusters of rows beyond the limit: duration and counts in excess."),
    ("known", "known_events", "Around the known events."),
    ("places", "event_places", "Where events are, beside live time."),
    ("efficiency", "efficiency", "Share of the added bursts that is found."),
)
"""Section, name and caption of the figures that do not zoom."""
_FEATURES = 20
"""Features whose dependence is drawn."""


@dataclass(frozen=True)
class ReportResult:
    """What a report came to.

    Attributes:
        path: the page.
        events: listed.
        drawn: of them, with light curves.
        size: bytes.
        figures: files that were asked for beside it.
    """

    path: Path
    events: int
    drawn: int
    size: int
    figures: tuple[Path, ...]


def report(
    run: RunFolder,
    path: Path | None = None,
    *,
    events: int = 40,
    bins: Sequence[int] | None = None,
    plots: Format | None = None,
    overwrite: bool = False,
    track: Track = silent,
) -> ReportResult:
    """Write what a run found as one HTML page that needs no network; runs ``detect`` first if it was not run.

    Args:
        run: a fitted or predicted run. What ``explain`` and ``evaluate`` left is shown where they were run.
        path: a ``.html`` file; ``report.html`` of the run folder where None.
        events: how many are drawn, those of the lowest false-alarm rate; all are listed, of more than 5000 these 5000.
        bins: energy bins that the page shows; where None all, or of more than 12 as many from the first to the last,
            and of each event the one that sees it best.
        plots: draw every figure as a file of this format too, into ``plots/`` of the run folder.
        overwrite: replace a named file that is there; the run folder's own is always replaced.
        track: watches the search, if there is one, and the drawing.

    Returns:
        The page and its size.

    Raises:
        UserError: if the run has no prediction, or no such bin, or the page cannot be written or is in the way.
    """
    run.require("fit", "predict")
    if path is None:
        path = run / "report.html"
    else:
        require_free(path, run, run.source(), overwrite=overwrite, suffixes=(".html",))
    with run.hold():
        if run.stage("detect") is None:
            detect(run, track=track)
        files = draw(run, "png", bins=bins, track=track)  # those that do not zoom stand in the page
        asked = files if plots == "png" else draw(run, plots, bins=bins, track=track) if plots else ()
        found = run.read_frame("events.parquet")
        drawn = highest_ranked(found, events)
        with watched(track, "write the page"):
            page = render(_page(run, found, drawn, files, bins))
        with atomic(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
    return ReportResult(path, len(found), len(drawn), path.stat().st_size, asked)


def _page(
    run: RunFolder, events: pl.DataFrame, drawn: pl.DataFrame, figures: Sequence[Path], asked: Sequence[int] | None
) -> Page:
    stage = run.require("fit", "predict")
    searched = run.require("detect")
    config = run.config_of("detect")
    prediction = run.read_frame("prediction.parquet")
    curves = Curves.of(prediction)
    titles = config.rates.titles
    bins = chosen(asked, len(titles))
    metrics = run.metrics() if run.stage("fit") else []
    evaluation = run.read_json("evaluation.json") if run.stage("evaluate") else {}
    days = len(curves.time) * config.input.cadence / 86_400
    columns, rows = content.event_list(events)
    source = Path(stage["input"]["file"]).name
    title = f"{config.name}: background and events of {source}"
    panels, data = _drawn(prediction, curves, drawn, config, bins)
    explained, shown = _explained(run, drawn, config, bins)
    return Page(
        title=title,
        lead=_lead(stage, curves, config),
        tiles=_tiles(metrics, searched, days),
        stages=_stages(run),
        quality=content.quality_table(prediction, stage["input"]["dropped"], config),
        scores=content.score_table(metrics, stage["widths"], titles),
        baselines=content.baseline_table(evaluation["errors"], titles, bins) if evaluation else None,
        bins={number: titles[number] for number in bins},
        some_bins=share(bins, len(titles)).removeprefix("; "),
        all_events=len(events),
        columns=columns,
        events=rows,
        facts={one["id"]: content.facts(one, titles, bins) for one in drawn.iter_rows(named=True)},
        known=content.known_table(known_summary(prediction, events, known_events(config), config)),
        control=content.control_table(searched, days),
        injections=content.injection_table(evaluation["efficiency"], TITLES) if "efficiency" in evaluation else None,
        pictures=_pictures(run, figures),
        slopes=_slopes(run, config, bins),
        stability=_stability(run, titles, bins),
        provenance=_provenance(run, stage),
        config=to_toml(portable(config)),
        panels={**panels, **shown},
        data={**data, **explained},
    )


def _drawn(
    prediction: pl.DataFrame, curves: Curves, drawn: pl.DataFrame, config: Config, bins: Sequence[int]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the panels of light curves and places, and what fills them."""
    titles, limit = config.rates.titles, config.intervals.sigma
    # Where there is a choice of bins, it stands in the place of the titles.
    pairs = [titles[number] for number in bins] if len(bins) <= content.PAIRS else [""] * content.PAIRS
    whole, note = curves.whole(config, bins)
    panels = {
        "curve": viewer("curve", [""], limit=limit, dates=True),
        "zoom": viewer("zoom", pairs, limit=limit, dates=False),
    }
    if len(drawn):
        panels["event"] = viewer("event", pairs, limit=limit, dates=False)
        image, background = content.ground(prediction, drawn, config), content.field_background(prediction)
        if image is not None or background is not None:
            panels["sky"] = sky(image, background, content.whereabouts(drawn, prediction, config))
    return panels, {
        "titles": titles,
        "whole": whole,
        "note": note,
        "spans": {"left": (drawn["t_start"] * 1e3).to_list(), "right": (drawn["t_stop"] * 1e3).to_list()},
        "zooms": content.zooms(curves, choose_zooms(prediction, config), config, bins),
        "windows": {str(key): value for key, value in content.event_windows(curves, drawn, config, bins).items()},
    }


def _explained(
    run: RunFolder, drawn: pl.DataFrame, config: Config, bins: Sequence[int]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what fills the panels of the explanation, and these panels."""
    data: dict[str, Any] = {"dependence": [], "why": {}, "why_unit": effect_unit(config)}
    panels = {}
    curves, of_events = (_left(run, name) for name in ("dependence.parquet", "event_shap.parquet"))
    if curves is not None:
        data["dependence"] = content.dependence_curves(curves, _important(run), config, bins)
        panels["dependence"] = dependence(
            [config.rates.titles[number] for number in bins], f"SHAP ({effect_unit(config)})"
        )
    if of_events is not None:
        of_each = {one["id"]: content.of_event(one, bins) for one in drawn.iter_rows(named=True)}
        told = content.reasons(of_events, of_each, config)
        data["why"] = {str(key): value for key, value in told.items()}
    return data, panels


def _left(run: RunFolder, name: str) -> pl.DataFrame | None:
    """Return a table that ``explain`` left; None where it was not run, or left no such table."""
    return run.read_frame(name) if run.stage("explain") is not None and (run / name).exists() else None


def _important(run: RunFolder) -> list[str]:
    """Return the features that the page goes into."""
    return run.read_frame("importance.parquet")["feature"].head(_FEATURES).to_list()


def _slopes(run: RunFolder, config: Config, bins: Sequence[int]) -> Table | None:
    slopes = _left(run, "slopes.parquet")
    return None if slopes is None else content.slope_table(slopes, _important(run), config, bins)


def _stability(run: RunFolder, titles: Sequence[str], bins: Sequence[int]) -> Table | None:
    if run.stage("explain") is None or not (run / "stability.json").exists():
        return None
    return content.stability_table(run.read_json("stability.json"), titles, bins)


def _lead(stage: Mapping[str, Any], curves: Curves, config: Config) -> str:
    when = ""
    if len(curves.time):
        stop = curves.time[-1] + config.input.cadence
        when = f" from {utc(curves.time[0])} to {utc(stop)} UTC"
    source = stage["input"]
    return (
        f"{source['usable']:,} usable rows of {source['entries']:,}{when}, {len(config.rates.names)} energy bins; "
        f"background by {config.model.backend}, {_held_out(stage, config)}."
    )


def _held_out(stage: Mapping[str, Any], config: Config) -> str:
    """Say which rows the models had seen."""
    if "models" in stage:
        return f"by the models of the run {Path(stage['models']['run']).name}"
    if config.folds.scheme == "blocks":
        return "by one model, which learnt from most of these rows"
    return f"each of the {config.folds.scheme} by models that never saw it"


def _tiles(metrics: Sequence[Mapping[str, Any]], searched: Mapping[str, Any], days: float) -> list[tuple[str, str]]:
    tiles = [("covered by data", f"{days:.2f} d"), ("events", f"{searched['events']:,}")]
    if searched["method"] == "focus":
        tiles.append(("false-alarm rate asked for", f"{searched['trigger']['far']:g} a day"))
    ratios = [one["deviance"] / one["noise"] for one in metrics if one["part"] in FAIR_PARTS]
    if ratios:
        tiles.append(("deviance / counting noise", f"{min(ratios):.2g} to {max(ratios):.2g}"))
    return tiles


def _stages(run: RunFolder) -> Table:
    rows = []
    for name in ("tune", "fit", "predict", "detect", "explain", "evaluate"):
        stage = run.stage(name)
        if stage is not None:
            rows.append(
                [name, stage["finished"].replace("T", " ").replace("+00:00", " UTC"), f"{stage['seconds']:,.0f} s"]
            )
    return Table(["verb", "finished", "took"], rows)


def _provenance(run: RunFolder, stage: Mapping[str, Any]) -> Table:
    source = stage["input"]
    rows = [
        ["polarbgb", __version__],
        ["input", f"{Path(source['file']).name}, tree {source['tree']}"],
        ["sha256", source["sha256"]],
        ["libraries", ", ".join(f"{name} {version}" for name, version in stage["versions"].items())],
    ]
    if "parameters" in stage:
        rows.append(["hyperparameters", stage["parameters"]])
    if "models" in stage:
        rows.append(["models", f"those of the run {Path(stage['models']['run']).name}"])
    if "device" in stage:
        rows.append(["device", ", ".join(stage["device"]["got"])])
    return Table(["", ""], rows)


def _pictures(run: RunFolder, figures: Sequence[Path]) -> dict[str, list[Picture]]:
    """Return those of the figures drawn that the page shows, by section; and the swarms, which ``explain`` drew."""
    drawn = {file.stem: file for file in figures}
    found: dict[str, list[Picture]] = {}
    for section, name, caption in _FIGURES:
        if name in drawn:
            found.setdefault(section, []).append(Picture(drawn[name].read_bytes(), caption))
    if run.stage("explain") is not None:
        swarms = [run / f"plots/shap_bin{number}.png" for number in range(len(run.config().rates.names))]
        found["swarms"] = [Picture(file.read_bytes(), "SHAP values, a dot a row.") for file in swarms if file.is_file()]
    return found
