"""Every figure draws names as they are written, whatever matplotlib could take them for."""

import os
import subprocess
import sys
import warnings
from dataclasses import fields

import numpy as np
import polars as pl
import pytest
from matplotlib.text import Text
from test_efficiency_plot import made as bursts
from test_run_figures import T0, found, made

from polarbgb.attribution.dependence import attribution, dependence
from polarbgb.attribution.shap_export import shap_frame
from polarbgb.attribution.shap_values import Explanation
from polarbgb.background.losses import SCHEMA, SHARED, TRAINING, VALIDATION
from polarbgb.background.metrics import Performance, Score
from polarbgb.config import validate
from polarbgb.features.matrix import feature_names
from polarbgb.plotting.axes import log_scale
from polarbgb.plotting.registry import FIGURES
from polarbgb.plotting.run_tables import RunTables
from polarbgb.plotting.saving import save
from polarbgb.plotting.style import page, styled
from polarbgb.transients.published import find_clusters

LABELS = (r"$\keV$", r"_\x_{$5_6$")
INSTRUMENT = r"Toy $\frac{1$"
COLUMNS = ("$no_th$", "ea$st^", r"\alpha$", "T<1>:$x$", "_under_$score$")
GROUP = "_$\\group{$"
KNOWN = (r"GRB_$\alpha_1$", "100% $")
CLASSES = ("_$flare$", r"\burst{")
METHOD = "$refe$ren$ce"
SPECTRUM = r"$\spec$"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    known = tmp_path_factory.mktemp("known") / "known.csv"
    known.write_text(f"name,unix_time\n{KNOWN[0]},{T0 + 500}\n{KNOWN[1]},{T0 + 9e6}\n")
    raw = {
        "name": INSTRUMENT,
        "input": {"tree": "t"},
        "rates": {"values": ["r$[0:2]"], "errors": ["e[0:2]"], "labels": LABELS},
        "features": {"columns": COLUMNS},
        "orbit": {"period": 1000.0},
        "position": {"latitude": COLUMNS[0], "longitude": COLUMNS[1]},
        "known_events": {"file": str(known)},
        "intervals": {"more_than": 0, "discard": 0.0, "sigma": 3.0, "context": COLUMNS[:2]},
        "inject": {"spectra": {SPECTRUM: [1.0, 1.0]}},
        "explain": {"groups": {GROUP: COLUMNS[2:]}},
    }
    return validate(raw, where="test")


@pytest.fixture(scope="module")
def tables(config):
    """Small tables of all stages."""
    rng = np.random.default_rng(0)
    place = {"north": COLUMNS[0], "east": COLUMNS[1]}
    prediction = made(scatter=(2.0, 2.0, 2.0)).rename(place)
    events = (
        found()
        .rename(place)
        .with_columns(
            pl.Series("class", CLASSES), pl.Series("matched", ["", KNOWN[0]]), utc=pl.lit("2016-09-16T05:29:42.000Z")
        )
    )
    names, bins, rows = feature_names(config.features, config.position), config.rates.names, 60
    shap = Explanation(
        np.arange(rows), rng.normal(size=(2, rows, len(names))).astype("f4"), rng.normal(size=(2, rows)), 0.0
    )
    ids = pl.DataFrame({"row": np.arange(rows), "unix_time": T0 + np.arange(rows), "fold": np.zeros(rows, np.int8)})
    features = rng.normal(size=(rows, len(names))).astype("f4")
    grouped = Explanation(shap.rows, shap.values[:, :, :2], shap.base, 0.0)
    phase = attribution(grouped, rng.uniform(0, 360, rows), (0.0, 360.0), groups=(GROUP, "other"), bins=bins)
    time = attribution(grouped, ids["unix_time"].to_numpy(), (T0, T0 + rows), groups=(GROUP, "other"), bins=bins)
    losses = [
        (0, name, part, trees, 1.0 / trees)
        for name in (SHARED, *bins)
        for part in (TRAINING, VALIDATION)
        for trees in (1, 2, 300)
    ]
    efficiency = bursts(60, lambda fluence: fluence > 400, spectra=(SPECTRUM,))
    two = pl.Array(pl.Float64, 2)
    injections = efficiency.injections.with_columns(
        pl.col(name).arr.head(2).list.to_array(2).cast(two) for name in ("fluence", "counts", "focus_excess")
    )
    frames = {
        "prediction.parquet": prediction,
        "events.parquet": events,
        "clusters.parquet": find_clusters(prediction, config.intervals),
        "training.parquet": pl.DataFrame(losses, schema=SCHEMA, orient="row"),
        "shap.parquet": shap_frame(shap, ids, names, bins),
        "importance.parquet": pl.DataFrame({"feature": names, **dict(zip(bins, shap.importance().T, strict=True))}),
        "dependence.parquet": dependence(shap, features, names, bins),
        "attribution.parquet": pl.concat(
            [phase.select(pl.lit("phase").alias("by"), pl.all()), time.select(pl.lit("time").alias("by"), pl.all())]
        ),
        "injections.parquet": injections,
    }
    score = {field.name: 1.5 for field in fields(Score)}
    quality = score | {field.name: 1.1 for field in fields(Performance) if field.name != "score"}
    evaluation = {
        "errors": {METHOD: [score, score]},
        "regimes": {"all": [quality, quality]},
        "efficiency": {"events_per_day": efficiency.per_day, "far": 1.0, "days": 10.0},
    }
    return RunTables(
        stages=frozenset({"fit", "detect", "explain", "evaluate"}),
        config_of=lambda _: config,
        read=frames.__getitem__,
        scan=lambda name: frames[name].lazy(),
        bins=(0, 1),
        json=lambda _: evaluation,
        features=features,
    )


