"""The ranking of candidates with features of known meaning."""

import lightgbm
import numpy as np
import pytest
from scipy import stats

from polarbgb.transients.ranking import (
    FEWEST_CANDIDATES,
    FEWEST_ORBITS,
    N_FOLDS,
    ORBITS_PER_BLOCK,
    Ranking,
    enough_to_learn,
    fold_of_orbit,
    gaussian_equivalent,
    train_ranking,
)

ORBITS = 60
NAMES = ("significance", "significance_2s", "significance_3600s", "distance_2s", "excess_near", "variability", "place")
DAYS = 0.375


def toy(rng, number, *, injected, orbits=ORBITS):
    """Draw candidates: transients are brighter and lie in less variable data; ``place`` has no meaning."""
    shift = 2.0 if injected else 0.0
    significance = 5 + shift + rng.exponential(1.0, number)
    at_2s = rng.random(number) < 0.5  # the scale at which a candidate is most significant
    features = {
        "significance": significance,
        "significance_2s": np.where(at_2s, significance, 3.0),
        "significance_3600s": np.where(at_2s, 3.0, significance),
        "distance_2s": 4 + shift + rng.normal(size=number),
        "excess_near": rng.normal(size=number) + shift,
        "variability": rng.exponential(1.0 if injected else 3.0, number),
        "place": rng.uniform(size=number),
    }
    return {name: values.astype(np.float32) for name, values in features.items()}, rng.integers(0, orbits, number)


def sets(seed=0, orbits=ORBITS):
    rng = np.random.default_rng(seed)
    return [
        toy(rng, number, injected=kind, orbits=orbits) for number, kind in ((600, False), (500, False), (700, True))
    ]


@pytest.fixture(scope="module")
def ranking():
    return train_ranking(*sets(), days=DAYS, seed=1, threads=1)


@pytest.fixture(scope="module")
def misled():
    """Return a ranking that was trained on faint transients and bright noise."""
    own, _, injected = sets(3)
    return train_ranking(injected, injected, own, days=DAYS, seed=0, threads=1)


def test_orbits_are_dealt_out_in_threes():
    orbit = np.arange(2 * N_FOLDS * ORBITS_PER_BLOCK)
    assert fold_of_orbit(orbit).tolist() == [fold for fold in range(N_FOLDS) for _ in range(ORBITS_PER_BLOCK)] * 2
    assert fold_of_orbit(np.array([0, 14, 15], np.int32)).tolist() == [0, 4, 0]


def test_transients_rank_above_noise_in_orbits_that_were_not_seen(ranking):
    assert ranking.learned
    own, _, injected = sets()
    noise, signal = (ranking.score(*one) for one in (own, injected))
    assert np.mean(signal[:, None] > noise) > 0.97  # area under the ROC curve
    assert np.median(signal) > 0 > np.median(noise)  # log odds of sets of equal weight
    rng = np.random.default_rng(9)  # another file
    fresh = [ranking.score(*toy(rng, 400, injected=kind), held_out=False) for kind in (False, True)]
    assert np.mean(fresh[1][:, None] > fresh[0]) > 0.97


def test_nothing_is_learned_from_equal_candidates():
    rng = np.random.default_rng(5)
    alike = [toy(rng, 600, injected=False) for _ in range(3)]
    ranking = train_ranking(*alike, days=DAYS, seed=1, threads=1)
    noise, signal = (ranking.score(*one) for one in (alike[0], alike[2]))
    assert np.mean(signal[:, None] > noise) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("name", ["significance", "significance_2s", "distance_2s", "excess_near"])
def test_all_else_equal_a_brighter_excess_never_ranks_lower(ranking, misled, name):
    features, orbit = toy(np.random.default_rng(4), 10, injected=False)
    brightness = np.linspace(-5.0, 20.0, 60)
    grid = {of: np.repeat(values, len(brightness)) for of, values in features.items()}
    grid[name] = np.tile(brightness, 10).astype(np.float32)
    for one in (ranking, misled):
        score = one.score(grid, np.repeat(orbit, len(brightness))).reshape(10, -1)
        assert (np.diff(score, axis=1) >= 0).all()


def test_other_features_may_count_against_a_candidate(ranking):
    features, orbit = toy(np.random.default_rng(4), 200, injected=True)
    calm, wild = (
        ranking.score({**features, "variability": np.full(200, value, np.float32)}, orbit) for value in (0.5, 12.0)
    )
    assert np.median(calm - wild) > 1


def test_a_fold_is_ranked_by_trees_that_never_saw_it(ranking):
    changed = sets()
    fold = 2
    for features, orbit in changed:
        for values in features.values():
            values[fold_of_orbit(orbit) == fold] *= -3.0
    after = train_ranking(*changed, days=DAYS, seed=1, threads=1)
    assert after.models[fold] == ranking.models[fold]
    assert all(after.models[other] != ranking.models[other] for other in range(N_FOLDS) if other != fold)
    # Each fold is scored by its model.
    features, orbit = sets()[0]
    score = ranking.score(features, orbit)
    values = np.column_stack([features[name] for name in ranking.names])
    for i_fold, text in enumerate(ranking.models):
        mine = fold_of_orbit(orbit) == i_fold
        wanted = lightgbm.Booster(model_str=text).predict(values[mine], raw_score=True)
        np.testing.assert_allclose(score[mine], wanted, rtol=1e-12)


