"""The response against the textbook cross-section in angle, conservation laws and photons drawn one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from polarbgb.simulation import response
from polarbgb.simulation.rates import NESTING
from polarbgb.simulation.response import ENERGIES

REST = 510.99895  # keV

energies = st.floats(10, 3000)
alphas, betas, peaks = st.floats(-1.8, 0.5), st.floats(-3.5, -2.05), st.floats(30, 1000)


def _scattered(energy, cosine):
    """Return what the photon keeps (Compton's formula), keV."""
    return energy / (1 + energy / REST * (1 - cosine))


def _in_angle(energy, cosine):
    """Return Klein and Nishina's cross-section per solid angle, in units of r_e^2."""
    kept = _scattered(energy, cosine) / energy
    return kept**2 * (kept + 1 / kept - 1 + cosine**2) / 2


@settings(deadline=None, max_examples=30)
@given(energies)
def test_compton_edge_conserves_energy_and_momentum(energy):
    def surplus(back):
        # A photon that is thrown back hands both momenta to the electron.
        return energy + REST - back - np.hypot(energy + back, REST)

    back = brentq(surplus, 0, energy, xtol=1e-12)
    assert response.compton_edge(np.array([energy]))[0] == pytest.approx(energy - back, rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(energies, energies)
def test_cross_section_per_deposit_has_the_total_of_that_in_angle(one, other):
    def ratio(energy):
        edge = response.compton_edge(np.array([energy]))[0]
        in_deposit = quad(lambda t: response.klein_nishina(energy, t), 0, edge)[0]
        return in_deposit / quad(lambda c: _in_angle(energy, c), -1, 1)[0]

    assert ratio(one) == pytest.approx(ratio(other), rel=1e-4)  # the constant is left open


@settings(deadline=None, max_examples=20)
@given(energies)
def test_mean_deposit_is_that_of_the_cross_section_in_angle(energy):
    edge = response.compton_edge(np.array([energy]))[0]
    total, first = (
        quad(lambda t, power=power: t**power * response.klein_nishina(energy, t), 0, edge)[0] for power in (0, 1)
    )
    whole = quad(lambda c: _in_angle(energy, c), -1, 1)[0]
    lost = quad(lambda c: (energy - _scattered(energy, c)) * _in_angle(energy, c), -1, 1)[0]
    assert first / total == pytest.approx(lost / whole, rel=1e-4)


@settings(deadline=None, max_examples=30)
@given(alphas, betas, peaks)
def test_band_function_has_its_slopes_and_is_smooth_at_the_knee(alpha, beta, peak):
    # The slope d ln N / d ln E is alpha - E / fold down to beta, and beta from there on. A jump would add to it.
    fold = peak / (2 + alpha)
    knee = min(max((alpha - beta) * fold, ENERGIES[0]), ENERGIES[-1])
    below, above = np.minimum(ENERGIES, knee), np.maximum(ENERGIES, knee)
    want = alpha * np.diff(np.log(below)) - np.diff(below) / fold + beta * np.diff(np.log(above))
    np.testing.assert_allclose(np.diff(np.log(response.band(alpha, beta, peak))), want, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(alphas, betas, peaks)
def test_band_function_gives_most_energy_at_its_peak(alpha, beta, peak):
    power = ENERGIES**2 * response.band(alpha, beta, peak)
    step = ENERGIES[1] / ENERGIES[0]
    assert peak / step <= ENERGIES[np.argmax(power)] <= peak * step


@settings(deadline=None, max_examples=20)
@given(st.floats(-6, 0), st.floats(5, 500))
def test_power_law_has_its_slope_and_its_fold(slope, fold):
    steps = np.diff(np.log(response.power_law(slope)))
    np.testing.assert_allclose(steps / np.diff(np.log(ENERGIES)), slope, atol=1e-9)
    folded = response.power_law(slope, fold) / response.power_law(slope)
    np.testing.assert_allclose(folded, np.exp(-ENERGIES / fold))


def _spectra():
    bands = st.builds(response.band, alphas, betas, peaks)
    return bands | st.builds(response.power_law, st.floats(-6, 0), st.floats(3, 500))


@settings(deadline=None, max_examples=30)
@given(_spectra(), st.floats(1e-6, 1e6))
def test_shares_are_those_of_nested_bins_for_one_count_in_bin_0(spectrum, brightness):
    shares = response.shares(spectrum)
    assert shares.min() >= 0
    bins = shares @ NESTING
    assert bins[0] == pytest.approx(1)
    assert (np.diff(bins[:5]) <= 1e-12).all()
    assert (np.diff(bins[5:10]) <= 1e-12).all()
    assert (bins[:5] <= bins[5:10] + 1e-12).all()
    assert bins[5] <= bins[12] + 1e-12
    assert bins[10] == pytest.approx(bins[12])
    assert bins[11] == 0
    np.testing.assert_allclose(response.shares(brightness * spectrum), shares)


@settings(deadline=None, max_examples=20)
@given(st.floats(-5, -1.5), st.floats(0.1, 1))
def test_a_harder_spectrum_passes_more_thresholds(slope, harder):
    soft, hard = (response.shares(response.power_law(index)) @ NESTING for index in (slope, slope + harder))
    assert (hard[1:5] > soft[1:5]).all()
    assert (hard[6:10] / hard[5] > soft[6:10] / soft[5]).all()


def _line(energy):
    """Return the number of an energy of the grid, and the spectrum of photons that all have it."""
    number = int(np.argmin(np.abs(ENERGIES - energy)))
    return number, np.eye(len(ENERGIES))[number]


def _scatter(energy, rng):
    """Draw what photons lose in one scattering, by rejection from the cross-section in angle."""
    lost, left = np.zeros_like(energy), np.arange(len(energy))
    while len(left):
        cosine = rng.uniform(-1, 1, len(left))
        taken = rng.random(len(left)) < _in_angle(energy[left], cosine)
        lost[left[taken]] = energy[left[taken]] - _scattered(energy[left[taken]], cosine[taken])
        left = left[~taken]
    return lost


def _fired(energy, rng, photons=200_000):
    """Follow photons into at most two bars, by the chances that the model states; return deposits (photons, 2)."""
    weight = 1.1 * (20 / energy) ** 3
    absorbed = rng.random(photons) < weight / (1 + weight)
    again = rng.random(photons) < response._SECOND
    first = _scatter(np.full(photons, energy), rng)
    second = np.where(again, _scatter(energy - first, rng), 0)
    deposits = np.stack([np.where(absorbed, energy, first), np.where(absorbed, 0, second)], axis=1)
    return np.where(deposits < response._TRIGGER, 0, deposits)


@pytest.mark.parametrize("energy", [30, 60, 120, 300, 1000])
def test_shares_of_a_line_are_those_of_photons_drawn_one_by_one(energy):
    number, spectrum = _line(energy)
    deposits = _fired(ENERGIES[number], np.random.default_rng(1))
    highest, single = deposits.max(axis=1), (deposits > 0).sum(axis=1) == 1
    passed = [(highest > threshold) for threshold in (15, 20, 30, 50, 70)]
    counted = np.array([*((single & over).sum() for over in passed), *(over.sum() for over in passed)])
    bins = response.shares(spectrum) @ NESTING
    # 60 steps of the deposit, the shares of some 1e5 photons.
    np.testing.assert_allclose(bins[:10], counted / counted[0], rtol=0.03, atol=0.015)
    assert bins[12] == pytest.approx((highest > 0).sum() / counted[0], rel=0.03)


def test_photons_below_the_threshold_of_a_bar_count_nowhere():
    # They must not be seen through others: a line below leaves a spectrum's shares as they are.
    _, faint = _line(10)
    spectrum = response.power_law(-2.0)
    np.testing.assert_allclose(response.shares(spectrum + 1e6 * faint), response.shares(spectrum))
