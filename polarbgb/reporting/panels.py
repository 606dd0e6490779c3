"""Interactive panels of the report, which the script of the page fills with data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarbgb.plotting.style import BACKGROUND, DEFICIT, EVENT, EXCESS

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource, LayoutDOM
    from bokeh.plotting import figure as Figure  # noqa: N812 - a class, whatever its name

# Visible on both a white and a dark background.
_MEASURED = "#8c8c8c"
_LINES = "#7f7f7f"
PAPER = "#fefefe"
"""Placeholder for the colour of the page, which its script inserts: without a colour, old pixels are not erased."""
_NOTHING = (0.0, 1.0)
"""Initial content of a source: for an empty one, bokeh warns that it has no range."""
_TOOLS = "pan,xbox_zoom,xwheel_zoom,reset,save"


def scripts() -> str:
    """Return bokeh as script elements, so that the page needs no network."""
    from bokeh.resources import Resources

    return str(Resources(mode="inline", components=["bokeh"]).render_js())


def viewer(name: str, titles: Sequence[str], *, limit: float, dates: bool) -> str:
    """Return pairs of panels of rate and pull, which share the axis of time.

    Args:
        name: prefix of the names of their sources: ``<name>-<number>-rate`` (x, right, rate, pred, low,
            high), ``<name>-<number>-pull`` (x, right, pull_low, pull_high) and ``<name>-spans`` (left, right).
        titles: titles of the pairs.
        limit: pull beyond which a row is flagged.
        dates: x is a time in unix ms, rather than in seconds.

    Returns:
        The panels as JSON.
    """
    from bokeh.models import Column, ColumnDataSource, Range1d

    across = Range1d(0, 86_400_000 if dates else 1, name=f"{name}-across")
    spans = ColumnDataSource({"left": [], "right": []}, name=f"{name}-spans")
    pairs = []
    for place, title in enumerate(titles):
        rate, pull = (
            ColumnDataSource({key: list(_NOTHING) for key in keys}, name=f"{name}-{place}-{kind}")
            for kind, keys in (
                ("rate", ("x", "right", "rate", "pred", "low", "high")),
                ("pull", ("x", "right", "pull_low", "pull_high")),
            )
        )
        above = _panel(190, across, title=title, dates=dates, spans=spans)
        _draw_rate(above, rate)
        _add_hover(above, rate, {"rate": "@rate{0,0.[0]} Hz", "background": "@pred{0,0.[0]} Hz"}, "rate", dates=dates)
        above.yaxis.axis_label = "rate (Hz)"
        above.xaxis.visible = False
        below = _panel(130, across, title=None, dates=dates, spans=spans)
        _draw_pull(below, pull, limit)
        _add_hover(below, pull, {"pull": "@pull_low{0.0} to @pull_high{0.0}"}, "pull_high", dates=dates)
        below.yaxis.axis_label = "pull"
        below.xaxis.axis_label = None if dates else "time since the start (s)"
        pairs.append(Column(above, below, sizing_mode="stretch_width"))
    return _placed(name, pairs)


def sky(image: NDArray[np.float64] | None, background: dict[str, NDArray[Any]] | None, where: dict[str, Any]) -> str:
    """Return panels of the events on a map, and on the background by field strength.

    Args:
        image: (latitudes, longitudes) mean background of the first bin, Hz, in square cells: all longitudes from -180
            degrees on, and as many latitudes on either side of the equator; NaN where there are no data. None for
            no map.
        background: ``field`` (nT), ``low``, ``median``, ``high`` (Hz) of the first bin; None for no such panel.
        where: (events,) ``id``, ``name``, ``kind``, and, if known, ``longitude``, ``latitude``, ``field``, ``pred``.

    Returns:
        The panels as JSON; their source is called ``where``.
    """
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource(where, name="where")
    panels = []
    if image is not None:
        panels.append(_map(image, source))
    if background is not None:
        panels.append(_field(background, source))
    return _placed("sky", panels)


def dependence(titles: Sequence[str], unit: str) -> str:
    """Return one panel per bin of SHAP values against a feature.

    Args:
        titles: titles of the bins.
        unit: label of the SHAP values.

    Returns:
        The panels as JSON; their sources are called ``dependence-<number>`` (value, low, median, high).
    """
    from bokeh.models import ColumnDataSource, PlainText

    panels = []
    for place, title in enumerate(titles):
        source = ColumnDataSource(
            {key: list(_NOTHING) for key in ("value", "low", "median", "high")}, name=f"dependence-{place}"
        )
        panel = _plain_panel(190, title)
        panel.varea("value", "low", "high", source=source, color=BACKGROUND, alpha=0.25)
        panel.line("value", "median", source=source, color=BACKGROUND, width=2)
        panel.yaxis.axis_label = unit
        panel.xaxis.axis_label = PlainText(text="")
        panel.xaxis.name = f"dependence-{place}-axis"
        panels.append(panel)
    return _placed("dependence", panels)


def _placed(name: str, panels: Sequence[LayoutDOM]) -> str:
    """Return panels of one document as JSON: ``docs``, and ``placed``, the elements of the page that contain them."""
    from bokeh.document import Document

    document = Document()
    for panel in panels:
        document.add_root(panel)
    roots = {panel.id: f"panels-{name}-{place}" for place, panel in enumerate(panels)}
    placed = [{"docid": name, "roots": roots, "root_ids": list(roots)}]
    return json.dumps({"docs": {name: document.to_json(deferred=False)}, "placed": placed})


def _plain_panel(height: int, title: str | None, **settings: Any) -> Figure:  # noqa: ANN401
    from bokeh.models import PlainText, Title
    from bokeh.plotting import figure

    panel = figure(
        height=height,
        title=Title(text=PlainText(text=title)) if title else None,  # as text alone, $$ would begin a formula
        sizing_mode="stretch_width",
        background_fill_color=None,
        border_fill_color=PAPER,
        border_line_color=None,
        outline_line_color=None,
        toolbar_location="right",
        **{"tools": "pan,box_zoom,wheel_zoom,reset,save", **settings},
    )
    panel.toolbar.logo = None
    panel.toolbar.autohide = True
    panel.grid.grid_line_color = _LINES
    panel.grid.grid_line_alpha = 0.25
    if title:
        panel.title.text_color = _LINES
        panel.title.text_font_size = "12px"
    for axis in panel.axis:
        axis.axis_label_text_color = axis.major_label_text_color = _LINES
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = _LINES
        axis.axis_label_text_font_style = "normal"
    return panel


def _panel(height: int, across: Any, *, title: str | None, dates: bool, spans: ColumnDataSource) -> Figure:  # noqa: ANN401
    kind = "datetime" if dates else "linear"
    panel = _plain_panel(height, title, x_range=across, x_axis_type=kind, tools=_TOOLS, active_scroll=None)
    panel.vstrip("left", "right", source=spans, color=EVENT, alpha=0.3, line_width=1)
    panel.min_border_left = 64
    return panel


def _draw_rate(panel: Figure, source: ColumnDataSource) -> None:
    panel.quad(
        left="x", right="right", bottom="low", top="high", source=source, color=BACKGROUND, alpha=0.3, line_color=None
    )
    panel.step("x", "rate", source=source, mode="after", color=_MEASURED, line_width=1.2)
    panel.step("x", "pred", source=source, mode="after", color=BACKGROUND, line_width=1.5)


def _draw_pull(panel: Figure, source: ColumnDataSource, limit: float) -> None:
    from bokeh.models import Span

    panel.quad(left="x", right="right", bottom="pull_low", top="pull_high", source=source, color=_MEASURED)
    panel.step("x", "pull_high", source=source, mode="after", color=_MEASURED, line_width=1.2)
    for level, color in ((limit, EXCESS), (-limit, DEFICIT)):
        panel.add_layout(Span(location=level, dimension="width", line_color=color, line_dash="dashed"))


def _add_hover(panel: Figure, source: ColumnDataSource, values: dict[str, str], height: str, *, dates: bool) -> None:
    """Show the values at the pointer."""
    from bokeh.models import HoverTool

    dots = panel.scatter("x", height, source=source, size=8, alpha=0, line_alpha=0)
    when = "@x{%F %T} UTC" if dates else "@x{0.[00]} s"
    formats = {"@x": "datetime"} if dates else {}
    panel.add_tools(
        HoverTool(
            renderers=[dots],
            mode="vline",
            tooltips=[("at", when), *values.items()],
            formatters=formats,
            attachment="above",
        )
    )


def _dots(panel: Figure, x: str, y: str, source: ColumnDataSource) -> None:
    from bokeh.models import HoverTool

    dots = panel.scatter(
        x,
        y,
        source=source,
        size=8,
        color=EVENT,
        line_color="#333333",
        nonselection_alpha=0.5,
        selection_color=EXCESS,
        selection_line_color="#000000",
        selection_line_width=2,
    )
    panel.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@name"), ("class", "@kind")]))


def _map(image: NDArray[np.float64], source: ColumnDataSource) -> Figure:
    from bokeh.models import ColorBar, LinearColorMapper

    reach = 180 * image.shape[0] / image.shape[1]
    title = "mean background by position, and the events"
    panel = _plain_panel(260, title, x_range=(-180, 180), y_range=(-reach, reach))
    low, high = np.nanquantile(image, [0, 0.98])
    mapper = LinearColorMapper("Cividis256", low=low, high=high, nan_color=(0, 0, 0, 0))
    panel.image([image.astype(np.float32)], x=-180, y=-reach, dw=360, dh=2 * reach, color_mapper=mapper)
    _dots(panel, "longitude", "latitude", source)
    panel.xaxis.axis_label, panel.yaxis.axis_label = "longitude (deg)", "latitude (deg)"
    bar = ColorBar(
        color_mapper=mapper,
        width=8,
        title="Hz",
        background_fill_color=None,
        title_text_color=_LINES,
        major_label_text_color=_LINES,
    )
    panel.add_layout(bar, "right")
    return panel


def _field(background: dict[str, NDArray[Any]], source: ColumnDataSource) -> Figure:
    from bokeh.models import ColumnDataSource

    panel = _plain_panel(260, "background by field strength (median, 10 to 90 %), and the events")
    curve = ColumnDataSource(background)
    panel.varea("field", "low", "high", source=curve, color=BACKGROUND, alpha=0.25)
    panel.line("field", "median", source=curve, color=BACKGROUND, width=2)
    _dots(panel, "field", "pred", source)
    panel.xaxis.axis_label, panel.yaxis.axis_label = "magnetic field (nT)", "background (Hz)"
    return panel
