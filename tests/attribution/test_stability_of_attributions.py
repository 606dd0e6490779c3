"""Agreement of attributions."""

import numpy as np
import pytest

from polarbgb.attribution.shap_values import Explanation
from polarbgb.attribution.stability import compare_attributions, fold_shares, shares

NAMES = ("a", "b", "c", "d")


def test_equal_attributions_agree_and_reversed_ones_do_not():
    one = shares(np.array([[4.0, 1.0], [3.0, 2.0], [2.0, 3.0], [1.0, 4.0]]))
    same = compare_attributions([one, one], NAMES, ("soft", "hard"))
    assert same.correlation == pytest.approx((1, 1))
    assert same.change == (0, 0)
    turned = compare_attributions([one, one[::-1]], NAMES, ("soft", "hard"))
    assert turned.correlation == pytest.approx((-1, -1))
    assert turned.change == pytest.approx((0.3, 0.3))
    assert set(turned.feature) <= {"a", "d"}


def test_the_correlation_is_spearmans():
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 sum d^2 / n(n^2 - 1) = 1 - 24/60
    one, other = np.array([[1.0], [2], [3], [9]]), np.array([[2.0], [1], [50], [3]])
    assert compare_attributions([one, other], NAMES, ("bin",)).correlation == pytest.approx((0.6,))


def test_of_three_the_pairs_are_averaged_and_the_widest_span_is_told():
    up, down = np.array([[0.1], [0.2], [0.3], [0.4]]), np.array([[0.4], [0.3], [0.2], [0.1]])
    found = compare_attributions([up, up, down], NAMES, ("bin",))
    assert found.correlation == pytest.approx((-1 / 3,))
    assert found.change == pytest.approx((0.3,))


def test_a_bin_without_any_importance_has_no_correlation():
    nothing = shares(np.zeros((4, 1)))
    found = compare_attributions([nothing, nothing], NAMES, ("bin",))
    assert np.isnan(found.correlation[0])
    assert found.change == (0,)


def test_shares_of_a_fold_are_of_its_own_rows():
    values = np.array([[[1, -3], [5, 0], [-2, 2]]], np.float32)
    explanation = Explanation(np.arange(3), values, np.zeros((1, 3)), 0.0)
    found = fold_shares(explanation, np.array([1, 0, 1]))
    np.testing.assert_allclose(found[1][:, 0], [1.5 / 4, 2.5 / 4])
    np.testing.assert_allclose(found[0][:, 0], [1, 0])
