"""Of many bins some are drawn, spread over the spectrum; and whoever asks for others gets them."""

import numpy as np
import polars as pl
import pytest

from polarbgb.config import validate
from polarbgb.errors import UserError
from polarbgb.plotting.bins import MOST, chosen, share, spread
from polarbgb.plotting.count_rates import rates_plot
from polarbgb.plotting.instrument import Instrument
from polarbgb.plotting.pulls import pull_histograms
from polarbgb.plotting.shap_values import shap_bars

BINS = 40


@pytest.fixture
def fine():
    """An instrument of 40 bins."""
    return Instrument.of(
        validate(
            {
                "name": "FINE",
                "input": {"tree": "fine"},
                "rates": {"values": [f"r[0:{BINS}]"], "errors": [f"e[0:{BINS}]"]},
                "features": {"columns": ["glat"]},
                "orbit": {"period": 5535.4},
            },
            where="test",
        )
    )


@pytest.fixture
def noise(fine):
    """An hour of noise in all bins."""
    rng = np.random.default_rng(0)
    rate = rng.poisson(100, (3600, BINS)).astype(np.float32)
    arrays = {"rate": rate, "pred": np.full_like(rate, 100), "pull": (rate - 100) / 10}
    return pl.DataFrame(
        {
            "unix_time": 1.5e9 + np.arange(3600.0),
            "segment": np.zeros(3600, np.int32),
            **{name: pl.Series(values, dtype=pl.Array(pl.Float32, BINS)) for name, values in arrays.items()},
        }
    )


@pytest.mark.parametrize("bins", [1, 2, MOST, MOST + 1, 200, 4096])
def test_the_bins_chosen_reach_from_the_first_to_the_last_in_even_steps(bins):
    found = spread(bins)
    assert len(found) == len(set(found)) == min(bins, MOST)
    assert (found[0], found[-1]) == (0, bins - 1)
    steps = np.diff(found)
    assert bins == 1 or steps.max() - steps.min() <= 1


def test_bins_that_are_asked_for_are_shown_once_each_and_as_many_as_one_likes():
    assert chosen((7, 3, 7), 10) == (7, 3)
    assert chosen(range(100), 200) == tuple(range(100))
    assert chosen(None, 3) == (0, 1, 2)
    assert (share((0, 1), 2), share((0, 1), 9)) == ("", "; 2 of 9 bins")
    assert share(spread(99), 99) == f"; {MOST} of 99 bins, spread over the spectrum"


@pytest.mark.parametrize(("asked", "told"), [((0, 10), "no bin 10 .* 0 to 9"), ((-1,), "no bin -1"), ((), "no bin")])
def test_a_bin_that_is_not_there_is_refused(asked, told):
    with pytest.raises(UserError, match=told):
        chosen(asked, 10)


@pytest.mark.parametrize("draw", [rates_plot, pull_histograms])
def test_a_figure_of_many_bins_shows_some_and_says_so(draw, noise, fine):
    for asked, shown in ((None, [f"r[{number}]" for number in spread(BINS)]), ((5, 2), ["r[5]", "r[2]"])):
        figure = draw(noise, fine, bins=asked)
        titles = [panel.get_title(loc) for panel in figure.axes for loc in ("left", "center")]
        assert [title for title in titles if title] == shown
        told = figure.get_supxlabel() + figure.get_supylabel()
        assert f"{len(shown)} of {BINS} bins" in told


def test_bars_stand_in_the_panel_of_their_own_bin(fine):
    size = np.outer([3.0, 1.0], np.arange(1, BINS + 1))
    figure = shap_bars(size, np.zeros_like(size), ["a", "b"], fine, most=15, bins=(30, 4))
    drawn = {panel.get_title(): [bar.get_width() for bar in panel.patches] for panel in figure.axes}
    assert drawn == {"r[30]": [93.0, 31.0], "r[4]": [15.0, 5.0]}
