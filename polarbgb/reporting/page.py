"""The page itself: a template, its style, its script and its data in one file that asks nothing of any network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from polarbgb.reporting.panels import PAPER, scripts


@dataclass(frozen=True)
class Table:
    """A small table.

    Attributes:
        head: names of the columns.
        rows: texts.
        note: a sentence beneath it.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing that does not zoom.

    Attributes:
        png: the file's bytes.
        caption: what it shows.
    """

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/png;base64,{b64encode(self.png).decode('ascii')}"


@dataclass(frozen=True)
class Page:
    """What a report shows; parts that are empty are left out.

    Attributes:
        title: of the page.
        lead: a sentence of what was run on what.
        tiles: headline figures: name and value.
        stages: the verbs that were run.
        quality: rows that were dropped, and live time.
        scores: error of every bin.
        baselines: beside other backgrounds.
        bins: titles of the energy bins shown, by number.
        some_bins: says so where these are not all.
        all_events: how many were found; of very many only those of the lowest false-alarm rate are listed.
        columns: of the list of events: key, title and unit.
        events: the list, a row an event, as ``columns``.
        facts: by id of each event that is drawn, all that is known of it: name, value with unit.
        known: what became of known events.
        control: how many of the events listed may be false.
        injections: what became of bursts that were added.
        pictures: by the place in the template where they stand.
        slopes: which way each feature moves the background.
        stability: how far attributions agree.
        provenance: versions, hashes.
        config: the resolved configuration as TOML.
        panels: interactive panels by their place in the page, as JSON of the drawing library.
        data: what fills them.
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
    """Return the page as HTML. What comes from files is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Escaping is on for every name: the template's own ends in .j2.
    loader = PackageLoader("polarbgb.reporting", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    own = files("polarbgb.reporting")
    return environment.get_template("page.html.j2").render(
        page=page,
        style=(own / "page.css").read_text(encoding="utf-8"),
        script=(own / "page.js").read_text(encoding="utf-8"),
        library=scripts(),
        data={
            "paper": PAPER,
            "columns": page.columns,
            "events": page.events,
            "facts": {str(key): value for key, value in page.facts.items()},
            **page.data,
        },
    )
