"""Every figure that a run allows, under the names of the verbs, and none besides."""

import json

import pytest

import polarbgb
from polarbgb.errors import UserError
from polarbgb.plotting.saving import save
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow.figures import draw, figures

FIT = ["loss", "rates", "light_curve", "orbit_quietest", "orbit_median", "orbit_worst", "anomaly", "pulls", "residuals"]
DETECT = ["events", "light_curve_events", "clusters", "known_events", "event_map", "event_places"]
EXPLAIN = [
    *("shap_groups", "shap_bars", "attribution_phase", "attribution_time"),
    *(f"dependence_bin{number}" for number in range(6)),
]


def test_figures_of_all_stages_are_drawn_into_files(copied):
    written = {path.name: path.read_bytes() for path in (copied / "plots").iterdir()}
    drawn = polarbgb.plot(copied)
    assert drawn.files == tuple(copied / f"plots/{name}.png" for name in (*FIT, *DETECT, *EXPLAIN))
    assert drawn.summary() == "25 figures drawn"
    # Those that the verbs wrote come out the same; the swarms of SHAP values are left as they are.
    assert {path.name: path.read_bytes() for path in (copied / "plots").iterdir()}.items() >= written.items()
    assert {f"{name}.png" for name in ("light_curve", "pulls", "events", "light_curve_events", "shap_bars")} < set(
        written
    )


def test_stages_that_were_not_run_have_no_figures(copied):
    copied.forget("detect")
    copied.forget("explain")
    assert [name for name, _ in figures(copied)] == FIT


def test_without_known_events_or_a_place_their_figures_are_left_out(copied):
    config = copied.config()
    context = config.intervals.model_copy(update={"context": ()})
    copied.write_config(config.model_copy(update={"known_events": None, "position": None, "intervals": context}))
    assert {*FIT, *DETECT} - {name for name, _ in figures(copied)} == {"known_events", "event_map", "event_places"}


def test_a_run_without_a_prediction_is_refused(tmp_path):
    with pytest.raises(UserError, match="run 'polarbgb fit"):
        draw(RunFolder(tmp_path / "none"), "svg")
    assert not (tmp_path / "none").exists()


def test_an_evaluation_is_drawn_again_as_it_was(copied):
    (path,) = (path for path in polarbgb.evaluate(copied).files if path.suffix == ".png")
    drawn = path.read_bytes()
    (figure,) = (figure for name, figure in figures(copied) if name == path.stem == "evaluation")
    assert save(figure, path).read_bytes() == drawn
    (copied / "evaluation.json").write_text("{")
    with pytest.raises(UserError, match="missing or damaged"):
        draw(copied, "png")


def test_a_fit_keeps_how_its_models_learnt(finished):
    training = finished.read_frame("training.parquet")
    trees = json.loads((finished / "manifest.json").read_text())["stages"]["fit"]["trees"]
    for fold, of_bins in enumerate(trees):
        for name, kept in zip(["shared", *finished.config().rates.names], of_bins, strict=True):
            stopping = training.filter(fold=fold, bin=name, part="validation")
            assert stopping["trees"][stopping["loss"].arg_min()] == kept
