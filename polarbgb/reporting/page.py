"""The HTML page of the report: template, style, script and data in one file that needs no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from polarbgb.reporting.panels import PAPER, scripts
from polarbgb.reporting.table import Table


@dataclass(frozen=True)
class Picture:
    """A static figure.

    Attributes:
        png: content of the PNG file.
        caption: caption of the figure.
    """

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The figure as a data URL."""
        return f"data:image/png;base64,{b64encode(self.png).decode('ascii')}"


@dataclass(frozen=True)
class Page:
    """Content of the report; empty parts are left out.

    Attributes:
        title: title of the page.
        lead: sentence on the data and the model.
        tiles: names and values of the most important numbers.
        stages: commands that were run.
        quality: dropped rows, and time covered by data.
        scores: error of every bin.
        baselines: error of the prediction beside that of other backgrounds.
        bins: titles of the energy bins shown, by index.
        some_bins: note if not all bins are shown.
        all_events: number of events; only those of the lowest false-alarm rate are listed if there are very many.
        columns: columns of the list of events: key, title and unit.
        events: the list, one row per event with these columns.
        facts: names and values of all columns of each event that is drawn, by id.
        known: known events, and whether they were found.
        control: number of listed events that may be false.
        injections: share of the injected bursts that is found.
        pictures: figures by section.
        slopes: change of the background with each feature.
        stability: agreement of attributions.
        provenance: versions and hashes.
        config: resolved configuration as TOML.
        panels: interactive panels by section, as JSON of bokeh.
        data: data of the panels.
    """

    title: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    stages: Table
    quality: Table
    scores: Table | None
    baselines: Table | None
    bins: Mapping[int, str]
    some_bins: str
    all_events: int
    columns: Sequence[Mapping[str, str]]
    events: Sequence[Sequence[Any]]
    facts: Mapping[int, Sequence[tuple[str, str]]]
    known: Table | None
    control: Table
    injections: Table | None
    pictures: Mapping[str, Sequence[Picture]]
    slopes: Table | None
    stability: Table | None
    provenance: Table
    config: str
    panels: Mapping[str, str]
    data: Mapping[str, Any]


def render(page: Page) -> str:
    """Return the page as HTML; text from files is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Escaping is switched on for all templates, as the name of this one ends in .j2.
    loader = PackageLoader("polarbgb.reporting", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    resources = files("polarbgb.reporting")
    return environment.get_template("page.html.j2").render(
        page=page,
        style=(resources / "page.css").read_text(encoding="utf-8"),
        script=(resources / "page.js").read_text(encoding="utf-8"),
        library=scripts(),
        data={
            "paper": PAPER,
            "columns": page.columns,
            "events": page.events,
            "facts": {str(key): value for key, value in page.facts.items()},
            **page.data,
        },
    )
