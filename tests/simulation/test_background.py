"""The parts of the background, one at a time against what they must add."""

from dataclasses import replace

import numpy as np
import pytest

from polarbgb.simulation import rates
from polarbgb.simulation.background import background_rates
from polarbgb.simulation.orbit import START
from polarbgb.simulation.plan import plan
from polarbgb.simulation.recipe import Recipe
from polarbgb.simulation.sources import CRAB, CRAB_AREA
from polarbgb.simulation.trajectory import follow, past

ANY = rates.NESTING[:, 12]


@pytest.fixture(scope="module")
def settled():
    return plan(Recipe(unnamed=0), quirks="real", first=0, days=1, seed=3, known=[])


@pytest.fixture(scope="module")
def trajectory(settled):
    return follow(settled.field, START + np.arange(0, 43200, 2.0), holes=settled.holes, before=past(settled.field))


def _rates(settled, trajectory, *, particle=None, crab=None, seed=0):
    readings = len(trajectory.time)
    return background_rates(
        settled,
        trajectory,
        particle=np.zeros((readings, 3)) if particle is None else particle,
        crab=np.zeros(readings) if crab is None else crab,
        time=trajectory.time,
        rng=np.random.default_rng(seed),
    )


def test_quiet_equator_and_high_latitude_have_the_rates_of_the_real_rows(settled, trajectory):
    total = _rates(settled, trajectory) @ rates.NESTING
    calm = (trajectory.cutoff > 11) & (trajectory.anomaly.activation < 100)
    assert 2700 < np.median(total[calm, 12]) < 3200  # without the sources that are unnamed
    assert 600 < np.median(total[calm, 0]) < 750
    # POLAR's rows of 6.7 to 7.2 kHz at L = 4.77 have no particles to speak of; here L goes to some 4.5.
    top = trajectory.shell > 4.2
    assert top.sum() > 20
    assert 5500 < np.median(total[top, 12]) < 7600


def test_crab_adds_its_rate_in_proportion_to_the_area_told(settled, trajectory):
    areas = (None, np.full(len(trajectory.time), CRAB_AREA / 2))
    without, with_it = (_rates(settled, trajectory, crab=area) for area in areas)
    added = (with_it - without) @ ANY
    # The gain moves it, by less than two parts in ten.
    np.testing.assert_allclose(added, CRAB.rate / 2, rtol=0.2)


def test_particles_add_their_rate_with_some_flicker(settled, trajectory):
    particle = np.zeros((len(trajectory.time), 3))
    particle[:, 1] = 2000.0
    added = (_rates(settled, trajectory, particle=particle) - _rates(settled, trajectory)) @ ANY
    assert added.mean() == pytest.approx(2000, rel=0.05)
    assert 0.05 < added.std() / added.mean() < 0.12


def test_activation_is_all_that_the_past_changes(settled, trajectory):
    fresh = replace(trajectory, anomaly=replace(trajectory.anomaly, activation=np.zeros(len(trajectory.time))))
    lost = (_rates(settled, trajectory) - _rates(settled, fresh)) @ ANY
    np.testing.assert_allclose(lost, trajectory.anomaly.activation, rtol=0.2)
    assert trajectory.anomaly.activation.max() > 100


def test_a_warmer_detector_counts_less(settled, trajectory):
    warm = replace(settled, holes=np.empty((0, 2)))
    # Switched on just now, after days without power, the crystals are cold and their gain is high.
    cold = replace(settled, holes=np.array([[START - 5 * 86400, START - 1]]))
    first = slice(400, 700)  # the crystals follow the thermometer by ten minutes
    ratio = (_rates(cold, trajectory)[first] @ rates.NESTING) / (_rates(warm, trajectory)[first] @ rates.NESTING)
    assert (ratio[:, [0, 1, 5, 6]] > 1.05).all()
    # The steeper the spectrum at the threshold, the more.
    assert (ratio[:, 0] > ratio[:, 5]).all()


def test_what_is_unnamed_moves_the_rates_by_percents(trajectory):
    named, unnamed = (
        _rates(plan(Recipe(unnamed=strength), quirks="real", first=0, days=1, seed=3, known=[]), trajectory) @ ANY
        for strength in (0, 1)
    )
    away = np.abs(unnamed / named - 1)
    assert 0.003 < np.median(away) < 0.05
    assert away.max() < 0.15
