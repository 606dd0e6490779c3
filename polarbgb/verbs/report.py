"""`polarbgb report`: one page that one would send to a colleague."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from polarbgb import __version__
from polarbgb.atomic import atomic
from polarbgb.config import Config
from polarbgb.errors import UserError
from polarbgb.present.report import content
from polarbgb.present.report.curves import Curves
from polarbgb.present.report.page import Page, Picture, Table, render
from polarbgb.present.report.panels import dependence, sky, viewer
from polarbgb.progress import Track, silent
from polarbgb.runfolder import RunFolder
from polarbgb.timeline.known import known_events
from polarbgb.transients.efficiency import TITLES
from polarbgb.transients.match import known_summary
from polarbgb.verbs.detect import detect

SHOWN = 40
"""Events drawn, if not asked for more."""
_FEATURES = 20
"""Features whose dependence is drawn."""


@dataclass(frozen=True)
class Reported:
    """What a report came to.

    Attributes:
        path: the page.
        events: listed.
        drawn: of them, with light curves.
        size: bytes.
    """

    path: Path
    events: int
    drawn: int
    size: int


def report(
    run: RunFolder,
    path: Path | None = None,
    *,
    events: int = SHOWN,
    overwrite: bool = False,
    track: Track = silent,
) -> Reported:
    """Write what a run found as one HTML page that needs no network; runs ``detect`` first if it was not run.

    Args:
        run: a fitted or predicted run. What ``explain`` and ``evaluate`` left is shown where they were run.
        path: a ``.html`` file; ``report.html`` of the run folder where None.
        events: how many are drawn, the rarest first; all are listed.
        overwrite: replace a named file that is there; the run folder's own is always replaced.
        track: watches the search, if there is one.

    Returns:
        The page and its size.

    Raises:
        UserError: if the run has no prediction, or the page cannot be written or is in the way.
    """
    run.require("fit", "predict")
    if path is None:
        path = run / "report.html"
    elif path.suffix not in {".html", ".htm"}:
        raise UserError(f"{path}: the name must end in .html")
    elif path.exists() and not overwrite:
        raise UserError(f"{path} exists; add --overwrite to replace it")
    if run.stage("detect") is None:
        detect(run, track=track)
    found = run.read_frame("events.parquet")
    drawn = content.rarest(found, events)
    page = render(_page(run, found, drawn))
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Reported(path, len(found), len(drawn), path.stat().st_size)


def _page(run: RunFolder, events: pl.DataFrame, drawn: pl.DataFrame) -> Page:
    stage = run.require("fit", "predict")
    searched = run.require("detect")
    config = run.config()
    prediction = run.read_frame("prediction.parquet")
    curves = Curves.of(prediction)
    titles = config.rates.titles
    metrics = _json(run, "metrics.json") if run.stage("fit") else []
    evaluation = _json(run, "evaluation.json") if run.stage("evaluate") else {}
    days = len(curves.time) * config.input.cadence / 86_400
    columns, rows = content.event_list(events)
    source = Path(stage["input"]["file"]).name
    title = f"{config.name}: background and events of {source}"
    panels, data = _drawn(prediction, curves, drawn, config)
    explained, shown = _explained(run, drawn, config)
    return Page(
        title=title,
        lead=_lead(stage, curves, config),
        tiles=_tiles(metrics, searched, days),
        stages=_stages(run),
        quality=content.quality_table(prediction, stage["input"]["dropped"], config),
        scores=content.score_table(metrics, stage["widths"], titles),
        baselines=content.baseline_table(evaluation["errors"], titles) if evaluation else None,
        bins=titles,
        columns=columns,
        events=rows,
        facts={one["id"]: content.facts(one, titles) for one in drawn.iter_rows(named=True)},
        known=content.known_table(known_summary(prediction, events, known_events(config), config)),
        control=content.control_table(searched, days),
        injections=content.injection_table(evaluation["efficiency"], TITLES) if "efficiency" in evaluation else None,
        pictures=_pictures(run, evaluation),
        slopes=None,
        provenance=_provenance(run, stage),
        config=_plain(config),
        panels={**panels, **shown},
        data={**data, **explained},
    )


def _drawn(
    prediction: pl.DataFrame, curves: Curves, drawn: pl.DataFrame, config: Config
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the panels of light curves and places, and what fills them."""
    titles, limit = config.rates.titles, config.intervals.sigma
    some = len(curves.time) > 0
    panels = {
        "curve": viewer("curve", [""], limit=limit, dates=True),
        "zoom": viewer("zoom", titles, limit=limit, dates=False),
    }
    if len(drawn):
        panels["event"] = viewer("event", titles, limit=limit, dates=False)
        image, background = content.ground(prediction, config), content.field_background(prediction)
        if image is not None or background is not None:
            panels["sky"] = sky(image, background, content.whereabouts(drawn, prediction, config))
    return panels, {
        "whole": [curves.whole(number, config) for number in range(len(titles))] if some else [],
        "note": curves.note(config),
        "spans": {"left": (drawn["t_start"] * 1e3).to_list(), "right": (drawn["t_stop"] * 1e3).to_list()},
        "zooms": content.zooms(curves, config),
        "windows": {str(key): value for key, value in content.event_windows(curves, drawn, config).items()},
    }


