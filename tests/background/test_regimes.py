"""Regimes divide the rows that count."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polarbgb.background.regimes import ALL, regimes


@given(st.lists(st.tuples(st.floats(0, 1e4), st.booleans(), st.floats(-90, 90), st.booleans()), max_size=40))
def test_every_division_holds_each_row_once(rows):
    predicted, near, latitude, counted = (np.array(c) for c in zip(*rows, strict=True)) if rows else [np.empty(0)] * 4
    near, counted = near.astype(bool), counted.astype(bool)
    found = regimes(predicted, near, latitude, counted)
    assert found.pop(ALL).sum() == counted.sum()
    for kind in ("rate", "SAA", "|latitude|"):
        masks = [mask for name, mask in found.items() if name.startswith(kind)]
        np.testing.assert_array_equal(np.sum(masks, axis=0), counted.astype(int))


def test_without_a_latitude_there_are_no_such_regimes():
    found = regimes(np.arange(9.0), np.zeros(9, bool), None, np.ones(9, bool))
    assert not any("latitude" in name for name in found)
    assert [found[f"rate {third}"].sum() for third in ("low", "middle", "high")] == [3, 3, 3]
