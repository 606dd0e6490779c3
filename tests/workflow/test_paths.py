"""Commands take files and run folders as text or as paths."""

import shutil
from pathlib import Path

import pytest

import polarbgb
from polarbgb.runs.folder import RunFolder


def test_a_run_folder_is_taken_as_it_is_and_a_path_becomes_one(tmp_path):
    run = RunFolder(tmp_path)
    assert RunFolder.at(run) is run  # with the lock that it holds
    assert RunFolder.at(tmp_path).path == RunFolder.at(str(tmp_path)).path == tmp_path


def test_a_fit_takes_text(small, mission, results, tmp_path):
    shutil.copyfile(results.tune.best, tmp_path / "best.toml")
    fitted = polarbgb.fit(small, str(tmp_path / "a"), path=str(mission), parameters=str(tmp_path / "best.toml"))
    assert fitted.run.path == tmp_path / "a"
    assert fitted.scores == results.fit.scores


@pytest.mark.usefixtures("undrawn")
def test_what_follows_a_fit_takes_text(copied, mission, tmp_path):
    run, file = str(copied.path), str(mission)
    assert polarbgb.detect(run).run.path == copied.path
    assert polarbgb.export(run, str(tmp_path / "x.csv")).path == tmp_path / "x.csv"
    assert polarbgb.report(run, str(tmp_path / "x.html")).path == tmp_path / "x.html"
    assert polarbgb.plot(run).files
    assert polarbgb.open(run).folder.path == polarbgb.open(copied).folder.path
    assert polarbgb.evaluate(run, path=file, stability=run).stability is not None
    explained = polarbgb.explain(run, path=file, stability=run, export=str(tmp_path / "shap.parquet"))
    assert tmp_path / "shap.parquet" in explained.files
    with pytest.raises(polarbgb.UserError, match="is the fitted input"):
        polarbgb.predict(run, str(tmp_path / "p"), path=file)
    with pytest.raises(polarbgb.UserError, match="is the run to repeat"):
        polarbgb.reproduce(run, run)


def test_commands_without_a_run_take_text(small, mission, tmp_path):
    assert polarbgb.inspect(small, path=str(mission)).path == str(mission)
    assert polarbgb.init_config(str(tmp_path / "x.toml"), source=str(mission)).path == tmp_path / "x.toml"
    assert polarbgb.simulate(str(tmp_path / "x.root"), days=0.01).path == tmp_path / "x.root"


def test_where_commands_look_for_text_is_told_as_for_paths(small, tmp_path):
    for path in ("none.root", Path("none.root")):
        with pytest.raises(polarbgb.UserError, match=r"^no file none\.root$"):
            polarbgb.inspect(small, path=path)
        with pytest.raises(polarbgb.UserError, match=r"^no file none\.root$"):
            polarbgb.tune(small, str(tmp_path / "a"), path=path)
