"""What evaluate tells is what the prediction's own columns say."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

import polarbgb
from polarbgb.background.calibrate import modified_gaussian_fit
from polarbgb.errors import UserError
from polarbgb.runfolder import RunFolder
from polarbgb.timeline.clean import Quality


@pytest.fixture(scope="module")
def rows(finished):
    frame = finished.read_frame("prediction.parquet")
    return frame.filter((pl.col("segment") >= 0) & (pl.col("quality") & int(Quality.KNOWN_EVENT) == 0))


def test_figures_follow_from_the_prediction(results, rows, small):
    evaluated = results.evaluate
    assert evaluated.rows == len(rows)
    whole = [one for one in evaluated.quality if one.score.part == "all"]
    assert [one.score.bin for one in whole] == list(small.rates.names)
    for number, one in enumerate(whole):
        rate, pred, pull, live = (
            rows[name].arr.get(number).to_numpy().astype(np.float64) for name in ("rate", "pred", "pull", "exposure")
        )
        assert one.absolute_error == pytest.approx(np.abs(rate - pred).mean(), rel=1e-5)
        assert one.relative_bias == pytest.approx((rate - pred).mean() / rate.mean(), rel=1e-3, abs=1e-6)
        n, m = rate * live, pred * live
        assert one.deviance == pytest.approx(np.mean(2 * (n * np.log(n / m) - n + m)), rel=1e-3)
        assert one.pull_width == pytest.approx(modified_gaussian_fit(pull).sigma, rel=1e-6)
        assert one.pull_mean == pytest.approx(pull.mean(), rel=1e-4, abs=1e-6)
        by_orbit = rows.with_columns(p=pl.Series(pull)).group_by("orbit").agg(pl.col("p").mean())["p"].to_numpy()
        assert one.orbit_rms == pytest.approx(np.sqrt(np.mean(by_orbit**2)), rel=1e-5)
        place = {row: i for i, row in enumerate(zip(rows["segment"], rows["row"], strict=True))}
        pairs = [(i, place[s, r + 10]) for (s, r), i in place.items() if (s, r + 10) in place]
        first, second = np.array(pairs).T
        centred = pull - pull.mean()
        expected = np.mean(centred[first] * centred[second]) / pull.var()
        assert one.autocorrelation[1] == pytest.approx(expected, abs=0.01)  # rows dropped within a segment are few


def test_the_score_is_that_of_the_fit(results):
    whole = [one.score for one in results.evaluate.quality if one.score.part == "all"]
    for one, fitted in zip(whole, results.fit.scores, strict=True):
        assert one.weighted_error == pytest.approx(fitted.weighted_error, rel=1e-5)
        assert one.noise == pytest.approx(fitted.noise)


def test_regimes_share_out_the_rows(results):
    evaluated = results.evaluate
    counts = {one.score.part: one.score.rows for one in evaluated.quality if one.score.bin == "rate[0]"}
    for parts in (("rate", "low middle high"), ("SAA", "edge away"), ("|latitude|", "low middle high")):
        assert sum(counts[f"{parts[0]} {part}"] for part in parts[1].split()) == counts["all"] == evaluated.rows


def test_the_file_holds_what_was_told(results, finished):
    evaluated = results.evaluate
    told = json.loads((finished / "evaluation.json").read_text())
    assert (told["part"], told["rows"], told["missing"]) == ("held-out orbits", evaluated.rows, "")
    assert told["baselines"] == [one.as_dict() for one in evaluated.baselines]
    assert len(told["quality"]) == len(evaluated.quality) == 6 * 9
    assert told["quality"][0]["weighted_error"] == evaluated.quality[0].score.weighted_error
    assert told["quality"][0]["autocorrelation"] == list(evaluated.quality[0].autocorrelation)
    assert finished.stage("evaluate")["rows"] == evaluated.rows
    assert (finished / "plots/evaluation.png").stat().st_size > 10_000


def test_baselines_are_finite_and_named(results, small):
    found = results.evaluate.baselines
    assert [(one.part, one.bin) for one in found] == [
        (part, name) for part in ("climatology", "ground track", "cubic") for name in small.rates.names
    ]
    assert all(one.weighted_error > one.noise for one in found)


@pytest.fixture
def refitted(mission, tmp_path, settings):
    """Fit with other settings, and without some sections of the configuration."""

    def fit(*more, without=()):
        config = polarbgb.load("configs/polar.toml", (*settings, "model.trees=3", *more))
        run = RunFolder(tmp_path / "refitted")
        polarbgb.fit(config.model_copy(update=dict.fromkeys(without)), run, path=mission)
        return run

    return fit


def test_without_a_place_two_baselines_are_said_to_be_missing(refitted):
    evaluated = polarbgb.evaluate(refitted(without=["position"]))
    assert {one.part for one in evaluated.baselines} == {"cubic"}
    assert "climatology and ground track are missing" in evaluated.missing
    assert "\n" not in evaluated.missing
    assert not any("latitude" in one.score.part for one in evaluated.quality)


def test_the_published_split_is_judged_on_its_test_part(refitted):
    evaluated = polarbgb.evaluate(refitted("folds.scheme=blocks"))
    assert evaluated.part == "test"
    assert 0 < evaluated.rows < 1500
    first = evaluated.quality[0]
    assert first.autocorrelation[0] is not None
    assert first.autocorrelation[1] is None  # islands of two rows


def test_another_file_is_refused(copied, mission, tmp_path):
    changed = tmp_path / "changed.root"
    shutil.copyfile(mission, changed)
    assert polarbgb.evaluate(copied, path=changed).rows > 0  # moved, not changed
    with changed.open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(UserError, match=r"changed\.root has changed since it was fitted; fit again"):
        polarbgb.evaluate(copied, path=changed)
    with pytest.raises(UserError, match=r"no file .*gone\.root"):
        polarbgb.evaluate(copied, path=tmp_path / "gone.root")


def test_a_run_without_a_fit_is_told_to_fit(tmp_path):
    with pytest.raises(UserError, match="run 'polarbgb fit"):
        polarbgb.evaluate(RunFolder(tmp_path / "nothing"))
