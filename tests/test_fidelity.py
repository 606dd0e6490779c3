"""The measures that put a simulated mission beside the published figures, on files made by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks/fidelity"))
import measures
import published

START = 1483525445.6197348
PERIOD = 5535.4


def _file(time, single, **columns):
    rows = len(time)
    rate = np.outer(single, [1, 0.6, 0.4, 0.2, 0.1, 3.8, 3.1, 2, 1.5, 1, 4.5, 0.2, 4.4])
    noise = np.random.default_rng(2).standard_normal((len(measures.FEATURES), rows))
    named = (
        dict(zip(measures.FEATURES, noise, strict=True)) | {"is_orbit_up": np.sin(2 * np.pi * time / PERIOD)} | columns
    )
    return measures.RateFile(named | {"unix_time": time, "rate": rate, "rate_err": np.sqrt(single / 0.9)})


def test_humps_and_their_height_are_found():
    time = START + np.arange(0, 20 * PERIOD, 1.0)
    single = 700 * (1 + 0.5 * (1 - np.cos(4 * np.pi * time / PERIOD)))
    found = measures.humps(_file(time, single))
    assert found["humps an orbit, median"] == 2
    assert found["share of orbits with two humps"] > 0.9
    # 90 % and 10 % of 1 + (1 - cos x)/2: 1.975 and 1.024.
    assert found["hump over trough, median"] == pytest.approx(1.975 / 1.024, rel=0.03)


def test_spikes_are_measured_where_no_gap_cuts_them():
    time = START + np.arange(0, 86400, 1.0)
    single = np.full(len(time), 700.0)
    for number in range(12):
        single += 3000 * np.exp(-((time - START - 4000 - 6000 * number) ** 2) / (2 * 100.0**2))
    cut = (time - START > 4000) & (time - START < 4900)  # the falling side of the first
    found = measures.spikes(_file(time[~cut], single[~cut]))
    assert found["spikes a live day"] == pytest.approx(12, abs=1.2)
    assert found["height, median, Hz"] == pytest.approx(3700, rel=0.02)
    assert found["width, lowest tenth, s"] == pytest.approx(235.5, rel=0.05)
    assert found["width, highest tenth, s"] == pytest.approx(235.5, rel=0.05)


def test_gaps_are_told_by_their_families():
    steps = np.ones(20_000)
    steps[[10, 500, 900]] += [1.2, 10.0, 65.0]
    steps[[3000, 6000, 9000]] += [900.0, 8000.0, 2 * 86400.0]
    found = measures.gaps(_file(START + np.cumsum(steps), np.full(20_000, 700.0)))
    assert found["breaks (trunc(dt) > 1)"] == 6
    names = ["1.0-1.4 s late", "8-12 s", "60-70 s", "anomaly, 2-25 min", "hours"]
    assert [found[f"gaps, {name}"] for name in names] == [1, 1, 1, 1, 1]
    assert found["longest hole, days"] == pytest.approx(2, abs=0.001)


def test_correlations_and_columns_are_those_of_numpy():
    rng = np.random.default_rng(1)
    time, single = START + np.arange(50_000.0), 700 + 50 * rng.standard_normal(50_000)
    file = _file(time, single, fe_cosmic=single + 50 * rng.standard_normal(50_000), raz=np.arange(50_000) % 360.0)
    assert measures.correlations(file)["rate[0], fe_cosmic"] == pytest.approx(1 / np.sqrt(2), abs=0.03)
    found = measures.columns(file)
    assert (found["raz min"], found["raz max"]) == (0, 359)
    assert found["raz 50%"] == pytest.approx(179.5, abs=1)


def test_every_published_figure_is_measured(tmp_path):
    import polarbgb

    file = measures.read(polarbgb.simulate(tmp_path / "a.root", days=1, seed=1).path)
    for section, (tolerance, figures) in published.SECTIONS.items():
        assert tolerance
        if section not in ("places", "orbit"):
            found = getattr(measures, section)(file)
            assert {figure.name for figure in figures} <= set(found), section


def test_a_figure_agrees_within_its_bounds_alone():
    figure = published.near("x", 10.0, 0.5)
    assert [figure.agrees(value) for value in (9.4, 9.5, 10.5, 10.6)] == [False, True, True, False]
    assert not published.within("x", 1, 2).agrees(float("nan"))


def test_page_says_what_does_not_match():
    page = (Path(__file__).resolve().parents[1] / "docs/simulation.md").read_text(encoding="utf-8")
    wrong = [line.split("|")[1].strip() for line in page.splitlines() if line.endswith("| **no** |")]
    said = page.split("**What does not match:**")[1].split("**What is not known")[0]
    assert wrong
    for name in wrong:
        assert f"\n- {name}: " in said
