"""A search leaves best.toml, and fit takes it, or says why not."""

import tomllib

import pytest

import polarbgb
from polarbgb.errors import UserError
from polarbgb.runs.folder import RunFolder


@pytest.fixture(scope="module")
def tuned(results):
    return results.tune


def test_the_best_trial_is_left(tuned, finished):
    assert tuned.best == finished / "best.toml"
    best = tomllib.loads(tuned.best.read_text())
    assert best["model"] == tuned.tuning.parameters
    assert (best["backend"], best["objective"]) == ("xgboost", "gamma")
    assert best["score"] == tuned.tuning.score <= tuned.tuning.default_score
    assert tuned.tuning.finished + tuned.tuning.pruned == 2
    assert finished.stage("tune")["score"] == tuned.tuning.score


def test_fit_takes_it_and_says_so(results, finished):
    assert results.fit.parameters.startswith("best.toml: learning_rate ")
    taken = finished.config().model.model_dump()
    assert {key: taken[key] for key in results.tune.tuning.parameters} == results.tune.tuning.parameters
    assert taken["n_estimators"] == 20


def write_best(folder, backend="xgboost", max_depth=3):
    folder.mkdir(parents=True, exist_ok=True)
    best = folder / "best.toml"
    best.write_text(f'backend = "{backend}"\nobjective = "gamma"\nscore = 2.0\n[model]\nmax_depth = {max_depth}\n')
    return best


def test_fit_takes_what_it_is_given(small, mission, tmp_path):
    best = write_best(tmp_path / "elsewhere")
    fitted = polarbgb.fit(small, RunFolder(tmp_path / "a"), path=mission, parameters=best)
    assert fitted.parameters == "best.toml: max_depth 3"
    assert fitted.run.config().model == small.model.model_copy(update={"max_depth": 3})


def test_parameters_of_another_library_are_refused_or_left(small, mission, tmp_path):
    best = write_best(tmp_path / "a", "lightgbm")
    run = RunFolder(tmp_path / "a")
    with pytest.raises(UserError) as refused:
        polarbgb.fit(small, run, path=mission, parameters=best)
    tuned_for = "was tuned for lightgbm with objective gamma"
    assert str(refused.value) == f"{best} {tuned_for}, not for xgboost with gamma"
    own = run.draft("tune")
    own.write_text("best.toml", best.read_text())
    own.publish(0.0)  # now it is this folder's own, which nobody asked for by name
    fitted = polarbgb.fit(small, run, path=mission)
    assert fitted.parameters == f"the configuration's own hyperparameters (best.toml {tuned_for})"
    assert run.config().model == small.model


@pytest.mark.parametrize(
    "text", ["", "nonsense", 'backend = "xgboost"\n', 'backend="xgboost"\nobjective="poisson"\nmodel={max_depth=-1}\n']
)
def test_a_damaged_list_of_parameters_is_refused(small, mission, tmp_path, text):
    (tmp_path / "best.toml").write_text(text)
    with pytest.raises(UserError, match=r"best\.toml: not a best\.toml of 'polarbgb tune'"):
        polarbgb.fit(small, RunFolder(tmp_path / "a"), path=mission, parameters=tmp_path / "best.toml")


def test_a_study_goes_on_and_refuses_another_input(small, mission, copied):
    study = copied / "study.journal"
    again = polarbgb.tune(small, copied, path=mission)
    assert again.tuning.finished + again.tuning.pruned == 2  # both were there already
    before = study.read_bytes()
    other = small.model_copy(update={"model": small.model.model_copy(update={"n_estimators": 21})})
    with pytest.raises(UserError, match="holds a study of another input or configuration"):
        polarbgb.tune(other, copied, path=mission)
    assert study.read_bytes()[: len(before)] == before


def test_a_new_search_does_not_undo_the_fit(small, mission, copied):
    polarbgb.tune(small, copied, path=mission)
    assert copied.stage("fit") is not None
    assert copied.stage("detect") is not None


def test_fit_says_where_the_search_saw_other_features(small, mission, copied):
    same = polarbgb.fit(small, copied, path=mission)
    assert "tuned on another" not in same.parameters
    fewer = small.model_copy(update={"features": small.features.model_copy(update={"history": ()})})
    assert polarbgb.fit(fewer, copied, path=mission).parameters.endswith("(tuned on another input or other features)")
