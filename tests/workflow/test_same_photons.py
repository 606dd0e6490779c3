"""The same photons give the same background and the same events, however they are stored."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import uproot
from fixtures.photons import CADENCE, columns_of, in_pieces, mission, toy, with_masks, with_short_rows

import polarbgb
from polarbgb.config import validate
from polarbgb.io.root_output import root_file
from polarbgb.runs.folder import RunFolder

ROWS, BURST = 4000, 2100
SEARCH = {"scales": [4.0, 16.0, 64.0], "sums": [[0, 1, 2]]}


@pytest.fixture(scope="module")
def photons():
    """Ten orbits, with one burst of six rows."""
    return with_masks(mission(5, rows=ROWS, burst=BURST), np.random.default_rng(0), share=0.02)


def run_of(folder, pieces, *, counted=False, mark=np.nan):
    """Store pieces as files, fit and search them."""
    folder.mkdir()
    files = []
    for number, piece in enumerate(pieces):
        files.append(folder / f"part{number}.root")
        with root_file(files[-1]) as file:
            file.tree("t", columns_of(piece, counted=counted, mark=mark))
    config = validate(toy(counted=counted, trigger=SEARCH), where="test")
    fitted = polarbgb.fit(config, folder / "run", path=files)
    found = polarbgb.detect(fitted.run, far=1.0)
    return fitted, found, fitted.run.read_frame("prediction.parquet")


@pytest.fixture(scope="module")
def plain(photons, tmp_path_factory):
    """The reference: one file in order."""
    return run_of(tmp_path_factory.mktemp("photons") / "plain", [photons])


def test_the_background_is_that_which_was_made_and_the_burst_is_found(plain, photons):
    _, found, prediction = plain
    assert len(prediction) == len(photons.time)
    truth = np.array([60.0, 20.0, 0.6]) * (1 + 0.3 * (photons.glat[:, None] / 40) ** 2 - 0.15)
    np.testing.assert_allclose(prediction["pred"].to_numpy().mean(axis=0), truth.mean(axis=0), rtol=0.02)
    (event,) = found.events.rows(named=True)
    assert event["t_start"] == pytest.approx(1.6e9 + BURST * CADENCE, abs=CADENCE + 0.1)


@pytest.mark.parametrize("how", ["several files, overlapping, out of order, -1 where masked", "counts"])
def test_another_layout_changes_no_byte(plain, photons, tmp_path, how):
    counted = how == "counts"
    pieces = [photons] if counted else in_pieces(photons, np.random.default_rng(1), 4, 0.7)
    fitted, found, prediction = run_of(tmp_path / "other", pieces, counted=counted, mark=-1.0)
    assert fitted.run.stage("fit")["input"]["sorted"] == (0 if counted else pytest.approx(1500, abs=1500))
    changed = {"entry"} | ({"quality"} if counted else set())
    for name in set(prediction.columns) - changed:
        assert prediction[name].to_numpy().tobytes() == plain[2][name].to_numpy().tobytes(), name
    assert found.events.equals(plain[1].events)


def test_short_rows_change_nothing_but_the_last_digits(plain, photons, tmp_path):
    rng = np.random.default_rng(2)
    stretch = np.searchsorted(photons.time, 1.6e9 + BURST * CADENCE) + np.array([2, 60])
    whole = mission(5, rows=ROWS, burst=BURST)
    short = with_short_rows(whole, rng, *stretch, 4)
    short.masked[:] = photons.masked[short.row]
    fitted, found, prediction = run_of(tmp_path / "short", in_pieces(short, rng, 2, 0.0))
    assert any("shorter than input.cadence were combined" in note for note in fitted.remarks)
    for name in ("rate", "pred", "sigma", "pull", "exposure"):
        np.testing.assert_allclose(prediction[name].to_numpy(), plain[2][name].to_numpy(), rtol=2e-4, atol=2e-4)
    same = ["t_start", "duration", "class"]
    assert found.events.select(same).equals(plain[1].events.select(same))


@pytest.fixture(scope="module")
def dark(photons, tmp_path_factory):
    """Two files in the wrong order: a bin is off for an orbit, and the rows of a known burst are in one of them."""
    masked = photons.masked.copy()
    masked[1200:1600, 0] = True
    half = len(photons.time) // 2
    stored = replace(photons, masked=masked)
    folder = tmp_path_factory.mktemp("dark") / "files"
    return stored, folder, run_of(folder, [stored[slice(half, None)], stored[slice(0, half)]])


@pytest.mark.usefixtures("undrawn")
def test_masked_bins_break_no_table_plot_page_or_export(dark):
    stored, folder, (fitted, found, prediction) = dark
    run = fitted.run
    assert np.isnan(prediction["rate"].to_numpy()).sum() == stored.masked.sum()
    assert np.isfinite(prediction["pred"].to_numpy()).all()
    polarbgb.evaluate(run)
    polarbgb.explain(run, rows=100)
    assert polarbgb.plot(run).files
    page = polarbgb.report(run, events=2).path.read_text(encoding="utf-8")
    assert "part0.root" in page
    assert not re.findall(r"(?i)>[^<>{}]{0,20}\bnan\b[^<>{}]{0,20}<", page)
    for name in run.path.rglob("*.json"):
        json.loads(name.read_text(), parse_constant=lambda value: pytest.fail(f"{name}: {value}"))  # noqa: B023
    forms = {"root": ".root", "rntuple": ".root", "fits": ".fits", "csv": ".csv", "ecsv": ".ecsv", "gcn": ""}
    for form, suffix in forms.items():
        assert polarbgb.export(run, folder / f"{form}{suffix}", format=form).path.exists()
    assert len(found.events) >= 1


def test_an_export_is_a_friend_of_the_chain_of_the_files(dark):
    _, folder, (fitted, _, prediction) = dark
    time = np.concatenate(
        [uproot.open(folder / f"part{n}.root")["t"]["unix_time"].array(library="np") for n in range(2)]
    )
    path = polarbgb.export(fitted.run, folder / "chain.root").path
    with uproot.open(path) as file:
        pred = file["pred_t"].arrays(library="np")
    np.testing.assert_array_equal(pred["unix_time"], time)
    order = np.argsort(time)
    np.testing.assert_array_equal(pred["pred_rate"][order], prediction["pred"].to_numpy().astype(float))
    np.testing.assert_array_equal(pred["pull"][order], prediction["pull"].to_numpy())
    files = fitted.run.stage("fit")["input"]["files"]
    assert [(file["file"], file["entries"]) for file in files] == [
        ("part0.root", len(time) - len(time) // 2), ("part1.root", len(time) // 2),
    ]  # fmt: skip


def test_another_mission_in_several_files_is_predicted_as_one(dark, tmp_path):
    _, _, (fitted, *_) = dark
    other = mission(9, rows=900)
    names = ("b.root", "a.root")
    for name, piece in zip(names, (other[:400], other[400:]), strict=True):
        with root_file(tmp_path / name) as file:
            file.tree("t", columns_of(piece))
    with root_file(tmp_path / "whole.root") as file:
        file.tree("t", columns_of(other))
    parts = polarbgb.predict(fitted.run, RunFolder(tmp_path / "p"), path=tmp_path / "?.root")
    whole = polarbgb.predict(fitted.run, RunFolder(tmp_path / "w"), path=tmp_path / "whole.root")
    one, two = (result.run.read_frame("prediction.parquet") for result in (parts, whole))
    assert one.drop("entry").equals(two.drop("entry"), null_equal=True)


@pytest.mark.usefixtures("undrawn")
def test_a_bin_that_was_never_on_has_a_run_with_the_others(photons, tmp_path):
    masked = photons.masked.copy()
    masked[:, 1] = True
    fitted, found, prediction = run_of(tmp_path / "dead", [replace(photons, masked=masked)])
    assert not prediction["exposure"].to_numpy()[:, 1].any()
    usable = ~masked.all(axis=1)
    np.testing.assert_array_equal(np.isfinite(prediction["pull"].to_numpy()), ~masked[usable])
    polarbgb.evaluate(fitted.run)
    assert polarbgb.plot(fitted.run).files
    assert polarbgb.report(fitted.run, events=1).path.exists()
    for name in fitted.run.path.rglob("*.json"):
        json.loads(name.read_text(), parse_constant=lambda value: pytest.fail(f"{name}: {value}"))  # noqa: B023
    assert len(found.events) >= 1
