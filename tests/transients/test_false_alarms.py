"""False-alarm rates, compared with explicit counts, and probabilities on mixtures of known truth."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polarbgb.transients.false_alarms import Control, bulk_excess, probability

VALUES = st.lists(st.integers(-20, 40).map(lambda tenths: tenths / 2), max_size=40)
DAYS = st.sampled_from([0.5, 3.0, 100.0])


def control_of(values, days=1.0):
    return Control(np.sort(np.array(values, float)), days)


@given(VALUES, VALUES, DAYS)
def test_the_rate_counts_what_ranks_at_least_as_high(values, asked, days):
    control, ranking = control_of(values, days), np.array(asked, float)
    counted = [sum(value >= one for value in values) for one in asked]
    assert control.count(ranking).tolist() == counted
    assert control.is_limit(ranking).tolist() == [number == 0 for number in counted]
    assert control.far(ranking).tolist() == [max(number, 1) / days for number in counted]
    assert control.far_error(ranking).tolist() == [max(number, 1) ** 0.5 / days for number in counted]


@given(VALUES, VALUES, DAYS)
def test_the_higher_the_ranking_the_rarer(values, asked, days):
    far = control_of(values, days).far(np.sort(np.array(asked, float)))
    assert (np.diff(far) <= 0).all()
    assert (far >= 1 / days).all()


@given(VALUES, VALUES, DAYS, st.sampled_from([0.001, 0.1, 1.0, 7.0]))
def test_a_list_holds_what_the_control_has_seldom_enough(values, asked, days, far):
    control, ranking = control_of(values, days), np.array(asked, float)
    selected = control.selected(ranking, far)
    assert selected.tolist() == [sum(value >= one for value in values) / days <= far * (1 + 1e-12) for one in asked]
    # Candidates above the whole control are in every list, even at rates below one per live time of the control.
    assert selected[control.is_limit(ranking)].all()
    assert control.selected(np.array(values, float), far).sum() <= far * days + 1e-9


def test_a_list_at_twice_the_rate_holds_that_of_half_of_it():
    control = control_of(np.random.default_rng(0).normal(size=200), 10.0)
    ranking = np.random.default_rng(1).normal(size=500)
    lists = [control.selected(ranking, far) for far in (0.05, 0.5, 1.0, 2.0, 20.0)]
    for smaller, larger in itertools.pairwise(lists):
        assert not (smaller & ~larger).any()
    assert lists[-1].all()


@given(VALUES, VALUES, VALUES, DAYS)
def test_pooled_controls_count_and_last_as_both(one, other, asked, days):
    pooled = control_of(one, days).pooled(control_of(other, 2.0))
    ranking = np.array(asked, float)
    assert pooled.days == days + 2.0
    assert pooled.count(ranking).tolist() == [sum(value >= at for value in one + other) for at in asked]


@given(VALUES, DAYS)
def test_a_control_is_read_as_it_was_stored(values, days):
    control = control_of(values, days)
    again = Control.from_dict(control.as_dict())
    np.testing.assert_array_equal(again.ranking, control.ranking)
    assert again.days == control.days


@given(VALUES, VALUES, DAYS, DAYS)
def test_a_probability_rises_with_the_ranking_from_none_to_one(ranking, values, days, searched):
    order = np.sort(np.array(ranking, float))
    found = probability(order, control_of(values, days), searched)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= -1e-9).all()
    shuffled = np.random.default_rng(0).permutation(len(order))
    np.testing.assert_allclose(probability(order[shuffled], control_of(values, days), searched), found[shuffled])


def test_noise_alone_is_false():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2, 2000))
    found = probability(values[0], control_of(values[1]), 1.0)
    assert np.mean(found) < 0.03
    assert np.mean(found > 0.5) < 0.01


@pytest.mark.parametrize("longer", [1.0, 5.0])
def test_what_is_not_true_of_the_events_of_a_mixture_is_false(longer):
    # 2000 false and 200 true candidates of known densities; the control is as long as the search, or longer.
    rng = np.random.default_rng(3)
    false, true = rng.normal(0.0, 1.0, rng.poisson(2000)), rng.normal(4.0, 1.0, 200)
    ranking = np.concatenate([false, true])
    is_false = np.arange(len(ranking)) < len(false)
    control = control_of(rng.normal(0.0, 1.0, rng.poisson(2000 * longer)), longer)
    found = probability(ranking, control, 1.0)
    for least in (2.0, 2.5, 3.0):
        above = ranking > least
        number = is_false[above].sum()
        assert (1 - found[above]).sum() == pytest.approx(number, abs=3 * np.sqrt(2 * number) + 2)
    # The probability of each candidate follows from the two densities.
    near = np.abs(ranking - 3.0) < 0.3
    densities = 2000 * np.exp(-(ranking[near] ** 2) / 2), 200 * np.exp(-((ranking[near] - 4) ** 2) / 2)
    assert found[near].mean() == pytest.approx(np.mean(densities[1] / (densities[0] + densities[1])), abs=0.12)
    assert found[ranking > 5].min() > 0.95
    assert found[ranking < 1].max() < 0.2


def test_the_longer_the_control_the_surer_what_nothing_in_it_reaches():
    ranking = np.concatenate([np.linspace(0, 1, 50), [9.0, 10.0]])
    values = np.linspace(0, 1, 50) + 1e-6
    short, longer = (probability(ranking, control_of(np.repeat(values, times), times), 1.0)[-1] for times in (1, 100))
    # The candidate added to the control makes half of one of two events false, or a hundredth of one.
    assert short == pytest.approx(0.5, abs=0.01)
    assert longer == pytest.approx(1 - 0.01 / 2, abs=1e-3)


def test_no_candidates_have_no_probability():
    assert probability(np.zeros(0), control_of([]), 0.0).shape == (0,)
    assert probability(np.array([1.0]), control_of([], 1.0), 1.0).tolist() == [0.0]


@pytest.mark.parametrize("excess", [1.0, 1.4, 2.0])
def test_the_excess_of_false_candidates_is_measured_in_the_bulk(excess):
    """Exponential rankings of which the observed ones are more; a few true ones lie far above all."""
    rng = np.random.default_rng(3)
    days = 20.0
    mirrored = Control(np.sort(rng.exponential(1.0, round(400 * days))), days)
    observed = np.concatenate([rng.exponential(1.0, round(excess * 400 * days)), np.full(round(2 * days), 30.0)])
    assert bulk_excess(observed, mirrored) == pytest.approx(excess, abs=0.08)


def test_the_excess_multiplies_the_rate_its_error_and_its_limit():
    plain, scaled = control_of([1.0, 2.0, 3.0], 4.0), Control(np.array([1.0, 2.0, 3.0]), 4.0, excess=1.5)
    ranking = np.array([0.5, 2.5, 9.0])
    np.testing.assert_allclose(scaled.far(ranking), 1.5 * plain.far(ranking))
    np.testing.assert_allclose(scaled.far_error(ranking), 1.5 * plain.far_error(ranking))
    assert scaled.least_far == pytest.approx(1.5 / 4.0)
    # 0.7 a day allow one candidate of the control in 4 days, as 1.5 * 1 / 4 < 0.7 < 1.5 * 2 / 4.
    assert scaled.selected(np.array([1.5, 2.5, 3.5]), 0.7).tolist() == [False, True, True]
    assert Control.from_dict(scaled.as_dict()).excess == 1.5


def test_few_candidates_have_no_excess_and_deficits_are_none():
    assert bulk_excess(np.array([5.0, 6.0]), control_of([1.0], 0.01)) == pytest.approx(52 / 51, abs=0.02)
    assert bulk_excess(np.array([]), control_of([1.0, 2.0], 1.0)) == 1.0
    assert bulk_excess(np.array([1.0]), control_of([], 1.0)) == 1.0
