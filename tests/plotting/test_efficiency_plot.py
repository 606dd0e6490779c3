"""The figure says what the injections say, also where there is little to say."""

import numpy as np
import polars as pl
import pytest

from polarbgb.config import load
from polarbgb.plotting.efficiency import efficiency_plot
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.saving import save
from polarbgb.validation.efficiency import METHODS, Efficiency

SPECTRA = ("background", "burst", "flare")


def made(bursts, found, spectra=SPECTRA, latitude=True):
    """Bursts of known fluence and duration, found from a fluence on."""
    rng = np.random.default_rng(0)
    fluence, duration = np.exp(rng.uniform(3, 9, bursts)), np.exp(rng.uniform(np.log(0.1), np.log(300), bursts))
    counts = np.outer(fluence, [0.2, 0.1, 0.8, 0.7, 1.0, 0.9])
    hit = found(fluence)
    array = pl.Array(pl.Float64, 6)
    columns = {
        "t_start": 1.5e9 + 2000.0 * np.arange(bursts),
        "duration": duration,
        "spectrum": [spectra[k % len(spectra)] for k in range(bursts)],
        "oracle": np.exp(rng.uniform(np.log(2), np.log(50), bursts)),
        "latitude": pl.Series(rng.uniform(0, 50, bursts) if latitude else [None] * bursts, dtype=pl.Float64),
        "fluence": pl.Series(counts, dtype=array),
        "counts": pl.Series(counts, dtype=array),
    }
    frame = pl.DataFrame(columns).with_columns(pl.Series(f"{name}_found", hit) for name in METHODS)
    shown = pl.Series(hit)
    frame = frame.with_columns(
        focus_excess=pl.when(shown).then("counts"),
        focus_t_start=pl.when(shown).then("t_start"),
        focus_t_stop=pl.when(shown).then(pl.col("t_start") + pl.col("duration")),
    )
    return Efficiency(frame, {"focus": 2.0, "published": 70.0, "fixed": 0.0}, 1.0, 10.0)


@pytest.fixture(scope="module")
def instrument():
    return Instrument.of(load("configs/polar.toml"))


def test_lines_stand_where_half_the_bursts_are_found(instrument):
    figure = efficiency_plot(made(1500, lambda fluence: fluence > 400), SPECTRA, instrument)
    maps = [panel for panel in figure.axes if panel.get_title().startswith("spectrum")]
    assert [panel.get_title() for panel in maps] == [f"spectrum: {name}" for name in SPECTRA]
    for panel in maps:
        half = next(line for line in panel.lines if line.get_label() == "50%")
        assert np.median(half.get_ydata()) == pytest.approx(400, rel=0.1)
    shares = next(panel for panel in figure.axes if panel.get_title().endswith("invariant latitude"))
    assert len(shares.get_legend().get_texts()) == 3
    assert figure.get_suptitle().startswith("POLAR: 1,500 bursts injected into 10.0 days")


@pytest.mark.parametrize("level", [0.0, np.inf])
def test_all_or_nothing_found_is_drawn_too(instrument, level, tmp_path):
    figure = efficiency_plot(made(60, lambda fluence: fluence > level), SPECTRA, instrument)
    save(figure, tmp_path / "efficiency.png")


def test_one_burst_of_one_spectrum_without_a_latitude_is_drawn_too(instrument):
    for bursts in (1, 2, 30):
        figure = efficiency_plot(
            made(bursts, lambda f: f > 400, spectra=("burst",), latitude=False), SPECTRA, instrument
        )
        figure.canvas.draw()
        assert sum(panel.get_title().startswith("spectrum") for panel in figure.axes) == 1
        assert len(figure.axes) == 1 + 3 + 3 + 1  # with the colour bar, and no empty panel