def _explained(run: RunFolder, drawn: pl.DataFrame, config: Config) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what fills the panels of the explanation, and these panels."""
    data: dict[str, Any] = {"dependence": [], "why": {}, "why_unit": content.unit(config)}
    panels = {}
    if run.stage("explain") is not None and (run / "dependence.parquet").exists():
        important = run.read_frame("importance.parquet")["feature"].head(_FEATURES).to_list()
        data["dependence"] = content.dependence_curves(run.read_frame("dependence.parquet"), important, config)
        panels["dependence"] = dependence(config.rates.titles, f"SHAP ({content.unit(config)})")
    if run.stage("explain") is not None and (run / "event_shap.parquet").exists():
        told = content.reasons(run.read_frame("event_shap.parquet"), drawn["id"].to_list(), config)
        data["why"] = {str(key): value for key, value in told.items()}
    return data, panels


def _lead(stage: Mapping[str, Any], curves: Curves, config: Config) -> str:
    when = ""
    if len(curves.time):
        stop = curves.time[-1] + config.input.cadence
        when = f" from {content.utc(curves.time[0])} to {content.utc(stop)} UTC"
    source = stage["input"]
    return (
        f"{source['usable']:,} usable rows of {source['entries']:,}{when}, {len(config.rates.names)} energy bins; "
        f"background by {config.model.backend}, each orbit by models that never saw it."
    )


def _tiles(metrics: Sequence[Mapping[str, Any]], searched: Mapping[str, Any], days: float) -> list[tuple[str, str]]:
    tiles = [("live time", f"{days:.2f} d"), ("events", f"{searched['events']:,}")]
    if searched["method"] == "focus":
        tiles += [
            ("false ones asked for", f"{searched['trigger']['far']:g} a day"),
            ("deficits as rare", f"{searched['deficits']:,}"),
        ]
    ratios = [one["weighted_error"] / one["noise"] for one in metrics]
    if ratios:
        tiles.append(("error / counting noise", f"{min(ratios):.2g} to {max(ratios):.2g}"))
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
        # A page is sent away: it should not tell where on somebody's disk it was made.
        rows.append(["hyperparameters", stage["parameters"].replace(f"{run.path}/", "")])
    if "device" in stage:
        rows.append(["device", stage["device"]])
    return Table(["", ""], rows)


def _plain(config: Config) -> str:
    """Return the configuration as TOML, without the folders of its files."""
    import tomlkit

    plain = config.model_dump(mode="json", exclude_none=True)
    plain["input"]["path"] = Path(plain["input"]["path"]).name
    if "known_events" in plain:
        plain["known_events"]["file"] = Path(plain["known_events"]["file"]).name
    return tomlkit.dumps(plain)


def _pictures(run: RunFolder, evaluation: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """Return the plots that the verbs left, by section."""
    wanted: dict[str, list[tuple[str, str]]] = {
        "pulls": [
            ("pulls", "Pulls of every bin against the Gaussian of unit width, and the width of the Gaussian fitted.")
        ]
    }
    if run.stage("explain") is not None:
        bins = len(run.config().rates.names)
        wanted["shap"] = [
            ("shap_bars", "Mean |SHAP| of the strongest features, bin by bin, with its statistical error.")
        ]
        wanted["swarms"] = [(f"shap_bin{number}", "SHAP values, a dot a row.") for number in range(bins)]
    if evaluation:
        wanted["evaluation"] = [("evaluation", "Error and width of the pulls by regime.")]
    if "efficiency" in evaluation:
        wanted["efficiency"] = [("efficiency", "Share of the added bursts that is found.")]
    found = {
        section: [
            Picture((run / f"plots/{name}.png").read_bytes(), caption)
            for name, caption in pictures
            if (run / f"plots/{name}.png").is_file()
        ]
        for section, pictures in wanted.items()
    }
    return {section: pictures for section, pictures in found.items() if pictures}


def _json(run: RunFolder, name: str) -> Any:  # noqa: ANN401 - whatever the verb wrote
    try:
        return json.loads((run / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{run / name}: missing or damaged; run the verb that makes it again") from error
