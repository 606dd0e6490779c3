"""A finished run, opened to be looked at."""

import shutil

import numpy as np
import polars as pl
import pytest

import polarbgb
from polarbgb.plotting.notebook import Picture


@pytest.fixture(scope="module")
def opened(finished):
    return polarbgb.open(finished.path)


def test_tables_are_those_of_the_files(opened, finished, results):
    for name in ("prediction", "events", "clusters", "candidates", "event_ranking", "shap", "importance"):
        frame = getattr(opened, name)
        assert frame.equals(finished.read_frame(f"{name}.parquet"), null_equal=True), name
        assert getattr(opened, name) is frame  # read once
    assert opened.metrics["weighted_error"].to_list() == [one.weighted_error for one in results.fit.scores]
    assert set(opened.manifest["stages"]) == {"tune", "fit", "detect", "explain"}
    assert opened.config == finished.config(["intervals.sigma=4", "trigger.far=30"])  # as it was searched
    assert opened.folder.path == finished.path


def test_nothing_is_read_before_it_is_asked_for(copied):
    (copied / "prediction.parquet").unlink()
    run = polarbgb.open(copied.path)
    assert len(run.events) > 0
    with pytest.raises(polarbgb.UserError, match=r"prediction.parquet: missing or damaged"):
        _ = run.prediction


@pytest.mark.parametrize("stage", ["detect", "explain", "evaluate"])
def test_a_missing_stage_names_the_verb_to_run(copied, stage):
    copied.forget(stage)
    table = {"detect": "events", "explain": "shap", "evaluate": "evaluation"}[stage]
    with pytest.raises(polarbgb.UserError, match=f"run 'polarbgb {stage} -r .*' first"):
        getattr(polarbgb.open(copied.path), table)


def test_a_fit_alone_can_be_looked_at(copied):
    for stage in ("tune", "detect", "explain"):
        copied.forget(stage)
    run = polarbgb.open(copied.path)
    assert "stages" in repr(run)
    assert "events" not in repr(run)
    run.plot_light_curve()


def test_a_predicted_run_names_its_models(copied):
    stages = copied.manifest()["stages"]
    draft = copied.draft("predict")
    draft.path.mkdir()
    for name in ("config.toml", "known_events.csv", "prediction.parquet"):
        shutil.copyfile(copied / name, draft / name)
    draft.write_json("local.json", {"models": "/elsewhere/run"})
    draft.publish(0.0, input=stages["fit"]["input"], models={"run": "run"})
    run = polarbgb.open(copied.path)
    assert "/elsewhere/run" in repr(run)
    assert len(run.prediction) == stages["fit"]["input"]["usable"]
    with pytest.raises(polarbgb.UserError, match="no finished fit"):
        _ = run.metrics


def test_the_published_method_is_told_to_have_no_candidates(copied):
    polarbgb.detect(copied, method="published", overrides=["intervals.sigma=4"])
    run = polarbgb.open(copied.path)
    for table in ("candidates", "event_ranking"):
        with pytest.raises(polarbgb.UserError, match="published method, which has no candidates; run 'polarbgb detect"):
            getattr(run, table)
    assert "published method" in repr(run)


@pytest.mark.parametrize("name", ["nothing", "there"])
def test_a_folder_that_is_no_run_is_one_line(tmp_path, name):
    (tmp_path / "there").mkdir()
    with pytest.raises(polarbgb.UserError, match="is not a run folder") as error:
        polarbgb.open(tmp_path / name)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "nothing").exists()


def test_a_run_tells_what_was_run_on_what_with_what_result(opened, mission, results):
    told = " ".join(repr(opened).split())
    assert "tune" in told
    assert "explain" in told
    assert f"{results.inspect.usable:,} of {results.inspect.entries:,} rows" in told
    assert f"{len(results.detect.events)} (" in told
    assert "at most 30 false events per day" in told
    assert "\x1b" not in told
    one = results.fit.scores[0]
    assert f"{one.over_noise:.2f}, " in told
    html = opened._repr_html_()
    assert html.startswith("<pre>")
    assert "POLAR" in html


def test_what_a_notebook_shows_is_escaped(copied):
    text = copied.path / "config.toml"
    text.write_text(text.read_text().replace('name = "POLAR"', 'name = "<b>POLAR<b> & [red]"'))
    shown = polarbgb.open(copied.path)._repr_html_()
    assert "&lt;b&gt;POLAR&lt;b&gt; &amp; [red]" in shown


def test_figures_show_themselves(opened):
    for figure in (opened.plot_pulls(), opened.plot_event(0), opened.plot_events(count=1)):
        assert isinstance(figure, Picture)
        assert figure._repr_png_().startswith(b"\x89PNG")


def test_an_event_is_found_by_number_name_and_known_name(opened, copied):
    event = opened.events.row(0, named=True)
    for key in (event["id"], np.int64(event["id"]), event["name"]):
        assert event["name"] in legend(opened.plot_event(key))
    events = copied.read_frame("events.parquet").with_columns(matched=pl.lit("GRB 170101A"))
    copied.write_frame("events.parquet", events)
    assert "GRB 170101A" in legend(polarbgb.open(copied.path).plot_event("GRB 170101A"))


@pytest.mark.parametrize("event", [10_000, -1, "EV17", "GRB"])
def test_an_event_that_is_not_there_is_told(opened, event):
    with pytest.raises(polarbgb.UserError, match=f"no event {event}"):
        opened.plot_event(event)


def legend(figure):
    return figure.legends[0].get_title().get_text()


def test_an_event_is_drawn_in_all_bins_with_its_pulls(opened, small):
    event = opened.events.row(0, named=True)
    panels = opened.plot_event(0, margin=50.0).axes
    titles = [panel.get_title().replace("\n", " ") for panel in panels if panel.get_title()]
    assert titles == list(small.rates.titles)
    assert len(panels) == 2 * len(titles)
    near = pl.col("unix_time").is_between(event["t_start"] - 50, event["t_stop"] + 50, closed="left")
    rows = opened.prediction.filter(near)
    above = [panel for panel in panels if panel.get_title()]
    for number, panel in enumerate(above):
        rate = next(line for line in panel.lines if line.get_label() == "rate").get_ydata()
        drawn = np.asarray(rate)[::3]
        assert drawn == pytest.approx(rows["rate"].arr.get(number).to_numpy())
        assert panel.get_xlim() == pytest.approx((-50, event["duration"] + 50))
        (shade,) = [patch for patch in panel.patches if patch.get_label() == "event"]
        assert shade.get_width() == pytest.approx(event["duration"])
    below = [panel for panel in panels if not panel.get_title()]
    drawn = [np.asarray(panel.lines[-1].get_ydata())[::3] for panel in below]
    wanted = rows["pull"].to_numpy().T
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, wanted))