def test_another_file_is_ranked_by_the_mean_of_all_folds(ranking):
    features, orbit = toy(np.random.default_rng(6), 100, injected=True)
    values = np.column_stack([features[name] for name in ranking.names])
    each = [lightgbm.Booster(model_str=text).predict(values, raw_score=True) for text in ranking.models]
    np.testing.assert_allclose(ranking.score(features, orbit, held_out=False), np.mean(each, axis=0), rtol=1e-9)


@pytest.mark.parametrize("held_out", [True, False])
def test_shap_values_and_their_base_add_up_to_the_ranking(ranking, held_out):
    features, orbit = toy(np.random.default_rng(7), 150, injected=True)
    shap = ranking.explain(features, orbit, held_out=held_out)
    assert shap.shape == (150, len(NAMES))
    values = np.column_stack([features[name] for name in ranking.names])
    bases = np.array(
        [lightgbm.Booster(model_str=text).predict(values[:1], pred_contrib=True)[0, -1] for text in ranking.models]
    )
    base = bases[fold_of_orbit(orbit)] if held_out else bases.mean()
    np.testing.assert_allclose(shap.sum(axis=1) + base, ranking.score(features, orbit, held_out=held_out), atol=1e-6)
    size = dict(zip(ranking.names, np.abs(shap).mean(axis=0), strict=True))
    assert size["place"] < 0.5 * min(size["significance"], size["variability"])


def test_the_seed_makes_the_same_trees_to_the_byte(ranking):
    assert train_ranking(*sets(), days=DAYS, seed=1, threads=1) == ranking
    assert train_ranking(*sets(), days=DAYS, seed=2, threads=1).models != ranking.models


def test_the_order_of_the_features_makes_no_difference(ranking):
    turned = [({name: features[name] for name in reversed(NAMES)}, orbit) for features, orbit in sets()]
    assert train_ranking(*turned, days=DAYS, seed=1, threads=1) == ranking


def test_a_feature_that_a_file_does_not_have_is_not_known(ranking):
    features, orbit = toy(np.random.default_rng(8), 50, injected=True)
    without = {name: values for name, values in features.items() if name != "place"}
    unknown = {**features, "place": np.full(50, np.nan, np.float32)}
    np.testing.assert_array_equal(ranking.score(without, orbit), ranking.score(unknown, orbit))


def test_it_is_read_as_it_was_stored(ranking):
    again = Ranking.from_dict(ranking.as_dict())
    assert again == ranking
    features, orbit = sets()[0]
    np.testing.assert_array_equal(again.score(features, orbit), ranking.score(features, orbit))


def few_candidates(observed, mirrored, injected):
    features, orbit = mirrored
    return (
        observed,
        ({name: values[: FEWEST_CANDIDATES - 1] for name, values in features.items()}, orbit[:59]),
        injected,
    )


def few_orbits(observed, mirrored, injected):
    return (observed[0], observed[1] % (FEWEST_ORBITS - 1)), mirrored, injected


def an_empty_fold(observed, mirrored, injected):
    keep = fold_of_orbit(injected[1]) != 3
    return observed, mirrored, ({name: values[keep] for name, values in injected[0].items()}, injected[1][keep])


def student_score(deviation, degrees):
    """Return the Gaussian significance of the same probability, from the distributions themselves."""
    return stats.norm.isf(stats.t.sf(deviation.astype(float), degrees))


@pytest.mark.parametrize("degrees", [4, 9, 50, 1000, 1e6])
def test_a_deviation_in_units_of_a_measured_noise_follows_student(degrees):
    deviation = np.linspace(0.0, 30.0, 61)
    wanted = student_score(deviation, degrees)
    near = wanted < 30
    np.testing.assert_allclose(gaussian_equivalent(deviation, degrees)[near], wanted[near], atol=0.05, rtol=0.01)


@pytest.mark.parametrize("spoil", [few_candidates, few_orbits, an_empty_fold])
def test_with_too_little_to_learn_from_the_significance_ranks(spoil):
    spoiled = spoil(*sets())
    assert enough_to_learn(*sets())
    assert not enough_to_learn(*spoiled)
    ranking = train_ranking(*spoiled, days=DAYS, seed=1, threads=1)
    assert not ranking.learned
    features, orbit = spoiled[0]
    # Nine hours hold 16,200 windows of 2 s, but 9 of an hour.
    wanted = np.maximum(
        student_score(features["significance_2s"], 16_200), student_score(features["significance_3600s"], 9)
    )
    np.testing.assert_allclose(ranking.score(features, orbit), wanted, atol=0.06)
    assert not ranking.explain(features, orbit).any()
    assert ranking.explain(features, orbit).shape == (len(orbit), len(NAMES))
    assert Ranking.from_dict(ranking.as_dict()) == ranking


def test_no_candidates_are_ranked(ranking):
    none = {name: np.zeros(0, np.float32) for name in NAMES}
    assert ranking.score(none, np.zeros(0, np.int32)).shape == (0,)
    assert ranking.explain(none, np.zeros(0, np.int32)).shape == (0, len(NAMES))