def texts(figure):
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


WRITTEN = {
    "loss": LABELS, "rates": LABELS, "light_curve": LABELS, "pulls": LABELS, "residuals": LABELS, "clusters": LABELS,
    "light_curve_events": (*CLASSES[:1], KNOWN[0]), "events": (KNOWN[0],), "known_events": KNOWN[:1],
    "event_map": (*CLASSES, LABELS[1]), "event_places": CLASSES, "shap_groups": (GROUP, *LABELS),
    "shap_bars": (*COLUMNS, *LABELS), "shap_bin": (*COLUMNS, LABELS[0]), "dependence_bin": (*COLUMNS, INSTRUMENT),
    "attribution_phase": (GROUP, *LABELS), "attribution_time": (GROUP, *LABELS),
    "evaluation": (METHOD, INSTRUMENT, *LABELS), "efficiency": (SPECTRUM, INSTRUMENT),
}  # fmt: skip
"""Names that a figure must show."""


@pytest.mark.parametrize("entry", FIGURES, ids=lambda entry: entry.name)
def test_every_figure_shows_names_as_they_are_written(tables, entry, tmp_path):
    drawings = entry.drawings(tables)
    assert drawings, "the tables should allow every figure"
    figure = drawings[0].draw()
    shown = texts(figure)
    assert not [text.get_text() for text in shown if text.get_parse_math() or text.get_usetex()]
    everything = "\n".join(text.get_text() for text in shown)
    for name in WRITTEN.get(entry.name, ()):
        assert name in everything.replace("\n", "" if len(name) > 30 else "\n"), name
    save(figure, tmp_path / "figure.svg")


def test_a_label_that_begins_with_an_underscore_is_in_the_legend(tables):
    (figure,) = (entry.drawings(tables)[0].draw() for entry in FIGURES if entry.name == "attribution_phase")
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == [GROUP, "other"]


@styled
def logarithmic(low, high):
    figure = page(2.0)
    panel = figure.add_subplot()
    log_scale(panel, "xy")
    panel.set(xlim=(low, high), ylim=(low, high))
    return figure


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(0.001, 1e5, {"10⁻³", "10⁰", "10⁴"}), (0.5, 20, {"10⁰", "10¹"}), (2, 5, {"2×10⁰", "3×10⁰"})],
)
def test_powers_of_ten_are_raised(low, high, labels):
    figure = logarithmic(low, high)
    shown = {text.get_text() for text in texts(figure)}
    assert labels <= shown
    assert not any(sign in text for text in shown for sign in "$\\^{")


def test_characters_that_no_font_has_are_drawn_without_a_warning(tmp_path):
    figure = styled(lambda: page(1.0))()
    figure.text(0.5, 0.5, "温度 \U0001f600")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, tmp_path / "figure.png")
        assert figure._repr_png_()


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_the_backend_of_the_environment_does_not_matter(backend, tmp_path):
    code = f"""
import os, sys
from pathlib import Path
from polarbgb.plotting.saving import save
from polarbgb.plotting.style import page, styled

save(styled(lambda: page(1.0))(), Path("figure.png"))
assert "matplotlib.pyplot" not in sys.modules
assert os.environ["MPLBACKEND"] == "{backend}"
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "figure.png").exists()
